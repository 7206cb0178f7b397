//! The scenarios that run inside a test virtual machine, one after the other.
//!
//! Says `scenario: planned N`, then `scenario: passed|failed|skipped NAME: detail` for each, in one line; exit code 1
//! when one failed.
//! `auditor.filter=WORD` on the kernel's command line runs only those whose name contains it.

mod capture;
mod clocks;
mod cost;
mod disks;
mod kernel_bytes;
mod masking;
mod messages;
mod platform;
mod program;
mod scope;
mod sockets;
mod tls;

use std::{
    fs,
    io::{self, Write as _},
    process::ExitCode,
    time::Instant,
};

/// What a scenario came to when nothing was wrong: a remark for the reader.
type Outcome = anyhow::Result<String>;

/// A scenario that does not apply to this kernel says so with this error: it is skipped, and has not failed.
#[derive(Debug)]
struct Skip(String);

impl std::fmt::Display for Skip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

/// A scenario's name and what it does.
type Scenario = (&'static str, fn() -> Outcome);

/// Every scenario stands alone and leaves nothing running.
const SCENARIOS: &[Scenario] = &[
    ("platform_has_btf", platform::has_btf),
    ("platform_has_tracing", platform::has_tracing),
    ("platform_runs_python_tls", platform::runs_python_tls),
    ("platform_runs_openssl", platform::runs_openssl),
    ("platform_runs_curl_and_nginx", platform::runs_curl_and_nginx),
    ("platform_has_loopback", platform::has_loopback),
    ("auditor_doctor_reports", capture::doctor_reports),
    ("auditor_programs_load", capture::programs_load),
    ("cost_of_socket_programs", cost::socket_programs),
    ("sockets_tracepoint", sockets::tracepoint),
    ("sockets_fexit", sockets::fexit),
    ("sockets_syscall", sockets::syscall),
    ("messages_udp", messages::udp),
    ("messages_several", messages::several),
    ("kernel_sendfile", kernel_bytes::sendfile),
    ("kernel_splice", kernel_bytes::splice),
    ("kernel_io_uring", kernel_bytes::io_uring),
    ("unix_stream", messages::unix_stream),
    ("unix_messages", messages::unix_messages),
    ("scope_chosen_by_cgroup", scope::chosen_by_cgroup),
    (
        "auditor_finds_a_card_in_python_tls",
        capture::finds_a_card_in_python_tls,
    ),
    (
        "auditor_names_the_peer_of_tls_in_memory",
        capture::names_the_peer_of_tls_in_memory,
    ),
    ("tls_go", tls::go),
    ("tls_rustls", tls::rustls),
    ("masking_clock_jumps", clocks::masking_clock_jumps),
    ("masking_on_bad_disks", disks::masking_on_bad_disks),
];

fn main() -> ExitCode {
    let filter = filter();
    let chosen: Vec<_> = SCENARIOS
        .iter()
        .filter(|(name, _)| name.contains(&filter))
        .collect();
    say(&format!("scenario: planned {}", chosen.len()));
    let mut failed = 0;
    for (name, run) in chosen {
        let start = Instant::now();
        let outcome = run();
        let seconds = start.elapsed().as_secs_f64();
        match outcome {
            Ok(remark) => say(&format!(
                "scenario: passed {name}: {seconds:.1} s, {}",
                line(&remark)
            )),
            Err(error) if error.is::<Skip>() => say(&format!(
                "scenario: skipped {name}: {seconds:.1} s, {}",
                line(&error.to_string())
            )),
            Err(error) => {
                failed += 1;
                say(&format!(
                    "scenario: failed {name}: {seconds:.1} s, {}",
                    line(&format!("{error:#}"))
                ));
            }
        }
    }
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Several lines as one, as the host reads by lines.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn say(text: &str) {
    // A console that is gone can not be told about.
    let _ = writeln!(io::stdout().lock(), "{text}");
}

fn filter() -> String {
    fs::read_to_string("/proc/cmdline")
        .unwrap_or_default()
        .split_whitespace()
        .find_map(|word| word.strip_prefix("auditor.filter="))
        .unwrap_or_default()
        .to_owned()
}
