//! One request: who asks, for what, and what it gets.
//!
//! Goes in: the head and the body of a request. Comes out: a stream of findings, or a status and one record that says why
//! not. What it does not know it refuses.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Body, Bytes};
use serde_json::json;
use std::convert::Infallible;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::Shared;
use super::access::Refusal;
use super::audit::Outcome;
use super::stream::{Live, Question};
use crate::serve::filter::{self, Matcher};
use crate::serve::tail::SCHEMA;

/// The one page there is.
pub const PATH: &str = "/v1/findings";
/// Longest body of a request, bytes.
const BODY: usize = 8 << 10;
/// Longest token, bytes.
const TOKEN: usize = 8 << 10;
/// Namespaces that one request may ask for: the API server is asked about each.
const NAMESPACES: usize = 16;
/// Findings that are repeated at most.
const LAST: usize = 1000;

pub(super) type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// What goes with a refusal.
struct No {
    status: StatusCode,
    outcome: Outcome,
    why: String,
}

/// Answers; `waiting` is the client's place among those who have not asked yet.
pub(super) async fn answer<B>(
    request: Request<B>,
    peer: SocketAddr,
    shared: Arc<Shared>,
    waiting: OwnedSemaphorePermit,
) -> Answer
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match served(request, peer, &shared, waiting).await {
        Ok(live) => {
            let mut answer = Response::new(StreamBody::new(live.body()).boxed_unsync());
            let kind = HeaderValue::from_static("application/x-ndjson");
            answer.headers_mut().insert(header::CONTENT_TYPE, kind);
            kept_by_nobody(answer)
        }
        Err(no) => {
            shared.audit.refuses(peer, no.outcome, &no.why);
            refused(&no)
        }
    }
}

/// To what comes after the one request of a connection.
pub(super) fn one_request() -> Answer {
    refused(&malformed(
        StatusCode::BAD_REQUEST,
        "one request a connection: close it and connect again",
    ))
}

async fn served<B>(
    request: Request<B>,
    peer: SocketAddr,
    shared: &Arc<Shared>,
    waiting: OwnedSemaphorePermit,
) -> Result<Live, No>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if request.uri().path() != PATH {
        return Err(malformed(StatusCode::NOT_FOUND, "there is only /v1/findings"));
    }
    if request.method() != Method::POST {
        return Err(malformed(
            StatusCode::METHOD_NOT_ALLOWED,
            "ask by POST, with a request as its body",
        ));
    }
    let token = token(request.headers()).map_err(|why| No {
        status: StatusCode::UNAUTHORIZED,
        outcome: Outcome::Unauthenticated,
        why: why.to_owned(),
    })?;
    let asked = asked(request.into_body(), shared).await?;
    let matcher = Matcher::new(asked.filters.clone())
        .map_err(|error| malformed(StatusCode::BAD_REQUEST, &error.to_string()))?;
    let namespaces = asked.filters.namespace.clone();
    let access = shared.gate.admits(&token, &namespaces).await.map_err(No::from)?;
    let Ok(slot) = Arc::clone(&shared.streams).try_acquire_owned() else {
        return Err(No {
            status: StatusCode::TOO_MANY_REQUESTS,
            outcome: Outcome::Busy,
            why: format!("{} asks, and too many are served already", access.user),
        });
    };
    drop(waiting);
    shared.audit.begins(peer, &access, &asked);
    let last = asked.last.min(LAST);
    let queue = shared
        .hub
        .subscribe_as(access.view.clone(), matcher, last, asked.follow);
    let question = Question { token, namespaces };
    Ok(Live::new(
        Arc::clone(shared),
        peer,
        access,
        question,
        (queue, asked.follow),
        slot,
    ))
}

/// The bearer token (RFC 6750, section 2.1).
fn token(headers: &HeaderMap) -> Result<Zeroizing<String>, &'static str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (Some(value), None) => value,
        (None, _) => return Err("no token was given: send `Authorization: Bearer TOKEN`"),
        (Some(_), Some(_)) => return Err("more than one token was given"),
    };
    let bearer = value.to_str().ok().and_then(|text| text.split_once(' '));
    match bearer {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => match token.trim() {
            "" => Err("the token is empty"),
            token if token.len() > TOKEN => Err("the token is longer than 8 KiB"),
            token if token.contains(char::is_whitespace) => Err("the token has spaces in it"),
            token => Ok(Zeroizing::new(token.to_owned())),
        },
        _ => Err("what was given is no bearer token: send `Authorization: Bearer TOKEN`"),
    }
}

async fn asked<B>(body: B, shared: &Shared) -> Result<filter::Request, No>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let whole = timeout(shared.limits.patience, Limited::new(body, BODY).collect()).await;
    let bytes = match whole {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err(malformed(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the request is longer than 8 KiB",
            ));
        }
        Ok(Err(_)) => {
            return Err(malformed(
                StatusCode::BAD_REQUEST,
                "the request did not come whole",
            ));
        }
        Err(_) => {
            return Err(malformed(
                StatusCode::REQUEST_TIMEOUT,
                "the request did not come in time",
            ));
        }
    };
    read(&bytes).map_err(|why| malformed(StatusCode::BAD_REQUEST, &why))
}

/// The body of a request, which is that of the local socket.
fn read(bytes: &[u8]) -> Result<filter::Request, String> {
    let request = filter::Request::read(bytes)?;
    if request.masking {
        return Err("the masking ledger is not served over the network".to_owned());
    }
    let namespaces = &request.filters.namespace;
    if namespaces.len() > NAMESPACES {
        return Err(format!("more than {NAMESPACES} namespaces are asked for"));
    }
    if !namespaces.iter().all(|name| is_namespace(name)) {
        return Err("what is asked for is no name of a namespace".to_owned());
    }
    Ok(request)
}

/// A label of RFC 1123, as Kubernetes has it.
fn is_namespace(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(is_inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn malformed(status: StatusCode, why: &str) -> No {
    No {
        status,
        outcome: Outcome::Malformed,
        why: crate::report::table::escape(why).into_owned(),
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        let (status, outcome) = match refusal {
            Refusal::Unknown => (StatusCode::UNAUTHORIZED, Outcome::Unauthenticated),
            Refusal::Forbidden { .. } => (StatusCode::FORBIDDEN, Outcome::Forbidden),
            Refusal::Unchecked(_) => (StatusCode::SERVICE_UNAVAILABLE, Outcome::Unchecked),
        };
        Self {
            status,
            outcome,
            why: refusal.to_string(),
        }
    }
}

fn refused(no: &No) -> Answer {
    let text = format!("{}\n", json!({"schema": SCHEMA, "error": no.why}));
    let mut answer = Response::new(Full::new(Bytes::from(text)).boxed_unsync());
    *answer.status_mut() = no.status;
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-ndjson"),
    );
    let more = match no.outcome {
        Outcome::Unauthenticated => Some((header::WWW_AUTHENTICATE, "Bearer realm=\"auditor\"")),
        Outcome::Unchecked | Outcome::Busy => Some((header::RETRY_AFTER, "5")),
        _ if no.status == StatusCode::METHOD_NOT_ALLOWED => Some((header::ALLOW, "POST")),
        _ => None,
    };
    if let Some((name, value)) = more {
        headers.insert(name, HeaderValue::from_static(value));
    }
    kept_by_nobody(answer)
}

fn kept_by_nobody(mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    answer
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn given(values: &[&[u8]]) -> Result<Zeroizing<String>, &'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        token(&headers)
    }

    #[test]
    fn a_token_is_one_bearer_token() {
        for value in ["Bearer abc.d-e_f", "bearer abc.d-e_f", "BEARER  abc.d-e_f "] {
            assert_eq!(given(&[value.as_bytes()]).unwrap().as_str(), "abc.d-e_f");
        }
        let long = format!("Bearer {}", "x".repeat(TOKEN + 1));
        let cases: [&[&[u8]]; 8] = [
            &[],
            &[b"Bearer a", b"Bearer a"],
            &[b"Bearer"],
            &[b"Bearer "],
            &[b"Basic YTpi"],
            &[b"Bearer a b"],
            &[b"Bearer \xff\xfe"],
            &[long.as_bytes()],
        ];
        for values in cases {
            assert!(given(values).is_err(), "{values:?}");
        }
    }

    #[test]
    fn a_request_is_that_of_the_socket_and_names_namespaces() {
        let request = read(br#"{"filters":{"namespace":["shop","b-2"]},"last":5,"follow":true}"#).unwrap();
        assert_eq!(request.filters.namespace, ["shop", "b-2"]);
        let long = format!(r#"{{"filters":{{"namespace":"{}"}}}}"#, "x".repeat(64));
        let many = format!(
            r#"{{"filters":{{"namespace":{}}}}}"#,
            json!(vec!["a"; NAMESPACES + 1])
        );
        for (body, says) in [
            ("", "not understood"),
            ("[]", "not understood"),
            (r#"{"follow":true,"more":1}"#, "not understood"),
            (r#"{"masking":true}"#, "not served over the network"),
            (r#"{"filters":{"namespace":""}}"#, "no name of a namespace"),
            (r#"{"filters":{"namespace":"a/b"}}"#, "no name of a namespace"),
            (
                r#"{"filters":{"namespace":["a","../b"]}}"#,
                "no name of a namespace",
            ),
            (r#"{"filters":{"namespace":"-a"}}"#, "no name of a namespace"),
            (r#"{"filters":{"namespace":"A"}}"#, "no name of a namespace"),
            (&long, "no name of a namespace"),
            (&many, "more than 16"),
        ] {
            let why = read(body.as_bytes()).unwrap_err();
            assert!(why.contains(says), "{body}: {why}");
        }
    }

    proptest! {
        #[test]
        fn any_body_and_any_header_are_read_or_refused(
            body in prop::collection::vec(any::<u8>(), 0..60),
            value in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            if let Ok(request) = read(&body) {
                prop_assert!(request.filters.namespace.iter().all(|name| is_namespace(name)));
            }
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                let mut headers = HeaderMap::new();
                headers.insert(header::AUTHORIZATION, value);
                if let Ok(token) = token(&headers) {
                    prop_assert!(!token.is_empty() && !token.contains(char::is_whitespace));
                }
            }
        }
    }
}
