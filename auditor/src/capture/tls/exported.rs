//! The places that other tools take: the first instruction of exported functions.
//!
//! For measuring what the choice of function and instruction is worth, and for nothing else. Goes in: a file. Comes
//! out: the same targets as [`super::find`] gives, moved to where nobody chose. What is found without a name (Go,
//! rustls, stripped programs) stays, as there is no other place that is known.

use super::{Elf, ElfError, Library, Probe, Target, openssl};

/// What to attach in a file, without a choice.
///
/// # Errors
/// When the file is not ELF.
pub fn find(elf: &Elf) -> Result<Vec<Target>, ElfError> {
    let symbols = super::symbols(elf)?;
    let mut targets = super::find(elf)?;
    let is_openssl = |target: &Target| target.library == Library::OpenSsl;
    if targets.iter().any(is_openssl) && symbols.contains_key("SSL_read") {
        targets.retain(|target| !is_openssl(target) || target.probe == Probe::Free);
        targets.extend(openssl::exported(elf, &symbols, Library::OpenSsl)?);
    }
    let Some(machine) = elf.machine()? else {
        return Ok(targets);
    };
    for target in &mut targets {
        if let Some(&function) = symbols.get(&target.function)
            && let Some(first) = machine.first_instruction(&elf.body(function)?)
        {
            target.point = first;
        }
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn without_a_choice_the_exported_functions_are_taken_at_their_first_instruction() {
        let library = ["/usr/lib/x86_64-linux-gnu/libssl.so.3", "/usr/lib64/libssl.so.3"]
            .into_iter()
            .map(Path::new)
            .find(|path| path.exists())
            .expect("OpenSSL 3 is installed by `cargo xtask setup`");
        let targets = find(&Elf::open(library).unwrap()).unwrap();
        let mut names: Vec<&str> = targets.iter().map(|target| target.function.as_str()).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["SSL_free", "SSL_read", "SSL_read_ex", "SSL_write", "SSL_write_ex"]
        );
        assert!(targets.iter().all(|target| target.point.offset == 0));
    }
}
