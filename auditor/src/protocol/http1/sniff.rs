//! Whether bytes are the start of an HTTP/1 message.
//!
//! Goes in: the bytes at a place where a message may start. Comes out: a [`Start`].

use crate::protocol::sniff::{Speaker, Start};

/// Longest request line that is still recognised as a message start in the middle of a stream.
pub const MAX_START_LINE: usize = 8 * 1024;

/// Registered methods and the widespread unregistered ones (IANA HTTP Method Registry).
const METHODS: [&str; 30] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "CONNECT",
    "OPTIONS",
    "TRACE",
    "PATCH",
    "QUERY",
    "PURGE",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "SEARCH",
    "REPORT",
    "BIND",
    "MKCALENDAR",
    "ACL",
    "LINK",
    "UNLINK",
    "NOTIFY",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "M-SEARCH",
    "MERGE",
];

/// A cheap look at the first bytes of a connection: enough to choose a parser. `Yes` for
/// `METHOD SP` and the first byte of a target, or for `HTTP/1.`.
pub fn opening(bytes: &[u8]) -> Start {
    let crlf = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let bytes = &bytes[crlf..];
    if bytes.is_empty() {
        return Start::More;
    }
    match prefix(bytes, b"HTTP/1.") {
        Start::No => {}
        other => return other,
    }
    let Some((method, target)) = method(bytes) else {
        return more_if_method_prefix(bytes);
    };
    match target.first() {
        None => Start::More,
        Some(b'/' | b'*') if method != "CONNECT" => Start::Yes(Speaker::Client),
        Some(b) if b.is_ascii_alphanumeric() || *b == b'[' => target_with_authority(method, target),
        Some(_) => Start::No,
    }
}

/// A strict look, used to find a message in the middle of a stream: the request line must show
/// its version, the status line its code.
///
/// Empty lines are not skipped: a run of them must not be looked at once per line.
pub fn message_start(bytes: &[u8]) -> Start {
    if matches!(bytes, [b'\r' | b'\n', ..]) {
        return Start::No;
    }
    match opening(bytes) {
        Start::Yes(Speaker::Server) => status_line(bytes),
        Start::Yes(Speaker::Client) => request_line(bytes),
        other => other,
    }
}

/// `bytes` against `expected`, `More` when they end too early.
fn prefix(bytes: &[u8], expected: &[u8]) -> Start {
    let length = bytes.len().min(expected.len());
    if bytes[..length] != expected[..length] {
        Start::No
    } else if length < expected.len() {
        Start::More
    } else {
        Start::Yes(Speaker::Server)
    }
}

fn method(bytes: &[u8]) -> Option<(&'static str, &[u8])> {
    METHODS.iter().find_map(|method| {
        let target = bytes.strip_prefix(method.as_bytes())?.strip_prefix(b" ")?;
        Some((*method, target))
    })
}

fn more_if_method_prefix(bytes: &[u8]) -> Start {
    let more = METHODS
        .iter()
        .any(|method| method.as_bytes().starts_with(bytes) || bytes == method.as_bytes());
    if more { Start::More } else { Start::No }
}

/// `CONNECT host:port` and absolute-form targets.
fn target_with_authority(method: &str, target: &[u8]) -> Start {
    if method == "CONNECT" {
        return Start::Yes(Speaker::Client);
    }
    match (prefix(target, b"http://"), prefix(target, b"https://")) {
        (Start::No, Start::No) => Start::No,
        (Start::Yes(_), _) | (_, Start::Yes(_)) => Start::Yes(Speaker::Client),
        _ => Start::More,
    }
}

fn status_line(bytes: &[u8]) -> Start {
    match bytes.strip_prefix(b"HTTP/1.") {
        Some([minor, b' ', code @ ..]) if minor.is_ascii_digit() => {
            let digits = code.iter().take(3).take_while(|b| b.is_ascii_digit()).count();
            match digits {
                3 => Start::Yes(Speaker::Server),
                n if n == code.len() => Start::More,
                _ => Start::No,
            }
        }
        Some([]) => Start::More,
        Some([minor]) if minor.is_ascii_digit() => Start::More,
        _ => Start::No,
    }
}

fn request_line(bytes: &[u8]) -> Start {
    let Some((_, target)) = method(bytes) else {
        return Start::No;
    };
    let target = &target[..target.len().min(MAX_START_LINE)];
    let Some(end) = target.iter().position(|b| *b <= b' ' || *b == 0x7f) else {
        return if target.len() < MAX_START_LINE {
            Start::More
        } else {
            Start::No
        };
    };
    if target[end] != b' ' {
        return Start::No;
    }
    match prefix(&target[end + 1..], b"HTTP/1.") {
        Start::Yes(_) => Start::Yes(Speaker::Client),
        Start::More if target.len() == MAX_START_LINE => Start::No,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_choose_the_protocol() {
        for (bytes, expected) in [
            (&b""[..], Start::More),
            (b"G", Start::More),
            (b"GET", Start::More),
            (b"GET ", Start::More),
            (b"GET /", Start::Yes(Speaker::Client)),
            (b"\r\nPOST /x", Start::Yes(Speaker::Client)),
            (b"GET htt", Start::More),
            (b"GET http://a", Start::Yes(Speaker::Client)),
            (b"GET key", Start::No),
            (b"CONNECT a:443", Start::Yes(Speaker::Client)),
            (b"OPTIONS *", Start::Yes(Speaker::Client)),
            (b"HTT", Start::More),
            (b"HTTP/1.1", Start::Yes(Speaker::Server)),
            (b"HTTP/2", Start::No),
            (b"PRI * HTTP/2.0\r\n\r\n", Start::No),
            (b"220 mail.test", Start::No),
            (b"\x16\x03\x01", Start::No),
        ] {
            assert_eq!(opening(bytes), expected, "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_message_in_the_middle_must_show_its_version_or_status() {
        for (bytes, expected) in [
            (&b"GET / HTTP/1.1\r\n"[..], Start::Yes(Speaker::Client)),
            (b"GET /abc", Start::More),
            (b"GET /abc HTT", Start::More),
            (b"GET /abc is a path", Start::No),
            (b"GET /abc\r\n", Start::No),
            (b"HTTP/1.1 200 OK", Start::Yes(Speaker::Server)),
            (b"HTTP/1.0 20", Start::More),
            (b"HTTP/1.1 is old", Start::No),
        ] {
            assert_eq!(
                message_start(bytes),
                expected,
                "{}",
                String::from_utf8_lossy(bytes)
            );
        }
        let long = [b"GET /".as_slice(), &[b'a'; MAX_START_LINE]].concat();
        assert_eq!(message_start(&long), Start::No);
    }
}
