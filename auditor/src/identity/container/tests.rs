//! Runtimes that hang, lie or are not there.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    thread,
};

use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A server that does this with the first connections.
fn serve(path: &Path, answer: impl Fn(UnixStream) + Send + 'static) {
    let listener = UnixListener::bind(path).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().take(4).flatten() {
            answer(stream);
        }
    });
}

fn http(stream: &mut UnixStream, head: &str, body: &[u8]) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request);
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
}

fn ask_blocking(socket: &Socket) -> Answer {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(ask(socket, ID, &BTreeSet::from(["team".to_owned()])))
}

#[test]
fn an_engine_names_a_container_its_image_and_the_labels_that_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let body = br#"{"Id":"x","Name":"/web","Config":{"Image":"shop/web:1","Labels":{"team":"pay","other":"x"},"Env":["A=b"]}}"#;
    serve(&path, move |mut stream| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        http(&mut stream, &head, body);
    });
    let facts = ask_blocking(&path.to_str().unwrap().parse().unwrap()).unwrap();
    assert_eq!(facts.name.as_deref(), Some("web"));
    assert_eq!(facts.image.as_deref(), Some("shop/web:1"));
    assert_eq!(facts.labels, [("team".to_owned(), "pay".to_owned())].into());
    assert_eq!(facts.pod, None);
}

#[test]
fn the_kubelets_labels_name_the_pod() {
    let body = br#"{"Name":"/k8s_app_checkout-0_shop_u_0","Config":{"Image":"i","Labels":{"io.kubernetes.pod.uid":"u","io.kubernetes.pod.name":"checkout-0","io.kubernetes.pod.namespace":"shop","io.kubernetes.container.name":"app"}}}"#;
    let facts = engine::facts(body, &BTreeSet::new()).unwrap();
    assert_eq!(facts.name.as_deref(), Some("app"));
    let pod = facts.pod.unwrap();
    assert_eq!(
        (pod.name.as_str(), pod.namespace.as_str()),
        ("checkout-0", "shop")
    );
}

#[test]
fn answers_that_can_not_be_used_are_refused() {
    let endless = vec![b'x'; 4 << 20];
    let table: [(&str, Vec<u8>); 6] = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"{}".to_vec()),
        ("HTTP/1.1 200 OK\r\n\r\n", endless),
        ("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", Vec::new()),
        (
            "HTTP/1.1 301 Moved\r\nLocation: http://example.com/\r\nContent-Length: 0\r\n\r\n",
            Vec::new(),
        ),
        ("not HTTP", Vec::new()),
        ("", Vec::new()),
    ];
    for (head, body) in table {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker.sock");
        serve(&path, move |mut stream| http(&mut stream, head, &body));
        for speaks in [Speaks::Engine, Speaks::Cri] {
            let socket = Socket {
                path: path.clone(),
                speaks,
            };
            let failure = ask_blocking(&socket).unwrap_err();
            assert_eq!(
                Unnamed::from(&failure),
                Unnamed::NoAnswer,
                "{head} {speaks:?}: {failure}"
            );
        }
    }
}

#[test]
fn a_container_that_is_not_known_is_told_from_a_runtime_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    serve(&path, |mut stream| {
        http(
            &mut stream,
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            b"",
        );
    });
    let socket: Socket = path.to_str().unwrap().parse().unwrap();
    assert!(matches!(ask_blocking(&socket), Err(Failure::Unknown)));
    let nobody = Socket {
        path: folder.path().join("nobody"),
        speaks: Speaks::Cri,
    };
    assert!(matches!(ask_blocking(&nobody), Err(Failure::Unreachable(_))));
}

/// Looks until something is known.
fn until_answered(containers: &Containers, id: &str) -> (Look, Duration) {
    let start = Instant::now();
    loop {
        let look = containers.look(id);
        if look != Look::Pending {
            return (look, start.elapsed());
        }
        assert!(start.elapsed() < Duration::from_secs(20), "no answer at all");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_runtime_that_hangs_costs_its_deadline_and_the_next_one_still_answers() {
    let folder = tempfile::tempdir().unwrap();
    let (hung, well) = (folder.path().join("hung"), folder.path().join("docker.sock"));
    let _hung = UnixListener::bind(&hung).unwrap();
    serve(&well, |mut stream| {
        let body = br#"{"Name":"/web","Config":{}}"#;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        http(&mut stream, &head, body);
    });
    let sockets = [&hung, &well].map(|path| path.to_str().unwrap().parse().unwrap());
    let containers = Containers::start(Settings {
        sockets: Some(sockets.to_vec()),
        labels: BTreeSet::new(),
    })
    .unwrap();
    let start = Instant::now();
    for n in 0..QUEUE * 4 {
        containers.ask(&n.to_string());
    }
    let looked = start.elapsed();
    assert!(looked < Duration::from_secs(1), "asking waited: {looked:?}");
    assert!(containers.totals().queue_full.load(Ordering::Relaxed) > 0);
    let (look, after) = until_answered(&containers, "0");
    assert!(matches!(look, Look::Known(_)), "{look:?}");
    assert!(after < PATIENCE * 3, "{after:?}");
}

#[test]
fn without_any_runtime_that_is_the_answer() {
    let containers = Containers::start(Settings {
        sockets: Some(Vec::new()),
        labels: BTreeSet::new(),
    })
    .unwrap();
    let before = containers.answers();
    let (look, _) = until_answered(&containers, ID);
    assert_eq!(look, Look::Unnamed(Unnamed::NoRuntime));
    assert_eq!(containers.answers(), before + 1);
}

proptest::proptest! {
    #[test]
    fn any_answer_is_read_and_what_is_kept_is_bounded(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let wanted = BTreeSet::from(["a".to_owned()]);
        for facts in [engine::facts(&bytes, &wanted), cri::facts(&bytes, &wanted)].into_iter().flatten() {
            assert!(facts.name.is_none_or(|name| name.len() <= TEXT_LIMIT));
        }
    }

    #[test]
    fn names_of_any_length_are_cut(name in "\\PC{0,2000}") {
        let body = serde_json::json!({"Name": name, "Config": {"Image": name, "Labels": {"a": name}}});
        let facts = engine::facts(body.to_string().as_bytes(), &BTreeSet::from(["a".to_owned()])).unwrap();
        for text in [facts.name, facts.image, facts.labels.get("a").cloned()].into_iter().flatten() {
            assert!(text.len() <= TEXT_LIMIT);
        }
    }
}

#[test]
fn how_each_runtime_answers_is_told_and_a_name_is_pending_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let _hanging = UnixListener::bind(path("hanging.sock")).unwrap();
    drop(UnixListener::bind(path("refused.sock")).unwrap());
    serve(&path("other.sock"), |mut stream| {
        http(
            &mut stream,
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            b"",
        );
    });
    serve(&path("lies.sock"), |mut stream| {
        http(&mut stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"[]");
    });
    let names = ["hanging", "refused", "other", "lies"];
    let sockets = names.map(|name| {
        format!("docker:{}", path(&format!("{name}.sock")).display())
            .parse()
            .unwrap()
    });
    let containers = Containers::start(Settings {
        sockets: Some(sockets.to_vec()),
        ..Settings::default()
    })
    .unwrap();
    assert_eq!(containers.look(ID), Look::Pending);
    assert_eq!(containers.pending(), 1);
    let deadline = Instant::now() + 10 * PATIENCE;
    while containers.pending() > 0 && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(10));
    }
    let told: Vec<_> = containers.runtimes().into_values().collect();
    // By the names of the sockets.
    assert_eq!(told, ["hanging", "broken", ANSWERS, "unreachable"]);
    assert_eq!(containers.look(ID), Look::Unnamed(Unnamed::NoAnswer));
}

/// Waits for the state of the only runtime.
fn becomes(containers: &Containers, wanted: &str) {
    let deadline = Instant::now() + 10 * PATIENCE;
    let states = || containers.runtimes().into_values().collect::<Vec<_>>();
    while states() != [wanted] && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(states(), [wanted]);
}

#[test]
fn a_runtime_that_dies_or_comes_back_is_noticed_without_another_container() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let sockets = vec![format!("docker:{}", path.display()).parse().unwrap()];
    let settings = Settings {
        sockets: Some(sockets),
        ..Settings::default()
    };
    let containers = Containers::start_checking(settings, Duration::from_millis(20)).unwrap();
    thread::sleep(Duration::from_millis(100));
    assert!(
        containers.runtimes().is_empty(),
        "who was never asked is left alone"
    );
    containers.ask(ID);
    becomes(&containers, "unreachable");
    let body = br#"{"Version":"1"}"#;
    for _ in 0..2 {
        // It takes four connections and is gone.
        serve(&path, |mut stream| {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            http(&mut stream, &head, body);
        });
        becomes(&containers, ANSWERS);
        becomes(&containers, "unreachable");
        std::fs::remove_file(&path).unwrap();
    }
}
