//! A connection that begins as HTTP/2: frames of any kind, and their header blocks.

use auditor::protocol::Direction::{ToClient, ToServer};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

pub fn run(input: &[u8]) {
    super::conversation::run(&[(ToServer, PREFACE), (ToClient, SETTINGS)], input);
}
