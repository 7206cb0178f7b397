//! The name of an operation, `POST /v1/charges/{id}`, from a request line.
//!
//! Goes in: method and request target as sent. Comes out: a short text in which every path
//! segment that could be an id or a value is replaced by `{id}` or `{value}` and the query is
//! dropped. It never contains a value: in doubt a segment is replaced.

/// Longest operation, in bytes; what does not fit ends in `/…`.
pub const MAX_LEN: usize = 256;
/// Segments longer than this are never words.
const MAX_SEGMENT: usize = 48;
const REST: &str = "/…";

/// Templates method and target (origin-form, absolute-form, authority-form or `*`, RFC 9112 §3.2).
pub fn template(method: &str, target: &str) -> String {
    let mut operation = String::with_capacity(64);
    operation.push_str(method_name(method));
    if method == "CONNECT" {
        return operation;
    }
    operation.push(' ');
    let path = path_of(target);
    if path == "*" {
        operation.push('*');
        return operation;
    }
    for segment in path.trim_start_matches('/').split('/') {
        let shown = segment_name(segment);
        if operation.len() + 1 + shown.len() + REST.len() > MAX_LEN {
            operation.push_str(REST);
            break;
        }
        operation.push('/');
        operation.push_str(shown);
    }
    operation
}

/// The full method of gRPC and its kin, `/shop.Orders/Place`: the path, as long as that is a service and
/// a method; else as [`template`] would show it.
pub fn full_method(target: &str) -> String {
    let path = path_of(target);
    let mut names = path.trim_start_matches('/').split('/');
    if path.len() <= MAX_LEN && names.clone().count() > 1 && names.all(is_name) {
        return path.to_owned();
    }
    let shown = template("POST", target);
    shown
        .split_once(' ')
        .map_or_else(String::new, |(_, path)| path.to_owned())
}

/// Whether a target is a service in a package, and a method, and nothing else would be named so.
pub fn is_full_method(target: &str) -> bool {
    let mut names = target.trim_start_matches('/').split('/');
    match (names.next(), names.next(), names.next()) {
        (Some(service), Some(method), None) => service.contains('.') && is_name(service) && is_name(method),
        _ => false,
    }
}

/// A name in a program, with its package.
fn is_name(name: &str) -> bool {
    name.len() <= MAX_LEN
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
        && name.bytes().filter(u8::is_ascii_digit).count() < 6
}

/// Methods that have a name of their own among operations without one (RFC 9110 §9.3, RFC 5789).
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];

/// The name that operations share which are too many to have their own: `POST {other}`, or `{other}` for a method of
/// gRPC. There are no more than eleven.
pub fn other(operation: &str) -> &'static str {
    const OTHERS: [&str; 9] = [
        "GET {other}",
        "HEAD {other}",
        "POST {other}",
        "PUT {other}",
        "DELETE {other}",
        "CONNECT {other}",
        "OPTIONS {other}",
        "TRACE {other}",
        "PATCH {other}",
    ];
    if operation.starts_with('/') {
        return "{other}";
    }
    let method = operation.split(' ').next().unwrap_or_default();
    let known = METHODS.iter().position(|known| *known == method);
    known.map_or("OTHER {other}", |known| OTHERS[known])
}

/// Adds the name that a body gives, if there is room.
pub fn append(operation: &mut String, name: &str) {
    if operation.len() + 1 + name.len() <= MAX_LEN {
        operation.push(' ');
        operation.push_str(name);
    }
}

/// The authority of a `Host` field or of an absolute target: lower case, no user, no port;
/// `None` when it is empty, longer than 255 bytes or holds what no host name holds.
pub fn authority(host: &str) -> Option<String> {
    let host = host.trim();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => host.split(':').next()?,
    };
    let plausible = !name.is_empty()
        && name.len() <= 255
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':'));
    plausible.then(|| name.to_ascii_lowercase())
}

/// `http://host` of an absolute target, if it is one.
pub fn authority_of_target(target: &str) -> Option<String> {
    let (_, rest) = target
        .split_once("://")
        .filter(|(scheme, _)| !scheme.contains(['/', '?']))?;
    authority(rest.split(['/', '?', '#']).next()?)
}

/// Methods are chosen by the client, so an odd one could carry a value.
fn method_name(method: &str) -> &str {
    let usual = !method.is_empty()
        && method.len() <= 17
        && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    if usual { method } else { "OTHER" }
}

fn path_of(target: &str) -> &str {
    let target = target.split(['?', '#']).next().unwrap_or_default();
    match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').map_or("", |slash| &rest[slash..]),
        _ => target,
    }
}

fn segment_name(segment: &str) -> &str {
    if segment.len() > MAX_SEGMENT {
        return "{id}";
    }
    let mut decoded = [0; MAX_SEGMENT];
    let decoded = percent_decoded(segment.as_bytes(), &mut decoded);
    let digits = decoded.iter().filter(|b| b.is_ascii_digit()).count();
    let letters = decoded.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let wordy = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'~' | b':' | b'$');
    if !decoded.iter().all(wordy) {
        return "{value}";
    }
    if digits > 0 && digits == decoded.len() || is_uuid(decoded) {
        return "{id}";
    }
    let hex = decoded.len() >= 8 && decoded.iter().all(u8::is_ascii_hexdigit);
    let mixed = digits > 0 && letters > 0 && decoded.len() >= 12 && is_mixed(decoded);
    let run = longest_run(decoded) >= 24;
    if hex || mixed || run {
        return "{id}";
    }
    if digits >= 6 {
        return "{value}";
    }
    // What was percent-encoded without need is shown as what it stands for, or not at all.
    if decoded.len() == segment.len() {
        segment
    } else {
        "{value}"
    }
}

fn percent_decoded<'a>(segment: &[u8], into: &'a mut [u8; MAX_SEGMENT]) -> &'a [u8] {
    let mut length = 0;
    let mut at = 0;
    while at < segment.len() {
        let (byte, width) = percent(&segment[at..]).map_or((segment[at], 1), |byte| (byte, 3));
        into[length] = byte;
        length += 1;
        at += width;
    }
    &into[..length]
}

/// The byte a `%XX` at the front of `bytes` stands for (RFC 3986 §2.1).
pub(crate) fn percent(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = *bytes else {
        return None;
    };
    let digit = |b: u8| char::from(b).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Letters and digits change places often, as in a random token and not in `oauth2-callback`.
fn is_mixed(bytes: &[u8]) -> bool {
    let class = |b: u8| match b {
        b'0'..=b'9' => 0,
        b'A'..=b'Z' => 1,
        b'a'..=b'z' => 2,
        _ => 3,
    };
    let changes = bytes
        .windows(2)
        .filter(|w| class(w[0]) != class(w[1]) && class(w[0]) < 3 && class(w[1]) < 3);
    changes.count() >= 4
}

fn longest_run(bytes: &[u8]) -> usize {
    bytes
        .split(|b| !b.is_ascii_alphanumeric())
        .map(<[u8]>::len)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_and_values_in_paths_are_templated() {
        for (method, target, expected) in [
            ("GET", "/", "GET /"),
            ("GET", "/v1/charges", "GET /v1/charges"),
            ("POST", "/v1/charges/42", "POST /v1/charges/{id}"),
            (
                "GET",
                "/u/550e8400-e29b-41d4-a716-446655440000/x",
                "GET /u/{id}/x",
            ),
            ("GET", "/commit/deadbeef12", "GET /commit/{id}"),
            ("GET", "/user/ada@example.org", "GET /user/{value}"),
            ("GET", "/user/ada%40example.org", "GET /user/{value}"),
            ("GET", "/ssn/078-05-1120", "GET /ssn/{value}"),
            ("GET", "/card/4111-1111%2d1111-1111?cvv=1", "GET /card/{value}"),
            ("GET", "/card/%34%31%31%31%31%31%31", "GET /card/{id}"),
            ("GET", "/ch_3MqLiJLkdIwHu7ix0snN0B15", "GET /{id}"),
            ("GET", "/search/Ada%20Lovelace", "GET /search/{value}"),
            ("GET", "/oauth2/callback.json", "GET /oauth2/callback.json"),
            ("GET", "http://user:pw@shop.test:8080/a/7?q", "GET /a/{id}"),
            ("CONNECT", "bank.test:443", "CONNECT"),
            ("OPTIONS", "*", "OPTIONS *"),
            ("4111111111111111", "/", "OTHER /"),
        ] {
            assert_eq!(template(method, target), expected, "{target}");
        }
    }

    #[test]
    fn the_full_method_of_an_rpc_is_its_path() {
        for (target, expected) in [
            ("/shop.Orders/Place", "/shop.Orders/Place"),
            ("/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Check"),
            ("/api/shop.Orders/Place", "/api/shop.Orders/Place"),
            ("/shop.Orders/4111111111111111", "/shop.Orders/{id}"),
            ("/shop.Orders/ada@example.org", "/shop.Orders/{value}"),
        ] {
            assert_eq!(full_method(target), expected);
        }
    }

    #[test]
    fn hosts_lose_user_port_and_case() {
        for (host, expected) in [
            ("Shop.TEST:8080", Some("shop.test")),
            ("user:pw@shop.test", Some("shop.test")),
            ("[::1]:80", Some("::1")),
            ("a b", None),
            ("", None),
        ] {
            assert_eq!(authority(host).as_deref(), expected, "{host}");
        }
    }

    proptest! {
        #[test]
        fn no_target_gives_a_long_operation_or_six_digits(method in "\\PC{0,40}", target in "[/a-z0-9%@:?#é-]{0,900}") {
            let operation = template(&method, &target);
            prop_assert!(operation.len() <= MAX_LEN);
            let (_, path) = operation.split_once(' ').unwrap_or_default();
            prop_assert!(path.split('/').all(|s| s.bytes().filter(u8::is_ascii_digit).count() < 6));
            prop_assert_eq!(other(&operation).split(" ").last(), Some("{other}"));
        }

        #[test]
        fn no_value_gets_into_a_template_wherever_it_stands(
            before in "(/[a-z]{1,12}){0,3}", behind in "(/[a-z]{1,12}){0,3}", value in value(), odd in any::<bool>(),
            escaped in any::<bool>(),
        ) {
            let shown: String = if escaped {
                value.bytes().map(|byte| format!("%{byte:02X}")).collect()
            } else {
                value.clone()
            };
            let target = format!("{before}/{shown}{behind}?card={value}#{value}");
            let method = if odd { value.as_str() } else { "POST" };
            for operation in [template(method, &target), full_method(&target)] {
                prop_assert!(!operation.contains(&value), "a value is in a template");
                prop_assert!(!operation.contains(&shown), "a value is in a template");
                prop_assert!(!other(&operation).contains(&value));
            }
        }
    }

    /// Cards, account numbers, addresses, phone numbers, tokens: made up.
    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            "[3-6][0-9]{12,18}",
            "[3-6][0-9]{3}-[0-9]{4}-[0-9]{4}-[0-9]{4}",
            "[A-Z]{2}[0-9]{2}[0-9]{12,26}",
            "[0-9]{3}-[0-9]{2}-[0-9]{4}",
            "[a-z]{1,12}@[a-z]{1,12}\\.test",
            "\\+[1-9][0-9]{7,13}",
            "eyJ[A-Za-z0-9_-]{30,60}\\.[A-Za-z0-9_-]{30,60}",
            "[0-9a-f]{32}",
        ]
    }
}
