//! Threads, and tasks of threads, without which the daemon is not what it says it is.
//!
//! Goes in: what they run. Comes out: the first of them that ended by a panic. None is started again in this process: what
//! it held is lost, and who starts the process anew (systemd, the kubelet) begins with a state that is whole.

mod rounds;

pub use rounds::{Round, Rounds};

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::ExitCode;
use std::sync::OnceLock;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use futures_util::FutureExt as _;
use thiserror::Error;

/// `EX_SOFTWARE` of sysexits.h. Not the code of a bad configuration, which nobody need try again.
pub const EXIT_CODE: u8 = 70;

/// How long the process may take to end by itself once a thread is lost.
const GRACE: Duration = Duration::from_secs(30);

static LOST: OnceLock<String> = OnceLock::new();

/// A thread or task ended by a panic.
#[derive(Debug, Error)]
#[error(
    "the thread `{0}` ended by a panic, whose place is in the log: what it held is lost, and the account need not balance"
)]
pub struct Lost(&'static str);

impl Lost {
    /// Of the thread or task.
    pub const fn name(&self) -> &'static str {
        self.0
    }

    /// That of the process.
    pub fn exit_code() -> ExitCode {
        ExitCode::from(EXIT_CODE)
    }
}

/// The first that ended by a panic, if any has.
///
/// # Errors
/// When one has.
pub fn check() -> Result<(), Lost> {
    LOST.get().map_or(Ok(()), |name| Err(Lost(name)))
}

/// Starts a thread.
///
/// # Errors
/// When the system has no room for one.
pub fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let lost = name.to_owned();
    Builder::new()
        .name(name.to_owned())
        .spawn(move || match catch_unwind(AssertUnwindSafe(run)) {
            Ok(value) => value,
            Err(panic) => {
                tell(lost);
                resume_unwind(panic)
            }
        })
}

/// A task of a runtime, which would catch a panic and keep it to itself.
pub async fn task<T>(name: &'static str, run: impl Future<Output = T>) -> T {
    match AssertUnwindSafe(failing(name, run)).catch_unwind().await {
        Ok(value) => value,
        Err(panic) => {
            tell(name.to_owned());
            resume_unwind(panic)
        }
    }
}

/// Ends the process, should it not end by itself: a thread may wait for one that is lost.
pub fn end_soon() {
    let end = || {
        std::thread::sleep(GRACE);
        tracing::error!("it does not end by itself, and is ended; findings that were not written are lost");
        std::process::exit(i32::from(EXIT_CODE));
    };
    if let Err(error) = Builder::new().name("end".to_owned()).spawn(end) {
        tracing::error!(%error, "nobody watches whether it ends");
    }
}

fn tell(name: String) {
    tracing::error!(thread = name, "a thread ended by a panic");
    // Of several the first: the others may be what comes of it.
    let _ = LOST.set(name);
}

#[cfg(not(debug_assertions))]
async fn failing<T>(_: &str, run: impl Future<Output = T>) -> T {
    run.await
}

/// Where a thread of a build for tests panics when it is to. Nothing in others.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub const fn may_fail() {}

#[cfg(debug_assertions)]
use failure::failing;
#[cfg(debug_assertions)]
pub use failure::may_fail;

/// What tests need to see a thread end or hang: in a file that a variable names, the name of one that is to panic, or `hang`
/// and how the names of those begin that are to wait for as long as that is in it.
#[cfg(debug_assertions)]
mod failure {
    use std::path::PathBuf;
    use std::sync::LazyLock;
    use std::time::Duration;

    static FILE: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| std::env::var_os("AUDITOR_TEST_FAIL").map(PathBuf::from));

    /// Where a thread of a build for tests panics or waits when it is to. Nothing in others.
    pub fn may_fail() {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or_default();
        fail_as(name);
        let hangs = |asked: String| {
            let begin = asked.strip_prefix("hang ");
            begin.is_some_and(|begin| name.starts_with(begin))
        };
        while asked().is_some_and(hangs) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(super) async fn failing<T>(name: &str, run: impl Future<Output = T>) -> T {
        if FILE.is_none() {
            return run.await;
        }
        let fail = async {
            loop {
                fail_as(name);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            value = run => value,
            () = fail => unreachable!("it has no end"),
        }
    }

    fn fail_as(name: &str) {
        assert!(asked().is_none_or(|chosen| chosen != name), "a test asked for it");
    }

    fn asked() -> Option<String> {
        std::fs::read_to_string(FILE.as_ref()?).ok()
    }
}
