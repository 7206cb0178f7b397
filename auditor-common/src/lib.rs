//! Records shared by the kernel programs and the daemon.
#![cfg_attr(not(feature = "user"), no_std)]
