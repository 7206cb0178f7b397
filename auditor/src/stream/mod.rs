//! Stage two: records become contiguous bytes of a connection whose ends are known.
//!
//! Goes in: [`Record`]s of one ring. Comes out, to one [`Flow`] per stream: bytes in order per
//! direction, gaps with their length, quiet moments, and the end. A stream's records all come
//! through one ring, so a table needs no lock. It never looks into payload, but for who speaks
//! first when nothing else tells client from server.

mod connection;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use auditor_common::record::{Kind, Source, flags};

pub use connection::{Connection, Ends, Peers};
use foldhash::fast::RandomState;

use crate::{
    capture::ring::Record,
    ledger::{Account, ByteLedger, Ledger},
    protocol::Direction,
};

/// Most streams a table holds; the one quiet for longest is ended to make room.
const CAPACITY: usize = 32_768;

/// A stream without data for this long is shown what still waits in its parsers.
const QUIET: Duration = Duration::from_millis(200);

/// A stream without data for this long is ended.
const IDLE: Duration = Duration::from_secs(3600);

/// How long after a process ended its streams are: records of other rings may still come.
const AFTER_EXIT: Duration = Duration::from_millis(300);

/// How long after its socket closed a stream is ended: the program may still read what arrived.
const AFTER_CLOSE: Duration = Duration::from_millis(500);

/// How long after its first bytes a stream may be bound and still have all it brought named by its
/// socket. A program sends what it has encrypted within microseconds; a record of that may be on its
/// way for some milliseconds more.
pub const BINDING: Duration = Duration::from_millis(200);

/// What the next stages make of one stream.
pub trait Flow {
    /// Bytes in order. The flow settles every one of them in the stream's ledger.
    fn data(&mut self, connection: &Connection, direction: Direction, time_ns: u64, bytes: &[u8]);
    /// A datagram is complete.
    fn message_end(&mut self, connection: &Connection, direction: Direction);
    /// Bytes are missing here; who lost them has settled them.
    fn gap(&mut self, connection: &Connection, direction: Direction, bytes: u64);
    /// The connection's socket is known now, or will not be for long: let go what waits for it.
    fn settled(&mut self, connection: &Connection);
    /// Nothing came for a while: show what waits.
    fn quiet(&mut self, connection: &Connection);
    /// The stream ended.
    fn end(&mut self, connection: &Connection);
}

/// Streams of one ring.
pub struct Streams<F> {
    table: Table<F>,
    exited: Vec<(Instant, u32)>,
    /// Streams whose first bytes came while they were not bound, in the order of that.
    unbound: VecDeque<(Instant, (Source, u64))>,
    peers: Arc<Peers>,
    ledger: Arc<ByteLedger>,
    make: Box<dyn Fn(&Connection) -> F + Send>,
    swept: Instant,
}

/// The kernel side makes the ids, so nobody chooses those that collide.
type Table<F> = HashMap<(Source, u64), Stream<F>, RandomState>;

struct Stream<F> {
    connection: Connection,
    flow: Option<F>,
    /// Next offset, egress and ingress.
    next: [u64; 2],
    /// Offsets are TCP sequence numbers, which begin again after 4 GiB.
    in_sequence: bool,
    last: Instant,
    /// Data came since the last quiet moment.
    fresh: bool,
}

/// A round of sequence numbers: where positions begin, so that those a little earlier are not below 0.
const ROUND: u64 = 1 << 32;

impl<F> Stream<F> {
    /// The first positions of both directions; both ends of a connection count the same way.
    fn start_at(&mut self, egress: u64, ingress: u32) {
        self.in_sequence = true;
        self.next = [ROUND + egress % ROUND, ROUND + u64::from(ingress)];
    }

    /// Where a record begins: the position that is nearest to what was expected.
    fn position(&self, way: usize, offset: u64) -> u64 {
        if !self.in_sequence {
            return offset;
        }
        let expected = self.next[way];
        let ahead = (offset as u32).wrapping_sub(expected as u32) as i32;
        expected.saturating_add_signed(i64::from(ahead))
    }
}

impl<F: Flow> Streams<F> {
    /// An empty table; `make` starts a flow when the first bytes of a stream come.
    pub fn new(
        peers: Arc<Peers>,
        ledger: Arc<ByteLedger>,
        make: impl Fn(&Connection) -> F + Send + 'static,
    ) -> Self {
        Self {
            table: Table::default(),
            exited: Vec::new(),
            unbound: VecDeque::new(),
            peers,
            ledger,
            make: Box::new(make),
            swept: Instant::now(),
        }
    }

    /// Takes one record.
    pub fn record(&mut self, record: &Record<'_>) {
        let key = (record.source, record.header.stream);
        match record.kind {
            Kind::Opened | Kind::Bound => {
                let Some(endpoint) = record.endpoint() else { return };
                self.make_room(key);
                let peers = Arc::clone(&self.peers);
                let stream = self.stream(key, record);
                if record.header.flags & flags::PEER != 0 {
                    // The other end of a connection that is a stream already.
                    let pair = connection::pair_of(&endpoint);
                    peers.pairs.insert(pair, record.header.tgid, false);
                    return;
                }
                stream.connection.set_endpoint(&endpoint, record.header.cookie);
                if record.header.flags & flags::SEQUENCE != 0 {
                    stream.start_at(record.header.offset, record.header.total);
                }
                peers.opened(&stream.connection);
                if let Some(flow) = &mut stream.flow {
                    peers.captured(&stream.connection);
                    flow.settled(&stream.connection);
                }
            }
            Kind::Data => self.data(key, record),
            Kind::Datagram => self.datagram(key, record),
            // A TLS object that was freed is gone. A closed socket may still hold bytes its program
            // has not read, and carries TLS streams of other rings: they end a little later.
            Kind::Closed if record.source == Source::Tls => {
                if let Some(stream) = self.table.remove(&key) {
                    end(stream, &self.peers);
                }
            }
            Kind::Closed => self.peers.socket_closed(record.header.cookie),
            Kind::Exec | Kind::Exit | Kind::Fork | Kind::Mapped | Kind::Moved => {}
        }
    }

    /// The process ended; its streams follow.
    pub fn exited(&mut self, tgid: u32) {
        self.exited.push((Instant::now(), tgid));
    }

    /// Streams that were not bound in time do not wait any longer. Called after each batch of records.
    pub fn settle(&mut self) {
        while let Some((since, key)) = self.unbound.front().copied() {
            if since.elapsed() < BINDING && self.unbound.len() <= CAPACITY {
                return;
            }
            self.unbound.pop_front();
            if let Some(stream) = self.table.get_mut(&key)
                && let Some(flow) = &mut stream.flow
            {
                flow.settled(&stream.connection);
            }
        }
    }

    /// Called every few milliseconds while nothing comes.
    pub fn idle(&mut self) {
        let now = Instant::now();
        for stream in self.table.values_mut().filter(|stream| stream.fresh) {
            if now.duration_since(stream.last) >= QUIET {
                stream.fresh = false;
                if let Some(flow) = &mut stream.flow {
                    flow.quiet(&stream.connection);
                }
            }
        }
        let gone: Vec<u32> = self
            .exited
            .extract_if(.., |(at, _)| now.duration_since(*at) >= AFTER_EXIT)
            .map(|(_, tgid)| tgid)
            .collect();
        if !gone.is_empty() {
            self.end_where(|stream| gone.contains(&stream.connection.tgid));
        }
        if now.duration_since(self.swept) > AFTER_CLOSE {
            self.swept = now;
            let closed = self.peers.closed_sockets(AFTER_CLOSE);
            self.end_where(|stream| {
                let quiet = now.duration_since(stream.last);
                quiet > IDLE || (quiet > AFTER_CLOSE && closed.contains(&stream.connection.cookie))
            });
        }
    }

    /// Ends every stream.
    pub fn finish(&mut self) {
        self.end_where(|_| true);
    }

    /// Streams in the table.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// True when no stream is open.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    fn data(&mut self, key: (Source, u64), record: &Record<'_>) {
        self.make_room(key);
        let Self {
            table,
            unbound,
            peers,
            ledger,
            make,
            ..
        } = self;
        // What the other end sent, this one received.
        let peer = record.header.flags & flags::PEER != 0;
        let ingress = usize::from((record.header.ingress & 1 == 1) != peer);
        let stream = stream_in(table, peers, key, record);
        let is_new = stream.flow.is_none();
        if is_new {
            stream.connection.set_library(record);
            stream.connection.settle_role(peers, ingress == 1, record.payload);
            peers.captured(&stream.connection);
        }
        stream.last = Instant::now();
        stream.fresh = true;
        let direction = stream.connection.direction(ingress == 1);
        let next = stream.next[ingress];
        let (offset, length) = (
            stream.position(ingress, record.header.offset),
            record.payload.len() as u64,
        );
        let repeated = next.saturating_sub(offset).min(length);
        if repeated > 0 {
            ledger.settle(stream.connection.ledger(), Account::Duplicate, repeated);
        }
        let bytes = &record.payload[usize::try_from(repeated).unwrap_or(0)..];
        stream.next[ingress] = next.max(offset.saturating_add(length));
        if is_new && stream.connection.awaits_socket() {
            unbound.push_back((stream.last, key));
        }
        let Stream { connection, flow, .. } = stream;
        let flow = flow.get_or_insert_with(|| make(connection));
        if offset > next {
            flow.gap(connection, direction, offset - next);
        }
        if !bytes.is_empty() {
            flow.data(connection, direction, record.header.time_ns, bytes);
        }
    }

    /// A datagram, or a piece of one: a message of its own, whose peer is another each time.
    fn datagram(&mut self, key: (Source, u64), record: &Record<'_>) {
        let Some((endpoint, bytes)) = record.datagram() else {
            return;
        };
        self.make_room(key);
        let peers = Arc::clone(&self.peers);
        let ingress = usize::from(record.header.ingress & 1);
        let stream = self.stream(key, record);
        stream.last = Instant::now();
        let next = std::mem::take(&mut stream.next[ingress]);
        let (offset, length) = (record.header.offset, bytes.len() as u64);
        let complete = record.header.flags & flags::LAST != 0;
        if !complete {
            stream.next[ingress] = offset.saturating_add(length);
        }
        let before = stream.connection.direction(ingress == 1);
        // What an earlier datagram left open ends with its own addresses.
        if offset == 0
            && next > 0
            && let Some(flow) = &mut stream.flow
        {
            flow.message_end(&stream.connection, before);
        }
        stream.connection.set_datagram(&endpoint, &peers);
        if stream.flow.is_none() {
            let flow = (self.make)(&self.table[&key].connection);
            if let Some(stream) = self.table.get_mut(&key) {
                stream.flow = Some(flow);
            }
        }
        let Some(Stream {
            connection,
            flow: Some(flow),
            ..
        }) = self.table.get_mut(&key)
        else {
            return;
        };
        let direction = connection.direction(ingress == 1);
        if offset > next {
            flow.gap(connection, direction, offset - next);
        }
        if !bytes.is_empty() {
            flow.data(connection, direction, record.header.time_ns, bytes);
        }
        if complete {
            flow.message_end(connection, direction);
        }
    }

    fn stream(&mut self, key: (Source, u64), record: &Record<'_>) -> &mut Stream<F> {
        stream_in(&mut self.table, &self.peers, key, record)
    }

    fn make_room(&mut self, key: (Source, u64)) {
        if self.table.len() < CAPACITY || self.table.contains_key(&key) {
            return;
        }
        if let Some(oldest) = self
            .table
            .iter()
            .min_by_key(|(_, stream)| stream.last)
            .map(|(key, _)| *key)
            && let Some(stream) = self.table.remove(&oldest)
        {
            end(stream, &self.peers);
        }
    }

    fn end_where(&mut self, mut which: impl FnMut(&Stream<F>) -> bool) {
        let keys: Vec<(Source, u64)> = self
            .table
            .iter()
            .filter(|(_, stream)| which(stream))
            .map(|(key, _)| *key)
            .collect();
        for key in keys {
            if let Some(stream) = self.table.remove(&key) {
                end(stream, &self.peers);
            }
        }
    }
}

/// The stream of a record, made at first sight; whose it is follows the record.
fn stream_in<'t, F>(
    table: &'t mut Table<F>,
    peers: &Peers,
    key: (Source, u64),
    record: &Record<'_>,
) -> &'t mut Stream<F> {
    let stream = table.entry(key).or_insert_with(|| Stream {
        connection: Connection::new(record, peers),
        flow: None,
        next: [0; 2],
        in_sequence: false,
        last: Instant::now(),
        fresh: false,
    });
    stream.connection.seen_ns = record.header.time_ns;
    if record.header.flags & flags::PEER != 0 {
        stream.connection.set_peer(record.header.tgid);
        return stream;
    }
    // A socket handed to another process (accept in a master, work in a child) has a new owner.
    if stream.connection.tgid != record.header.tgid && record.header.tgid != 0 {
        let header = &record.header;
        stream.connection.set_owner(header.tgid, header.time_ns, peers);
    }
    stream
}

fn end<F: Flow>(mut stream: Stream<F>, peers: &Peers) {
    if let Some(flow) = &mut stream.flow {
        flow.end(&stream.connection);
    }
    peers.closed(&stream.connection);
}

/// The ledger of a source.
pub const fn ledger_of(source: Source) -> Ledger {
    match source {
        Source::Tls => Ledger::Tls,
        Source::Socket | Source::Process => Ledger::Socket,
    }
}

#[cfg(test)]
mod tests {
    use auditor_common::record::{HEADER_LEN, RecordHeader};

    use super::*;

    struct Settling(Arc<ByteLedger>);

    impl Flow for Settling {
        fn data(&mut self, connection: &Connection, _: Direction, _: u64, bytes: &[u8]) {
            self.0
                .settle(connection.ledger(), Account::Scanned, bytes.len() as u64);
        }
        fn message_end(&mut self, _: &Connection, _: Direction) {}
        fn gap(&mut self, _: &Connection, _: Direction, _: u64) {}
        fn settled(&mut self, _: &Connection) {}
        fn quiet(&mut self, _: &Connection) {}
        fn end(&mut self, _: &Connection) {}
    }

    #[test]
    fn bytes_at_the_largest_offset_are_settled_like_others() {
        let ledger = Arc::new(ByteLedger::default());
        let mut streams = Streams::new(Arc::new(Peers::default()), Arc::clone(&ledger), {
            let ledger = Arc::clone(&ledger);
            move |_| Settling(Arc::clone(&ledger))
        });
        for offset in [u64::MAX - 1, u64::MAX] {
            let mut header = RecordHeader::decode(&[0; HEADER_LEN]).unwrap();
            header.offset = offset;
            header.len = 5;
            streams.record(&Record {
                header,
                kind: Kind::Data,
                source: Source::Tls,
                payload: b"hello",
            });
        }
        assert_eq!(ledger.settled(Ledger::Tls, Account::Scanned), 10);
    }
}
