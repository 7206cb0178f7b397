//! `cargo xtask`: set-up, tests and virtual machines of this repository. One file per command.

mod bench;
mod build;
mod cache;
mod deb;
mod demo;
mod deny;
#[path = "../../auditor/build/toolchain.rs"]
mod ebpf_toolchain;
mod fuzz;
mod kernel_support;
mod kube;
mod mixed;
mod packages;
mod process;
mod protocols;
mod proved;
mod sbom;
mod setup;
mod soak;
mod test;
mod tls_support;
mod verify;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Set-up, demo, tests and virtual machines of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what building and testing need; quick when nothing is missing.
    Setup(setup::Arguments),
    /// Build auditor and say which compiler builds its kernel programs.
    Build(build::Arguments),
    /// Show auditor at work: a shop behind nginx, its clients, and the leaks between them.
    Demo(demo::Arguments),
    /// Run what CI runs, and end with "N passed, N failed, N skipped".
    Test(test::Arguments),
    /// Run the scenarios on Debian kernels in virtual machines.
    Vm(vm::Arguments),
    /// Compare the kernel programs' verified instructions with those on record.
    Verify(verify::Arguments),
    /// Run every fuzz target for a while.
    Fuzz(fuzz::Arguments),
    /// Build a kube-apiserver once, and run the tests of names in a cluster against it.
    Kube(kube::Arguments),
    /// Measure: the scanner against regex engines.
    Bench(bench::Arguments),
    /// Let everything around the daemon go wrong for half an hour; or attach it and take it away, thousands of times.
    Soak(soak::Arguments),
    /// Watch all servers of the tests at once, under load, and account for every byte.
    Mixed(mixed::Arguments),
    /// Write the page of TLS libraries from what the native tests proved.
    TlsSupport(proved::Arguments),
    /// Write the page of protocols from what the native tests proved.
    Protocols(proved::Arguments),
    /// Check licences, bans and sources of the dependencies.
    Deny(deny::Arguments),
    /// Build the Debian package.
    Deb(deb::Arguments),
    /// Write a CycloneDX list of every crate the binary is made of.
    Sbom(sbom::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Task::Setup(arguments) => setup::run(&arguments),
        Task::Build(arguments) => build::run(&arguments),
        Task::Demo(arguments) => demo::run(&arguments),
        Task::Test(arguments) => test::run(&arguments),
        Task::Vm(arguments) => vm::run(&arguments),
        Task::Verify(arguments) => verify::run(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::Kube(arguments) => kube::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Soak(arguments) => soak::run(&arguments),
        Task::Mixed(arguments) => mixed::run(&arguments),
        Task::TlsSupport(arguments) => tls_support::PAGE.run(&arguments),
        Task::Protocols(arguments) => protocols::PAGE.run(&arguments),
        Task::Deny(arguments) => deny::run(&arguments),
        Task::Deb(arguments) => deb::run(&arguments),
        Task::Sbom(arguments) => sbom::run(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(2)
        }
    }
}
