//! Law: `parse(print(packet)) == packet`; and what is refused says which word.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    Arp, Extension, Fragment, Icmp, Ipv4, Ipv6, L3, Packet, Ports, Quoted, Rate, Sender, State, TcpFlags,
    Transport, Zone,
};
use crate::model::address::Mac;

fn parse(line: &str) -> Packet {
    line.parse().unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[test]
fn lines_that_people_write() {
    for line in [
        "outside host tcp 10.66.0.5:40000 > 192.0.2.1:22",
        "outside host tcp [2001:db8::5]:40000 > [2001:db8::1]:22 flags=syn,ack state=invalid",
        "vm100 outside udp [fe80::1]:546 > [ff02::1:2]:547 hoplimit=1",
        "outside vm100 icmp 10.0.0.1 > 192.0.2.100 type=8",
        "vm100 outside arp 192.0.2.100 > 192.0.2.50 op=request sha=bc:24:11:00:01:00",
        "outside vm100 other 0x8137",
        "host vm100 udp 192.0.2.1:67 > 192.0.2.100:68 origin=packet-socket",
        "vm100 outside udp 192.0.2.100:1 > 192.0.2.50:2 dmac=02:00:00:00:00:50 vlan=7,5",
        "vm100 outside icmpv6 fe80::1 > ff02::1:ff00:50 type=135 target=2001:db8:a::50",
        "outside vm100 icmp 10.66.0.5 > 192.0.2.100 type=3 code=3 inner=udp,192.0.2.100:1,10.66.0.5:2",
        "outside vm100 47 10.66.0.5 > 192.0.2.100 frag=later",
    ] {
        assert_eq!(parse(line).to_string(), line);
    }
}

#[test]
fn defaults() {
    let packet = parse("outside host udp 10.0.0.1 > 192.0.2.1:53");
    assert_eq!(packet.to_string(), "outside host udp 10.0.0.1:40000 > 192.0.2.1:53");
    let L3::Ipv6(ip) = parse("vm100 outside icmpv6 fe80::1 > ff02::2 type=133").l3 else { panic!("IPv6") };
    assert_eq!((ip.hop_limit, ip.payload), (255, 0));
    assert!(matches!(ip.transport, Transport::Icmp(Icmp { source_lladdr_len: 8, .. })));
    let L3::Ipv6(ip) = parse("vm100 outside icmpv6 :: > ff02::2 type=133").l3 else { panic!("IPv6") };
    assert!(matches!(ip.transport, Transport::Icmp(Icmp { source_lladdr_len: 0, .. })));
}

#[test]
fn errors_name_the_word() {
    for (line, word) in [
        ("outside host", ""),
        ("outside host tcp 10.0.0.1:1 192.0.2.1:22", "tcp"),
        ("outside host tcp 10.0.0.1:1 > 192.0.2.1", "tcp"),
        ("outside host tcp 10.0.0.1:99999 > 192.0.2.1:22", "10.0.0.1:99999"),
        ("outside host tcp 10.0.0.1:1 > [2001:db8::1]:22", "[2001:db8::1]:22"),
        ("outside host icmpv6 10.0.0.1 > 192.0.2.1", "icmpv6"),
        ("outside host icmp 10.0.0.1:7 > 192.0.2.1", "icmp"),
        ("outside host tcq 10.0.0.1:1 > 192.0.2.1:22", "tcq"),
        ("outside host tcp 10.0.0.1:1 > 192.0.2.1:22 flags=sin", "flags=sin"),
        ("outside host tcp 10.0.0.1:1 > 192.0.2.1:22 type=8", "type=8"),
        ("outside host tcp 10.0.0.1:1 > 192.0.2.1:22 vlan=1 vlan=2", "vlan=2"),
        ("outside host tcp 10.0.0.1:1 > 192.0.2.1:22 vlan=4096", "vlan=4096"),
        ("outside host tcp 10.0.0.1:1 > 192.0.2.1:22 established", "established"),
        ("outside vm100 other eight", "eight"),
        ("vm100 outside arp fe80::1 > 192.0.2.50", "fe80::1"),
    ] {
        assert_eq!(line.parse::<Packet>().expect_err(line).word, word, "{line}");
    }
}

/// Numbers without a source of chance: a linear congruential generator (Knuth's MMIX).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 24
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }

    fn mac(&mut self) -> Mac {
        Mac(std::array::from_fn(|_| self.next() as u8))
    }

    fn v4(&mut self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.next() as u32)
    }

    fn v6(&mut self) -> Ipv6Addr {
        let shift = self.pick(&[0, 32, 96, 127]);
        Ipv6Addr::from_bits((u128::from(self.next()) << 88 | u128::from(self.next())) >> shift)
    }

    fn ports(&mut self) -> Ports {
        Ports { source: self.next() as u16, dest: self.next() as u16 }
    }

    fn fragment(&mut self) -> Fragment {
        self.pick(&[Fragment::None, Fragment::First, Fragment::Later])
    }

    fn payload(&mut self) -> u16 {
        self.pick(&[0, 1, 3000])
    }

    fn quoted(&mut self) -> Quoted {
        let (source, dest) = if self.coin() { (self.v4().into(), self.v4().into()) } else { self.v6_pair() };
        let ports = self.coin().then(|| self.ports());
        Quoted { protocol: self.pick(&[1, 6, 17, 47]), source, dest, ports }
    }

    fn v6_pair(&mut self) -> (IpAddr, IpAddr) {
        (self.v6().into(), self.v6().into())
    }

    fn transport(&mut self, v6: bool) -> Transport {
        match self.below(9) {
            0 => Transport::Tcp(self.ports(), TcpFlags(self.next() as u8)),
            1 => Transport::Tcp(self.ports(), TcpFlags::SYN),
            2 => Transport::Udp(self.ports()),
            3 => Transport::Udplite(self.ports()),
            4 => Transport::Dccp(self.ports()),
            5 => Transport::Sctp(self.ports()),
            6 => Transport::Igmp,
            7 => Transport::Other(self.pick(&[0, 4, 47, 50, 255])),
            _ => Transport::Icmp(Icmp {
                nd_target: (v6 && self.coin()).then(|| self.v6()),
                source_lladdr_len: if v6 { self.pick(&[0, 8, 16]) } else { 0 },
                inner: self.coin().then(|| self.quoted()),
                ..Icmp::new(self.pick(&[0, 8, 128, 133, 135, 255]), self.pick(&[0, 3]))
            }),
        }
    }

    fn l3(&mut self) -> L3 {
        match self.below(4) {
            0 => L3::Ipv4(Ipv4 {
                source: self.v4(),
                dest: self.v4(),
                fragment: self.fragment(),
                payload: self.payload(),
                transport: self.transport(false),
            }),
            1 => L3::Ipv6(Ipv6 {
                source: self.v6(),
                dest: self.v6(),
                hop_limit: self.pick(&[1, 64, 255]),
                extensions: self.pick(&[&[][..], &[Extension::HopByHop, Extension::Routing]]).to_vec(),
                fragment: self.fragment(),
                payload: self.payload(),
                length: self.coin().then_some(24),
                transport: self.transport(true),
            }),
            2 => L3::Arp(Arp {
                operation: self.pick(&[1, 2, 9]),
                hardware_type: self.pick(&[1, 6]),
                protocol_type: self.pick(&[0x0800, 0x86dd]),
                hardware_len: self.pick(&[6, 8]),
                protocol_len: self.pick(&[4, 16]),
                sender_mac: self.coin().then(|| self.mac()),
                target_mac: if self.coin() { Mac([0; 6]) } else { self.mac() },
                ..Arp::request(self.v4(), self.v4())
            }),
            _ => L3::Other(self.next() as u16),
        }
    }

    fn packet(&mut self) -> Packet {
        let zones = ["host", "outside", "vm100i1", "vmbr0/eno1"];
        let mut zone = || Zone::new(self.pick(&zones)).expect("a zone");
        let (from, to) = (zone(), zone());
        Packet {
            ether_source: self.coin().then(|| self.mac()),
            ether_dest: self.coin().then(|| self.mac()),
            vlans: self.pick(&[&[][..], &[1], &[7, 5]]).to_vec(),
            state: self.pick(&[None, Some(State::New), Some(State::Related), Some(State::Untracked)]),
            sender: self.pick(&[Sender::Socket, Sender::PacketSocket]),
            mark: self.pick(&[0, 1, u32::MAX]),
            ct_mark: self.pick(&[0, 100]),
            rate: self.pick(&[Rate::Under, Rate::Over, Rate::Unknown]),
            ..Packet::new(from, to, self.l3())
        }
    }
}

#[test]
fn what_is_printed_parses_to_the_same() {
    let mut numbers = Numbers(1);
    for _ in 0..20_000 {
        let packet = numbers.packet();
        let line = packet.to_string();
        assert_eq!(parse(&line), packet, "{line}");
    }
}

#[test]
fn no_line_panics() {
    let good =
        "vm100 outside icmpv6 fe80::1 > ff02::1 type=135 target=::1 vlan=7,5 inner=6,1.2.3.4:5,[::1]:6 [";
    let mut numbers = Numbers(2);
    for _ in 0..20_000 {
        let mut bytes: Vec<char> = good.chars().collect();
        for _ in 0..numbers.below(4) + 1 {
            let at = numbers.below(bytes.len() as u64) as usize;
            bytes[at] = numbers.pick(&[' ', ':', '[', ']', ',', '=', '>', '9', 'é', '.']);
        }
        let line: String = bytes.into_iter().collect();
        drop(line.parse::<Packet>());
    }
}
