//! Stage one: plaintext from the kernel.
//!
//! Goes in: a scope (which processes and cgroups). Comes out: [`ring::Record`]s read from the
//! rings, and the kernel's counters. It attaches programs, finds TLS libraries and keeps the scope
//! maps; it never looks into payload. `unsafe` and kernel interfaces end here.

pub mod attach;
pub mod btf;
pub mod clock;
pub mod discover;
pub mod elf;
pub mod file;
mod kernel_symbols;
pub mod launch;
pub mod load;
pub mod object;
pub mod policy;
pub mod probes;
pub mod ring;
pub mod scope;
pub mod search;
pub mod support;
pub mod tls;
pub mod trial;
mod uprobe_constant;
pub mod uprobe_multi;
mod uprobe_programs;
pub mod verify;
