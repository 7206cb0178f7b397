//! Starting a program that is watched from its first instruction: it is held between fork and
//! exec until its libraries are hooked and it is in scope.

use std::{
    ffi::OsString,
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::{fs::PermissionsExt as _, process::CommandExt as _},
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::JoinHandle,
};

use rustix::process::{Resource, Rlimit, getpid, setrlimit};

/// A child that waits before exec.
pub struct Held {
    /// Its process id: that of the program, once it runs.
    pub pid: u32,
    release: io::PipeWriter,
    spawned: JoinHandle<io::Result<Child>>,
}

/// The file that runs as `program`: itself when it is a path, else the first of that name on PATH that may
/// be executed (execvp(3)). `None` when there is none.
pub fn executable(program: &OsString) -> Option<PathBuf> {
    if program.as_encoded_bytes().contains(&b'/') {
        return Some(PathBuf::from(program));
    }
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| {
            path.metadata()
                .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
        })
}

impl Held {
    /// Forks for `command` (program and arguments). With `stdout_to_stderr` its output does not
    /// mix with ours. `core_limit` is the limit it should have, whatever ours is.
    ///
    /// # Errors
    /// When no process or pipe can be made.
    pub fn fork(command: &[OsString], stdout_to_stderr: bool, core_limit: Rlimit) -> io::Result<Self> {
        let (program, arguments) = command
            .split_first()
            .ok_or_else(|| io::Error::other("no command was given"))?;
        let (mut pid_reader, pid_writer) = io::pipe()?;
        let (gate_reader, release) = io::pipe()?;
        let mut child = Command::new(program);
        child.args(arguments);
        if stdout_to_stderr {
            child.stdout(Stdio::from(io::stderr().try_clone_to_owned()?));
        }
        let mut pid_writer = Some(pid_writer);
        let mut gate_reader = Some(gate_reader);
        let inherited = release.as_raw_fd();
        // SAFETY: between fork and exec the closure only makes system calls, on descriptors it owns
        // or, in the child alone, on its copy of `release`, which nothing there uses.
        unsafe {
            child.pre_exec(move || {
                // With its own copy of the writing end it would wait for ever when we give up.
                libc::close(inherited);
                let _ = setrlimit(Resource::Core, core_limit);
                if let Some(mut writer) = pid_writer.take() {
                    writer.write_all(&getpid().as_raw_nonzero().get().to_ne_bytes())?;
                }
                if let Some(mut reader) = gate_reader.take() {
                    // One byte releases it; end of file means that auditor gave up.
                    reader.read_exact(&mut [0])?;
                }
                Ok(())
            });
        }
        // `spawn` returns only after exec, so it waits on a thread of its own.
        let spawned = std::thread::Builder::new()
            .name("launch".to_owned())
            .spawn(move || child.spawn())?;
        let mut pid = [0; 4];
        if pid_reader.read_exact(&mut pid).is_err() {
            return Err(match spawned.join() {
                Ok(Err(error)) => error,
                _ => io::Error::other("the child ended before it could start the program"),
            });
        }
        let pid = i32::from_ne_bytes(pid).unsigned_abs();
        Ok(Self {
            pid,
            release,
            spawned,
        })
    }

    /// Lets the program run.
    ///
    /// # Errors
    /// When it can not be executed (not found, not permitted).
    pub fn release(mut self) -> io::Result<Child> {
        self.release.write_all(&[1])?;
        drop(self.release);
        self.spawned
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the launcher thread ended unexpectedly")))
    }
}

trait CloneDescriptor {
    fn try_clone_to_owned(&self) -> io::Result<OwnedFd>;
}

impl CloneDescriptor for io::Stderr {
    fn try_clone_to_owned(&self) -> io::Result<OwnedFd> {
        use std::os::fd::AsFd as _;
        self.as_fd().try_clone_to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_CORE: Rlimit = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };

    #[test]
    fn the_pid_is_known_before_the_program_runs() {
        let held = Held::fork(&["/bin/sh".into(), "-c".into(), "exit 7".into()], true, NO_CORE).unwrap();
        let pid = held.pid;
        let mut child = held.release().unwrap();
        assert_eq!(child.id(), pid);
        assert_eq!(child.wait().unwrap().code(), Some(7));
    }

    #[test]
    fn a_held_child_ends_when_we_give_up() {
        let held = Held::fork(&["/bin/true".into()], true, NO_CORE).unwrap();
        let Held {
            pid,
            release,
            spawned,
        } = held;
        drop(release);
        assert!(spawned.join().unwrap().is_err());
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }

    #[test]
    fn a_program_is_found_as_the_system_finds_it() {
        let found = executable(&"sh".into()).unwrap();
        assert!(found.is_absolute() && found.ends_with("sh"));
        assert_eq!(executable(&"./here".into()), Some(PathBuf::from("./here")));
        assert_eq!(executable(&"no-such-program".into()), None);
    }

    #[test]
    fn a_program_that_does_not_exist_is_an_error() {
        let held = Held::fork(&["/no/such/program".into()], true, NO_CORE).unwrap();
        assert_eq!(held.release().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
