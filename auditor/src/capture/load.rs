//! Loading the kernel programs: offsets and settings in, programs of the best tier attached, rings
//! and counters out.

use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};

use auditor_common::{
    counter::Counter,
    mapping::KEY_WORDS,
    offsets::FIELDS,
    record::{CONTROL_RING, MAX_RINGS},
    scope::{NAME_BYTES, PATH_BYTES},
};
use aya::{
    Btf, Ebpf, EbpfError, EbpfLoader,
    maps::{Array, ArrayOfMaps, HashMap, Map, MapData, MapError, PerCpuArray, RingBuf},
    programs::{BtfTracePoint, FEntry, FExit, ProgramError},
};
use thiserror::Error;

use super::{
    btf::{BtfError, KernelTypes, VMLINUX},
    kernel_symbols,
    object::Object,
    policy::Policies,
    probes::Probes,
    support::SocketTier,
};

/// Bytes of the control ring.
const CONTROL_RING_BYTES: u32 = 256 * 1024;

/// What the daemon tells the kernel programs once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Every process is in scope.
    pub node: bool,
    /// Most bytes captured of one call.
    pub max_call_bytes: u32,
    /// Most bytes captured of one message in one direction; 0: no limit.
    pub max_message_bytes: u32,
    /// Bytes of one data ring: a power of two, at least 64 KiB.
    pub ring_bytes: u32,
    /// Data rings: a power of two, at most 16.
    pub rings: u32,
    /// Socket hooks to use; `None` takes the best that loads.
    pub tier: Option<SocketTier>,
    /// The cgroup map will be used.
    pub cgroups: bool,
    /// Some processes are left out.
    pub excludes: bool,
    /// Selectors choose what is watched: the kernel side tells of every process.
    pub selects: bool,
}

impl Settings {
    /// For loading only, to see what the kernel takes: nothing is in scope, and little memory is used.
    pub const fn trial() -> Self {
        Self {
            node: false,
            max_call_bytes: 1 << 20,
            max_message_bytes: 1 << 20,
            ring_bytes: 1 << 18,
            rings: 1,
            tier: None,
            cgroups: false,
            excludes: false,
            selects: false,
        }
    }
}

#[derive(Debug, Error)]
pub enum LoadError {
    #[error(transparent)]
    Btf(#[from] BtfError),
    #[error("cannot read the kernel's type information: {0}")]
    AyaBtf(#[from] aya::BtfError),
    #[error(
        "the kernel refused the eBPF object: {0}; auditor needs CAP_BPF and CAP_PERFMON (run it as root, or see `auditor doctor`)"
    )]
    Object(#[from] EbpfError),
    #[error("the eBPF object has no {kind} named {name}; the build is broken")]
    Missing { kind: &'static str, name: String },
    #[error("cannot set up the map {name}: {source}")]
    Map { name: &'static str, source: MapError },
    #[error("no socket hook loads on this kernel ({0}); see `auditor doctor`")]
    NoSocketHook(String),
    #[error("the kernel refused the program {name}: {source}")]
    Program { name: String, source: ProgramError },
}

/// The loaded object. Dropping it detaches everything but the links that `probes` gave.
pub struct Kernel {
    pub(super) ebpf: Ebpf,
    pub(super) probes: Probes,
    /// Which programs they are.
    pub object: Object,
    /// The socket hooks in use.
    pub tier: SocketTier,
    /// Why better tiers were not used, for `doctor`.
    pub refused: Vec<(SocketTier, String)>,
    /// Whether mappings of files are told of, or why not.
    pub mappings: Result<(), String>,
    _rings: ArrayOfMaps<MapData>,
}

/// What the daemon tells the loaded programs while they run, and what they count.
pub struct Maps {
    counters: PerCpuArray<MapData, u64>,
    pub(super) tgids: HashMap<MapData, u32, u8>,
    pub(super) cgroups: HashMap<MapData, u64, u8>,
    pub(super) undecided: HashMap<MapData, u32, u8>,
    pub(super) excluded: HashMap<MapData, u32, u8>,
    pub(super) excluded_names: HashMap<MapData, [u8; NAME_BYTES], u8>,
    pub(super) excluded_paths: HashMap<MapData, [u8; PATH_BYTES], u8>,
    /// How much of single streams is read.
    pub policies: Policies,
}

/// The rings, to be handed to the threads that read them.
pub struct Rings {
    pub control: RingBuf<MapData>,
    pub data: Vec<RingBuf<MapData>>,
}

impl Rings {
    /// Descriptors to poll for forced wake-ups.
    pub fn control_fd(&self) -> RawFd {
        self.control.as_raw_fd()
    }
}

impl Kernel {
    /// Loads the object and attaches socket, connection and process hooks.
    ///
    /// # Errors
    /// Missing privileges, missing BTF, or a kernel that takes none of the socket tiers.
    pub fn load(settings: &Settings) -> Result<(Self, Maps, Rings), LoadError> {
        let (mut ebpf, object) = load_object(settings)?;
        let probes = Probes::new(object, &ebpf);
        let btf = Btf::from_sys_fs()?;
        let (rings, holder) = make_rings(&mut ebpf, settings)?;
        let maps = Maps {
            counters: typed(&mut ebpf, "COUNTERS", PerCpuArray::try_from)?,
            tgids: typed(&mut ebpf, "SCOPE_TGIDS", HashMap::try_from)?,
            cgroups: typed(&mut ebpf, "SCOPE_CGROUPS", HashMap::try_from)?,
            undecided: typed(&mut ebpf, "UNDECIDED", HashMap::try_from)?,
            excluded: typed(&mut ebpf, "EXCLUDED_TGIDS", HashMap::try_from)?,
            excluded_names: typed(&mut ebpf, "EXCLUDED_NAMES", HashMap::try_from)?,
            excluded_paths: typed(&mut ebpf, "EXCLUDED_PATHS", HashMap::try_from)?,
            policies: Policies {
                streams: typed(&mut ebpf, "POLICIES", HashMap::try_from)?,
                set: typed(&mut ebpf, "POLICIES_SET", Array::try_from)?,
                said: 0,
            },
        };

        for name in [
            "sched_process_fork",
            "sched_process_exec",
            "sched_process_exit",
            "inet_sock_set_state",
        ] {
            trace(&mut ebpf, &btf, name)?;
        }
        if settings.selects {
            trace(&mut ebpf, &btf, "cgroup_attach_task")?;
        }
        // A kernel without it is looked at by polling alone.
        let mappings = match object {
            Object::Full => trace(&mut ebpf, &btf, "vm_unmapped_area").map_err(|error| error_chain(&error)),
            // The program at the end of system calls does it.
            Object::Reduced => Ok(()),
        };
        let (tier, refused) = attach_sockets(&mut ebpf, &btf, object, settings.tier)?;
        Ok((
            Self {
                ebpf,
                probes,
                object,
                tier,
                refused,
                mappings,
                _rings: holder,
            },
            maps,
            rings,
        ))
    }

    /// The map of files that were looked at, once.
    ///
    /// # Errors
    /// When it was taken before.
    pub fn known_files(&mut self) -> Result<HashMap<MapData, [u64; KEY_WORDS], u8>, LoadError> {
        typed(&mut self.ebpf, "KNOWN_FILES", HashMap::try_from)
    }

    /// How often the kernel left a program out, because another run of it on that processor was under
    /// way (`recursion_misses`, kernel/bpf/trampoline.c): what moved then was not even counted.
    pub fn left_out(&self) -> u64 {
        let of_aya = self.ebpf.programs();
        of_aya
            .filter_map(|(_, program)| Some(program.fd().ok()?.as_fd().as_raw_fd()))
            .chain(self.probes.descriptors())
            .filter_map(|fd| {
                let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
                let line = text
                    .lines()
                    .find_map(|line| line.strip_prefix("recursion_misses:"))?;
                line.trim().parse::<u64>().ok()
            })
            .sum()
    }

    /// Gives memory that loading needed for a moment (type information, mostly) back to the system.
    pub fn trim_memory(&self) {
        // SAFETY: takes no pointers; glibc's allocator is thread-safe.
        #[cfg(target_env = "gnu")]
        unsafe {
            libc::malloc_trim(0)
        };
    }

    /// Runs a program at the end of every system call, from which calls of several messages are told apart. It costs
    /// each call of the machine some 50 ns, so it is there once a watched program needs it and not before.
    ///
    /// # Errors
    /// When the kernel refuses the program.
    pub fn see_messages_end(&mut self) -> Result<(), LoadError> {
        let btf = Btf::from_sys_fs()?;
        trace_at(&mut self.ebpf, &btf, "messages_end", "sys_exit")?;
        messages_end_is_seen(&mut self.ebpf)
    }

    /// Why probes are attached and taken out one by one, if they are.
    pub fn probes_are_single(&self) -> Option<&str> {
        match &self.probes {
            Probes::Multi(_) => None,
            Probes::Single { why, .. } => Some(why),
            Probes::Constant(_) => {
                Some("this kernel has no attach cookies, so that a program is loaded for each")
            }
        }
    }

    /// Detaches what is not a probe: with the probes gone before, nothing is counted or copied any more.
    pub fn detach(&mut self) {
        for (_, program) in self.ebpf.programs_mut() {
            use aya::programs::Program;
            match program {
                Program::BtfTracePoint(program) => drop(program.unload()),
                Program::FExit(program) => drop(program.unload()),
                Program::FEntry(program) => drop(program.unload()),
                _ => {}
            }
        }
    }
}

impl Maps {
    /// Sum over all CPUs of one counter, since loading.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.counters
            .get(&(counter as u32), 0)
            .map_or(0, |values| values.iter().sum())
    }
}

pub(super) fn load_object(settings: &Settings) -> Result<(Ebpf, Object), LoadError> {
    let types = KernelTypes::read(VMLINUX.as_ref())?;
    let object = Object::of(&types);
    let offsets = types.offsets(FIELDS)?;
    // One more than the value, so that 0 is: not there.
    let iterators = ["ITER_UBUF", "ITER_IOVEC", "ITER_KVEC", "ITER_BVEC"].map(|name| {
        (
            name,
            types.enumerator(name).map_or(0, |value| value.saturating_add(1)),
        )
    });
    let page_shift = match types.size("page") {
        Some(size) if size.is_power_of_two() => size.trailing_zeros(),
        _ => 0,
    };
    let [pages, memory] = kernel_symbols::addresses(["vmemmap_base", "page_offset_base"]);
    let own = std::process::id();
    let node = u32::from(settings.node);
    let cgroups = u32::from(settings.cgroups);
    let excludes = u32::from(settings.excludes);
    let selects = u32::from(settings.selects);
    let mut loader = EbpfLoader::new();
    for (name, offset) in &offsets {
        loader.override_global(name, offset, true);
    }
    for (name, value) in &iterators {
        loader.override_global(name, value, true);
    }
    loader
        .override_global("PAGE_STRUCT_SHIFT", &page_shift, true)
        .override_global("VMEMMAP_BASE", &pages, true)
        .override_global("PAGE_OFFSET_BASE", &memory, true)
        .override_global("OWN_TGID", &own, true)
        .override_global("SCOPE_NODE", &node, true)
        .override_global("SCOPE_CGROUPS_USED", &cgroups, true)
        .override_global("EXCLUDES_USED", &excludes, true)
        .override_global("SELECTS_USED", &selects, true)
        .override_global("DATA_RINGS", &settings.rings, true)
        .override_global("MAX_CALL_BYTES", &settings.max_call_bytes, true)
        .override_global("MAX_MESSAGE_BYTES", &settings.max_message_bytes, true)
        .override_global("RING_BYTES", &settings.ring_bytes, true);
    Ok((loader.load(object.bytes())?, object))
}

/// Creates the inner rings and puts them into the outer map.
fn make_rings(ebpf: &mut Ebpf, settings: &Settings) -> Result<(Rings, ArrayOfMaps<MapData>), LoadError> {
    let name = "RINGS";
    let map = |source| LoadError::Map { name, source };
    let mut holder: ArrayOfMaps<MapData> = typed(ebpf, name, ArrayOfMaps::try_from)?;
    let mut create = |index: u32, bytes: u32| -> Result<RingBuf<MapData>, LoadError> {
        let data = ring_map(bytes).map_err(map)?;
        holder.set(index, &data, 0).map_err(map)?;
        RingBuf::try_from(Map::RingBuf(data)).map_err(map)
    };
    let control = create(CONTROL_RING, CONTROL_RING_BYTES)?;
    let data = (1..=settings.rings.min(MAX_RINGS - 1))
        .map(|index| create(CONTROL_RING + index, settings.ring_bytes))
        .collect::<Result<_, _>>()?;
    Ok((Rings { control, data }, holder))
}

fn ring_map(bytes: u32) -> Result<MapData, MapError> {
    use aya_obj::maps::{LegacyMap, bpf_map_def};
    MapData::create(
        aya_obj::Map::Legacy(LegacyMap {
            def: bpf_map_def {
                map_type: aya_obj::generated::bpf_map_type::BPF_MAP_TYPE_RINGBUF as u32,
                max_entries: bytes,
                ..Default::default()
            },
            inner_def: None,
            section_index: 0,
            section_kind: aya_obj::EbpfSectionKind::Maps,
            symbol_index: None,
            data: Vec::new(),
        }),
        "ring",
        None,
    )
}

/// Tries the tiers in order of preference (or only the one asked for).
fn attach_sockets(
    ebpf: &mut Ebpf,
    btf: &Btf,
    object: Object,
    wanted: Option<SocketTier>,
) -> Result<(SocketTier, Vec<(SocketTier, String)>), LoadError> {
    let mut refused = Vec::new();
    for tier in SocketTier::ALL
        .into_iter()
        .filter(|tier| wanted.is_none_or(|wanted| wanted == *tier))
    {
        if object == Object::Reduced && tier != SocketTier::Syscall {
            refused.push((tier, "not on kernels before 5.17".to_owned()));
            continue;
        }
        match attach_tier(ebpf, btf, tier) {
            Ok(()) => return Ok((tier, refused)),
            Err(error) => {
                detach_tier(ebpf, tier);
                refused.push((tier, error_chain(&error)));
            }
        }
    }
    let reasons: Vec<String> = refused
        .iter()
        .map(|(tier, why)| format!("{}: {why}", tier.name()))
        .collect();
    Err(LoadError::NoSocketHook(reasons.join("; ")))
}

fn attach_tier(ebpf: &mut Ebpf, btf: &Btf, tier: SocketTier) -> Result<(), LoadError> {
    for name in tier.programs() {
        match tier {
            SocketTier::Fexit => after(ebpf, btf, name, name)?,
            SocketTier::Tracepoint | SocketTier::Syscall => trace(ebpf, btf, name)?,
        }
    }
    let mut ends = 0;
    for name in tier.optional_programs() {
        let function = function_of(name);
        let attached = if name.ends_with("_given") {
            before(ebpf, btf, name, function)
        } else {
            after(ebpf, btf, name, function)
        };
        match attached {
            Ok(()) => ends += u32::from(name.ends_with("mmsg_end")),
            Err(error) => {
                tracing::debug!(program = name, why = %error_chain(&error), "not on this kernel");
            }
        }
    }
    if ends == 2 {
        messages_end_is_seen(ebpf)?;
    }
    Ok(())
}

/// The kernel function a program runs with.
pub(super) fn function_of(program: &str) -> &str {
    match program {
        "messages_end" => "sys_exit",
        "sendmmsg_end" => "__x64_sys_sendmmsg",
        "recvmmsg_end" => "__x64_sys_recvmmsg",
        name => name.strip_suffix("_given").unwrap_or(name),
    }
}

/// Tells the kernel side that a program runs at the end of each call of several messages.
fn messages_end_is_seen(ebpf: &mut Ebpf) -> Result<(), LoadError> {
    let name = "MESSAGES_END";
    let failed = |source| LoadError::Map { name, source };
    let map = ebpf.map_mut(name).ok_or_else(|| LoadError::Missing {
        kind: "map",
        name: name.to_owned(),
    })?;
    let mut map: Array<_, u32> = map.try_into().map_err(failed)?;
    map.set(0, 1, 0).map_err(failed)
}

/// Loads and attaches a program that runs when a kernel function returns.
fn after(ebpf: &mut Ebpf, btf: &Btf, name: &str, function: &str) -> Result<(), LoadError> {
    let failed = |source| LoadError::Program {
        name: name.to_owned(),
        source,
    };
    let program: &mut FExit = program(ebpf, name)?.try_into().map_err(failed)?;
    program.load(function, btf).map_err(failed)?;
    program.attach().map_err(failed)?;
    Ok(())
}

/// Loads and attaches a program that runs when a kernel function is called.
fn before(ebpf: &mut Ebpf, btf: &Btf, name: &str, function: &str) -> Result<(), LoadError> {
    let failed = |source| LoadError::Program {
        name: name.to_owned(),
        source,
    };
    let program: &mut FEntry = program(ebpf, name)?.try_into().map_err(failed)?;
    program.load(function, btf).map_err(failed)?;
    program.attach().map_err(failed)?;
    Ok(())
}

fn detach_tier(ebpf: &mut Ebpf, tier: SocketTier) {
    for name in tier.programs().iter().chain(tier.optional_programs()) {
        match ebpf.program_mut(name) {
            Some(aya::programs::Program::FExit(program)) => drop(program.unload()),
            Some(aya::programs::Program::FEntry(program)) => drop(program.unload()),
            Some(aya::programs::Program::BtfTracePoint(program)) => drop(program.unload()),
            _ => {}
        }
    }
}

fn trace(ebpf: &mut Ebpf, btf: &Btf, name: &str) -> Result<(), LoadError> {
    trace_at(ebpf, btf, name, name)
}

/// Loads and attaches a program to a tracepoint of another name.
fn trace_at(ebpf: &mut Ebpf, btf: &Btf, name: &str, tracepoint: &str) -> Result<(), LoadError> {
    let failed = |source| LoadError::Program {
        name: name.to_owned(),
        source,
    };
    let program: &mut BtfTracePoint = program(ebpf, name)?.try_into().map_err(failed)?;
    program.load(tracepoint, btf).map_err(failed)?;
    program.attach().map_err(failed)?;
    Ok(())
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut aya::programs::Program, LoadError> {
    ebpf.program_mut(name).ok_or_else(|| LoadError::Missing {
        kind: "program",
        name: name.to_owned(),
    })
}

fn typed<T>(
    ebpf: &mut Ebpf,
    name: &'static str,
    convert: impl FnOnce(Map) -> Result<T, MapError>,
) -> Result<T, LoadError> {
    let map = ebpf.take_map(name).ok_or_else(|| LoadError::Missing {
        kind: "map",
        name: name.to_owned(),
    })?;
    convert(map).map_err(|source| LoadError::Map { name, source })
}

/// The last lines of an error and its sources, without the verifier's log.
pub(super) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let next = inner.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        source = inner.source();
    }
    // The verifier's log runs to megabytes: keep its verdict; `RUST_LOG=debug` shows its end.
    if let Some(at) = text.find(" Verifier output:") {
        let tail = text
            .char_indices()
            .rev()
            .nth(6000)
            .map_or(at, |(start, _)| start.max(at));
        tracing::debug!(log = &text[tail..], "the verifier refused a program");
        let statistics = ["verification time", "stack depth", "processed", "mark_"];
        let verdict = text[at..]
            .lines()
            .rfind(|line| !line.is_empty() && !statistics.iter().any(|word| line.starts_with(word)))
            .map(|line| format!(" The verifier says: {line}"));
        text.truncate(at);
        text.extend(verdict);
    }
    text
}
