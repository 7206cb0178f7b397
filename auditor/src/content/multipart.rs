//! The syntax of multipart bodies (RFC 2046 §5.1, RFC 7578): where their parts begin and what they say
//! of themselves.
//!
//! Goes in: a content type and first bytes, or the header lines of a part. Comes out: the boundary, or
//! the part's name and type. Lengths are bounded; nothing is kept.

use super::cursor::MAX_NAME;

/// Longest boundary, bytes. RFC 2046 has 70; some senders have longer ones.
const MAX_BOUNDARY: usize = 200;
/// Longest content type that is kept, bytes.
const MAX_TYPE: usize = 256;

/// What a part says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PartHead {
    pub(super) name: Option<String>,
    pub(super) file_name: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    /// Lines that say something else.
    pub(super) others: Vec<String>,
}

/// What separates the parts of content that has such, by its type or by its shape: a line of `--` and
/// the boundary, and a line that begins with `Content-`.
pub(super) fn boundary(content_type: Option<&str>, sample: &[u8]) -> Option<Vec<u8>> {
    let declared = content_type
        .filter(|value| value.len() >= 10 && value.as_bytes()[..10].eq_ignore_ascii_case(b"multipart/"))
        .and_then(|value| parameter(value, "boundary"))
        .map(String::into_bytes);
    let declared = declared.filter(|boundary| (1..=MAX_BOUNDARY).contains(&boundary.len()));
    declared.or_else(|| by_shape(sample))
}

fn by_shape(sample: &[u8]) -> Option<Vec<u8>> {
    let text = sample.trim_ascii_start().strip_prefix(b"--")?;
    let end = text.iter().take(MAX_BOUNDARY + 2).position(|b| *b == b'\n')?;
    let line = text[..end].trim_ascii_end();
    let behind = &text[end + 1..];
    let is_token = |b: &u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(b);
    let goes_on = behind.len() >= 8 && behind[..8].eq_ignore_ascii_case(b"content-");
    ((1..=MAX_BOUNDARY).contains(&line.len()) && line.iter().all(is_token) && goes_on).then(|| line.to_vec())
}

impl PartHead {
    /// Reads the lines of a header.
    pub(super) fn of(lines: &[u8]) -> Self {
        let mut head = Self::default();
        for line in lines.split(|b| *b == b'\n') {
            let line = String::from_utf8_lossy(line.trim_ascii());
            let Some((field, value)) = line.split_once(':') else {
                if !line.is_empty() {
                    head.others.push(line.into_owned());
                }
                continue;
            };
            let value = value.trim();
            match field.trim().to_ascii_lowercase().as_str() {
                "content-disposition" => {
                    head.name = parameter(value, "name").filter(|name| name.len() <= 4 * MAX_NAME);
                    head.file_name = parameter(value, "filename").or_else(|| parameter(value, "filename*"));
                }
                "content-type" if value.len() <= MAX_TYPE => head.content_type = Some(value.to_owned()),
                "content-encoding" if value.len() <= MAX_TYPE => {
                    head.content_encoding = Some(value.to_owned());
                }
                "content-length" | "content-transfer-encoding" => {}
                _ => head.others.push(line.into_owned()),
            }
        }
        head
    }
}

/// Where the lines of a header end, and where the content behind the empty line begins. No line ends before
/// `searched` with an empty one behind it.
pub(super) fn end_of_head(bytes: &[u8], searched: usize) -> Option<(usize, usize)> {
    let empty_line = |at: usize| match bytes.get(at..)? {
        [b'\n', ..] => Some(at + 1),
        [b'\r', b'\n', ..] => Some(at + 2),
        _ => None,
    };
    if let Some(content) = empty_line(0) {
        return Some((0, content));
    }
    let mut ends = memchr::memchr_iter(b'\n', &bytes[searched..]).map(|end| searched + end);
    ends.find_map(|end| empty_line(end + 1).map(|content| (end, content)))
}

/// The value of `name=value` or `name="value"` behind a semicolon.
pub(super) fn parameter(value: &str, name: &str) -> Option<String> {
    let mut rest = value;
    while let Some((_, behind)) = rest.split_once(';') {
        rest = behind.trim_start();
        let Some((found, behind)) = rest.split_once('=') else {
            continue;
        };
        if !found.trim().eq_ignore_ascii_case(name) {
            continue;
        }
        let behind = behind.trim_start();
        return Some(match behind.strip_prefix('"') {
            Some(quoted) => quoted_text(quoted),
            None => behind.split(';').next().unwrap_or_default().trim().to_owned(),
        });
    }
    None
}

fn quoted_text(quoted: &str) -> String {
    let mut text = String::new();
    let mut escaped = false;
    for c in quoted.chars() {
        match c {
            '"' if !escaped => break,
            '\\' if !escaped => escaped = true,
            c => {
                text.push(c);
                escaped = false;
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_is_declared_or_seen() {
        for (content_type, sample, expected) in [
            (Some("multipart/form-data; boundary=X-1"), &b""[..], Some("X-1")),
            (
                Some("Multipart/Mixed; charset=a; Boundary=\"a b;c\" ; x=y"),
                b"",
                Some("a b;c"),
            ),
            (Some("multipart/form-data"), b"zzz", None),
            (None, b"\r\n--X-1\r\nContent-Disposition: x", Some("X-1")),
            (Some("text/plain"), b"--X-1\ncontent-type: a/b\n", Some("X-1")),
            (None, b"-- a comment\ncontent-type", None),
            (None, b"--\ncontent-type", None),
            (None, b"--X-1\r\nHello", None),
        ] {
            let found = boundary(content_type, sample);
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{content_type:?}");
        }
        let long = format!("multipart/mixed; boundary={}", "x".repeat(201));
        assert_eq!(boundary(Some(&long), b""), None);
    }

    #[test]
    fn a_part_says_its_name_and_type() {
        let head = PartHead::of(
            b"Content-Disposition: form-data; name=\"a \\\"b\"; filename=\"c;d.json\"\r\n\
              content-type: application/json\r\nX-Note: hello\r\nContent-Length: 3\r\n",
        );
        assert_eq!(
            head,
            PartHead {
                name: Some("a \"b".into()),
                file_name: Some("c;d.json".into()),
                content_type: Some("application/json".into()),
                content_encoding: None,
                others: vec!["X-Note: hello".into()],
            }
        );
        assert_eq!(PartHead::of(b"\xff\xfe\n;;==:").others.len(), 2);
    }
}
