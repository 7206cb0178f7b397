//! Whether the machine is what the other scenarios take for granted: if one of these fails, look here first.

use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, ensure};

use crate::{
    Outcome,
    program::{Running, output},
};

/// Emulated, a program that takes a tenth of a second may take many seconds.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) fn has_btf() -> Outcome {
    let btf = fs::read("/sys/kernel/btf/vmlinux").context("no BTF of the kernel")?;
    ensure!(
        btf.starts_with(&[0x9f, 0xeb]),
        "/sys/kernel/btf/vmlinux does not start with BTF's magic number"
    );
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(format!("{} bytes, kernel {release}", btf.len()))
}

pub(crate) fn has_tracing() -> Outcome {
    for path in [
        "/sys/kernel/tracing/uprobe_events",
        "/sys/fs/bpf",
        "/sys/fs/cgroup/cgroup.procs",
    ] {
        ensure!(Path::new(path).exists(), "{path} is not there");
    }
    let events = Path::new("/sys/kernel/tracing/events");
    for event in [
        "sock/inet_sock_set_state",
        "sched/sched_process_exec",
        "syscalls/sys_enter_write",
    ] {
        ensure!(
            events.join(event).is_dir(),
            "the kernel has no tracepoint {event}"
        );
    }
    Ok("tracefs, bpffs, cgroup2".to_owned())
}

pub(crate) fn runs_python_tls() -> Outcome {
    output(
        Command::new("python3").args(["-c", "import ssl; print(ssl.OPENSSL_VERSION)"]),
        LIMIT,
    )
}

pub(crate) fn runs_openssl() -> Outcome {
    output(Command::new("openssl").arg("version"), LIMIT)
}

pub(crate) fn runs_curl_and_nginx() -> Outcome {
    let curl = output(Command::new("curl").arg("--version"), LIMIT)?;
    output(Command::new("nginx").arg("-v"), LIMIT)?;
    Ok(curl.lines().next().unwrap_or_default().to_owned())
}

/// A TLS connection over lo between two real programs.
pub(crate) fn has_loopback() -> Outcome {
    let certificate = Certificate::make()?;
    let address: SocketAddr = "127.0.0.1:8443".parse()?;
    let mut server = Command::new("openssl");
    server.args([
        "s_server",
        "-quiet",
        "-www",
        "-accept",
        "8443",
        "-cert",
        &certificate.path,
        "-key",
        &certificate.path,
    ]);
    let _server = Running::server(&mut server, address, LIMIT)?;
    let page = output(
        Command::new("curl").args([
            "--silent",
            "--show-error",
            "--insecure",
            "https://127.0.0.1:8443/",
        ]),
        LIMIT,
    )?;
    ensure!(
        page.contains("TLSv1.3"),
        "the answer does not name the TLS version: {page}"
    );
    Ok("curl spoke TLS 1.3 with openssl s_server".to_owned())
}

/// A self-signed certificate and its key in one file.
pub(crate) struct Certificate {
    pub(crate) path: String,
}

impl Certificate {
    pub(crate) fn make() -> anyhow::Result<Self> {
        let path = "/tmp/server.pem".to_owned();
        let request = [
            "req",
            "-x509",
            "-nodes",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ];
        let about = [
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-keyout",
            "/tmp/server.key",
            "-out",
            "/tmp/server.crt",
        ];
        output(Command::new("openssl").args(request).args(about), LIMIT)?;
        let both = fs::read_to_string("/tmp/server.key")? + &fs::read_to_string("/tmp/server.crt")?;
        fs::write(&path, both)?;
        Ok(Self { path })
    }
}
