//! `cargo xtask kube`: a real kube-apiserver and etcd for tests of names in a cluster, without a cluster.
//!
//! In: Debian's source package of Kubernetes 1.20.2 (binaries of the server are in no repository of Debian) and its
//! package of etcd. Out: two programs in the cache, built once; about five minutes on two cores. Nothing is installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, ensure};

use crate::{cache, packages::Apt, process, setup, test};

/// Changes when what is built does.
const VERSION: &str = "kube-apiserver 1.20.2, etcd 3.4, of Debian 12; 1";

/// The release whose packages these are.
const RELEASE: &str = "bookworm";

/// The compiler of that release, which this version of Kubernetes builds with.
const GO: &str = "/usr/bin/go";

/// Where the source says it is, in the days before modules.
const PLACE: &str = "go/src/k8s.io/kubernetes";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only build; else the tests run, too.
    #[arg(long)]
    build: bool,
    /// Run only tests whose name contains this.
    filter: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    setup::ensure(&[setup::Needs::Build, setup::Needs::Test])?;
    let folder = programs()?;
    println!("kube-apiserver and etcd are in {}", folder.display());
    if arguments.build {
        return Ok(ExitCode::SUCCESS);
    }
    test::only_kube(arguments.filter.clone())
}

/// The folder with the programs `kube-apiserver` and `etcd`; they are built when they are missing.
///
/// # Errors
/// When the packages can not be had, or do not build.
pub(crate) fn programs() -> anyhow::Result<PathBuf> {
    let folder = cache::folder()?.join("kube");
    if fs::read_to_string(folder.join("version")).is_ok_and(|version| version == VERSION) {
        return Ok(folder);
    }
    let work = folder.with_extension("work");
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    fs::create_dir_all(&work)?;
    eprintln!("building a kube-apiserver (some five minutes, once)");
    build(&work).context("kube-apiserver can not be built from Debian's source package")?;
    // All or nothing: others may be looking.
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::rename(work.join("built"), &folder)?;
    fs::remove_dir_all(&work)?;
    Ok(folder)
}

fn build(work: &Path) -> anyhow::Result<()> {
    ensure!(Path::new(GO).exists(), "{GO} is missing: `cargo xtask setup`");
    let apt = Apt::set_up(RELEASE, None, &work.join("apt"))?;
    let packages = ["etcd-server", "golang-github-modern-go-reflect2-dev"].map(str::to_owned);
    let unpacked = apt.unpack(&packages)?;
    let archive = apt.source("kubernetes")?;
    let source = work.join(PLACE);
    fs::create_dir_all(&source)?;
    let mut tar = process::command("tar");
    tar.arg("--extract").arg("--file").arg(archive);
    process::output(tar.args(["--strip-components", "1", "--directory"]).arg(&source))?;

    // The copy in the source crashes with the release's compiler.
    let reflect = "github.com/modern-go/reflect2";
    let replaced = source.join("vendor").join(reflect);
    fs::remove_dir_all(&replaced)?;
    let newer = unpacked.join("usr/share/gocode/src").join(reflect);
    process::output(
        process::command("cp")
            .arg("--recursive")
            .args([&newer, &replaced]),
    )?;

    describe(work, &source)?;
    let built = work.join("built");
    fs::create_dir_all(&built)?;
    let package = "-X k8s.io/component-base/version";
    let flags = format!("-s -w {package}.gitVersion=v1.20.2 {package}.gitMajor=1 {package}.gitMinor=20");
    let mut server = go(work, &source);
    server.args(["build", "-ldflags", &flags, "-o"]);
    process::run(
        server
            .arg(built.join("kube-apiserver"))
            .arg("./cmd/kube-apiserver"),
    )?;
    fs::copy(unpacked.join("usr/bin/etcd"), built.join("etcd"))?;
    // Written last: it says that the programs beside it are whole.
    Ok(fs::write(built.join("version"), VERSION)?)
}

/// Generates what describes the API: it is not in the source, and the server does not start without it.
fn describe(work: &Path, source: &Path) -> anyhow::Result<()> {
    let generator = work.join("openapi-gen");
    let mut build = go(work, source);
    build.arg("build").arg("-o").arg(&generator);
    process::run(build.arg("./vendor/k8s.io/kube-openapi/cmd/openapi-gen"))?;
    let packages = described(source)?.join(",");
    let mut generate = environment(process::command(&generator), work);
    generate
        .current_dir(source)
        .args(["--logtostderr", "-i", &packages]);
    generate.args(["-p", "k8s.io/kubernetes/pkg/generated/openapi"]);
    generate.args(["-O", "zz_generated.openapi"]);
    generate.args(["-h", "hack/boilerplate/boilerplate.generatego.txt", "-r"]);
    generate.arg(work.join("violations"));
    process::output(&mut generate).map(drop)
}

/// Packages that ask to be described.
fn described(source: &Path) -> anyhow::Result<Vec<String>> {
    let mut search = process::command("grep");
    search.current_dir(source).args([
        "--recursive",
        "--files-with-matches",
        "--include=*.go",
        "+k8s:openapi-gen=true",
        "pkg",
        "staging/src",
        "vendor/k8s.io/kube-openapi",
    ]);
    let files = process::output(&mut search)?;
    let mut packages: Vec<String> = files
        .lines()
        .filter(|file| {
            !file.ends_with("_test.go") && !file.contains("code-generator") && !file.contains("sample-")
        })
        .filter_map(|file| Path::new(file).parent()?.to_str())
        .map(|folder| match folder.strip_prefix("staging/src/") {
            Some(package) => format!("k8s.io/kubernetes/vendor/{package}"),
            None => format!("k8s.io/kubernetes/{folder}"),
        })
        .collect();
    packages.sort();
    packages.dedup();
    ensure!(packages.len() > 50, "only {} packages ask for it", packages.len());
    Ok(packages)
}

fn go(work: &Path, source: &Path) -> Command {
    let mut go = environment(process::command(GO), work);
    go.current_dir(source);
    go
}

/// The source is older than modules.
fn environment(mut command: Command, work: &Path) -> Command {
    command
        .env("GOPATH", work.join("go"))
        .env("GOCACHE", work.join("compiled"))
        .envs([
            ("GO111MODULE", "off"),
            ("GOFLAGS", ""),
            ("GOTOOLCHAIN", "local"),
            ("CGO_ENABLED", "0"),
        ]);
    command
}
