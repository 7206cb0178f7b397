//! NSS.
//!
//! Programs call `PR_Read` and its like of NSPR, which read files as well: hooking those would ask of
//! each call what kind of descriptor it has. What an encrypted one ends in is a function of libssl3's
//! own, `ssl_SecureRecv` or `ssl_SecureSend`. They have no symbols, but stand in a table of operations
//! (`ssl_secure_ops`, lib/ssl/sslsock.c), next to the one for descriptors that are not encrypted yet
//! (`ssl_default_ops`), with which it shares some entries. So that pair of tables is looked for, and
//! the functions that read files are never hooked.

use auditor_common::tls::Shape;

use super::{Library, Probe, Symbols, Target};
use crate::capture::elf::{Elf, ElfError, Function};

/// Functions that a libssl3 exports: every program calls the first, and clients the other.
pub(super) const NAMES: [&str; 2] = ["SSL_ImportFD", "SSL_ForceHandshake"];

/// Entries of `sslSocketOps` (lib/ssl/sslimpl.h) behind `accept`, which is empty.
const ENTRIES: usize = 10;

/// Places among these.
const BIND: usize = 0;
const LISTEN: usize = 1;
const CLOSE: usize = 3;
const RECEIVE: usize = 4;
const SEND: usize = 5;
const READ: usize = 6;
const WRITE: usize = 7;
const PEER_NAME: usize = 8;
const OWN_NAME: usize = 9;

/// What to hook in a libssl3.
pub(super) fn find(elf: &Elf, symbols: &Symbols) -> Result<Vec<Target>, ElfError> {
    if !NAMES.iter().all(|name| symbols.contains_key(*name)) {
        return Ok(Vec::new());
    }
    let tables = elf.function_tables(ENTRIES)?;
    let mut secure = Vec::new();
    for table in &tables {
        if tables.iter().any(|other| are_siblings(table, other)) && is_secure(elf, table)? {
            secure.push(table);
        }
    }
    let [operations] = secure[..] else {
        return Ok(Vec::new());
    };
    let mut targets = Vec::new();
    // Reading and writing go through receiving and sending. A flag of the 4th argument says that the
    // bytes will come again.
    for (at, name, probe) in [
        (
            RECEIVE,
            "ssl_SecureRecv",
            call(true, Shape::ReturnsCountUnlessPeek),
        ),
        (SEND, "ssl_SecureSend", call(false, Shape::ReturnsCount)),
        (CLOSE, "ssl_SecureClose", Probe::Free),
    ] {
        targets.extend(Target::at(
            elf,
            Library::Nss,
            name,
            function(operations[at]),
            probe,
        )?);
    }
    Ok(targets)
}

/// True when two tables have in common what does not depend on encryption, and nothing else that
/// moves bytes.
fn are_siblings(one: &[u64], other: &[u64]) -> bool {
    [BIND, LISTEN, PEER_NAME, OWN_NAME]
        .iter()
        .all(|at| one[*at] == other[*at])
        && [RECEIVE, SEND, READ, WRITE]
            .iter()
            .all(|at| one[*at] != other[*at])
}

/// True when reading is receiving without flags, and writing sending without flags.
fn is_secure(elf: &Elf, table: &[u64]) -> Result<bool, ElfError> {
    let Some(machine) = elf.machine()? else {
        return Ok(false);
    };
    for (from, to) in [(READ, RECEIVE), (WRITE, SEND)] {
        let body = elf.body(function(table[from]))?;
        if !machine.call_targets(&body, table[from]).contains(&table[to]) {
            return Ok(false);
        }
    }
    Ok(true)
}

const fn function(address: u64) -> Function {
    Function { address, size: 0 }
}

const fn call(ingress: bool, shape: Shape) -> Probe {
    Probe::Call { ingress, shape }
}
