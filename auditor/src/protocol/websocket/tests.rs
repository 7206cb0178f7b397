//! Conversations, split and damaged in every way, against what must come out.

use flate2::{Compress, Compression, FlushCompress};
use proptest::prelude::*;

use crate::ledger::Account;
use crate::protocol::recorded::{Piece, Recorder, Seen, run, run_pieces};
use crate::protocol::{Connection, Direction, Place};

use Direction::{ToClient, ToServer};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    let mut frame = vec![first];
    match payload.len() {
        0..=125 => frame.push(mask | payload.len() as u8),
        126..=0xffff => {
            frame.push(mask | 126);
            frame.extend((payload.len() as u16).to_be_bytes());
        }
        _ => {
            frame.push(mask | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    if masked {
        frame.extend(KEY);
        frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(b, k)| b ^ k));
    } else {
        frame.extend(payload);
    }
    frame
}

fn deflated(compress: &mut Compress, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 64);
    compress
        .compress_vec(text, &mut out, FlushCompress::Sync)
        .unwrap();
    assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
    out.truncate(out.len() - 4);
    out
}

fn handshake(extension: &str) -> [Vec<u8>; 2] {
    [
        b"GET /chat/42 HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
            .to_vec(),
        format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\n{extension}\r\n").into_bytes(),
    ]
}

fn messages(recorder: &Recorder) -> Vec<(Direction, String)> {
    let of_place = recorder.seen.iter().filter(|seen| seen.place == Place::Message);
    of_place.map(|seen| (seen.direction, seen.text())).collect()
}

const DEFLATE: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

/// Frames of both directions, and what they say.
fn conversation() -> ([Vec<u8>; 2], Vec<(Direction, String)>) {
    let (mut client, mut server) = (Vec::new(), Vec::new());
    let mut compress = [
        Compress::new(Compression::default(), false),
        Compress::new(Compression::default(), false),
    ];
    let long = "{\"card\":\"4111 1111 1111 1111\"}".repeat(3000);
    let mut said = Vec::new();
    client.extend(frame(0x81, b"plain", true));
    said.push((ToServer, "plain".to_owned()));
    // In three frames, with a ping among them.
    client.extend(frame(0x01, b"one ", true));
    client.extend(frame(0x00, b"two ", true));
    client.extend(frame(0x89, b"ping", true));
    client.extend(frame(0x80, b"three", true));
    said.extend([
        (ToServer, "one two three".to_owned()),
        (ToServer, "ping".to_owned()),
    ]);
    for text in ["compressed text", "compressed text again"] {
        client.extend(frame(0xc1, &deflated(&mut compress[0], text.as_bytes()), true));
        said.push((ToServer, text.to_owned()));
    }
    server.extend(frame(0x82, &long.as_bytes()[..70_000], false));
    said.push((ToClient, long[..70_000].to_owned()));
    // Compressed in two frames.
    let all = deflated(&mut compress[1], long.as_bytes());
    let (a, b) = all.split_at(all.len() / 2);
    server.extend(frame(0x41, a, false));
    server.extend(frame(0x80, b, false));
    said.push((ToClient, long));
    server.extend(frame(0x81, b"", false));
    server.extend(frame(0x88, b"\x03\xe8bye", false));
    said.push((ToClient, String::from_utf8_lossy(b"\x03\xe8bye").into_owned()));
    ([client, server], said)
}

fn sorted(mut messages: Vec<(Direction, String)>) -> Vec<(Direction, String)> {
    messages.sort_by(|a, b| (a.0.index(), &a.1).cmp(&(b.0.index(), &b.1)));
    messages
}

#[test]
fn messages_are_unmasked_joined_and_decompressed() {
    let ([client, server], said) = conversation();
    let [hello, answer] = handshake(DEFLATE);
    let conversation = [
        (ToServer, &hello),
        (ToClient, &answer),
        (ToServer, &client),
        (ToClient, &server),
    ];
    let seen = run(
        Connection::opened(),
        &conversation.map(|(direction, bytes)| (direction, &bytes[..])),
    );
    assert_eq!(sorted(messages(&seen)), sorted(said));
    let of_place = seen.seen.iter().filter(|seen| seen.place == Place::Message);
    for message in of_place {
        assert_eq!(message.protocol, "websocket");
        assert_eq!(message.operation.as_deref(), Some("GET /chat/{id}"));
        assert!(message.whole);
    }
    assert_eq!(seen.lost, 0);
}

#[test]
fn the_same_comes_out_when_split_at_any_byte() {
    let ([client, server], said) = conversation();
    let said = sorted(said);
    let [hello, answer] = handshake(DEFLATE);
    for at in 0..=client.len() {
        let ((a, b), (c, d)) = (client.split_at(at), server.split_at(at));
        let seen = run(
            Connection::opened(),
            &[
                (ToServer, &hello),
                (ToClient, &answer),
                (ToServer, a),
                (ToServer, b),
                (ToClient, c),
                (ToClient, d),
            ],
        );
        assert_eq!(sorted(messages(&seen)), said, "split at {at}");
    }
}

#[test]
fn after_a_gap_in_compressed_messages_the_rest_of_them_is_said_to_be_missing() {
    let [client, server] = handshake(DEFLATE);
    let mut compress = Compress::new(Compression::default(), false);
    let [first, second] = ["a text that is said once", "a text that is said twice"]
        .map(|text| frame(0xc1, &deflated(&mut compress, text.as_bytes()), false));
    let cut = first.len() - 6;
    let seen = run_pieces(
        Connection::opened(),
        [
            (ToServer, Piece::Bytes(&client)),
            (ToClient, Piece::Bytes(&server)),
            (ToClient, Piece::Bytes(&first[..cut])),
            (ToClient, Piece::Gap(6)),
            (ToClient, Piece::Bytes(&second)),
            (ToClient, Piece::Bytes(&frame(0x81, b"plain", false))),
        ],
    );
    assert_eq!(seen.settled_as(Account::Gap), second.len() as u64 - 2);
    assert_eq!(messages(&seen).last(), Some(&(ToClient, "plain".to_owned())));
    assert!(!messages(&seen).iter().any(|(_, text)| text.contains("twice")));
}

#[test]
fn messages_that_refer_to_nothing_before_them_are_read_after_a_gap() {
    let extension = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n";
    let [client, server] = handshake(extension);
    let fresh = |text: &str| {
        let mut compress = Compress::new(Compression::default(), false);
        frame(0xc1, &deflated(&mut compress, text.as_bytes()), false)
    };
    let seen = run_pieces(
        Connection::opened(),
        [
            (ToServer, Piece::Bytes(&client[..])),
            (ToClient, Piece::Bytes(&server)),
            (ToClient, Piece::Gap(0)),
            (ToClient, Piece::Bytes(&fresh("said after it"))),
        ],
    );
    assert_eq!(messages(&seen), [(ToClient, "said after it".to_owned())]);
    assert_eq!(seen.lost, 1);
}

#[test]
fn a_connection_joined_in_the_middle_is_told_by_a_masked_frame() {
    let seen = run(
        Connection::joined(),
        &[
            (ToServer, &frame(0x81, b"{\"ssn\":\"078-05-1120\"}", true)),
            (ToClient, &frame(0x81, b"{\"ok\":true}", false)),
        ],
    );
    let first = (ToServer, "{\"ssn\":\"078-05-1120\"}".to_owned());
    assert_eq!(messages(&seen), [first, (ToClient, "{\"ok\":true}".to_owned())]);
    assert_eq!(seen.seen[0].operation, None);
}

#[test]
fn a_bomb_is_cut_and_accounted_for() {
    let [client, server] = handshake(DEFLATE);
    let mut compress = Compress::new(Compression::best(), false);
    let bomb = frame(0xc2, &deflated(&mut compress, &vec![0; 300 << 20]), false);
    struct Counting(u64, u64);
    impl crate::protocol::Sink for Counting {
        fn part(&mut self, part: crate::protocol::Part<'_>) {
            self.0 += part.data.len() as u64;
        }
        fn settle(&mut self, _: Direction, account: Account, bytes: u64) {
            if account == Account::Limit {
                self.1 += bytes;
            }
        }
    }
    let mut sink = Counting(0, 0);
    let mut parser = Connection::opened();
    for (direction, bytes) in [(ToServer, &client), (ToClient, &server), (ToClient, &bomb)] {
        for piece in bytes.chunks(16 * 1024) {
            crate::protocol::Parser::feed(&mut parser, direction, piece, &mut sink);
        }
    }
    assert!(sink.0 < 80 << 20);
    assert!(sink.1 > 0);
}

fn any_frames() -> impl Strategy<Value = Vec<u8>> {
    let any_frame = (
        any::<u8>(),
        proptest::collection::vec(any::<u8>(), 0..200),
        any::<bool>(),
    )
        .prop_map(|(first, payload, masked)| frame(first & 0xcf, &payload, masked));
    let cut = (any_frame, 0..300_usize).prop_map(|(mut frame, length)| {
        frame.truncate(length);
        frame
    });
    proptest::collection::vec(cut, 0..20).prop_map(|frames| frames.concat())
}

proptest! {
    #[test]
    fn any_frames_with_gaps_anywhere_are_settled_once(
        client in any_frames(), server in any_frames(), size in 1..90_usize, gaps: Vec<(u8, u64)>, deflate: bool,
    ) {
        let extension = if deflate { DEFLATE } else { "" };
        let [hello, answer] = handshake(extension);
        let mut pieces = vec![(ToServer, Piece::Bytes(&hello[..])), (ToClient, Piece::Bytes(&answer))];
        pieces.extend(client.chunks(size).map(|piece| (ToServer, Piece::Bytes(piece))));
        pieces.extend(server.chunks(size).map(|piece| (ToClient, Piece::Bytes(piece))));
        for (at, length) in gaps {
            let at = 2 + usize::from(at) % (pieces.len() - 1);
            let direction = if length % 2 == 0 { ToServer } else { ToClient };
            pieces.insert(at, (direction, Piece::Gap(length % 50)));
        }
        run_pieces(Connection::opened(), pieces);
    }

    #[test]
    fn what_is_read_around_gaps_was_said(drops: Vec<u8>, size in 1..4000_usize) {
        let ([client, server], said) = conversation();
        let [hello, answer] = handshake(DEFLATE);
        let mut pieces = vec![(ToServer, Piece::Bytes(&hello[..])), (ToClient, Piece::Bytes(&answer))];
        for (direction, bytes) in [(ToServer, &client), (ToClient, &server)] {
            for (at, piece) in bytes.chunks(size).enumerate() {
                let drop = drops.get(at % drops.len().max(1)).is_some_and(|drop| drop % 4 == 0);
                let piece = if drop { Piece::Gap(piece.len() as u64) } else { Piece::Bytes(piece) };
                pieces.push((direction, piece));
            }
        }
        let recorder = run_pieces(Connection::opened(), pieces);
        let whole = |seen: &&Seen| seen.place == Place::Message && seen.whole && seen.text().len() > 8;
        for seen in recorder.seen.iter().filter(whole) {
            let text = seen.text();
            prop_assert!(said.iter().any(|(direction, said)| *direction == seen.direction && said.contains(&text)));
        }
    }
}
