//! Names of the host's users, from `/etc/passwd`.
//!
//! Goes in: a user id. Comes out: the name the host gives it, when the file has it. Only the host's own file is read:
//! those of containers belong to whoever built them, and reading them could hang. Users of a directory service (LDAP)
//! are not in it and stay numbers.

use std::{
    collections::HashMap,
    fs::File,
    io::Read as _,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

/// Largest file that is read, bytes.
const FILE_LIMIT: u64 = 1 << 20;

/// Longest name that is taken, bytes; useradd(8) makes up to 32.
const NAME_LIMIT: usize = 256;

/// How often it is looked whether the file has changed.
const LOOK: Duration = Duration::from_secs(10);

/// The host's file as seen from the host's first process, and from here.
const FILES: [&str; 2] = ["/proc/1/root/etc/passwd", "/etc/passwd"];

struct Known {
    looked: Instant,
    changed: Option<SystemTime>,
    names: HashMap<u32, String>,
}

/// The name of a user of the host.
pub fn name(uid: u32) -> Option<String> {
    static KNOWN: Mutex<Option<Known>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.as_ref().is_none_or(|known| known.looked.elapsed() > LOOK) {
        *known = Some(look(known.take()));
    }
    known.as_ref()?.names.get(&uid).cloned()
}

fn look(before: Option<Known>) -> Known {
    let looked = Instant::now();
    let opened = FILES.iter().find_map(|path| File::open(path).ok());
    let metadata = opened.as_ref().and_then(|file| file.metadata().ok());
    let changed = metadata
        .filter(std::fs::Metadata::is_file)
        .and_then(|file| file.modified().ok());
    if let Some(before) = before
        && before.changed == changed
    {
        return Known { looked, ..before };
    }
    let mut bytes = Vec::new();
    let read = opened
        .filter(|_| changed.is_some())
        .map(|file| file.take(FILE_LIMIT).read_to_end(&mut bytes));
    if !matches!(read, Some(Ok(_))) {
        bytes.clear();
    }
    Known {
        looked,
        changed,
        names: parse(&String::from_utf8_lossy(&bytes)),
    }
}

/// Names by number of passwd(5): `name:password:uid:…`. The first of a number is its name.
pub fn parse(passwd: &str) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in passwd.lines() {
        let mut fields = line.split(':');
        let (Some(name), Some(_), Some(uid)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let is_name = !name.is_empty() && name.len() <= NAME_LIMIT && !name.contains(char::is_control);
        if let (true, Ok(uid)) = (is_name, uid.parse()) {
            names.entry(uid).or_insert_with(|| name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_of_a_number_is_taken_and_broken_lines_are_not() {
        let names = parse(
            "root:x:0:0:root:/root:/bin/bash\ntoor:x:0:0::/:/bin/sh\n#x\n\n:x:7:\nwww-data:x:33\nbad:x:x:1\nb\u{7}l:x:8:\nbig:x:99999999999:\n",
        );
        let mut all: Vec<(u32, &str)> = names.iter().map(|(uid, name)| (*uid, name.as_str())).collect();
        all.sort_unstable();
        assert_eq!(all, [(0, "root"), (33, "www-data")]);
    }

    #[test]
    fn the_hosts_first_user_is_root() {
        assert_eq!(name(0).as_deref(), Some("root"));
        assert_eq!(name(u32::MAX - 7), None);
    }

    proptest::proptest! {
        #[test]
        fn any_file_is_read_and_names_stand_in_it(text in "([a-z:0-9]{0,20}\n){0,20}|.{0,200}") {
            for (uid, name) in parse(&text) {
                assert!(text.contains(&name) && text.contains(&uid.to_string()));
            }
        }
    }
}
