//! Clients of every kind, over real connections. The API server is stood in for here; `tests/tests/kube_tail.rs` has a real one.

use std::sync::atomic::{AtomicBool, Ordering};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::access::tests::{gate, server};
use super::certificate::tests::{PAIRS, put};
use super::*;
use crate::report::finding::{End, Finding, Workload};
use crate::serve::hub;
use crate::serve::hub::tests::finding;
use crate::serve::metrics::tests::metrics;

/// How long anything may take that takes a moment.
const LIMIT: Duration = Duration::from_secs(30);

struct Agent {
    address: SocketAddr,
    hub: Arc<Hub>,
    metrics: Arc<Metrics>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Agent {
    async fn start(gate: Gate, limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (cert_file, key_file) = put(folder.path(), PAIRS[0].0, PAIRS[0].1);
        let hub = Arc::new(Hub::new(hub::Limits {
            history: 100,
            queue: 8,
        }));
        let metrics = Arc::new(metrics(10));
        let settings = Settings {
            listen: "127.0.0.1:0".parse().unwrap(),
            cert_file,
            key_file,
            node: Some("node-1".into()),
            limits,
        };
        let remote = Remote::bind(settings, gate, Arc::clone(&hub), Arc::clone(&metrics))
            .await
            .unwrap();
        let address = remote.address().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(remote.serve(async { _ = stopped.await }));
        Self {
            address,
            hub,
            metrics,
            stop: Some(stop),
            serving,
            _folder: folder,
        }
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(PAIRS[0].0.as_bytes()).unwrap();
        roots.add(root).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("agent.example").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await.unwrap()
    }

    /// Connects and asks with this token.
    async fn asked(&self, token: &str, body: &str) -> TlsStream<TcpStream> {
        let mut stream = self.connect().await;
        let head = format!(
            "POST /v1/findings HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(body.as_bytes()).await.unwrap();
        stream
    }

    /// The whole answer.
    async fn answer(&self, token: &str, body: &str) -> String {
        rest(self.asked(token, body).await).await
    }

    /// Waits until the page of metrics has this line.
    async fn shows(&self, line: &str) {
        let has = async {
            while !self.metrics.render().lines().any(|found| found == line) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LIMIT, has).await.unwrap_or_else(|_| panic!("{line}"));
    }
}

async fn rest(mut stream: impl tokio::io::AsyncRead + Unpin) -> String {
    let mut bytes = Vec::new();
    // Cut off or not, what came is what came.
    let _ = timeout(LIMIT, stream.read_to_end(&mut bytes)).await.unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads on until this was read.
async fn until(stream: &mut TlsStream<TcpStream>, text: &str) -> String {
    let mut read = String::new();
    let mut part = [0; 4096];
    while !read.contains(text) {
        let length = timeout(LIMIT, stream.read(&mut part)).await.unwrap().unwrap();
        assert!(length > 0, "no {text:?} in {read:?}");
        read.push_str(&String::from_utf8_lossy(&part[..length]));
    }
    read
}

fn of_namespace(id: &str, namespace: &str) -> Finding {
    let workload = Workload {
        namespace: Some(namespace.into()),
        kind: "Deployment".into(),
        name: "app".into(),
    };
    Finding {
        destination: Some(End {
            workload: Some(workload),
            ..End::default()
        }),
        ..finding(id, 1)
    }
}

fn ids(answer: &str) -> String {
    let findings = answer
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    findings
        .filter_map(|finding| finding["id"].as_str().map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn who_may_reads_what_it_may_and_others_are_told_why_not() {
    let agent = Agent::start(gate(None, server(&["shop"])), Limits::default()).await;
    for (id, namespace) in [("a", "shop"), ("b", "bank"), ("c", "shop")] {
        agent.hub.publish(of_namespace(id, namespace));
    }
    let shop = r#"{"filters":{"namespace":"shop"},"last":10}"#;
    let cases = [
        ("good", shop, "HTTP/1.1 200", "ac"),
        (
            "good",
            r#"{"filters":{"namespace":"shop"},"last":1}"#,
            "HTTP/1.1 200",
            "c",
        ),
        ("good", r#"{"last":10}"#, "HTTP/1.1 403", ""),
        (
            "good",
            r#"{"filters":{"namespace":"bank"},"last":10}"#,
            "HTTP/1.1 403",
            "",
        ),
        (
            "good",
            r#"{"filters":{"namespace":["shop","bank"]},"last":10}"#,
            "HTTP/1.1 403",
            "",
        ),
        ("bad", shop, "HTTP/1.1 401", ""),
        ("", shop, "HTTP/1.1 401", ""),
        ("good", r#"{"masking":true}"#, "HTTP/1.1 400", ""),
        ("good", "what", "HTTP/1.1 400", ""),
        (
            "good",
            r#"{"filters":{"namespace":"shop","severity":"bad"}}"#,
            "HTTP/1.1 400",
            "",
        ),
    ];
    for (token, body, status, found) in cases {
        let answer = agent.answer(token, body).await;
        assert!(answer.starts_with(status), "{body}: {answer}");
        assert_eq!(ids(&answer), found, "{body}: {answer}");
        assert_eq!(
            answer.contains(r#""error":"#),
            status != "HTTP/1.1 200",
            "{answer}"
        );
    }
    let answer = agent.answer("good", shop).await;
    assert!(
        answer.contains(r#"{"namespaces":["shop"],"node":"node-1","schema":"auditor.tail/v1"}"#),
        "{answer}"
    );
    for (head, status) in [
        ("GET /v1/findings", "HTTP/1.1 405"),
        ("POST /", "HTTP/1.1 404"),
        ("POST /metrics", "HTTP/1.1 404"),
    ] {
        let mut stream = agent.connect().await;
        let head = format!("{head} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer good\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let answer = rest(stream).await;
        assert!(answer.starts_with(status), "{answer}");
    }
    agent
        .shows(r#"auditor_tail_requests_total{result="forbidden"} 3"#)
        .await;
    agent
        .shows(r#"auditor_tail_requests_total{result="served"} 3"#)
        .await;
    agent.shows("auditor_tail_streams 0").await;
}

#[tokio::test]
async fn without_an_answer_of_the_api_server_nobody_reads() {
    let agent = Agent::start(gate(None, |_, _| (500, json!({}))), Limits::default()).await;
    agent.hub.publish(finding("a", 1));
    let answer = agent.answer("good", r#"{"last":10}"#).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert_eq!(ids(&answer), "");
}

#[tokio::test]
async fn a_right_that_is_withdrawn_ends_the_stream() {
    let may = Arc::new(AtomicBool::new(true));
    let (now, (everything, nothing)) = (Arc::clone(&may), (server(&["*"]), server(&[])));
    let gate = gate(None, move |path, object| match now.load(Ordering::Relaxed) {
        true => everything(path, object),
        false => nothing(path, object),
    });
    let limits = Limits {
        recheck: Duration::from_millis(50),
        heartbeat: Duration::from_millis(20),
        ..Limits::default()
    };
    let agent = Agent::start(gate, limits).await;
    let mut stream = agent.asked("good", r#"{"follow":true}"#).await;
    until(&mut stream, r#""node":"node-1""#).await;
    // In silence the agent says that it is there.
    until(&mut stream, r#""alive":true"#).await;
    agent.hub.publish(finding("a", 1));
    until(&mut stream, r#""id":"a""#).await;
    may.store(false, Ordering::Relaxed);
    let end = rest(stream).await;
    assert!(end.contains("may not watch findings of all namespaces"), "{end}");
    agent.shows("auditor_tail_streams 0").await;
    let answer = agent.answer("good", "{}").await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}

#[tokio::test]
async fn a_daemon_that_ends_sends_what_it_found_last_and_says_so() {
    let mut agent = Agent::start(gate(None, server(&["*"])), Limits::default()).await;
    let mut stream = agent.asked("good", r#"{"follow":true}"#).await;
    until(&mut stream, r#""node":"node-1""#).await;
    agent.hub.publish(finding("a", 1));
    agent.stop.take().unwrap().send(()).unwrap();
    let end = rest(stream).await;
    assert!(
        end.contains(r#""id":"a""#) && end.contains(r#""ended":"the agent stops""#),
        "{end}"
    );
    timeout(LIMIT, agent.serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn one_client_more_than_allowed_is_told() {
    let limits = Limits {
        streams: 1,
        ..Limits::default()
    };
    let agent = Agent::start(gate(None, server(&["*"])), limits).await;
    let mut first = agent.asked("good", r#"{"follow":true}"#).await;
    until(&mut first, r#""node":"node-1""#).await;
    let answer = agent.answer("good", "{}").await;
    assert!(
        answer.starts_with("HTTP/1.1 429") && answer.contains("retry-after"),
        "{answer}"
    );
    drop(first);
    agent.shows("auditor_tail_streams 0").await;
    assert!(agent.answer("good", "{}").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn whoever_is_slow_loud_or_no_client_at_all_is_cut_and_the_others_go_on() {
    let limits = Limits {
        waiting: 1,
        patience: Duration::from_millis(300),
        read_bytes: 40_000,
        ..Limits::default()
    };
    let agent = Agent::start(gate(None, server(&["*"])), limits).await;
    let tcp = || TcpStream::connect(agent.address);
    // Nothing at all, within and before TLS.
    assert_eq!(rest(tcp().await.unwrap()).await, "");
    assert_eq!(rest(agent.connect().await).await, "");
    // No TLS.
    let mut plain = tcp().await.unwrap();
    let _ = plain.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(!rest(plain).await.contains("HTTP/1.1"));
    let mut noise = tcp().await.unwrap();
    let _ = noise.write_all(&[0xa5; 2000]).await;
    assert!(!rest(noise).await.contains("HTTP/1.1"));
    // Half a head; a head without end; a body that is not there, or too long.
    let post = "POST /v1/findings HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer good\r\n";
    let header = format!("{post}X: {}\r\n\r\n", "a".repeat(20_000));
    let many = format!("{post}{}\r\n", "X: a\r\n".repeat(100));
    let missing = format!("{post}Content-Length: 100\r\n\r\nx");
    let long = format!("{post}Content-Length: 9000\r\n\r\n{}", "x".repeat(9000));
    let chunked = format!("{post}Transfer-Encoding: chunked\r\n\r\nzzz\r\n");
    for (text, status) in [
        (post, ""),
        // Cut off before it was sent whole, so that the answer may be lost on its way.
        (&header, ""),
        (&many, "HTTP/1.1 431"),
        (&missing, "HTTP/1.1 408"),
        (&long, "HTTP/1.1 413"),
        (&chunked, "HTTP/1.1 400"),
        ("what\r\n\r\n", "HTTP/1.1 400"),
    ] {
        let mut stream = agent.connect().await;
        let _ = stream.write_all(text.as_bytes()).await;
        let answer = rest(stream).await;
        assert!(answer.starts_with(status), "{status}: {answer}");
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    // More than a client may send.
    let mut stream = agent.connect().await;
    let _ = stream.write_all(&vec![b'a'; 1_000_000]).await;
    assert!(!rest(stream).await.starts_with("HTTP/1.1 2"));
    assert!(agent.answer("good", "{}").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_findings_is_cut_and_frees_its_place() {
    let limits = Limits {
        streams: 1,
        patience: Duration::from_millis(500),
        ..Limits::default()
    };
    let agent = Agent::start(gate(None, server(&["*"])), limits).await;
    let mut stream = agent.asked("good", r#"{"follow":true}"#).await;
    until(&mut stream, r#""node":"node-1""#).await;
    // More than all buffers between hold, while it reads nothing.
    let publishing = async {
        while !agent
            .metrics
            .render()
            .lines()
            .any(|line| line == "auditor_tail_streams 0")
        {
            for number in 0..100 {
                agent.hub.publish(finding(&"x".repeat(1000), number));
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, publishing).await.expect("it is cut");
    assert!(rest(stream).await.contains(r#""dropped":"#));
}
