//! Conversations, split and damaged in every way, against what must come out.

use proptest::prelude::*;

use crate::ledger::Account;
use crate::protocol::recorded::{Recorder, Seen, run};
use crate::protocol::{Connection, Direction, Parser, Place};

use super::{Http1, MAX_HEAD};

mod lost;
use Direction::{ToClient, ToServer};

const REQUESTS: &[u8] = b"\r\nPOST /v1/charges/42?q=a%20b HTTP/1.1\r\nHost: Shop.test:80\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{\"a\": 1}\
HEAD /v1/ping HTTP/1.1\nHost: shop.test\n\n\
PUT /up HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n\
GET /empty HTTP/1.1\r\nContent-Length: 0\r\n\r\n\
GET /last HTTP/1.0\r\n\r\n";
const RESPONSES: &[u8] =
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nfine\
HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n\
HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n\
HTTP/1.1 204 No Content\r\n\r\n\
HTTP/1.0 200 OK\r\n\r\nuntil the end\r\n\r\nHTTP/1.1 200 OK";

fn whole() -> Recorder {
    run(
        Connection::opened(),
        &[(ToServer, REQUESTS), (ToClient, RESPONSES)],
    )
}

#[test]
fn a_pipelined_conversation_comes_apart_into_its_parts() {
    let seen = whole();
    let charge = Some("POST /v1/charges/{id}");
    assert_eq!(seen.texts(Place::RequestQuery), [(charge, "?q=a%20b".into())]);
    assert_eq!(
        seen.texts(Place::RequestBody),
        [
            (charge, "{\"a\": 1}".into()),
            (Some("PUT /up"), "hello world".into())
        ]
    );
    assert_eq!(
        seen.texts(Place::RequestTrailers),
        [(Some("PUT /up"), "X-Sum: 1\r\n\r\n".into())]
    );
    assert_eq!(
        seen.texts(Place::ResponseBody),
        [
            (charge, "fine".into()),
            (Some("PUT /up"), "0123456789".into()),
            (Some("GET /last"), "until the end\r\n\r\nHTTP/1.1 200 OK".into()),
        ]
    );
    assert_eq!(seen.texts(Place::ResponseHeaders).len(), 6);
    assert!(seen.texts(Place::Stream).is_empty());
    let statuses = seen
        .seen
        .iter()
        .filter(|s| s.place == Place::ResponseBody)
        .map(|s| s.status);
    assert_eq!(statuses.collect::<Vec<_>>(), [Some(201), Some(200), Some(200)]);
}

#[test]
fn the_same_comes_out_when_split_at_any_byte() {
    let expected = whole().seen;
    for at in 0..=REQUESTS.len().max(RESPONSES.len()) {
        let (a, b) = REQUESTS.split_at(at.min(REQUESTS.len()));
        let (c, d) = RESPONSES.split_at(at.min(RESPONSES.len()));
        let seen = run(
            Connection::opened(),
            &[(ToServer, a), (ToServer, b), (ToClient, c), (ToClient, d)],
        )
        .seen;
        assert_eq!(seen, expected, "split at {at}");
    }
}

#[test]
fn a_response_that_comes_before_its_request_waits_for_it() {
    let expected = whole().seen;
    let mut seen = run(
        Connection::opened(),
        &[(ToClient, RESPONSES), (ToServer, REQUESTS)],
    )
    .seen;
    seen.sort_by_key(|seen| seen.direction == ToClient);
    assert_eq!(seen, expected);
}

#[test]
fn a_connection_joined_in_a_body_is_read_from_its_next_message() {
    let seen = run(
        Connection::joined(),
        &[
            (ToServer, b"5555 4444\"}"),
            (ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
            (ToServer, b"POST /next HTTP/1.1\r\nContent-Length: 1\r\n\r\nx"),
            (ToClient, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"),
        ],
    );
    assert_eq!(seen.texts(Place::Stream), [(None, "5555 4444\"}".into())]);
    assert_eq!(
        seen.texts(Place::ResponseBody),
        [(None, "ok".into()), (Some("POST /next"), "no".into())]
    );
}

#[test]
fn a_gap_in_a_body_of_known_length_loses_nothing_else() {
    let mut parser = Http1::opened();
    let mut recorder = Recorder::default();
    parser.feed(
        ToServer,
        b"POST /a HTTP/1.1\r\nContent-Length: 10\r\n\r\n01",
        &mut recorder,
    );
    parser.gap(ToServer, 5, &mut recorder);
    parser.feed(ToServer, b"789GET /b HTTP/1.1\r\n\r\n", &mut recorder);
    assert_eq!(
        recorder.texts(Place::RequestBody),
        [(Some("POST /a"), "01789".into())]
    );
    assert_eq!(recorder.texts(Place::RequestPath).len(), 2);
}

#[test]
fn after_a_gap_of_unknown_length_the_next_message_is_found_and_not_paired_wrongly() {
    let mut parser = Http1::opened();
    let mut recorder = Recorder::default();
    parser.feed(ToServer, b"GET /a HTTP/1.1\r\n\r\nGET /b HT", &mut recorder);
    parser.gap(ToServer, 0, &mut recorder);
    parser.feed(ToServer, b"st: x\r\n\r\nGET /c HTTP/1.1\r\n\r\n", &mut recorder);
    parser.feed(ToClient, b"HTTP/1.1 204 No\r\n\r\n", &mut recorder);
    assert_eq!(
        recorder.texts(Place::Stream),
        [(None, "GET /b HT".into()), (None, "st: x\r\n\r\n".into())]
    );
    assert_eq!(recorder.texts(Place::RequestPath).len(), 2);
}

#[test]
fn a_tunnel_is_text_and_tls_inside_it_is_not_called_scanned() {
    let upgrade: [(Direction, &[u8]); 4] = [
        (ToServer, b"GET /ws HTTP/1.1\r\nUpgrade: other\r\n\r\n"),
        (ToClient, b"HTTP/1.1 101 Switching\r\n\r\nhello"),
        (ToServer, b"GET key\r\n"),
        (ToClient, b"bye"),
    ];
    let seen = run(Connection::opened(), &upgrade);
    let of = Some("GET /ws");
    assert_eq!(
        seen.texts(Place::Stream),
        [(of, "hellobye".into()), (of, "GET key\r\n".into())]
    );
    let connect: [(Direction, &[u8]); 3] = [
        (ToServer, b"CONNECT bank.test:443 HTTP/1.1\r\n\r\n"),
        (ToClient, b"HTTP/1.1 200 OK\r\n\r\n"),
        (ToServer, b"\x16\x03\x01\x00\x05hello"),
    ];
    assert!(
        run(Connection::opened(), &connect)
            .texts(Place::Stream)
            .is_empty()
    );
}

#[test]
fn a_head_beyond_its_limits_settles_as_limit() {
    let long = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &vec![b'a'; MAX_HEAD]].concat();
    let next: &[u8] = b"\r\n\r\nGET /b HTTP/1.1\r\n\r\n";
    for piece in [1000, usize::MAX] {
        let mut conversation: Vec<_> = long
            .chunks(piece.min(long.len()))
            .map(|c| (ToServer, c))
            .collect();
        conversation.push((ToServer, next));
        let seen = run(Connection::opened(), &conversation);
        assert_eq!(seen.settled_as(Account::Limit), MAX_HEAD as u64);
        assert_eq!(seen.texts(Place::RequestPath), [(Some("GET /b"), "/b".into())]);
    }
    let many = format!(
        "GET / HTTP/1.1\r\n{}\r\n",
        "A: b\r\n".repeat(super::MAX_HEADERS + 1)
    );
    assert_eq!(
        run(Connection::opened(), &[(ToServer, many.as_bytes())]).settled_as(Account::Limit),
        many.len() as u64
    );
}

#[test]
fn unknown_protocols_are_streams_and_two_ways_around_is_noticed() {
    let seen = run(
        Connection::opened(),
        &[(ToClient, b"220 mail.test\r\n"), (ToServer, b"HELO a\r\n")],
    );
    assert_eq!(seen.texts(Place::Stream).len(), 2);
    assert_eq!(seen.seen[0].operation, None);
    let seen = run(
        Connection::joined(),
        &[
            (ToClient, b"GET /a HTTP/1.1\r\n\r\n"),
            (ToServer, b"HTTP/1.1 204 No\r\n\r\n"),
        ],
    );
    assert_eq!(seen.seen[0].direction, ToClient);
    assert_eq!(
        seen.texts(Place::ResponseHeaders),
        [(Some("GET /a"), "\r\n".into())]
    );
}

#[test]
fn bytes_one_at_a_time_take_linear_time() {
    let mut bytes = b"GET / HTTP/1.1\r\nX: ".to_vec();
    bytes.resize(MAX_HEAD - 4, b'a');
    bytes.extend_from_slice(b"\r\n\r\n");
    bytes.extend(vec![b'\n'; 200_000]);
    bytes.extend(b"\x01 lost\n");
    bytes.extend(vec![b'\n'; 200_000]);
    let conversation: Vec<_> = bytes.chunks(1).map(|b| (ToServer, b)).collect();
    let start = std::time::Instant::now();
    assert_eq!(
        run(Connection::opened(), &conversation)
            .texts(Place::RequestHeaders)
            .len(),
        1
    );
    run(Connection::opened(), &[(ToServer, &bytes)]);
    assert!(start.elapsed().as_secs() < 10);
}

fn pieces() -> impl Strategy<Value = Vec<(bool, usize, u8)>> {
    proptest::collection::vec((any::<bool>(), 1..60usize, any::<u8>()), 0..60)
}

fn direction(to_server: bool) -> Direction {
    if to_server { ToServer } else { ToClient }
}

/// Bytes that are nearly HTTP.
fn nearly_http() -> impl Strategy<Value = Vec<u8>> {
    let words = proptest::sample::select(vec![
        &b"GET /a HTTP/1.1\r\n"[..],
        b"POST / HTTP/1.1\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 101 S\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 99999999999\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"\r\n",
        b"\n",
        b"5\r\n",
        b"0\r\n\r\n",
        b"hello",
        b"ffffffffffffffff\r\n",
        b"\x00\xff",
        b"CONNECT a:1 HTTP/1.1\r\n\r\n",
    ]);
    proptest::collection::vec(words, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn random_splits_and_interleavings_change_nothing(pieces in pieces()) {
        let (mut requests, mut responses) = (REQUESTS, RESPONSES);
        let mut conversation = Vec::new();
        for (to_server, length, _) in pieces {
            let rest = if to_server { &mut requests } else { &mut responses };
            let (piece, after) = rest.split_at(length.min(rest.len()));
            *rest = after;
            conversation.push((direction(to_server), piece));
        }
        conversation.extend([(ToServer, requests), (ToClient, responses)]);
        let key = |seen: &Seen| (seen.direction.index(), seen.message, format!("{:?}", seen.place));
        let mut seen = run(Connection::opened(), &conversation).seen;
        let mut expected = whole().seen;
        seen.sort_by_key(key);
        expected.sort_by_key(key);
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn lost_pieces_never_break_the_account(pieces in pieces(), opened: bool) {
        let mut parser = if opened { Connection::opened() } else { Connection::joined() };
        let mut recorder = Recorder::default();
        let mut fed = [0; 2];
        let mut rest = [REQUESTS, RESPONSES];
        for (to_server, length, fate) in pieces {
            let direction = direction(to_server);
            let rest = &mut rest[direction.index()];
            let (piece, after) = rest.split_at(length.min(rest.len()));
            *rest = after;
            match fate % 4 {
                0 => parser.gap(direction, piece.len() as u64, &mut recorder),
                1 if fate > 200 => parser.gap(direction, 0, &mut recorder),
                _ if piece.is_empty() => {}
                _ => {
                    fed[direction.index()] += piece.len() as u64;
                    parser.feed(direction, piece, &mut recorder);
                }
            }
        }
        parser.finish(ToServer, &mut recorder);
        parser.finish(ToClient, &mut recorder);
        prop_assert_eq!(recorder.settled, fed);
    }

    #[test]
    fn any_bytes_are_settled_once(a in proptest::collection::vec(any::<u8>(), 0..3000), b in nearly_http(), c in nearly_http(), size in 1..200usize, opened: bool) {
        let mut conversation: Vec<(Direction, &[u8])> = Vec::new();
        conversation.extend(b.chunks(size).map(|c| (ToServer, c)));
        conversation.extend(c.chunks(size).map(|c| (ToClient, c)));
        conversation.extend(a.chunks(size).map(|c| (ToServer, c)));
        conversation.extend(b.chunks(size * 3).map(|c| (ToClient, c)));
        run(if opened { Connection::opened() } else { Connection::joined() }, &conversation);
    }
}
