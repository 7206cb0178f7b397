//! Docker's Engine API, which Podman serves as well: HTTP/1.1 over a Unix socket.
//!
//! Goes in: a socket and the id of a container. Comes out: what `GET /containers/ID/json` says of it. Reference: the
//! Engine API's ContainerInspect. A path without a version means the newest that the server speaks. The caller sets the
//! deadline.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::UnixStream;

use super::{Answer, Facts, Failure, bounded, chosen, pod, text};

/// Largest answer that is read, bytes. A container's description has some 10 KiB.
const BODY_LIMIT: usize = 1 << 20;

/// Asks about one container.
pub(super) async fn container(socket: &Path, id: &str, labels: &BTreeSet<String>) -> Answer {
    // Ids come from cgroup paths, whose names anybody may have chosen.
    if !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(Failure::Unknown);
    }
    let body = get(socket, &format!("/containers/{id}/json")).await?;
    facts(&body, labels)
}

/// Asks for name and version.
pub(super) async fn version(socket: &Path) -> Result<String, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Version {
        version: String,
        platform: Option<Platform>,
        #[serde(default)]
        components: Vec<Platform>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Platform {
        name: String,
    }
    let body = get(socket, "/version").await?;
    let said: Version = serde_json::from_slice(&body).map_err(|error| Failure::Broken(error.to_string()))?;
    // Podman has no platform of its own but says what it is made of.
    let podman = said
        .components
        .into_iter()
        .find(|part| part.name.starts_with("Podman"));
    let name = podman.or(said.platform).map(|platform| platform.name);
    let name = name
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "Docker".to_owned());
    Ok(bounded(&format!("{name} {}", said.version)))
}

/// What an answer says. It may have any shape and size: fields of another kind make it unusable as a whole.
///
/// # Errors
/// When it is not a container's description.
pub fn facts(body: &[u8], labels: &BTreeSet<String>) -> Answer {
    let said: Inspected = serde_json::from_slice(body).map_err(|error| {
        // The message could show what was read.
        Failure::Broken(format!(
            "not a container's description, at byte {}",
            error.column()
        ))
    })?;
    let all = said.config.labels.unwrap_or_default();
    let pod = pod(|key| all.get(key));
    let by_kubelet = pod
        .is_some()
        .then(|| all.get("io.kubernetes.container.name"))
        .flatten();
    let own = said.name.strip_prefix('/').unwrap_or(&said.name);
    Ok(Facts {
        name: by_kubelet.map_or_else(|| text(own), |name| text(name)),
        image: text(&said.config.image),
        labels: chosen(&all, labels),
        pod,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    name: String,
    config: Config,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    #[serde(default)]
    image: String,
    labels: Option<BTreeMap<String, String>>,
}

async fn get(socket: &Path, path: &str) -> Result<Bytes, Failure> {
    let broken = |error: hyper::Error| Failure::Broken(error.to_string());
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let request = Request::get(path)
        .header("Host", "localhost")
        .header("User-Agent", concat!("auditor/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|error| Failure::Broken(error.to_string()))?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(Failure::Unknown),
            status => return Err(Failure::Broken(format!("status {}", status.as_u16()))),
        }
        let body = Limited::new(response.into_body(), BODY_LIMIT).collect().await;
        body.map(|body| body.to_bytes())
            .map_err(|error| Failure::Broken(error.to_string()))
    };
    tokio::pin!(connection);
    tokio::pin!(exchange);
    // The connection only lives as long as the question: the caller's deadline ends both.
    tokio::select! {
        answer = &mut exchange => answer,
        ended = &mut connection => {
            ended.map_err(broken)?;
            exchange.await
        }
    }
}
