//! The programs, one file per family. A program is two lines around a `try_` function.

#[cfg(not(feature = "reduced"))]
pub mod aead;
#[cfg(not(feature = "reduced"))]
mod aead_socket;
/// The reduced programs know no AEAD contexts.
#[cfg(feature = "reduced")]
mod aead_socket {
    #[inline(always)]
    pub fn is_carried(_cookie: u64, _ingress: u8) -> bool {
        false
    }

    #[inline(always)]
    pub fn socket_closed(_cookie: u64) {}
}
pub mod binding;
pub mod budget;
pub mod call;
mod connection;
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
pub mod unix;
