//! Calls of the service in tests/programs/shop.proto, as scenarios write them down: values in messages, metadata and
//! trailers, noted as they are made. The peers get them as JSON.

use std::{ffi::OsStr, path::PathBuf};

use serde_json::{Value, json};

use crate::{message, peers, process, scratch::Scratch, sent::Sent};

/// How fields of messages are named in findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// By number: what a message in protobuf tells of itself.
    Numbers,
    /// JSONPath.
    Json,
    /// The same, of a message in protobuf whose names are known by its descriptors.
    Descriptors,
}

impl Names {
    fn of(self, numbers: &'static str, json: &'static str) -> &'static str {
        match self {
            Self::Numbers => numbers,
            Self::Json | Self::Descriptors => json,
        }
    }
}

/// Header and trailer that carry a card.
const CARD: &str = "x-card-number";

/// What of the service is called.
#[derive(Clone, Copy, Debug)]
pub struct Calls {
    pub names: Names,
    /// Calls in which the client streams; not every protocol has them.
    pub client_streams: bool,
    /// Where the trailers of these are: part and field; `None`: there are none.
    pub unary_trailers: Option<(&'static str, &'static str)>,
    pub stream_trailers: Option<(&'static str, &'static str)>,
}

impl Calls {
    /// All of gRPC.
    pub const GRPC: Self = Self {
        names: Names::Numbers,
        client_streams: true,
        unary_trailers: Some(("response.trailers", CARD)),
        stream_trailers: Some(("response.trailers", CARD)),
    };

    /// Every kind of call once, and several more of one of them, with large messages; they go at once.
    pub fn make(self, sent: &mut Sent) -> Value {
        let mut calls = vec![self.call(sent, "Place", 1, 1), self.call(sent, "Watch", 1, 4)];
        if self.client_streams {
            calls.extend([self.call(sent, "Collect", 3, 1), self.call(sent, "Talk", 3, 3)]);
        }
        calls.extend((0..6).map(|_| self.call(sent, "Place", 1, 1)));
        numbered(calls)
    }

    /// Calls that do not share a field, of which it can be told which one was found when the method is not known.
    pub fn distinct(self, sent: &mut Sent) -> Value {
        numbered(vec![self.call(sent, "Place", 1, 1)])
    }

    /// Calls that are over when auditor comes: of values that nobody is to report.
    pub fn early(self) -> Value {
        let mut calls = self.make(&mut Sent::over(""));
        for call in calls.as_array_mut().into_iter().flatten() {
            for request in call["requests"].as_array_mut().into_iter().flatten() {
                request["id"] = json!(1000 + request["id"].as_u64().unwrap_or(0));
            }
        }
        calls
    }

    /// Calls whose message, small enough for it, is in the parameter `message` of the query.
    pub fn in_queries(self, sent: &mut Sent) -> Value {
        let calls = (0..4).map(|_| {
            let operation = "/shop.Orders/Place";
            let mut call = self.head(sent, "Place", false);
            let mut iban =
                |numbers, json| sent.iban(operation, "request.query", self.names.of(numbers, json));
            call["requests"] = json!([{
                "buyer": {"segment": "retail", "ibans": [iban("message:2.2", "message|json.buyer.ibans[0]")]},
                "note": iban("message:4", "message|json.note"),
            }]);
            call["responses"] = json!([self.receipt(sent, operation)]);
            call
        });
        numbered(calls.collect())
    }

    /// Every kind of call once, with values in headers and trailers only.
    pub fn without_messages(self, sent: &mut Sent) -> Value {
        let mut calls = Vec::new();
        for (method, requests, responses) in [
            ("Place", 1, 1),
            ("Watch", 1, 4),
            ("Collect", 3, 1),
            ("Talk", 3, 3),
        ] {
            let mut call = self.head(sent, method, requests > 1 || responses > 1);
            call["requests"] = json!(vec![json!({"note": "nothing"}); requests]);
            call["responses"] = json!(vec![json!({"note": "nothing"}); responses]);
            calls.push(call);
        }
        numbered(calls)
    }

    /// Calls that are refused with words that hold a value.
    pub fn refused(self, sent: &mut Sent) -> Value {
        let mut calls = Vec::new();
        for method in ["Place", "Collect"] {
            let operation = format!("/shop.Orders/{method}");
            // There is no answer, so none of its values.
            let mut call = self.call(sent, method, 1, 0);
            let iban = sent.iban(&operation, "response.trailers", "grpc-message");
            call["refusal"] = json!(format!("nothing is known of {iban} here"));
            calls.push(call);
        }
        numbered(calls)
    }

    fn call(self, sent: &mut Sent, method: &str, requests: usize, responses: usize) -> Value {
        let operation = format!("/shop.Orders/{method}");
        let mut call = self.head(sent, method, requests > 1 || responses > 1);
        let requests: Vec<Value> = (0..requests).map(|_| self.order(sent, &operation)).collect();
        let responses: Vec<Value> = (0..responses).map(|_| self.receipt(sent, &operation)).collect();
        call["requests"] = json!(requests);
        call["responses"] = json!(responses);
        call
    }

    /// A call without its messages.
    fn head(self, sent: &mut Sent, method: &str, streams: bool) -> Value {
        let operation = format!("/shop.Orders/{method}");
        let asked = sent.card(&operation, "request.headers", CARD);
        let told = sent.iban(&operation, "response.headers", "x-told-iban");
        let trailers = if streams {
            self.stream_trailers
        } else {
            self.unary_trailers
        };
        let trailers: Vec<Value> = trailers
            .map(|(part, field)| json!([CARD, sent.card(&operation, part, field)]))
            .into_iter()
            .collect();
        json!({
            "method": method,
            "metadata": [[CARD, asked]],
            "initial": [["x-told-iban", told]],
            "trailers": trailers,
        })
    }

    fn order(self, sent: &mut Sent, operation: &str) -> Value {
        let mut order = self.order_by_number(sent, operation);
        if self.names == Names::Descriptors {
            let mut card = |field| json!(sent.card(operation, "request.body", field));
            order["cardNumber"] = card("$.card_number");
            order["attributes"] = json!({"credit_card": card("$.attributes.credit_card")});
        }
        order
    }

    fn order_by_number(self, sent: &mut Sent, operation: &str) -> Value {
        let mut iban = |numbers, json| sent.iban(operation, "request.body", self.names.of(numbers, json));
        json!({
            "buyer": {
                "segment": "retail",
                "ibans": [iban("2.2", "$.buyer.ibans[0]"), iban("2.2[1]", "$.buyer.ibans[1]")],
            },
            "payments": [
                {"iban": iban("3.1", "$.payments[0].iban"), "amount": 12.5},
                {"iban": iban("3[1].1", "$.payments[1].iban"), "amount": 0.25},
                {"iban": iban("3[2].1", "$.payments[2].iban")},
            ],
            // Longer than a window, and than a frame.
            "note": format!("{} {}", message::words(80_000), iban("4", "$.note")),
        })
    }

    fn receipt(self, sent: &mut Sent, operation: &str) -> Value {
        let mut iban = |numbers, json| sent.iban(operation, "response.body", self.names.of(numbers, json));
        json!({
            "account": iban("1", "$.account"),
            "refund": {"segment": "", "ibans": [iban("5.2", "$.refund.ibans[0]")]},
            "shares": [{"amount": 1.5}, {"iban": iban("7[1].1", "$.shares[1].iban")}],
            "note": format!("{} {}", iban("8", "$.note"), message::words(20_000)),
        })
    }
}

/// Each told from others by the id in its messages.
fn numbered(mut calls: Vec<Value>) -> Value {
    for (id, call) in calls.iter_mut().enumerate() {
        for request in call["requests"].as_array_mut().into_iter().flatten() {
            request["id"] = json!(id + 1);
        }
    }
    json!(calls)
}

/// The descriptors of the service, as protoc makes them.
///
/// # Errors
/// When it fails.
pub fn descriptors(scratch: &Scratch) -> anyhow::Result<PathBuf> {
    let path = scratch.path("shop.pb");
    let proto = peers::program("shop.proto");
    let folder = proto.parent().unwrap_or(&proto);
    let out = format!("--descriptor_set_out={}", path.display());
    let folder = format!("--proto_path={}", folder.display());
    let words = ["--include_imports", &out, &folder].map(OsStr::new);
    process::output("protoc", &[&words[..], &[proto.as_os_str()]].concat())?;
    Ok(path)
}

/// The calls as a file for the peers.
///
/// # Errors
/// When it cannot be written.
pub fn script(scratch: &Scratch, name: &str, calls: &Value) -> anyhow::Result<PathBuf> {
    scratch.file(name, calls.to_string())
}
