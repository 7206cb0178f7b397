//! Functions by name, from wherever a file keeps its names: the dynamic and the full symbol table,
//! the compressed one that some distributions leave in stripped files (`.gnu_debugdata`), or the
//! file of debugging information that belongs to it.
//!
//! Tables are read in pieces and not kept: those of the largest programs are hundreds of megabytes.

use std::{
    collections::HashMap,
    fs::File,
    io::{Read as _, Write as _},
    os::{fd::AsRawFd as _, unix::fs::FileExt as _},
    path::{Path, PathBuf},
};

use lzma_rust2::XzReader;
use memchr::{memchr, memchr_iter, memmem, memrchr};
use object::{
    elf::{SHT_DYNSYM, SHT_SYMTAB, STT_FUNC, STT_GNU_IFUNC},
    read::elf::SectionHeader as _,
};

use super::{Elf, ElfError, Function, Pieces};

/// Bytes of a symbol of a 64-bit file.
const SYMBOL: usize = 24;

/// Bytes read at once: whole symbols.
const PIECE: usize = SYMBOL << 13;

/// Longest name that is looked for, bytes.
const MAX_NAME: usize = 256;

/// Places of names that are remembered; linkers write each name once.
const MAX_PLACES: usize = 1024;

/// Most bytes of a compressed symbol table, and of what it expands to. Those of the largest programs
/// of distributions that have them are a few megabytes.
const MAX_COMPRESSED: u64 = 8 << 20;
const MAX_EXPANDED: u64 = 24 << 20;

/// Most memory its decompressor may take, KiB.
const MAX_DICTIONARY: u32 = 16 << 10;

/// Longest build id that is looked for, bytes; SHA-1 has 20.
const MAX_BUILD_ID: usize = 64;

/// Where a table's symbols and their names are in the file.
struct Table {
    symbols: (u64, u64),
    names: (u64, u64),
}

impl Elf {
    /// The functions among `names` (each up to 256 bytes), from the file's own tables, and where
    /// those have none of them, from what was put aside when it was stripped.
    ///
    /// # Errors
    /// When the file is not ELF.
    pub fn functions(&self, names: &[&str]) -> Result<HashMap<String, Function>, ElfError> {
        let found = self.own_functions(names)?;
        if !found.is_empty() {
            return Ok(found);
        }
        // What was put aside may be damaged or lie; then there are no names.
        for aside in [self.expanded_symbols()?, self.debug_file()?]
            .into_iter()
            .flatten()
        {
            let found = aside.own_functions(names).unwrap_or_default();
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Ok(HashMap::new())
    }

    fn own_functions(&self, names: &[&str]) -> Result<HashMap<String, Function>, ElfError> {
        let mut found = HashMap::new();
        for wanted in [SHT_DYNSYM, SHT_SYMTAB] {
            let Some(table) = self.table(wanted)? else {
                continue;
            };
            let places = self.places_of(names, &table);
            if !places.is_empty() {
                self.read_symbols(&table, &places, &mut found);
            }
        }
        Ok(found)
    }

    /// The functions of the full symbol table whose names hold one of `names` and all of `parts`: for
    /// names that a compiler mangled.
    ///
    /// # Errors
    /// When the file is not ELF.
    pub fn functions_with<'n>(
        &self,
        parts: &[&str],
        names: &[&'n str],
    ) -> Result<HashMap<&'n str, Function>, ElfError> {
        let Some(table) = self.table(SHT_SYMTAB)? else {
            return Ok(HashMap::new());
        };
        let finders: Vec<_> = names
            .iter()
            .map(|name| (*name, memmem::Finder::new(name.as_bytes())))
            .collect();
        let mut places = HashMap::new();
        self.read_range(table.names, PIECE, MAX_NAME + 1, |at, bytes| {
            for (name, finder) in &finders {
                for found in finder.find_iter(bytes) {
                    // A name is no longer than that: a file that has no zeros makes us look no further.
                    let before = &bytes[found.saturating_sub(MAX_NAME)..found];
                    let behind = &bytes[found..bytes.len().min(found + MAX_NAME)];
                    let start = found - before.len() + memrchr(0, before).map_or(0, |zero| zero + 1);
                    let end = found + memchr(0, behind).unwrap_or(behind.len());
                    let whole = &bytes[start..end];
                    let holds_all = whole.len() <= MAX_NAME
                        && parts
                            .iter()
                            .all(|part| memmem::find(whole, part.as_bytes()).is_some());
                    if let (true, Ok(place)) = (holds_all, u32::try_from(at + start as u64))
                        && places.len() < MAX_PLACES
                    {
                        places.insert(place, *name);
                    }
                }
            }
        });
        let mut found = HashMap::new();
        if !places.is_empty() {
            self.read_symbols(&table, &places, &mut found);
        }
        Ok(names
            .iter()
            .filter_map(|name| Some((*name, *found.get(*name)?)))
            .collect())
    }

    fn table(&self, wanted: object::elf::SectionType) -> Result<Option<Table>, ElfError> {
        let headers = self.headers()?;
        if !headers.is_little_endian() {
            return Ok(None);
        }
        let endian = headers.endian;
        let Some(symbols) = headers
            .sections()
            .find(|section| section.sh_type(endian) == wanted)
        else {
            return Ok(None);
        };
        let names = headers.linked(symbols).and_then(|names| names.file_range(endian));
        let (Some(symbols), Some(names)) = (symbols.file_range(endian), names) else {
            return Ok(None);
        };
        Ok(Some(Table { symbols, names }))
    }

    /// Where each of `names` stands among a table's names. A name may be the end of a longer one.
    fn places_of<'n>(&self, names: &[&'n str], table: &Table) -> HashMap<u32, &'n str> {
        // By the last four bytes: of all names in a file few share them with one that is wanted.
        let mut by_end: HashMap<[u8; 4], Vec<&'n str>> = HashMap::new();
        // The last two of them as bits: a file of a gigabyte may be all names.
        let mut ends = vec![0u64; 1 << 10];
        let bit_of = |[_, _, one, two]: [u8; 4]| {
            let pair = u16::from_le_bytes([one, two]);
            (usize::from(pair >> 6), 1u64 << (pair & 63))
        };
        for name in names.iter().filter(|name| name.len() <= MAX_NAME) {
            if let Some(end) = name.as_bytes().last_chunk() {
                let (word, bit) = bit_of(*end);
                ends[word] |= bit;
                by_end.entry(*end).or_default().push(name);
            }
        }
        let mut places = HashMap::new();
        self.read_range(table.names, PIECE, MAX_NAME + 1, |at, bytes| {
            for end in memchr_iter(0, bytes) {
                let before = &bytes[..end];
                let wanted = before.last_chunk().filter(|end| {
                    let (word, bit) = bit_of(**end);
                    ends[word] & bit != 0
                });
                let Some(wanted) = wanted.and_then(|end| by_end.get(end)) else {
                    continue;
                };
                for name in wanted.iter().filter(|name| before.ends_with(name.as_bytes())) {
                    let place = at + (end - name.len()) as u64;
                    if let (Ok(place), true) = (u32::try_from(place), places.len() < MAX_PLACES) {
                        places.insert(place, *name);
                    }
                }
            }
        });
        places
    }

    fn read_symbols(
        &self,
        table: &Table,
        places: &HashMap<u32, &str>,
        found: &mut HashMap<String, Function>,
    ) {
        self.read_range(table.symbols, PIECE, 0, |_, bytes| {
            for symbol in bytes.as_chunks::<SYMBOL>().0 {
                // Elf64_Sym: name, info, other, section, value, size (elf(5)).
                let [n0, n1, n2, n3, info, _, _, _, rest @ ..] = *symbol;
                let Some(name) = places.get(&u32::from_le_bytes([n0, n1, n2, n3])) else {
                    continue;
                };
                let kind = object::elf::SymbolType(info & 0xf);
                let (value, size) = rest.split_at(8);
                let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
                let address = number(value);
                if address != 0 && (kind == STT_FUNC || kind == STT_GNU_IFUNC) {
                    found.entry((*name).to_owned()).or_insert(Function {
                        address,
                        size: number(size),
                    });
                }
            }
        });
    }

    /// Hands over a part of the file (offset and length) in pieces of `piece` bytes, of which the last
    /// `overlap` come again with the next one. Positions count from the part's beginning.
    fn read_range(
        &self,
        (offset, length): (u64, u64),
        piece: usize,
        overlap: usize,
        mut look: impl FnMut(u64, &[u8]),
    ) {
        let length = length.min(self.length.saturating_sub(offset));
        let mut buffer = vec![0; piece];
        let mut at = 0;
        while at < length {
            let wanted = piece.min(usize::try_from(length - at).unwrap_or(piece));
            if self
                .file
                .read_exact_at(&mut buffer[..wanted], offset + at)
                .is_err()
            {
                return;
            }
            look(at, &buffer[..wanted]);
            if at + wanted as u64 >= length {
                return;
            }
            at += (wanted - overlap) as u64;
        }
    }

    /// The symbol table of `.gnu_debugdata`, an ELF file compressed with xz, in a file of its own in
    /// memory.
    fn expanded_symbols(&self) -> Result<Option<Self>, ElfError> {
        let headers = self.headers()?;
        let Some(range) = headers
            .section(".gnu_debugdata")
            .and_then(|section| section.file_range(headers.endian))
            .filter(|(_, length)| *length <= MAX_COMPRESSED)
        else {
            return Ok(None);
        };
        let Ok(compressed) = object::ReadRef::read_bytes_at(Pieces(&self.cache), range.0, range.1) else {
            return Ok(None);
        };
        Ok(expand(compressed)
            .ok()
            .and_then(|file| Self::of(file, format!("{} (.gnu_debugdata)", self.path)).ok()))
    }

    /// The file with this one's debugging information, by its build id, where distributions put it.
    fn debug_file(&self) -> Result<Option<Self>, ElfError> {
        let headers = self.headers()?;
        let Some(id) = headers.build_id(Pieces(&self.cache)) else {
            return Ok(None);
        };
        if !(2..=MAX_BUILD_ID).contains(&id.len()) {
            return Ok(None);
        }
        let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let name = format!(
            "usr/lib/debug/.build-id/{}/{}.debug",
            digits(&id[..1]),
            digits(&id[1..])
        );
        Ok(root_of(Path::new(&self.path))
            .into_iter()
            .chain([PathBuf::from("/")])
            .find_map(|root| Self::open(&root.join(&name)).ok()))
    }
}

/// The root directory as the process sees it through whose `/proc` entry a file was opened.
fn root_of(path: &Path) -> Option<PathBuf> {
    let root: PathBuf = path.components().take(4).collect();
    (root.starts_with("/proc") && root.ends_with("root")).then_some(root)
}

/// Decompresses into a file that exists in memory only.
fn expand(compressed: &[u8]) -> std::io::Result<File> {
    let descriptor = rustix::fs::memfd_create("symbols", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = File::from(descriptor);
    let reader = XzReader::new_mem_limit(compressed, false, MAX_DICTIONARY);
    let written = std::io::copy(&mut reader.take(MAX_EXPANDED), &mut file)?;
    file.flush()?;
    tracing::trace!(
        bytes = written,
        descriptor = file.as_raw_fd(),
        "expanded a symbol table"
    );
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn run(command: &mut Command) {
        assert!(command.status().unwrap().success(), "{command:?}");
    }

    /// A program with functions that are not exported, and the folder it is in.
    fn program() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (code, program) = (folder.path().join("a.c"), folder.path().join("a"));
        let source = "__attribute__((noinline)) int wanted_name(int n) { return n * 3; }
            int main(int n, char **v) { return wanted_name(n); }";
        std::fs::write(&code, source).unwrap();
        run(Command::new("cc")
            .args(["-O1", "-Wl,--build-id=sha1", "-o"])
            .args([&program, &code]));
        (folder, program)
    }

    #[test]
    fn a_name_is_found_in_the_table_that_stripping_left_compressed() {
        let (folder, program) = program();
        let expected = Elf::open(&program).unwrap().functions(&["wanted_name"]).unwrap();
        assert!(expected["wanted_name"].size > 0);
        let at = |name: &str| folder.path().join(name);
        let [symbols, stripped] = [at("symbols"), at("stripped")];
        run(Command::new("objcopy")
            .arg("--only-keep-debug")
            .args([&program, &symbols]));
        run(Command::new("xz").arg("--keep").arg(&symbols));
        let section = format!(".gnu_debugdata={}", at("symbols.xz").display());
        run(Command::new("strip").arg("-o").args([&stripped, &program]));
        let found = || Elf::open(&stripped).unwrap().functions(&["wanted_name"]).unwrap();
        assert!(found().is_empty());
        run(Command::new("objcopy")
            .args(["--add-section", &section])
            .arg(&stripped));
        assert_eq!(found(), expected);
    }

    #[test]
    fn the_root_of_a_process_is_where_its_debug_files_are() {
        let root = |path: &str| root_of(Path::new(path));
        assert_eq!(
            root("/proc/12/root/usr/bin/a"),
            Some(PathBuf::from("/proc/12/root"))
        );
        assert_eq!(root("/proc/12/map_files/1-2"), None);
        assert_eq!(root("/usr/bin/a"), None);
    }

    #[test]
    fn a_name_that_is_the_end_of_another_is_that_symbols_name_only() {
        let elf = Elf::open(Path::new("/proc/self/exe")).unwrap();
        let names = elf.functions(&["main", "ain"]).unwrap();
        assert!(names.contains_key("main") && !names.contains_key("ain"));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_expand_or_are_refused(bytes in proptest::collection::vec(0u8.., 0..512)) {
            let _ = expand(&bytes);
        }
    }
}
