//! Any content of any format, type and encoding is settled exactly once, in bounded windows, and
//! every field that is asked for lies where it says.

use std::sync::Arc;

use auditor::content::{Document, Limits, Origin, Reader, Receiver};
use auditor::ledger::Account;
use auditor::protocol::{Direction, Exchange, Part, Place};

const LIMITS: usize = 256;

#[derive(Default)]
struct Asker {
    settled: u64,
}

impl Receiver for Asker {
    fn document(&mut self, origin: &Origin<'_>, document: &Document<'_>) {
        assert!(document.bytes.len() <= LIMITS);
        let positions = (0..document.bytes.len()).map(|at| origin.positions.of(at));
        assert!(positions.is_sorted(), "positions ascend");
        for start in (0..document.bytes.len()).step_by(7) {
            let at = start..(start + 5).min(document.bytes.len());
            let field = document.field_at(at.clone());
            assert!(field.value.start <= field.value.end && field.value.end <= document.bytes.len());
            assert!(field.siblings.len() <= 32);
            let source = origin.positions.of_range(&at);
            assert!(source.start <= source.end);
            let column = document.fields.column_at(document.bytes, at.start);
            let name = column.and_then(|column| document.fields.column_name(column));
            assert!(name.is_none_or(|name| name.len() <= 3 * 128));
        }
    }

    fn settle(&mut self, _: Direction, _: Account, bytes: u64) {
        self.settled += bytes;
    }
}

pub fn run(input: &[u8]) {
    let [place, types, piece, body @ ..] = input else {
        return;
    };
    let place = [
        Place::RequestPath,
        Place::RequestQuery,
        Place::RequestHeaders,
        Place::RequestBody,
        Place::Stream,
        Place::File,
    ][usize::from(*place) % 6];
    let media = [
        None,
        Some("application/json"),
        Some("text/xml"),
        Some("text/csv"),
        Some("application/x-www-form-urlencoded"),
        Some("application/x-protobuf"),
        Some("multipart/form-data; boundary=X"),
        Some("text/event-stream"),
        Some("application/msgpack"),
        Some("application/cbor"),
        Some("text/html"),
        Some("application/yaml"),
        Some("text/plain; charset=shift_jis"),
        Some("application/grpc"),
        Some("text/plain; charset=utf-16"),
        Some("application/sql"),
    ][usize::from(*types & 15)];
    let encoding = match *types >> 4 {
        1 => Some("gzip"),
        2 => Some("deflate"),
        3 => Some("br"),
        4 => Some("zstd"),
        5 => Some("gzip, br"),
        _ => None,
    };
    let exchange = Arc::new(Exchange::default());
    let mut reader = Reader::new(Limits {
        window: LIMITS,
        overlap: 32,
        longest: 64,
        ..Limits::default()
    });
    let mut asker = Asker::default();
    let mut offset = 0;
    for data in body.chunks(usize::from(*piece).max(1)) {
        let part = Part {
            exchange: &exchange,
            direction: Direction::ToServer,
            place,
            message: 0,
            content_type: media,
            content_encoding: encoding,
            offset,
            last: false,
            data,
            wire_bytes: data.len() as u64,
        };
        reader.part(&part, &mut asker);
        offset += data.len() as u64;
    }
    reader.finish(&mut asker);
    assert_eq!(asker.settled, body.len() as u64);
}
