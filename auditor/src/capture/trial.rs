//! May return probes be used on this kernel?
//!
//! From 6.11 on, a program that returns through a return probe makes a system call of the kernel's
//! own (`uretprobe`). Until that was exempted, a seccomp filter that does not know it killed the
//! program. Versions do not tell, as the fix was carried back: a child of ours under the strictest
//! filter tries it once, before any other program can be hurt.

use std::{
    fs, io,
    io::{Read as _, Write as _},
    os::{fd::AsRawFd as _, unix::process::CommandExt as _},
    path::Path,
    process::Command,
};

use super::probes::{self, Link, Place, ProbeError};

/// What the trial showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A program under seccomp survives return probes.
    Safe,
    /// It does not, or the trial could not be made; the reason.
    Unsafe(String),
}

/// Has a return probe attached to a function of a child of ours that then calls it under strict seccomp.
pub fn return_probes(attach: impl FnOnce(&Path, Place) -> Result<Vec<Link>, ProbeError>) -> Verdict {
    match survives(attach) {
        Ok(true) => Verdict::Safe,
        Ok(false) => Verdict::Unsafe(
            "this kernel kills programs under seccomp when they return through a return probe; use a kernel with the fix (6.14, or a stable kernel of 2025)"
                .to_owned(),
        ),
        Err(error) => Verdict::Unsafe(format!("the trial of return probes under seccomp failed: {error}")),
    }
}

#[inline(never)]
extern "C" fn target(number: u64) -> u64 {
    std::hint::black_box(number).wrapping_mul(3)
}

fn survives(attach: impl FnOnce(&Path, Place) -> Result<Vec<Link>, ProbeError>) -> io::Result<bool> {
    let offset = file_offset(target as *const () as u64)?;
    let (mut forked, tell_forked) = io::pipe()?;
    let (gate_reader, mut gate) = io::pipe()?;
    let inherited = gate.as_raw_fd();
    let (mut tell_forked, mut gate_reader) = (Some(tell_forked), Some(gate_reader));
    let mut child = Command::new("/proc/self/exe");
    // SAFETY: the closure never returns and makes only system calls: it says that it is there, waits,
    // enters strict seccomp (read, write, exit and sigreturn remain), calls the probed function
    // and exits by the bare system call.
    unsafe {
        child.pre_exec(move || {
            libc::close(inherited);
            if let Some(mut writer) = tell_forked.take() {
                writer.write_all(&[1])?;
            }
            if let Some(mut reader) = gate_reader.take() {
                reader.read_exact(&mut [0])?;
            }
            let strict = libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_STRICT) == 0;
            let right = target(7) == 21;
            libc::syscall(libc::SYS_exit, libc::c_long::from(!(strict && right)));
            Ok(())
        });
    }
    let spawned = std::thread::Builder::new()
        .name("trial".to_owned())
        .spawn(move || child.spawn())?;
    // Forked, and waiting: its mappings are there to be probed.
    forked.read_exact(&mut [0])?;
    // For all processes that run this very file: an event bound to one task makes the kernel patch
    // its scheduler while it runs, and slows every context switch.
    let place = Place { offset, cookie: 0 };
    let links = attach("/proc/self/exe".as_ref(), place).map_err(io::Error::other);
    // Let it go in any case: it must not wait for ever.
    gate.write_all(&[1])?;
    drop(gate);
    let mut child = spawned
        .join()
        .map_err(|_| io::Error::other("the trial's thread ended unexpectedly"))??;
    let status = child.wait()?;
    probes::close(links?);
    Ok(status.success())
}

/// Where in our own executable the code at `address` is.
fn file_offset(address: u64) -> io::Result<u64> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    maps.lines()
        .find_map(|line| {
            let mut fields = line.split_whitespace();
            let (start, end) = fields.next()?.split_once('-')?;
            let (start, end) = (
                u64::from_str_radix(start, 16).ok()?,
                u64::from_str_radix(end, 16).ok()?,
            );
            let offset = u64::from_str_radix(fields.nth(1)?, 16).ok()?;
            (start..end).contains(&address).then(|| address - start + offset)
        })
        .ok_or_else(|| io::Error::other("our own code is not in /proc/self/maps"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_code_is_found_in_our_executable() {
        let offset = file_offset(target as *const () as u64).unwrap();
        let exe = fs::read("/proc/self/exe").unwrap();
        // SAFETY: 16 bytes of our own code.
        let code = unsafe { std::slice::from_raw_parts(target as *const u8, 16) };
        let at = usize::try_from(offset).unwrap();
        assert_eq!(&exe[at..at + 16], code);
    }
}
