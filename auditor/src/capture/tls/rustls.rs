//! rustls 0.23 in programs that kept their symbols, with fat link-time optimisation or without.
//!
//! Its functions are found by what their mangled names hold, in the legacy and in the v0 scheme. How
//! their arguments look depends on the version, which the paths in panic messages tell. Stripped
//! programs, other versions, and programs with two of them are not hooked here: before 0.23 compilers put
//! what receives into its callers. What those encrypt with may be (`meaning/aead.rs`).
//!
//! A connection is a value that its program may move, so its address identifies nothing. The box of its
//! encrypter stays where it is: where the connection keeps its address is read from the code.

use super::{Library, Probe, RustlsCall, Target};
use crate::capture::elf::{Elf, ElfError, Function, call_targets, trait_object};

/// What names hold: crate and module, then the function.
const MODULE: [&str; 2] = ["6rustls", "12common_state"];
const SEND: &str = "20send_appdata_encrypt";
const BUFFER: &str = "16buffer_plaintext";
const RECEIVE: &str = "23take_received_plaintext";
const BEGIN: &str = "22start_outgoing_traffic";
/// Encrypts what it sends, with nothing else that could be taken for it.
const ENCRYPT: &str = "16send_msg_encrypt";

/// Versions whose arguments the kernel programs can read. The slash tells it from tokio-rustls and its like.
const VERSION: &str = "/rustls-0.23.";

/// Older ones. Their functions have some of the same names, so in a program with both nothing is certain.
const OTHERS: [&str; 3] = ["/rustls-0.22.", "/rustls-0.21.", "/rustls-0.20."];

/// Sections with the texts of panic messages.
const TEXTS: &str = ".rodata";

/// Most of that section that is searched, bytes, and how much of it at once.
const MAX_SEARCH: u64 = 256 << 20;
const PIECE: usize = 256 * 1024;

/// What to hook in a program with rustls; empty when there is none, or none that can be read.
pub(super) fn find(elf: &Elf) -> Result<Vec<Target>, ElfError> {
    let found = elf.functions_with(&MODULE, &[SEND, BUFFER, RECEIVE, BEGIN, ENCRYPT])?;
    let sending = sending(elf, found.get(SEND).copied(), found.get(BUFFER).copied())?;
    let (Some(&receive), Some((send, sending))) = (found.get(RECEIVE), sending) else {
        return Ok(Vec::new());
    };
    if !holds(elf, VERSION.as_bytes())? {
        tracing::warn!(
            file = elf.path(),
            "holds a rustls that is not 0.23; its own functions are not hooked"
        );
        return Ok(Vec::new());
    }
    for version in OTHERS {
        if holds(elf, version.as_bytes())? {
            tracing::warn!(
                file = elf.path(),
                "holds a rustls before 0.23 beside 0.23; the functions of neither are hooked"
            );
            return Ok(Vec::new());
        }
    }
    let mut identity = None;
    for function in [found.get(ENCRYPT), found.get(SEND)].into_iter().flatten() {
        identity = identity.or(trait_object::boxed(&elf.body(*function)?));
    }
    if identity.is_none() {
        tracing::warn!(
            file = elf.path(),
            "holds a rustls whose connections can not be told apart; what they carry will name no peer"
        );
    }
    let mut targets = Vec::new();
    let begin = found
        .get(BEGIN)
        .map(|&begin| ("CommonState::start_outgoing_traffic", begin, RustlsCall::Begin));
    for (name, function, call) in begin.into_iter().chain([
        (send, sending, RustlsCall::Write),
        ("CommonState::take_received_plaintext", receive, RustlsCall::Read),
    ]) {
        let probe = Probe::Rustls { call, identity };
        targets.extend(Target::at(elf, Library::Rustls, name, function, probe)?);
    }
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
