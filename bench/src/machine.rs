//! What the bench runs on: facts that explain a rate, and no name of the machine.

use std::fs;

use serde::Serialize;

/// The machine.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    pub processor: String,
    pub cores: usize,
    pub memory_mib: u64,
    pub kernel: String,
    /// Processes that wanted to run in the last minute, on average: others disturb.
    pub load: String,
}

impl Machine {
    /// This one; what can not be read is `unknown` or 0.
    pub fn this() -> Self {
        let value = |file: &str, name: &str| {
            let text = fs::read_to_string(file).ok()?;
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let unknown = || "unknown".to_owned();
        let memory = value("/proc/meminfo", "MemTotal")
            .and_then(|text| text.strip_suffix(" kB")?.parse::<u64>().ok())
            .unwrap_or(0);
        Self {
            processor: value("/proc/cpuinfo", "model name").unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: memory / 1024,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .map_or_else(|_| unknown(), |text| text.trim().to_owned()),
            load: fs::read_to_string("/proc/loadavg")
                .ok()
                .and_then(|text| Some(text.split_whitespace().next()?.to_owned()))
                .unwrap_or_else(unknown),
        }
    }
}
