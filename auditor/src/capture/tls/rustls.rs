//! rustls 0.23 in programs that kept their symbols, with fat link-time optimisation or without.
//!
//! Its functions are found by what their mangled names hold, in the legacy and in the v0 scheme. How
//! their arguments look depends on the version, which the paths in panic messages tell. Stripped
//! programs, other versions, and programs with two of them are not hooked here: before 0.23 compilers put
//! what receives into its callers. What those encrypt with may be (`meaning/aead.rs`).
//!
//! A connection is a value that its program may move, so its address identifies nothing. The box of its
//! encrypter stays where it is: where the connection keeps its address is read from the code.

use std::collections::BTreeSet;

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

/// Stands before the minor version in paths: two digits and a point. The slash tells it from tokio-rustls and its like.
const VERSION: &[u8] = b"/rustls-0.";
const DIGITS: usize = 2;

/// The one whose arguments the kernel programs can read.
const KNOWN: u8 = 23;

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
    let versions = versions(elf)?;
    if !versions.contains(&KNOWN) {
        tracing::warn!(
            file = elf.path(),
            "holds a rustls that is not 0.23; its own functions are not hooked"
        );
        return Ok(Vec::new());
    }
    // Their functions have some of the same names, so in a program with both nothing is certain.
    if versions.len() > 1 {
        tracing::warn!(
            file = elf.path(),
            "holds another rustls beside 0.23; the functions of neither are hooked"
        );
        return Ok(Vec::new());
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

/// The minor versions of rustls that the program's texts name.
fn versions(elf: &Elf) -> Result<BTreeSet<u8>, ElfError> {
    let mut versions = BTreeSet::new();
    let Some(section) = elf.section(TEXTS)? else {
        return Ok(versions);
    };
    let finder = memchr::memmem::Finder::new(VERSION);
    let mut piece = vec![0; PIECE];
    let (mut at, end) = (
        section.offset,
        section.offset.saturating_add(section.size.min(MAX_SEARCH)),
    );
    while at < end {
        let wanted = piece.len().min(usize::try_from(end - at).unwrap_or(PIECE));
        let read = elf.read_at(at, &mut piece[..wanted]);
        for found in finder.find_iter(&piece[..read]) {
            versions.extend(minor(&piece[found + VERSION.len()..read]));
        }
        if read < wanted || wanted < PIECE {
            break;
        }
        // A text may lie across two pieces.
        at += (read - VERSION.len() - DIGITS) as u64;
    }
    Ok(versions)
}

/// The version that a text begins with.
fn minor(text: &[u8]) -> Option<u8> {
    let (digits, rest) = text.split_at_checked(DIGITS)?;
    let is_whole = rest.first() == Some(&b'.') && digits.iter().all(u8::is_ascii_digit);
    is_whole.then(|| {
        digits
            .iter()
            .fold(0, |number, digit| 10 * number + (digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_two_digits_and_a_point() {
        assert_eq!(minor(b"23.46/src/common_state.rs"), Some(23));
        assert_eq!(minor(b"20."), Some(20));
        for other in [&b""[..], b"2", b"23", b"2.1", b"x3.", b"234."] {
            assert_eq!(minor(other), None, "{other:?}");
        }
    }
}
