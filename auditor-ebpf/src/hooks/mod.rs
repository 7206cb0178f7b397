//! The programs, one file per family. A program is two lines around a `try_` function.

pub mod budget;
pub mod call;
pub mod connection;
pub mod datagram;
pub mod go;
pub mod local;
pub mod messages;
pub mod process;
pub mod rustls;
pub mod socket;
pub mod syscall;
pub mod tls;
pub mod unix;
