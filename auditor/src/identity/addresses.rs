//! The addresses of a network namespace, from `/proc/PID/net`.
//!
//! Goes in: a process of the namespace. Comes out: the addresses that are its own, loopback included.

use std::{
    collections::BTreeSet,
    fs::File,
    io::Read as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Longest table that is read, bytes. The routes of a node with many pods are some 100 bytes each.
const LIMIT: u64 = 8 << 20;

/// Addresses of the network namespace of a process; none when it has ended.
pub fn of(pid: u32) -> BTreeSet<IpAddr> {
    let text = |file: &str| {
        let mut text = String::new();
        let opened = File::open(format!("/proc/{pid}/net/{file}")).ok();
        // What is no UTF-8 is not the kernel's.
        let _ = opened.map(|file| file.take(LIMIT).read_to_string(&mut text));
        text
    };
    let v4 = local_v4(&text("fib_trie")).into_iter().map(IpAddr::V4);
    let v6 = local_v6(&text("if_inet6")).into_iter().map(IpAddr::V6);
    v4.chain(v6).collect()
}

/// The addresses of `/proc/net/fib_trie` that are marked `host LOCAL`; each stands on the line before its marks.
pub fn local_v4(fib_trie: &str) -> BTreeSet<Ipv4Addr> {
    let mut found = BTreeSet::new();
    let mut address: Option<Ipv4Addr> = None;
    for line in fib_trie.lines().map(str::trim_start) {
        if let Some(text) = line.strip_prefix("|-- ") {
            address = text.trim_end().parse().ok();
        } else if line.starts_with("/32 host LOCAL") {
            found.extend(address);
        }
    }
    found
}

/// The addresses of `/proc/net/if_inet6`: 32 hex digits at the start of each line.
pub fn local_v6(if_inet6: &str) -> BTreeSet<Ipv6Addr> {
    let lines = if_inet6
        .lines()
        .filter_map(|line| line.split_ascii_whitespace().next());
    lines
        .filter(|digits| digits.len() == 32)
        .filter_map(|digits| u128::from_str_radix(digits, 16).ok())
        .map(Ipv6Addr::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses_are_told_from_networks_and_broadcasts() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     +-- 10.1.0.0/16 2 0 2\n        |-- 10.1.0.0\n           /16 link UNICAST\n        |-- 10.1.0.7\n           /32 host LOCAL\n        |-- 10.1.255.255\n           /32 link BROADCAST\n     |-- 127.0.0.1\n        /32 host LOCAL\n";
        let found: Vec<String> = local_v4(trie).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.1.0.7", "127.0.0.1"]);
        let inet6 =
            "00000000000000000000000000000001 01 80 10 80       lo\nfe80000000000000x 02 40 20 80 eth0\n";
        assert_eq!(local_v6(inet6), [Ipv6Addr::LOCALHOST].into());
    }

    #[test]
    fn loopback_is_an_address_of_this_process() {
        assert!(of(std::process::id()).contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert!(of(u32::MAX).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn any_table_is_read_without_a_panic(text in ".{0,300}") {
            let _ = local_v4(&text);
            let _ = local_v6(&text);
        }
    }
}
