//! What the dynamic linker would fill in: which function a stub of the linkage table leads to, and
//! tables of functions.

use object::{
    ReadRef as _,
    elf::{R_AARCH64_RELATIVE, R_X86_64_RELATIVE, Sym64},
    read::elf::{Rela as _, SectionHeader as _, Sym as _},
};

use super::{Elf, ElfError, Function, Machine, Pieces};

impl Elf {
    /// The address of the function of this file that a stub of the linkage table at `address` jumps
    /// to, as far as nobody else defines one of the same name; `None` when it is no such stub.
    ///
    /// # Errors
    /// When the file is not ELF.
    pub fn linked(&self, address: u64) -> Result<Option<u64>, ElfError> {
        let headers = self.headers()?;
        let endian = headers.endian;
        let in_table = headers
            .sections()
            .any(|section| headers.is_linkage(section) && headers.lies_in(section, address));
        if !in_table {
            return Ok(None);
        }
        let stub = self.body(Function { address, size: 16 })?;
        let slot = headers
            .machine
            .and_then(|machine| machine.jump_slot(&stub, address));
        let Some(slot) = slot else {
            return Ok(None);
        };
        for section in headers.sections() {
            let Ok(Some((relocations, _))) = section.rela(endian, Pieces(&self.cache)) else {
                continue;
            };
            let Some(found) = relocations.iter().find(|entry| entry.r_offset(endian) == slot) else {
                continue;
            };
            return Ok(headers
                .linked(section)
                .and_then(|symbols| symbols.file_range(endian))
                .and_then(|symbols| self.symbol(symbols, found.r_sym(endian, false)))
                .map(|symbol| symbol.st_value(endian))
                .filter(|value| *value != 0));
        }
        Ok(None)
    }

    /// A symbol of the table at that place of the file.
    fn symbol(&self, (offset, length): (u64, u64), index: u32) -> Option<&Sym64<object::Endianness>> {
        let size = size_of::<Sym64<object::Endianness>>() as u64;
        let within = u64::from(index) * size;
        let at = offset.checked_add(within)?;
        (within.checked_add(size)? <= length)
            .then(|| Pieces(&self.cache).read_at(at).ok())
            .flatten()
    }

    /// Where this file's data points to its own code: rows of pointers, each at least `least` long and
    /// behind a place that is no pointer.
    ///
    /// # Errors
    /// When the file is not ELF.
    pub fn function_tables(&self, least: usize) -> Result<Vec<Vec<u64>>, ElfError> {
        let headers = self.headers()?;
        let endian = headers.endian;
        let relative = match headers.machine {
            Some(Machine::X86_64) => R_X86_64_RELATIVE,
            Some(Machine::Aarch64) => R_AARCH64_RELATIVE,
            None => return Ok(Vec::new()),
        };
        let mut pointers: Vec<(u64, u64)> = Vec::new();
        for section in headers.sections() {
            if let Ok(Some((relocations, _))) = section.rela(endian, Pieces(&self.cache)) {
                pointers.extend(
                    relocations
                        .iter()
                        .filter(|entry| entry.r_type(endian, false) == relative)
                        .map(|entry| (entry.r_offset(endian), entry.r_addend(endian) as u64)),
                );
            }
        }
        pointers.sort_unstable();
        let mut tables = Vec::new();
        for run in pointers.chunk_by(|one, next| next.0.wrapping_sub(one.0) == 8) {
            if run.len() >= least && self.is_text(run[0].1)? {
                tables.push(run.iter().map(|(_, target)| *target).collect());
            }
        }
        Ok(tables)
    }
}
