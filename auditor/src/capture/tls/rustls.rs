//! rustls 0.23 in programs that kept their symbols, with fat link-time optimisation or without.
//!
//! Its functions are found by what their mangled names hold, in the legacy and in the v0 scheme. How
//! their arguments look depends on the version, which the paths in panic messages tell. Stripped
//! programs, and other versions, are not hooked.

use super::{Library, Probe, Target};
use crate::capture::elf::{Elf, ElfError, Function, call_targets};

/// What names hold: crate and module, then the function.
const MODULE: [&str; 2] = ["6rustls", "12common_state"];
const SEND: &str = "20send_appdata_encrypt";
const BUFFER: &str = "16buffer_plaintext";
const RECEIVE: &str = "23take_received_plaintext";

/// Versions whose arguments the kernel programs can read.
const VERSION: &str = "rustls-0.23.";

/// Sections with the texts of panic messages.
const TEXTS: &str = ".rodata";

/// Most of that section that is searched, bytes, and how much of it at once.
const MAX_SEARCH: u64 = 256 << 20;
const PIECE: usize = 256 * 1024;

/// What to hook in a program with rustls; empty when there is none, or none that can be read.
pub(super) fn find(elf: &Elf) -> Result<Vec<Target>, ElfError> {
    let found = elf.functions_with(&MODULE, &[SEND, BUFFER, RECEIVE])?;
    let (Some(&receive), true) = (found.get(RECEIVE), found.len() > 1) else {
        return Ok(Vec::new());
    };
    if !holds(elf, VERSION.as_bytes())? {
        tracing::warn!(
            file = elf.path(),
            "holds a rustls that is not 0.23; it is not hooked"
        );
        return Ok(Vec::new());
    }
    let sent = sending(elf, found.get(SEND).copied(), found.get(BUFFER).copied())?;
    let mut targets = Vec::new();
    if let Some((name, function)) = sent {
        let probe = Probe::RustlsWrite;
        targets.extend(Target::at(elf, Library::Rustls, name, function, probe)?);
    }
    let probe = Probe::RustlsRead;
    targets.extend(Target::at(
        elf,
        Library::Rustls,
        "CommonState::take_received_plaintext",
        receive,
        probe,
    )?);
    Ok(targets)
}

/// The one function through which all plaintext to send goes: the inner one, unless its caller does not
/// call it because it has a copy of it inside.
fn sending(
    elf: &Elf,
    inner: Option<Function>,
    outer: Option<Function>,
) -> Result<Option<(&'static str, Function)>, ElfError> {
    const INNER: &str = "CommonState::send_appdata_encrypt";
    const OUTER: &str = "CommonState::buffer_plaintext";
    Ok(match (inner, outer) {
        (Some(inner), Some(outer)) => {
            let calls = call_targets(&elf.body(outer)?, outer.address);
            if calls.contains(&inner.address) {
                Some((INNER, inner))
            } else {
                Some((OUTER, outer))
            }
        }
        (Some(inner), None) => Some((INNER, inner)),
        (None, Some(outer)) => Some((OUTER, outer)),
        (None, None) => None,
    })
}

/// True when the program's texts hold `text`.
fn holds(elf: &Elf, text: &[u8]) -> Result<bool, ElfError> {
    let Some(section) = elf.section(TEXTS)? else {
        return Ok(false);
    };
    let finder = memchr::memmem::Finder::new(text);
    let mut piece = vec![0; PIECE];
    let (mut at, end) = (
        section.offset,
        section.offset.saturating_add(section.size.min(MAX_SEARCH)),
    );
    while at < end {
        let wanted = piece.len().min(usize::try_from(end - at).unwrap_or(PIECE));
        let read = elf.read_at(at, &mut piece[..wanted]);
        if finder.find(&piece[..read]).is_some() {
            return Ok(true);
        }
        if read < wanted || wanted < PIECE {
            break;
        }
        // The text may lie across two pieces.
        at += (read - text.len()) as u64;
    }
    Ok(false)
}
