//! Passwords in connection strings: `Server=…;Password=…`, `host=… password=…`,
//! `user:password@tcp(host)/database`.
//!
//! Goes in: the place of a password's name, or an at sign. Comes out: the match of the password when
//! another parameter of such strings stands beside it. Sources: ADO.NET connection string syntax,
//! libpq's keyword strings, go-sql-driver's data source names. Looks at four hundred bytes.

use super::{example, hidden, password, url_credentials};
use crate::content::Format;
use crate::detect::State;
use crate::detect::candidate::{Match, Place};

/// Bytes on either side in which the other parameters stand.
const AROUND: usize = 200;
const LONGEST: usize = 256;

/// Names of parameters that make a list a connection string.
const PARAMETERS: [&[u8]; 16] = [
    b"server",
    b"data source",
    b"datasource",
    b"host",
    b"hostname",
    b"hostaddr",
    b"database",
    b"initial catalog",
    b"dbname",
    b"uid",
    b"user id",
    b"userid",
    b"driver",
    b"dsn",
    b"addr",
    b"address",
];

/// Judges the value behind `Password=` or `Pwd=`.
pub(crate) fn verify(place: &Place<'_>) -> Option<Match> {
    let text = &place.bytes[place.at..];
    let name = text.iter().take(16).position(|b| *b == b'=')? + 1;
    let start = place.at + name;
    let rest = &place.bytes[start..place.bytes.len().min(start + LONGEST)];
    let quote = rest.first().copied().filter(|b| matches!(b, b'\'' | b'{'));
    let ends = |b: &u8| match quote {
        Some(b'{') => *b == b'}',
        Some(quote) => *b == quote,
        None => {
            b.is_ascii_whitespace() || matches!(b, b';' | b'"' | b'\'' | b'<' | b'>' | b'&' | b'\\' | b',')
        }
    };
    let skip = usize::from(quote.is_some());
    let start = start + skip;
    let rest = rest.get(skip..)?;
    let value = &rest[..rest.iter().position(ends).unwrap_or(rest.len())];
    // The `&` of a parameter's value keeps its escape.
    let escape = memchr::memmem::find(value, b"%26").filter(|_| place.format == Format::Form);
    let value = &value[..escape.unwrap_or(value.len())];
    if value.is_empty() || !is_connection_string(place, start + value.len()) {
        return None;
    }
    if let Some(mask) =
        hidden::Mask::at(place.bytes, start).filter(|mask| mask.end >= start + value.len().min(3))
    {
        let mut found =
            Match::new(start..mask.end, mask.state()).because(12.0, "is hidden in a connection string");
        found.under_masked = !mask.keeps();
        return Some(found);
    }
    if password::is_reference(value) || password::is_placeholder(value) {
        return None;
    }
    let found = |state| {
        Match::new(start..start + value.len(), state).because(14.0, "is the password of a connection string")
    };
    Some(match example::of(value) {
        Some(source) => found(State::Test).because(0.0, example::reason(source)),
        None => found(State::Clear),
    })
}

/// Judges `user:password` before `@tcp(` and `@unix(`.
pub(crate) fn verify_data_source(place: &Place<'_>) -> Option<Match> {
    let behind = place.bytes.get(url_credentials::behind_at(place)..)?;
    if !behind.starts_with(b"tcp(") && !behind.starts_with(b"unix(") {
        return None;
    }
    let from = place.at.saturating_sub(url_credentials::LONGEST);
    let ends =
        |b: &u8| b.is_ascii_whitespace() || matches!(b, b'@' | b'"' | b'\'' | b'`' | b'=' | b'<' | b'>');
    let start = place.bytes[from..place.at]
        .iter()
        .rposition(ends)
        .map_or(from, |at| from + at + 1);
    url_credentials::judge(
        place,
        start,
        16.0,
        "stands before an address as user and password",
    )
}

/// Whether another parameter of connection strings stands beside the one that ends at `end`.
fn is_connection_string(place: &Place<'_>, end: usize) -> bool {
    // Another parameter of a form or query is no part of this one.
    let is_form = place.format == Format::Form;
    let wall = |b: &u8| matches!(b, b'\n' | b'"' | b'<' | b'>' | b'{' | b'`') || is_form && *b == b'&';
    let before = &place.bytes[place.at.saturating_sub(AROUND)..place.at];
    let before = &before[before.iter().rposition(wall).map_or(0, |at| at + 1)..];
    let after = &place.bytes[end..place.bytes.len().min(end + AROUND)];
    let after = &after[..after.iter().position(wall).unwrap_or(after.len())];
    if before.len() > 5 && memchr::memmem::find(before, b"jdbc:").is_some() {
        return true;
    }
    [before, after].into_iter().any(|side| {
        side.iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'=')
            .any(|(at, _)| is_parameter(side[..at].trim_ascii_end()))
    })
}

/// Whether `text` ends with the whole name of a parameter.
fn is_parameter(text: &[u8]) -> bool {
    PARAMETERS.iter().any(|name| {
        text.len().checked_sub(name.len()).is_some_and(|at| {
            text[at..].eq_ignore_ascii_case(name)
                && !at
                    .checked_sub(1)
                    .is_some_and(|before| text[before].is_ascii_alphanumeric() || text[before] == b'_')
        })
    })
}
