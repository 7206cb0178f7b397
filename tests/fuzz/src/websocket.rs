//! A connection that is a WebSocket with compressed messages.

use auditor::protocol::Direction::{ToClient, ToServer};

const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

pub fn run(input: &[u8]) {
    super::conversation::run(&[(ToServer, REQUEST), (ToClient, ANSWER)], input);
}
