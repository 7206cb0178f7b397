//! The programs, one file per family. A program is two lines around a `try_` function.

pub mod connection;
pub mod process;
pub mod socket;
pub mod syscall;
pub mod tls;
