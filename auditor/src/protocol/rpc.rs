//! The name of an operation that is in a request's body: GraphQL, JSON-RPC, SOAP.
//!
//! Goes in: the first window of a body and its fields. Comes out: a protocol and, if it has one, the name of
//! what is called. A name is chosen by the client, so only what looks like a name in a program is one; a
//! value never does. Sources: the GraphQL specification (October 2021) and GraphQL over HTTP; JSON-RPC
//! 2.0; SOAP 1.1 and 1.2.

mod graphql;
mod json;
mod soap;

use super::http::Fields;

/// Names of the protocols in findings.
pub(super) const GRAPHQL: &str = "graphql";
pub(super) const JSON_RPC: &str = "json-rpc";
pub(super) const SOAP: &str = "soap";

/// Longest name that is shown, bytes.
const MAX_NAME: usize = 64;

/// What a body calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call<'a> {
    /// `flow.protocol`.
    pub(super) protocol: &'static str,
    pub(super) name: Option<&'a str>,
}

impl Call<'_> {
    /// Several are called, or one of several.
    fn without_name(self) -> Self {
        Self { name: None, ..self }
    }
}

/// What is known of a body by its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    /// What it calls, if nothing else follows.
    pub(super) call: Option<Call<'a>>,
    /// Whatever follows, it calls this.
    pub(super) is_sure: bool,
}

impl<'a> Found<'a> {
    fn sure(call: Option<Call<'a>>) -> Self {
        Self { call, is_sure: true }
    }

    fn so_far(call: Option<Call<'a>>) -> Self {
        Self { call, is_sure: false }
    }
}

/// Whether bodies of this type call anything.
pub(super) fn may_call(fields: &Fields) -> bool {
    is_json(fields) || is_xml(fields)
}

/// What the body calls that begins with `start`.
pub(super) fn call<'a>(fields: &'a Fields, start: &'a [u8]) -> Found<'a> {
    if is_json(fields) {
        json::call(start)
    } else if is_xml(fields) {
        soap::call(start, fields)
    } else {
        Found::sure(None)
    }
}

fn is_json(fields: &Fields) -> bool {
    let media = fields.media();
    media.eq_ignore_ascii_case("application/json")
        || media.eq_ignore_ascii_case("application/json-rpc")
        || fields.media_starts_with("application/graphql")
}

fn is_xml(fields: &Fields) -> bool {
    let media = fields.media();
    media.eq_ignore_ascii_case("text/xml") || media.eq_ignore_ascii_case("application/soap+xml")
}

/// What the query of a target calls: GraphQL over GET.
pub(super) fn call_in_query(target: &str) -> Option<Call<'_>> {
    let (path, query) = target.split_once('?')?;
    if !path.rsplit('/').next()?.eq_ignore_ascii_case("graphql") {
        return None;
    }
    let parameters = || query.split('&').filter_map(|p| p.split_once('='));
    let value_of = |name| parameters().find(|(own, _)| *own == name).map(|(_, value)| value);
    let name = value_of("operationName");
    (name.is_some() || value_of("query").is_some()).then(|| Call {
        protocol: GRAPHQL,
        name: name.and_then(|name| as_name(name.as_bytes())),
    })
}

/// Letters, digits and the signs that join them, beginning with a letter, and few digits: `user.create`.
fn as_name(bytes: &[u8]) -> Option<&str> {
    let name = str::from_utf8(bytes).ok()?;
    let first = name.bytes().next()?;
    let is_sign = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'/' | b'-' | b':');
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let is_name = name.len() <= MAX_NAME
        && (first.is_ascii_alphabetic() || first == b'_')
        && name.bytes().all(is_sign)
        && digits < 6;
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(content_type: &str) -> Fields {
        let mut fields = Fields::default();
        fields.take(b"Content-Type", content_type.as_bytes());
        fields
    }

    #[test]
    fn bodies_name_their_operation() {
        for (media, body, expected) in [
            (
                "application/json",
                r#"{"query":"mutation Pay($c: Card!) { pay(card: $c) }","variables":{"c":1}}"#,
                Some(("graphql", Some("Pay"))),
            ),
            (
                "application/json; charset=utf-8",
                r#" { "operationName" : "GetUser", "variables": {"query":"x"}, "query":"query A{a} query GetUser{b}" }"#,
                Some(("graphql", Some("GetUser"))),
            ),
            (
                "application/json",
                r#"{"query":"{ me { name } }"}"#,
                Some(("graphql", None)),
            ),
            (
                "application/json",
                r#"{"query":"\n  # comment\n  query Search {a}"}"#,
                Some(("graphql", Some("Search"))),
            ),
            (
                "application/json",
                r#"[{"query":"query A {a}"},{"query":"query B {b}"}]"#,
                Some(("graphql", None)),
            ),
            // Of the second it is sure only at its end that it is of the protocol of the first.
            (
                "application/json",
                r#"[{"query":"query A {a}"},{"jsonrpc":"2.0","query":"query A {a}"}]"#,
                Some(("graphql", Some("A"))),
            ),
            // A search box, and a query below the top.
            ("application/json", r#"{"query":"shoes for ada"}"#, None),
            ("application/json", r#"{"a":{"query":"query A {a}"}}"#, None),
            (
                "application/json",
                r#"{"jsonrpc":"2.0","id":1,"method":"user.create","params":{"method":"x"}}"#,
                Some(("json-rpc", Some("user.create"))),
            ),
            (
                "application/json",
                r#"[{"jsonrpc":"2.0","method":"a","id":1},{"jsonrpc":"2.0","method":"b"}]"#,
                Some(("json-rpc", None)),
            ),
            (
                "application/json",
                r#"{"jsonrpc":"2.0","method":"4111111111111111"}"#,
                Some(("json-rpc", None)),
            ),
            ("application/json", r#"{"method":"card"}"#, None),
            ("text/plain", r#"{"jsonrpc":"2.0","method":"a"}"#, None),
            (
                "text/xml; charset=utf-8",
                "<?xml version=\"1.0\"?>\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Header><t/></s:Header><s:Body><m:GetUser xmlns:m=\"urn:x\"><id>1</id></m:GetUser></s:Body></s:Envelope>",
                Some(("soap", Some("GetUser"))),
            ),
            ("text/xml", "<a><Body><x/></Body></a>", None),
        ] {
            let fields = fields(media);
            let call = call(&fields, body.as_bytes()).call;
            assert_eq!(call.map(|call| (call.protocol, call.name)), expected, "{body}");
            // What is sure of a beginning stays so.
            for cut in 0..body.len() {
                let found = super::call(&fields, &body.as_bytes()[..cut]);
                assert!(!found.is_sure || found.call == call, "{}", &body[..cut]);
            }
        }
    }

    #[test]
    fn a_query_names_an_operation_of_graphql_only() {
        let name = |target| call_in_query(target).map(|call| call.name);
        assert_eq!(
            name("/graphql?query=x&operationName=GetUser"),
            Some(Some("GetUser"))
        );
        assert_eq!(name("/graphql?query=x"), Some(None));
        assert_eq!(name("/graphql?operationName=4111111111111111"), Some(None));
        assert_eq!(name("/graphql?page=2"), None);
        assert_eq!(name("/search?operationName=GetUser"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_read_without_panic(bytes: Vec<u8>, cut in 0_usize..200) {
            for media in ["application/json", "text/xml"] {
                let fields = fields(media);
                let _ = call(&fields, &bytes);
                let body = br#"[{"jsonrpc":"2.0","method":"a\"b","id":1, "query": "query A{"}, <e:Envelope><Body><a"#;
                let _ = call(&fields, &body[cut.min(body.len())..]);
                let _ = call(&fields, &body[..cut.min(body.len())]);
            }
        }
    }
}
