//! `x-forwarded-client-cert`: who a proxy says that its client is, by the certificate it verified.
//!
//! Goes in: the value of the field, as Envoy writes it (docs/configuration/http/http_conn_man/headers of its
//! documentation): elements with `,` between them, one for each proxy on the way, the nearest last; in each, pairs of
//! `Key=value` with `;` between them; a value with any of `,;=` in double quotes, with `\` before what is meant as it is.
//! Comes out: the SPIFFE id of the nearest proxy's client, of characters that a SPIFFE id may have and nothing else.
//! Whether it can be believed is for who knows where it came from: anybody may write the field.

use std::sync::Arc;

/// Longest value that is read, bytes: it may hold certificates.
const MAX_VALUE: usize = 64 * 1024;

/// Longest id that is kept, bytes. A SPIFFE id may have 2048; those made of names of Kubernetes have less.
const MAX_ID: usize = 512;

/// The SPIFFE id of the client of the proxy that is nearest: the `URI` of the last element. `None` where that has none or
/// several, or the value is malformed anywhere.
pub fn client(value: &[u8]) -> Option<Arc<str>> {
    if value.len() > MAX_VALUE {
        return None;
    }
    let mut rest = value;
    let mut uris: Vec<Vec<u8>> = Vec::new();
    loop {
        let equals = memchr::memchr3(b'=', b',', b';', rest)?;
        if rest[equals] != b'=' {
            return None;
        }
        let key = rest[..equals].trim_ascii();
        let (text, behind) = read_value(&rest[equals + 1..])?;
        if key.eq_ignore_ascii_case(b"uri") {
            uris.push(text);
        }
        match behind.split_first() {
            None => break,
            Some((b',', next)) => {
                uris.clear();
                rest = next;
            }
            Some((b';', next)) => rest = next,
            Some(_) => return None,
        }
    }
    let [uri] = &uris[..] else { return None };
    spiffe_id(uri).map(Arc::from)
}

/// A value and what is behind it: nothing, or a separator.
fn read_value(bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let start = bytes.len() - bytes.trim_ascii_start().len();
    let Some(b'"') = bytes.get(start) else {
        let end = memchr::memchr2(b',', b';', bytes).unwrap_or(bytes.len());
        let (value, behind) = bytes.split_at(end);
        let is_plain = memchr::memchr2(b'"', b'\\', value).is_none();
        return is_plain.then(|| (value.trim_ascii().to_vec(), behind));
    };
    let mut value = Vec::new();
    let mut inner = bytes[start + 1..].iter().enumerate();
    while let Some((at, &byte)) = inner.next() {
        match byte {
            b'"' => return Some((value, bytes[start + at + 2..].trim_ascii_start())),
            b'\\' => value.push(*inner.next()?.1),
            byte => value.push(byte),
        }
    }
    // It is not closed.
    None
}

/// The bytes as a SPIFFE id (SPIFFE-ID, 2): a trust domain and a path of segments, none of which is empty or of dots.
fn spiffe_id(bytes: &[u8]) -> Option<&str> {
    let text = str::from_utf8(bytes).ok().filter(|text| text.len() <= MAX_ID)?;
    let (domain, path) = text.strip_prefix("spiffe://")?.split_once('/')?;
    let is_of_domain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
    let is_of_path = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let is_segment = |segment: &str| {
        !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(is_of_path)
    };
    (!domain.is_empty() && domain.bytes().all(is_of_domain) && path.split('/').all(is_segment))
        .then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "spiffe://cluster.local/ns/shop/sa/web";

    fn client_of(value: &str) -> Option<String> {
        client(value.as_bytes()).map(|id| id.to_string())
    }

    #[test]
    fn the_client_of_the_nearest_proxy_is_the_uri_of_the_last_element() {
        let cases = [
            format!("URI={ID}"),
            format!("uri={ID}"),
            format!("By=spiffe://cluster.local/ns/a/sa/b;Hash=468ed33be74eee6556d90c0149c1309e;URI={ID}"),
            format!(r#"By=spiffe://a/b;Hash=1;Subject="CN=\"a, b\";O=c";URI="{ID}";DNS=a.example"#),
            format!("By=x;URI=spiffe://a/forged, By=y;Hash=2;Subject=\"\";URI={ID}"),
            format!(r#"URI=spiffe://a/forged,Subject="URI=spiffe://a/b,";URI={ID}"#),
        ];
        for value in cases {
            assert_eq!(client_of(&value).as_deref(), Some(ID), "{value}");
        }
    }

    #[test]
    fn what_is_malformed_or_not_plain_names_nobody() {
        let cases = [
            String::new(),
            "URI".into(),
            "URI=".into(),
            format!("URI={ID},"),
            format!("URI={ID},Hash=1"),
            format!("URI={ID};URI=spiffe://a/b"),
            format!("Subject=\"a;URI={ID}"),
            format!("Subject=a\"b;URI={ID}"),
            format!("URI=\"{ID}\"x"),
            format!("URI=\"{ID}\\"),
            "URI=https://cluster.local/a".into(),
            "URI=spiffe://cluster.local".into(),
            "URI=spiffe://cluster.local/".into(),
            "URI=spiffe:///a".into(),
            "URI=spiffe://Cluster/a".into(),
            "URI=spiffe://a/b/../c".into(),
            "URI=spiffe://a/b//c".into(),
            "URI=spiffe://a/\u{1b}[31m".into(),
            "URI=\"spiffe://a/b\\\"c\"".into(),
            "URI=spiffe://a/%2e".into(),
            "URI=spiffe://a/ä".into(),
            format!("URI=spiffe://a/{}", "b".repeat(MAX_ID)),
        ];
        for value in cases {
            assert_eq!(client_of(&value), None, "{value}");
        }
        assert_eq!(client(&vec![b'='; MAX_VALUE + 1]), None);
    }

    /// As Envoy writes a value.
    fn quoted(value: &str) -> String {
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    }

    proptest! {
        #[test]
        fn whatever_other_values_say_changes_nobody(
            subjects in prop::collection::vec("[ -~]{0,24}", 1..5),
            forged in "[ -~]{0,24}",
        ) {
            let mut value = String::new();
            for subject in &subjects {
                value += &format!("By=spiffe://a/b;Subject={};URI={},", quoted(subject), quoted(&forged));
            }
            value += &format!("Hash=0;Subject={};URI={ID}", quoted(&subjects[0]));
            let client = client_of(&value);
            prop_assert_eq!(client.as_deref(), Some(ID));
        }

        #[test]
        fn what_comes_out_is_of_harmless_characters(value in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut text = b"URI=spiffe://a/".to_vec();
            text.extend(&value);
            for value in [&value, &text] {
                if let Some(id) = client(value) {
                    prop_assert!(id.starts_with("spiffe://"));
                    prop_assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:".contains(&b)));
                }
            }
        }
    }
}
