//! Records of a shop's API as JSON: products, orders and users, one a line.

use std::io::Write as _;

use super::person::Person;
use super::words::{sentence, slug, time};
use crate::random::Random;

/// Appends a record; a sensitive one when it is about a person.
pub fn record(out: &mut Vec<u8>, random: &mut Random, person: Option<&Person>) {
    match (person, random.below(3)) {
        (Some(person), 0) => payment(out, random, person),
        (Some(person), _) => profile(out, random, person),
        (None, 0) => product(out, random),
        (None, 1) => order(out, random),
        (None, _) => user(out, random),
    }
    out.push(b'\n');
}

/// Writing to memory does not fail.
macro_rules! add {
    ($out:ident, $($what:tt)*) => { let _ = write!($out, $($what)*); };
}

fn product(out: &mut Vec<u8>, random: &mut Random) {
    let (id, words) = (random.below(9_000_000), 12 + random.below(20));
    add!(
        out,
        r#"{{"id":{id},"sku":"SKU-{:06}","slug":"{}","title":"{}","description":"{}.","#,
        random.below(1_000_000),
        slug(random),
        sentence(random, 3),
        sentence(random, words)
    );
    add!(
        out,
        r#""price":{{"amount":{}.{:02},"currency":"EUR","tax_rate":0.19}},"stock":{},"weight_grams":{},"#,
        random.below(500),
        random.below(100),
        random.below(2000),
        random.below(20_000)
    );
    add!(
        out,
        r#""images":[{{"url":"https://cdn.shop.test/p/{id}/{}.webp","width":1200,"height":800}},"#,
        random.hex(12)
    );
    add!(
        out,
        r#"{{"url":"https://cdn.shop.test/p/{id}/{}.webp","width":600,"height":400}}],"#,
        random.hex(12)
    );
    add!(
        out,
        r#""tags":["{}","{}"],"rating":{{"average":4.{},"count":{}}},"variants":null,"updated_at":"{}"}}"#,
        slug(random),
        slug(random),
        random.below(10),
        random.below(5000),
        time(random)
    );
}

fn order(out: &mut Vec<u8>, random: &mut Random) {
    add!(
        out,
        r#"{{"order_id":"{}","number":{},"state":"{}","created_at":"{}","updated_at":"{}","items":["#,
        random.uuid(),
        100_000_000 + random.below(900_000_000),
        random.one(&["paid", "packed", "shipped", "returned"]),
        time(random),
        time(random)
    );
    for n in 0..1 + random.below(4) {
        let comma = if n > 0 { "," } else { "" };
        add!(
            out,
            r#"{comma}{{"product_id":{},"title":"{}","quantity":{},"unit_price":{}.{:02}}}"#,
            random.below(9_000_000),
            sentence(random, 4),
            1 + random.below(5),
            random.below(300),
            random.below(100)
        );
    }
    add!(
        out,
        r#"],"totals":{{"net":{}.{:02},"tax":{}.{:02},"shipping":4.90}},"currency":"EUR","gift":false,"#,
        random.below(900),
        random.below(100),
        random.below(90),
        random.below(100)
    );
    add!(
        out,
        r#""payment":{{"provider":"psp","reference":"{}","captured":true}},"#,
        random.hex(24)
    );
    add!(
        out,
        r#""shipment":{{"carrier":"parcel","tracking_url":"https://track.shop.test/t/{}","boxes":1}},"#,
        random.hex(16)
    );
    add!(
        out,
        r#""trace_id":"{}","etag":"W/\"{}\"","epoch_ms":{}}}"#,
        random.hex(32),
        random.hex(40),
        1_770_000_000_000 + random.below(30_000_000_000)
    );
}

fn user(out: &mut Vec<u8>, random: &mut Random) {
    add!(
        out,
        r#"{{"user_id":"{}","handle":"{}","locale":"de-DE","timezone":"Europe/Berlin","roles":["customer"],"#,
        random.uuid(),
        slug(random)
    );
    add!(
        out,
        r#""created_at":"{}","last_seen_at":"{}","login_count":{},"newsletter":{},"#,
        time(random),
        time(random),
        random.below(900),
        random.below(2) == 0
    );
    add!(
        out,
        r#""preferences":{{"theme":"dark","page_size":{},"currency":"EUR","favourites":[{},{},{}]}},"#,
        random.below(100),
        random.below(9_000_000),
        random.below(9_000_000),
        random.below(9_000_000)
    );
    add!(
        out,
        r#""avatar_url":"https://img.shop.test/u/{}.png?s=128&v={}","points":{},"bio":"{}"}}"#,
        random.hex(32),
        random.below(100),
        random.below(10_000),
        sentence(random, 8)
    );
}

fn payment(out: &mut Vec<u8>, random: &mut Random, person: &Person) {
    add!(
        out,
        r#"{{"order_id":"{}","payment":{{"card_number":"{}","cvv":"{}","exp_month":{},"exp_year":2029,"holder":"{} {}"}},"#,
        random.uuid(),
        person.card,
        person.cvv,
        1 + random.below(12),
        person.first,
        person.last
    );
    add!(
        out,
        r#""refund_iban":"{}","amount":{}.{:02},"created_at":"{}"}}"#,
        person.iban,
        random.below(900),
        random.below(100),
        time(random)
    );
}

fn profile(out: &mut Vec<u8>, random: &mut Random, person: &Person) {
    add!(
        out,
        r#"{{"user_id":"{}","first_name":"{}","last_name":"{}","email":"{}","phone":"{}","ssn":"{}","#,
        random.uuid(),
        person.first,
        person.last,
        person.email,
        person.phone,
        person.ssn
    );
    add!(
        out,
        r#""date_of_birth":"{}","created_at":"{}","session":{{"access_token":"{}"}}}}"#,
        person.born,
        time(random),
        person.token
    );
}
