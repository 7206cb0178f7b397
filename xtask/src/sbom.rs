//! `cargo xtask sbom`: every crate the binary is made of, the kernel programs in it included, as CycloneDX 1.6.
//!
//! Goes in: what `cargo tree` says of the two packages, with their features and for their targets, and the checksums of
//! Cargo.lock. Comes out: a list of the crates that are compiled into the binary, and which of them uses which. What runs while
//! it is built alone (build scripts, procedural macros) is not in it. Neither is a time, so equal sources give an equal list.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::ExitCode,
};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::{build, process};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The target of the binary.
    #[arg(long, default_value = "x86_64-unknown-linux-gnu")]
    target: String,
}

/// Writes `auditor.cdx.json` into the target folder.
///
/// # Errors
/// When cargo does not say what is used, or the file can not be written.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut crates = Crates::default();
    let kernel = crates.read(&tree("auditor-ebpf", "bpfel-unknown-none")?)?;
    let binary = crates.read(&tree("auditor", &arguments.target)?)?;
    // Its object is in the binary.
    crates.0.entry(binary.clone()).or_default().uses.insert(kernel);
    let lock = fs::read_to_string(process::root().join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let list = serde_json::to_string_pretty(&crates.list(&binary, &checksums(&lock)))?;
    let folder = build::target_directory();
    let file = folder.join("auditor.cdx.json");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(&file, list + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    println!("{}: {} crates", file.display(), crates.0.len());
    Ok(ExitCode::SUCCESS)
}

fn tree(package: &str, target: &str) -> anyhow::Result<String> {
    let words = ["--locked", "--edges", "normal,no-proc-macro", "--prefix", "depth"];
    let mut cargo = process::cargo("tree");
    cargo.args(["--package", package, "--target", target]).args(words);
    process::output(cargo.args(["--format", " {p}|{l}"]))
}

/// A name and a version.
type Id = (String, String);

#[derive(Debug, Default, PartialEq, Eq)]
struct Crate {
    license: String,
    uses: BTreeSet<Id>,
}

#[derive(Debug, Default)]
struct Crates(BTreeMap<Id, Crate>);

impl Crates {
    /// Takes what `cargo tree` prints: `DEPTH NAME vVERSION …|LICENSE`, each crate's own below it where it comes first.
    /// Returns the first of them.
    fn read(&mut self, tree: &str) -> anyhow::Result<Id> {
        let mut above: Vec<Id> = Vec::new();
        for line in tree.lines().filter(|line| !line.is_empty()) {
            let parts = || {
                let (depth, rest) = line.split_once(' ')?;
                let (package, license) = rest.split_once('|')?;
                let mut words = package.split(' ');
                let name = words.next()?;
                let version = words.next()?.strip_prefix('v')?;
                Some((
                    depth.parse::<usize>().ok()?,
                    (name.to_owned(), version.to_owned()),
                    license,
                ))
            };
            let (depth, id, license) = parts().with_context(|| format!("cargo tree said `{line}`"))?;
            above.truncate(depth);
            if let Some(user) = above.last() {
                self.0.entry(user.clone()).or_default().uses.insert(id.clone());
            }
            // An older way to write it, which is no expression of SPDX.
            let license = license.trim_end_matches("(*)").split('/').map(str::trim);
            self.0.entry(id.clone()).or_default().license = license.collect::<Vec<_>>().join(" OR ");
            above.push(id);
        }
        above.into_iter().next().context("cargo tree said nothing")
    }

    fn list(&self, binary: &Id, checksums: &BTreeMap<Id, String>) -> Value {
        let component = |id: &Id, one: &Crate, kind: &str| {
            let mut component = json!({
                "type": kind,
                "bom-ref": reference(id),
                "name": id.0,
                "version": id.1,
                "purl": reference(id),
            });
            if !one.license.is_empty() {
                component["licenses"] = json!([{"expression": one.license}]);
            }
            if let Some(checksum) = checksums.get(id) {
                component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
            }
            component
        };
        let others = self.0.iter().filter(|(id, _)| *id != binary);
        json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": {
                "component": self.0.get(binary).map(|one| component(binary, one, "application")),
            },
            "components": others.map(|(id, one)| component(id, one, "library")).collect::<Vec<_>>(),
            "dependencies": self.0.iter().map(|(id, one)| json!({
                "ref": reference(id),
                "dependsOn": one.uses.iter().map(reference).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
        })
    }
}

/// As a package URL.
fn reference((name, version): &Id) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

/// Those of crates that were downloaded, SHA-256.
fn checksums(lock: &str) -> BTreeMap<Id, String> {
    let of_package = |package: &str| {
        let value = |key: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(key))?;
            Some(line.strip_prefix(" = \"")?.strip_suffix('"')?.to_owned())
        };
        Some(((value("name")?, value("version")?), value("checksum")?))
    };
    lock.split("[[package]]").filter_map(of_package).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_becomes_a_list_in_which_each_crate_is_once_with_what_it_uses() {
        let tree = "0 app v0.1.0 (/src/app)|MIT OR Apache-2.0\n1 one v1.0.0+x|MIT / Apache-2.0\n2 two v2.0.0|MIT\n1 two v2.0.0|MIT (*)\n";
        let lock = "version = 4\n\n[[package]]\nname = \"one\"\nversion = \"1.0.0+x\"\nsource = \"registry\"\nchecksum = \"00ff\"\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\n";
        let mut crates = Crates::default();
        let binary = crates.read(tree).unwrap();
        let list = crates.list(&binary, &checksums(lock));
        assert_eq!(list["metadata"]["component"]["name"], "app");
        assert_eq!(
            list["components"][0],
            json!({
                "type": "library",
                "bom-ref": "pkg:cargo/one@1.0.0%2Bx",
                "name": "one",
                "version": "1.0.0+x",
                "purl": "pkg:cargo/one@1.0.0%2Bx",
                "licenses": [{"expression": "MIT OR Apache-2.0"}],
                "hashes": [{"alg": "SHA-256", "content": "00ff"}],
            })
        );
        assert_eq!(list["components"].as_array().map(Vec::len), Some(2));
        let uses = |at: usize| list["dependencies"][at]["dependsOn"].clone();
        assert_eq!(uses(0), json!(["pkg:cargo/one@1.0.0%2Bx", "pkg:cargo/two@2.0.0"]));
        assert_eq!(uses(1), json!(["pkg:cargo/two@2.0.0"]));
        assert_eq!(uses(2), json!([]));
        assert!(!list.to_string().contains("/src/app"), "no path of the machine");
        assert!(crates.read("nonsense").is_err());
    }
}
