//! Plain sockets, each tier of hooks by its name. Where this kernel has no such hook the scenario is skipped.

use crate::{
    Outcome,
    capture::{balanced, finds_a_card, python_server},
};

pub(crate) fn tracepoint() -> Outcome {
    http("tracepoint")
}

pub(crate) fn fexit() -> Outcome {
    http("fexit")
}

pub(crate) fn syscall() -> Outcome {
    http("syscall")
}

fn http(tier: &str) -> Outcome {
    let _server = python_server("9080", &[])?;
    let client = ["python3", "/tmp/client.py", "9080", "plain"];
    let summary = finds_a_card(&["--socket-hook", tier], &client)?.summary;
    balanced(&summary, "socket")?;
    Ok(format!("account {}", summary["account"]["socket"]))
}
