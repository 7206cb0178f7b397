//! The programs, one file per family. A program is two lines around a `try_` function.

pub mod aead;
mod aead_socket;
pub mod binding;
pub mod budget;
pub mod call;
mod connection;
pub mod datagram;
pub mod go;
pub mod kernel_bytes;
mod lengths;
pub mod local;
pub mod mapping;
pub mod messages;
mod plaintext;
pub mod process;
pub mod rustls;
pub mod socket;
mod stream;
pub mod syscall;
pub mod tls;
pub mod unix;
