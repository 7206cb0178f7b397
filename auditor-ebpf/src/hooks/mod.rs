//! The programs, one file per family. A program is two lines around a `try_` function.

pub mod binding;
pub mod budget;
pub mod call;
mod connection;
#[cfg(not(feature = "reduced"))]
pub mod datagram;
pub mod go;
#[cfg(not(feature = "reduced"))]
pub mod kernel_bytes;
mod lengths;
pub mod local;
pub mod mapping;
#[cfg(not(feature = "reduced"))]
pub mod messages;
pub mod name;
#[cfg(not(feature = "reduced"))]
mod operation;
mod plaintext;
pub mod process;
pub mod rustls;
pub mod socket;
mod stream;
pub mod syscall;
pub mod tls;
#[cfg(not(feature = "reduced"))]
pub mod unix;
