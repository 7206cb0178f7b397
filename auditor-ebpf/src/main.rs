//! The programs that run in the kernel: they copy what programs in scope move through sockets and
//! TLS libraries, and count every byte they do not copy.
//!
//! Nothing here blocks, writes to user memory or changes what the watched program sees. The first
//! thing every program does is a look-up of the current process in the scope maps.
#![cfg_attr(target_arch = "bpf", no_std)]
#![cfg_attr(target_arch = "bpf", no_main)]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]
#![cfg_attr(
    all(target_arch = "bpf", feature = "reduced"),
    expect(dead_code, reason = "sockets are seen by one tier, which reads TCP alone")
)]

#[cfg(target_arch = "bpf")]
mod account;
#[cfg(all(target_arch = "bpf", feature = "reduced"))]
mod again;
#[cfg(target_arch = "bpf")]
mod bytes;
#[cfg(target_arch = "bpf")]
mod cookie;
#[cfg(target_arch = "bpf")]
mod copy;
#[cfg(target_arch = "bpf")]
mod emit;
#[cfg(target_arch = "bpf")]
mod event;
#[cfg(target_arch = "bpf")]
mod globals;
#[cfg(target_arch = "bpf")]
mod hooks;
#[cfg(target_arch = "bpf")]
mod maps;
#[cfg(target_arch = "bpf")]
mod records;
#[cfg(target_arch = "bpf")]
mod registers;
#[cfg(target_arch = "bpf")]
mod scope;
#[cfg(target_arch = "bpf")]
mod socket_state;
#[cfg(target_arch = "bpf")]
mod verified_once;
#[cfg(target_arch = "bpf")]
mod words;

#[cfg(not(target_arch = "bpf"))]
fn main() {}

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
