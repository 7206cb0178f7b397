//! Kubernetes' Container Runtime Interface: gRPC over a Unix socket. containerd, CRI-O and cri-dockerd speak it.
//!
//! Goes in: a socket and the id of a container. Comes out: what `ContainerStatus` says of it, or, for the container that
//! holds a pod's namespaces, `PodSandboxStatus`. The messages are those parts of cri-api's `api.proto` (v1) that are
//! read here; v1alpha2, which runtimes before 2022 speak, has the same numbers. The caller sets the deadline.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use http::uri::PathAndQuery;
use prost::Message;
use tokio::net::UnixStream;
use tonic::{
    Code, Status,
    client::Grpc,
    transport::{Channel, Endpoint},
};
use tonic_prost::ProstCodec;

use super::{Answer, Facts, Failure, PodFacts, bounded, chosen, pod, text};

/// Largest answer that is read, bytes.
const MESSAGE_LIMIT: usize = 1 << 20;

/// The name the kubelet's tools give the container that holds a pod's namespaces.
const SANDBOX: &str = "POD";

const VERSIONS: [&str; 2] = ["runtime.v1", "runtime.v1alpha2"];

/// Asks about one container.
pub(super) async fn container(socket: &Path, id: &str, labels: &BTreeSet<String>) -> Answer {
    let mut client = connect(socket).await?;
    let request = StatusRequest { id: id.to_owned() };
    match call::<_, ContainerStatusResponse>(&mut client, "ContainerStatus", request.clone()).await {
        Ok(response) => of_container(response, labels),
        Err(status) if is_unknown(&status) => {
            let response: PodSandboxStatusResponse = call(&mut client, "PodSandboxStatus", request)
                .await
                .map_err(failure)?;
            of_sandbox(response, labels)
        }
        Err(status) => Err(failure(status)),
    }
}

/// Asks for name and version.
pub(super) async fn version(socket: &Path) -> Result<String, Failure> {
    let mut client = connect(socket).await?;
    let said: VersionResponse = call(&mut client, "Version", VersionRequest {})
        .await
        .map_err(failure)?;
    Ok(bounded(&format!(
        "{} {}",
        said.runtime_name, said.runtime_version
    )))
}

/// What the bytes of a `ContainerStatusResponse` say.
///
/// # Errors
/// When they are no such message, or one about nothing.
pub fn facts(body: &[u8], labels: &BTreeSet<String>) -> Answer {
    let response =
        ContainerStatusResponse::decode(body).map_err(|error| Failure::Broken(error.to_string()))?;
    of_container(response, labels)
}

fn of_container(response: ContainerStatusResponse, labels: &BTreeSet<String>) -> Answer {
    let status = response.status.ok_or(Failure::Unknown)?;
    let image = status.image.unwrap_or_default();
    Ok(Facts {
        name: text(&status.metadata.unwrap_or_default().name),
        image: text(&image.user_specified_image)
            .or_else(|| text(&image.image))
            .or_else(|| text(&status.image_ref)),
        labels: chosen(&status.labels, labels),
        pod: pod(|key| status.labels.get(key)),
    })
}

fn of_sandbox(response: PodSandboxStatusResponse, labels: &BTreeSet<String>) -> Answer {
    let status = response.status.ok_or(Failure::Unknown)?;
    let pod = status.metadata.filter(|pod| !pod.uid.is_empty());
    Ok(Facts {
        name: Some(SANDBOX.to_owned()),
        image: None,
        labels: chosen(&status.labels, labels),
        pod: pod.map(|pod| PodFacts {
            uid: bounded(&pod.uid),
            name: bounded(&pod.name),
            namespace: bounded(&pod.namespace),
        }),
    })
}

/// CRI has no rule how "not found" is said: containerd and CRI-O have a code for it, others only words.
fn is_unknown(status: &Status) -> bool {
    status.code() == Code::NotFound
        || (status.code() == Code::Unknown && status.message().to_ascii_lowercase().contains("not found"))
        || status.message().contains("does not exist")
}

fn failure(status: Status) -> Failure {
    if is_unknown(&status) {
        return Failure::Unknown;
    }
    Failure::Broken(bounded(&format!("{:?}: {}", status.code(), status.message())))
}

async fn connect(socket: &Path) -> Result<Channel, Failure> {
    // Connecting here tells by its error what is wrong; the channel's own would not.
    let mut stream = Some(UnixStream::connect(socket).await?);
    let broken = |error: tonic::transport::Error| Failure::Broken(error.to_string());
    // Required by HTTP/2, and not looked at.
    let endpoint = Endpoint::from_static("http://localhost");
    let connector = tower::service_fn(move |_| {
        let stream = stream.take().map(hyper_util::rt::TokioIo::new);
        async move { stream.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotConnected)) }
    });
    endpoint.connect_with_connector(connector).await.map_err(broken)
}

/// Calls a method of the runtime service, of the version that this runtime has.
async fn call<Q, A>(channel: &mut Channel, method: &str, request: Q) -> Result<A, Status>
where
    Q: Message + Clone + 'static,
    A: Message + Default + 'static,
{
    let mut client = Grpc::new(channel.clone()).max_decoding_message_size(MESSAGE_LIMIT);
    let mut refused = Status::unimplemented("no version of CRI");
    for version in VERSIONS {
        let path = format!("/{version}.RuntimeService/{method}");
        let path = PathAndQuery::try_from(path).map_err(|error| Status::internal(error.to_string()))?;
        client
            .ready()
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let codec = ProstCodec::<Q, A>::default();
        match client
            .unary(tonic::Request::new(request.clone()), path, codec)
            .await
        {
            Ok(response) => return Ok(response.into_inner()),
            Err(status) if status.code() == Code::Unimplemented => refused = status,
            Err(status) => return Err(status),
        }
    }
    Err(refused)
}

#[derive(Clone, PartialEq, Message)]
struct VersionRequest {}

#[derive(Clone, PartialEq, Message)]
struct VersionResponse {
    #[prost(string, tag = "2")]
    runtime_name: String,
    #[prost(string, tag = "3")]
    runtime_version: String,
}

/// `ContainerStatusRequest` and `PodSandboxStatusRequest`.
#[derive(Clone, PartialEq, Message)]
struct StatusRequest {
    #[prost(string, tag = "1")]
    id: String,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerStatusResponse {
    #[prost(message, optional, tag = "1")]
    status: Option<ContainerStatus>,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerStatus {
    #[prost(message, optional, tag = "2")]
    metadata: Option<ContainerMetadata>,
    #[prost(message, optional, tag = "8")]
    image: Option<ImageSpec>,
    #[prost(string, tag = "9")]
    image_ref: String,
    #[prost(map = "string, string", tag = "12")]
    labels: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
struct ContainerMetadata {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct ImageSpec {
    #[prost(string, tag = "1")]
    image: String,
    /// As the pod's author wrote it; newer runtimes only.
    #[prost(string, tag = "18")]
    user_specified_image: String,
}

#[derive(Clone, PartialEq, Message)]
struct PodSandboxStatusResponse {
    #[prost(message, optional, tag = "1")]
    status: Option<PodSandboxStatus>,
}

#[derive(Clone, PartialEq, Message)]
struct PodSandboxStatus {
    #[prost(message, optional, tag = "2")]
    metadata: Option<PodSandboxMetadata>,
    #[prost(map = "string, string", tag = "7")]
    labels: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
struct PodSandboxMetadata {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    uid: String,
    #[prost(string, tag = "3")]
    namespace: String,
}
