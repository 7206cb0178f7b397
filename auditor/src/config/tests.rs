use super::*;

fn load(yaml: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, yaml).unwrap();
    let environment = environment
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    let flags: Vec<(&str, String)> = flags.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
    Config::load(Some(&path), environment, &flags)
        .map_err(|error| error.to_string().replace(&path.display().to_string(), "FILE"))
}

#[test]
fn defaults_need_only_a_scope() {
    let config = load("scope: {node: true}", &[], &[]).unwrap();
    assert_eq!(config.serve.http, "127.0.0.1:9478".parse().unwrap());
    assert_eq!(config.serve.socket, Path::new(DEFAULT_SOCKET));
    assert_eq!(
        config.journal_path(),
        Path::new("/var/lib/auditor/findings.jsonl")
    );
    assert_eq!(config.key_file(), Path::new("/var/lib/auditor/key"));
    assert_eq!(
        (config.report.journal.max_bytes, config.report.journal.keep),
        (64 << 20, 5)
    );
    assert_eq!(config.detect.min_confidence, MinConfidence::Medium);
}

#[test]
fn flags_override_the_environment_and_the_environment_the_file() {
    let yaml = "scope: {pids: [1]}\nserve: {http: '127.0.0.1:1', max_series: 10}\nstate_dir: /a\n";
    let environment = [
        ("AUDITOR_SERVE__HTTP", "127.0.0.1:2"),
        ("AUDITOR_REPORT__JOURNAL__KEEP", "7"),
        ("AUDITOR_SCOPE__CGROUPS", "/x, /y"),
        ("AUDITOR_STATE_DIR", "/b"),
        ("AUDITOR_PORT", "tcp://10.0.0.1:80"),
        ("PATH", "/bin"),
    ];
    let flags = [("serve.http", "127.0.0.1:3"), ("scope.pids", "4,5")];
    let config = load(yaml, &environment, &flags).unwrap();
    assert_eq!(config.serve.http.port(), 3);
    assert_eq!(config.serve.max_series, 10);
    assert_eq!(config.report.journal.keep, 7);
    assert_eq!(config.state_dir, Path::new("/b"));
    assert_eq!(config.scope.pids, [4, 5]);
    assert_eq!(config.scope.cgroups, [Path::new("/x"), Path::new("/y")]);
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_what_to_do() {
    let cases = [
        (
            "",
            "nothing is watched: set scope.select, scope.pids, scope.cgroups or scope.containers, or scope.node: true for everything on this host",
        ),
        (
            "scope: {node: true, pids: [1]}",
            "scope.node: true already watches everything: remove scope.pids, or scope.node to watch less",
        ),
        (
            "scope: {nod: true}",
            "FILE: unknown key scope.nod, did you mean scope.node?; docs/configuration.md lists all keys",
        ),
        (
            "serve: {htpp: a}",
            "FILE: unknown key serve.htpp, did you mean serve.http?; docs/configuration.md lists all keys",
        ),
        (
            "report: {journal: {keeep: 1}}",
            "FILE: unknown key report.journal.keeep, did you mean report.journal.keep?; docs/configuration.md lists all keys",
        ),
        (
            "completely: {different: 1}",
            "FILE: unknown key completely; docs/configuration.md lists all keys",
        ),
        (
            "scope: {node: 1}",
            "FILE: scope.node must be true or false, not 1",
        ),
        (
            "scope: {pids: [0]}",
            "FILE: scope.pids must be a list of whole numbers from 1 to 4194304, not 0",
        ),
        ("scope: 7", "FILE: scope must be a section with keys, not 7"),
        (
            "capture: {ring_bytes: 1000000}",
            "FILE: capture.ring_bytes must be a power of two from 262144 to 1073741824 (bytes), not 1000000",
        ),
        (
            "report: {journal: {keep: 5000}}",
            "FILE: report.journal.keep must be a whole number from 0 to 1000 (files), not 5000",
        ),
        (
            "serve: {http: localhost}",
            "FILE: serve.http must be an address and port such as 127.0.0.1:9478, not \"localhost\"",
        ),
        (
            "detect: {min_confidence: sure}",
            "FILE: detect.min_confidence must be one of low, medium, high, not \"sure\"",
        ),
        (
            "state_dir: relative",
            "FILE: state_dir must be an absolute path, not \"relative\"",
        ),
    ];
    for (yaml, expected) in cases {
        assert_eq!(load(yaml, &[], &[]).unwrap_err(), expected);
    }
    let error = load("a: [", &[], &[]).unwrap_err();
    assert!(error.starts_with("FILE is not YAML: "), "{error}");
    let error = load("scope: {node: true}", &[("AUDITOR_SERVE__HTPP", "x")], &[]).unwrap_err();
    assert!(
        error.starts_with("the variable AUDITOR_SERVE__HTPP: unknown key serve.htpp, did you mean"),
        "{error}"
    );
    let error = Config::load(Some(Path::new("/no/such.yaml")), [], &[])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("/no/such.yaml") && error.contains("--config"),
        "{error}"
    );
}

#[test]
fn proxies_of_meshes_are_known_without_a_word_of_configuration() {
    let config = load("scope: {pids: [1]}", &[], &[]).unwrap();
    assert_eq!(config.identity.mesh.proxies, crate::identity::mesh::DEFAULT);
    let config = load("{scope: {pids: [1]}, identity: {mesh: {proxies: []}}}", &[], &[]).unwrap();
    assert!(config.identity.mesh.proxies.is_empty());
}

#[test]
fn every_key_takes_its_default_and_reaches_the_config() {
    for key in keys::all() {
        assert!(key.checked(key.default_value()).is_ok(), "{}", key.path);
    }
    let config = load("scope: {node: true}", &[], &[]).unwrap();
    assert_eq!(config.identity.mesh.proxies, crate::identity::mesh::DEFAULT);
    assert_eq!(config.policy.files, Vec::<PathBuf>::new());
}

#[test]
fn the_documentation_lists_every_key_with_default_unit_and_bounds() {
    let doc = include_str!("../../../docs/configuration.md");
    let rows: Vec<String> = keys::all().map(Key::row).collect();
    let documented: Vec<&str> = doc.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(documented, rows, "the table must read:\n{}", rows.join("\n"));
}

proptest::proptest! {
    #[test]
    fn no_file_and_no_variable_panics(yaml in "\\PC{0,200}|[a-z:{}\\[\\], \\n0-9-]{0,100}", value in "\\PC{0,50}") {
        let mut values = Values::default();
        let _ = values.file("file", &yaml);
        for key in keys::all() {
            let _ = values.set("variable", key.path, &value);
        }
        let _ = values.into_config();
    }
}

#[test]
fn what_is_selected_is_read_from_file_and_environment_and_checked() {
    let scope =
        |yaml: &str, environment: &[(&str, &str)]| load(yaml, environment, &[]).map(|config| config.scope);
    let both = scope(
        "scope: {select: ['namespace=shop,workload=Deployment/a', 'unit in (a.service, b.service)'], except: ['image=proxy*']}",
        &[],
    )
    .unwrap();
    assert_eq!((both.select.len(), both.except.len()), (2, 1));
    assert!(!both.is_node() && !both.choice().unwrap().is_empty());
    let variable = [(
        "AUDITOR_SCOPE__SELECT",
        "namespace=shop,label=team:pay; exe=/bin/a",
    )];
    assert_eq!(scope("", &variable).unwrap().select.len(), 2);
    // A node with exceptions is a choice among its processes.
    let node = scope("scope: {node: true, except: ['namespace=kube-system']}", &[]).unwrap();
    assert!(!node.is_node() && !node.choice().unwrap().is_empty());
    assert!(scope("scope: {node: true}", &[]).unwrap().is_node());
    for (yaml, wrong) in [
        ("scope: {select: ['namepsace=a']}", "did you mean `namespace`?"),
        ("scope: {select: ['host=a.com']}", "no process of this host has"),
        ("scope: {except: ['unit=a']}", "neither is set"),
        ("scope: {node: true, select: [any]}", "remove scope.select"),
    ] {
        let error = scope(yaml, &[]).unwrap_err();
        assert!(error.contains(wrong), "{yaml}: {error}");
    }
}

#[test]
fn kubernetes_is_used_if_it_is_there_or_as_the_configuration_says() {
    let enabled = |yaml: &str, environment: &[(&str, &str)]| {
        let config = load(&format!("scope: {{node: true}}\n{yaml}"), environment, &[]).unwrap();
        config.identity.kubernetes.enabled
    };
    assert_eq!(enabled("", &[]), Enabled::Auto);
    assert_eq!(
        enabled("identity: {kubernetes: {enabled: true}}", &[]),
        Enabled::True
    );
    assert_eq!(
        enabled("identity: {kubernetes: {enabled: 'false'}}", &[]),
        Enabled::False
    );
    let variable = [("AUDITOR_IDENTITY__KUBERNETES__ENABLED", "false")];
    assert_eq!(
        enabled("identity: {kubernetes: {enabled: true}}", &variable),
        Enabled::False
    );
    let wrong = load("identity: {kubernetes: {enabled: maybe}}", &[], &[]).unwrap_err();
    assert!(
        wrong.contains("identity.kubernetes.enabled must be one of auto, true, false"),
        "{wrong}"
    );
}

#[test]
fn a_file_that_everybody_may_change_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, "scope: {node: true}").unwrap();
    let load_with = |mode| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        Config::load(Some(&path), [], &[]).map_err(|error| error.to_string())
    };
    assert!(load_with(0o644).is_ok());
    let error = load_with(0o646).unwrap_err();
    assert!(error.contains("chmod o-w"), "{error}");
}
