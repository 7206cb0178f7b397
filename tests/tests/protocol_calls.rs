//! Values in the operations of GraphQL, the calls of JSON-RPC and SOAP, and what OpenTelemetry exports are reported under
//! the name of what was called, in the field they are in, by who sent them, and nothing else is.

use std::{path::Path, process::Command};

use auditor_tests::{
    http::{self, Exchange, Serving, answered, watched},
    message, peers,
    scratch::Scratch,
    sent::{Sent, each},
};
use serde_json::{Value, json};

const SCHEMA: &str = "
    type Account { iban: String, status: String }
    input Party { iban: String, note: String }
    input Pay { debtor: Party, creditors: [Party] }
    type Query { account(iban: String): Account, accounts: [Account] }
    type Mutation { pay(input: Pay!): Account, refund(iban: String!): Account }
";

#[test]
fn operations_of_graphql_are_reported_by_name_with_their_variables_and_answers() -> anyhow::Result<()> {
    let mut sent = Sent::over("graphql");
    let script = graphql(&mut sent);
    let server = http::node("graphql_peer.js")?;
    let client = http::node("graphql_peer.js")?;
    spoken(server, client, &script, &[], &[], &sent)
}

/// Each field of the schema has one answer, so each is asked for once.
fn graphql(sent: &mut Sent) -> Value {
    let path = "/v1/graphql";
    let pay = "POST /v1/graphql PayInvoice";
    let mut iban = |part: &str, field: &str| sent.iban(pay, part, field);
    let variables = json!({"input": {
        "debtor": {"iban": iban("request.body", "$.variables.input.debtor.iban"), "note": message::words(90_000)},
        "creditors": [
            {"iban": null, "note": "nobody"},
            {"iban": iban("request.body", "$.variables.input.creditors[1].iban")},
        ],
    }});
    let paid = json!({"iban": iban("response.body", "$.data.pay.iban"), "status": "paid"});
    // Two operations in one document, of which the second is meant, and under another name.
    let refund = "POST /v1/graphql GiveBack";
    let mut iban = |part: &str, field: &str| sent.iban(refund, part, field);
    let back = json!({"target": iban("request.body", "$.variables.target")});
    let refunded = json!({"iban": iban("response.body", "$.data.mine.iban")});
    let anonymous = "POST /v1/graphql";
    let asked = sent.iban(anonymous, "request.body", "$.query");
    let account =
        json!({"iban": sent.iban(anonymous, "response.body", "$.data.account.iban"), "status": "open"});
    let list = "POST /v1/graphql ListAccounts";
    let accounts = json!([
        {"iban": null},
        {"iban": sent.iban(list, "response.body", "$.data.accounts[1].iban")},
    ]);
    json!({
        "schema": SCHEMA,
        "answers": {"pay": paid.clone(), "refund": refunded.clone(), "account": account.clone(), "accounts": accounts.clone()},
        "requests": [
            {
                "path": path,
                "query": "mutation PayInvoice($input: Pay!) { pay(input: $input) { iban status } }",
                "variables": variables,
                "data": {"pay": paid},
            },
            {
                "path": path,
                "query": "# mutation NotThis\nmutation GiveBack ( $target : String! ) {\n  mine: refund(iban: $target) { ...All }\n}\n\
                          fragment All on Account { iban }",
                "variables": back,
                "data": {"mine": refunded},
            },
            {
                "path": path,
                "query": format!("{{ account(iban: \"{asked}\") {{ iban status }} }}"),
                "data": {"account": account},
            },
            {
                "path": path,
                "query": "query ListAccounts { accounts { iban } }",
                "data": {"accounts": accounts},
            },
        ],
    })
}

/// curl asks the same server in the query of a GET.
#[test]
fn operations_of_graphql_in_a_query_are_reported_by_name() -> anyhow::Result<()> {
    let mut sent = Sent::over("graphql");
    let operation = "GET /v1/graphql OneAccount";
    let asked = sent.iban(operation, "request.query", "variables|json.iban");
    let account =
        json!({"iban": sent.iban(operation, "response.body", "$.data.account.iban"), "status": "open"});
    let query = "query OneAccount($iban: String) { account(iban: $iban) { iban status } }";
    let query = form_urlencoded(&[
        ("operationName", "OneAccount"),
        ("query", query),
        ("variables", &json!({"iban": asked}).to_string()),
    ]);
    let mut exchange = Exchange::json(
        "GET",
        format!("/v1/graphql?{query}"),
        &Value::Null,
        &json!({"data": {"account": account}}),
    );
    exchange.answer.headers.clear();
    let script = json!({"schema": SCHEMA, "answers": {"account": account}, "requests": []});
    let scratch = Scratch::new()?;
    let script = scratch.file("script.json", script.to_string())?;
    let server = Serving::start(&scratch, http::node("graphql_peer.js")?, &[&script])?;
    let base = format!("http://127.0.0.1:{}", server.port);
    let exchanges = [exchange];
    let client = http::curl(&scratch, &base, &[], &exchanges)?;
    let seen = watched(&scratch, client, server)?;
    answered(&scratch, &exchanges)?;
    seen.is(&sent)
}

/// Names and values as in a form (WHATWG URL, application/x-www-form-urlencoded).
fn form_urlencoded(fields: &[(&str, &str)]) -> String {
    let escaped = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", value.bytes().map(escaped).collect::<String>()))
        .collect();
    fields.join("&")
}

/// Of a batch no call is the operation, so none is named; fields tell which call a value is in.
#[test]
fn batches_of_json_rpc_are_reported_without_a_method() -> anyhow::Result<()> {
    let mut sent = Sent::over("json-rpc");
    let operation = "POST /v1/rpc";
    let mut calls = Vec::new();
    for (number, method) in ["user.create", "account_close", "pay"].into_iter().enumerate() {
        let params = json!({
            "text": message::words(30_000),
            "iban": sent.iban(operation, "request.body", &format!("$[{number}].params.iban")),
        });
        let result =
            json!({"iban": sent.iban(operation, "response.body", &format!("$[{number}].result.iban"))});
        calls.push(json!({"method": method, "params": params, "result": result}));
    }
    let (server, client) = (http::node("jsonrpc_peer.js")?, http::node("jsonrpc_peer.js")?);
    spoken(server, client, &json!(calls), &[], &["--batch".as_ref()], &sent)
}

#[test]
fn calls_of_json_rpc_are_reported_by_method_with_their_parameters_and_results() -> anyhow::Result<()> {
    let mut sent = Sent::over("json-rpc");
    let mut calls = Vec::new();
    for method in ["user.create", "account_close"] {
        let operation = format!("POST /v1/rpc {method}");
        let params = json!({
            "text": message::words(70_000),
            "accounts": [{"iban": sent.iban(&operation, "request.body", "$.params.accounts[0].iban")}],
        });
        let result = json!({"iban": sent.iban(&operation, "response.body", "$.result.iban")});
        calls.push(json!({"method": method, "params": params, "result": result}));
    }
    let operation = "POST /v1/rpc pay";
    let params = json!([12, sent.iban(operation, "request.body", "$.params[1]")]);
    let result = json!([sent.iban(operation, "response.body", "$.result[0]")]);
    calls.push(json!({"method": "pay", "params": params, "result": result}));
    let (server, client) = (http::node("jsonrpc_peer.js")?, http::node("jsonrpc_peer.js")?);
    spoken(server, client, &json!(calls), &[], &[], &sent)
}

#[test]
fn calls_of_soap_are_reported_by_operation_with_the_elements_of_their_envelopes() -> anyhow::Result<()> {
    let mut sent = Sent::over("soap");
    let mut calls = Vec::new();
    for (method, elements) in [("GetUser", &["iban"][..]), ("PayUser", &["debtor", "creditor"])] {
        let operation = format!("POST /v1/soap {method}");
        let mut request = json!({});
        if method == "GetUser" {
            request["id"] = json!(17);
        }
        for element in elements {
            // Prefixes as the client and the server choose them.
            let field = format!("/soap-env:Envelope/soap-env:Body/ns0:{method}/ns0:{element}");
            request[element] = json!(sent.iban(&operation, "request.body", &field));
        }
        let field = format!("/soap:Envelope/soap:Body/{method}Response/account");
        let account = sent.iban(&operation, "response.body", &field);
        let response = json!({"status": "open", "account": account});
        calls.push(json!({"method": method, "request": request, "response": response}));
    }
    let wsdl = peers::program("users.wsdl");
    let (server, client) = (http::node("soap_server.js")?, http::python("soap_client.py")?);
    spoken(server, client, &json!(calls), &[&wsdl], &[&wsdl], &sent)
}

/// The paths of a string attribute, of the first and the second span: of its key/value pair the value, of that the
/// string; and of a log record's body.
const SPANS: &[&str] = &["1.2.2.9", "1.2.2[1].9"];
const LOGS: &[&str] = &["1.2.2.5.1", "1.2.2[1].5.1"];

#[test]
fn what_opentelemetry_exports_over_http_is_reported_by_the_numbers_of_its_fields() -> anyhow::Result<()> {
    each([&["http"][..], &["http", "gzip"]], |more| {
        exported("http/1.1", ["POST /v1/traces", "POST /v1/logs"], more)
    })
}

#[test]
fn what_opentelemetry_exports_over_grpc_is_reported_by_the_numbers_of_its_fields() -> anyhow::Result<()> {
    let operations = [
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    ];
    each([&["grpc"][..], &["grpc", "gzip"]], |more| {
        exported("grpc", operations, more)
    })
}

fn exported(protocol: &'static str, [traces, logs]: [&str; 2], more: &[&str]) -> anyhow::Result<()> {
    let mut sent = Sent::over(protocol);
    let spans: Vec<Value> = SPANS
        .iter()
        .enumerate()
        .map(|(number, path)| {
            let mut iban = |at: &str| sent.iban(traces, "request.body", &format!("{path}{at}.2.1"));
            let attributes = json!({"account": iban(""), "step": "paid", "target": iban("[2]")});
            json!({"name": format!("span{number}"), "attributes": attributes})
        })
        .collect();
    let records: Vec<Value> = LOGS
        .iter()
        .map(|path| json!(format!("paid to {} today", sent.iban(logs, "request.body", path))))
        .collect();
    let script = json!({"spans": spans, "logs": records});
    let words: Vec<&Path> = more.iter().map(Path::new).collect();
    let (server, client) = (http::python("telemetry.py")?, http::python("telemetry.py")?);
    spoken(server, client, &script, &words, &words, &sent)
}

/// A server and a client that are given a script, and what else each needs.
fn spoken(
    server: Command,
    client: Command,
    script: &Value,
    for_server: &[&Path],
    for_client: &[&Path],
    sent: &Sent,
) -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let script = scratch.file("script.json", script.to_string())?;
    let server = Serving::start(&scratch, server, &[&[script.as_path()], for_server].concat())?;
    let more = [&[script.as_path()], for_client].concat();
    let client = http::client(&scratch, client, server.port, &more)?;
    watched(&scratch, client, server)?.is(sent)
}
