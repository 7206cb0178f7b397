//! Whose response it is, when requests and responses are missing.

use super::*;

fn request(number: usize) -> Vec<u8> {
    format!("\r\nGET /{} HTTP/1.1\r\nHost: a\r\n\r\n", name(number)).into_bytes()
}

fn response(number: usize) -> Vec<u8> {
    let name = name(number);
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len()).into_bytes()
}

/// Letters, so that no template takes it for an id.
fn name(number: usize) -> String {
    format!("call{}", char::from(b'a' + number as u8))
}

/// A message of the conversation, and whether it is missing.
#[derive(Clone, Copy, Debug)]
struct Sent {
    direction: Direction,
    number: usize,
    is_missing: bool,
}

/// Messages of a client that has `window` requests under way at most.
fn conversation(window: usize, fates: &[(bool, bool)], sends_first: &[bool]) -> Vec<Sent> {
    let (mut asked, mut answered, mut sent) = (0, 0, Vec::new());
    let mut whims = sends_first.iter().cycle();
    while answered < fates.len() {
        let can_ask = asked < fates.len() && asked - answered < window;
        let asks = can_ask && (asked == answered || whims.next() == Some(&true));
        let (direction, number, is_missing) = if asks {
            asked += 1;
            (ToServer, asked - 1, fates[asked - 1].0)
        } else {
            answered += 1;
            (ToClient, answered - 1, fates[answered - 1].1)
        };
        sent.push(Sent {
            direction,
            number,
            is_missing,
        });
    }
    sent
}

/// The names that responses got, by the name of the call that they answer.
fn heard(parser: &mut dyn Parser, sent: &[Sent]) -> Vec<(String, Option<String>)> {
    let mut recorder = Recorder::default();
    for one in sent {
        let bytes = match one.direction {
            ToServer => request(one.number),
            ToClient => response(one.number),
        };
        if one.is_missing {
            parser.gap(one.direction, bytes.len() as u64, &mut recorder);
        } else {
            parser.feed(one.direction, &bytes, &mut recorder);
        }
    }
    let bodies = recorder.texts(Place::ResponseBody);
    let owned = bodies
        .into_iter()
        .map(|(operation, body)| (body, operation.map(str::to_owned)));
    owned.collect()
}

fn is_right(heard: &[(String, Option<String>)]) -> bool {
    let right = |(body, operation): &(String, Option<String>)| {
        operation
            .as_ref()
            .is_none_or(|operation| *operation == format!("GET /{body}"))
    };
    heard.iter().all(right)
}

#[test]
fn requests_that_wait_together_behind_a_gap_have_no_response() {
    let mut fates = [(false, false); 6];
    fates[0].0 = true;
    assert!(is_right(&heard(
        &mut Http1::opened(),
        &conversation(3, &fates, &[true])
    )));
    // What comes one at a time from then on has none either: the client is known to do otherwise.
    let mut parser = Http1::joined([true; 2]);
    let two = conversation(2, &[(false, false); 4], &[true]);
    assert!(
        heard(&mut parser, &two)
            .iter()
            .all(|(_, operation)| operation.is_none())
    );
    let one = conversation(1, &[(false, false); 4], &[true]);
    assert!(
        heard(&mut parser, &one)
            .iter()
            .all(|(_, operation)| operation.is_none())
    );
}

proptest! {
    #[test]
    fn one_request_at_a_time_has_its_own_response_or_none(
        fates in proptest::collection::vec((prop::bool::weighted(0.3), prop::bool::weighted(0.3)), 1..20),
        opened: bool,
    ) {
        let mut parser = if opened { Http1::opened() } else { Http1::joined([true; 2]) };
        let heard = heard(&mut parser, &conversation(1, &fates, &[true]));
        prop_assert!(is_right(&heard), "{heard:?}");
        // A response that was there brings it back.
        let mut is_sure = true;
        let mut named = heard.iter().map(|(_, operation)| operation.is_some());
        for (request, response) in fates {
            is_sure &= !request && !response;
            if !response {
                prop_assert_eq!(named.next(), Some(is_sure));
                is_sure = true;
            }
        }
    }

    #[test]
    fn a_client_that_was_seen_to_pipeline_gets_no_wrong_name(
        window in 2..5usize,
        fates in proptest::collection::vec((prop::bool::weighted(0.3), prop::bool::weighted(0.3)), 3..20),
        whims in proptest::collection::vec(any::<bool>(), 1..20),
    ) {
        // It is seen at the start.
        let mut fates = fates;
        (fates[0], fates[1]) = ((false, false), (false, fates[1].1));
        let mut whims = whims;
        whims[0] = true;
        let heard = heard(&mut Http1::opened(), &conversation(window, &fates, &whims));
        prop_assert!(is_right(&heard), "{heard:?}");
    }
}
