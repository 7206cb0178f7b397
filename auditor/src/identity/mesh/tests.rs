use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixListener,
    thread,
};

use super::*;
use crate::{
    identity::{cgroup, container::Settings},
    report::finding::{Container, Pod, Process},
};

fn mesh(rules: &[&str]) -> Mesh {
    Mesh::new(rules.iter().map(|rule| rule.parse().unwrap()))
}

fn end(pod: bool, container: &str, exe: &str, uid: u32) -> End {
    End {
        pod: pod.then(|| Pod {
            uid: "u".into(),
            name: None,
        }),
        container: Some(Container {
            id: "0123".into(),
            name: Some(container.into()),
            image: None,
            unnamed: None,
        }),
        process: Some(Process {
            pid: 7,
            exe: Some(exe.into()),
            uid: Some(uid),
            ..Process::default()
        }),
        ..End::default()
    }
}

#[test]
fn a_proxy_is_told_by_its_container_in_a_pod_or_by_executable_and_user() {
    let mesh = mesh(&DEFAULT);
    let cases = [
        (end(true, "istio-proxy", "/any", 0), true, true),
        (end(false, "istio-proxy", "/any", 1337), false, false),
        (end(true, "app", "/usr/local/bin/envoy", 1337), true, true),
        (end(true, "app", "/usr/local/bin/envoy", 1000), false, false),
        (end(true, "app", "/usr/bin/python3", 1337), false, false),
        (end(true, "linkerd-proxy", "/any", 2102), true, false),
        (
            end(false, "", "/usr/lib/linkerd/linkerd2-proxy", 2102),
            true,
            false,
        ),
        (end(true, "istio-proxyx", "/any", 1337), false, false),
    ];
    for (mut end, is_proxy, attests) in cases {
        assert_eq!(mesh.attests(&end), attests, "{end:?}");
        mesh.mark(&mut end);
        assert_eq!(end.hop.is_some(), is_proxy, "{end:?}");
    }
    let mut nobody = End::default();
    mesh.mark(&mut nobody);
    assert_eq!(nobody.hop, None, "what is not known of an end makes it no proxy");
}

#[test]
fn rules_are_read_and_written_the_same() {
    for rule in DEFAULT.into_iter().chain(["container=a exe=/b uid=3 xfcc"]) {
        assert_eq!(rule.parse::<Proxy>().unwrap().to_string(), rule);
    }
}

#[test]
fn a_rule_that_would_mean_every_process_is_refused() {
    let cases = [
        ("", ProxyError::Empty(String::new())),
        ("uid=0", ProxyError::Empty("uid=0".into())),
        ("xfcc", ProxyError::Empty("xfcc".into())),
        (
            "exe=envoy",
            ProxyError::Value("envoy".into(), "the absolute path of an executable"),
        ),
        (
            "exe=/a uid=me",
            ProxyError::Value("me".into(), "the number of a user"),
        ),
        (
            "container=",
            ProxyError::Value(String::new(), "the name of a container"),
        ),
        ("image=envoy", ProxyError::Unknown("image=envoy".into())),
        ("envoy", ProxyError::Unknown("envoy".into())),
    ];
    for (rule, error) in cases {
        assert_eq!(rule.parse::<Proxy>(), Err(error));
    }
}

#[test]
fn a_namespace_has_a_proxy_once_one_has_a_socket_there_wherever_it_lives() {
    let mesh = mesh(&["exe=/usr/local/bin/ztunnel"]);
    let process = |exe: &str| ProcessInfo {
        exe: Some(exe.into()),
        netns: Some(1),
        ..ProcessInfo::default()
    };
    mesh.saw(&process("/usr/bin/app"), 2);
    assert!(!mesh.is_in(2));
    mesh.saw(&process("/usr/local/bin/ztunnel"), 2);
    assert!(mesh.is_in(2));
    assert!(!mesh.is_in(1), "its own namespace is not where it works");
    mesh.has_proxy(0);
    assert!(!mesh.is_in(0), "a namespace that is not known is none");
}

#[test]
fn who_is_told_by_the_name_of_a_container_may_be_a_proxy_until_that_is_known() {
    let [sidecar, app] = ['a', 'b'].map(|digit| String::from(digit).repeat(64));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            let is_sidecar = String::from_utf8_lossy(&request[..length]).contains("aaaa");
            let _ = wait.recv();
            let name = if is_sidecar { "istio-proxy" } else { "app" };
            let body = format!(r#"{{"Name":"/{name}","Config":{{}}}}"#);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all((head + &body).as_bytes());
        }
    });
    let settings = Settings {
        sockets: Some(vec![path.to_str().unwrap().parse().unwrap()]),
        ..Settings::default()
    };
    let mesh = mesh(&DEFAULT).asking(Some(Arc::new(Containers::start(settings).unwrap())));
    let process = |folder: &str, id: &str| ProcessInfo {
        exe: Some("/usr/sbin/nginx".into()),
        cgroup: cgroup::parse(&format!("{folder}/{id}")),
        ..ProcessInfo::default()
    };
    const POD: &str = "/kubepods/pod12345678-90ab-cdef-1234-567890abcdef";
    // Outside of pods anybody chooses a container's name.
    mesh.saw(&process("/docker", &sidecar), 3);
    assert!(!mesh.is_in(3) && !mesh.is_active());
    mesh.saw(&process(POD, &app), 2);
    mesh.saw(&process(POD, &sidecar), 1);
    assert!(mesh.is_in(1) && mesh.is_in(2) && mesh.is_active() && !mesh.is_in(3));
    for _ in 0..2 {
        go_on.send(()).unwrap();
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while mesh.is_in(2) && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    assert!(!mesh.is_in(2), "an application");
    while !mesh.candidates.is_empty() && Instant::now() < deadline {
        assert!(mesh.is_in(1));
        thread::sleep(Duration::from_millis(5));
    }
    assert!(mesh.is_in(1) && mesh.is_active(), "a sidecar");
    // What is known is said at once.
    mesh.saw(&process(POD, &sidecar), 4);
    mesh.saw(&process(POD, &app), 5);
    assert!(mesh.is_in(4) && !mesh.is_in(5));
}
