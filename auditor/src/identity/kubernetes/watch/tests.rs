//! The watches on a server that is made up, for what the real one of the other tests is too old or too well behaved for:
//! EndpointSlices of v1, a watch that is told that it came too late, a server that answers rubbish.

use std::{convert::Infallible, net::SocketAddr, sync::Mutex, time::Instant};

use http::{Request, Response, StatusCode};
use kube::client::Body;
use serde_json::{Value, json};

use super::*;
use crate::identity::kubernetes::directory::Named;

/// What the server says: lists by path, and what each watch of a path is answered, in order; then it is silent.
#[derive(Default)]
struct Script {
    lists: Vec<(&'static str, Value)>,
    watches: Mutex<Vec<(&'static str, StatusCode, String)>>,
    asked: Mutex<Vec<String>>,
    /// How long a list of pods takes.
    slow: Duration,
    /// What the server does not have.
    missing: Vec<&'static str>,
}

impl Script {
    async fn answer(self: Arc<Self>, request: Request<Body>) -> Result<Response<Body>, Infallible> {
        let uri = request.uri().clone();
        self.asked.lock().unwrap().push(uri.path().to_owned());
        let answer = |status, text: String| {
            let response = Response::builder()
                .status(status)
                .body(Body::from(text.into_bytes()));
            Ok(response.unwrap())
        };
        if self.missing.iter().any(|path| *path == uri.path()) {
            let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "the server could not find the requested resource", "reason": "NotFound", "code": 404});
            return answer(StatusCode::NOT_FOUND, status.to_string());
        }
        if !uri.query().unwrap_or_default().contains("watch=true") {
            if uri.path() == "/api/v1/pods" {
                time::sleep(self.slow).await;
            }
            let items = self.lists.iter().find(|(path, _)| *path == uri.path());
            let list = |items: &Value| json!({"metadata": {"resourceVersion": "1"}, "items": items});
            return answer(
                StatusCode::OK,
                list(items.map_or(&json!([]), |(_, items)| items)).to_string(),
            );
        }
        let next = {
            let mut watches = self.watches.lock().unwrap();
            let at = watches.iter().position(|(path, ..)| *path == uri.path());
            at.map(|at| watches.remove(at))
        };
        match next {
            Some((_, status, text)) => answer(status, text),
            None => std::future::pending().await,
        }
    }
}

/// Runs the watches until `done`, or for ten seconds.
fn run_until(script: Script, done: impl Fn(&Sink) -> bool) -> (Sink, Arc<Script>) {
    let script = Arc::new(script);
    let served = Arc::clone(&script);
    let sink = Sink {
        directory: Arc::new(Directory::new(&[])),
        status: Arc::new(Status::default()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let service = tower::service_fn(move |request| Arc::clone(&served).answer(request));
        let watches = run(Client::new(service, "default"), sink.clone());
        let deadline = Instant::now() + Duration::from_secs(10);
        let wait = async {
            while !done(&sink) && Instant::now() < deadline {
                time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            () = watches => (),
            () = wait => (),
        }
    });
    (sink, script)
}

fn pod(name: &str, ip: &str, version: u32) -> Value {
    json!({
        "metadata": {"uid": name, "name": name, "namespace": "shop", "resourceVersion": version.to_string()},
        "spec": {"nodeName": "node-1"},
        "status": {"phase": "Running", "podIP": ip},
    })
}

fn event(kind: &str, object: &Value) -> String {
    json!({"type": kind, "object": object}).to_string() + "\n"
}

fn at(sink: &Sink, address: &str) -> Option<Named> {
    sink.directory.at(address.parse::<SocketAddr>().unwrap(), now())
}

fn name(sink: &Sink, address: &str) -> Option<String> {
    at(sink, address)?.workload.map(|workload| workload.name)
}

const V1: &str = "/apis/discovery.k8s.io/v1/endpointslices";
const V1BETA1: &str = "/apis/discovery.k8s.io/v1beta1/endpointslices";

/// A service `web`, and a slice of the pods behind it.
fn web(endpoints: &Value) -> (Value, Value) {
    let service = json!([{"metadata": {"name": "web", "namespace": "shop"},
        "spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 443}]}}]);
    let slice = json!([{"metadata": {"name": "web-x", "namespace": "shop",
            "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4", "endpoints": endpoints}]);
    (service, slice)
}

/// An endpoint as servers since 1.21 tell of it.
fn endpoint(pod: &str, ip: &str) -> Value {
    json!({"addresses": [ip], "conditions": {"ready": true}, "nodeName": "node-1",
        "targetRef": {"kind": "Pod", "uid": pod, "name": pod, "namespace": "shop"}})
}

#[test]
fn slices_of_v1_are_read_where_the_server_has_them() {
    let (service, slice) = web(&json!([endpoint("only", "10.1.0.1")]));
    let script = Script {
        lists: vec![
            ("/api/v1/pods", json!([pod("only", "10.1.0.1", 1)])),
            ("/api/v1/services", service),
            (V1, slice),
        ],
        ..Script::default()
    };
    let (sink, script) = run_until(script, |sink| {
        sink.status.is_whole() && name(sink, "10.96.0.1:443").as_deref() == Some("only")
    });
    assert_eq!(name(&sink, "10.96.0.1:443").as_deref(), Some("only"));
    let asked = script.asked.lock().unwrap();
    assert!(asked.iter().all(|path| !path.contains("v1beta1")), "{asked:?}");
}

#[test]
fn a_server_without_slices_of_v1_is_asked_for_those_before() {
    let (service, slice) = web(&json!([endpoint("only", "10.1.0.1")]));
    let script = Script {
        lists: vec![
            ("/api/v1/pods", json!([pod("only", "10.1.0.1", 1)])),
            ("/api/v1/services", service),
            (V1BETA1, slice),
        ],
        missing: vec![V1],
        ..Script::default()
    };
    let (sink, script) = run_until(script, |sink| {
        sink.status.is_whole() && name(sink, "10.96.0.1:443").as_deref() == Some("only")
    });
    assert_eq!(name(&sink, "10.96.0.1:443").as_deref(), Some("only"));
    let asked = script.asked.lock().unwrap();
    let slices: Vec<&String> = asked.iter().filter(|path| path.contains("discovery")).collect();
    assert_eq!(slices[..2], [V1, V1BETA1], "{slices:?}");
    assert_eq!(slices.iter().filter(|path| **path == V1).count(), 1, "{slices:?}");
    assert!(sink.status.failures().is_empty(), "{:?}", sink.status.failures());
}

#[test]
fn what_servers_since_1_20_add_to_objects_changes_no_name() {
    // A pod with a native sidecar, resizable, with all of its node's addresses and of its own.
    let mut newer = pod("web-1", "10.1.0.1", 1);
    newer["spec"] = json!({"nodeName": "node-1", "serviceAccountName": "web", "hostUsers": false,
        "os": {"name": "linux"}, "schedulingGates": [], "resources": {"limits": {"cpu": "1"}},
        "initContainers": [{"name": "istio-proxy", "restartPolicy": "Always", "startupProbe": {}}],
        "containers": [{"name": "web", "resizePolicy": [{"resourceName": "cpu", "restartPolicy": "NotRequired"}]}]});
    newer["status"] = json!({"phase": "Running", "podIP": "10.1.0.1", "hostIP": "192.0.2.1",
        "podIPs": [{"ip": "10.1.0.1"}, {"ip": "fd00::1"}], "hostIPs": [{"ip": "192.0.2.1"}, {"ip": "fd00:2::1"}],
        "observedGeneration": 3, "resize": "Proposed", "initContainerStatuses": [{"name": "istio-proxy",
            "started": true, "state": {"running": {}}}], "conditions": [{"type": "PodReadyToStartContainers",
            "status": "True", "observedGeneration": 3}]});
    let (mut service, mut slice) = web(&json!([]));
    service[0]["spec"] = json!({"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1", "fd00:96::1"],
        "ipFamilies": ["IPv4", "IPv6"], "ipFamilyPolicy": "RequireDualStack", "internalTrafficPolicy": "Local",
        "trafficDistribution": "PreferSameZone", "ports": [{"port": 443, "appProtocol": "kubernetes.io/h2c"}]});
    // One that ends still gets what is on its way, one that is not ready may: who it is does not change.
    let mut endpoints = json!([endpoint("web-1", "10.1.0.1"), endpoint("other", "10.1.0.2")]);
    for (at, conditions) in [
        json!({"ready": true, "serving": true, "terminating": false}),
        json!({"ready": false, "serving": true, "terminating": true}),
    ]
    .into_iter()
    .enumerate()
    {
        endpoints[at]["conditions"] = conditions;
        endpoints[at]["zone"] = json!("a");
        endpoints[at]["hints"] = json!({"forZones": [{"name": "a"}], "forNodes": [{"name": "node-1"}]});
    }
    slice[0]["endpoints"] = json!([endpoints[0]]);
    let mut both = slice[0].clone();
    both["endpoints"] = endpoints;
    both["metadata"]["resourceVersion"] = json!("2");
    let lists = |slice: &Value| {
        vec![
            ("/api/v1/pods", json!([newer, pod("other", "10.1.0.2", 1)])),
            ("/api/v1/services", service.clone()),
            (V1, json!([slice])),
        ]
    };
    let script = Script {
        lists: lists(&slice[0]),
        ..Script::default()
    };
    let both_families = [
        "10.96.0.1:443",
        "[fd00:96::1]:443",
        "10.1.0.1:8443",
        "[fd00::1]:8443",
    ];
    let (sink, _) = run_until(script, |sink| {
        sink.status.is_whole() && both_families.iter().all(|address| name(sink, address).is_some())
    });
    for address in both_families {
        let named = at(&sink, address).and_then(|named| named.workload);
        assert_eq!(
            named.map(|workload| workload.name).as_deref(),
            Some("web-1"),
            "{address}"
        );
    }
    // Addresses of the pod's node are not the pod's.
    for address in ["192.0.2.1:8443", "[fd00:2::1]:8443"] {
        assert_eq!(name(&sink, address), None, "{address}");
    }
    // With the one that ends behind it the service has two workloads, and is its own name.
    let script = Script {
        lists: lists(&both),
        ..Script::default()
    };
    let (sink, _) = run_until(script, |sink| {
        sink.status.is_whole() && name(sink, "10.96.0.1:443").as_deref() == Some("web")
    });
    let workload = at(&sink, "10.96.0.1:443").and_then(|named| named.workload);
    assert_eq!(workload.map(|workload| workload.kind).as_deref(), Some("Service"));
}

#[test]
fn a_watch_that_came_too_late_lists_again() {
    let gone = json!({"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired", "message": "too old"});
    let script = Script {
        lists: vec![("/api/v1/pods", json!([pod("a", "10.1.0.1", 1)]))],
        watches: Mutex::new(vec![
            (
                "/api/v1/pods",
                StatusCode::OK,
                event("ADDED", &pod("b", "10.1.0.2", 2)) + &event("ERROR", &gone),
            ),
            (
                "/api/v1/pods",
                StatusCode::OK,
                event("DELETED", &pod("a", "10.1.0.1", 3)),
            ),
        ]),
        ..Script::default()
    };
    let (sink, script) = run_until(script, |sink| {
        sink.status.is_whole() && !sink.status.failures().is_empty() && name(sink, "10.1.0.1:1").is_none()
    });
    assert_eq!(sink.status.failures(), [("pods", "gone", 1)]);
    let lists = script.asked.lock().unwrap();
    assert!(
        lists.iter().filter(|path| *path == "/api/v1/pods").count() >= 4,
        "{lists:?}"
    );
    // "b" is not in the second list: it is gone, and whoever followed it was not seen.
    assert_eq!(name(&sink, "10.1.0.2:1"), None);
    assert_eq!(at(&sink, "10.1.0.1:1"), None);
}

#[test]
fn rubbish_is_a_failure_and_not_the_end() {
    let script = Script {
        lists: vec![("/api/v1/pods", json!("no list"))],
        ..Script::default()
    };
    let (sink, _) = run_until(script, |sink| {
        let states = sink.status.states();
        states["pods"] == "lost" && states["services"] == "watching"
    });
    assert_eq!(sink.status.states()["pods"], "lost");
    assert_eq!(sink.status.states()["services"], "watching");
    assert_eq!(sink.status.failures()[0].1, "unreadable");
}

#[test]
fn a_slow_server_is_waited_for_kind_by_kind() {
    let node = json!([{"metadata": {"name": "node-1"}, "status": {"addresses": [{"address": "192.0.2.1"}]}}]);
    let script = Script {
        lists: vec![
            ("/api/v1/pods", json!([pod("a", "10.1.0.1", 1)])),
            ("/api/v1/nodes", node),
        ],
        slow: Duration::from_millis(500),
        ..Script::default()
    };
    let meanwhile = Mutex::new(None);
    let (sink, _) = run_until(script, |sink| {
        let states = sink.status.states();
        if states["pods"] == "listing" && states["nodes"] == "watching" {
            *meanwhile.lock().unwrap() = Some((name(sink, "192.0.2.1:1"), name(sink, "10.1.0.1:1")));
        }
        sink.status.is_whole()
    });
    let meanwhile = meanwhile.into_inner().unwrap();
    assert_eq!(meanwhile, Some((Some("node-1".to_owned()), None)));
    assert_eq!(name(&sink, "10.1.0.1:1").as_deref(), Some("a"));
}
