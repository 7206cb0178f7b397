//! Fields of header lines, cookies inside (RFC 9110 §5, RFC 6265).
//!
//! Goes in: `Name: value` lines. Comes out: the header's name in lower case, or `cookie.<name>`.
//! It remembers nothing: a line is found from any place in it, and header blocks are short.

use std::ops::Range;

use super::cursor::{REACH, safe_name, siblings, text_of};
use super::{Field, FieldLookup};

pub(super) struct Headers;

impl FieldLookup for Headers {
    fn field_at(&self, bytes: &[u8], at: Range<usize>) -> Field {
        let start = at.start.min(bytes.len());
        let end = at.end.clamp(start, bytes.len());
        let line_start = memchr::memrchr(b'\n', &bytes[..start]).map_or(0, |lf| lf + 1);
        let line_end = memchr::memchr(b'\n', &bytes[end..]).map_or(bytes.len(), |lf| end + lf);
        let line_end = line_end - usize::from(line_end > end && bytes[line_end - 1] == b'\r');
        let Some(colon) = memchr::memchr(b':', &bytes[line_start..start]).map(|colon| line_start + colon)
        else {
            return Field {
                value: line_start..line_end,
                ..Field::default()
            };
        };
        let name = text_of(bytes, line_start..colon);
        let header = name.trim().to_ascii_lowercase();
        let value = trimmed(bytes, colon + 1..line_end, &(start..end));
        if (header == "cookie" || header == "set-cookie")
            && let Some(field) = cookie(bytes, &header, &value, &(start..end))
        {
            return field;
        }
        Field {
            path: Some(safe_name(&header).to_owned()),
            siblings: header_names(bytes, line_start, line_end, &name),
            key: Some(name),
            value,
        }
    }

    fn snapshot(&self) -> Option<Box<dyn FieldLookup + Send>> {
        Some(Box::new(Self))
    }
}

/// The cookie at a place of a cookie header; none for the attributes of `Set-Cookie`.
fn cookie(bytes: &[u8], header: &str, value: &Range<usize>, at: &Range<usize>) -> Option<Field> {
    // Semicolon and space, as RFC 6265 has it; a semicolon alone may be of a value then, whose escapes
    // are undone. Some clients leave out all spaces.
    let all = &bytes[value.start..value.end.max(at.end)];
    let separator: &[u8] = if memchr::memmem::find(all, b"; ").is_some() {
        b"; "
    } else {
        b";"
    };
    let start = memchr::memmem::rfind(&bytes[value.start..at.start], separator)
        .map_or(value.start, |semicolon| value.start + semicolon + 1);
    if header == "set-cookie" && start != value.start {
        return None;
    }
    let end = memchr::memmem::find(&bytes[at.end..value.end.max(at.end)], separator)
        .map_or(value.end, |semicolon| at.end + semicolon);
    let equals = start + memchr::memchr(b'=', &bytes[start..at.start])?;
    let name = text_of(bytes, start..equals).trim().to_owned();
    let reach = &bytes[value.start..value.end.min(value.start + REACH).max(value.start)];
    let names = reach.split(|b| *b == b';').filter_map(|pair| {
        let equals = pair.iter().position(|b| *b == b'=')?;
        Some(text_of(pair, 0..equals).trim().to_owned())
    });
    let siblings = if header == "cookie" {
        siblings(names, Some(&name))
    } else {
        Vec::new()
    };
    Some(Field {
        path: Some(format!("cookie.{}", safe_name(&name))),
        siblings,
        key: Some(name),
        value: equals + 1..end,
    })
}

/// Names of the headers around a line, without the `X-` that says nothing.
fn header_names(bytes: &[u8], line_start: usize, line_end: usize, own: &str) -> Vec<String> {
    let near = &bytes[line_start.saturating_sub(REACH)..bytes.len().min(line_end + REACH)];
    let names = near
        .split(|b| *b == b'\n')
        .filter_map(|line| Some(text_of(line, 0..memchr::memchr(b':', line)?)))
        .filter(|name| name != own)
        .map(|name| {
            match name
                .strip_prefix(['X', 'x'])
                .and_then(|name| name.strip_prefix('-'))
            {
                Some(rest) => rest.to_owned(),
                None => name,
            }
        });
    siblings(names, None)
}

/// `value` without space at its ends, but never less than `at`.
fn trimmed(bytes: &[u8], value: Range<usize>, at: &Range<usize>) -> Range<usize> {
    let text = &bytes[value.start..value.end.max(value.start)];
    let front = text.len() - text.trim_ascii_start().len();
    let back = text.len() - text.trim_ascii_end().len();
    (value.start + front).min(at.start)..value.end.saturating_sub(back).max(at.end)
}
