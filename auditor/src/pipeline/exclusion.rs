//! Programs that are never hooked or watched.

use std::{collections::HashSet, fs, path::Path};

use auditor_common::scope::MAX_NAMES;

use crate::capture::{load::Maps, scope::ScopeError};

/// What the configuration leaves out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exclusion {
    /// Names as the kernel keeps them: their first 15 bytes.
    names: HashSet<String>,
    /// Executables, as absolute paths.
    paths: HashSet<String>,
}

/// Most bytes the kernel keeps of a program's name.
const NAME_BYTES: usize = 15;

impl Exclusion {
    /// Each entry is the absolute path of an executable, or a program's name.
    pub fn new(entries: impl IntoIterator<Item = String>) -> Self {
        let mut exclusion = Self::default();
        for entry in entries {
            if entry.starts_with('/') {
                exclusion.paths.insert(entry);
            } else if !entry.is_empty() {
                exclusion.names.insert(shortened(&entry).to_owned());
            }
        }
        exclusion
    }

    /// True when nothing is left out.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.paths.is_empty()
    }

    /// True when the kernel side has room for all of it.
    pub fn has_room(&self) -> bool {
        self.names.len().max(self.paths.len()) <= MAX_NAMES as usize
    }

    /// Has the kernel side leave these programs out as they are run, and no longer those of before.
    ///
    /// # Errors
    /// When there is no room.
    pub(super) fn put_in_place_of(&self, before: &Self, maps: &mut Maps) -> Result<(), ScopeError> {
        for name in before.names.difference(&self.names) {
            maps.include_name(name);
        }
        for path in before.paths.difference(&self.paths) {
            maps.include_path(path);
        }
        for name in &self.names {
            maps.exclude_name(name)?;
        }
        for path in &self.paths {
            maps.exclude_path(path)?;
        }
        Ok(())
    }

    /// The names, shortened.
    #[cfg(test)]
    fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// True for a process whose program is left out.
    pub fn covers(&self, pid: u32) -> bool {
        if self.is_empty() {
            return false;
        }
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if self.names.contains(name.trim_end_matches('\n')) {
            return true;
        }
        !self.paths.is_empty()
            && fs::read_link(format!("/proc/{pid}/exe"))
                .is_ok_and(|path| self.paths.contains(path.to_string_lossy().as_ref()))
    }

    /// True for an executable that is left out, by the name it is run by or by where it is.
    pub fn covers_program(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        self.names.contains(shortened(&name))
            || fs::canonicalize(path).is_ok_and(|path| self.paths.contains(path.to_string_lossy().as_ref()))
    }
}

/// As much of a name as the kernel keeps.
fn shortened(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_left_out_by_its_name_or_its_path() {
        let own = std::process::id();
        let path = fs::read_link("/proc/self/exe").unwrap().display().to_string();
        let name = fs::read_to_string(format!("/proc/{own}/comm")).unwrap();
        assert!(Exclusion::new([path]).covers(own));
        assert!(Exclusion::new([name.trim_end().to_owned()]).covers(own));
        assert!(!Exclusion::new(["/no/such/program".to_owned()]).covers(own));
        assert!(!Exclusion::default().covers(own));
    }

    #[test]
    fn a_program_is_left_out_before_it_runs() {
        let path = fs::read_link("/proc/self/exe").unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(Exclusion::new([path.display().to_string()]).covers_program(&path));
        assert!(Exclusion::new([name]).covers_program(&path));
        assert!(!Exclusion::new(["/no/such/program".to_owned()]).covers_program(&path));
    }

    #[test]
    fn more_programs_than_the_kernel_side_has_room_for_are_told() {
        let named = |count: u32| Exclusion::new((0..count).map(|number| format!("program-{number}")));
        assert!(named(MAX_NAMES).has_room());
        assert!(!named(MAX_NAMES + 1).has_room());
    }

    #[test]
    fn a_long_name_is_compared_as_the_kernel_keeps_it() {
        let exclusion = Exclusion::new(["a-program-with-a-long-name".to_owned()]);
        assert_eq!(exclusion.names().collect::<Vec<_>>(), ["a-program-with-"]);
    }
}
