//! Keeps packages from starting the services they bring: this machine needs the programs only.
//!
//! Debian asks /usr/sbin/policy-rc.d before it starts a service; exit code 101 forbids it. A policy that is there
//! already is kept aside and put back.

use std::{fs, path::Path};

use anyhow::Context as _;

use super::apt::Root;
use crate::process;

const POLICY: &str = "/usr/sbin/policy-rc.d";
const KEPT: &str = "/usr/sbin/policy-rc.d.kept-by-xtask";
const MARK: &str = "# auditor xtask: starts no service while it installs";

/// No service starts while this is set.
pub(super) struct Guard<'a> {
    root: &'a Root,
}

impl<'a> Guard<'a> {
    /// Forbids the start of services. A guard that an interrupted run left behind is taken over.
    ///
    /// # Errors
    /// When the policy can not be written.
    pub(super) fn set(root: &'a Root) -> anyhow::Result<Self> {
        let guard = Self { root };
        let left_behind = fs::read_to_string(POLICY).is_ok_and(|policy| policy.contains(MARK));
        if !left_behind {
            let script = format!(
                "if [ -e {POLICY} ]; then mv {POLICY} {KEPT}; fi; \
                 printf '#!/bin/sh\\n{MARK}\\nexit 101\\n' > {POLICY} && chmod 755 {POLICY}"
            );
            let set = process::output(root.command("sh").args(["-c", &script]));
            set.with_context(|| format!("can not write {POLICY}, which keeps services from starting"))?;
        }
        Ok(guard)
    }

    /// Puts the earlier policy back, and keeps the new services from starting at the next boot.
    ///
    /// # Errors
    /// When the earlier policy can not be put back.
    pub(super) fn release(self, packages: &[&str]) -> anyhow::Result<()> {
        let script = format!("rm -f {POLICY}; if [ -e {KEPT} ]; then mv {KEPT} {POLICY}; fi");
        let restored = process::output(self.root.command("sh").args(["-c", &script]));
        if Path::new("/run/systemd/system").is_dir() {
            for package in packages {
                self.disable(package);
            }
        }
        restored
            .with_context(|| format!("can not put {POLICY} back as it was; {KEPT} is the earlier one"))?;
        Ok(())
    }

    fn disable(&self, package: &str) {
        let services: &[&str] = match package {
            "nginx-light" => &["nginx"],
            "mariadb-server" => &["mariadb"],
            "nghttp2-proxy" => &["nghttpx"],
            "podman" => &[
                "podman.socket",
                "podman",
                "podman-restart",
                "podman-auto-update.timer",
            ],
            "prometheus" | "postgresql" | "redis-server" | "haproxy" | "caddy" | "containerd"
            | "tinyproxy" => &[package],
            _ => return,
        };
        let disabled = process::run(self.root.command("systemctl").arg("disable").args(services));
        if let Err(error) = disabled {
            eprintln!("{package} would start at the next boot: {error:#}");
        }
    }
}
