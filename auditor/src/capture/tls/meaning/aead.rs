//! rustls without its symbols, where it encrypts with AWS-LC: the functions that seal and open its records.
//!
//! They name their file in errors (crypto/fipsmodule/cipher/aead.c), with the reasons below; each function is told by
//! the set of its own. Opening goes through one function, which the other calls. The file alone does not make a program
//! rustls': a libcrypto has it, too, whose libssl is hooked elsewhere, and what that moves must not be seen twice.

use super::{Code, Library, Probe, Target};
use crate::capture::{
    elf::{Elf, ElfError, Function, call_targets, scan::third_arguments},
    tls::AeadCall,
};

/// Where the file's name ends; before it stands the path of the build.
pub(super) const FILE: &[u8] = b"crypto/fipsmodule/cipher/aead.c\0";

/// Paths in the panic messages of every version of rustls.
const RUSTLS: &[u8] = b"/rustls-0.";

/// Reasons (include/openssl/cipher.h, `CIPHER_R_`) are numbered from 100 on.
const REASONS: std::ops::Range<u32> = 100..200;
const BAD_DECRYPT: u32 = 101;
const BUFFER_TOO_SMALL: u32 = 103;
const NOT_IMPLEMENTED: u32 = 104;
const INVALID_OPERATION: u32 = 112;
const OUTPUT_ALIASES_INPUT: u32 = 115;
const TOO_LARGE: u32 = 117;
const UNSUPPORTED_KEY_SIZE: u32 = 120;
const NO_DIRECTION_SET: u32 = 124;

/// What to hook. `names`: where the file's name stands.
pub(super) fn find(elf: &Elf, names: &[u64]) -> Result<Vec<Target>, ElfError> {
    if elf.strings(&[RUSTLS])?.iter().all(Vec::is_empty) {
        return Ok(Vec::new());
    }
    let functions = Functions::of(elf, names)?;
    let (Some(begin), Some(seal), Some(open), Some(gather)) = (
        functions.only(&[UNSUPPORTED_KEY_SIZE]),
        functions.only(&[BUFFER_TOO_SMALL, OUTPUT_ALIASES_INPUT, TOO_LARGE]),
        functions.only(&[BAD_DECRYPT, BUFFER_TOO_SMALL, OUTPUT_ALIASES_INPUT]),
        functions.only(&[NOT_IMPLEMENTED, OUTPUT_ALIASES_INPUT]),
    ) else {
        return Ok(Vec::new());
    };
    if !calls(elf, open, gather)? || !functions.all_begin_by(elf, begin)? {
        return Ok(Vec::new());
    }
    let mut wanted = vec![
        ("EVP_AEAD_CTX_init_with_direction", begin, AeadCall::Begin),
        ("EVP_AEAD_CTX_seal", seal, AeadCall::Seal),
        ("EVP_AEAD_CTX_open_gather", gather, AeadCall::Open),
    ];
    // Not in programs that nothing calls it in.
    const SCATTER: [u32; 2] = [INVALID_OPERATION, OUTPUT_ALIASES_INPUT];
    match functions.with(&SCATTER).collect::<Vec<_>>()[..] {
        [] => {}
        [scatter] => wanted.push(("EVP_AEAD_CTX_seal_scatter", scatter, AeadCall::SealScatter)),
        _ => return Ok(Vec::new()),
    }
    let mut targets = Vec::new();
    for (name, function, call) in &wanted {
        targets.extend(Target::at(
            elf,
            Library::Rustls,
            name,
            *function,
            Probe::Aead(*call),
        )?);
    }
    // Half of a connection, or contexts whose end is not seen, would be worse than nothing.
    if targets.len() < wanted.len() {
        targets.clear();
    }
    Ok(targets)
}

/// The functions of the file, with their reasons in order.
struct Functions(Vec<(Function, Vec<u32>)>);

impl Functions {
    fn of(elf: &Elf, names: &[u64]) -> Result<Self, ElfError> {
        let mut paths = names
            .iter()
            .map(|place| elf.string_start(*place))
            .collect::<Result<Vec<u64>, _>>()?;
        paths.dedup();
        let mut functions = Vec::new();
        for function in Code::of(elf)?.referring_to(&paths)? {
            let mut reasons = third_arguments(&elf.body(function)?);
            reasons.retain(|reason| REASONS.contains(reason));
            reasons.sort_unstable();
            functions.push((function, reasons));
        }
        Ok(Self(functions))
    }

    /// Those with exactly these reasons.
    fn with(&self, reasons: &[u32]) -> impl Iterator<Item = Function> {
        let found = self.0.iter().filter(move |(_, own)| own == reasons);
        found.map(|(function, _)| *function)
    }

    /// The one with exactly these reasons.
    fn only(&self, reasons: &[u32]) -> Option<Function> {
        let mut found = self.with(reasons);
        found.next().filter(|_| found.next().is_none())
    }

    /// True when a context gets its key nowhere else.
    fn all_begin_by(&self, elf: &Elf, begin: Function) -> Result<bool, ElfError> {
        for (function, reasons) in &self.0 {
            let has = |reason| reasons.contains(&reason);
            if *function != begin
                && (has(UNSUPPORTED_KEY_SIZE) || has(NO_DIRECTION_SET) && !calls(elf, *function, begin)?)
            {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// True when one function calls the other, or ends in it.
fn calls(elf: &Elf, caller: Function, callee: Function) -> Result<bool, ElfError> {
    Ok(call_targets(&elf.body(caller)?, caller.address).contains(&callee.address))
}
