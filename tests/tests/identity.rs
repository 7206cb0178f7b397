//! Both ends by name: pods and containers of real runtimes, units, and processes that had a pid before.

use std::{
    fs,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use auditor_tests::{
    daemon::Daemon,
    gated::Gated,
    message,
    peers::{self, Client, Server, client_words},
    podman::Podman,
    pods::{Container, Containerd, IMAGE, Pod},
    process::{self, LIMIT, Running, wait_for},
    scratch::Scratch,
    values,
    watch::Watch,
};
use rustix::process::Signal;
use serde_json::{Value, json};

const SERVER: &str = "5e7e7000-0000-4000-8000-00000000000a";
const CLIENT: &str = "c11e2700-0000-4000-8000-00000000000b";

fn order(card: &str) -> Vec<Vec<u8>> {
    vec![message::post_json(
        "/v1/orders",
        &format!(r#"{{"card":{{"number":"{card}"}}}}"#),
    )]
}

/// The command of a server, and where it writes its port.
fn server_words(scratch: &Scratch, pem: Option<&Path>) -> anyhow::Result<(Vec<String>, PathBuf)> {
    let port = scratch.path("pod.port");
    let answers = scratch.path("answers");
    fs::create_dir_all(&answers)?;
    let (program, counts) = (peers::program("server.py"), scratch.path("pod.counts"));
    let paths = [&program, &port, &counts, &answers];
    let mut words = vec![peers::PYTHON.to_owned()];
    words.extend(paths.map(|path| path.display().to_string()));
    words.extend(pem.map(|pem| pem.display().to_string()));
    Ok((words, port))
}

fn port_in(file: &Path) -> anyhow::Result<u16> {
    let text = wait_for(
        "the server to listen",
        LIMIT,
        || Ok(fs::read_to_string(file).ok()),
    )?;
    Ok(text.trim().parse()?)
}

fn client_in_container(scratch: &Scratch, port: u16, card: &str, tls: bool) -> anyhow::Result<Vec<String>> {
    let more: &[&str] = if tls { &["--tls"] } else { &[] };
    let mut words = client_words(scratch, "client", port, &order(card), more)?;
    words.extend(["--gate".to_owned(), scratch.ready().display().to_string()]);
    Ok(words)
}

fn until_counted(scratch: &Scratch) -> anyhow::Result<()> {
    let counts = scratch.path("client.counts");
    wait_for("the client to end", LIMIT, || Ok(counts.exists().then_some(())))
}

fn has(end: &Value, wanted: &Value, what: &str) -> anyhow::Result<()> {
    for (key, value) in wanted.as_object().context("an object")? {
        ensure!(end[key] == *value, "{what}: {key} is not {value} in {end:#}");
    }
    Ok(())
}

/// What a finding says of an end that is a pod.
fn pod_end(pod: &Pod<'_>, container: &Container) -> Value {
    json!({
        "workload": {"namespace": pod.namespace, "kind": "Pod", "name": pod.name},
        "pod": {"uid": pod.uid, "name": pod.name},
        "container": {"id": container.id, "name": pod.container, "image": IMAGE},
        "certainty": "exact",
    })
}

fn who(arguments: &[&str]) -> anyhow::Result<Value> {
    let mut command = Command::new(process::auditor()?);
    command.args(["who", "--format", "json"]).args(arguments);
    let said = Running::start(&mut command)?.succeed()?.stdout;
    Ok(serde_json::from_str(&said)?)
}

#[test]
fn pods_are_named_with_namespace_container_and_image_on_both_ends() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let pem = scratch.certificate()?;
    let mut containerd = Containerd::start(&scratch)?;
    let (command, port) = server_words(&scratch, Some(&pem))?;
    let server_pod = Pod {
        namespace: "shop",
        name: "checkout-7d4b9c-x2x4f",
        uid: SERVER,
        container: "app",
        labels: &[],
        command,
    };
    let server = containerd.run(&scratch, &server_pod)?;
    let card = values::card();
    let client_pod = Pod {
        namespace: "front",
        name: "web-0",
        uid: CLIENT,
        container: "nginx",
        labels: &[("team", "web")],
        command: client_in_container(&scratch, port_in(&port)?, &card, true)?,
    };
    let client = containerd.run(&scratch, &client_pod)?;
    let socket = containerd.runtime_socket();
    let watch = Watch::pids(
        &scratch,
        &[client.pid, server.pid],
        &["--runtime-socket", &socket],
    )?;
    until_counted(&scratch)?;
    let explained = [
        who(&["--pid", &server.pid.to_string(), "--runtime-socket", &socket])?,
        who(&["--container", &server.id[..12], "--runtime-socket", &socket])?,
        who(&[
            "--cgroup",
            &format!("/kubepods/burstable/pod{SERVER}/{}", server.id),
            "--runtime-socket",
            &socket,
        ])?,
        who(&[
            "--ip",
            &format!("127.0.0.1:{}", port_in(&port)?),
            "--runtime-socket",
            &socket,
        ])?,
    ];
    let report = watch.stop()?;
    report.balanced()?;
    let leak = report.leak("payment_card")?;
    ensure!(leak["sample"] == values::card_sample(&card).as_str(), "{leak}");
    has(&leak["source"], &pod_end(&client_pod, &client), "source")?;
    has(
        &leak["destination"],
        &pod_end(&server_pod, &server),
        "destination",
    )?;
    ensure!(
        leak["source"]["process"]["user"] == "0",
        "a container's user has no name of the host: {leak}"
    );
    ensure!(
        leak["source"].get("labels").is_none(),
        "nobody asked for labels: {leak}"
    );
    for told in explained {
        has(&told["ends"][0], &pod_end(&server_pod, &server), "who")?;
        ensure!(
            told["steps"].as_array().is_some_and(|steps| steps.len() > 1),
            "{told:#}"
        );
    }
    Ok(())
}

#[test]
fn a_container_of_podman_is_named_by_dockers_api() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let mut podman = Podman::start(&scratch)?;
    let (command, port) = server_words(&scratch, None)?;
    let (id, pid) = podman.run(&scratch, "shop", &command)?;
    let card = values::card();
    let client = Client::plain(&scratch, port_in(&port)?, &order(&card), &[])?;
    let socket = podman.runtime_socket();
    let watch = Watch::pids(&scratch, &[client.pid(), pid], &["--runtime-socket", &socket])?;
    client.counts()?;
    let explained = who(&[
        "--pid",
        &pid.to_string(),
        "--runtime-socket",
        &socket,
        "--label",
        "team",
    ])?;
    let report = watch.stop()?;
    let leak = report.leak("payment_card")?;
    let wanted = json!({
        "workload": {"kind": "Container", "name": "shop"},
        "container": {"id": id, "name": "shop", "image": IMAGE},
    });
    has(&leak["destination"], &wanted, "destination")?;
    ensure!(leak["source"].get("container").is_none(), "{leak}");
    has(&explained["ends"][0], &json!({"labels": {"team": "pay"}}), "who")
}

#[test]
fn a_runtime_that_never_answers_costs_the_name_and_not_the_finding() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let mut containerd = Containerd::start(&scratch)?;
    let (command, port) = server_words(&scratch, None)?;
    let pod = Pod {
        namespace: "shop",
        name: "checkout-0",
        uid: "5e7e7000-0000-4000-8000-00000000000c",
        container: "app",
        labels: &[],
        command,
    };
    let server = containerd.run(&scratch, &pod)?;
    let hung = scratch.path("hung.sock");
    let _hung = UnixListener::bind(&hung)?;
    let card = values::card();
    let client = Client::plain(&scratch, port_in(&port)?, &order(&card), &[])?;
    let socket = format!("cri:{}", hung.display());
    let watch = Watch::pids(
        &scratch,
        &[client.pid(), server.pid],
        &["--runtime-socket", &socket],
    )?;
    let start = Instant::now();
    client.counts()?;
    ensure!(
        start.elapsed() < Duration::from_secs(3),
        "traffic waited: {:?}",
        start.elapsed()
    );
    let report = watch.stop()?;
    report.balanced()?;
    let end = &report.leak("payment_card")?["destination"];
    ensure!(end["pod"] == json!({"uid": pod.uid}), "{end}");
    ensure!(end["container"]["id"] == server.id.as_str(), "{end}");
    let why = end["container"]["unnamed"].as_str().unwrap_or_default();
    ensure!(["pending", "no_answer"].contains(&why), "{end}");
    Ok(())
}

#[test]
fn a_finding_that_went_out_without_names_is_corrected_when_the_runtime_answers() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let mut containerd = Containerd::start(&scratch)?;
    let (command, port) = server_words(&scratch, None)?;
    let pod = Pod {
        namespace: "shop",
        name: "checkout-1",
        uid: "5e7e7000-0000-4000-8000-00000000000d",
        container: "app",
        labels: &[],
        command,
    };
    let server = containerd.run(&scratch, &pod)?;
    let later = scratch.path("later.sock");
    let client = Client::plain(&scratch, port_in(&port)?, &order(&values::card()), &[])?;
    let socket = format!("cri:{}", later.display());
    let watch = Watch::pids(
        &scratch,
        &[client.pid(), server.pid],
        &["--runtime-socket", &socket],
    )?;
    client.counts()?;
    watch.until_said(r#""unnamed":"no_answer""#)?;
    std::os::unix::fs::symlink(&containerd.socket, &later)?;
    watch.until_said(r#""kind":"update""#)?;
    let report = watch.stop()?;
    let [finding] = &report.findings[..] else {
        anyhow::bail!("one finding, and not {:#?}", report.findings);
    };
    ensure!(
        finding["kind"] == "update" && finding["revision"] == 2,
        "{finding}"
    );
    has(&finding["destination"], &pod_end(&pod, &server), "destination")
}

/// The finding of an order, in its newest revision, once the end it went to has these.
fn order_goes_to(daemon: &Daemon, name: &str, wanted: &Value) -> anyhow::Result<Value> {
    let operation = format!("POST /v1/{name}");
    let mut last = None;
    let found = wait_for(&format!("a finding in {operation}"), LIMIT, || {
        for line in daemon.remembered()? {
            let finding: Value = serde_json::from_str(&line)?;
            if finding["flow"]["operation"] == operation.as_str() && finding["detector"] == "payment_card" {
                last = Some(finding);
            }
        }
        let fits = last
            .as_ref()
            .is_some_and(|finding| has(&finding["destination"], wanted, name).is_ok());
        Ok(fits.then(|| last.take()).flatten())
    });
    found.with_context(|| format!("the last: {last:#?}"))
}

#[test]
fn a_runtime_that_ends_is_said_by_readyz_and_what_it_told_stays_known() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let mut containerd = Containerd::start(&scratch)?;
    let (command, port) = server_words(&scratch, None)?;
    let pod = Pod {
        namespace: "shop",
        name: "checkout-2",
        uid: "5e7e7000-0000-4000-8000-00000000000e",
        container: "app",
        labels: &[],
        command,
    };
    let server = containerd.run(&scratch, &pod)?;
    let port = port_in(&port)?;
    let gated = |name: &str| Gated::start(&scratch, name, Path::new(peers::PYTHON), port);
    let [before, during, after] = [gated("before")?, gated("during")?, gated("after")?];
    let socket = containerd.runtime_socket();
    let pids = [before.pid(), during.pid(), after.pid(), server.pid];
    let daemon = Daemon::start(&scratch, &pids, &[("AUDITOR_IDENTITY__SOCKETS", &socket)])?;
    let ready = |identity: &str, state: &str| {
        wait_for(&format!("/readyz to say {identity}"), LIMIT, || {
            let page = daemon.page("/readyz")?;
            let body = page.split_once("\r\n\r\n").context("no body")?.1;
            let said: Value = serde_json::from_str(body)?;
            let runtimes = said["runtimes"].as_object().context("no runtimes")?;
            let is_so = said["identity"] == identity && runtimes.values().eq([state]);
            Ok(is_so.then_some(()))
        })
    };
    let whole = pod_end(&pod, &server);
    before.go()?;
    order_goes_to(&daemon, "before", &whole)?;
    ready("local", "answers")?;

    containerd.pause()?;
    ready("degraded", "unreachable")?;
    ensure!(
        daemon.metric("auditor_runtime_up")? == 0.0,
        "the runtime is said to be up"
    );
    during.go()?;
    order_goes_to(&daemon, "during", &whole)?;

    containerd.resume()?;
    ready("local", "answers")?;
    ensure!(
        daemon.metric("auditor_runtime_up")? == 1.0,
        "the runtime is said to be down"
    );
    after.go()?;
    order_goes_to(&daemon, "after", &whole)?;
    daemon.balanced()?;
    let ended = daemon.stop()?;
    ensure!(ended.status.success(), "{}", ended.stderr);
    Ok(())
}

/// A cgroup of v2 that systemd would have made for a unit; systemd itself does not run on every machine.
struct Unit(PathBuf);

impl Unit {
    fn new(name: &str) -> anyhow::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let mount = mounts.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            (fields.get(2) == Some(&"cgroup2")).then(|| fields[1].to_owned())
        });
        let mount = mount.context("cgroup v2 is not mounted")?;
        let slice = format!("auditor{}.slice", std::process::id());
        let path = PathBuf::from(mount).join(slice).join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
        let _ = self.0.parent().map(fs::remove_dir);
    }
}

#[test]
fn a_service_is_named_by_its_unit_and_its_user_by_the_host() -> anyhow::Result<()> {
    let unit = Unit::new("shop.service")?;
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    fs::write(unit.0.join("cgroup.procs"), server.pid().to_string())?;
    let card = values::card();
    let client = Client::plain(&scratch, server.port, &order(&card), &[])?;
    let client_pid = client.pid();
    let watch = Watch::pids(&scratch, &[client_pid, server.pid()], &[])?;
    client.counts()?;
    let report = watch.stop()?;
    let leak = report.leak("payment_card")?;
    let wanted = json!({
        "workload": {"kind": "SystemdUnit", "name": "shop.service"},
        "unit": "shop.service",
        "slice": format!("auditor{}.slice", std::process::id()),
    });
    has(&leak["destination"], &wanted, "destination")?;
    for end in ["source", "destination"] {
        let process = &leak[end]["process"];
        ensure!(process["user"] == "root", "{process}");
        ensure!(
            process["start_time"]
                .as_str()
                .is_some_and(|time| time.ends_with('Z')),
            "{process}"
        );
    }
    Ok(())
}

#[test]
fn a_pid_that_is_used_again_does_not_bring_the_name_of_the_process_before() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let cards = [values::card(), values::card()];
    let mut launch = Command::new(peers::PYTHON);
    launch.arg(peers::program("reuse.py")).arg(scratch.ready());
    for (card, name) in cards.iter().zip(["first", "second"]) {
        // Two programs by two names: links to one interpreter would have one executable.
        let program = scratch.path(name);
        fs::copy("/usr/bin/python3", &program)?;
        let words = client_words(&scratch, name, server.port, &order(card), &[])?;
        launch.arg(json!([&[program.display().to_string()], &words[1..]].concat()).to_string());
    }
    let launcher = Running::start(&mut launch)?;
    let watch = Watch::pids(&scratch, &[launcher.pid(), server.pid()], &[])?;
    let pid: u32 = launcher.succeed()?.stdout.trim().parse()?;
    let report = watch.stop()?;
    let leaks = report.leaks("payment_card");
    ensure!(leaks.len() == 2, "{leaks:#?}");
    let mut starts = Vec::new();
    for (card, name) in cards.iter().zip(["first", "second"]) {
        let sample = values::card_sample(card);
        let leak = leaks.iter().find(|leak| leak["sample"] == sample.as_str());
        let source = &leak.context("a leak of each card")?["source"];
        ensure!(source["process"]["pid"] == pid, "{source}");
        let program = scratch.path(name).display().to_string();
        ensure!(source["process"]["exe"] == program.as_str(), "{source}");
        starts.push(source["process"]["start_time"].clone());
    }
    ensure!(starts[0] != starts[1], "{starts:?}");
    Ok(())
}

/// What is sent, and has ended, while auditor does not run: `/proc` says nothing of it any more.
#[test]
fn what_lived_and_ended_unread_is_named_by_its_own_program() -> anyhow::Result<()> {
    let scratch = Scratch::new()?;
    let server = Server::plain(&scratch)?;
    let go = scratch.path("go");
    let cards = [values::card(), values::card()];
    let mut shells = Vec::new();
    for (card, (name, run)) in cards
        .iter()
        .zip([("child", "/usr/bin/curl"), ("same", "exec /usr/bin/curl")])
    {
        let body = scratch.file(name, json!({ "card": card }).to_string())?;
        let script = format!(
            "while [ ! -e {} ]; do :; done; {run} --silent --max-time 60 --json @{} http://127.0.0.1:{}/{name} && true",
            go.display(),
            body.display(),
            server.port
        );
        shells.push(Running::start(Command::new("/bin/sh").args(["-c", &script]))?);
    }
    let pids = [shells[0].pid(), shells[1].pid(), server.pid()];
    let mut watch = Watch::pids(&scratch, &pids, &[])?;
    watch.signal(Signal::STOP)?;
    fs::write(&go, "")?;
    for shell in shells {
        shell.succeed()?;
    }
    watch.signal(Signal::CONT)?;
    let report = watch.stop()?;
    report.balanced()?;
    for card in &cards {
        let sample = values::card_sample(card);
        let leak = report
            .leaks("payment_card")
            .into_iter()
            .find(|leak| leak["sample"] == sample.as_str() && leak["location"]["part"] == "request.body");
        let process = &leak.context("a leak of each card")?["source"]["process"];
        ensure!(process["exe"] == "/usr/bin/curl", "{process}");
        ensure!(process["comm"] == "curl", "{process}");
    }
    Ok(())
}
