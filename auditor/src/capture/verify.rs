//! What the kernel's verifier says of every program, used here or not.
//!
//! Goes in: nothing. Comes out: one [`Verified`] per program. Programs are loaded and dropped again; nothing is
//! attached, so nothing is watched.

use aya::{Btf, programs::Program};
use serde::Serialize;

use super::load::{LoadError, Settings, error_chain, function_of, load_object};

/// One program and what became of loading it.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    pub name: String,
    /// Instructions the verifier walked through (`bpf_prog_info.verified_insns`, kernel 5.16 and later); `None`
    /// where it was refused or the kernel does not say.
    pub instructions: Option<u32>,
    /// Why the kernel refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// Loads every program of the object, in the order of their names.
///
/// # Errors
/// When the object itself does not load: missing privileges, missing BTF.
pub fn programs() -> Result<Vec<Verified>, LoadError> {
    let settings = Settings {
        cgroups: true,
        excludes: true,
        ..Settings::trial()
    };
    let (mut ebpf, _) = load_object(&settings)?;
    let btf = Btf::from_sys_fs()?;
    let mut verified: Vec<Verified> = ebpf
        .programs_mut()
        .map(|(name, program)| {
            let target = function_of(name);
            let loaded = match program {
                Program::UProbe(program) => program.load(),
                Program::BtfTracePoint(program) => program.load(target, &btf),
                Program::FExit(program) => program.load(target, &btf),
                Program::FEntry(program) => program.load(target, &btf),
                _ => Ok(()),
            };
            let info = loaded.and_then(|()| program.info());
            Verified {
                name: name.to_owned(),
                instructions: info
                    .as_ref()
                    .ok()
                    .and_then(|info| info.verified_instruction_count()),
                refused: info.err().map(|error| error_chain(&error)),
            }
        })
        .collect();
    verified.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(verified)
}
