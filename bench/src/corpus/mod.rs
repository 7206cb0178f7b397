//! Traffic made up from a seed: the same bytes in every run and on every machine.
//!
//! Goes in: a seed and a length. Comes out: a [`Corpus`]. Its records are those of a web shop; the
//! sensitive ones hold values that pass every check but were given to nobody.

mod json;
mod logs;
mod person;
mod protobuf;
mod words;

use auditor::content::Format;

use crate::random::Random;
use person::Person;

/// Records in a thousand that hold sensitive values.
const SENSITIVE: u64 = 15;

/// Bytes to search.
pub struct Corpus {
    pub name: &'static str,
    /// What it is made of, for people.
    pub about: &'static str,
    /// What the scanner is told where no reader finds out.
    pub format: Format,
    /// What a reader is told.
    pub content_type: &'static str,
    pub bytes: Vec<u8>,
}

/// The corpora that are compared, `length` bytes each.
pub fn all(seed: u64, length: usize) -> Vec<Corpus> {
    vec![
        clean(seed, length),
        json(
            seed,
            length,
            SENSITIVE,
            "json",
            "JSON of an API, 1.5 % of the records sensitive",
        ),
        Corpus {
            name: "logs",
            about: "access logs, logfmt and JSON in logs, 1.5 % of the lines sensitive",
            format: Format::Text,
            content_type: "text/plain",
            bytes: fill(seed ^ 2, length, SENSITIVE, logs::line),
        },
        Corpus {
            name: "protobuf",
            about: "protobuf messages, 1.5 % of them sensitive",
            format: Format::Text,
            content_type: "application/x-protobuf",
            bytes: fill(seed ^ 3, length, SENSITIVE, protobuf::record),
        },
    ]
}

/// The JSON corpus without a sensitive record.
pub fn clean(seed: u64, length: usize) -> Corpus {
    json(seed, length, 0, "clean", "JSON of an API, no sensitive record")
}

fn json(seed: u64, length: usize, sensitive: u64, name: &'static str, about: &'static str) -> Corpus {
    Corpus {
        name,
        about,
        format: Format::Json,
        content_type: "application/json",
        bytes: fill(seed ^ 1, length, sensitive, json::record),
    }
}

/// Records until there are `length` bytes; the last one is cut.
fn fill(
    seed: u64,
    length: usize,
    sensitive: u64,
    record: fn(&mut Vec<u8>, &mut Random, Option<&Person>),
) -> Vec<u8> {
    let mut random = Random::new(seed);
    // A record is far shorter than this, so that the corpus is allocated once.
    let mut bytes = Vec::with_capacity(length + (64 << 10));
    while bytes.len() < length {
        let person = (random.below(1000) < sensitive).then(|| Person::new(&mut random));
        record(&mut bytes, &mut random, person.as_ref());
    }
    bytes.truncate(length);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_bytes_every_time_and_another_seed_others() {
        for (first, second) in all(1, 100_000).iter().zip(all(1, 100_000)) {
            assert_eq!(first.bytes.len(), 100_000);
            assert!(first.bytes == second.bytes, "{}", first.name);
        }
        assert!(clean(1, 100_000).bytes != clean(2, 100_000).bytes);
    }

    #[test]
    fn records_of_json_are_json() {
        for corpus in &all(7, 300_000)[..2] {
            let text = str::from_utf8(&corpus.bytes).unwrap();
            let lines: Vec<_> = text.lines().collect();
            for line in &lines[..lines.len() - 1] {
                serde_json::from_str::<serde_json::Value>(line).unwrap();
            }
        }
    }
}
