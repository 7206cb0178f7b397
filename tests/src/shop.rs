//! What is bought and paid over HTTP in the scenarios: requests and answers with a value in each place that HTTP has,
//! noted as they are made.

use serde_json::{Value, json};

use crate::{
    http::{Exchange, JSON},
    message,
    sent::Sent,
};

/// Rows of a body that takes more than two windows of 64 KiB.
const ROWS: usize = 700;

/// One of each: a nested body with a card in a list, headers, a query, an id in the path, a form, a list as answer.
pub fn exchanges(sent: &mut Sent) -> Vec<Exchange> {
    vec![order(sent), search(sent), form(sent)]
}

/// The same, and bodies of several windows in both directions.
pub fn with_large_bodies(sent: &mut Sent) -> Vec<Exchange> {
    let mut exchanges = exchanges(sent);
    exchanges.extend([statement(sent), archive(sent)]);
    exchanges
}

fn order(sent: &mut Sent) -> Exchange {
    let operation = "POST /v1/orders/{id}/payment";
    let mut body = |field: &str| sent.iban(operation, "request.body", field);
    let request = json!({
        "order": 17,
        "buyer": {
            "segment": "retail",
            "iban": body("$.buyer.iban"),
            "accounts": [{"kind": "main"}, {"kind": "spare", "iban": body("$.buyer.accounts[1].iban")}],
        },
        "payment": {"cards": [
            {"kind": "none"},
            {"card_number": sent.card(operation, "request.body", "$.payment.cards[1].card_number")},
        ]},
    });
    let mut body = |field: &str| sent.iban(operation, "response.body", field);
    let answer = json!({
        "status": "accepted",
        "refund": {"iban": body("$.refund.iban")},
        "shares": [["none", body("$.shares[0][1]")]],
    });
    let asked = sent.iban(operation, "request.headers", "x-buyer-iban");
    let told = sent.iban(operation, "response.headers", "x-refund-iban");
    Exchange::json("POST", "/v1/orders/83412/payment", &request, &answer)
        .header("x-buyer-iban", asked)
        .answered_with("x-refund-iban", told)
}

fn search(sent: &mut Sent) -> Exchange {
    let operation = "GET /v1/accounts";
    let query = sent.iban(operation, "request.query", "account");
    let answer = json!([
        {"id": 1},
        {"id": 2, "iban": sent.iban(operation, "response.body", "$[1].iban")},
    ]);
    Exchange::json(
        "GET",
        format!("/v1/accounts?page=2&account={query}"),
        &Value::Null,
        &answer,
    )
}

fn form(sent: &mut Sent) -> Exchange {
    let operation = "PUT /v1/mandates";
    let (first, second) = (
        sent.iban(operation, "request.body", "debtor"),
        sent.iban(operation, "request.body", "creditor"),
    );
    let told = sent.iban(operation, "response.headers", "x-mandate");
    let answer = json!({"status": "accepted"});
    let mut exchange = Exchange::json("PUT", "/v1/mandates", &Value::Null, &answer);
    exchange.body = format!("debtor={first}&amount=12.50&creditor={second}").into_bytes();
    exchange
        .header("content-type", "application/x-www-form-urlencoded".to_owned())
        .answered_with("x-mandate", told)
}

/// A long answer, with values in its first row, three quarters down and in its last.
pub fn statement(sent: &mut Sent) -> Exchange {
    let operation = "GET /v1/statements";
    let answer = long(&mut |field| sent.iban(operation, "response.body", field));
    Exchange::json("GET", "/v1/statements", &Value::Null, &answer)
}

/// A long request of which auditor sees the second half only, with one value there: two would be counted as one, where
/// their fields are not known.
pub fn half_seen(sent: &mut Sent) -> Exchange {
    let operation = "POST /v1/archive";
    let last = format!("$.rows[{}].iban", ROWS - 1);
    let request = long(&mut |field| {
        if field == last {
            sent.midway().iban(operation, "request.body", field)
        } else {
            "none".to_owned()
        }
    });
    let answer = json!({"iban": sent.iban(operation, "response.body", "$.iban")});
    Exchange::json("POST", "/v1/archive", &request, &answer)
}

/// A long request.
pub fn archive(sent: &mut Sent) -> Exchange {
    let operation = "POST /v1/archive";
    let request = long(&mut |field| sent.iban(operation, "request.body", field));
    let answer = json!({"iban": sent.iban(operation, "response.body", "$.iban")});
    Exchange::json("POST", "/v1/archive", &request, &answer)
}

fn long(iban: &mut dyn FnMut(&str) -> String) -> Value {
    let rows: Vec<Value> = (0..ROWS)
        .map(|number| {
            let text = message::words(200);
            if [0, ROWS * 3 / 4, ROWS - 1].contains(&number) {
                json!({"text": text, "iban": iban(&format!("$.rows[{number}].iban"))})
            } else {
                json!({"text": text})
            }
        })
        .collect();
    json!({ "rows": rows })
}

/// Up to 24 requests that go at once, each with values, names and an operation of its own.
pub fn many(sent: &mut Sent, count: usize) -> Vec<Exchange> {
    const NAMES: [&str; 24] = [
        "apple", "birch", "cedar", "daisy", "elder", "fern", "grass", "hazel", "iris", "jasmine", "kale",
        "lily", "maple", "nettle", "olive", "pine", "quince", "rose", "sage", "thyme", "ulex", "vine",
        "willow", "yarrow",
    ];
    let mut exchanges = Vec::new();
    for name in NAMES.into_iter().take(count) {
        let operation = format!("POST /v1/{name}");
        let field = |kind: &str| format!("$.{name}.{kind}");
        let request = json!({
            "text": message::words(9_000),
            name: {"iban": sent.iban(&operation, "request.body", &field("iban"))},
        });
        let answer = json!({
            name: {"account": sent.iban(&operation, "response.body", &field("account"))},
            "text": message::words(20_000),
        });
        let asked = sent.iban(&operation, "request.headers", "x-buyer-iban");
        let told = sent.iban(&operation, "response.headers", "x-refund-iban");
        exchanges.push(
            Exchange::json("POST", format!("/v1/{name}"), &request, &answer)
                .header("x-buyer-iban", asked)
                .answered_with("x-refund-iban", told),
        );
    }
    exchanges
}

/// What is said before auditor comes: values that nobody is to report, in fields that fill the tables of headers.
pub fn early() -> Vec<Exchange> {
    let mut unseen = Sent::over("");
    let mut exchanges = exchanges(&mut unseen);
    for (number, exchange) in exchanges.iter_mut().enumerate() {
        exchange.path = format!("/early/{number}");
        exchange
            .answer
            .headers
            .retain(|(name, _)| *name == JSON.0 || name.starts_with("x-"));
    }
    exchanges
}
