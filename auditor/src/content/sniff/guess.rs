//! The format of text that nothing is said of.
//!
//! Goes in: first bytes. Comes out: the format that they have the shape of, or a delimiter.

use super::{SAMPLE, without_bom};
use crate::content::Format;

pub(super) fn guess(sample: &[u8]) -> Format {
    let text = without_bom(sample);
    match text.first() {
        Some(b'{' | b'[') if is_json(text) => return Format::Json,
        Some(b'<') if is_html(text) => return Format::Html,
        Some(b'<') if is_xml(text) => return Format::Xml,
        Some(b'-' | b'%') if is_yaml(text) => return Format::Yaml,
        _ => {}
    }
    if is_sql(text) {
        Format::Sql
    } else if is_form(text) {
        Format::Form
    } else if delimiter(text).is_some() {
        Format::Csv
    } else {
        Format::Text
    }
}

/// An object or array that goes on as one; `[2024-01-01 …] message` does not.
fn is_json(text: &[u8]) -> bool {
    let rest = text[1..].trim_ascii_start();
    match (text[0], rest.first()) {
        (_, None) | (b'{', Some(b'"' | b'}')) | (b'[', Some(b'{' | b'[' | b'"' | b']')) => true,
        (b'[', Some(b'-' | b'0'..=b'9')) => {
            let number = rest
                .iter()
                .skip(1)
                .position(|b| !matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E'));
            let next = number.map(|at| rest[at + 1..].trim_ascii_start());
            next.is_none_or(|next| matches!(next.first(), None | Some(b',' | b']')))
        }
        (b'[', Some(_)) => [&b"true"[..], b"false", b"null"].iter().any(|word| {
            let after = rest.strip_prefix(*word).map(<[u8]>::trim_ascii_start);
            after.is_some_and(|after| matches!(after.first(), None | Some(b',' | b']')))
        }),
        _ => false,
    }
}

fn is_html(text: &[u8]) -> bool {
    let lower = text[..text.len().min(16)].to_ascii_lowercase();
    lower.starts_with(b"<!doctype html") || lower.starts_with(b"<html")
}

fn is_xml(text: &[u8]) -> bool {
    matches!(text.get(1), Some(b'?' | b'!' | b'a'..=b'z' | b'A'..=b'Z' | b'_')) && text.contains(&b'>')
}

/// The line that begins a document, or a directive, and behind it one with a key.
fn is_yaml(text: &[u8]) -> bool {
    let mut lines = text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_end);
    let begins = lines
        .next()
        .is_some_and(|line| line == b"---" || line.starts_with(b"%YAML "));
    let is_key = |line: &[u8]| {
        let name = line
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || b"_-. ".contains(b))
            .count();
        name > 0 && matches!(line.get(name..), Some([b':'] | [b':', b' ', ..]))
    };
    begins && lines.take(8).any(is_key)
}

fn is_sql(text: &[u8]) -> bool {
    let lower = text[..text.len().min(SAMPLE)].to_ascii_lowercase();
    let starts = [
        &b"insert into "[..],
        b"create table ",
        b"select ",
        b"update ",
        b"delete from ",
        b"begin;",
        b"replace into ",
        b"drop table ",
        b"-- ",
        b"--\n",
        b"--\r\n",
        b"/*!",
        b"pragma foreign_keys",
        b"copy ",
    ];
    let words = [
        &b"insert into "[..],
        b"create table ",
        b" from ",
        b" set ",
        b"values",
        b"copy ",
        b" database dump",
        b"sql dump",
        b"mariadb dump",
        b"begin transaction",
    ];
    starts.iter().any(|start| lower.starts_with(start))
        && words
            .iter()
            .any(|word| memchr::memmem::find(&lower, word).is_some())
}

/// `name=value` pairs joined by `&`, without blanks.
fn is_form(text: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    let name = text
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || b"_.-%[]+*".contains(b))
        .count();
    name > 0
        && text.get(name) == Some(&b'=')
        && text
            .iter()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'{'))
}

/// The delimiter that cuts the first rows into the same number of cells, two or more, with a
/// first row that is a row and not a sentence.
pub(super) fn delimiter(sample: &[u8]) -> Option<u8> {
    let mut rows = sample
        .split(|b| *b == b'\n')
        .filter(|row| !row.trim_ascii().is_empty());
    let (head, second) = (rows.next()?, rows.next()?);
    let third = rows.next();
    let whole_third = third.filter(|_| rows.next().is_some());
    [b',', b';', b'\t', b'|'].into_iter().find(|delimiter| {
        let cells = cells(head, *delimiter);
        let short = head.split(|b| b == delimiter).all(|cell| {
            let cell = cell.trim_ascii();
            !cell.is_empty()
                && cell.len() <= 64
                && !cell.iter().any(|b| matches!(b, b':' | b'=' | b'{' | b'('))
        });
        let second_whole = third.is_some() || sample.ends_with(b"\n") || sample.len() < SAMPLE;
        cells >= 2
            && short
            && second_whole
            && self::cells(second, *delimiter) == cells
            && whole_third.is_none_or(|third| self::cells(third, *delimiter) == cells)
    })
}

fn cells(row: &[u8], delimiter: u8) -> usize {
    let mut quoted = false;
    let mut cells = 1;
    for byte in row {
        quoted ^= *byte == b'"';
        cells += usize::from(!quoted && *byte == delimiter);
    }
    cells
}
