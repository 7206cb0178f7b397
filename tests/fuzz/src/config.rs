//! Any file, variables and flags are refused with a message, or give values within their bounds.
//!
//! The input is the file; lines behind a NUL are variables, `NAME=value`.

use auditor::config::{Config, ConfigError};

pub fn run(input: &[u8]) {
    let mut halves = input.splitn(2, |byte| *byte == 0);
    let file = halves.next().unwrap_or_default();
    let variables = String::from_utf8_lossy(halves.next().unwrap_or_default());
    let variables: Vec<(String, String)> = variables
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (format!("AUDITOR_{name}"), value.to_owned()))
        .collect();
    super::with_file(file, |path| {
        let flags = [("scope.pids", "1,2".to_owned())];
        for flags in [&flags[..0], &flags] {
            check(Config::load(Some(path), variables.clone(), flags));
        }
    });
}

fn check(loaded: Result<Config, ConfigError>) {
    match loaded {
        Ok(config) => {
            assert!(config.capture.ring_bytes.is_power_of_two());
            let scope = &config.scope;
            let named = !(scope.pids.is_empty() && scope.cgroups.is_empty() && scope.containers.is_empty());
            assert!(scope.node != named, "everything, or something, is watched");
            assert!(!config.key_file().as_os_str().is_empty());
            assert!(!config.journal_path().as_os_str().is_empty());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
