//! Records, counters and constants shared by the kernel programs and the daemon: plain old data,
//! `no_std`, one file per topic, sizes and offsets asserted.
#![cfg_attr(not(feature = "user"), no_std)]

pub mod counter;
pub mod go;
pub mod mapping;
pub mod offsets;
pub mod policy;
pub mod record;
pub mod scope;
pub mod tls;
