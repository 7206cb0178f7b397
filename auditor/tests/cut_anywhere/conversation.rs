//! HTTP connections: calls that their bodies name, events, and messages of gRPC-Web, one after the other.

use std::ops::Range;

use auditor::protocol::Direction::{self, ToClient, ToServer};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::documents::is_right;
use crate::format::{events, form, json, protobuf, xml};
use crate::reading::{self, Finding, Piece};
use crate::tree::{self, Node};
use crate::whim::Whim;
use crate::written::{Values, Written};

/// One request and its response.
#[derive(Clone, Debug)]
enum Exchange {
    /// JSON, and events.
    Stream(Node, Vec<Node>),
    Form(Vec<(&'static str, Node)>),
    GraphQl(Node, Node),
    /// One call, or several.
    JsonRpc(Vec<Node>, Node),
    Soap(Node, Node),
    GrpcWeb(Vec<Node>, Vec<Node>),
}

fn exchange() -> impl Strategy<Value = Exchange> {
    let maps = || prop::collection::vec(tree::map(), 1..4);
    prop_oneof![
        (tree::map(), maps()).prop_map(|(request, response)| Exchange::Stream(request, response)),
        tree::members().prop_map(Exchange::Form),
        (tree::map(), tree::map()).prop_map(|(request, response)| Exchange::GraphQl(request, response)),
        (maps(), tree::map()).prop_map(|(calls, response)| Exchange::JsonRpc(calls, response)),
        (tree::map(), tree::map()).prop_map(|(request, response)| Exchange::Soap(request, response)),
        (maps(), maps()).prop_map(|(requests, responses)| Exchange::GrpcWeb(requests, responses)),
    ]
}

/// What one direction says, and where its messages begin.
#[derive(Default)]
struct Side {
    bytes: Vec<u8>,
    begins: Vec<usize>,
    expected: Vec<(usize, Finding)>,
}

/// A message as it is written.
struct Message<'a> {
    head: String,
    body: Written,
    protocol: &'static str,
    operation: &'a str,
}

impl Side {
    fn message(&mut self, direction: Direction, message: Message<'_>, whim: &mut Whim) {
        // An empty line in front of a message lets it be found behind a gap.
        self.bytes.extend(b"\r\n");
        let number = self.begins.len();
        self.begins.push(self.bytes.len());
        self.bytes.extend(message.head.bytes());
        if whim.once_in(2) {
            self.bytes
                .extend(format!("Content-Length: {}\r\n\r\n", message.body.bytes.len()).bytes());
            self.bytes.extend(&message.body.bytes);
        } else {
            self.bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            let mut rest = &message.body.bytes[..];
            while !rest.is_empty() {
                let (chunk, behind) = rest.split_at(rest.len().min(1 + whim.below(200)));
                self.bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
                self.bytes.extend(chunk);
                self.bytes.extend(b"\r\n");
                rest = behind;
            }
            self.bytes.extend(b"0\r\n\r\n");
        }
        let place = match direction {
            ToServer => "request.body",
            ToClient => "response.body",
        };
        let findings = message.body.expected.into_iter().map(|what| {
            let finding = Finding {
                direction: direction.index(),
                place,
                protocol: message.protocol,
                operation: Some(message.operation.to_owned()),
                what,
            };
            (number, finding)
        });
        self.expected.extend(findings);
    }
}

/// Bytes at the beginning of each direction that are never missing.
const FIRST: usize = 48;

/// The names of what is called.
const CALLS: [&str; 3] = ["GetUser", "user.create", "Pay"];

/// Writes one exchange to both sides.
fn write(exchange: &Exchange, sides: &mut [Side; 2], values: &mut Values, whim: &mut Whim) {
    let (path, media, answer) = match exchange {
        Exchange::Stream(..) => ("/v1/chat", "application/json", "text/event-stream"),
        Exchange::Form(_) => ("/v1/pay", "application/x-www-form-urlencoded", "application/json"),
        Exchange::GraphQl(..) => ("/graphql", "application/json", "application/json"),
        Exchange::JsonRpc(..) => ("/rpc", "application/json", "application/json"),
        Exchange::Soap(..) => ("/soap", "text/xml; charset=utf-8", "text/xml"),
        Exchange::GrpcWeb(..) => (
            "/shop.Users/Get",
            "application/grpc-web-text",
            "application/grpc-web-text",
        ),
    };
    let (request, response, protocol, name) = bodies(exchange, values, whim);
    let operation = match protocol {
        "grpc-web" => path.to_owned(),
        _ => format!("POST {path}{name}"),
    };
    let answered = match (protocol, answer) {
        ("http/1.1", "text/event-stream") => "sse",
        (protocol, _) => protocol,
    };
    let request = Message {
        head: format!("POST {path} HTTP/1.1\r\nHost: shop.test\r\nContent-Type: {media}\r\n"),
        body: request,
        protocol,
        operation: &operation,
    };
    let response = Message {
        head: format!("HTTP/1.1 200 OK\r\nContent-Type: {answer}\r\n"),
        body: response,
        protocol: answered,
        operation: &operation,
    };
    sides[0].message(ToServer, request, whim);
    sides[1].message(ToClient, response, whim);
}

/// Both bodies, the protocol of the request, and what its body adds to the operation.
fn bodies(
    exchange: &Exchange,
    values: &mut Values,
    whim: &mut Whim,
) -> (Written, Written, &'static str, String) {
    let name = whim.one(&CALLS);
    let text =
        |node: &Node, values: &mut Values, whim: &mut Whim| json::write(node, values, whim, json::FREE);
    match exchange {
        Exchange::Stream(request, response) => {
            let request = text(request, values, whim);
            let response = events::write(response, values, whim);
            (request, response, "http/1.1", String::new())
        }
        Exchange::Form(members) => {
            let request = form::write(members, None, values, whim);
            let response = text(&Node::Map(members.clone()), values, whim);
            (request, response, "http/1.1", String::new())
        }
        Exchange::GraphQl(variables, response) => {
            let mut request = Written::default();
            let named = format!("\"operationName\":\"{}\"", name.replace('.', "_"));
            let document = r#""query":"query A($c: C) {a(b: \"} query X\")} mutation GetUser {b} mutation user_create {c} query Pay {d}""#;
            let one = format!("\"query\":\"# x {{\\n query {} {{a}}\"", name.replace('.', "_"));
            let order = whim.below(4);
            let members = [
                [named.as_str(), document],
                [document, &named],
                [&one, "\"x\":1"],
                ["\"x\":{}", &one],
            ];
            request.text(&format!("{{{},\"variables\":", members[order][0]));
            request.inner(text(variables, values, whim), |field| {
                Some(format!("$.variables{}", field?.strip_prefix('$')?))
            });
            request.text(&format!(",{}}}", members[order][1]));
            let response = text(response, values, whim);
            (
                request,
                response,
                "graphql",
                format!(" {}", name.replace('.', "_")),
            )
        }
        Exchange::JsonRpc(calls, response) => {
            let mut request = Written::default();
            let several = calls.len() > 1;
            let mut names = Vec::new();
            for (n, call) in calls.iter().enumerate() {
                let name = whim.one(&CALLS);
                names.push(name);
                let (front, back) = match (several, n) {
                    (false, _) => ("", ""),
                    (true, 0) => ("[", ""),
                    (true, n) => (",", if n + 1 == calls.len() { "]" } else { "" }),
                };
                let around = if several {
                    format!("$[{n}].params")
                } else {
                    "$.params".to_owned()
                };
                let method = format!("\"method\":\"{name}\"");
                let (first, last) = whim.one(&[(method.as_str(), "\"id\":1"), ("\"id\":1", &method)]);
                request.text(&format!("{front}{{\"jsonrpc\":\"2.0\",{first},\"params\":"));
                request.inner(text(call, values, whim), |field| {
                    Some(format!("{around}{}", field?.strip_prefix('$')?))
                });
                request.text(&format!(",{last}}}{back}"));
            }
            let response = text(response, values, whim);
            let is_one = names.iter().all(|name| *name == names[0]);
            let name = if is_one {
                format!(" {}", names[0])
            } else {
                String::new()
            };
            (request, response, "json-rpc", name)
        }
        Exchange::Soap(request, response) => {
            let name = whim.one(&["GetUser", "Pay"]);
            let request = envelope(name, request, values, whim);
            let response = envelope("Answer", response, values, whim);
            (request, response, "soap", format!(" {name}"))
        }
        Exchange::GrpcWeb(requests, responses) => {
            let messages = |nodes: &[Node], values: &mut Values, whim: &mut Whim| {
                let messages: Vec<_> = nodes.iter().map(|node| protobuf::write(node, values)).collect();
                protobuf::web_text(&messages, whim)
            };
            let request = messages(requests, values, whim);
            let response = messages(responses, values, whim);
            (request, response, "grpc-web", String::new())
        }
    }
}

fn envelope(name: &str, node: &Node, values: &mut Values, whim: &mut Whim) -> Written {
    let mut out = Written::default();
    let prefix = whim.one(&["s:", "soap:", ""]);
    out.text("<?xml version=\"1.0\"?>\n");
    out.text(&format!(
        "<{prefix}Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\">"
    ));
    out.text(whim.one(&["", "<!-- <Body><Other/></Body> -->", "<s:Header><x/></s:Header>"]));
    out.text(&format!("<{prefix}Body>"));
    let around = format!("/{prefix}Envelope/{prefix}Body");
    let inner = xml::element(name, &around, node, values, whim);
    out.inner(inner, |field| field);
    out.text(&format!("</{prefix}Body></{prefix}Envelope>"));
    out
}

fn sides(exchanges: &[Exchange], seed: u64) -> [Side; 2] {
    let (mut sides, mut values, mut whim) = (
        [Side::default(), Side::default()],
        Values::default(),
        Whim::new(seed),
    );
    for exchange in exchanges {
        write(exchange, &mut sides, &mut values, &mut whim);
    }
    sides
}

fn sorted(findings: impl Iterator<Item = Finding>) -> Vec<Finding> {
    let mut findings: Vec<_> = findings.collect();
    findings.sort();
    findings
}

/// Pieces of both sides, message by message, with their places: a client does not ask again before it was answered.
fn pieces(sides: &[Side; 2], cuts: &[Index], single: bool) -> Vec<(Direction, Range<usize>)> {
    let mut pieces = Vec::new();
    for number in 0..sides[0].begins.len() {
        for (side, direction) in sides.iter().zip([ToServer, ToClient]) {
            let end = side.begins.get(number + 1).copied().unwrap_or(side.bytes.len());
            let mut from = if number == 0 { 0 } else { side.begins[number] };
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(side.bytes.len() + 1)).collect();
            if single {
                ends = (from..end).collect();
            }
            ends.retain(|to| (from..end).contains(to));
            ends.push(end);
            ends.sort_unstable();
            for to in ends {
                pieces.push((direction, from..to));
                from = to;
            }
        }
    }
    pieces
}

fn whole<'a>(sides: &'a [Side; 2], cuts: &[Index], single: bool) -> Vec<(Direction, Piece<'a>)> {
    let pieces = pieces(sides, cuts, single).into_iter();
    pieces
        .map(|(direction, range)| (direction, Piece::Bytes(&sides[direction.index()].bytes[range])))
        .collect()
}

/// The same without what lies in `gap` of one direction, which shows when the next bytes come.
fn damaged<'a>(
    sides: &'a [Side; 2],
    cuts: &[Index],
    of: Direction,
    gap: &Range<usize>,
) -> Vec<(Direction, Piece<'a>)> {
    let mut conversation = Vec::new();
    let mut missing = gap.len() as u64;
    for (direction, range) in pieces(sides, cuts, false) {
        let bytes = &sides[direction.index()].bytes;
        if direction != of {
            conversation.push((direction, Piece::Bytes(&bytes[range])));
            continue;
        }
        let before = range.start..range.end.min(gap.start).max(range.start);
        let behind = range.start.max(gap.end).min(range.end)..range.end;
        conversation.push((direction, Piece::Bytes(&bytes[before])));
        if !behind.is_empty() {
            conversation.push((direction, Piece::Gap(std::mem::take(&mut missing))));
            conversation.push((direction, Piece::Bytes(&bytes[behind])));
        }
    }
    conversation
}

/// Whether what is called is what was written, or a part of that.
fn is_called_right(found: &Finding, known: &Finding) -> bool {
    let Some(operation) = &found.operation else {
        return true;
    };
    let known = known.operation.as_deref().unwrap_or_default();
    known == operation || known.starts_with(&format!("{operation} "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn calls_are_read_wherever_they_are_cut(
        exchanges in prop::collection::vec(exchange(), 1..5),
        cuts in prop::collection::vec(any::<Index>(), 0..12),
        seed: u64,
    ) {
        let sides = sides(&exchanges, seed);
        let expected = sorted(sides.iter().flat_map(|side| &side.expected).map(|(_, finding)| finding.clone()));
        for (cuts, single) in [(&[][..], false), (&cuts, false), (&[], true)] {
            let found = reading::connection(whole(&sides, cuts, single));
            let what = if single { "byte by byte" } else { "cut" };
            let text = sides.iter().map(|side| String::from_utf8_lossy(&side.bytes)).collect::<Vec<_>>().join("\n===\n");
            prop_assert_eq!(&found, &expected, "{} {:?}: {}", what, cuts, text);
        }
    }

    #[test]
    fn behind_a_gap_nothing_is_called_what_it_is_not(
        exchanges in prop::collection::vec(exchange(), 2..5),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
        gap in any::<(Index, Index)>(),
        of_server: bool,
        seed: u64,
    ) {
        let sides = sides(&exchanges, seed);
        let side = &sides[usize::from(of_server)];
        // By the first bytes of a connection it is told what it speaks.
        let mut gap = [gap.0, gap.1].map(|at| FIRST + at.index(side.bytes.len() - FIRST));
        gap.sort_unstable();
        let direction = if of_server { ToClient } else { ToServer };
        let conversation = damaged(&sides, &cuts, direction, &(gap[0]..gap[1]));
        let found = reading::connection(conversation);
        let text = || sides.iter().map(|side| String::from_utf8_lossy(&side.bytes)).collect::<Vec<_>>().join("\n===\n");
        let known: Vec<&Finding> = sides.iter().flat_map(|side| &side.expected).map(|(_, finding)| finding).collect();
        for found in &found {
            let same: Vec<_> = known.iter().filter(|known| known.direction == found.direction).collect();
            let holds = |known: &&&&Finding| known.what.value.contains(&found.what.value);
            let is_whole = same.iter().any(|known| holds(&known));
            let mut sources = same.iter().filter(|known| !is_whole || holds(known));
            let is_right = sources.any(|known| {
                is_called_right(found, known) && is_right(&found.what, std::slice::from_ref(&known.what))
            });
            prop_assert!(is_right, "{:?} behind {:?} of {}: {}", found, gap, of_server, text());
        }
        // Messages behind the one that is damaged are found again.
        let damaged = side.begins.iter().rposition(|begin| *begin < gap[1]).unwrap_or(0);
        for (_, known) in side.expected.iter().filter(|(number, _)| *number > damaged && gap[0] < gap[1]) {
            let again = found.iter().any(|found| {
                found.what == known.what && found.place == known.place
                    && (of_server || found.operation == known.operation)
            });
            prop_assert!(again, "{:?} behind {:?} of {}: {}", known, gap, of_server, text());
        }
    }
}
