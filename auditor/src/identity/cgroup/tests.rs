use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const INNER: &str = "f123456789abcdeff123456789abcdeff123456789abcdeff123456789abcdef";
const UID: &str = "12345678-90ab-cdef-1234-567890abcdef";
const OTHER_UID: &str = "aaaaaaaa-90ab-cdef-1234-567890abcdef";

/// `UID` of these is the pod's with dashes, `U_D` with underscores, `FLAT` without either; `ID` and `INNER` are containers.
const SHAPES: [(&str, &str, Option<&str>, Option<Runtime>); 33] = [
    // The kubelet with the cgroupfs driver, v1 and v2.
    ("/kubepods/burstable/podUID/ID", "ID", Some("UID"), None),
    ("/kubepods/besteffort/podUID/ID", "ID", Some("UID"), None),
    ("/kubepods/podUID/ID", "ID", Some("UID"), None),
    ("kubepods/podUID/ID", "ID", Some("UID"), None),
    // Static pods have a hash for a uid.
    ("/kubepods/burstable/podFLAT/ID", "ID", Some("FLAT"), None),
    // With the systemd driver, by runtime.
    (
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_D.slice/cri-containerd-ID.scope",
        "ID",
        Some("UID"),
        Some(Runtime::Containerd),
    ),
    (
        "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podU_D.slice/docker-ID.scope",
        "ID",
        Some("UID"),
        Some(Runtime::Docker),
    ),
    (
        "/kubepods.slice/kubepods-podU_D.slice/crio-ID.scope",
        "ID",
        Some("UID"),
        Some(Runtime::CriO),
    ),
    (
        "/kubepods.slice/kubepods-podU_D.slice/libpod-ID.scope",
        "ID",
        Some("UID"),
        Some(Runtime::Podman),
    ),
    (
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podFLAT.slice/cri-containerd-ID.scope",
        "ID",
        Some("FLAT"),
        Some(Runtime::Containerd),
    ),
    // crun, and systemd as the container's first process.
    (
        "/kubepods.slice/kubepods-podU_D.slice/crio-ID.scope/container",
        "ID",
        Some("UID"),
        Some(Runtime::CriO),
    ),
    (
        "/kubepods.slice/kubepods-podU_D.slice/docker-ID.scope/init.scope",
        "ID",
        Some("UID"),
        Some(Runtime::Docker),
    ),
    (
        "/kubepods.slice/kubepods-podU_D.slice/cri-containerd-ID.scope/system.slice/nginx.service",
        "ID",
        Some("UID"),
        Some(Runtime::Containerd),
    ),
    // containerd with the systemd driver on the kubelet's side only.
    (
        "/system.slice/kubepods-burstable-podU_D.slice:cri-containerd:ID",
        "ID",
        Some("UID"),
        Some(Runtime::Containerd),
    ),
    (
        "/system.slice/containerd.service/kubepods-burstable-podU_D.slice:cri-containerd:ID",
        "ID",
        Some("UID"),
        Some(Runtime::Containerd),
    ),
    // Seen from another cgroup namespace.
    ("/../../podUID/ID", "ID", Some("UID"), None),
    (
        "/../cri-containerd-ID.scope",
        "ID",
        None,
        Some(Runtime::Containerd),
    ),
    // kind: a node is a container.
    (
        "/system.slice/docker-ID.scope/kubelet/kubepods/burstable/podUID/INNER",
        "INNER",
        Some("UID"),
        None,
    ),
    (
        "/docker/ID/kubelet/kubepods/podUID/INNER",
        "INNER",
        Some("UID"),
        None,
    ),
    (
        "/system.slice/docker-ID.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podU_D.slice/cri-containerd-INNER.scope",
        "INNER",
        Some("UID"),
        Some(Runtime::Containerd),
    ),
    // k3s and k0s have containerd inside their own service.
    (
        "/system.slice/k3s.service/kubepods/podUID/ID",
        "ID",
        Some("UID"),
        None,
    ),
    // Without Kubernetes.
    ("/docker/ID", "ID", None, Some(Runtime::Docker)),
    ("/system.slice/docker-ID.scope", "ID", None, Some(Runtime::Docker)),
    ("/actions_job/ID", "ID", None, None),
    ("/k8s.io/ID", "ID", None, Some(Runtime::Containerd)),
    (
        "/system.slice/nerdctl-ID.scope",
        "ID",
        None,
        Some(Runtime::Containerd),
    ),
    (
        "/machine.slice/libpod-ID.scope",
        "ID",
        None,
        Some(Runtime::Podman),
    ),
    (
        "/machine.slice/libpod-ID.scope/container",
        "ID",
        None,
        Some(Runtime::Podman),
    ),
    ("/libpod_parent/libpod-ID", "ID", None, Some(Runtime::Podman)),
    (
        "/system.slice/shop.service/libpod-payload-ID",
        "ID",
        None,
        Some(Runtime::Podman),
    ),
    // Containers that have names.
    ("/lxc/web", "web", None, Some(Runtime::Lxc)),
    (
        "/lxc.payload.web/system.slice/nginx.service",
        "web",
        None,
        Some(Runtime::Lxc),
    ),
    (
        "/machine.slice/systemd-nspawn@web.service/payload",
        "web",
        None,
        Some(Runtime::Nspawn),
    ),
];

fn filled(shape: &str) -> String {
    shape
        .replace("UID", UID)
        .replace("U_D", &UID.replace('-', "_"))
        .replace("FLAT", &UID.replace('-', ""))
        .replace("INNER", INNER)
        .replace("ID", ID)
}

#[test]
fn every_known_shape_of_path_gives_pod_container_and_runtime() {
    for (shape, id, pod, runtime) in SHAPES {
        let found = parse(&filled(shape));
        assert_eq!(found.container_id, Some(filled(id)), "{shape}");
        assert_eq!(found.pod_uid, pod.map(filled), "{shape}");
        assert_eq!(found.runtime, runtime, "{shape}");
        assert_eq!((&found.unit, &found.slice), (&None, &None), "{shape}");
        assert_eq!(found.is_nested, id == "INNER", "{shape}");
        assert_eq!(found.user_manager, None, "{shape}");
        let is_known_by_a_runtime = id == "ID";
        assert_eq!(found.runtime_id().is_some(), is_known_by_a_runtime, "{shape}");
    }
}

#[test]
fn every_shape_is_found_on_its_line_of_v1_v2_and_hybrid_hosts() {
    for (shape, id, ..) in SHAPES {
        let path = filled(shape);
        let files = [
            format!("0::{path}\n"),
            format!("4:memory:{path}\n3:cpu,cpuacct:{path}\n1:name=systemd:{path}\n"),
            format!("12:pids:/\n4:memory:{path}\n1:name=systemd:/system.slice/containerd.service\n0::/\n"),
            format!("4:memory:{path}\n0::/system.slice/containerd.service\n"),
        ];
        for text in files {
            let chosen = choose(&text).map(parse);
            let found = chosen.and_then(|identity| identity.container_id);
            assert_eq!(found, Some(filled(id)), "{text}");
        }
    }
}

#[test]
fn a_container_can_not_become_another_pod_or_container() {
    let kubelet = format!("/kubepods/burstable/pod{UID}/{ID}");
    for made_by_the_container in [
        format!("/pod{OTHER_UID}/{INNER}"),
        format!("/kubepods/burstable/pod{OTHER_UID}/{INNER}"),
        format!("/docker/{INNER}"),
        format!(
            "/kubepods-pod{}.slice:cri-containerd:{INNER}",
            OTHER_UID.replace('-', "_")
        ),
        "/lxc/other".to_owned(),
    ] {
        let found = parse(&format!("{kubelet}{made_by_the_container}"));
        assert_eq!(found.container_id.as_deref(), Some(ID), "{made_by_the_container}");
        assert_eq!(found.pod_uid.as_deref(), Some(UID), "{made_by_the_container}");
        assert!(found.is_vouched_for(), "{made_by_the_container}");
    }
    let docker = parse(&format!("/docker/{ID}/docker/{INNER}"));
    assert_eq!(docker.container_id.as_deref(), Some(ID));
}

#[test]
fn what_a_container_or_a_user_names_is_not_vouched_for() {
    let kind = parse(&format!("/docker/{ID}/kubelet/kubepods/pod{UID}/{INNER}"));
    assert!(kind.is_nested && !kind.is_vouched_for());
    let manager = "/user.slice/user-1000.slice/user@1000.service";
    for path in [
        format!("{manager}/user.slice/libpod-{ID}.scope/container"),
        format!("{manager}/app.slice/docker-{ID}.scope"),
        format!("{manager}/kubepods/pod{UID}/{ID}"),
    ] {
        let found = parse(&path);
        assert_eq!(found.container_id.as_deref(), Some(ID), "{path}");
        assert_eq!(found.user_manager, Some(1000), "{path}");
        assert!(!found.is_vouched_for(), "{path}");
    }
}

#[test]
fn what_holds_a_containers_output_is_not_in_it() {
    for path in [
        format!("/crio-conmon-{ID}.scope"),
        format!("/machine.slice/libpod-conmon-{ID}.scope"),
        "/lxc.monitor.web".to_owned(),
    ] {
        assert_eq!(parse(&path).container_id, None, "{path}");
    }
    let under = UID.replace('-', "_");
    let conmon = parse(&format!(
        "/kubepods.slice/kubepods-pod{under}.slice/crio-conmon-{ID}.scope"
    ));
    assert_eq!(
        (conmon.container_id, conmon.pod_uid.as_deref()),
        (None, Some(UID))
    );
}

#[test]
fn units_and_slices_are_named_outside_containers() {
    let table = [
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
        ("/init.scope", None, None, None),
        ("/", None, None, None),
        ("", None, None, None),
    ];
    for (path, unit, slice, service) in table {
        let found = parse(path);
        assert_eq!(found.unit.as_deref(), unit, "{path}");
        assert_eq!(found.slice.as_deref(), slice, "{path}");
        assert_eq!(found.service(), service, "{path}");
        assert_eq!(found.container_id, None, "{path}");
    }
}

#[test]
fn the_line_that_names_most_is_chosen() {
    let hybrid = "1:name=systemd:/system.slice/a.service\n0::/\n";
    assert_eq!(choose(hybrid), Some("/system.slice/a.service"));
    let both = "1:name=systemd:/system.slice/old.service\n0::/system.slice/new.service\n";
    assert_eq!(choose(both), Some("/system.slice/new.service"));
    assert_eq!(choose("nonsense"), None);
    assert_eq!(choose(""), None);
}

proptest::proptest! {
    #[test]
    fn any_path_is_read_and_what_is_found_stands_in_it(
        parts in proptest::collection::vec(
            proptest::prop_oneof![
                "[ -~]{0,80}",
                "(docker-|crio-|libpod-|crio-conmon-|x:)?[0-9a-f]{63,65}(\\.scope)?",
                "(kubepods-|a-)?pod[0-9a-f]{8}([-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}(\\.slice(:x:[0-9a-f]{64})?)?",
                "(user@[0-9]{1,11}|lxc|\\.\\.|systemd-nspawn@[a-z]{0,3}|payload)(\\.service)?",
            ],
            0..12,
        ),
    ) {
        let path = parts.join("/");
        let found = parse(&path);
        if let Some(id) = &found.container_id {
            assert!(path.to_ascii_lowercase().contains(&id.to_ascii_lowercase()));
            assert!(found.unit.is_none());
        }
        if let Some(uid) = &found.pod_uid {
            assert!(path.replace('_', "-").contains(uid.as_str()));
        }
        let line = format!("0::{path}\n");
        assert_eq!(choose(&line), Some(path.as_str()));
    }

    #[test]
    fn any_file_is_read_without_a_panic(text in ".{0,400}") {
        let _ = parse(&text);
        let _ = choose(&text);
    }
}
