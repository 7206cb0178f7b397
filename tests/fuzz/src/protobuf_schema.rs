//! Any descriptors, from the configuration or from a server that is asked for them, and any message that is read by them:
//! every byte is settled once, windows are bounded, and no path is longer than it may be.
//!
//! Goes in: flags, length of a piece, length of the descriptors (two bytes), the descriptors, the message.

use std::sync::Arc;

use auditor::content::protobuf::{Registry, Schema};
use auditor::content::{Document, Limits, Origin, Reader, Receiver};
use auditor::ledger::Account;
use auditor::protocol::{Direction, Exchange, Part, Place};

const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const PLACE: &str = "/shop.Orders/Place";
/// Longest path with its name, bytes.
const LONGEST: usize = 512;

#[derive(Default)]
struct Asker {
    settled: u64,
}

impl Receiver for Asker {
    fn document(&mut self, origin: &Origin<'_>, document: &Document<'_>) {
        // What is encoded in a string has a document of its own, whose places are those of the string.
        let positions = (0..document.bytes.len()).map(|at| origin.positions.of(at));
        assert!(positions.is_sorted(), "positions ascend");
        for start in (0..document.bytes.len()).step_by(7) {
            let field = document.field_at(start..(start + 5).min(document.bytes.len()));
            assert!(field.value.start <= field.value.end && field.value.end <= document.bytes.len());
            assert!(field.path.is_none_or(|path| path.len() <= LONGEST));
        }
    }

    fn settle(&mut self, _: Direction, _: Account, bytes: u64) {
        self.settled += bytes;
    }
}

pub fn run(input: &[u8]) {
    let [flags, piece, high, low, rest @ ..] = input else {
        return;
    };
    let (descriptors, message) =
        rest.split_at(usize::from(u16::from_be_bytes([*high, *low])).min(rest.len()));
    let is_configured = flags & 1 == 0;
    let schema = if is_configured {
        Schema::parse(descriptors).unwrap_or_default()
    } else {
        Schema::default()
    };
    let registry = Arc::new(Registry::new(schema, true));
    let piece = usize::from(*piece).max(1);
    if !is_configured {
        let asked = (REFLECTION, Place::ResponseBody);
        read(&registry, asked, "application/grpc", descriptors, 1 << 14);
    }
    let place = if flags & 2 == 0 {
        Place::RequestBody
    } else {
        Place::ResponseBody
    };
    let media = if flags & 4 == 0 {
        "application/grpc"
    } else {
        "application/x-protobuf; messageType=shop.Order"
    };
    read(&registry, (PLACE, place), media, message, piece);
    let tally = registry.tally();
    assert!(tally.types <= 65_536 + 4_096 && tally.methods <= 65_536 + 4_096);
    let [learnt, most] = registry.learnt_types();
    assert!(learnt <= most);
}

fn read(registry: &Arc<Registry>, (operation, place): (&str, Place), media: &str, body: &[u8], piece: usize) {
    let exchange = Arc::new(Exchange {
        protocol: "grpc",
        operation: Some(operation.to_owned()),
        ..Exchange::default()
    });
    let mut reader = Reader::new(Limits {
        window: 1 << 16,
        ..Limits::default()
    })
    .with_descriptors(Arc::clone(registry));
    let mut asker = Asker::default();
    let mut offset = 0;
    for data in body.chunks(piece) {
        let part = Part {
            exchange: &exchange,
            direction: Direction::ToServer,
            place,
            message: 0,
            content_type: Some(media),
            content_encoding: None,
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
