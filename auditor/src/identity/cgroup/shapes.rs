//! Paths of every known shape, with what they say: the tests go through them, and docs/identity.md shows them.

use super::Runtime;

/// Who makes such cgroups, the path, the container, its pod, and what makes containers named so. `UID` is the pod's uid
/// with dashes, `U_D` with underscores, `FLAT` without either; `ID` and `INNER` are containers.
pub(super) type Shape = (
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
    Option<Runtime>,
);

/// Containers of the host.
pub(super) const CONTAINERS: [Shape; 36] = [
    (
        "kubelet, cgroupfs driver",
        "/kubepods/burstable/podUID/ID",
        "ID",
        Some("UID"),
        None,
    ),
    (
        "kubelet, cgroupfs driver",
        "/kubepods/besteffort/podUID/ID",
        "ID",
        Some("UID"),
        None,
    ),
    (
        "kubelet, cgroupfs driver",
        "/kubepods/podUID/ID",
        "ID",
        Some("UID"),
        None,
    ),
    (
        "kubelet, cgroupfs driver",
        "kubepods/podUID/ID",
        "ID",
        Some("UID"),
        None,
    ),
    (
        "kubelet, cgroupfs driver, static pod",
        "/kubepods/burstable/podFLAT/ID",
        "ID",
        Some("FLAT"),
        None,
    ),
    (
        "kubelet, systemd driver",
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_D.slice/cri-containerd-ID.scope",
        "ID",
        Some("UID"),
        Some(Runtime::Containerd),
    ),
    (
        "kubelet, systemd driver",
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podU_D.slice/docker-ID.scope",
        "ID",
        Some("UID"),
        Some(Runtime::Docker),
    ),
    (
        "kubelet, systemd driver",
        "/kubepods.slice/kubepods-podU_D.slice/crio-ID.scope",
        "ID",
        Some("UID"),
        Some(Runtime::CriO),
    ),
    (
        "kubelet, systemd driver",
        "/kubepods.slice/kubepods-podU_D.slice/libpod-ID.scope",
        "ID",
        Some("UID"),
        Some(Runtime::Podman),
    ),
    (
        "kubelet, systemd driver, static pod",
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podFLAT.slice/cri-containerd-ID.scope",
        "ID",
        Some("FLAT"),
        Some(Runtime::Containerd),
    ),
    (
        "crun below CRI-O",
        "/kubepods.slice/kubepods-podU_D.slice/crio-ID.scope/container",
        "ID",
        Some("UID"),
        Some(Runtime::CriO),
    ),
    (
        "systemd in a container",
        "/kubepods.slice/kubepods-podU_D.slice/docker-ID.scope/init.scope",
        "ID",
        Some("UID"),
        Some(Runtime::Docker),
    ),
    (
        "systemd in a container",
        "/kubepods.slice/kubepods-podU_D.slice/cri-containerd-ID.scope/system.slice/nginx.service",
        "ID",
        Some("UID"),
        Some(Runtime::Containerd),
    ),
    (
        "containerd, cgroupfs driver below a kubelet with systemd",
        "/system.slice/kubepods-burstable-podU_D.slice:cri-containerd:ID",
        "ID",
        Some("UID"),
        Some(Runtime::Containerd),
    ),
    (
        "containerd, cgroupfs driver below a kubelet with systemd",
        "/system.slice/containerd.service/kubepods-burstable-podU_D.slice:cri-containerd:ID",
        "ID",
        Some("UID"),
        Some(Runtime::Containerd),
    ),
    (
        "containerd, cgroupfs driver below a kubelet with systemd",
        "/kubepods-besteffort-podU_D.slice:cri-containerd:ID",
        "ID",
        Some("UID"),
        Some(Runtime::Containerd),
    ),
    (
        "kubelet, from another cgroup namespace",
        "/../../podUID/ID",
        "ID",
        Some("UID"),
        None,
    ),
    (
        "kubelet, from another cgroup namespace",
        "/../cri-containerd-ID.scope",
        "ID",
        None,
        Some(Runtime::Containerd),
    ),
    (
        "kind",
        "/system.slice/docker-ID.scope/kubelet/kubepods/burstable/podUID/INNER",
        "INNER",
        Some("UID"),
        None,
    ),
    (
        "kind",
        "/docker/ID/kubelet/kubepods/podUID/INNER",
        "INNER",
        Some("UID"),
        None,
    ),
    (
        "kind",
        "/system.slice/docker-ID.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podU_D.slice/cri-containerd-INNER.scope",
        "INNER",
        Some("UID"),
        Some(Runtime::Containerd),
    ),
    (
        "k3s, k0s",
        "/system.slice/k3s.service/kubepods/podUID/ID",
        "ID",
        Some("UID"),
        None,
    ),
    (
        "Docker, cgroupfs driver",
        "/docker/ID",
        "ID",
        None,
        Some(Runtime::Docker),
    ),
    (
        "Docker, systemd driver",
        "/system.slice/docker-ID.scope",
        "ID",
        None,
        Some(Runtime::Docker),
    ),
    ("GitHub's runner", "/actions_job/ID", "ID", None, None),
    (
        "containerd without Kubernetes",
        "/k8s.io/ID",
        "ID",
        None,
        Some(Runtime::Containerd),
    ),
    (
        "nerdctl",
        "/system.slice/nerdctl-ID.scope",
        "ID",
        None,
        Some(Runtime::Containerd),
    ),
    (
        "Podman, systemd driver",
        "/machine.slice/libpod-ID.scope",
        "ID",
        None,
        Some(Runtime::Podman),
    ),
    (
        "crun below Podman",
        "/machine.slice/libpod-ID.scope/container",
        "ID",
        None,
        Some(Runtime::Podman),
    ),
    (
        "Podman, systemd driver, in a pod of Podman's",
        "/machine.slice/machine-libpod_pod_INNER.slice/libpod-ID.scope/container",
        "ID",
        None,
        Some(Runtime::Podman),
    ),
    (
        "Podman, cgroupfs driver",
        "/libpod_parent/libpod-ID",
        "ID",
        None,
        Some(Runtime::Podman),
    ),
    (
        "Podman, cgroupfs driver, in a pod of Podman's",
        "/libpod_parent/INNER/libpod-ID",
        "ID",
        None,
        Some(Runtime::Podman),
    ),
    (
        "Podman in a unit (Quadlet)",
        "/system.slice/shop.service/libpod-payload-ID",
        "ID",
        None,
        Some(Runtime::Podman),
    ),
    ("LXC", "/lxc/web", "web", None, Some(Runtime::Lxc)),
    (
        "LXC, payload",
        "/lxc.payload.web/system.slice/nginx.service",
        "web",
        None,
        Some(Runtime::Lxc),
    ),
    (
        "systemd-nspawn",
        "/machine.slice/systemd-nspawn@web.service/payload",
        "web",
        None,
        Some(Runtime::Nspawn),
    ),
];

/// Containers that a user's own manager has.
pub(super) const OF_USERS: [Shape; 5] = [
    (
        "Podman without root",
        "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
        "ID",
        None,
        Some(Runtime::Podman),
    ),
    (
        "Podman without root, in a pod of Podman's",
        "/user.slice/user-1000.slice/user@1000.service/user.slice/user-libpod_pod_INNER.slice/libpod-ID.scope/container",
        "ID",
        None,
        Some(Runtime::Podman),
    ),
    (
        "Podman without root, in a unit (Quadlet)",
        "/user.slice/user-1000.slice/user@1000.service/app.slice/shop.service/libpod-payload-ID",
        "ID",
        None,
        Some(Runtime::Podman),
    ),
    (
        "Docker without root",
        "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-ID.scope",
        "ID",
        None,
        Some(Runtime::Docker),
    ),
    (
        "nerdctl without root",
        "/user.slice/user-1000.slice/user@1000.service/user.slice/nerdctl-ID.scope",
        "ID",
        None,
        Some(Runtime::Containerd),
    ),
];

/// What holds the output of a container is not in it: the path, and the pod it is in.
pub(super) const MONITORS: [(&str, &str, Option<&str>); 7] = [
    ("CRI-O", "/crio-conmon-ID.scope", None),
    (
        "CRI-O",
        "/kubepods.slice/kubepods-podU_D.slice/crio-conmon-ID.scope",
        Some("UID"),
    ),
    (
        "Podman, systemd driver",
        "/machine.slice/libpod-conmon-ID.scope",
        None,
    ),
    ("Podman, cgroupfs driver", "/libpod_parent/conmon", None),
    ("Podman, cgroupfs driver", "/libpod_parent/libpod-conmon-ID", None),
    (
        "Podman without root",
        "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-conmon-ID.scope",
        None,
    ),
    ("LXC", "/lxc.monitor.web", None),
];

/// A path, its unit and slice, and the service that is the workload.
pub(super) type Unit = (
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
    Option<&'static str>,
);

/// Outside of containers.
pub(super) const UNITS: [Unit; 12] = [
    (
        "/system.slice/nginx.service",
        Some("nginx.service"),
        Some("system.slice"),
        Some("nginx.service"),
    ),
    (
        "/system.slice/system-postgresql.slice/postgresql@15-main.service",
        Some("postgresql@15-main.service"),
        Some("system-postgresql.slice"),
        Some("postgresql@15-main.service"),
    ),
    // What a service makes below itself is its own affair.
    (
        "/system.slice/shop.service/nginx.service",
        Some("shop.service"),
        Some("system.slice"),
        Some("shop.service"),
    ),
    (
        "/user.slice/user-1000.slice/session-3.scope",
        Some("session-3.scope"),
        Some("user-1000.slice"),
        None,
    ),
    (
        "/user.slice/user-1000.slice/user@1000.service/app.slice/syncthing.service",
        Some("user@1000.service/syncthing.service"),
        Some("app.slice"),
        Some("user@1000.service/syncthing.service"),
    ),
    (
        "/user.slice/user-0.slice/user@0.service/app.slice/x.scope",
        Some("user@0.service/x.scope"),
        Some("app.slice"),
        None,
    ),
    (
        "/user.slice/user-0.slice/user@0.service/init.scope",
        Some("user@0.service"),
        Some("user-0.slice"),
        None,
    ),
    // The manager of containers, and what it runs on the host.
    (
        "/system.slice/containerd.service",
        Some("containerd.service"),
        Some("system.slice"),
        Some("containerd.service"),
    ),
    ("/system.slice", None, Some("system.slice"), None),
    ("/init.scope", None, None, None),
    ("/", None, None, None),
    ("", None, None, None),
];
