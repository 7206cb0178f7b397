//! Raw HTTP/1.1 messages, byte by byte as the peers send them.

/// A request with a body.
pub fn post(path: &str, content_type: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    post_with(path, &[("Content-Type", content_type)], body)
}

/// A JSON request.
pub fn post_json(path: &str, body: &str) -> Vec<u8> {
    post(path, "application/json", body)
}

/// A request with these headers, its host and its length.
pub fn post_with(path: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    let start = format!("POST {path} HTTP/1.1\r\nHost: localhost");
    message(start, headers, body.as_ref())
}

/// A request without a body.
pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

/// A response of status 200 with these headers and its length.
pub fn answer_with(headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Vec<u8> {
    message("HTTP/1.1 200 OK".to_owned(), headers, body.as_ref())
}

/// A JSON response.
pub fn answer_json(body: &str) -> Vec<u8> {
    answer_with(&[("Content-Type", "application/json")], body)
}

/// The body in chunks of `size` bytes (RFC 9112 §7.1).
pub fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.chunks(size) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

/// Words, `length` bytes of them: text in which there is nothing to find.
pub fn words(length: usize) -> String {
    "the quick brown fox jumps over the lazy dog while rain falls softly on old roofs "
        .chars()
        .cycle()
        .take(length)
        .collect()
}

fn message(start: String, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = start.into_bytes();
    for (name, value) in headers {
        bytes.extend(format!("\r\n{name}: {value}").bytes());
    }
    let has_length = headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding"));
    if !has_length {
        bytes.extend(format!("\r\nContent-Length: {}", body.len()).bytes());
    }
    bytes.extend(b"\r\n\r\n");
    bytes.extend(body);
    bytes
}
