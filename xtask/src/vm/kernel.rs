//! Debian kernels for the virtual machines: which package is the newest of a series, and its image in the cache.
//!
//! apt gets its own lists and configuration, so the machine's own are neither needed nor touched. The mirror is the one
//! the machine's own apt sources name.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

use crate::{cache, packages::Apt, process};

/// A kernel ready to boot.
pub(super) struct Kernel {
    /// The series asked for, such as `6.1`.
    pub(super) series: String,
    /// The package it came from.
    pub(super) package: String,
    pub(super) image: PathBuf,
}

/// The release a series is found in; backports hold what the release itself is too old for.
const RELEASES: &[(&str, &str)] = &[
    ("5.10", "bullseye"),
    ("6.1", "bookworm"),
    ("6.12", "bookworm"),
    ("6.18", "trixie"),
    ("7.3", "trixie"),
];

/// The newest kernel of a series: from the cache, else downloaded.
///
/// # Errors
/// When the series is not known, or can not be downloaded or unpacked.
pub(super) fn fetch(series: &str, refresh: bool) -> anyhow::Result<Kernel> {
    let Some((_, release)) = RELEASES.iter().find(|(known, _)| *known == series) else {
        let known: Vec<_> = RELEASES.iter().map(|(known, _)| *known).collect();
        bail!("kernel {series} is not known; known are {}", known.join(", "));
    };
    let folder = cache::folder()?.join("kernels").join(series);
    if !refresh && let Some(kernel) = cached(series, &folder) {
        return Ok(kernel);
    }
    download(series, release, &folder)
        .with_context(|| format!("kernel {series} can not be had from Debian"))?;
    cached(series, &folder).with_context(|| format!("the package of kernel {series} holds no image"))
}

fn cached(series: &str, folder: &Path) -> Option<Kernel> {
    let package = fs::read_to_string(folder.join("package")).ok()?;
    let image = folder.join("vmlinuz");
    image.is_file().then(|| Kernel {
        series: series.to_owned(),
        package: package.trim().to_owned(),
        image,
    })
}

fn download(series: &str, release: &str, folder: &Path) -> anyhow::Result<()> {
    let work = folder.with_extension("download");
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    let apt = Apt::set_up(release, None, &work)?;
    let package = newest(&apt, series)?;
    eprintln!("downloading {package}");
    let unpacked = apt.unpack(&with_image(&apt, &package)?)?;
    let image = find_image(&unpacked).with_context(|| format!("{package} holds no vmlinuz"))?;
    fs::create_dir_all(folder)?;
    fs::rename(image, folder.join("vmlinuz"))?;
    // Written last: it says that the image beside it is whole.
    fs::write(folder.join("package"), &package)?;
    fs::remove_dir_all(work)?;
    Ok(())
}

/// The package of the newest kernel of a series.
fn newest(apt: &Apt, series: &str) -> anyhow::Result<String> {
    let prefix = format!("linux-image-{series}");
    let names = process::output(apt.command("apt-cache").args(["pkgnames", &prefix]))?;
    newest_package(series, names.lines())
        .map(str::to_owned)
        .with_context(|| format!("Debian has no package {prefix}.*-cloud-amd64"))
}

/// The package, and for newer kernels the one beside it that holds the image itself.
fn with_image(apt: &Apt, package: &str) -> anyhow::Result<Vec<String>> {
    let binary = package.replacen("linux-image-", "linux-binary-", 1);
    let names = process::output(apt.command("apt-cache").args(["pkgnames", &binary]))?;
    let binary = names.lines().any(|name| name == binary).then_some(binary);
    Ok(std::iter::once(package.to_owned()).chain(binary).collect())
}

/// The newest image of a series in the cloud flavour, which is small and has all that is tested here built in.
/// Names are `linux-image-6.1.0-56-cloud-amd64` or `linux-image-6.12.117+deb12-cloud-amd64`.
fn newest_package<'a>(series: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .filter(|name| {
            name.strip_prefix("linux-image-")
                .and_then(|rest| rest.strip_prefix(series))
                .is_some_and(|rest| rest.starts_with('.') && rest.ends_with("-cloud-amd64"))
        })
        .max_by_key(|name| numbers(name))
}

/// All numbers of a name, in order: compares `6.12.117+deb12` above `6.12.43+deb12`.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

/// The image is under boot/, or in newer packages under usr/lib/modules/RELEASE/.
fn find_image(unpacked: &Path) -> Option<PathBuf> {
    let modules = ["usr/lib/modules", "lib/modules"].map(|folder| unpacked.join(folder));
    let mut folders = vec![unpacked.join("boot")];
    for folder in modules.iter().filter_map(|folder| folder.read_dir().ok()) {
        folders.extend(folder.flatten().map(|entry| entry.path()));
    }
    folders
        .iter()
        .filter_map(|folder| folder.read_dir().ok())
        .flat_map(|entries| entries.flatten())
        .map(|entry| entry.path())
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_package_of_a_series_is_chosen_by_number_not_by_letter() {
        let names = [
            "linux-image-6.1.0-9-cloud-amd64",
            "linux-image-6.1.0-56-cloud-amd64",
            "linux-image-6.1.0-57-cloud-amd64-dbg",
            "linux-image-6.1.0-58-cloud-amd64-unsigned",
            "linux-image-6.1.0-59-rt-amd64",
            "linux-image-6.12.43+deb12-cloud-amd64",
            "linux-image-6.12.117+deb12-cloud-amd64",
            "linux-image-6.12.90+deb12.1-cloud-amd64",
        ];
        let newest = |series| newest_package(series, names.into_iter());
        assert_eq!(newest("6.1"), Some("linux-image-6.1.0-56-cloud-amd64"));
        assert_eq!(newest("6.12"), Some("linux-image-6.12.117+deb12-cloud-amd64"));
        assert_eq!(newest("5.10"), None);
    }
}
