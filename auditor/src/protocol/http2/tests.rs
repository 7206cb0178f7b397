//! Conversations of the `h2` crate, split and damaged in every way, against what was said.

mod talk;

use proptest::prelude::*;

use crate::ledger::Account;
use crate::protocol::recorded::{Piece, Recorder, Seen, run, run_pieces};
use crate::protocol::{Connection, Direction, Parser, Place};

use super::{MAX_BLOCK, PREFACE};
use Direction::{ToClient, ToServer};
use talk::{Said, Talk, talk};

/// Direction, place, operation and text of parts that were joined.
type Part = (Direction, Place, Option<String>, String);

fn parts(recorder: &Recorder) -> Vec<Part> {
    let mut parts: Vec<Part> = recorder
        .seen
        .iter()
        .filter(|seen| seen.place != Place::Stream)
        .map(|seen| (seen.direction, seen.place, seen.operation.clone(), seen.text()))
        .collect();
    sort(&mut parts);
    parts
}

fn sort(parts: &mut [Part]) {
    parts.sort_by_key(|(direction, place, operation, text)| {
        (
            direction.index(),
            format!("{place:?}"),
            operation.clone(),
            text.clone(),
        )
    });
}

fn expected(said: &[Said]) -> Vec<Part> {
    let mut parts: Vec<Part> = said
        .iter()
        .map(|said| {
            (
                said.direction,
                said.place,
                Some(said.operation.to_owned()),
                said.text.clone(),
            )
        })
        .collect();
    sort(&mut parts);
    parts
}

fn pieces(talk: &Talk) -> Vec<(Direction, &[u8])> {
    talk.writes
        .iter()
        .map(|(direction, bytes)| (*direction, bytes.as_slice()))
        .collect()
}

#[test]
fn interleaved_streams_come_apart_into_their_parts() {
    let talk = talk();
    let seen = run(Connection::opened(), &pieces(talk));
    assert_eq!(parts(&seen), expected(&talk.said));
    assert_eq!(seen.lost, 0);
    assert!(seen.seen.iter().all(|seen| seen.whole));
    let grpc = seen.seen.iter().filter(|seen| seen.protocol == "grpc");
    assert!(grpc.clone().count() > 4);
    assert!(
        grpc.clone()
            .all(|seen| seen.operation.as_deref() == Some("/shop.Orders/Place"))
    );
    let compressed = seen
        .seen
        .iter()
        .filter(|seen| seen.content_encoding.as_deref() == Some("gzip"));
    assert_eq!(compressed.count(), 2);
}

#[test]
fn the_same_comes_out_however_it_is_split() {
    let talk = talk();
    let expected = expected(&talk.said);
    for size in [1, 2, 3, 7, 9, 10, 64, 1000, 16_384, 100_000] {
        let pieces: Vec<_> = pieces(talk)
            .into_iter()
            .flat_map(|(direction, bytes)| bytes.chunks(size).map(move |piece| (direction, piece)))
            .collect();
        let seen = run(Connection::opened(), &pieces);
        assert_eq!(parts(&seen), expected, "pieces of {size}");
    }
}

#[test]
fn answers_that_come_before_their_requests_wait_for_them() {
    let talk = talk();
    let (mut answers, requests): (Vec<_>, Vec<_>) = pieces(talk)
        .into_iter()
        .partition(|(direction, _)| *direction == ToClient);
    // Each server write before all that the client wrote, as far as it fits.
    let first = answers.remove(0);
    let mut conversation = vec![requests[0], first];
    let (small, rest): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, bytes)| bytes.len() < 500);
    conversation.extend(small);
    conversation.extend(&requests[1..]);
    conversation.extend(rest);
    let seen = run(Connection::opened(), &conversation);
    let heads = |recorder: &Recorder| {
        let of_place = recorder.texts(Place::ResponseHeaders);
        of_place
            .iter()
            .filter(|(operation, _)| operation.is_none())
            .count()
    };
    assert_eq!(heads(&seen), 0);
}

#[test]
fn a_connection_that_was_open_before_is_read_from_its_next_frame() {
    let talk = talk();
    let writes = pieces(talk);
    for from in 1..writes.len() {
        let seen = run(Connection::joined(), &writes[from..]);
        assert_nothing_is_wrong(&seen, talk);
        // All data is there, whatever is known of it.
        let data = |place: Place| {
            let texts = seen.seen.iter().filter(|seen| seen.place == place);
            texts.map(|seen| seen.data.len()).sum::<usize>()
        };
        let last: usize = talk.said.iter().map(|said| said.text.len()).sum();
        // Until a write begins with a frame; these break off where the buffer between the two is full.
        assert!(data(Place::Stream) <= 4 * (16 * 1024 + 9), "joined at {from}");
        assert!(data(Place::RequestBody) + data(Place::ResponseBody) <= last);
    }
}

/// Whatever names an operation names the right one.
fn assert_nothing_is_wrong(seen: &Recorder, talk: &Talk) {
    for part in seen.seen.iter().filter(|seen| seen.operation.is_some()) {
        // Without the start of its body a request is named less exactly.
        let operation = part.operation.as_deref().unwrap_or_default();
        let is_part = |rest: &str| rest.is_empty() || rest.starts_with(' ');
        let said = |said: &&Said| {
            said.direction == part.direction && said.operation.strip_prefix(operation).is_some_and(is_part)
        };
        let of_operation: Vec<_> = talk.said.iter().filter(said).collect();
        assert!(
            !of_operation.is_empty(),
            "{operation} {:?} {:?}",
            part.direction,
            part.place
        );
        if part.whole && part.place != Place::RequestHeaders && part.place != Place::ResponseHeaders {
            let text = part.text();
            assert!(of_operation.iter().any(|said| said.text.contains(&text)));
        }
    }
}

#[test]
fn a_frame_is_found_within_one_message_after_a_gap() {
    let talk = talk();
    let mut conversation: Vec<(Direction, Piece<'_>)> = Vec::new();
    let client: Vec<u8> = pieces(talk)
        .into_iter()
        .filter(|(direction, _)| *direction == ToServer)
        .flat_map(|(_, bytes)| bytes.to_vec())
        .collect();
    // From the middle of a body on, some 30 KB are missing, and nobody knows how many.
    conversation.push((ToServer, Piece::Bytes(&client[..2000])));
    conversation.push((ToServer, Piece::Gap(0)));
    conversation.push((ToServer, Piece::Bytes(&client[30_000..])));
    let seen = run_pieces(Connection::opened(), conversation);
    assert_eq!(seen.lost, 1);
    let stretch: usize = seen
        .seen
        .iter()
        .filter(|seen| seen.place == Place::Stream)
        .map(|seen| seen.data.len())
        .sum();
    assert!(stretch <= 16 * 1024 + 9, "{stretch}");
    assert_nothing_is_wrong(&seen, talk);
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `:method: POST`, `:path: path`, of which nothing is added to the table.
fn post(path: &str) -> Vec<u8> {
    let mut block = vec![0x83, 0x04, path.len() as u8];
    block.extend(path.as_bytes());
    block
}

#[test]
fn padding_priority_continuation_and_push_are_read() {
    let block = post("/a/42?x=1");
    let mut padded = vec![3, 0, 0, 0, 0, 16];
    padded.extend(&block[..4]);
    padded.extend([0; 3]);
    let data = [&[5_u8][..], b"body", &[0; 5]].concat();
    let client = [
        PREFACE.to_vec(),
        frame(4, 0, 0, &[]),
        frame(1, 0x28, 1, &padded),
        frame(9, 0, 1, &block[4..6]),
        frame(9, 0x4, 1, &block[6..]),
        frame(0, 0x9, 1, &data),
    ]
    .concat();
    let promise = [&[0, 0, 0, 2][..], &post("/pushed")].concat();
    let server = [
        frame(4, 0, 0, &[]),
        frame(5, 0x4, 1, &promise),
        frame(1, 0x4, 2, &[0x88]),
        frame(0, 0x1, 2, b"pushed body"),
        frame(1, 0x5, 1, &[0x89]),
        frame(7, 0, 0, b"\0\0\0\0\0\0\0\0debug"),
    ]
    .concat();
    let seen = run(Connection::opened(), &[(ToServer, &client), (ToClient, &server)]);
    let op = Some("POST /a/{id}");
    assert_eq!(seen.texts(Place::RequestPath)[0], (op, "/a/42".into()));
    assert_eq!(seen.texts(Place::RequestQuery), [(op, "?x=1".into())]);
    assert_eq!(seen.texts(Place::RequestBody), [(op, "body".into())]);
    let pushed = Some("POST /pushed");
    assert_eq!(seen.texts(Place::RequestPath)[1], (pushed, "/pushed".into()));
    assert_eq!(seen.texts(Place::ResponseBody), [(pushed, "pushed body".into())]);
    assert!(seen.texts(Place::Stream)[0].1.ends_with("debug"));
}

#[test]
fn a_header_block_beyond_its_limit_settles_as_limit() {
    let long = vec![0; MAX_BLOCK];
    for cut in [MAX_BLOCK, 16_384, 100] {
        let mut client = [PREFACE.to_vec(), frame(4, 0, 0, &[])].concat();
        let mut kind = 1;
        for block in long.chunks(cut) {
            client.extend(frame(kind, 0, 1, block));
            kind = 9;
        }
        client.extend(frame(9, 0x4, 1, b"x"));
        client.extend(frame(1, 0x5, 3, &post("/b")));
        let seen = run(Connection::opened(), &[(ToServer, &client)]);
        assert!(seen.settled_as(Account::Limit) > MAX_BLOCK as u64);
        assert_eq!(seen.texts(Place::RequestPath), [(Some("POST /b"), "/b".into())]);
    }
}

#[test]
fn ten_thousand_streams_are_bounded_and_all_their_data_is_shown() {
    let mut client = [PREFACE.to_vec(), frame(4, 0, 0, &[])].concat();
    for stream in 0..10_000 {
        client.extend(frame(
            1,
            0x4,
            2 * stream + 1,
            &post(&format!("/{}", "a".repeat(100))),
        ));
    }
    for stream in 0..10_000 {
        client.extend(frame(0, 0, 2 * stream + 1, b"data of a stream"));
    }
    /// Counts bodies and keeps nothing.
    struct Counting(usize);
    impl crate::protocol::Sink for Counting {
        fn part(&mut self, part: crate::protocol::Part<'_>) {
            self.0 += usize::from(part.place == Place::RequestBody && !part.data.is_empty());
        }
        fn settle(&mut self, _: Direction, _: Account, _: u64) {}
    }
    let (mut parser, mut sink) = (Connection::opened(), Counting(0));
    let used = allocation_counter::measure(|| {
        parser.feed(ToServer, &client, &mut sink);
    });
    assert_eq!(sink.0, 10_000);
    assert!(used.bytes_max < 256 * 1024, "{} bytes", used.bytes_max);
}

#[test]
fn what_waits_to_be_told_is_shown_when_nothing_follows() {
    // The header of a frame, and not all of its payload: on a connection that was open before it may be anything.
    let piece = &frame(0, 0, 1, &[b'x'; 200])[..100];
    for mut parser in [Connection::joined(), lost()] {
        let mut recorder = Recorder::default();
        parser.feed(ToServer, piece, &mut recorder);
        assert_eq!(recorder.settled, [0, 0]);
        parser.quiet(&mut recorder);
        assert_eq!(recorder.settled, [piece.len() as u64, 0]);
    }
}

/// A connection of which bytes are missing.
fn lost() -> Connection {
    let mut parser = Connection::opened();
    let mut recorder = Recorder::default();
    parser.feed(ToServer, PREFACE, &mut recorder);
    parser.gap(ToServer, 0, &mut recorder);
    parser
}

#[test]
fn a_client_that_upgrades_goes_on_in_stream_one() {
    let client = [
        b"POST /up/42 HTTP/1.1\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi".to_vec(),
        PREFACE.to_vec(),
        frame(4, 0, 0, &[]),
        frame(1, 0x5, 3, &post("/b")),
    ];
    let server = [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n".to_vec(),
        frame(4, 0, 0, &[]),
        frame(1, 0x4, 1, &[0x88]),
        frame(0, 0x1, 1, b"answer"),
        frame(1, 0x4, 3, &[0x88]),
        frame(0, 0x1, 3, b"other"),
    ];
    let seen = run(
        Connection::opened(),
        &[
            (ToServer, &client[0]),
            (ToClient, &server[0]),
            (ToClient, &server[1]),
            (ToServer, &client[1..].concat()),
            (ToClient, &server[2..].concat()),
        ],
    );
    assert_eq!(
        seen.texts(Place::ResponseBody),
        [
            (Some("POST /up/{id}"), "answer".into()),
            (Some("POST /b"), "other".into())
        ]
    );
}

/// Bytes that are nearly HTTP/2.
fn nearly_http2() -> impl Strategy<Value = Vec<u8>> {
    let any_frame = (
        0..12_u8,
        any::<u8>(),
        0..4_u32,
        proptest::collection::vec(any::<u8>(), 0..60),
    )
        .prop_map(|(kind, flags, stream, payload)| frame(kind, flags, stream, &payload));
    let request =
        (any::<u8>(), 0..4_u32).prop_map(|(flags, stream)| frame(1, flags | 4, stream, &post("/a")));
    let piece = prop_oneof![
        4 => any_frame,
        4 => request,
        1 => Just(PREFACE.to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..30),
    ];
    proptest::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn lost_pieces_lead_to_no_wrong_operation(drops: Vec<u8>, size in 1..20_000_usize, from in 0..6_usize, known: bool) {
        let talk = talk();
        let mut conversation = Vec::new();
        let mut at = 0;
        for (direction, bytes) in pieces(talk).into_iter().skip(from) {
            for piece in bytes.chunks(size) {
                at += 1;
                let lost = drops.get(at % drops.len().max(1)).is_some_and(|drop| drop % 5 == 0);
                conversation.push((direction, match (lost, known) {
                    (false, _) => Piece::Bytes(piece),
                    (true, true) => Piece::Gap(piece.len() as u64),
                    (true, false) => Piece::Gap(0),
                }));
            }
        }
        let parser = if from == 0 { Connection::opened() } else { Connection::joined() };
        let seen = run_pieces(parser, conversation);
        assert_nothing_is_wrong(&seen, talk);
    }

    #[test]
    fn any_bytes_are_settled_once(a in nearly_http2(), b in nearly_http2(), size in 1..200_usize, opened: bool, gaps: Vec<(u8, u8)>) {
        let mut conversation: Vec<(Direction, Piece<'_>)> = vec![(ToServer, Piece::Bytes(PREFACE))];
        conversation.extend(a.chunks(size).map(|piece| (ToServer, Piece::Bytes(piece))));
        conversation.extend(b.chunks(size).map(|piece| (ToClient, Piece::Bytes(piece))));
        for (at, length) in gaps {
            let at = usize::from(at) % (conversation.len() + 1);
            let direction = if length % 2 == 0 { ToServer } else { ToClient };
            conversation.insert(at, (direction, Piece::Gap(u64::from(length))));
        }
        run_pieces(if opened { Connection::opened() } else { Connection::joined() }, conversation);
    }
}

#[test]
fn data_of_every_stream_is_whole() {
    let talk = talk();
    let seen = run(Connection::opened(), &pieces(talk));
    let whole = |seen: &&Seen| seen.place == Place::RequestBody && seen.data.len() > 40_000;
    assert!(seen.seen.iter().filter(whole).count() >= 1);
}
