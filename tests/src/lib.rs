//! Harness for tests that run the real binary against real programs.
//!
//! A test has a [`scratch::Scratch`] folder, starts peers ([`peers`]), watches exactly them ([`watch`]) and judges the
//! findings and the byte account. Everything that is started is ended, by its process id, when its owner is dropped;
//! everything is on loopback; whatever is waited for has a deadline. Tests need root and fail without it.

pub mod attached;
pub mod bombs;
pub mod cable;
pub mod calls;
pub mod cgroups;
pub mod chaos;
pub mod cri;
pub mod crowd;
pub mod cycles;
pub mod daemon;
pub mod ends;
pub mod expect;
pub mod failing;
pub mod findings;
pub mod front;
pub mod gated;
pub mod go;
pub mod http;
pub mod kube;
pub mod load;
pub mod loaded;
pub mod masking;
pub mod mesh;
pub mod message;
pub mod messages;
pub mod meter;
pub mod metrics_page;
pub mod mixed;
pub mod nginx;
pub mod node;
pub mod peers;
pub mod podman;
pub mod pods;
pub mod posting;
pub mod process;
pub mod proof;
pub mod receivers;
pub mod relay;
pub mod rustls;
pub mod scratch;
pub mod sent;
pub mod servers;
pub mod shop;
pub mod support;
pub mod systemd;
pub mod values;
pub mod watch;
