//! The head of an HTTP/1 message: start line and header fields.
//!
//! Goes in: a complete head, up to and with its empty line. Comes out: where its pieces lie and
//! how the body is framed (RFC 9112 §6.3). It keeps no field but the few that steer parsing.

use crate::protocol::http::{Fields, Request};
use crate::protocol::{Exchange, operation};

use super::{Kind, PROTOCOL};

/// Most header fields of one message; more settle as `Limit`.
pub const MAX_HEADERS: usize = 256;

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// This many bytes.
    Length(u64),
    Chunked,
    /// Responses without length end with the connection.
    UntilClose,
}

/// What the parser needs to know of a head; lengths in bytes, from its start.
pub(super) struct Head {
    pub(super) start_line: StartLine,
    /// Where the header fields start.
    pub(super) fields_at: usize,
    /// As the fields say; `None` without any.
    pub(super) framing: Option<Framing>,
    /// What the fields say about the body.
    pub(super) fields: Fields,
}

pub(super) enum StartLine {
    Request {
        method_len: usize,
        path_len: usize,
        query_len: usize,
        exchange: Exchange,
        method: Method,
    },
    Response {
        status: u16,
    },
}

/// Methods that change how the response is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Head,
    Connect,
    Other,
}

/// Why a head cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadError {
    /// Not HTTP/1.
    Malformed,
    TooManyHeaders,
}

/// Position just behind the empty line that ends a head, looking for it from `from`; a bare LF
/// ends a line too (RFC 9112 §2.2).
pub(super) fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    memchr::memchr_iter(b'\n', &bytes[from..]).find_map(|lf| {
        let next = from + lf + 1;
        match bytes[next..] {
            [b'\n', ..] => Some(next + 1),
            [b'\r', b'\n', ..] => Some(next + 2),
            _ => None,
        }
    })
}

/// Parses a complete head.
pub(super) fn parse(kind: Kind, bytes: &[u8]) -> Result<Head, HeadError> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut config = httparse::ParserConfig::default();
    config
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_requests(true)
        .ignore_invalid_headers_in_responses(true);
    let fields_at = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |lf| lf + 1);
    match kind {
        Kind::Request => {
            let mut request = httparse::Request::new(&mut fields);
            complete(config.parse_request(&mut request, bytes))?;
            let method = request.method.unwrap_or_default();
            let target = request.path.unwrap_or_default();
            let path_len = target.find('?').unwrap_or(target.len());
            let host = field(request.headers, "host");
            let fields = steering(request.headers);
            let exchange = Request {
                version: PROTOCOL,
                method: Some(method),
                target: Some(target),
                authority: operation::authority_of_target(target)
                    .or_else(|| host.and_then(operation::authority)),
                fields: &fields,
                is_partial: false,
            }
            .exchange();
            let start_line = StartLine::Request {
                method_len: method.len(),
                path_len,
                query_len: target.len() - path_len,
                exchange,
                method: match method {
                    "HEAD" => Method::Head,
                    "CONNECT" => Method::Connect,
                    _ => Method::Other,
                },
            };
            head(start_line, fields_at, request.headers, fields)
        }
        Kind::Response => {
            let mut response = httparse::Response::new(&mut fields);
            complete(config.parse_response(&mut response, bytes))?;
            let status = response.code.unwrap_or_default();
            let fields = steering(response.headers);
            head(
                StartLine::Response { status },
                fields_at,
                response.headers,
                fields,
            )
        }
    }
}

fn complete(result: httparse::Result<usize>) -> Result<(), HeadError> {
    match result {
        Ok(httparse::Status::Complete(_)) => Ok(()),
        Err(httparse::Error::TooManyHeaders) => Err(HeadError::TooManyHeaders),
        Ok(httparse::Status::Partial) | Err(_) => Err(HeadError::Malformed),
    }
}

/// What the fields say about the body.
fn steering(headers: &[httparse::Header<'_>]) -> Fields {
    let mut fields = Fields::default();
    for header in headers {
        fields.take(header.name.as_bytes(), header.value);
    }
    fields
}

fn head(
    start_line: StartLine,
    fields_at: usize,
    headers: &[httparse::Header<'_>],
    mut fields: Fields,
) -> Result<Head, HeadError> {
    let coding = field(headers, "transfer-encoding").unwrap_or_default();
    let mut codings = coding.rsplit(',').map(str::trim);
    let chunked = codings
        .next()
        .is_some_and(|last| last.eq_ignore_ascii_case("chunked"));
    let framing = match (chunked, content_length(headers)?) {
        (true, _) => Some(Framing::Chunked),
        (false, Some(length)) => Some(Framing::Length(length)),
        (false, None) => None,
    };
    // A compression under the chunks (`gzip, chunked`) is undone like a content encoding.
    let inner = if chunked {
        codings.next().filter(|inner| !inner.is_empty())
    } else {
        None
    };
    if let Some(inner) = inner {
        fields.take(b"content-encoding", inner.as_bytes());
    }
    Ok(Head {
        start_line,
        fields_at,
        framing,
        fields,
    })
}

/// Equal repeats are one length; different ones are an attack or an error (RFC 9112 §6.3).
fn content_length(fields: &[httparse::Header<'_>]) -> Result<Option<u64>, HeadError> {
    let mut known = None;
    for field in fields
        .iter()
        .filter(|f| f.name.eq_ignore_ascii_case("content-length"))
    {
        let text = str::from_utf8(field.value).map_err(|_| HeadError::Malformed)?;
        for item in text.split(',').map(str::trim) {
            let digits = item.bytes().all(|b| b.is_ascii_digit());
            let length = item
                .parse::<u64>()
                .ok()
                .filter(|_| digits)
                .ok_or(HeadError::Malformed)?;
            if known.is_some_and(|known| known != length) {
                return Err(HeadError::Malformed);
            }
            known = Some(length);
        }
    }
    Ok(known)
}

fn field<'a>(fields: &[httparse::Header<'a>], name: &str) -> Option<&'a str> {
    let field = fields.iter().find(|f| f.name.eq_ignore_ascii_case(name))?;
    str::from_utf8(field.value).ok().map(str::trim)
}
