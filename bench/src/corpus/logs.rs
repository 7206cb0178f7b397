//! Lines of logs: access logs, logfmt, and JSON in a log line.

use std::io::Write as _;

use super::person::Person;
use super::words::{sentence, slug, time};
use crate::random::Random;

/// Appends a line; a sensitive one when it is about a person.
pub fn line(out: &mut Vec<u8>, random: &mut Random, person: Option<&Person>) {
    match random.below(3) {
        0 => access(out, random, person),
        1 => logfmt(out, random, person),
        _ => json(out, random, person),
    }
    out.push(b'\n');
}

/// Writing to memory does not fail.
macro_rules! add {
    ($out:ident, $($what:tt)*) => { let _ = write!($out, $($what)*); };
}

/// Combined log format, from inside a cluster.
fn access(out: &mut Vec<u8>, random: &mut Random, person: Option<&Person>) {
    add!(
        out,
        "10.{}.{}.{} - - [{:02}/Feb/2026:{:02}:{:02}:{:02} +0000] ",
        random.below(256),
        random.below(256),
        random.below(256),
        1 + random.below(28),
        random.below(24),
        random.below(60),
        random.below(60)
    );
    match person {
        Some(person) => {
            add!(out, "\"GET /v1/users?email={}&page=1 HTTP/1.1\" ", person.email);
        }
        None => {
            add!(
                out,
                "\"GET /v1/products/{}?sort={}&page={} HTTP/1.1\" ",
                random.below(9_000_000),
                slug(random),
                random.below(50)
            );
        }
    }
    add!(
        out,
        "{} {} \"https://shop.test/{}\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/1{:02}.0.0.0 Safari/537.36\" rt=0.{:03} id={}",
        random.one(&[200, 200, 200, 304, 404]),
        random.below(90_000),
        slug(random),
        random.below(50),
        random.below(1000),
        random.hex(32)
    );
}

fn logfmt(out: &mut Vec<u8>, random: &mut Random, person: Option<&Person>) {
    add!(
        out,
        "time={} level={} msg=\"{}\" service=checkout pod=checkout-{}-{} trace_id={} span_id={} ",
        time(random),
        random.one(&["info", "info", "debug", "warn"]),
        sentence(random, 6),
        random.hex(9),
        random.hex(5),
        random.hex(32),
        random.hex(16)
    );
    if let Some(person) = person {
        add!(
            out,
            "customer=\"{} {}\" card={} ssn={} ",
            person.first,
            person.last,
            person.card,
            person.ssn
        );
    }
    add!(
        out,
        "order={} duration_ms={} bytes={} retries={} db.rows={}",
        random.uuid(),
        random.below(900),
        random.below(90_000),
        random.below(3),
        random.below(500)
    );
}

fn json(out: &mut Vec<u8>, random: &mut Random, person: Option<&Person>) {
    add!(
        out,
        "{} INFO [http-nio-8080-exec-{}] c.s.orders.OrderController : response body={{\"id\":{},\"state\":\"paid\",",
        time(random),
        random.below(64),
        random.below(9_000_000)
    );
    if let Some(person) = person {
        add!(
            out,
            "\"email\":\"{}\",\"phone\":\"{}\",\"iban\":\"{}\",",
            person.email,
            person.phone,
            person.iban
        );
    }
    add!(
        out,
        "\"reference\":\"{}\",\"total\":{}.{:02},\"items\":{}}} took {} ms",
        random.uuid(),
        random.below(900),
        random.below(100),
        random.below(9),
        random.below(400)
    );
}
