//! Answers of an API server that is stood in for, and what becomes of them.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::{Value, json};

use super::*;

/// A gate whose API server answers like this to a path and an object, with a status.
pub(in crate::serve::remote) fn gate(
    audience: Option<&str>,
    answer: impl Fn(&str, Value) -> (u16, Value) + Clone + Send + Sync + 'static,
) -> Gate {
    let service = tower::service_fn(move |request: Request<Body>| {
        let answer = answer.clone();
        async move {
            let path = request.uri().path().to_owned();
            let bytes = request.into_body().collect().await.unwrap().to_bytes();
            let (status, body) = answer(&path, serde_json::from_slice(&bytes).unwrap());
            let mut response = Response::new(Body::from(body.to_string().into_bytes()));
            *response.status_mut() = status.try_into().unwrap();
            Ok::<_, Infallible>(response)
        }
    });
    Gate::new(Client::new(service, "default"), audience.map(str::to_owned))
}

/// Knows the token `good`, whose user may do what is named: `*`, or namespaces.
pub(in crate::serve::remote) fn server(
    may: &'static [&'static str],
) -> impl Fn(&str, Value) -> (u16, Value) + Clone + Send + Sync + 'static {
    move |path, mut object| {
        object["status"] = if path.ends_with("tokenreviews") {
            let is_good = object["spec"]["token"] == "good";
            json!({"authenticated": is_good, "user": {"username": "eve\u{1b}[2J", "uid": "7", "groups": ["staff"],
                "extra": {"key": ["value"]}}, "audiences": object["spec"]["audiences"]})
        } else {
            let spec = &object["spec"];
            assert_eq!(spec["user"], "eve\u{1b}[2J");
            assert_eq!(
                (&spec["uid"], &spec["groups"], &spec["extra"]),
                (&json!("7"), &json!(["staff"]), &json!({"key": ["value"]}))
            );
            let asked = &spec["resourceAttributes"];
            assert_eq!(
                (&asked["group"], &asked["resource"], &asked["verb"]),
                (&json!("auditor.dev"), &json!("findings"), &json!("watch"))
            );
            let namespace = asked["namespace"].as_str().unwrap_or("*");
            json!({"allowed": may.contains(&namespace)})
        };
        (201, object)
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn a_user_sees_what_the_api_server_permits_and_no_more() {
    let forbidden = |namespace: Option<&str>| {
        Some(Refusal::Forbidden {
            user: "eve\\x1b[2J".into(),
            namespace: namespace.map(Into::into),
            hint: if namespace.is_some() {
                ""
            } else {
                ", or name the namespaces that you may see"
            },
        })
    };
    type Case<'a> = (&'a [&'a str], &'a str, &'a [&'a str], Option<Refusal>);
    let cases: [Case<'_>; 7] = [
        (&["*"], "good", &[], None),
        (&["*"], "good", &["shop"], None),
        (&["*"], "bad", &[], Some(Refusal::Unknown)),
        (&["shop", "web"], "good", &["shop", "web"], None),
        (&["shop"], "good", &["shop", "bank"], forbidden(Some("bank"))),
        (&["shop"], "good", &[], forbidden(None)),
        (&[], "good", &["shop"], forbidden(Some("shop"))),
    ];
    for (may, token, asked, refusal) in cases {
        let may: &'static [&'static str] = Vec::leak(may.to_vec());
        let answer = gate(None, server(may)).admits(token, &names(asked)).await;
        match (answer, refusal) {
            (Ok(access), None) => {
                assert_eq!(access.user, "eve\\x1b[2J");
                let seen = (may != ["*"]).then(|| names(asked));
                assert_eq!(access.view.namespaces(), seen.as_deref());
            }
            (Err(found), Some(refusal)) => assert_eq!(found, refusal),
            (answer, _) => panic!("{may:?} {asked:?}: {answer:?}"),
        }
    }
}

#[tokio::test]
async fn whatever_else_the_api_server_says_is_no_permission() {
    let nothing = |object: &Value| object.clone();
    type Change = fn(&Value) -> Value;
    let status: [Change; 5] = [
        |_| json!(null),
        |_| json!({}),
        |_| json!({"authenticated": true, "audiences": ["auditor.dev"], "user": {}}),
        |_| json!({"authenticated": true, "user": {"username": "eve"}}),
        |_| json!({"authenticated": true, "audiences": ["another"], "user": {"username": "eve"}}),
    ];
    for change in status {
        let answer = move |_: &str, mut object: Value| {
            object["status"] = change(&nothing(&object));
            (201, object)
        };
        let found = gate(Some("auditor.dev"), answer).admits("good", &[]).await;
        assert_eq!(found, Err(Refusal::Unknown));
    }
    for (code, body) in [(500, json!({})), (201, json!([])), (403, json!({"code": 403}))] {
        let found = gate(None, move |_, _| (code, body.clone()))
            .admits("good", &[])
            .await;
        assert!(matches!(found, Err(Refusal::Unchecked(_))), "{found:?}");
    }
    // Who is known, and of whom it is not said what it may.
    let denies = server(&["*"]);
    let answer = move |path: &str, object| {
        let (code, mut object) = denies(path, object);
        if path.ends_with("subjectaccessreviews") {
            object["status"] = json!({"allowed": true, "denied": true});
        }
        (code, object)
    };
    let found = gate(None, answer).admits("good", &[]).await;
    assert!(matches!(found, Err(Refusal::Forbidden { .. })), "{found:?}");
}

#[tokio::test]
async fn an_answer_is_asked_for_once_while_it_holds_and_no_failure_is_kept() {
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, good) = (Arc::clone(&asked), server(&["*"]));
    let gate = gate(None, move |path, object| {
        count.fetch_add(1, Ordering::Relaxed);
        match object["spec"]["token"] == "broken" {
            true => (500, json!({})),
            false => good(path, object),
        }
    });
    let expect = |more: usize, what: &str| {
        assert_eq!(asked.swap(0, Ordering::Relaxed), more, "{what}");
    };
    for (token, more) in [("good", 2), ("good", 0), ("bad", 1), ("bad", 0)] {
        let _ = gate.admits(token, &[]).await;
        expect(more, token);
    }
    let _ = gate.admits("good", &names(&["shop"])).await;
    expect(2, "another question");
    let _ = gate.asks("good", &[]).await;
    expect(2, "asked anew");
    let _ = gate.admits("broken", &[]).await;
    let _ = gate.admits("broken", &[]).await;
    assert!(asked.swap(0, Ordering::Relaxed) >= 2, "a failure is asked again");
    for number in 0..2 * MOST_KNOWN {
        gate.remember(digest(&number.to_string(), &[]), Err(Refusal::Unknown));
    }
    assert!(gate.known().len() <= MOST_KNOWN);
    assert_ne!(digest("ab", &names(&["c"])), digest("a", &names(&["bc"])));
}
