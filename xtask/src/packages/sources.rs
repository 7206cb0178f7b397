//! Reads the machine's apt sources for the mirrors it uses, and writes a list for another release from the same mirrors.
//!
//! In: text of sources.list(5) in both formats. Out: URIs. Never fetches.

use std::{fs, path::Path};

use anyhow::Context as _;

/// Where this machine gets Debian from.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mirrors {
    main: Option<String>,
    security: Option<String>,
}

impl Mirrors {
    /// # Errors
    /// When apt's sources name no Debian mirror.
    pub(super) fn of_this_machine() -> anyhow::Result<Self> {
        let mut mirrors = Self::default();
        let codename = codename(&fs::read_to_string("/etc/os-release").unwrap_or_default())
            .context("/etc/os-release names no release: packages are fetched on Debian only")?;
        let mut files = vec![Path::new("/etc/apt/sources.list").to_owned()];
        if let Ok(folder) = Path::new("/etc/apt/sources.list.d").read_dir() {
            files.extend(folder.flatten().map(|entry| entry.path()));
        }
        files.sort();
        for file in files {
            let text = fs::read_to_string(&file).unwrap_or_default();
            if file.extension().is_some_and(|extension| extension == "sources") {
                mirrors.read_deb822(&text, &codename);
            } else {
                mirrors.read_lines(&text, &codename);
            }
        }
        mirrors.main.as_ref().with_context(|| {
            format!("apt's sources name no mirror of Debian {codename}, so no package can be downloaded")
        })?;
        Ok(mirrors)
    }

    /// `deb [options] URI SUITE COMPONENT...`
    fn read_lines(&mut self, text: &str, codename: &str) {
        for line in text.lines() {
            let Some(rest) = line.trim().strip_prefix("deb ") else {
                continue;
            };
            let rest = match rest.trim_start().strip_prefix('[') {
                Some(options) => options.split_once(']').map_or("", |(_, rest)| rest),
                None => rest,
            };
            let mut words = rest.split_whitespace();
            if let (Some(uri), Some(suite)) = (words.next(), words.next()) {
                self.take(uri, suite, codename);
            }
        }
    }

    /// Stanzas of `URIs:` and `Suites:`; `Enabled: no` switches one off.
    fn read_deb822(&mut self, text: &str, codename: &str) {
        for stanza in text.split("\n\n") {
            let field = |name: &str| {
                stanza
                    .lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                    .map(str::trim)
            };
            let (Some(uris), Some(suites)) = (field("URIs"), field("Suites")) else {
                continue;
            };
            if field("Enabled") == Some("no") {
                continue;
            }
            for suite in suites.split_whitespace() {
                self.take(
                    uris.split_whitespace().next().unwrap_or_default(),
                    suite,
                    codename,
                );
            }
        }
    }

    fn take(&mut self, uri: &str, suite: &str, codename: &str) {
        let slot = match suite.strip_prefix(codename) {
            Some("") => &mut self.main,
            Some("-security" | "/updates") => &mut self.security,
            _ => return,
        };
        slot.get_or_insert_with(|| uri.to_owned());
    }
}

fn codename(os_release: &str) -> Option<String> {
    let line = os_release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    Some(line.trim_matches('"').to_owned())
}

/// A sources.list for `release`: the release itself, its security updates and its backports.
pub(super) fn list(mirrors: &Mirrors, release: &str, keyring: &str) -> String {
    let mut text = String::new();
    let mut line = |uri: &Option<String>, suite: &str| {
        if let Some(uri) = uri {
            text += &format!("deb [signed-by={keyring}] {uri} {suite} main\n");
        }
    };
    line(&mirrors.main, release);
    line(&mirrors.security, &format!("{release}-security"));
    // The older release's backports are no longer on the mirrors.
    if release != "bullseye" {
        line(&mirrors.main, &format!("{release}-backports"));
    }
    text
}

/// The same list with the source packages.
pub(super) fn with_sources(list: &str) -> String {
    let sources = list.lines().filter_map(|line| line.strip_prefix("deb "));
    let sources: String = sources.map(|line| format!("deb-src {line}\n")).collect();
    list.to_owned() + &sources
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected() -> Mirrors {
        Mirrors {
            main: Some("http://mirror.example/debian".into()),
            security: Some("http://mirror.example/security".into()),
        }
    }

    #[test]
    fn one_line_sources_are_read_with_options_and_comments() {
        let mut mirrors = Mirrors::default();
        mirrors.read_lines(
            "# deb http://old.example/debian bookworm main\n\
             deb http://other.example/tool stable main\n\
             deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main\n\
             deb-src http://src.example/debian bookworm main\n\
             deb http://mirror.example/security bookworm-security main\n",
            "bookworm",
        );
        assert_eq!(mirrors, expected());
    }

    #[test]
    fn stanzas_are_read_and_disabled_ones_are_not() {
        let mut mirrors = Mirrors::default();
        mirrors.read_deb822(
            "Types: deb\nURIs: http://off.example/debian\nSuites: bookworm\nEnabled: no\n\n\
             Types: deb\n# a comment\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n\n\
             Types: deb\nURIs: http://mirror.example/security\nSuites: bookworm-security\n",
            "bookworm",
        );
        assert_eq!(mirrors, expected());
    }

    #[test]
    fn source_packages_are_added_to_a_list() {
        assert_eq!(
            with_sources("deb [k] http://a x main\n"),
            "deb [k] http://a x main\ndeb-src [k] http://a x main\n"
        );
    }

    #[test]
    fn the_list_names_another_release_on_the_same_mirrors() {
        let list = list(&expected(), "trixie", "/k.gpg");
        assert_eq!(
            list,
            "deb [signed-by=/k.gpg] http://mirror.example/debian trixie main\n\
             deb [signed-by=/k.gpg] http://mirror.example/security trixie-security main\n\
             deb [signed-by=/k.gpg] http://mirror.example/debian trixie-backports main\n"
        );
    }
}
