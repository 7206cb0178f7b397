//! Processes that selectors choose, as they come, change and go.
//!
//! Goes in: what the kernel tells of every process, and what becomes known of containers and pods. Comes out: what the
//! kernel side watches. A process is out of scope until it is certain that it is chosen; what it moves meanwhile is
//! counted and not read. A decision is put in force only if the process is still what was decided about: the kernel side
//! makes it void when the process runs another program or is put into another cgroup.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use auditor_common::scope::MAX_TGIDS;

use crate::{
    capture::{clock, load::Maps, scope},
    identity::{
        cgroup, local_end,
        names::{Named, Names},
        process::{ProcessInfo, Processes},
        selector::choice::{Choice, Verdict},
    },
    report::finding::IdentifiedBy,
    serve::metrics::Metrics,
};

use super::Shared;

/// How often processes are judged again while new answers come: those that wait for one, and all.
const AGAIN_UNDECIDED: Duration = Duration::from_millis(10);
const AGAIN: Duration = Duration::from_millis(200);

/// By what the kernel side knows what is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// By cgroups, where all of the host's are of v2, else by processes.
    #[default]
    Best,
    /// By processes alone.
    Processes,
    /// By cgroups of v2, also beside v1.
    Cgroups,
}

/// What the kernel side was told of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Process,
    /// The id of its cgroup.
    Cgroup(u64),
}

struct Entry {
    info: Arc<ProcessInfo>,
    verdict: Verdict,
    /// Undecided, and someone was asked.
    is_pending: bool,
    told: Told,
    /// When it became what it is, on the clock of records; 0: before the capture.
    since_ns: u64,
}

/// What a process is judged by, and what it came to.
type Judged = HashMap<(Option<String>, Option<String>), (Verdict, bool)>;

/// What changed: processes that are watched from now on, and that no longer are.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) watched: Vec<u32>,
    pub(super) left: Vec<u32>,
}

pub(super) struct Chooser {
    choice: Choice,
    names: Names,
    metrics: Arc<Metrics>,
    processes: HashMap<u32, Entry>,
    /// Where cgroups are, if they tell what is chosen.
    mount: Option<PathBuf>,
    asks_program: bool,
    answers: u64,
    judged: Instant,
    judged_all: Instant,
    /// Answers came that not every process was judged by.
    is_behind: bool,
}

impl Chooser {
    pub(super) fn new(choice: Choice, by: By, shared: &Shared) -> Self {
        let mount = match by {
            By::Best => scope::unified_mount(),
            By::Processes => None,
            By::Cgroups => scope::cgroup2_mount(),
        };
        let now = Instant::now();
        Self {
            asks_program: choice.asks_program(),
            choice,
            names: shared.naming.names.clone(),
            metrics: Arc::clone(&shared.metrics),
            processes: HashMap::new(),
            mount,
            answers: 0,
            judged: now,
            judged_all: now,
            is_behind: false,
        }
    }

    /// Judges a process that is new, or became something else.
    pub(super) fn look_at(
        &mut self,
        pid: u32,
        since_ns: u64,
        maps: &mut Maps,
        processes: &Processes,
    ) -> Verdict {
        let info = processes.learn(pid);
        if info.start.is_none() || pid == std::process::id() {
            self.gone(pid, maps);
            return Verdict::Left;
        }
        let is_new = !self.processes.contains_key(&pid);
        if is_new && self.processes.len() >= MAX_TGIDS as usize {
            return Verdict::Undecided;
        }
        let entry = self.processes.entry(pid).or_insert_with(|| Entry {
            info: Arc::clone(&info),
            verdict: Verdict::Undecided,
            is_pending: true,
            told: Told::Nothing,
            since_ns,
        });
        if *entry.info != *info {
            // What it was told of the one before is void.
            let told = std::mem::replace(&mut entry.told, Told::Nothing);
            entry.info = info;
            entry.verdict = Verdict::Undecided;
            if told == Told::Process {
                maps.leave_process(pid);
            }
        }
        entry.since_ns = since_ns;
        self.judge(pid, true, maps, &mut Judged::new())
    }

    /// A child is what its parent is, until it runs another program; the kernel side has seen to that.
    pub(super) fn forked(
        &mut self,
        parent: u32,
        child: u32,
        since_ns: u64,
        maps: &mut Maps,
        processes: &Processes,
    ) -> Verdict {
        let Some(entry) = self.processes.get(&parent) else {
            return self.look_at(child, since_ns, maps, processes);
        };
        if self.processes.len() >= MAX_TGIDS as usize {
            return Verdict::Undecided;
        }
        let (verdict, told, is_pending) = (entry.verdict, entry.told, entry.is_pending);
        if verdict == Verdict::Watched && told == Told::Process && !maps.is_marked(child) {
            // It was forked before its parent was chosen, or into another cgroup.
            return self.look_at(child, since_ns, maps, processes);
        }
        let entry = Entry {
            info: Arc::clone(&entry.info),
            verdict,
            is_pending,
            told,
            since_ns,
        };
        if verdict == Verdict::Undecided {
            maps.set_undecided(child, true);
        }
        self.processes.insert(child, entry);
        verdict
    }

    /// A process has ended. True if it was watched.
    pub(super) fn gone(&mut self, pid: u32, maps: &mut Maps) -> bool {
        let Some(entry) = self.processes.remove(&pid) else {
            return false;
        };
        if entry.told == Told::Process {
            maps.leave_process(pid);
        }
        if entry.verdict == Verdict::Undecided {
            maps.set_undecided(pid, false);
        }
        entry.verdict == Verdict::Watched
    }

    /// Processes of which it is not decided whether they are watched; with those only that someone was asked about.
    pub(super) fn undecided(&self) -> (usize, usize) {
        let undecided = self
            .processes
            .values()
            .filter(|entry| entry.verdict == Verdict::Undecided);
        undecided.fold((0, 0), |(all, pending), entry| {
            (all + 1, pending + usize::from(entry.is_pending))
        })
    }

    /// Processes that are watched.
    pub(super) fn watched(&self) -> impl Iterator<Item = u32> {
        self.processes
            .iter()
            .filter(|(_, entry)| entry.verdict == Verdict::Watched)
            .map(|(pid, _)| *pid)
    }

    /// Judges again what new answers may be about. Call it as often as there is time.
    pub(super) fn again(&mut self, maps: &mut Maps) -> Changes {
        let answers = self.names.answers();
        let is_news = std::mem::replace(&mut self.answers, answers) != answers;
        self.is_behind |= is_news;
        let (all, some) = (
            self.judged_all.elapsed() >= AGAIN,
            self.judged.elapsed() >= AGAIN_UNDECIDED,
        );
        if !self.is_behind || !some {
            return Changes::default();
        }
        self.judged = Instant::now();
        if all {
            self.judged_all = self.judged;
            self.is_behind = false;
        }
        let may_change = |entry: &Entry| {
            let cgroup = &entry.info.cgroup;
            let is_named = cgroup.container_id.is_some() || cgroup.pod_uid.is_some();
            is_named && (all || entry.is_pending)
        };
        let pids = self.processes.iter().filter(|(_, entry)| may_change(entry));
        let pids: Vec<u32> = pids.map(|(pid, _)| *pid).collect();
        let mut judged = Judged::new();
        let mut changes = Changes::default();
        for pid in pids {
            let before = self.processes.get(&pid).map(|entry| entry.verdict);
            match (before, self.judge(pid, false, maps, &mut judged)) {
                (Some(before), after) if before == after => {}
                (_, Verdict::Watched) => changes.watched.push(pid),
                (Some(Verdict::Watched), _) => changes.left.push(pid),
                _ => {}
            }
        }
        changes
    }

    /// Looks for processes that nothing was told of, and for those that are not there any more.
    pub(super) fn search(&mut self, told_all: bool, maps: &mut Maps, processes: &Processes) -> Changes {
        let mut changes = Changes::default();
        let alive: HashSet<u32> = scope::all_processes().into_iter().collect();
        let gone: Vec<u32> = self
            .processes
            .keys()
            .filter(|pid| !alive.contains(pid))
            .copied()
            .collect();
        for pid in gone {
            if self.gone(pid, maps) {
                changes.left.push(pid);
            }
        }
        for pid in alive {
            let before = self.processes.get(&pid);
            let is_lost = before.is_some_and(|entry| entry.told == Told::Process && !maps.is_marked(pid));
            if before.is_some() && told_all && !is_lost {
                continue;
            }
            let before = before.map(|entry| entry.verdict);
            match (before, self.look_at(pid, 0, maps, processes)) {
                (Some(Verdict::Watched), Verdict::Watched) => {}
                (_, Verdict::Watched) => changes.watched.push(pid),
                (Some(Verdict::Watched), _) => changes.left.push(pid),
                _ => {}
            }
        }
        self.forget_cgroups(maps);
        changes
    }

    /// Takes out cgroups that nobody is in any more.
    fn forget_cgroups(&self, maps: &mut Maps) {
        let told = self.processes.values().filter_map(|entry| match entry.told {
            Told::Cgroup(id) => Some(id),
            _ => None,
        });
        let used: HashSet<u64> = told.collect();
        for id in maps.chosen_cgroups() {
            if !used.contains(&id) {
                maps.leave_cgroup(id);
            }
        }
    }

    /// Brings metrics up to date.
    pub(super) fn draw(&self) {
        let (undecided, _) = self.undecided();
        let watched = self.watched().count();
        for (state, count) in [
            ("watched", watched),
            ("undecided", undecided),
            ("left", self.processes.len() - watched - undecided),
        ] {
            self.metrics.set_scope_processes(state, count);
        }
    }

    /// Decides about a process that is known, and puts that in force; of one that `is_new` the kernel side may have
    /// forgotten what it was told.
    fn judge(&mut self, pid: u32, is_new: bool, maps: &mut Maps, judged: &mut Judged) -> Verdict {
        let Some(entry) = self.processes.get_mut(&pid) else {
            return Verdict::Left;
        };
        let info = &entry.info;
        let key = (
            info.cgroup_path.clone(),
            self.asks_program.then(|| info.exe.clone()).flatten(),
        );
        let (verdict, is_pending) = *judged.entry(key).or_insert_with(|| {
            let mut end = local_end(info, None, IdentifiedBy::Cgroup);
            let (named, certain) = self.names.name_with_certainty(&mut end);
            // A process without a program is the kernel's own.
            let verdict = match info.exe {
                Some(_) => self.choice.judge(&end, certain),
                None => Verdict::Left,
            };
            (verdict, verdict == Verdict::Undecided && named == Named::Pending)
        });
        let before = std::mem::replace(&mut entry.verdict, verdict);
        entry.is_pending = is_pending;
        match verdict {
            Verdict::Watched if is_new || before != Verdict::Watched => {
                entry.told = watch(pid, entry, self.mount.as_deref(), self.asks_program, maps);
                if entry.told == Told::Nothing {
                    entry.verdict = Verdict::Undecided;
                } else if before != Verdict::Watched && entry.since_ns != 0 {
                    let took = clock::monotonic_ns().saturating_sub(entry.since_ns);
                    self.metrics.chosen_after(Duration::from_nanos(took));
                }
            }
            Verdict::Watched => {}
            Verdict::Left | Verdict::Undecided => match std::mem::replace(&mut entry.told, Told::Nothing) {
                Told::Process => maps.leave_process(pid),
                Told::Cgroup(id) => maps.leave_cgroup(id),
                Told::Nothing => {}
            },
        }
        // The kernel side has it as undecided from its exec on.
        let is_undecided = entry.verdict == Verdict::Undecided;
        if is_undecided || before == Verdict::Undecided {
            maps.set_undecided(pid, is_undecided);
        }
        entry.verdict
    }
}

/// Has the kernel side watch a process, unless it has become something else.
fn watch(
    pid: u32,
    entry: &Entry,
    mount: Option<&std::path::Path>,
    by_program: bool,
    maps: &mut Maps,
) -> Told {
    if let (false, Some(mount)) = (by_program, mount)
        && let Some(id) = cgroup_of(pid, &entry.info, mount)
        && maps.choose_cgroup(id).is_ok()
    {
        if entry.told == Told::Process {
            maps.leave_process(pid);
        }
        return Told::Cgroup(id);
    }
    let is_still = || {
        let now = ProcessInfo::read(pid);
        let same = |info: &ProcessInfo| (info.start, info.exe.clone(), info.cgroup.clone());
        same(&now) == same(&entry.info)
    };
    match maps.choose_process(pid, by_program, is_still) {
        Ok(true) => Told::Process,
        Ok(false) => Told::Nothing,
        Err(error) => {
            tracing::warn!(pid, %error, "a process can not be watched");
            Told::Nothing
        }
    }
}

/// The id of the cgroup of v2 that a process is in, if it is what it is named by.
fn cgroup_of(pid: u32, info: &ProcessInfo, mount: &std::path::Path) -> Option<u64> {
    let path = cgroup::v2_path_of(pid)?;
    let relative = path.strip_prefix('/')?;
    let is_plain = !relative.is_empty() && relative.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !is_plain || cgroup::parse(&path) != info.cgroup {
        return None;
    }
    scope::cgroup_id(&mount.join(relative)).ok()
}
