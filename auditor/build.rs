//! Builds the kernel programs into `OUT_DIR/auditor-ebpf`, and those for older kernels into
//! `OUT_DIR/auditor-ebpf-reduced`, with whichever compiler this machine has.
//!
//! `AUDITOR_EBPF_OBJECT=path` uses prebuilt objects instead, of these names with `path` for the first. The choice is told to the crate as
//! `AUDITOR_EBPF_TOOLCHAIN`, not as a warning: it is no news on every build.

#[path = "build/toolchain.rs"]
mod toolchain;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, bail};
use toolchain::{Found, Toolchain};

const OBJECT: &str = "AUDITOR_EBPF_OBJECT";
/// Set for the child that runs the build; holds the toolchain's name.
const CHILD: &str = "AUDITOR_EBPF_BUILD_WITH";
/// The package, and what its build is called.
const NAME: &str = "auditor-ebpf";
/// What its build with the feature `reduced` is called.
const REDUCED: &str = "auditor-ebpf-reduced";
const EBPF_CRATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../auditor-ebpf");

fn main() -> ExitCode {
    let result = match env::var(CHILD) {
        Ok(name) => build(&name),
        Err(_) => choose_and_build(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // `cargo::error` is what cargo shows in full; a panic or `Error:` drowns in the script's output.
            println!("cargo::error={error:#}");
            ExitCode::FAILURE
        }
    }
}

fn choose_and_build() -> anyhow::Result<()> {
    println!("cargo::rerun-if-env-changed={OBJECT}");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build/toolchain.rs");
    if let Some(object) = env::var_os(OBJECT) {
        return use_prebuilt(Path::new(&object));
    }
    // The rest of what goes into the object: the records, the profile and the locked versions.
    for path in ["../auditor-common", "../Cargo.toml", "../Cargo.lock"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let toolchain = Found::on_this_machine().choose().map_err(anyhow::Error::msg)?;
    println!("cargo::rustc-env=AUDITOR_EBPF_TOOLCHAIN={toolchain}");
    build_in_child(toolchain)
}

fn use_prebuilt(object: &Path) -> anyhow::Result<()> {
    let mut reduced = object.as_os_str().to_owned();
    reduced.push("-reduced");
    let folder = output_folder()?;
    for (from, to) in [(object, NAME), (Path::new(&reduced), REDUCED)] {
        println!("cargo::rerun-if-changed={}", from.display());
        let to = folder.join(to);
        fs::copy(from, &to)
            .with_context(|| format!("{OBJECT}: can not copy {} to {}", from.display(), to.display()))?;
    }
    println!("cargo::rustc-env=AUDITOR_EBPF_TOOLCHAIN=prebuilt object");
    Ok(())
}

/// Runs this same program again with the environment the build needs, as changing one's own is not safe.
fn build_in_child(toolchain: Toolchain) -> anyhow::Result<()> {
    let name = match toolchain {
        // Without rustup, aya-build runs the compiler on PATH and the name is not used.
        Toolchain::Linked | Toolchain::Current => toolchain::LINKED_NAME,
        Toolchain::Nightly => "nightly",
    };
    let mut command = Command::new(env::current_exe()?);
    command.env(CHILD, name);
    // aya-build passes cargo's progress on as warnings, which cargo would then repeat on every later build.
    command.env("CARGO_TERM_QUIET", "true");
    match toolchain {
        // Unlocks `asm_experimental_arch` for the two kernel-side crates; `1` would make aya-build ask for build-std.
        Toolchain::Linked | Toolchain::Current => command.env("RUSTC_BOOTSTRAP", "aya_ebpf,auditor_ebpf"),
        Toolchain::Nightly => command.env_remove("RUSTC_BOOTSTRAP"),
    };
    if !command.status()?.success() {
        bail!("the kernel programs did not build with {toolchain}; the compiler's messages are above");
    }
    Ok(())
}

/// Both have the same name in the folder of the build, so the reduced one is moved away.
fn build(toolchain: &str) -> anyhow::Result<()> {
    build_with(toolchain, &["reduced"])?;
    let folder = output_folder()?;
    fs::rename(folder.join(NAME), folder.join(REDUCED))?;
    build_with(toolchain, &[])
}

fn build_with(toolchain: &str, features: &[&str]) -> anyhow::Result<()> {
    aya_build::build_ebpf(
        [aya_build::Package {
            name: NAME,
            root_dir: EBPF_CRATE,
            features,
            ..Default::default()
        }],
        aya_build::Toolchain::Custom(toolchain),
    )
}

fn output_folder() -> anyhow::Result<PathBuf> {
    Ok(PathBuf::from(
        env::var_os("OUT_DIR").context("OUT_DIR is not set: run by cargo")?,
    ))
}
