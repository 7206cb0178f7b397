//! Whatever records come in whatever order, every payload byte is settled exactly once: handed to
//! the flow of its stream, or counted as a duplicate.
//!
//! The input is a list of slots. In an input whose first byte is even a slot is a length and that
//! many bytes as they are; else it is a short form of the fields that matter (see [`compact`]).

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use auditor::{
    capture::ring::Record,
    ledger::{Account, ByteLedger, Ledger},
    protocol::Direction,
    stream::{Connection, Flow, Peers, Streams, ledger_of},
};
use auditor_common::record::{HEADER_LEN, Kind, RecordHeader};

/// Settles what it is given, and counts the flows that ended.
struct Settling {
    ledger: Arc<ByteLedger>,
    open: Arc<AtomicU64>,
}

impl Flow for Settling {
    fn data(&mut self, connection: &Connection, direction: Direction, _: u64, bytes: &[u8]) {
        assert!(!bytes.is_empty());
        assert_eq!(connection.direction(connection.is_ingress(direction)), direction);
        self.ledger
            .settle(connection.ledger(), Account::Scanned, bytes.len() as u64);
    }

    fn message_end(&mut self, _: &Connection, _: Direction) {}

    fn gap(&mut self, _: &Connection, _: Direction, bytes: u64) {
        assert!(bytes > 0);
    }

    fn settled(&mut self, connection: &Connection) {
        assert_eq!(ledger_of(connection.source), connection.ledger());
    }

    fn quiet(&mut self, _: &Connection) {}

    fn end(&mut self, _: &Connection) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

pub fn run(input: &[u8]) {
    let Some((mode, mut rest)) = input.split_first() else {
        return;
    };
    let ledger = Arc::new(ByteLedger::default());
    let open = Arc::new(AtomicU64::new(0));
    let mut streams = Streams::new(Arc::new(Peers::default()), Arc::clone(&ledger), {
        let (ledger, open) = (Arc::clone(&ledger), Arc::clone(&open));
        move |_| {
            open.fetch_add(1, Ordering::Relaxed);
            Settling {
                ledger: Arc::clone(&ledger),
                open: Arc::clone(&open),
            }
        }
    });
    let mut moved = [0; 2];
    while let [length, bytes @ ..] = rest {
        let (bytes, after) = bytes.split_at(usize::from(*length).min(bytes.len()));
        rest = after;
        let slot = if mode & 1 == 0 {
            bytes.to_vec()
        } else {
            compact(bytes)
        };
        if let Some(record) = Record::decode(&slot) {
            assert_eq!(record.payload.len(), record.header.len as usize);
            let bytes = match record.kind {
                Kind::Data => record.payload.len(),
                Kind::Datagram => record.datagram().map_or(0, |(_, bytes)| bytes.len()),
                _ => 0,
            };
            moved[ledger_of(record.source) as usize] += bytes as u64;
            streams.record(&record);
        }
        match bytes.first() {
            Some(0xfe) => {
                streams.settle();
                streams.idle();
            }
            Some(0xff) => streams.exited(u32::from(*length)),
            _ => {}
        }
    }
    streams.finish();
    assert!(streams.is_empty());
    assert_eq!(open.load(Ordering::Relaxed), 0, "every flow ends once");
    for ledger_name in [Ledger::Socket, Ledger::Tls] {
        let settled =
            [Account::Scanned, Account::Duplicate].map(|account| ledger.settled(ledger_name, account));
        assert_eq!(settled.iter().sum::<u64>(), moved[ledger_name as usize]);
    }
}

/// A slot from: kind, direction and flags, source and stream, offset, cookie and process, then payload.
fn compact(bytes: &[u8]) -> Vec<u8> {
    let [kind, stream, offset, owner, payload @ ..] = bytes else {
        return Vec::new();
    };
    let header = RecordHeader {
        time_ns: 1,
        stream: u64::from(stream & 7),
        cookie: u64::from(owner & 7),
        // Near the start, or near the end of all numbers.
        offset: if *offset < 0xf0 {
            u64::from(*offset)
        } else {
            u64::MAX - u64::from(offset & 15)
        },
        cgroup: 0,
        tgid: u32::from(owner >> 6),
        tid: 0,
        total: 0,
        len: payload.len() as u32,
        seq_end: u32::from(*owner),
        chunk: 0,
        kind: match kind & 7 {
            0 => Kind::Datagram as u8,
            kind => kind,
        },
        source: stream >> 6,
        ingress: kind >> 3,
        flags: kind >> 4,
        _pad0: 0,
        _pad1: 0,
    };
    let mut slot = Vec::with_capacity(HEADER_LEN + payload.len());
    for field in [
        header.time_ns,
        header.stream,
        header.cookie,
        header.offset,
        header.cgroup,
    ] {
        slot.extend(field.to_ne_bytes());
    }
    for field in [header.tgid, header.tid, header.total, header.len, header.seq_end] {
        slot.extend(field.to_ne_bytes());
    }
    slot.extend(header.chunk.to_ne_bytes());
    slot.extend([header.kind, header.source, header.ingress, header.flags]);
    slot.resize(HEADER_LEN, 0);
    slot.extend(payload);
    slot
}
