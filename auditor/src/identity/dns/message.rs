//! Questions and answers of name servers (RFC 1035).
//!
//! Goes in: a datagram. Comes out: the name that was asked for, and the addresses that it has in the answer, over its
//! aliases. Reading is the crate `domain`'s; it follows no pointer forward. Anything unusual is nothing.

use std::{net::IpAddr, sync::Arc};

use domain::{
    base::{
        Message, ParsedName, Rtype,
        iana::{Class, Opcode, Rcode},
    },
    rdata::{A, Aaaa, Cname},
};

use super::Answer;

/// Longest name, bytes (RFC 1035, 2.3.4).
const MAX_NAME: usize = 253;

/// Most records of an answer that are read, and most aliases of a name.
const MAX_RECORDS: usize = 128;
const MAX_ALIASES: usize = 8;

/// What a datagram says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Somebody asks for the addresses of a name, in lower case.
    Question { id: u16, name: Arc<str> },
    /// And is told.
    Answer { id: u16, answer: Answer },
}

/// Reads a datagram; `None` when it is no question for addresses and no answer with some.
pub fn read(datagram: &[u8]) -> Option<Said> {
    let message = Message::from_slice(datagram).ok()?;
    let header = message.header();
    let question = message.sole_question().ok()?;
    let is_about_addresses =
        question.qclass() == Class::IN && matches!(question.qtype(), Rtype::A | Rtype::AAAA);
    if header.opcode() != Opcode::QUERY || !is_about_addresses {
        return None;
    }
    let name: Arc<str> = Arc::from(host_name(question.qname())?);
    if !header.qr() {
        return Some(Said::Question {
            id: header.id(),
            name,
        });
    }
    if header.rcode() != Rcode::NOERROR || header.tc() {
        return None;
    }
    let addresses = addresses(message, &name)?;
    let answer = Answer { name, addresses };
    (!answer.addresses.is_empty()).then(|| Said::Answer {
        id: header.id(),
        answer,
    })
}

/// The addresses of a name and of what it is an alias of.
fn addresses(message: &Message<[u8]>, name: &str) -> Option<Vec<(IpAddr, u32)>> {
    let mut aliases: Vec<(String, String, u32)> = Vec::new();
    let mut found: Vec<(String, IpAddr, u32)> = Vec::new();
    for record in message.answer().ok()?.take(MAX_RECORDS) {
        let record = record.ok()?;
        let Some(owner) = host_name(&record.owner()) else {
            continue;
        };
        let seconds = record.ttl().as_secs();
        if record.class() != Class::IN {
            continue;
        }
        match record.rtype() {
            Rtype::A => {
                let data = record.to_record::<A>().ok()??;
                found.push((owner, IpAddr::V4(data.data().addr()), seconds));
            }
            Rtype::AAAA => {
                let data = record.to_record::<Aaaa>().ok()??;
                found.push((owner, IpAddr::V6(data.data().addr()), seconds));
            }
            Rtype::CNAME => {
                let data = record.to_record::<Cname<ParsedName<_>>>().ok()??;
                let target = host_name(data.data().cname())?;
                aliases.push((owner, target, seconds));
            }
            _ => {}
        }
    }
    let (mut current, mut least) = (name, u32::MAX);
    let mut addresses = Vec::new();
    for _ in 0..=MAX_ALIASES {
        let own = found.iter().filter(|(owner, ..)| owner == current);
        addresses.extend(own.map(|(_, ip, seconds)| (*ip, least.min(*seconds))));
        let Some((_, target, seconds)) = aliases.iter().find(|(owner, ..)| owner == current) else {
            break;
        };
        (current, least) = (target, least.min(*seconds));
    }
    addresses.sort_unstable();
    addresses.dedup_by_key(|(ip, _)| *ip);
    Some(addresses)
}

/// A name in lower case, without the dot at its end, where it is of the characters that names of hosts are of. An address
/// is none.
fn host_name(name: &impl std::fmt::Display) -> Option<String> {
    let mut text = name.to_string();
    text.make_ascii_lowercase();
    let text = text.strip_suffix('.').unwrap_or(&text);
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let is_name = !text.is_empty()
        && text.len() <= MAX_NAME
        && text.bytes().all(is_plain)
        && text.parse::<IpAddr>().is_err();
    is_name.then(|| text.to_owned())
}
