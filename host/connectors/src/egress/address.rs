//! Which addresses a partner's name may resolve to: public ones only.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a partner may live at this address. Refused: loopback, private, link-local (cloud metadata), carrier NAT,
/// unique local, multicast, reserved, unspecified, and IPv6 forms that carry an IPv4 address (mapped, compatible,
/// NAT64, 6to4, Teredo), whatever they carry.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = a == 0
        || a == 10
        || a == 127
        || (a == 100 && (64..128).contains(&b)) // carrier NAT; 100.100.100.200 is a metadata service
        || (a == 169 && b == 254)
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 192 && b == 31 && c == 196)
        || (a == 192 && b == 52 && c == 193)
        || (a == 192 && b == 88 && c == 99)
        || (a == 192 && b == 168)
        || (a == 192 && b == 175 && c == 48)
        || (a == 198 && (b == 18 || b == 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113)
        || a >= 224;
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    // Only global unicast (2000::/3) is routed on the public Internet; loopback, unspecified, mapped, compatible,
    // NAT64 (64:ff9b::/96 and 64:ff9b:1::/48), discard-only, unique local, link-local, site-local and multicast
    // all lie outside it.
    let global = parts[0] & 0xe000 == 0x2000;
    let special = parts[0] == 0x2002 // 6to4
        || (parts[0] == 0x2001 && parts[1] < 0x0200) // Teredo, benchmarking, ORCHID and other protocol assignments
        || (parts[0] == 0x2001 && parts[1] == 0x0db8)
        || (parts[0] == 0x2620 && parts[1] == 0x004f && parts[2] == 0x8000)
        || (parts[0] == 0x3fff && parts[1] < 0x1000);
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_private_or_disguised_address_is_public() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.0.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:0:8.8.8.8",
            "64:ff9b::7f00:1",
            "64:ff9b::808:808",
            "64:ff9b:1::1",
            "100::1",
            "2002:7f00:1::",
            "2002:808:808::1",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn ordinary_addresses_are_public() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "31.13.72.36",
            "99.255.255.255",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.1",
            "2606:4700::1111",
            "2a03:2880:f12f:83:face:b00c:0:25de",
            "2001:4860:4860::8888",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }
}
