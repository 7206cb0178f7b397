//! A chain of sightings as one observation.
//!
//! Goes in: sightings from the first sender to the last receiver. Comes out: the application's own record, with the ends
//! that are known best, whether it was encrypted where it left a pod, and how many proxies passed it on.

use std::collections::HashSet;

use super::{
    Link, Outcome,
    chain::{Client, Leg, ProcessId, Side as LegSide},
};
use crate::{
    identity::mesh::Mesh,
    pipeline::{Observed, Seen},
    protocol::Direction,
    report::{
        finding::{Certainty, End, SpiffeSource},
        naming::{self, Name},
    },
    serve::metrics::Reporter as Side,
};

/// What chaining needs of an observation.
pub(super) fn leg(observed: &Observed) -> Leg {
    let [source, destination] = observed.ends();
    let is_ingress = observed.is_ingress();
    let client = observed.client().map(|address| Client {
        address,
        netns: if address.ip().is_loopback() {
            observed.netns()
        } else {
            0
        },
    });
    let netns = Some(observed.netns()).filter(|netns| *netns != 0);
    let side = |end: &End, is_local: bool| LegSide {
        process: process(end),
        is_proxy: end.hop.is_some(),
        netns: netns.filter(|_| is_local || observed.is_within_host()),
        unseen: client.filter(|_| !is_local),
    };
    let time = observed.time_us();
    Leg {
        sender: side(source, !is_ingress),
        receiver: side(destination, is_ingress),
        first: time,
        last: time,
        source: Name::of(Some(source)),
        destination: Name::of(Some(destination)),
        is_reported: false,
        is_through: false,
    }
}

fn process(end: &End) -> Option<ProcessId> {
    let process = end.process.as_ref()?;
    Some((process.pid, process.start_time.clone()))
}

/// One observation of several; of what was reported an amendment. `None` without any.
pub(super) fn merge(links: Vec<Link>, mesh: &Mesh) -> Option<Outcome> {
    let ends: Vec<[End; 2]> = links
        .iter()
        .map(|link| match link {
            Link::New(observed, _) => observed.ends().map(Clone::clone),
            Link::Reported(seen) => {
                [&seen.observation.source, &seen.observation.destination].map(Clone::clone)
            }
        })
        .collect();
    let [source, destination] = best(&ends, addressed(&links))?;
    let proxies = proxies(&ends, &source, &destination);
    let mut before = None;
    let mut values: Vec<(Box<Seen>, Side, bool)> = Vec::new();
    let mut missed = None;
    for link in links {
        match link {
            Link::New(Observed::Value(seen), side) => values.push((seen, side, true)),
            Link::New(Observed::Missed(one), side) => missed = missed.or(Some((one, side))),
            Link::Reported(seen) => {
                before = Some(Box::new(seen.observation.clone()));
                values.push((seen, Side::Source, false));
            }
        }
    }
    if let Some((mut missed, side)) = missed {
        (missed.source, missed.destination) = (source, destination);
        return Some(Outcome::Observed(Observed::Missed(missed), side));
    }
    let encrypted = encrypted(&values);
    let client = values.iter().rev().find_map(|(seen, ..)| attested(seen, mesh));
    let (mut seen, side) = own_record(values)?;
    let observation = &mut seen.observation;
    (observation.source, observation.destination) = (source, destination);
    observation.flow.encrypted = encrypted.unwrap_or(observation.flow.encrypted);
    observation.flow.hops = proxies.max(observation.flow.hops);
    if let Some(client) = client {
        let end = match observation.direction {
            Direction::ToServer => &mut observation.source,
            Direction::ToClient => &mut observation.destination,
        };
        end.spiffe_id = Some(client);
        end.spiffe_id_source = Some(SpiffeSource::Xfcc);
    }
    Some(match before {
        None => Outcome::Observed(Observed::Value(seen), side),
        Some(before) => Outcome::Amended {
            before,
            now: seen,
            side,
        },
    })
}

/// Whom the client's application addressed, and which way the value went.
fn addressed(links: &[Link]) -> Option<(End, Direction)> {
    links.iter().find_map(|link| {
        let (Link::New(Observed::Value(seen), _) | Link::Reported(seen)) = link else {
            return None;
        };
        let Seen {
            observation,
            addressed,
            ..
        } = &**seen;
        let application = match observation.direction {
            Direction::ToServer => &observation.source,
            Direction::ToClient => &observation.destination,
        };
        let end = addressed.as_deref().filter(|_| application.hop.is_none())?;
        Some((end.clone(), observation.direction))
    })
}

/// The first sender and the last receiver. An application that is redirected to a proxy knows whom it addressed: what it
/// says goes before a proxy, and before what is known less surely.
fn best(ends: &[[End; 2]], addressed: Option<(End, Direction)>) -> Option<[End; 2]> {
    let (first, last) = (ends.first()?, ends.last()?);
    let better = |near: &End, far: &End| {
        let rank = |end: &End| (end.hop.is_none(), certainty(end.certainty));
        if rank(far) > rank(near) { far } else { near }.clone()
    };
    let mut best = [better(&first[0], &last[0]), better(&last[1], &first[1])];
    if let Some((end, direction)) = addressed {
        let served = match direction {
            Direction::ToServer => &mut best[1],
            Direction::ToClient => &mut best[0],
        };
        *served = better(served, &end);
    }
    Some(best)
}

const fn certainty(certainty: Certainty) -> u8 {
    match certainty {
        Certainty::None => 0,
        Certainty::Likely => 1,
        Certainty::Exact => 2,
    }
}

/// Proxies between the two ends.
fn proxies(ends: &[[End; 2]], source: &End, destination: &End) -> u8 {
    let outer = [process(source), process(destination)];
    let between: HashSet<ProcessId> = ends
        .iter()
        .flatten()
        .filter(|end| end.hop.is_some())
        .filter_map(process)
        .filter(|process| outer.iter().all(|outer| outer.as_ref() != Some(process)))
        .collect();
    u8::try_from(between.len()).unwrap_or(u8::MAX)
}

/// Whether it was encrypted wherever it left a pod, or a host; `None` where it was not seen to leave one.
fn encrypted(values: &[(Box<Seen>, Side, bool)]) -> Option<bool> {
    let leaves = values.iter().filter(|(seen, ..)| {
        let Seen {
            observation, pair, ..
        } = &**seen;
        let (source, destination) = (&observation.source, &observation.destination);
        let is_inside = match (&source.pod, &destination.pod) {
            (Some(source), Some(destination)) => source.uid == destination.uid,
            _ => naming::same_host(source, destination),
        };
        !is_inside && !pair.is_some_and(|pair| pair.is_within_host())
    });
    // The application's own record of a connection that is redirected has an address far away.
    let redirected = |seen: &Seen| {
        seen.client.is_some_and(|client| {
            values.iter().any(|(other, ..)| {
                other.client == Some(client) && other.pair.is_some_and(|pair| pair.is_within_host())
            })
        })
    };
    leaves
        .filter(|(seen, ..)| !redirected(seen))
        .map(|(seen, ..)| seen.observation.flow.encrypted)
        .reduce(|one, other| one && other)
}

/// The record of an application: of its sender, else of its receiver, else the first one.
fn own_record(mut values: Vec<(Box<Seen>, Side, bool)>) -> Option<(Box<Seen>, Side)> {
    let is_own = |(seen, ..): &(Box<Seen>, Side, bool), ingress: bool| {
        let observation = &seen.observation;
        let end = if ingress {
            &observation.destination
        } else {
            &observation.source
        };
        seen.ingress == ingress && end.hop.is_none() && end.process.is_some()
    };
    let sent = values.iter().position(|value| is_own(value, false));
    let received = || values.iter().position(|value| is_own(value, true));
    let index = sent.or_else(received).unwrap_or(0);
    if values.is_empty() {
        return None;
    }
    let (seen, side, _) = values.swap_remove(index);
    Some((seen, side))
}

/// Who the client is, as a proxy that had verified its certificate told the program behind it, over a loopback address.
fn attested(seen: &Seen, mesh: &Mesh) -> Option<String> {
    let client = seen.xfcc.as_deref()?;
    let proxy = match seen.observation.direction {
        Direction::ToServer => &seen.observation.source,
        Direction::ToClient => &seen.observation.destination,
    };
    let is_local = seen.client.is_some_and(|address| address.ip().is_loopback());
    let is_proxy = proxy.certainty == Certainty::Exact && mesh.attests(proxy);
    (is_local && is_proxy).then(|| client.to_owned())
}
