//! What each fuzz target does with its input. Goes in: any bytes. It panics when a promise is broken.
//!
//! Two callers: the targets in fuzz_targets/, and auditor/tests/corpus.rs, which replays what was
//! found before in every `cargo test`.

pub mod btf;
pub mod cbor;
pub mod charset;
pub mod checks;
pub mod cluster;
pub mod cluster_list;
pub mod config;
pub mod conntrack;
pub mod content;
mod conversation;
pub mod csv;
mod cut;
pub mod dns;
pub mod elf;
pub mod encoding;
pub mod events;
pub mod form;
pub mod gopclntab;
pub mod hpack;
pub mod html;
pub mod http1;
pub mod http2;
pub mod identity;
pub mod json;
pub mod masking;
pub mod message_pack;
pub mod multipart;
pub mod names;
pub mod nested;
pub mod own;
pub mod pipeline;
pub mod policy;
pub mod protobuf_schema;
pub mod record;
pub mod rpc;
pub mod scan;
pub mod selector;
pub mod sketches;
pub mod tail_request;
pub mod websocket;
pub mod xfcc;
pub mod xml;
pub mod yaml;

use std::{fs::File, io::Write as _};

/// A target.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its corpus folder.
pub const TARGETS: &[(&str, Target)] = &[
    ("btf", btf::run),
    ("cbor", cbor::run),
    ("charset", charset::run),
    ("checks", checks::run),
    ("cluster", cluster::run),
    ("cluster_list", cluster_list::run),
    ("config", config::run),
    ("conntrack", conntrack::run),
    ("content", content::run),
    ("csv", csv::run),
    ("dns", dns::run),
    ("elf", elf::run),
    ("encoding", encoding::run),
    ("events", events::run),
    ("form", form::run),
    ("gopclntab", gopclntab::run),
    ("hpack", hpack::run),
    ("html", html::run),
    ("http1", http1::run),
    ("http2", http2::run),
    ("identity", identity::run),
    ("json", json::run),
    ("masking", masking::run),
    ("message_pack", message_pack::run),
    ("multipart", multipart::run),
    ("names", names::run),
    ("nested", nested::run),
    ("own", own::run),
    ("pipeline", pipeline::run),
    ("policy", policy::run),
    ("protobuf_schema", protobuf_schema::run),
    ("record", record::run),
    ("rpc", rpc::run),
    ("scan", scan::run),
    ("selector", selector::run),
    ("sketches", sketches::run),
    ("tail_request", tail_request::run),
    ("websocket", websocket::run),
    ("xfcc", xfcc::run),
    ("xml", xml::run),
    ("yaml", yaml::run),
];

/// Calls `each` with the path of a file that holds `bytes`; the file is in memory.
fn with_file(bytes: &[u8], each: impl FnOnce(&std::path::Path)) {
    use std::os::fd::AsRawFd as _;
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::memfd_create("input", flags).expect("a file in memory"));
    file.write_all(bytes).expect("a file in memory can be written");
    each(format!("/proc/self/fd/{}", file.as_raw_fd()).as_ref());
}
