//! How many operations of one service findings may name.
//!
//! Goes in: the operation of a finding, the end that serves it, and its protocol. Comes out: the operation, or a name for
//! all that are too many: `POST {other}`. Paths are chosen by clients, and not all that varies in them looks like an id.
//! What is kept is bounded, and holds no name.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use super::naming::Name;
use super::observation::Observation;
use crate::protocol::{Direction, Place, operation};

/// Operations of one service and protocol that have a name of their own.
pub const MAX_OPERATIONS: usize = 256;
/// Services, each with a protocol, that are remembered; of those beyond it the one unseen for longest is forgotten.
pub const MAX_SERVICES: usize = 1_024;

/// The operations that were reported, by service and protocol.
#[derive(Default)]
pub struct Operations {
    services: HashMap<u64, Service>,
    hasher: RandomState,
    seen: u64,
    others: u64,
}

#[derive(Default)]
struct Service {
    /// Their hashes: who does not know the key makes no two of the same.
    operations: HashSet<u64>,
    seen: u64,
}

impl Operations {
    /// Gives the operation of `observation` the name under which it is reported.
    pub fn bound(&mut self, observation: &mut Observation) {
        let flow = &mut observation.flow;
        let Some(name) = &mut flow.operation else {
            return;
        };
        let server = match is_answer(observation.place, observation.direction) {
            false => &observation.destination,
            true => &observation.source,
        };
        let service = self.hasher.hash_one((Name::of(Some(server)), flow.protocol));
        let operation = self.hasher.hash_one(name.as_str());
        if !self.has_room(service, operation) {
            self.others += 1;
            *name = operation::other(name).to_owned();
        }
    }

    /// Values that were reported under another name than that of their operation.
    pub fn others(&self) -> u64 {
        self.others
    }

    /// Services that are remembered.
    pub fn len(&self) -> usize {
        self.services.len()
    }

    /// True when none is.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty()
    }

    fn has_room(&mut self, service: u64, operation: u64) -> bool {
        if self.services.len() >= MAX_SERVICES && !self.services.contains_key(&service) {
            let oldest = self.services.iter().min_by_key(|(_, service)| service.seen);
            if let Some(oldest) = oldest.map(|(key, _)| *key) {
                self.services.remove(&oldest);
            }
        }
        self.seen += 1;
        let service = self.services.entry(service).or_default();
        service.seen = self.seen;
        let known = &mut service.operations;
        known.contains(&operation) || known.len() < MAX_OPERATIONS && known.insert(operation)
    }
}

/// Whether the source is who serves. Which way an answer goes is not always known of its connection.
fn is_answer(place: Place, direction: Direction) -> bool {
    match place {
        Place::RequestPath
        | Place::RequestQuery
        | Place::RequestHeaders
        | Place::RequestBody
        | Place::RequestTrailers => false,
        Place::ResponseHeaders | Place::ResponseBody | Place::ResponseTrailers => true,
        Place::Message | Place::Stream | Place::File => direction == Direction::ToClient,
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::End;
    use super::super::observation::tests::card;
    use super::*;

    fn observed(operation: &str, protocol: &'static str, server: &str) -> Observation {
        let mut observation = card();
        observation.flow.operation = Some(operation.to_owned());
        observation.flow.protocol = protocol;
        observation.destination = End {
            address: Some(server.to_owned()),
            ..End::default()
        };
        observation
    }

    fn named(operations: &mut Operations, mut observation: Observation) -> String {
        operations.bound(&mut observation);
        observation.flow.operation.unwrap()
    }

    #[test]
    fn operations_beyond_the_bound_of_a_service_share_a_name_and_are_counted() {
        let mut operations = Operations::default();
        let server = "203.0.113.9:80";
        for number in 0..MAX_OPERATIONS {
            let name = format!("GET /page-{number}");
            assert_eq!(named(&mut operations, observed(&name, "http/1.1", server)), name);
        }
        for (name, expected) in [
            ("GET /page-7", "GET /page-7"),
            ("GET /new", "GET {other}"),
            ("POST /graphql Pay", "POST {other}"),
            ("/shop.Orders/Place", "{other}"),
            ("SECRETWORD /new", "OTHER {other}"),
        ] {
            assert_eq!(
                named(&mut operations, observed(name, "http/1.1", server)),
                expected
            );
        }
        assert_eq!(operations.others(), 4);
        // Of another protocol, of another service, and in the answer of this one.
        let name = "GET /new";
        for (protocol, server, expected) in [("http/2", server, name), ("http/1.1", "203.0.113.8:80", name)] {
            assert_eq!(named(&mut operations, observed(name, protocol, server)), expected);
        }
        let mut answer = observed(name, "http/1.1", "198.51.100.1:9");
        answer.source = End {
            address: Some(server.to_owned()),
            ..End::default()
        };
        answer.place = Place::ResponseBody;
        assert_eq!(named(&mut operations, answer), "GET {other}");
    }

    #[test]
    fn services_are_bounded_and_the_one_unseen_for_longest_is_forgotten() {
        let mut operations = Operations::default();
        let mut see = |at: usize, name: &str| {
            let server = format!("10.0.{}.{}:80", at / 256, at % 256);
            named(&mut operations, observed(name, "http/1.1", &server))
        };
        for number in 0..=MAX_OPERATIONS {
            see(0, &format!("GET /page-{number}"));
        }
        for at in 1..MAX_SERVICES {
            see(at, "GET /");
        }
        // The first one is seen again, so the second one goes.
        assert_eq!(see(0, "GET /new"), "GET {other}");
        see(MAX_SERVICES, "GET /");
        assert_eq!(see(0, "GET /new"), "GET {other}");
        for at in 0..MAX_SERVICES {
            see(MAX_SERVICES + at, "GET /");
        }
        assert_eq!(see(0, "GET /new"), "GET /new", "it was forgotten");
        assert_eq!(operations.len(), MAX_SERVICES);
    }
}
