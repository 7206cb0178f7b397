//! Finding the files a process has mapped.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

/// Longest `/proc/PID/maps` that is read, bytes.
const MAX_MAPS: u64 = 8 << 20;

/// Files mapped executable by a process, itself first, as paths the daemon can open: any of them may
/// hold a TLS library.
///
/// Empty when the process is gone or may not be looked at.
pub fn mapped_files(pid: u32) -> Vec<PathBuf> {
    let Ok(maps) = read_bounded(Path::new(&format!("/proc/{pid}/maps"))) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for line in maps.lines() {
        // address perms offset dev inode path (proc(5)); the path may contain spaces.
        let mut fields = line.splitn(6, ' ');
        let (Some(range), Some(permissions)) = (fields.next(), fields.next()) else {
            continue;
        };
        let Some(path) = fields.nth(3).map(str::trim_start) else {
            continue;
        };
        if !permissions.contains('x') || !path.starts_with('/') || !seen.insert(path) {
            continue;
        }
        // A replaced file is gone from its path but still mapped. And a path is shown from the root of
        // its mount: behind chroot(2) it does not lead on from the process's root.
        let usual = PathBuf::from(format!("/proc/{pid}/root{path}"));
        found.push(if !path.ends_with(" (deleted)") && usual.exists() {
            usual
        } else {
            PathBuf::from(format!("/proc/{pid}/map_files/{range}"))
        });
    }
    found
}

fn read_bounded(path: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    fs::File::open(path)?.take(MAX_MAPS).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_gone_has_no_libraries() {
        assert!(mapped_files(u32::MAX).is_empty());
    }

    #[test]
    fn a_running_openssl_maps_libssl() {
        let mut shell = std::process::Command::new("openssl")
            .arg("enc")
            .args(["-e", "-base64"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let found = loop {
            let found = mapped_files(shell.id());
            if found
                .iter()
                .any(|path| path.to_string_lossy().contains("/libssl.so"))
                || std::time::Instant::now() > deadline
            {
                break found;
            }
            std::thread::yield_now();
        };
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert!(
            found
                .iter()
                .any(|path| path.to_string_lossy().contains("/libssl.so")),
            "{found:?}"
        );
    }
}
