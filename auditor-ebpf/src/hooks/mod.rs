//! The programs, one file per family. A program is two lines around a `try_` function.

pub mod binding;
mod connection;
pub mod go;
mod lengths;
pub mod mapping;
pub mod process;
pub mod rustls;
pub mod socket;
mod stream;
pub mod syscall;
pub mod tls;
