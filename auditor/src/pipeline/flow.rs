//! One stream through protocol, content and detect.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use crossbeam_channel::Sender;

use super::{Missed, Observed, Seen, Shared, hold::Hold, selection::Decision};
use crate::{
    content::{Document, Field, Limits, Origin, Reader, Receiver},
    detect::{
        Detection,
        sketch::{Miss, ScanSuspects as _, Spot, Suspects},
    },
    identity::dns,
    ledger::{Account, Ledger},
    protocol::{self, Direction, Parser as _, Part, Sink},
    report::{
        finding::{End, Flow as FlowFact},
        observation::Observation,
    },
    stream::{Connection, Flow},
};

/// Longest content type kept, bytes.
const MAX_CONTENT_TYPE: usize = 128;

/// The stages of one stream.
pub(super) struct MessageFlow {
    parser: protocol::Connection,
    decision: Decision,
    /// Bytes behind those that were read last.
    left_out: LeftOut,
    /// What the socket asked a name server.
    questions: dns::Questions,
    stages: Stages,
}

/// Bytes in each direction.
#[derive(Default)]
struct LeftOut {
    to_server: u64,
    to_client: u64,
}

impl LeftOut {
    const fn of(&mut self, direction: Direction) -> &mut u64 {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }
}

/// What comes after the parser.
struct Stages {
    reader: Reader,
    shared: Arc<Shared>,
    out: Sender<Observed>,
    /// Reused between documents.
    found: Vec<Detection>,
    hold: Hold,
}

impl MessageFlow {
    pub(super) fn new(connection: &Connection, shared: Arc<Shared>, out: Sender<Observed>) -> Self {
        let parser = if connection.is_datagram {
            protocol::Connection::datagrams()
        } else if connection.from_start {
            protocol::Connection::opened()
        } else {
            protocol::Connection::joined()
        };
        let reader = Reader::new(Limits::default()).with_descriptors(Arc::clone(&shared.descriptors));
        let hold = Hold::new(shared.held.clone());
        Self {
            parser,
            decision: Decision::NONE,
            left_out: LeftOut::default(),
            questions: dns::Questions::default(),
            stages: Stages {
                reader,
                shared,
                out,
                found: Vec::new(),
                hold,
            },
        }
    }
}

impl MessageFlow {
    /// A name server's answer names addresses, for whoever has the network of the socket that asked.
    fn listen_to_names(
        &mut self,
        connection: &Connection,
        direction: Direction,
        time_ns: u64,
        datagram: &[u8],
    ) {
        let Some(pair) = connection.pair else { return };
        let peers = &self.stages.shared.peers;
        match (connection.is_ingress(direction), pair.remote.port()) {
            (false, dns::PORT) => self.questions.asked(datagram),
            // The sender may not be known.
            (true, dns::PORT | 0) => {
                if let Some(answer) = self.questions.answered(datagram) {
                    peers.names.learn(connection.netns(), &answer, time_ns);
                }
            }
            _ => {}
        }
    }
}

impl Flow for MessageFlow {
    fn data(&mut self, connection: &Connection, direction: Direction, time_ns: u64, bytes: &[u8]) {
        let shared = &self.stages.shared;
        if self.decision.is_muted(connection, shared) {
            // What the kernel side copied before it was told.
            let bytes = bytes.len() as u64;
            shared.ledger.settle(connection.ledger(), Account::Muted, bytes);
            // Each datagram is a message of its own.
            if !connection.is_datagram {
                *self.left_out.of(direction) += bytes;
            }
            return;
        }
        let left_out = std::mem::take(self.left_out.of(direction));
        if left_out > 0 {
            // It is read again, and what comes may be the middle of a message.
            let mut sink = PartSink {
                stages: &mut self.stages,
                connection,
                time_ns,
            };
            self.parser.gap(direction, left_out, &mut sink);
        }
        if connection.is_datagram {
            self.listen_to_names(connection, direction, time_ns, bytes);
        }
        self.parser.feed(
            direction,
            bytes,
            &mut PartSink {
                stages: &mut self.stages,
                connection,
                time_ns,
            },
        );
    }

    fn message_end(&mut self, connection: &Connection, direction: Direction) {
        let mut sink = PartSink {
            stages: &mut self.stages,
            connection,
            time_ns: 0,
        };
        self.parser.finish(direction, &mut sink);
    }

    fn gap(&mut self, connection: &Connection, direction: Direction, bytes: u64) {
        self.stages.shared.shed.add(connection.tgid, bytes);
        let mut sink = PartSink {
            stages: &mut self.stages,
            connection,
            time_ns: 0,
        };
        self.parser.gap(direction, bytes, &mut sink);
    }

    fn settled(&mut self, connection: &Connection) {
        self.stages.release(connection);
    }

    fn quiet(&mut self, connection: &Connection) {
        self.parser.quiet(&mut PartSink {
            stages: &mut self.stages,
            connection,
            time_ns: 0,
        });
        let Stages {
            reader,
            shared,
            out,
            found,
            hold,
        } = &mut self.stages;
        reader.flush(&mut DocumentSink {
            shared,
            out,
            found,
            hold,
            connection,
            time_ns: 0,
        });
    }

    fn end(&mut self, connection: &Connection) {
        for direction in [Direction::ToServer, Direction::ToClient] {
            let mut sink = PartSink {
                stages: &mut self.stages,
                connection,
                time_ns: 0,
            };
            self.parser.finish(direction, &mut sink);
        }
        let Stages {
            reader,
            shared,
            out,
            found,
            hold,
        } = &mut self.stages;
        reader.finish(&mut DocumentSink {
            shared,
            out,
            found,
            hold,
            connection,
            time_ns: 0,
        });
        if connection.pair.is_none() {
            shared.totals.unbound.fetch_add(1, Ordering::Relaxed);
        }
        self.stages.release(connection);
    }
}

impl Stages {
    /// Lets go what waited for the stream's socket.
    fn release(&mut self, connection: &Connection) {
        let peers = &self.shared.peers;
        for observed in self.hold.release(connection, peers) {
            let _ = self.out.send(observed);
        }
    }
}

struct PartSink<'a> {
    stages: &'a mut Stages,
    connection: &'a Connection,
    time_ns: u64,
}

impl Sink for PartSink<'_> {
    fn part(&mut self, part: Part<'_>) {
        let Stages {
            reader,
            shared,
            out,
            found,
            hold,
        } = &mut *self.stages;
        let (connection, time_ns) = (self.connection, self.time_ns);
        shared.protocols.bytes(part.exchange.protocol, part.wire_bytes);
        reader.part(
            &part,
            &mut DocumentSink {
                shared,
                out,
                found,
                hold,
                connection,
                time_ns,
            },
        );
    }

    fn settle(&mut self, _direction: Direction, account: Account, bytes: u64) {
        self.stages
            .shared
            .ledger
            .settle(self.connection.ledger(), account, bytes);
    }

    fn lost(&mut self, _direction: Direction, protocol: &'static str) {
        self.stages.shared.protocols.lost_sync(protocol);
    }
}

struct DocumentSink<'a> {
    shared: &'a Shared,
    out: &'a Sender<Observed>,
    found: &'a mut Vec<Detection>,
    hold: &'a mut Hold,
    connection: &'a Connection,
    /// 0: the time is not known any more; now will do.
    time_ns: u64,
}

impl Receiver for DocumentSink<'_> {
    fn document(&mut self, origin: &Origin<'_>, document: &Document<'_>) {
        self.shared.totals.documents.fetch_add(1, Ordering::Relaxed);
        let started = Instant::now();
        let suspects = self.shared.watchlist.current();
        let mut misses = Vec::new();
        let scanner = &self.shared.scanner;
        scanner.scan_with(document, &suspects, self.found, &mut misses);
        self.shared.metrics.scanned(started.elapsed());
        if self.found.is_empty() && misses.is_empty() {
            return;
        }
        // Waits when the reporter is behind: then the kernel's rings fill, and what is lost there
        // is counted.
        for detection in std::mem::take(self.found) {
            let lead = scanner.lead(document, &detection);
            if let Some(seen) = self.seen(origin, detection, lead, &suspects) {
                self.send(origin, Observed::Value(Box::new(seen)));
            }
        }
        for miss in misses {
            for detector in &miss.detectors {
                if let Some(missed) = self.missed(origin, &miss, detector, &suspects) {
                    self.send(origin, Observed::Missed(Box::new(missed)));
                }
            }
        }
    }

    fn settle(&mut self, _direction: Direction, account: Account, bytes: u64) {
        self.shared
            .ledger
            .settle(self.connection.ledger(), account, bytes);
    }
}

impl DocumentSink<'_> {
    /// Hands on what was observed, unless it waits for the stream's socket.
    fn send(&mut self, origin: &Origin<'_>, observed: Observed) {
        let authority = origin.exchange.authority.as_deref();
        let now = if self.connection.awaits_socket() {
            self.hold.keep(observed, authority)
        } else {
            Some(observed)
        };
        let Some(observed) = now else { return };
        // What came before goes before it.
        let (connection, peers) = (self.connection, &self.shared.peers);
        for earlier in self.hold.release(connection, peers) {
            let _ = self.out.send(earlier);
        }
        let _ = self.out.send(observed);
    }

    fn seen(
        &self,
        origin: &Origin<'_>,
        mut detection: Detection,
        lead: Option<u64>,
        suspects: &Suspects,
    ) -> Option<Seen> {
        let spot = spot(origin, &detection.field);
        let info = detection.row;
        let at = origin.positions.of_range(&detection.range);
        detection.range = usize::try_from(at.start).ok()?..usize::try_from(at.end).ok()?;
        let connection = self.connection;
        let ingress = connection.is_ingress(origin.direction);
        let (source, destination) = self.ends(origin, ingress);
        Some(Seen {
            observation: Observation {
                detection,
                category: info.category,
                regulations: info.regulations,
                severity: info.severity,
                flow: FlowFact {
                    protocol: origin.exchange.protocol,
                    operation: origin.exchange.operation.clone(),
                    status: origin.exchange.status,
                    encrypted: connection.ledger() == Ledger::Tls,
                    captured_by: connection.captured_by,
                    connection: format!("{:x}", connection.stream),
                    hops: 0,
                },
                source,
                destination,
                place: origin.place,
                direction: origin.direction,
                offset: 0,
                content_type: origin.content_type.map(|text| {
                    let end = text.floor_char_boundary(MAX_CONTENT_TYPE);
                    text[..end].to_owned()
                }),
                time: self.time(),
            },
            pair: connection.pair,
            netns: connection.netns(),
            client: connection.client(),
            addressed: connection
                .addressed_end(&self.shared.peers, origin.exchange.authority.as_deref())
                .map(Box::new),
            xfcc: origin.exchange.client.clone(),
            ingress,
            moved_ns: connection.seen_ns(),
            spot,
            lead,
            watched: spot.is_some_and(|spot| suspects.has(&spot)),
        })
    }

    /// A failure of a detector's check that says something new of a suspect field.
    fn missed(
        &self,
        origin: &Origin<'_>,
        miss: &Miss,
        detector: &'static str,
        suspects: &Suspects,
    ) -> Option<Missed> {
        let spot = spot(origin, &miss.field).filter(|spot| suspects.has(spot))?;
        // Behind a proxy each sighting has its ends: they are put together to those of the message.
        let (peers, netns) = (&self.shared.peers, self.connection.netns());
        let sighting = match peers.mesh.is_in(netns) {
            true => u64::from(self.connection.tgid) << 32,
            false => 0,
        };
        if self
            .shared
            .watchlist
            .was_sent(spot.with(detector, miss.lead) ^ sighting)
        {
            return None;
        }
        let ingress = self.connection.is_ingress(origin.direction);
        let (source, destination) = self.ends(origin, ingress);
        Some(Missed {
            source,
            destination,
            pair: self.connection.pair,
            netns: self.connection.netns(),
            client: self.connection.client(),
            ingress,
            moved_ns: self.connection.seen_ns(),
            spot,
            detector,
            lead: miss.lead,
            at: self.time().as_second(),
        })
    }

    fn ends(&self, origin: &Origin<'_>, ingress: bool) -> (End, End) {
        let local = self.connection.local_end();
        let authority = origin.exchange.authority.as_deref();
        let remote = self.connection.remote_end(&self.shared.peers, authority);
        if ingress { (remote, local) } else { (local, remote) }
    }

    fn time(&self) -> jiff::Timestamp {
        if self.time_ns == 0 {
            jiff::Timestamp::now()
        } else {
            self.shared.clock.wall(self.time_ns)
        }
    }
}

fn spot(origin: &Origin<'_>, field: &Field) -> Option<Spot> {
    Spot::of(origin.exchange.operation.as_deref(), origin.place.name(), field)
}
