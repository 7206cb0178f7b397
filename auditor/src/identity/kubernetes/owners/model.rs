//! The index next to a model of a cluster that knows the truth: who really had which address when.
//!
//! The model makes pods that follow each other on an address, within milliseconds or minutes; what an API server says
//! of them, late and in its order; and a watch that delivers it later still, breaks, goes on or lists again. Whatever
//! comes of that, no pod is named that did not have the address.

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

/// A pod as it is made up.
#[derive(Clone, Debug)]
struct Life {
    /// From the end of the one before.
    pause: i64,
    /// How long before its address its node began with it.
    preparation: i64,
    /// How long after that its address is published.
    publishing: i64,
    lifetime: i64,
    ending: Ending,
    /// How long after its end that is published.
    end_lag: i64,
    skew: i64,
    /// It ends before its address is ever published.
    never_published: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Its phase says so; it is deleted a minute later.
    Finished,
    /// Told to end, then deleted.
    Deleted,
    /// Told to end, and deleted a minute after its address was free.
    DeletedLate,
    /// Its node died: nobody says that it is gone.
    Silent,
}

/// What happens to the watch.
#[derive(Clone, Copy, Debug)]
struct Loss {
    from: i64,
    length: i64,
    /// It has to list again; else it goes on.
    lists: bool,
}

struct Event {
    published: i64,
    delivered: i64,
    what: What,
}

#[derive(Clone)]
enum What {
    Seen(Sighting),
    Deleted(Arc<str>),
}

struct Owned {
    uid: Arc<str>,
    address: IpAddr,
    from: i64,
    to: i64,
    /// When the API server says that it has the address.
    published: Option<i64>,
}

struct Truth {
    events: Vec<Event>,
    owned: Vec<Owned>,
}

fn life() -> impl Strategy<Value = Life> {
    let ending = prop_oneof![
        3 => Just(Ending::Finished),
        3 => Just(Ending::Deleted),
        2 => Just(Ending::DeletedLate),
        1 => Just(Ending::Silent),
    ];
    let times = (0..3_000_i64, 0..3_000_i64, 0..1_500_i64, 0..9_000_i64, 0..800_i64);
    (times, ending, -900..900_i64, prop::bool::weighted(0.15)).prop_map(
        |(times, ending, skew, never_published)| {
            let (pause, preparation, publishing, lifetime, end_lag) = times;
            Life {
                pause: if pause < 1_000 { pause / 20 } else { pause },
                preparation,
                publishing,
                lifetime,
                ending,
                end_lag,
                skew,
                never_published,
            }
        },
    )
}

fn addresses(line: usize) -> Vec<IpAddr> {
    let number = u8::try_from(line).unwrap();
    let four = Ipv4Addr::new(10, 0, 0, number);
    vec![four.into(), four.to_ipv6_mapped().into()]
}

/// Plays out the lives on one address (with its twin of the other family).
fn play(line: usize, lives: &[Life], truth: &mut Truth) {
    let mut free = 10_000;
    let mut before: Option<(Ending, i64)> = None;
    for (number, life) in lives.iter().enumerate() {
        let uid: Arc<str> = format!("{line}-{number}").into();
        let mut from = free + life.pause;
        // One that nobody hears of takes only an address of which is known that it is free.
        let may_be_unheard = before.is_none_or(|(ending, _)| ending != Ending::Silent);
        let publishing = if may_be_unheard {
            life.publishing
        } else {
            life.publishing.min(life.lifetime / 2)
        };
        let too_short = publishing >= life.lifetime && life.ending == Ending::Silent;
        let unheard = may_be_unheard && (life.never_published || too_short);
        if unheard {
            from = from.max(before.map_or(0, |(_, said)| said));
        }
        let to = from + life.lifetime.max(1);
        let said = to + life.end_lag;
        let sighting = |state| Sighting {
            uid: Arc::clone(&uid),
            ips: addresses(line),
            host_network: false,
            // Whole seconds of a clock that is off.
            started: (from - life.preparation + life.skew).div_euclid(1_000) * 1_000,
            state,
        };
        let heard_before = truth.events.len();
        let mut say = |published, what| {
            truth.events.push(Event {
                published,
                delivered: published,
                what,
            });
        };
        let published = from + publishing;
        let is_published = !unheard && published < to;
        if is_published {
            say(published, What::Seen(sighting(State::Live)));
        }
        if !unheard {
            let told = (to - 500).max(published);
            let late = to.max(told) + 60_000;
            match life.ending {
                Ending::Finished => {
                    say(said.max(published), What::Seen(sighting(State::Finished)));
                    say(late, What::Deleted(Arc::clone(&uid)));
                }
                Ending::Deleted => {
                    say(told, What::Seen(sighting(State::Terminating)));
                    say(said.max(told), What::Deleted(Arc::clone(&uid)));
                }
                Ending::DeletedLate => {
                    say(told, What::Seen(sighting(State::Terminating)));
                    say(late, What::Deleted(Arc::clone(&uid)));
                }
                Ending::Silent => {}
            }
        }
        let heard = truth.events[heard_before..]
            .iter()
            .map(|event| event.published)
            .min();
        let said = match (unheard, life.ending) {
            (true, _) => to,
            (false, Ending::Finished | Ending::Deleted) => said.max(published),
            (false, Ending::DeletedLate | Ending::Silent) => i64::MAX / 4,
        };
        for address in addresses(line) {
            truth.owned.push(Owned {
                uid: Arc::clone(&uid),
                address,
                from,
                to,
                published: heard,
            });
        }
        if said > i64::MAX / 8 {
            // The next has to be heard of, or nobody could know.
            before = Some((Ending::Silent, to));
        } else {
            before = Some((life.ending, said));
        }
        free = to;
    }
}

/// Delivers in order, late.
fn deliver(truth: &mut Truth, lags: &[i64], loss: Option<Loss>) {
    truth.events.sort_by_key(|event| event.published);
    let mut last = 0;
    for (event, lag) in truth.events.iter_mut().zip(lags.iter().cycle()) {
        let mut delivered = (event.published + lag).max(last);
        if let Some(loss) = loss
            && (loss.from..loss.from + loss.length).contains(&delivered)
        {
            delivered = loss.from + loss.length;
        }
        event.delivered = delivered;
        last = delivered;
    }
}

/// Pods that a list shows at a time: with a field selector, not those that finished.
fn listed(truth: &Truth, at: i64) -> Vec<Sighting> {
    let mut pods: HashMap<Arc<str>, Sighting> = HashMap::new();
    for event in truth.events.iter().filter(|event| event.published <= at) {
        match &event.what {
            What::Seen(sighting) if sighting.state == State::Finished => {
                pods.remove(&sighting.uid);
            }
            What::Seen(sighting) => {
                pods.insert(Arc::clone(&sighting.uid), sighting.clone());
            }
            What::Deleted(uid) => {
                pods.remove(uid);
            }
        }
    }
    pods.into_values().collect()
}

fn apply(owners: &mut Owners, what: &What, now: i64) {
    match what {
        What::Seen(sighting) => owners.seen(sighting, now),
        What::Deleted(uid) => owners.deleted(uid, now),
    }
}

/// The truth as far as the watch could have told it is what the index says, or it says less.
fn check(owners: &Owners, truth: &Truth, now: i64, loss: Option<Loss>) -> (u32, u32) {
    let (mut named, mut unnamed) = (0, 0);
    let is_lost = loss.is_some_and(|loss| (loss.from..loss.from + loss.length).contains(&now));
    for owned in &truth.owned {
        let middle = (owned.from + owned.to) / 2;
        for time in [owned.from, owned.from + 300, middle, owned.to - 1, now] {
            if !(owned.from..owned.to).contains(&time) || time > now || now - time > AFTERLIFE {
                continue;
            }
            let answer = owners.at(owned.address, time);
            let (Answer::Exact(uid) | Answer::Likely(uid)) = answer else {
                unnamed += 1;
                continue;
            };
            named += 1;
            let under_way = truth
                .events
                .iter()
                .any(|event| event.published <= now && event.delivered > now);
            let unpublished = owned.published.is_some_and(|published| published > now);
            let cannot_know =
                unpublished || (under_way && !(is_lost && loss.is_some_and(|loss| time >= loss.from)));
            assert!(
                uid == owned.uid || cannot_know,
                "at {now}, {uid} is named for {time}, when {} had {} ({}..{})",
                owned.uid,
                owned.address,
                owned.from,
                owned.to
            );
        }
    }
    (named, unnamed)
}

/// Plays everything in its order, looking after each step and some time later.
fn run(truth: &Truth, loss: Option<Loss>) -> (u32, u32) {
    let mut owners = Owners::default();
    owners.list_begins(0);
    owners.list_ends(0);
    let mut moments: Vec<i64> = truth.events.iter().map(|event| event.delivered).collect();
    moments.extend(
        truth
            .owned
            .iter()
            .flat_map(|owned| [owned.from, owned.to + 5_000]),
    );
    moments.extend(loss.iter().flat_map(|loss| [loss.from, loss.from + loss.length]));
    moments.sort_unstable();
    moments.dedup();
    let mut pending = truth.events.iter().peekable();
    let (mut named, mut unnamed) = (0, 0);
    for now in moments {
        if loss.is_some_and(|loss| loss.from == now) {
            owners.lost(now);
        }
        let is_back = loss.is_some_and(|loss| loss.from + loss.length == now);
        let lists = is_back && loss.is_some_and(|loss| loss.lists);
        if lists {
            owners.list_begins(now);
            for sighting in listed(truth, now) {
                owners.seen(&sighting, now);
            }
            owners.list_ends(now);
        }
        while let Some(event) = pending.next_if(|event| event.delivered <= now) {
            // What was missed is in the list, and is not told again.
            if !(lists && event.published <= now) {
                apply(&mut owners, &event.what, now);
            }
        }
        if is_back && !lists {
            owners.resumed(now);
        }
        let mut host = Sighting {
            uid: "host".into(),
            ips: addresses(0),
            host_network: true,
            started: now,
            state: State::Live,
        };
        owners.seen(&host, now);
        host.state = State::Finished;
        owners.seen(&host, now);
        owners.sweep(now);
        let (right, open) = check(&owners, truth, now, loss);
        named += right;
        unnamed += open;
    }
    (named, unnamed)
}

fn losses() -> impl Strategy<Value = Option<Loss>> {
    prop::option::of(
        (5_000..60_000_i64, 1..40_000_i64, any::<bool>()).prop_map(|(from, length, lists)| Loss {
            from,
            length,
            lists,
        }),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_pod_is_named_that_did_not_have_the_address(
        mut lines in prop::collection::vec(prop::collection::vec(life(), 1..8), 1..3),
        lags in prop::collection::vec(0..700_i64, 1..6),
        loss in losses(),
    ) {
        let mut truth = Truth { events: Vec::new(), owned: Vec::new() };
        for (line, lives) in lines.iter_mut().enumerate() {
            if loss.is_some_and(|loss| loss.lists) {
                // What follows a silent pod has to be heard of, and a list does not show who came and went.
                for life in lives.iter_mut().filter(|life| life.ending == Ending::Silent) {
                    life.ending = Ending::DeletedLate;
                }
            }
            play(line, lives, &mut truth);
        }
        deliver(&mut truth, &lags, loss);
        run(&truth, loss);
    }

    #[test]
    fn pods_that_follow_each_other_at_leisure_are_named_exactly(
        mut lives in prop::collection::vec(life(), 1..6),
        lags in prop::collection::vec(0..700_i64, 1..6),
    ) {
        for life in &mut lives {
            life.pause += 9_000;
            life.lifetime += 10_000;
            life.never_published = false;
            life.ending = if life.ending == Ending::Silent { Ending::Deleted } else { life.ending };
        }
        let mut truth = Truth { events: Vec::new(), owned: Vec::new() };
        play(0, &lives, &mut truth);
        deliver(&mut truth, &lags, None);
        let mut owners = Owners::default();
        owners.list_begins(0);
        owners.list_ends(0);
        for event in &truth.events {
            apply(&mut owners, &event.what, event.delivered);
            for owned in &truth.owned {
                // From when it was heard of, until it was told to end.
                let heard = owned.published.map_or(i64::MAX, |published| published + 701);
                let time = owned.to - 2_501;
                if heard <= time && event.delivered >= time && event.delivered - time < AFTERLIFE {
                    prop_assert_eq!(owners.at(owned.address, time), Answer::Exact(Arc::clone(&owned.uid)));
                }
            }
        }
    }
}
