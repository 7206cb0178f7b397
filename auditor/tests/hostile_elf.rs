//! Files that pose as a TLS library: whatever a watched program maps under that name is refused or
//! read without a panic, in bounded time and memory.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock, mpsc},
    time::{Duration, Instant},
};

use auditor::capture::{
    elf::{Elf, ElfError},
    tls::{self, Target},
};
use tempfile::TempDir;

/// What a look at one file may take; a real library takes some milliseconds.
const SOON: Duration = Duration::from_secs(30);

/// Offsets of fields in the ELF header and in a section header (elf(5), 64 bits).
const E_PHOFF: u64 = 32;
const E_SHOFF: u64 = 40;
const E_PHNUM: u64 = 56;
const E_SHENTSIZE: u64 = 58;
const E_SHNUM: u64 = 60;
const E_SHSTRNDX: u64 = 62;
const SH_TYPE: u64 = 4;
const SH_ADDRESS: u64 = 16;
const SH_OFFSET: u64 = 24;
const SH_SIZE: u64 = 32;
const SH_LINK: u64 = 40;
const SH_LEN: u64 = 64;

/// Held by those who look at a file; by one alone who measures the memory of the process meanwhile.
static LOOKING: RwLock<()> = RwLock::new(());

fn look(path: &Path) -> Result<Vec<Target>, ElfError> {
    let _others_look_too = LOOKING.read().unwrap_or_else(PoisonError::into_inner);
    look_in_time(path)
}

/// Looks at a file, and returns how many bytes more the process had resident meanwhile, at most.
fn look_alone(path: &Path) -> (Result<Vec<Target>, ElfError>, u64) {
    let _alone = LOOKING.write().unwrap_or_else(PoisonError::into_inner);
    // Makes what is resident now the most there ever was (proc_pid_clear_refs(5)).
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = peak_memory();
    let found = look_in_time(path);
    // The kernel counts pages by processor and is some pages off (lib/percpu_counter.c), so the most can be less than before.
    (found, peak_memory().saturating_sub(before))
}

/// Looks at a file in another thread, so that a look that never ends fails the test.
fn look_in_time(path: &Path) -> Result<Vec<Target>, ElfError> {
    let (sender, answer) = mpsc::channel();
    let (path, shown) = (path.to_owned(), path.display().to_string());
    let start = Instant::now();
    std::thread::spawn(move || {
        let found = Elf::open(&path).and_then(|elf| tls::find(&elf));
        let _ = sender.send(found);
    });
    let found = answer.recv_timeout(SOON);
    found.unwrap_or_else(|error| panic!("{shown}: {error} after {:?}", start.elapsed()))
}

fn real_library() -> Vec<u8> {
    ["/usr/lib/x86_64-linux-gnu/libssl.so.3", "/usr/lib64/libssl.so.3"]
        .iter()
        .find_map(|path| fs::read(path).ok())
        .expect("OpenSSL 3 is installed by `cargo xtask setup`")
}

fn number(bytes: &[u8], at: u64, width: usize) -> u64 {
    let mut word = [0; 8];
    word[..width].copy_from_slice(&bytes[at as usize..at as usize + width]);
    u64::from_le_bytes(word)
}

/// A copy of the real library, changed by `change`.
fn changed(folder: &TempDir, change: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
    let mut bytes = real_library();
    change(&mut bytes);
    let path = folder.path().join("libssl.so.3");
    fs::write(&path, bytes).unwrap();
    path
}

fn put(bytes: &mut [u8], at: u64, value: u64, width: usize) {
    bytes[at as usize..at as usize + width].copy_from_slice(&value.to_le_bytes()[..width]);
}

/// Where the section headers begin, and how many there are.
fn sections(bytes: &[u8]) -> (u64, u64) {
    (number(bytes, E_SHOFF, 8), number(bytes, E_SHNUM, 2))
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let folder = TempDir::new().unwrap();
    let directory = folder.path().join("libssl.so.1");
    fs::create_dir(&directory).unwrap();
    let fifo = folder.path().join("libssl.so.2");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        0o600.into(),
        0,
    )
    .unwrap();
    for path in [&directory, &fifo, Path::new("/dev/zero")] {
        let error = look(path).unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
    }
    let nothing = folder.path().join("libssl.so.3");
    assert!(matches!(look(&nothing), Err(ElfError::Open { .. })));
}

#[test]
fn an_empty_file_and_one_that_is_no_elf_are_refused() {
    let folder = TempDir::new().unwrap();
    for (name, content) in [
        ("empty", ""),
        ("magic", "\x7fELF"),
        ("script", "#!/bin/sh\nexit 0\n"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        assert!(matches!(look(&path), Err(ElfError::Parse { .. })), "{name}");
    }
}

#[test]
fn a_library_cut_at_any_boundary_is_refused_or_has_places_within_it() {
    let folder = TempDir::new().unwrap();
    let whole = real_library();
    let (headers, count) = sections(&whole);
    let segments = number(&whole, E_PHOFF, 8);
    let mut cuts = vec![
        4,
        16,
        63,
        64,
        segments,
        segments + 56 * number(&whole, E_PHNUM, 2),
    ];
    for index in 0..count {
        let header = headers + index * SH_LEN;
        let offset = number(&whole, header + SH_OFFSET, 8);
        cuts.extend([header, offset, offset + number(&whole, header + SH_SIZE, 8)]);
    }
    for cut in cuts.iter().flat_map(|cut| [cut.saturating_sub(1), *cut, cut + 1]) {
        let length = cut.min(whole.len() as u64);
        let path = changed(&folder, |bytes| bytes.truncate(length as usize));
        match look(&path) {
            Ok(targets) => assert!(
                targets.iter().all(|target| target.file_offset < length),
                "{length}"
            ),
            Err(error) => assert!(matches!(error, ElfError::Parse { .. }), "{length}: {error}"),
        }
    }
}

#[test]
fn header_fields_that_lie_are_refused_or_read_in_bounded_time() {
    let folder = TempDir::new().unwrap();
    let fields = [
        (E_PHOFF, 8),
        (E_SHOFF, 8),
        (E_PHNUM, 2),
        (E_SHENTSIZE, 2),
        (E_SHNUM, 2),
        (E_SHSTRNDX, 2),
    ];
    for (at, width) in fields {
        for lie in [0, 1, 0x7fff, 0xffff, u64::from(u32::MAX), u64::MAX >> 1, u64::MAX] {
            let _ = look(&changed(&folder, |bytes| put(bytes, at, lie, width)));
        }
    }
}

#[test]
fn section_fields_that_lie_are_refused_or_give_places_within_the_file() {
    let folder = TempDir::new().unwrap();
    let whole = real_library();
    let (headers, count) = sections(&whole);
    for index in 0..count {
        for (field, width) in [
            (SH_TYPE, 4),
            (SH_ADDRESS, 8),
            (SH_OFFSET, 8),
            (SH_SIZE, 8),
            (SH_LINK, 4),
        ] {
            for lie in [0, 2, 11, u64::MAX >> 1, u64::MAX] {
                let at = headers + index * SH_LEN + field;
                for target in look(&changed(&folder, |bytes| put(bytes, at, lie, width))).unwrap_or_default()
                {
                    assert!(target.file_offset < whole.len() as u64);
                }
            }
        }
    }
}

/// A file of `length` bytes of which only `pieces` are stored.
fn sparse(folder: &TempDir, length: u64, pieces: &[(u64, &[u8])]) -> PathBuf {
    let path = folder.path().join("libssl.so.3");
    let file = File::create(&path).unwrap();
    file.set_len(length).unwrap();
    for (at, bytes) in pieces {
        file.write_all_at(bytes, *at).unwrap();
    }
    path
}

#[test]
fn a_sparse_file_of_a_gigabyte_takes_no_gigabyte_of_memory() {
    const GIB: u64 = 1 << 30;
    let folder = TempDir::new().unwrap();
    let whole = real_library();
    let (headers, count) = sections(&whole);
    let index_of = |kind| {
        (0..count)
            .find(|index| number(&whole, headers + index * SH_LEN + SH_TYPE, 4) == kind)
            .expect("a section of this type")
    };
    let mut cases: Vec<(&str, Vec<u8>)> =
        vec![("nothing but its size", Vec::new()), ("whole", whole.clone())];
    for (name, kind) in [("symbols", 11), ("names", 3), ("code", 1)] {
        let mut bytes = whole.clone();
        put(
            &mut bytes,
            headers + index_of(kind) * SH_LEN + SH_SIZE,
            GIB - (4 << 20),
            8,
        );
        cases.push((name, bytes));
    }
    // e_shnum 0 says that the count is the size of section 0.
    let mut bytes = whole.clone();
    put(&mut bytes, E_SHNUM, 0, 2);
    put(&mut bytes, headers + SH_SIZE, GIB / SH_LEN - 65_536, 8);
    cases.push(("section headers", bytes));
    for (name, bytes) in &cases {
        let path = sparse(&folder, GIB, &[(0, bytes)]);
        let (found, grown) = look_alone(&path);
        assert!(grown < 64 << 20, "{name}: {grown} bytes");
        // Tables that are longer than they should be are read in pieces, and hold what they held.
        assert_eq!(
            found.is_ok_and(|targets| targets.len() == 3),
            !["nothing but its size", "section headers"].contains(name),
            "{name}"
        );
    }
}

#[test]
fn many_sections_that_claim_the_whole_file_are_not_all_kept() {
    const CLAIMED: u64 = 48 << 20;
    let folder = TempDir::new().unwrap();
    let mut bytes = real_library();
    let (headers, count) = sections(&bytes);
    let symbols = (0..count)
        .find(|index| number(&bytes, headers + index * SH_LEN + SH_TYPE, 4) == 11)
        .expect("dynamic symbols");
    // All the others become index tables (SHT_SYMTAB_SHNDX) of the symbols, each a little different.
    for index in (1..count).filter(|index| *index != symbols) {
        let header = headers + index * SH_LEN;
        // But for names, without which nothing is read at all.
        if number(&bytes, header + SH_TYPE, 4) == 3 {
            continue;
        }
        put(&mut bytes, header + SH_TYPE, 18, 4);
        put(&mut bytes, header + SH_LINK, symbols, 4);
        put(&mut bytes, header + SH_OFFSET, index * 4, 8);
        put(&mut bytes, header + SH_SIZE, CLAIMED, 8);
    }
    let path = sparse(&folder, 2 * CLAIMED, &[(0, &bytes)]);
    // What hooks on it is as good as its symbols, which are the real ones.
    let (found, grown) = look_alone(&path);
    assert!(found.is_ok());
    assert!(grown < 64 << 20, "{grown} bytes");
}

/// Most memory this process ever had resident, bytes.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
