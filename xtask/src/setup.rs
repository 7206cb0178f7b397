//! `cargo xtask setup`: installs what building and testing need. Looks first and touches nothing that is there.

mod apt;
mod arm64;
mod go;
mod needs;
mod node;
pub(crate) mod python;
mod services;

use std::{
    env, fs,
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::bail;

use crate::{
    ebpf_toolchain::{Found, LINKED_NAME},
    process,
};
use needs::Group;

/// bpf-linker's version, and the LLVM it is built against: the one of Debian's rustc-web.
const LINKER_VERSION: &str = "0.13.0";
const LLVM: &str = "/usr/lib/llvm-22";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only what these need.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Group>,
    /// Print what would be done and do nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let groups = if arguments.only.is_empty() {
        Group::ALL.to_vec()
    } else {
        arguments.only.clone()
    };
    let plan = Plan::new(&groups);
    if plan.is_empty() {
        println!("nothing is missing");
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.dry_run {
        print!("{}", plan.commands());
        return Ok(ExitCode::SUCCESS);
    }
    install(&plan, &groups)
}

/// Installs what these groups need, as the first stage of other commands.
///
/// # Errors
/// When something could not be installed, or this system has to be set up by hand.
pub(crate) fn ensure(groups: &[Group]) -> anyhow::Result<()> {
    let plan = Plan::new(groups);
    if plan.is_empty() || install(&plan, groups)? == ExitCode::SUCCESS {
        return Ok(());
    }
    bail!("some things have to be installed by hand first (see above)")
}

pub(crate) use needs::Group as Needs;

/// What is missing and how to get it.
struct Plan {
    packages: Vec<&'static str>,
    linker: bool,
    link_toolchain: bool,
    rustup: bool,
    python: bool,
    go: bool,
    node: bool,
    arm64: bool,
}

impl Plan {
    fn new(groups: &[Group]) -> Self {
        let mut plan = Self {
            packages: needs::missing_packages(groups),
            linker: false,
            link_toolchain: false,
            rustup: true,
            python: groups.contains(&Group::Test) && !python::is_there(),
            go: groups.contains(&Group::Test) && !go::is_there(),
            node: groups.contains(&Group::Test) && !node::is_there(),
            arm64: groups.contains(&Group::Test) && !arm64::is_there(),
        };
        if groups.contains(&Group::Build) {
            plan.add_ebpf(&Found::on_this_machine());
        }
        plan
    }

    /// Adds what the kernel programs' compiler lacks; a nightly with rust-src is as good as Debian's compiler.
    fn add_ebpf(&mut self, found: &Found) {
        self.rustup = found.rustup;
        self.linker = !found.linker;
        if found.linker && found.choose().is_ok() {
            return;
        }
        if self.linker {
            self.packages.extend(needs::missing(needs::LINKER));
        }
        if !found.linked_core && !found.nightly_source && !found.current_core {
            self.packages.extend(needs::missing(needs::COMPILER));
            self.link_toolchain = found.rustup;
        }
    }

    fn is_empty(&self) -> bool {
        let Self {
            linker,
            link_toolchain,
            python,
            go,
            node,
            arm64,
            ..
        } = self;
        self.packages.is_empty() && ![linker, link_toolchain, python, go, node, arm64].contains(&&true)
    }

    /// The commands for a person to type.
    fn commands(&self) -> String {
        let mut text = String::new();
        if !self.packages.is_empty() {
            text += "apt-get update\n";
            text += &format!(
                "apt-get install --yes --no-install-recommends {}\n",
                self.packages.join(" ")
            );
        }
        if self.linker {
            text += &format!("LLVM_PREFIX={LLVM} {}\n", process::shown(&install_linker()));
        }
        if self.link_toolchain {
            text += &format!("rustup toolchain link {LINKED_NAME} /usr\n");
        }
        if self.python {
            for command in python::commands().unwrap_or_default().iter() {
                text += &format!("{}\n", process::shown(command));
            }
        }
        if self.go {
            for command in go::command().iter() {
                text += &format!("{}\n", process::shown(command));
            }
        }
        if self.node {
            for command in node::command().iter() {
                text += &format!("{}\n", process::shown(command));
            }
        }
        if self.arm64 {
            text += "# and the TLS libraries of Debian's packages for arm64, unpacked in the cache\n";
        }
        text
    }
}

fn install(plan: &Plan, groups: &[Group]) -> anyhow::Result<ExitCode> {
    if !Path::new("/etc/debian_version").exists() || process::find("apt-get").is_none() {
        print!("{}", by_hand(plan));
        return Ok(ExitCode::from(2));
    }
    if !plan.packages.is_empty() {
        let Some(root) = apt::Root::find() else {
            println!("Packages are missing and this is neither root nor is there sudo. As root, run:");
            print!("{}", plan.commands());
            return Ok(ExitCode::from(2));
        };
        apt::install(&root, &plan.packages)?;
    }
    if plan.linker {
        process::run(install_linker().env("LLVM_PREFIX", LLVM))?;
    }
    if plan.link_toolchain {
        process::run(process::command("rustup").args(["toolchain", "link", LINKED_NAME, "/usr"]))?;
    }
    if plan.python {
        python::make()?;
    }
    if plan.go {
        go::make()?;
    }
    if plan.node {
        node::make()?;
    }
    if plan.arm64 {
        arm64::make()?;
    }
    verify(plan, groups)
}

/// Looks again, for an installation that reports success may still not serve.
fn verify(plan: &Plan, groups: &[Group]) -> anyhow::Result<ExitCode> {
    if groups.contains(&Group::Build)
        && let Err(missing) = Found::on_this_machine().choose()
    {
        let hint = if plan.rustup {
            ""
        } else {
            " (this cargo is not rustup's: install rustup, then run this again)"
        };
        let path = if in_cargo_home("bpf-linker") {
            "; bpf-linker is installed: add ~/.cargo/bin to PATH"
        } else {
            ""
        };
        bail!("after installing, {missing}{hint}{path}");
    }
    let missing = needs::missing_packages(groups);
    if !missing.is_empty() {
        bail!("after installing, still missing: {}", missing.join(", "));
    }
    println!("installed; nothing is missing now");
    Ok(ExitCode::SUCCESS)
}

fn in_cargo_home(program: &str) -> bool {
    let home = env::var_os("CARGO_HOME")
        .map(Into::into)
        .or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    home.is_some_and(|home| home.join("bin").join(program).is_file())
}

fn install_linker() -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(["install", "bpf-linker", "--version", LINKER_VERSION, "--locked"]);
    cargo.args(["--no-default-features", "--features", "llvm-22"]);
    // From outside the repository, whose configuration is for its own crates.
    cargo.current_dir(env::temp_dir()).env_remove("RUSTC_BOOTSTRAP");
    cargo
}

/// What to do on a system whose packages this program does not know.
fn by_hand(plan: &Plan) -> String {
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = system
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map_or("this system", |name| name.trim_matches('"'));
    let mut text = format!("`cargo xtask setup` installs on Debian only, and this is {name}.\n");
    if plan.linker || plan.link_toolchain {
        text += "To build the kernel programs, with rustup:\n  \
                 rustup toolchain install nightly --component rust-src\n  cargo install bpf-linker\n";
    }
    if !plan.packages.is_empty() {
        text += "Install with this system's package manager what Debian calls:\n  ";
        text += &plan.packages.join(" ");
        text += "\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(found: &Found) -> Plan {
        let mut plan = Plan {
            packages: Vec::new(),
            linker: false,
            link_toolchain: false,
            rustup: true,
            python: false,
            go: false,
            node: false,
            arm64: false,
        };
        plan.add_ebpf(found);
        plan
    }

    #[test]
    fn a_nightly_with_source_and_a_linker_needs_nothing() {
        let found = Found {
            rustup: true,
            nightly: true,
            nightly_source: true,
            linker: true,
            ..Found::default()
        };
        assert!(plan(&found).is_empty());
    }

    #[test]
    fn a_fresh_rustup_gets_debians_compiler_and_the_linker() {
        let plan = plan(&Found {
            rustup: true,
            ..Found::default()
        });
        assert!(plan.linker && plan.link_toolchain);
        let commands = plan.commands();
        assert!(commands.contains("bpf-linker --version 0.13.0"), "{commands}");
        assert!(commands.contains("rustup toolchain link ebpf /usr"), "{commands}");
    }

    #[test]
    fn without_rustup_no_toolchain_is_linked() {
        let plan = plan(&Found {
            current_core: true,
            ..Found::default()
        });
        assert!(plan.linker && !plan.link_toolchain);
    }
}
