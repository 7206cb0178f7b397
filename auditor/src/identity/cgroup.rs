//! What a cgroup path says: pod, container, systemd unit.
//!
//! Container runtimes and cgroup drivers name directories differently; the path is read from the
//! right, and the first component that contains a 64-digit id is the container.

/// What was found in a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CgroupIdentity {
    /// With dashes, unless it is a static pod's (which has none).
    pub pod_uid: Option<String>,
    /// 64 hex digits.
    pub container_id: Option<String>,
    /// `nginx.service`; only outside containers, and not the user session's own units.
    pub unit: Option<String>,
}

/// Length of a container id.
const ID_LEN: usize = 64;

/// Reads a path as it stands in `/proc/PID/cgroup`, with or without a leading slash.
pub fn parse(path: &str) -> CgroupIdentity {
    let components: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let container_id = components
        .iter()
        .rev()
        .filter(|part| !part.starts_with("crio-conmon-"))
        .find_map(|part| container_of(part));
    let pod_uid = components.iter().rev().find_map(|part| pod_of(part));
    let unit = if container_id.is_none() && pod_uid.is_none() {
        components
            .iter()
            .rev()
            .find(|part| is_unit(part))
            .map(|part| (*part).to_owned())
    } else {
        None
    };
    CgroupIdentity {
        pod_uid,
        container_id,
        unit,
    }
}

/// The cgroup path of a process: v2's line, else the first v1 line that names a container, else
/// v1's systemd hierarchy.
pub fn path_of(pid: u32) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    choose(&text)
}

fn choose(text: &str) -> Option<String> {
    let lines: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
            Some((controllers, path))
        })
        .collect();
    let names_something = |path: &str| parse(path) != CgroupIdentity::default();
    let unified = lines
        .iter()
        .find(|(controllers, path)| controllers.is_empty() && names_something(path));
    let any = || lines.iter().find(|(_, path)| names_something(path));
    unified
        .or_else(any)
        .or_else(|| lines.last())
        .map(|(_, path)| (*path).to_owned())
}

/// The 64-digit id in `docker-<id>.scope`, `cri-containerd-<id>.scope`, `<id>`, `…:cri-containerd:<id>`.
fn container_of(part: &str) -> Option<String> {
    let bare = part.strip_suffix(".scope").unwrap_or(part);
    let id = bare.rsplit(['-', ':']).next()?;
    (id.len() == ID_LEN && id.bytes().all(|b| b.is_ascii_hexdigit())).then(|| id.to_ascii_lowercase())
}

/// The uid in `pod<uid>`, `kubepods-burstable-pod<uid>.slice` and
/// `kubepods-burstable-pod<uid>.slice:cri-containerd:<id>`; systemd writes its dashes as `_`.
fn pod_of(part: &str) -> Option<String> {
    let slice = part.split(':').next()?;
    let bare = slice.strip_suffix(".slice").unwrap_or(slice);
    let uid = bare
        .strip_prefix("pod")
        .or_else(|| bare.rsplit_once("-pod").map(|(_, uid)| uid))?;
    let uid = uid.replace('_', "-");
    let digits = uid.bytes().filter(|b| b.is_ascii_hexdigit()).count();
    let dashes = uid.bytes().filter(|b| *b == b'-').count();
    (digits == 32 && (dashes == 0 || dashes == 4) && digits + dashes == uid.len()).then_some(uid)
}

fn is_unit(part: &str) -> bool {
    part.ends_with(".service") && !part.starts_with("user@")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "12345678-90ab-cdef-1234-567890abcdef";

    #[test]
    fn every_known_shape_of_path_gives_pod_and_container() {
        let under = UID.replace('-', "_");
        let flat = UID.replace('-', "");
        let table = [
            (format!("/kubepods/burstable/pod{UID}/{ID}"), Some(UID.to_owned())),
            (
                format!("/kubepods/besteffort/pod{UID}/{ID}"),
                Some(UID.to_owned()),
            ),
            (format!("/kubepods/pod{UID}/{ID}"), Some(UID.to_owned())),
            (format!("/kubepods/burstable/pod{flat}/{ID}"), Some(flat.clone())),
            (
                format!(
                    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{under}.slice/cri-containerd-{ID}.scope"
                ),
                Some(UID.to_owned()),
            ),
            (
                format!("/kubepods.slice/kubepods-pod{under}.slice/crio-{ID}.scope"),
                Some(UID.to_owned()),
            ),
            (
                format!("/kubepods.slice/kubepods-pod{under}.slice/crio-{ID}.scope/container"),
                Some(UID.to_owned()),
            ),
            (
                format!("/system.slice/kubepods-burstable-pod{under}.slice:cri-containerd:{ID}"),
                Some(UID.to_owned()),
            ),
            (
                format!("/kubepods.slice/kubepods-pod{under}.slice/docker-{ID}.scope/init.scope"),
                Some(UID.to_owned()),
            ),
            (format!("/../../pod{UID}/{ID}"), Some(UID.to_owned())),
            (format!("/docker/{ID}"), None),
            (format!("/system.slice/docker-{ID}.scope"), None),
            (format!("/machine.slice/libpod-{ID}.scope"), None),
            (format!("/k8s.io/{ID}"), None),
        ];
        for (path, pod) in table {
            let found = parse(&path);
            assert_eq!(found.container_id.as_deref(), Some(ID), "{path}");
            assert_eq!(found.pod_uid, pod, "{path}");
            assert_eq!(found.unit, None, "{path}");
        }
    }

    #[test]
    fn kind_nests_a_pod_in_a_container() {
        let inner = ID.replace('0', "f");
        let path = format!("/system.slice/docker-{ID}.scope/kubelet/kubepods/burstable/pod{UID}/{inner}");
        let found = parse(&path);
        assert_eq!(found.container_id, Some(inner));
        assert_eq!(found.pod_uid.as_deref(), Some(UID));
    }

    #[test]
    fn units_are_named_only_outside_containers() {
        assert_eq!(
            parse("/system.slice/nginx.service").unit.as_deref(),
            Some("nginx.service")
        );
        assert_eq!(
            parse("/user.slice/user-0.slice/user@0.service/app.slice/x.scope").unit,
            None
        );
        assert_eq!(parse("/").unit, None);
        assert_eq!(parse(&format!("/crio-conmon-{ID}.scope")).container_id, None);
    }

    #[test]
    fn the_line_that_names_something_is_chosen() {
        let hybrid = format!("12:memory:/docker/{ID}\n1:name=systemd:/docker/{ID}\n0::/\n");
        assert_eq!(choose(&hybrid), Some(format!("/docker/{ID}")));
        assert_eq!(
            choose("0::/system.slice/a.service\n").as_deref(),
            Some("/system.slice/a.service")
        );
    }

    proptest::proptest! {
        #[test]
        fn any_path_is_read_without_a_panic(path in ".{0,200}") {
            let _ = parse(&path);
            let _ = choose(&path);
        }
    }
}
