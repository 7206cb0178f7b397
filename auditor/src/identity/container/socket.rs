//! Where container runtimes listen, and what they speak.
//!
//! Goes in: nothing, or what the configuration says. Comes out: the sockets that are there. Connecting to one is left to
//! those that ask.

use std::{
    fmt,
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
    str::FromStr,
};

/// What is spoken on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// Kubernetes' Container Runtime Interface: gRPC.
    Cri,
    /// Docker's Engine API, which Podman has, too: HTTP.
    Engine,
}

/// The socket of a runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    pub path: PathBuf,
    pub speaks: Speaks,
}

/// The usual places: containerd, CRI-O, k3s, k0s, MicroK8s and cri-dockerd by their documentation; Docker and Podman last, as
/// they know no pods.
const USUAL: [(&str, Speaks); 9] = [
    ("/run/containerd/containerd.sock", Speaks::Cri),
    ("/run/crio/crio.sock", Speaks::Cri),
    ("/run/k3s/containerd/containerd.sock", Speaks::Cri),
    ("/run/k0s/containerd.sock", Speaks::Cri),
    ("/var/snap/microk8s/common/run/containerd.sock", Speaks::Cri),
    ("/run/cri-dockerd.sock", Speaks::Cri),
    ("/run/dockershim.sock", Speaks::Cri),
    ("/run/docker.sock", Speaks::Engine),
    ("/run/podman/podman.sock", Speaks::Engine),
];

/// The host's root, seen from a container that shares the host's processes.
const HOST: &str = "/proc/1/root";

/// Those of the usual sockets that are there: here, or else in the host's file system.
pub fn usual() -> Vec<Socket> {
    let there = |path: &str| {
        let host = PathBuf::from(format!("{HOST}{path}"));
        [PathBuf::from(path), host]
            .into_iter()
            .find(|path| is_socket(path))
    };
    let all = USUAL.iter();
    all.filter_map(|(path, speaks)| {
        Some(Socket {
            path: there(path)?,
            speaks: *speaks,
        })
    })
    .collect()
}

fn is_socket(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.file_type().is_socket())
}

/// Why a text names no socket.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is no socket: give an absolute path, with cri: or docker: before it where the name does not tell"
)]
pub struct SocketError(String);

impl FromStr for Socket {
    type Err = SocketError;

    /// `cri:PATH`, `docker:PATH` (Podman, too), or a path; `docker.sock` and `podman.sock` speak Docker's API.
    fn from_str(text: &str) -> Result<Self, SocketError> {
        let (speaks, path) = match text.split_once(':') {
            Some(("cri", path)) => (Some(Speaks::Cri), path),
            Some(("docker" | "podman", path)) => (Some(Speaks::Engine), path),
            _ => (None, text),
        };
        let path = PathBuf::from(path.strip_prefix("//").map_or(path, |rest| rest));
        if !path.is_absolute() {
            return Err(SocketError(text.to_owned()));
        }
        let by_name = || match path.file_name().and_then(|name| name.to_str()) {
            Some("docker.sock" | "podman.sock") => Speaks::Engine,
            _ => Speaks::Cri,
        };
        Ok(Self {
            speaks: speaks.unwrap_or_else(by_name),
            path,
        })
    }
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let speaks = match self.speaks {
            Speaks::Cri => "cri",
            Speaks::Engine => "docker",
        };
        write!(f, "{speaks}:{}", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_named_by_its_path_and_what_it_speaks() {
        let table = [
            (
                "/run/containerd/containerd.sock",
                Some("cri:/run/containerd/containerd.sock"),
            ),
            ("/run/docker.sock", Some("docker:/run/docker.sock")),
            ("/x/podman.sock", Some("docker:/x/podman.sock")),
            ("cri:/x/docker.sock", Some("cri:/x/docker.sock")),
            ("podman:/x/y", Some("docker:/x/y")),
            ("cri:///x/y", Some("cri:/x/y")),
            ("x/y", None),
            ("tcp:/x", None),
            ("cri:", None),
            ("", None),
        ];
        for (text, expected) in table {
            let socket = text.parse::<Socket>().ok().map(|socket| socket.to_string());
            assert_eq!(socket.as_deref(), expected, "{text}");
        }
    }
}
