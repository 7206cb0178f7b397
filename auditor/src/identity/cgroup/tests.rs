use super::shapes::{CONTAINERS, MONITORS, OF_USERS, UNITS};
use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const INNER: &str = "f123456789abcdeff123456789abcdeff123456789abcdeff123456789abcdef";
const UID: &str = "12345678-90ab-cdef-1234-567890abcdef";
const OTHER_UID: &str = "aaaaaaaa-90ab-cdef-1234-567890abcdef";

pub(super) fn filled(shape: &str) -> String {
    shape
        .replace("UID", UID)
        .replace("U_D", &UID.replace('-', "_"))
        .replace("FLAT", &UID.replace('-', ""))
        .replace("INNER", INNER)
        .replace("ID", ID)
}

#[test]
fn every_known_shape_of_path_gives_pod_container_and_runtime() {
    for (_, shape, id, pod, runtime) in CONTAINERS {
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
    for (_, shape, id, ..) in CONTAINERS.into_iter().chain(OF_USERS) {
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
    let pod = format!("{manager}/kubepods/pod{UID}/{ID}");
    let of_users = OF_USERS.map(|(_, shape, _, _, runtime)| (filled(shape), runtime));
    for (path, runtime) in of_users.into_iter().chain([(pod, None)]) {
        let found = parse(&path);
        assert_eq!(found.container_id.as_deref(), Some(ID), "{path}");
        assert_eq!(found.runtime, runtime, "{path}");
        assert_eq!(found.user_manager, Some(1000), "{path}");
        assert!(!found.is_vouched_for() && found.runtime_id().is_none(), "{path}");
    }
}

#[test]
fn what_holds_a_containers_output_is_not_in_it() {
    for (_, shape, pod) in MONITORS {
        let found = parse(&filled(shape));
        assert_eq!(found.container_id, None, "{shape}");
        assert_eq!(found.pod_uid, pod.map(filled), "{shape}");
    }
}

#[test]
fn units_and_slices_are_named_outside_containers() {
    for (path, unit, slice, service) in UNITS {
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
