//! What an address on the network leads to: the decision that keeps a guest from the machines around the server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// The internet.
    Public,
    /// This machine or its surroundings; what it is, in a word.
    Private(&'static str),
    /// Nowhere that a request belongs, whoever allows it.
    Unusable(&'static str),
}

impl AddressKind {
    /// What is known of `address` (the special-purpose registries of IANA, RFC 6890, and those after it). What is written
    /// in IPv6 but means IPv4 is judged as what it means.
    pub fn of(address: IpAddr) -> AddressKind {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

fn of_v4(address: Ipv4Addr) -> AddressKind {
    use AddressKind::{Private, Public, Unusable};
    match address.octets() {
        // Linux takes 0.0.0.0 as this machine.
        [0, ..] => Unusable("unspecified"),
        [127, ..] => Private("loopback"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Private("private"),
        [100, 64..=127, ..] => Private("shared by a carrier"),
        // Where clouds answer with credentials.
        [169, 254, ..] => Private("link-local"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Unusable("for documentation"),
        [192, 0, 0, _] => Unusable("for protocols"),
        // Relays of 6to4, which is no more.
        [192, 88, 99, _] => Unusable("a relay of a tunnel"),
        [198, 18..=19, ..] => Private("for benchmarks"),
        [224..=239, ..] => Unusable("multicast"),
        [255, 255, 255, 255] => Unusable("broadcast"),
        [240..=255, ..] => Unusable("reserved"),
        _ => Public,
    }
}

fn of_v6(address: Ipv6Addr) -> AddressKind {
    use AddressKind::{Private, Public, Unusable};
    let [a, b, c, d, e, f, g, h] = address.segments();
    let [.., w, x, y, z] = address.octets();
    let last = Ipv4Addr::new(w, x, y, z);
    match [a, b, c, d, e, f] {
        [0, 0, 0, 0, 0, 0] if [g, h] == [0, 0] => Unusable("unspecified"),
        [0, 0, 0, 0, 0, 0] if [g, h] == [0, 1] => Private("loopback"),
        // Mapped: how IPv6 sockets write IPv4. NAT64: how networks without IPv4 reach it (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0] => of_v4(last),
        [0x64, 0xff9b, 1, ..] => Private("translated within a network"),
        [0, 0, 0, 0, 0, 0] | [0, 0, 0, 0, 0xffff, 0] => Unusable("a form of IPv4 that is no more"),
        [0x2002, ..] | [0x2001, 0, ..] => Unusable("a tunnel that is no more"),
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Unusable("for documentation"),
        [0x2001, 1..=0x1ff, ..] => Unusable("for protocols"),
        [0x5f00, ..] => Unusable("for segment routing"),
        [0x100, ..] => Unusable("discarded"),
        [0xfe80..=0xfebf, ..] => Private("link-local"),
        [0xfec0..=0xfeff, ..] => Private("site-local"),
        [0xfc00..=0xfdff, ..] => Private("private"),
        [0xff00..=0xffff, ..] => Unusable("multicast"),
        // All that is given out to the internet.
        [0x2000..=0x3fff, ..] => Public,
        _ => Unusable("reserved"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn is(address: &str, expected: AddressKind) {
        assert_eq!(AddressKind::of(address.parse().unwrap()), expected, "{address}");
    }

    #[test]
    fn every_family_of_addresses_is_told_apart_at_both_of_its_ends() {
        use AddressKind::{Private, Public, Unusable};
        for (first, last, expected) in [
            ("0.0.0.0", "0.255.255.255", Unusable("unspecified")),
            ("1.0.0.0", "9.255.255.255", Public),
            ("10.0.0.0", "10.255.255.255", Private("private")),
            ("11.0.0.0", "100.63.255.255", Public),
            ("100.64.0.0", "100.127.255.255", Private("shared by a carrier")),
            ("100.128.0.0", "126.255.255.255", Public),
            ("127.0.0.0", "127.255.255.255", Private("loopback")),
            ("128.0.0.0", "169.253.255.255", Public),
            ("169.254.0.0", "169.254.255.255", Private("link-local")),
            ("169.255.0.0", "172.15.255.255", Public),
            ("172.16.0.0", "172.31.255.255", Private("private")),
            ("172.32.0.0", "191.255.255.255", Public),
            ("192.0.0.0", "192.0.0.255", Unusable("for protocols")),
            ("192.0.2.0", "192.0.2.255", Unusable("for documentation")),
            ("192.88.99.0", "192.88.99.255", Unusable("a relay of a tunnel")),
            ("192.168.0.0", "192.168.255.255", Private("private")),
            ("198.18.0.0", "198.19.255.255", Private("for benchmarks")),
            ("198.51.100.0", "198.51.100.255", Unusable("for documentation")),
            ("203.0.113.0", "203.0.113.255", Unusable("for documentation")),
            ("203.0.114.0", "223.255.255.255", Public),
            ("224.0.0.0", "239.255.255.255", Unusable("multicast")),
            ("240.0.0.0", "255.255.255.254", Unusable("reserved")),
            ("255.255.255.255", "255.255.255.255", Unusable("broadcast")),
            ("::", "::", Unusable("unspecified")),
            ("::1", "::1", Private("loopback")),
            ("::2", "::ffff:ffff", Unusable("a form of IPv4 that is no more")),
            ("::ffff:0:0:0", "::ffff:0:ffff:ffff", Unusable("a form of IPv4 that is no more")),
            ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", Private("translated within a network")),
            ("100::", "100:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Unusable("discarded")),
            ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", Unusable("a tunnel that is no more")),
            ("2001:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", Unusable("for protocols")),
            ("2001:200::", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", Public),
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Unusable("for documentation")),
            ("2001:db9::", "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Public),
            ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Unusable("a tunnel that is no more")),
            ("2003::", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Public),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", Unusable("for documentation")),
            ("4000::", "5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Unusable("reserved")),
            ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Unusable("for segment routing")),
            ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Private("private")),
            ("fe00::", "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Unusable("reserved")),
            ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Private("link-local")),
            ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Private("site-local")),
            ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Unusable("multicast")),
        ] {
            is(first, expected);
            is(last, expected);
        }
    }

    #[test]
    fn what_means_an_ipv4_address_is_judged_as_that() {
        use AddressKind::{Private, Public, Unusable};
        for (inner, expected) in [
            ("127.0.0.1", Private("loopback")),
            ("169.254.169.254", Private("link-local")),
            ("10.1.2.3", Private("private")),
            ("0.0.0.0", Unusable("unspecified")),
            ("93.184.215.14", Public),
        ] {
            is(&format!("::ffff:{inner}"), expected);
            is(&format!("64:ff9b::{inner}"), expected);
        }
        is("2002:7f00:1::", Unusable("a tunnel that is no more"));
        is("::127.0.0.1", Unusable("a form of IPv4 that is no more"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_way_of_writing_an_address_makes_it_more_public(bits in any::<u32>()) {
            let inner = Ipv4Addr::from(bits);
            let plain = of_v4(inner);
            let [a, b, c, d] = inner.octets();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            for written in [
                [0, 0, 0, 0, 0, 0xffff, high, low],
                [0x64, 0xff9b, 0, 0, 0, 0, high, low],
                [0, 0, 0, 0, 0, 0, high, low],
                [0, 0, 0, 0, 0xffff, 0, high, low],
                [0x2002, high, low, 0, 0, 0, 0, 1],
                [0x2001, 0, high, low, 0, 0, !high, !low],
                [0x64, 0xff9b, 1, 0, 0, 0, high, low],
            ] {
                let kind = AddressKind::of(IpAddr::V6(Ipv6Addr::from(written)));
                prop_assert!(kind == plain || kind != AddressKind::Public, "{written:x?}: {kind:?}");
            }
        }

        #[test]
        fn what_the_standard_library_knows_to_be_special_is_never_public(bits in any::<[u8; 16]>(), v4 in any::<[u8; 4]>()) {
            let (v4, v6) = (Ipv4Addr::from(v4), Ipv6Addr::from(bits));
            if v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_broadcast() || v4.is_documentation()
                || v4.is_unspecified() || v4.is_multicast() {
                prop_assert_ne!(AddressKind::of(v4.into()), AddressKind::Public);
            }
            if v6.is_loopback() || v6.is_unspecified() || v6.is_multicast() || v6.is_unique_local() || v6.is_unicast_link_local() {
                prop_assert_ne!(AddressKind::of(v6.into()), AddressKind::Public);
            }
        }
    }
}
