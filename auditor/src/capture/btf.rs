//! Offsets of kernel struct fields, read from the running kernel's type information.
//!
//! A reader of its own because it needs only names and members: the libraries at hand either keep
//! members private or come under a licence that does not suit static linking. It walks the type
//! section in place and builds no tree. Format: Documentation/bpf/btf.rst in the kernel source.

use std::{collections::HashMap, path::Path};

use auditor_common::offsets::OPTIONAL;
use thiserror::Error;

/// Where the kernel publishes its own type information.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

const KIND_PTR: u32 = 2;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_TYPEDEF: u32 = 8;
const KIND_CONST: u32 = 10;
const KIND_VOLATILE: u32 = 9;
const KIND_RESTRICT: u32 = 11;

/// Nested anonymous structs and typedef chains deeper than this are a lie.
const MAX_DEPTH: usize = 16;

/// Most members looked at for one path; the largest structs have some hundred. Without it, structs
/// that nest each other many times would take time exponential in their depth.
const MAX_MEMBERS: usize = 65_536;

#[derive(Debug, Error)]
pub enum BtfError {
    #[error("cannot read {path}: {source}; auditor needs a kernel built with CONFIG_DEBUG_INFO_BTF")]
    Read { path: String, source: std::io::Error },
    #[error("{0} is not valid BTF: {1}")]
    Invalid(&'static str, &'static str),
    #[error("this kernel's BTF has no field {path} in struct {of}; this kernel is not supported yet")]
    NoField { of: String, path: String },
}

/// Type information of one kernel.
pub struct KernelTypes {
    bytes: Vec<u8>,
    /// Byte position of every type, by id (0 is void).
    types: Vec<u32>,
    strings: usize,
    strings_end: usize,
}

impl KernelTypes {
    /// Reads and indexes `path`.
    ///
    /// # Errors
    /// When it can not be read or its headers do not add up.
    pub fn read(path: &Path) -> Result<Self, BtfError> {
        let bytes = std::fs::read(path).map_err(|source| BtfError::Read {
            path: path.display().to_string(),
            source,
        })?;
        Self::parse(bytes)
    }

    /// Indexes BTF bytes.
    ///
    /// # Errors
    /// When headers, type or string section do not add up.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, BtfError> {
        const WHAT: &str = "the kernel's BTF";
        let invalid = |why| BtfError::Invalid(WHAT, why);
        let word = |at: usize| read_u32(&bytes, at).ok_or(invalid("it is cut short"));
        if bytes.get(..2) != Some(&[0x9f, 0xeb]) {
            return Err(invalid("the magic number is wrong"));
        }
        let header = word(4)? as usize;
        let section = |offset: u32, length: u32| {
            let start = header.checked_add(offset as usize)?;
            let end = start.checked_add(length as usize)?;
            (end <= bytes.len()).then_some((start, end))
        };
        let (mut at, end) = section(word(8)?, word(12)?).ok_or(invalid("the type section lies outside"))?;
        let (strings, strings_end) =
            section(word(16)?, word(20)?).ok_or(invalid("the string section lies outside"))?;
        let mut types = vec![0];
        while at + 12 <= end {
            types.push(u32::try_from(at).map_err(|_| invalid("it is larger than 4 GiB"))?);
            let info = word(at + 4)?;
            let (kind, vlen) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
            at += 12 + trailer(kind, vlen).ok_or(invalid("it has a type of unknown kind"))?;
        }
        Ok(Self {
            types,
            strings,
            strings_end,
            bytes,
        })
    }

    /// Byte offset of `path` (members, dereferencing nothing) within `struct of`.
    ///
    /// # Errors
    /// When there is no such struct or member, or it is a bit field.
    pub fn offset(&self, of: &str, path: &[&str]) -> Result<u32, BtfError> {
        let mut left = MAX_MEMBERS;
        self.structs_named(of)
            .into_iter()
            .find_map(|id| self.walk(id, path, &mut left))
            .ok_or_else(|| BtfError::NoField {
                of: of.to_owned(),
                path: path.join("."),
            })
    }

    /// True when a function (or tracepoint type) of this name exists: for messages in `doctor`.
    pub fn has_name(&self, name: &str) -> bool {
        (1..self.types.len()).any(|id| self.name_is(self.types[id] as usize, name))
    }

    /// Offsets of all `fields`, by the name of their global; 0 for an optional one that is not there.
    ///
    /// # Errors
    /// The first other field this kernel does not have.
    pub fn offsets(
        &self,
        fields: &[auditor_common::offsets::Field],
    ) -> Result<HashMap<&'static str, u32>, BtfError> {
        fields
            .iter()
            .map(|field| {
                let offset = match self.offset(field.of, field.path) {
                    Err(_) if OPTIONAL.contains(&field.global) => 0,
                    found => found?,
                };
                Ok((field.global, offset))
            })
            .collect()
    }

    /// Value of an enumerator, by its name; `None` when no enum has it.
    pub fn enumerator(&self, name: &str) -> Option<u32> {
        self.types.iter().skip(1).find_map(|&at| {
            let at = at as usize;
            if self.kind(at) != Some(KIND_ENUM) {
                return None;
            }
            let number = (read_u32(&self.bytes, at + 4)? & 0xffff) as usize;
            (0..number).map(|index| at + 12 + index * 8).find_map(|entry| {
                self.name_is(entry, name)
                    .then(|| read_u32(&self.bytes, entry + 4))?
            })
        })
    }

    /// Size of a struct in bytes; `None` when there is none of that name.
    pub fn size(&self, of: &str) -> Option<u32> {
        let id = *self.structs_named(of).first()?;
        read_u32(&self.bytes, *self.types.get(id as usize)? as usize + 8)
    }

    fn structs_named(&self, name: &str) -> Vec<u32> {
        (1..self.types.len())
            .filter(|&id| {
                let at = self.types[id] as usize;
                self.kind(at) == Some(KIND_STRUCT) && self.name_is(at, name)
            })
            .filter_map(|id| u32::try_from(id).ok())
            .collect()
    }

    /// `left` is how many members may still be looked at.
    fn walk(&self, of: u32, path: &[&str], left: &mut usize) -> Option<u32> {
        let (first, rest) = path.split_first()?;
        let (offset, member_type) = self.member(of, first, 0, left)?;
        if rest.is_empty() {
            Some(offset)
        } else {
            offset.checked_add(self.walk(member_type, rest, left)?)
        }
    }

    /// Finds a member by name, looking through anonymous structs and unions.
    fn member(&self, of: u32, name: &str, depth: usize, left: &mut usize) -> Option<(u32, u32)> {
        let of = self.strip(of)?;
        let at = *self.types.get(of as usize)? as usize;
        if depth > MAX_DEPTH || !matches!(self.kind(at), Some(KIND_STRUCT | KIND_UNION)) {
            return None;
        }
        let info = read_u32(&self.bytes, at + 4)?;
        let bit_fields = info >> 31 == 1;
        for index in 0..(info & 0xffff) as usize {
            *left = left.checked_sub(1)?;
            let member = at + 12 + index * 12;
            let member_name = read_u32(&self.bytes, member)? as usize;
            let member_type = read_u32(&self.bytes, member + 4)?;
            let raw = read_u32(&self.bytes, member + 8)?;
            let (bits, size) = if bit_fields {
                (raw & 0xff_ffff, raw >> 24)
            } else {
                (raw, 0)
            };
            let anonymous = self.bytes.get(self.strings + member_name) == Some(&0);
            if anonymous {
                if let Some((inner, inner_type)) = self.member(member_type, name, depth + 1, left) {
                    return Some(((bits / 8).checked_add(inner)?, inner_type));
                }
            } else if self.string_is(member_name, name) {
                return (size == 0 && bits % 8 == 0).then_some((bits / 8, member_type));
            }
        }
        None
    }

    /// Follows typedefs and qualifiers.
    fn strip(&self, mut id: u32) -> Option<u32> {
        for _ in 0..MAX_DEPTH {
            let at = *self.types.get(id as usize)? as usize;
            match self.kind(at)? {
                KIND_TYPEDEF | KIND_CONST | KIND_VOLATILE | KIND_RESTRICT => {
                    id = read_u32(&self.bytes, at + 8)?;
                }
                _ => return Some(id),
            }
        }
        None
    }

    fn kind(&self, at: usize) -> Option<u32> {
        Some(read_u32(&self.bytes, at + 4)? >> 24 & 0x1f)
    }

    fn name_is(&self, at: usize, name: &str) -> bool {
        read_u32(&self.bytes, at).is_some_and(|offset| self.string_is(offset as usize, name))
    }

    fn string_is(&self, offset: usize, name: &str) -> bool {
        let start = self.strings + offset;
        let end = start + name.len();
        end < self.strings_end
            && self.bytes.get(start..end) == Some(name.as_bytes())
            && self.bytes.get(end) == Some(&0)
    }
}

fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(
        bytes.get(at..at.checked_add(4)?)?.try_into().ok()?,
    ))
}

/// Bytes that follow the 12-byte `struct btf_type` of a kind.
fn trailer(kind: u32, vlen: usize) -> Option<usize> {
    Some(match kind {
        // INT, VAR, DECL_TAG
        1 | 14 | 17 => 4,
        KIND_ARRAY => 12,
        KIND_STRUCT | KIND_UNION => vlen * 12,
        // ENUM, FUNC_PROTO
        KIND_ENUM | 13 => vlen * 8,
        // DATASEC, ENUM64
        15 | 19 => vlen * 12,
        // FWD, FUNC, FLOAT, TYPE_TAG and the qualifiers
        KIND_PTR | 7..=12 | 16 | 18 => 0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_kernel_has_every_field_the_programs_read() {
        let types = KernelTypes::read(Path::new(VMLINUX)).unwrap();
        let offsets = types.offsets(auditor_common::offsets::FIELDS).unwrap();
        // The first members of struct sock_common have not moved since 2.6 (net/sock.h).
        assert_eq!(offsets["SK_DADDR"], 0);
        assert_eq!(offsets["SK_RCV_SADDR"], 4);
        assert_eq!(offsets["SK_DPORT"], 12);
        assert_eq!(offsets["SK_NUM"], 14);
        assert_eq!(offsets["SK_FAMILY"], 16);
    }

    #[test]
    fn enumerators_and_sizes_are_those_of_the_kernel() {
        let types = KernelTypes::read(Path::new(VMLINUX)).unwrap();
        // include/uapi/linux/bpf.h and include/linux/uio.h: they can not change.
        assert_eq!(types.enumerator("BPF_MAP_TYPE_ARRAY"), Some(2));
        assert_eq!(types.enumerator("NO_SUCH_ENUMERATOR"), None);
        assert_eq!(types.size("iovec"), Some(16));
        assert_eq!(types.size("no_such_struct"), None);
    }

    #[test]
    fn a_field_a_kernel_may_lack_is_zero_and_another_one_an_error() {
        let field = |global| auditor_common::offsets::Field {
            global,
            of: "sock",
            path: &["no_such_member"],
        };
        let types = KernelTypes::read(Path::new(VMLINUX)).unwrap();
        assert_eq!(types.offsets(&[field("UNIX_PEER")]).unwrap()["UNIX_PEER"], 0);
        assert!(types.offsets(&[field("SK_NUM")]).is_err());
    }

    #[test]
    fn a_field_that_does_not_exist_is_named_in_the_error() {
        let types = KernelTypes::read(Path::new(VMLINUX)).unwrap();
        let error = types.offset("sock", &["no_such_member"]).unwrap_err();
        assert!(error.to_string().contains("no_such_member"), "{error}");
    }

    /// BTF of one string section and these types: name, kind, members as name, type and offset.
    fn btf(strings: &[u8], types: &[(u32, u32, &[[u32; 3]])]) -> Vec<u8> {
        let mut section = Vec::new();
        for (name, kind, members) in types {
            let info = kind << 24 | u32::try_from(members.len()).unwrap();
            section.extend(
                [*name, info, 0]
                    .iter()
                    .chain(members.as_flattened())
                    .flat_map(|word| word.to_ne_bytes()),
            );
        }
        let length = u32::try_from(section.len()).unwrap();
        let header = [
            0x0001_eb9f,
            24,
            0,
            length,
            length,
            u32::try_from(strings.len()).unwrap(),
        ];
        let mut bytes: Vec<u8> = header.iter().flat_map(|word| word.to_ne_bytes()).collect();
        bytes.extend(section);
        bytes.extend(strings);
        bytes
    }

    #[test]
    fn structs_that_nest_each_other_many_times_do_not_take_exponential_time() {
        // struct s holds 64 anonymous members of its own type.
        let types = KernelTypes::parse(btf(b"\0s\0", &[(1, KIND_STRUCT, &[[0, 1, 0]; 64])])).unwrap();
        assert!(types.offset("s", &["a"]).is_err());
    }

    #[test]
    fn an_offset_beyond_all_numbers_is_no_offset() {
        // struct s { struct s a; } with a at the largest offset: s.a.a.….a does not fit.
        let types = KernelTypes::parse(btf(b"\0s\0a\0", &[(1, KIND_STRUCT, &[[3, 1, !7]])])).unwrap();
        assert_eq!(types.offset("s", &["a"; 8]).unwrap(), !7);
        assert!(types.offset("s", &["a"; 9]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_an_error_and_never_a_panic(mut bytes in proptest::collection::vec(0u8.., 0..256), magic: bool) {
            if magic && bytes.len() > 2 {
                bytes[0] = 0x9f;
                bytes[1] = 0xeb;
            }
            if let Ok(types) = KernelTypes::parse(bytes) {
                let _ = types.offset("sock", &["a", "b"]);
                let _ = (types.enumerator("a"), types.size("sock"));
            }
        }
    }
}
