//! Addresses in networks: IP addresses that route on the public Internet, and hardware addresses.
//!
//! Goes in: the value of a field that is named like one. Comes out: whether it may lead to a
//! person. IANA special-purpose registries (RFC 6890) and IEEE 802.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::detect::candidate::{Proof, Value};

/// Addresses of a list that are read.
const MOST: usize = 16;

/// Judges an IP address, or a list of them as proxies write it (`X-Forwarded-For`, RFC 7239).
/// One public address is enough; one that is no address is too many.
pub(crate) fn ip(value: &Value<'_>) -> Option<Proof> {
    let text = std::str::from_utf8(value.text).ok()?;
    let (mut public, mut v6, mut test) = (0, false, None);
    for part in text.split(',').take(MOST) {
        match reach(read(part)?) {
            Reach::Public { is_v6 } => {
                public += 1;
                v6 |= is_v6;
            }
            Reach::Documentation(source) => test = test.or(Some(source)),
            Reach::Local => {}
        }
    }
    match (public, v6) {
        (0, _) => test.map(|source| Proof::new(2.0, "is an address for documentation").or_test(Some(source))),
        (_, true) => Some(Proof::new(4.0, "is a public IPv6 address")),
        _ => Some(Proof::new(2.0, "is a public IPv4 address")),
    }
}

/// One address, with a port or a zone or not; `for=…;proto=…` of RFC 7239.
fn read(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let node = text.split(';').map(str::trim).find_map(|pair| {
        let (name, node) = pair.split_once('=')?;
        name.eq_ignore_ascii_case("for").then_some(node)
    });
    let text = node.unwrap_or(text).trim_matches(['"', '\\']);
    let text = text.strip_prefix("::ffff:").unwrap_or(text);
    if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        let is_port = |port: &str| port.parse::<u16>().is_ok();
        let fits = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return address.parse::<Ipv6Addr>().ok().filter(|_| fits).map(IpAddr::V6);
    }
    let whole = text.split('%').next().unwrap_or(text).parse().ok();
    whole.or_else(|| {
        text.parse()
            .ok()
            .map(|with_port: std::net::SocketAddrV4| IpAddr::V4(*with_port.ip()))
    })
}

enum Reach {
    Public { is_v6: bool },
    Documentation(&'static str),
    Local,
}

fn reach(address: IpAddr) -> Reach {
    match address.to_canonical() {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => v6(address),
    }
}

fn v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Reach::Documentation("addresses for documentation, RFC 5737")
        }
        // This network, private, shared, loopback, link-local, protocol assignments, benchmarks,
        // multicast and reserved.
        [0 | 10 | 127, ..]
        | [100, 64..=127, ..]
        | [169, 254, ..]
        | [172, 16..=31, ..]
        | [192, 0, 0, _]
        | [192, 168, ..]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [224..=255, ..] => Reach::Local,
        _ => Reach::Public { is_v6: false },
    }
}

fn v6(address: Ipv6Addr) -> Reach {
    match address.segments() {
        [0x2001, 0x0DB8, ..] => Reach::Documentation("addresses for documentation, RFC 3849"),
        [0x3FFF, 0..=0x0FFF, ..] => Reach::Documentation("addresses for documentation, RFC 9637"),
        // Benchmarks, ORCHID.
        [0x2001, 2 | 0x10..=0x2F, ..] => Reach::Local,
        [0x2000..=0x3FFF, ..] => Reach::Public { is_v6: true },
        _ => Reach::Local,
    }
}

/// Judges twelve characters as the hardware address of one device.
pub(crate) fn mac(compact: &[u8]) -> Option<Proof> {
    let nibble = |at: usize| char::from(compact[at]).to_digit(16);
    if compact.len() != 12 || !compact.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    // A group address is of no device; nor is one of equal digits.
    let is_group = nibble(1)? & 1 == 1;
    let same = compact[1..].iter().filter(|byte| **byte == compact[0]).count();
    (!is_group && same < 10).then_some(Proof::new(4.0, "is the hardware address of one device"))
}

/// Judges a whole value as a hardware address, in the notations of IEEE and of Cisco.
pub(crate) fn mac_value(value: &Value<'_>) -> Option<Proof> {
    let text = value.text;
    let group = match text.len() {
        12 => 12,
        14 => 4,
        17 => 2,
        _ => return None,
    };
    let mut compact = [0u8; 12];
    let mut filled = 0;
    for (at, &byte) in text.iter().enumerate() {
        if at % (group + 1) == group {
            if !matches!(byte, b':' | b'-' | b'.') || byte != text[group] {
                return None;
            }
        } else {
            *compact.get_mut(filled)? = byte;
            filled += 1;
        }
    }
    mac(&compact)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::verify::text::quoted;

    #[test]
    fn only_public_addresses_count() {
        for (text, expected) in [
            ("8.8.8.8", Some(false)),
            ("81.2.69.142:443", Some(false)),
            ("2a00:1450:4001:82b::200e", Some(false)),
            ("[2a00:1450:4001:82b::200e]:443", Some(false)),
            ("::ffff:81.2.69.142", Some(false)),
            ("81.2.69.142, 10.0.0.1", Some(false)),
            ("for=81.2.69.142;proto=https", Some(false)),
            (r#"for=\"[2a00:1450::1]:4711\""#, Some(false)),
            ("203.0.113.7", Some(true)),
            ("192.0.2.1, 10.0.0.1", Some(true)),
            ("2001:db8::1", Some(true)),
            ("3fff::1", Some(true)),
            ("10.1.2.3", None),
            ("192.168.0.1", None),
            ("172.16.0.1", None),
            ("127.0.0.1", None),
            ("100.64.0.1", None),
            ("169.254.1.1", None),
            ("224.0.0.1", None),
            ("fe80::1%eth0", None),
            ("fd00::1", None),
            ("::1", None),
            ("1.2.3", None),
            ("1.2.3.4.5", None),
            ("1.2.3.256", None),
            ("unknown", None),
            ("81.2.69.142, x", None),
            ("", None),
            ("8.8.8.8/24", None),
        ] {
            assert_eq!(
                ip(&quoted(text)).map(|proof| proof.test.is_some()),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn hardware_addresses_are_of_one_device() {
        for (text, expected) in [
            ("3c:22:fb:4e:9a:01", true),
            ("3C-22-FB-4E-9A-01", true),
            ("3c22.fb4e.9a01", true),
            ("3c22fb4e9a01", true),
            ("01:00:5e:00:00:01", false),
            ("ff:ff:ff:ff:ff:ff", false),
            ("00:00:00:00:00:00", false),
            ("3c:22-fb:4e:9a:01", false),
            ("3c:22:fb:4e:9a:0g", false),
            ("3c:22:fb:4e:9a", false),
        ] {
            assert_eq!(mac_value(&quoted(text)).is_some(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_not(text in "\\PC{0,60}", close in "[0-9a-f:.,%\\[\\]=;]{0,60}") {
            for text in [text, close] {
                let value = quoted(&text);
                let _ = (ip(&value), mac_value(&value), mac(text.as_bytes()));
            }
        }
    }
}
