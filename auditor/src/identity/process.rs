//! Processes of this host, by id *and* start time, remembered for a while after they ended: their last records may
//! still be on the way.
//!
//! Goes in: the id of a process, and when it did something. Comes out: what `/proc` says of it ([`ProcessInfo`]). A
//! number that was given to another process never brings the name of the one before: each keeps its own, told apart by
//! its start.

mod read;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use auditor_common::record::Program;
use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};

pub use read::parse_stat;

use super::{cgroup::CgroupIdentity, container::Containers};

/// Most process ids remembered.
const CAPACITY: usize = 16_384;

/// Most processes remembered that had one id.
const MOST_OF_AN_ID: usize = 4;

/// How long an ended process is remembered.
const AFTERLIFE: Duration = Duration::from_secs(30);

/// How long an id is taken to be the same process's.
const SAME: Duration = Duration::from_millis(100);

/// How long what was read of a living process is taken as true.
const TRUE_FOR: Duration = Duration::from_secs(1);

/// How long the kernel side's records of processes may take; they are asked for every few milliseconds.
const LATEST: Duration = Duration::from_millis(200);

/// Ticks of `/proc` in a second (`USER_HZ`; 100 on every processor that Linux and auditor have in common).
const TICKS: u64 = 100;

/// What is known of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessInfo {
    pub pid: u32,
    /// When it started, ticks of a hundredth of a second since the boot; `None` where `/proc` did not say.
    pub start: Option<u64>,
    pub exe: Option<String>,
    pub comm: Option<String>,
    /// Its effective user, as the host counts them.
    pub uid: Option<u32>,
    /// That user's name; `None` in containers, whose users the host has no names for.
    pub user: Option<String>,
    /// Inode number of its network namespace.
    pub netns: Option<u64>,
    /// The path that [`ProcessInfo::cgroup`] was read from.
    pub cgroup_path: Option<String>,
    pub cgroup: CgroupIdentity,
}

impl ProcessInfo {
    /// What `/proc` says now.
    pub fn read(pid: u32) -> Self {
        read::process(pid)
    }

    /// When it started, by the wall clock; to a hundredth of a second.
    pub fn started(&self) -> Option<Timestamp> {
        let since = SignedDuration::from_millis(
            i64::try_from(self.start?)
                .ok()?
                .checked_mul(1000 / TICKS as i64)?,
        );
        booted().checked_add(since).ok()
    }
}

/// The processes seen so far. Shared by all threads.
#[derive(Default)]
pub struct Processes {
    known: Mutex<HashMap<u32, Vec<Known>>>,
    /// Until when the kernel side's records were told; `None` where nobody tells.
    told: (Mutex<Option<u64>>, Condvar),
    /// Where containers are asked about as soon as a process of theirs is seen.
    containers: Option<Arc<Containers>>,
}

/// Whether `/proc` said what a process runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proc {
    Said,
    /// It has ended; its parent may not have asked for it yet.
    Silent,
}

/// One process; those that had the same id are in the order of their starts.
struct Known {
    info: Arc<ProcessInfo>,
    ended: Option<Instant>,
    /// When its id was last seen to be its own.
    checked: Instant,
    /// When it was read; `None` where it is known by its parent only.
    read: Option<Instant>,
}

impl Processes {
    /// Processes whose containers are asked about at once.
    pub fn asking(containers: Option<Arc<Containers>>) -> Self {
        Self {
            containers,
            ..Self::default()
        }
    }

    /// What is known of the process that has this id now, or had it last; looks it up when it is new.
    pub fn of(&self, pid: u32) -> Arc<ProcessInfo> {
        self.refresh(pid);
        self.at_tick(pid, u64::MAX)
    }

    /// The process that had this id when something was recorded (`CLOCK_MONOTONIC`, nanoseconds).
    /// A time of 0 is none.
    ///
    /// Of one that has ended only the kernel's records tell what it was: they are waited for, for as long as they may
    /// take.
    pub fn at(&self, pid: u32, time_ns: u64) -> Arc<ProcessInfo> {
        if time_ns == 0 {
            return self.of(pid);
        }
        if self.refresh(pid) == Proc::Silent {
            self.wait_until_told(time_ns);
        }
        self.at_tick(pid, tick_of(time_ns))
    }

    fn at_tick(&self, pid: u32, tick: u64) -> Arc<ProcessInfo> {
        let known = self.lock();
        let all = known.get(&pid).into_iter().flatten();
        let started_by_then = |known: &&Known| {
            known
                .info
                .start
                .is_none_or(|start| start <= tick.saturating_add(1))
        };
        let found = all
            .rev()
            .find(started_by_then)
            .map(|known| Arc::clone(&known.info));
        // Who had the number before is gone and was never seen: nobody is better than somebody else.
        found.unwrap_or_else(|| {
            Arc::new(ProcessInfo {
                pid,
                ..ProcessInfo::default()
            })
        })
    }

    /// All that the kernel side recorded of processes until then (`CLOCK_MONOTONIC`, nanoseconds) was told.
    pub fn told_until(&self, time_ns: u64) {
        let (told, changed) = &self.told;
        *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(time_ns);
        changed.notify_all();
    }

    fn wait_until_told(&self, time_ns: u64) {
        let (told, changed) = &self.told;
        let told = told.lock().unwrap_or_else(PoisonError::into_inner);
        // Late or not, the bytes have to go on.
        drop(changed.wait_timeout_while(told, LATEST, |told| told.is_some_and(|until| until < time_ns)));
    }

    /// Reads again what may have changed: another process may have the number, the same one another user.
    fn refresh(&self, pid: u32) -> Proc {
        let last = self.lock().get(&pid).and_then(|all| all.last()).and_then(|last| {
            let is_true = last.read.is_some_and(|read| read.elapsed() < TRUE_FOR);
            // A child that nobody read may be another program by now.
            let is_same = last.read.is_some() && last.checked.elapsed() < SAME;
            last.ended
                .is_none()
                .then_some((is_same, is_true, last.info.start))
        });
        match last {
            Some((true, ..)) => Proc::Said,
            Some((false, true, start)) if start.is_some() && read::start(pid) == start => {
                if let Some(last) = self.lock().get_mut(&pid).and_then(|all| all.last_mut()) {
                    last.checked = Instant::now();
                }
                Proc::Said
            }
            _ => self.look_up(pid),
        }
    }

    /// Looks `pid` up again: it is new, or became another program. What can not be read any more is kept from before.
    pub fn learn(&self, pid: u32) -> Arc<ProcessInfo> {
        self.look_up(pid);
        self.lock()
            .get(&pid)
            .and_then(|all| all.last())
            .map(|last| Arc::clone(&last.info))
            .unwrap_or_default()
    }

    fn look_up(&self, pid: u32) -> Proc {
        let fresh = read::process(pid);
        let said = if fresh.exe.is_none() && read::is_over(pid) {
            Proc::Silent
        } else {
            Proc::Said
        };
        if let (Some(containers), Some(id)) = (&self.containers, fresh.cgroup.runtime_id()) {
            containers.ask(id);
        }
        let mut known = self.lock();
        if known.len() >= CAPACITY && !known.contains_key(&pid) {
            evict(&mut known);
        }
        let all = known.entry(pid).or_default();
        let now = Instant::now();
        match all.last_mut() {
            // It has ended: what is known of it stays.
            Some(last) if fresh.start.is_none() => {
                last.ended.get_or_insert(now);
            }
            Some(last) if last.info.start == fresh.start => {
                (last.checked, last.read) = (now, Some(now));
                // One that is ending has its number still, and nothing else.
                let is_ending = fresh.exe.is_none() && last.info.exe.is_some();
                if !is_ending && *last.info != fresh {
                    last.info = Arc::new(fresh);
                }
            }
            _ => add(all, fresh, Some(now)),
        }
        said
    }

    /// A child begins as a copy of its parent; the kernel says so before the child runs, at this time
    /// (`CLOCK_MONOTONIC`, nanoseconds).
    pub fn forked(&self, parent: u32, child: u32, time_ns: u64) {
        let start = read::start(child).unwrap_or_else(|| tick_of(time_ns));
        self.refresh(parent);
        let parent = self.at_tick(parent, tick_of(time_ns));
        let mut known = self.lock();
        if known.len() >= CAPACITY && !known.contains_key(&child) {
            evict(&mut known);
        }
        let all = known.entry(child).or_default();
        if all
            .last()
            .is_some_and(|last| last.info.start.is_some_and(|known| known >= start))
        {
            // A thread that reads records was faster, and asked /proc.
            return;
        }
        let info = ProcessInfo {
            pid: child,
            start: Some(start),
            ..ProcessInfo::clone(&parent)
        };
        add(all, info, None);
    }

    /// It became another program; the kernel says so as it happens. `/proc` says more, for as long as it lives: what ends
    /// before that was read has the name and the path that the kernel told, and never those of its parent.
    pub fn executed(&self, pid: u32, time_ns: u64, program: &Program) {
        let tick = tick_of(time_ns);
        let mut known = self.lock();
        let Some(last) = known.get_mut(&pid).and_then(|all| all.last_mut()) else {
            // It is new, and looked up next.
            return;
        };
        // The number's next owner was seen already.
        if last
            .info
            .start
            .is_some_and(|start| start > tick.saturating_add(1))
        {
            return;
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        last.info = Arc::new(ProcessInfo {
            exe: program.path().map(text),
            comm: Some(text(program.name())),
            ..ProcessInfo::clone(&last.info)
        });
        last.read = None;
    }

    /// The process ended; it is forgotten after a while.
    pub fn ended(&self, pid: u32) {
        if let Some(last) = self.lock().get_mut(&pid).and_then(|all| all.last_mut()) {
            last.ended.get_or_insert_with(Instant::now);
        }
    }

    /// Forgets processes that ended a while ago.
    pub fn sweep(&self) {
        self.lock().retain(|_, all| {
            all.retain(|known| known.ended.is_none_or(|ended| ended.elapsed() < AFTERLIFE));
            !all.is_empty()
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Vec<Known>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds the process that has the number now; the one before it has ended.
fn add(all: &mut Vec<Known>, info: ProcessInfo, read: Option<Instant>) {
    let now = Instant::now();
    if let Some(before) = all.last_mut() {
        before.ended.get_or_insert(now);
    }
    if all.len() >= MOST_OF_AN_ID {
        all.remove(0);
    }
    all.push(Known {
        info: Arc::new(info),
        ended: None,
        checked: now,
        read,
    });
}

/// Makes room: ended processes first, else all (they are looked up again when needed).
fn evict(known: &mut HashMap<u32, Vec<Known>>) {
    known.retain(|_, all| {
        all.retain(|known| known.ended.is_none());
        !all.is_empty()
    });
    if known.len() >= CAPACITY {
        known.clear();
    }
}

/// When the host was booted. Taken once, so that a process keeps its start when the wall clock is set.
fn booted() -> Timestamp {
    static BOOTED: OnceLock<Timestamp> = OnceLock::new();
    *BOOTED.get_or_init(|| {
        let up = clock_gettime(ClockId::Boottime);
        let up = SignedDuration::new(up.tv_sec, i32::try_from(up.tv_nsec).unwrap_or(0));
        Timestamp::now().checked_sub(up).unwrap_or(Timestamp::UNIX_EPOCH)
    })
}

/// The tick of `/proc` in which a time of the records' clock lies. That clock stands still while the host sleeps.
fn tick_of(time_ns: u64) -> u64 {
    let nanoseconds = |clock| {
        let time = clock_gettime(clock);
        u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
    };
    let asleep = nanoseconds(ClockId::Boottime).saturating_sub(nanoseconds(ClockId::Monotonic));
    time_ns.saturating_add(asleep) / (1_000_000_000 / TICKS)
}
