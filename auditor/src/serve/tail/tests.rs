use tokio::io::Lines;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::*;
use crate::serve::hub::tests::finding;

const DEADLINE: Duration = Duration::from_secs(10);

struct Server {
    _folder: tempfile::TempDir,
    path: PathBuf,
    hub: Arc<Hub>,
    stop: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

fn start(limits: Limits) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("auditor.sock");
    let hub = Arc::new(Hub::default());
    let listener = Listener::bind(&path).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serve = listener.serve(Arc::clone(&hub), limits, async { _ = stopped.await });
    let task = tokio::spawn(serve);
    Server {
        _folder: folder,
        path,
        hub,
        stop,
        task,
    }
}

struct Client {
    lines: Lines<BufReader<OwnedReadHalf>>,
    write: OwnedWriteHalf,
}

impl Client {
    async fn connect(server: &Server, request: &str) -> Self {
        let (read, mut write) = UnixStream::connect(&server.path).await.unwrap().into_split();
        let _ = write.write_all(request.as_bytes()).await;
        Self {
            lines: BufReader::new(read).lines(),
            write,
        }
    }

    /// The next record, `Null` at the end.
    async fn next(&mut self) -> serde_json::Value {
        let line = timeout(DEADLINE, self.lines.next_line())
            .await
            .expect("a line in time");
        line.ok().flatten().map_or(serde_json::Value::Null, |line| {
            serde_json::from_str(&line).unwrap()
        })
    }
}

#[tokio::test]
async fn a_client_gets_what_was_and_what_comes() {
    let server = start(Limits::default());
    server.hub.publish(finding("a", 1));
    server.hub.publish(finding("b", 1));
    let mut client = Client::connect(&server, "{\"last\":1,\"follow\":true}\n").await;
    assert_eq!(client.next().await["id"], "b");
    server.hub.publish(finding("c", 1));
    assert_eq!(client.next().await["id"], "c");
    let mut once = Client::connect(&server, "{\"last\":9,\"filters\":{\"detector\":[\"iban\"]}}\n").await;
    assert!(
        once.next().await.is_null(),
        "nothing matches, and it does not follow"
    );
}

#[tokio::test]
async fn a_client_that_breaks_the_protocol_is_told_why_and_cut() {
    let server = start(Limits {
        patience: Duration::from_millis(100),
        ..Limits::default()
    });
    let long = format!("{{\"last\":{}1}}\n", " ".repeat(20_000));
    let cases = [
        ("hello\n", "not understood"),
        ("{\"lasst\":1}\n", "lasst"),
        ("{\"filters\":{\"severity\":\"bad\"}}\n", "critical"),
        (long.as_str(), "longer than"),
        ("{\"last\":1", "no request came"),
        ("", "no request came"),
        ("{\"follow\":true}\n{\"follow\":true}\n", "one request"),
    ];
    for (request, says) in cases {
        let mut client = Client::connect(&server, request).await;
        let answer = client.next().await;
        assert_eq!(answer["schema"], SCHEMA, "{request:.40}");
        assert!(answer["error"].as_str().unwrap().contains(says), "{answer}");
        assert!(client.next().await.is_null(), "{request:.40}");
    }
    server.hub.publish(finding("a", 1));
    let mut late = Client::connect(&server, "{\"follow\":true,\"last\":1}\n").await;
    assert_eq!(late.next().await["id"], "a");
    late.write.write_all(b"{}\n").await.unwrap();
    assert!(
        late.next().await["error"]
            .as_str()
            .unwrap()
            .contains("one request")
    );
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_and_the_others_go_on() {
    let server = start(Limits {
        patience: Duration::from_millis(100),
        clients: 2,
    });
    let slow = Client::connect(&server, "{\"follow\":true}\n").await;
    let mut other = Client::connect(&server, "{\"follow\":true,\"last\":1}\n").await;
    let large = "x".repeat(100_000);
    let deadline = std::time::Instant::now() + DEADLINE;
    loop {
        server.hub.publish(crate::report::finding::Finding {
            sample: large.clone(),
            ..finding("a", 1)
        });
        assert!(other.next().await.is_object());
        let mut third = Client::connect(&server, "{\"last\":1}\n").await;
        if third.next().await["id"] == "a" {
            break;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "the slow client still holds its place"
        );
    }
    drop(slow);
}

#[tokio::test]
async fn one_client_more_than_allowed_is_told() {
    let server = start(Limits {
        clients: 1,
        ..Limits::default()
    });
    server.hub.publish(finding("a", 1));
    let mut first = Client::connect(&server, "{\"follow\":true,\"last\":1}\n").await;
    assert_eq!(first.next().await["id"], "a");
    let mut second = Client::connect(&server, "").await;
    assert!(
        second.next().await["error"]
            .as_str()
            .unwrap()
            .contains("too many clients")
    );
}

#[tokio::test]
async fn a_second_daemon_is_refused_and_a_stale_file_replaced() {
    let server = start(Limits::default());
    assert_eq!(
        fs::metadata(&server.path).unwrap().permissions().mode() & 0o777,
        0o660
    );
    let error = Listener::bind(&server.path).err().unwrap().to_string();
    assert!(error.starts_with("another auditor is listening on"), "{error}");
    server.stop.send(()).unwrap();
    server.task.await.unwrap();
    assert!(!server.path.exists(), "the file goes with the daemon");
    drop(std::os::unix::net::UnixListener::bind(&server.path).unwrap());
    assert!(server.path.exists());
    drop(Listener::bind(&server.path).unwrap());
}

#[tokio::test]
async fn what_is_in_the_way_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(Listener::bind(&file), Err(BindError::NotASocket(_))));
    assert!(matches!(
        Listener::bind(&file.join("sock")),
        Err(BindError::Other(..))
    ));
    assert!(matches!(
        Listener::bind(&folder.path().join("x".repeat(120))),
        Err(BindError::TooLong(_))
    ));
    let live = folder.path().join("live");
    let _listener = std::os::unix::net::UnixListener::bind(&live).unwrap();
    assert!(matches!(Listener::bind(&live), Err(BindError::Taken(_))));
}

#[tokio::test]
async fn only_root_the_owner_and_the_group_may_ask() {
    let (stream, _other) = UnixStream::pair().unwrap();
    let peer = stream.peer_cred().unwrap();
    let none = Vec::new;
    assert!(may_ask(&peer, peer.uid(), u32::MAX, none));
    assert!(may_ask(&peer, u32::MAX, peer.gid(), none));
    assert!(may_ask(&peer, u32::MAX, 7, || vec![1, 7]));
    assert_eq!(may_ask(&peer, u32::MAX, u32::MAX, none), peer.uid() == 0);
    assert_eq!(groups_of(None)(), Vec::<u32>::new());
}
