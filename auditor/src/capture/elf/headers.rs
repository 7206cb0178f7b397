//! The headers of a file: its segments and sections. Tables of symbols and relocations, which may be
//! of any size, are not read here.

use object::{
    Endian as _, Endianness, ReadRef, SectionIndex,
    elf::{
        FileHeader64, PF_X, PT_LOAD, ProgramHeader64, SHF_ALLOC, SHF_EXECINSTR, SHT_PROGBITS, SectionHeader64,
    },
    read::elf::{FileHeader as _, ProgramHeader as _, SectionHeader as _, SectionTable},
};

use super::{Machine, Pieces};

/// Most sections and segments; linkers write some forty of the one and ten of the other.
const MAX_PARTS: usize = 1024;

/// What a file says of itself.
pub(super) struct Headers<'a> {
    pub(super) endian: Endianness,
    /// Code and data lie where the file says (`ET_EXEC`), not relative to where it is loaded.
    pub(super) is_fixed: bool,
    pub(super) machine: Option<Machine>,
    segments: &'a [ProgramHeader64<Endianness>],
    sections: SectionTable<'a, FileHeader64<Endianness>, Pieces<'a>>,
}

/// A part of a file that is mapped.
#[derive(Clone, Copy)]
pub(super) struct Segment {
    pub(super) address: u64,
    /// Where its bytes begin in the file, and how many the file claims there are.
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) is_executable: bool,
}

impl<'a> Headers<'a> {
    /// Reads them; `None` when there are more than a linker writes.
    pub(super) fn read(data: Pieces<'a>) -> object::Result<Option<Self>> {
        let header = FileHeader64::<Endianness>::parse(data)?;
        let endian = header.endian()?;
        let segments = header.program_headers(endian, data)?;
        let sections = header.sections(endian, data)?;
        Ok((segments.len().max(sections.len()) <= MAX_PARTS).then(|| Self {
            endian,
            is_fixed: header.e_type(endian) == object::elf::ET_EXEC,
            machine: match header.e_machine(endian) {
                object::elf::EM_X86_64 => Some(Machine::X86_64),
                // Its code is little-endian in either case, but its numbers are not.
                object::elf::EM_AARCH64 if endian.is_little_endian() => Some(Machine::Aarch64),
                _ => None,
            },
            segments,
            sections,
        }))
    }

    pub(super) fn is_little_endian(&self) -> bool {
        self.endian.is_little_endian()
    }

    /// The segments that are mapped.
    pub(super) fn mapped(&self) -> impl Iterator<Item = Segment> {
        let endian = self.endian;
        let loaded = move |header: &&ProgramHeader64<Endianness>| header.p_type(endian) == PT_LOAD;
        self.segments.iter().filter(loaded).map(move |header| {
            let (offset, length) = header.file_range(endian);
            Segment {
                address: header.p_vaddr(endian),
                offset,
                length,
                is_executable: header.p_flags(endian).contains(PF_X),
            }
        })
    }

    /// The first segment of a type.
    pub(super) fn segment(
        &self,
        wanted: object::elf::ProgramType,
    ) -> Option<&'a ProgramHeader64<Endianness>> {
        self.segments
            .iter()
            .find(|header| header.p_type(self.endian) == wanted)
    }

    /// All sections but the first, which is none.
    pub(super) fn sections(&self) -> impl Iterator<Item = &'a SectionHeader64<Endianness>> {
        self.sections.iter().skip(1)
    }

    /// The section another one names as its companion.
    pub(super) fn linked(
        &self,
        section: &SectionHeader64<Endianness>,
    ) -> Option<&'a SectionHeader64<Endianness>> {
        let index = SectionIndex(section.sh_link(self.endian) as usize);
        self.sections.section(index).ok()
    }

    /// The first section of that name.
    pub(super) fn section(&self, name: &str) -> Option<&'a SectionHeader64<Endianness>> {
        Some(self.sections.section_by_name(self.endian, name.as_bytes())?.1)
    }

    /// The section whose code lies around `address`.
    pub(super) fn code_at(&self, address: u64) -> Option<&'a SectionHeader64<Endianness>> {
        self.sections().find(|section| {
            let flags = section.sh_flags(self.endian);
            section.sh_type(self.endian) == SHT_PROGBITS
                && flags.contains(SHF_ALLOC)
                && flags.contains(SHF_EXECINSTR)
                && self.lies_in(section, address)
        })
    }

    /// True when `address` lies in the section once it is mapped.
    pub(super) fn lies_in(&self, section: &SectionHeader64<Endianness>, address: u64) -> bool {
        address
            .checked_sub(section.sh_addr(self.endian))
            .is_some_and(|within| within < section.sh_size(self.endian))
    }

    /// True for a linkage table (`.plt`, `.plt.sec`, `.plt.got`).
    pub(super) fn is_linkage(&self, section: &SectionHeader64<Endianness>) -> bool {
        self.sections
            .section_name(self.endian, section)
            .is_ok_and(|name| name.starts_with(b".plt"))
    }

    /// The build id that the linker wrote, when there is one that can be read.
    pub(super) fn build_id<D: ReadRef<'a>>(&self, data: D) -> Option<&'a [u8]> {
        for section in self.sections() {
            let Ok(Some(mut notes)) = section.notes(self.endian, data) else {
                continue;
            };
            while let Ok(Some(note)) = notes.next() {
                if note.name() == object::elf::ELF_NOTE_GNU
                    && note.n_type(self.endian) == object::elf::NT_GNU_BUILD_ID
                {
                    return Some(note.desc());
                }
            }
        }
        None
    }
}
