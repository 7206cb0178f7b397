//! Values in WebSocket messages and Server-Sent Events are reported under the request that opened them, in the field of
//! the message they are in, by who sent them, and nothing else is.

use std::{path::Path, process::Command};

use auditor_tests::{
    front::Upgrading,
    http::{self, Exchange, Serving, answered, opened, watched},
    message,
    scratch::Scratch,
    sent::{By, Leg, Sent, each},
};
use serde_json::{Value, json};

/// A conversation, and what is said in it.
struct Conversation<'a> {
    sent: &'a mut Sent,
    path: &'static str,
    headers: Value,
    messages: Vec<Value>,
}

impl<'a> Conversation<'a> {
    fn at(sent: &'a mut Sent, path: &'static str) -> Self {
        Self {
            sent,
            path,
            headers: json!({}),
            messages: Vec::new(),
        }
    }

    fn operation(&self) -> String {
        format!("GET {}", self.path)
    }

    /// With a value in the request that opens it.
    fn opened_with(mut self, name: &'static str) -> Self {
        self.sent.speak("http/1.1");
        let value = self.sent.iban(&self.operation(), "request.headers", name);
        self.sent.speak("websocket");
        self.headers[name] = json!(value);
        self
    }

    /// A message with a value in the field `$.key.iban`, and so many bytes of text before it.
    fn says(mut self, by: By, key: &str, length: usize, (binary, fragments): (bool, usize)) -> Self {
        let field = format!("$.{key}.iban");
        let iban = self
            .sent
            .message(by, &self.operation(), "message", &field, "iban");
        let text = json!({"kind": "note", "a": message::words(length), key: {"iban": iban}});
        let by = match by {
            By::Client => "client",
            By::Server => "server",
        };
        let text = text.to_string();
        self.messages
            .push(json!({"by": by, "text": text, "binary": binary, "fragments": fragments}));
        self
    }

    fn end(self) -> Value {
        json!({"path": self.path, "headers": self.headers, "messages": self.messages})
    }
}

const TEXT: (bool, usize) = (false, 1);
const BINARY: (bool, usize) = (true, 1);

/// Messages of both sides.
fn talk(opened: Conversation<'_>) -> Value {
    opened
        .says(By::Client, "first", 0, TEXT)
        .says(By::Server, "answer", 40, TEXT)
        .says(By::Client, "fragments", 300, (false, 4))
        .says(By::Server, "pieces", 90_000, (false, 3))
        .says(By::Server, "twice", 100, TEXT)
        .says(By::Client, "large", 150_000, TEXT)
        .says(By::Server, "last", 10, BINARY)
        .end()
}

/// Two conversations at once, with short and long messages, whole and in fragments, as text and binary.
fn conversations(sent: &mut Sent) -> Value {
    let chat = talk(Conversation::at(sent, "/v1/chat").opened_with("x-user-iban"));
    let feed = Conversation::at(sent, "/v1/feed")
        .says(By::Server, "hello", 10, TEXT)
        .says(By::Client, "bytes", 70_000, BINARY)
        .says(By::Client, "parts", 200, (true, 2))
        .says(By::Server, "bye", 500, TEXT)
        .end();
    json!([chat, feed])
}

/// A package that speaks WebSocket.
#[derive(Clone, Copy, Debug)]
enum Peer {
    Python,
    Node,
}

impl Peer {
    fn command(self) -> anyhow::Result<Command> {
        match self {
            Self::Python => http::python("websocket_peer.py"),
            Self::Node => http::node("websocket_peer.js"),
        }
    }
}

#[test]
fn messages_of_pythons_websockets_are_reported_in_their_fields() -> anyhow::Result<()> {
    talked(Peer::Python, Peer::Python, &[])
}

#[test]
fn messages_of_nodes_ws_are_reported_in_their_fields() -> anyhow::Result<()> {
    talked(Peer::Node, Peer::Node, &[])
}

#[test]
fn compressed_messages_are_reported_in_their_fields() -> anyhow::Result<()> {
    let pairs = [
        (Peer::Python, Peer::Python),
        (Peer::Node, Peer::Node),
        (Peer::Node, Peer::Python),
    ];
    each(pairs, |(server, client)| talked(*server, *client, &["--deflate"]))
}

#[test]
fn messages_over_tls_are_reported_in_their_fields() -> anyhow::Result<()> {
    let variants = [
        (Peer::Python, &["--deflate", "--pem"][..]),
        (Peer::Node, &["--pem"]),
    ];
    each(variants, |(peer, more)| talked(*peer, *peer, more))
}

/// nghttpx opens one connection of HTTP/1.1 for each stream.
#[test]
fn messages_over_http_2_are_reported_in_front_of_a_proxy_and_behind() -> anyhow::Result<()> {
    let mut sent = Sent::over("websocket");
    let conversations = json!([
        talk(Conversation::at(&mut sent, "/v1/chat")),
        Conversation::at(&mut sent, "/v1/feed")
            .says(By::Server, "hello", 70_000, BINARY)
            .end(),
    ]);
    let scratch = Scratch::new()?;
    let script = scratch.file("script.json", conversations.to_string())?;
    let server = Serving::start(&scratch, Peer::Node.command()?, &[&script])?;
    let front = Upgrading::start(server.port)?;
    let words: [&Path; 2] = [&script, "--http2".as_ref()];
    let client = http::client(&scratch, Peer::Node.command()?, front.port, &words)?;
    let (pids, nghttpx) = ([client.pid(), server.pid()], [front.pid()]);
    let watch = http::watch(&scratch, &[&pids[..], &nghttpx].concat())?;
    client.succeed()?;
    let report = watch.stop()?;
    server.end()?;
    let legs = [Leg::plain(&pids[..1], &nghttpx), Leg::plain(&nghttpx, &pids[1..])];
    sent.compare_all(&report, &legs)
}

fn talked(server: Peer, client: Peer, more: &[&str]) -> anyhow::Result<()> {
    let mut sent = Sent::over("websocket");
    let conversations = conversations(&mut sent);
    exchanged(server, client, more, &conversations, &sent)
}

fn exchanged(
    server: Peer,
    client: Peer,
    more: &[&str],
    conversations: &Value,
    sent: &Sent,
) -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let script = scratch.file("script.json", conversations.to_string())?;
    let certificate = scratch.certificate()?;
    let tls = more.contains(&"--pem");
    let mut words: Vec<&Path> = vec![&script];
    words.extend(more.iter().map(Path::new));
    if tls {
        words.push(&certificate);
    }
    let server = Serving::start(&scratch, server.command()?, &words)?;
    let client = http::client(&scratch, client.command()?, server.port, &words)?;
    let seen = watched(&scratch, client, server)?;
    if tls {
        seen.is_over_tls(sent)
    } else {
        seen.is(sent)
    }
}

/// Both ends are the same program here, and say the same field.
#[test]
fn a_field_that_both_ends_send_is_reported_once_for_each() -> anyhow::Result<()> {
    let mut sent = Sent::over("websocket");
    let chat = Conversation::at(&mut sent, "/v1/chat")
        .says(By::Client, "account", 10, TEXT)
        .says(By::Server, "account", 20, TEXT)
        .end();
    exchanged(Peer::Python, Peer::Python, &[], &json!([chat]), &sent)
}

#[test]
fn a_websocket_that_was_there_before_auditor_gives_its_messages() -> anyhow::Result<()> {
    let mut sent = Sent::over("websocket");
    sent.joined();
    let chat = Conversation::at(&mut sent, "/v1/chat")
        .says(By::Client, "first", 0, TEXT)
        .says(By::Server, "answer", 40, TEXT)
        .says(By::Client, "fragments", 300, (false, 4))
        .says(By::Server, "large", 90_000, TEXT)
        .end();
    let scratch = Scratch::new()?;
    let script = scratch.file("script.json", json!([chat]).to_string())?;
    let words: [&Path; 2] = [&script, "--joined".as_ref()];
    let server = Serving::start(&scratch, http::python("websocket_peer.py")?, &words)?;
    let mut client = http::client(&scratch, http::python("websocket_peer.py")?, server.port, &words)?;
    opened(&mut client)?;
    watched(&scratch, client, server)?.is(&sent)
}

#[test]
fn events_that_a_server_sends_are_reported_in_the_fields_of_their_data() -> anyhow::Result<()> {
    let at_once = [
        "--http2-prior-knowledge",
        "--no-buffer",
        "--parallel",
        "--parallel-immediate",
    ];
    let variants = [
        ("http1", &["--http1.1", "--no-buffer"][..], "http/1.1"),
        ("http2", &at_once, "http/2"),
    ];
    each(variants, |(version, more, carrier)| {
        let mut sent = Sent::over("sse");
        let (feeds, exchanges) = feeds(&mut sent, carrier);
        let scratch = Scratch::new()?;
        let script = scratch.file("script.json", feeds.to_string())?;
        let mut command = http::node("events.js")?;
        command.arg(version);
        let server = Serving::start(&scratch, command, &[&script])?;
        let base = format!("http://127.0.0.1:{}", server.port);
        let client = http::curl(&scratch, &base, more, &exchanges)?;
        let seen = watched(&scratch, client, server)?;
        answered(&scratch, &exchanges)?;
        seen.is(&sent)
    })
}

/// Feeds of events with ids and names, short data and long, in one line and in several; and the requests for them.
fn feeds(sent: &mut Sent, carrier: &'static str) -> (Value, Vec<Exchange>) {
    let mut feeds = Vec::new();
    let mut exchanges = Vec::new();
    for path in ["/v1/prices", "/v1/payments"] {
        let operation = format!("GET {path}");
        let mut events = vec![vec![": a comment".to_owned()]];
        for (number, length) in [0, 20, 100_000, 40].into_iter().enumerate() {
            let field = format!("$.event{number}.iban");
            let iban = sent.iban(&operation, "response.body", &field);
            let (name, text) = (format!("event{number}"), message::words(length));
            let data = json!({"text": text, name.clone(): {"iban": iban}}).to_string();
            let mut lines = vec![format!("id: {number}"), format!("event: {name}")];
            if number == 3 {
                // Two lines of data are one, with a line end between.
                let (first, second) = data.split_at(data.find(',').unwrap_or(0) + 1);
                lines.extend([format!("data: {first}"), format!("data: {second}")]);
            } else {
                lines.push(format!("data: {data}"));
            }
            events.push(lines);
        }
        let body: String = events.iter().map(|lines| lines.join("\n") + "\n\n").collect();
        feeds.push(json!({"path": path, "events": events}));
        sent.speak(carrier);
        let asked = sent.iban(&operation, "request.headers", "x-asked-iban");
        sent.speak("sse");
        let mut exchange =
            Exchange::json("GET", path, &Value::Null, &Value::Null).header("x-asked-iban", asked);
        exchange.answer.body = body.into_bytes();
        exchanges.push(exchange);
    }
    (json!(feeds), exchanges)
}
