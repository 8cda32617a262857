//! `/etc/services`, `/etc/protocols` and `/etc/ethertypes` -> names of ports, IP protocols and EtherTypes.

use crate::inputs::{FileContent, Files};
use crate::model::port::PortProtocol;
use crate::tables::well_known;

/// The names that the host's files define; read once, shared by all files of the configuration.
#[derive(Debug)]
pub struct Names<'a> {
    /// Sorted by name; entries of one name in the order of the file.
    services: Vec<(&'a str, PortProtocol, u16)>,
    /// Sorted by name.
    protocols: Vec<(&'a str, u8)>,
    /// In the order of the file.
    ethertypes: Vec<(&'a str, u16)>,
}

impl<'a> Names<'a> {
    /// Reads the three files. One that is absent or unreadable is replaced by a table of well-known names.
    pub fn new(files: &'a Files) -> Names<'a> {
        let [of_services, of_protocols, of_ethertypes] = texts(files);
        Names {
            services: services(of_services),
            protocols: protocols(of_protocols),
            ethertypes: ethertypes(of_ethertypes),
        }
    }

    /// The port of a service: the entry of `protocol` if there is one, else the first one of the file.
    pub(crate) fn port(&self, name: &str, protocol: Option<PortProtocol>) -> Option<u16> {
        let from = self.services.partition_point(|(known, _, _)| *known < name);
        let named = || self.services[from..].iter().take_while(|(known, _, _)| *known == name);
        let exact = named().find(|(_, known, _)| Some(*known) == protocol);
        exact.or_else(|| named().next()).map(|(_, _, port)| *port)
    }

    /// The number of an IP protocol, in any case; 0 for those that stand for no protocol.
    pub(crate) fn protocol(&self, name: &str) -> Option<u8> {
        // The common ones first: the file has dozens and every rule asks.
        let common = [("tcp", 6), ("udp", 17), ("icmp", 1), ("icmpv6", 58), ("ipv6-icmp", 58)];
        let all = common.iter().chain(&self.protocols);
        all.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, number)| *number)
    }

    /// Names of IP protocols, for suggestions.
    pub(crate) fn protocol_names(&self) -> impl Iterator<Item = &'a str> {
        self.protocols.iter().map(|(name, _)| *name)
    }

    /// The EtherType of this name.
    pub(crate) fn ethertype(&self, name: &str) -> Option<u16> {
        self.ethertypes.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
    }
}

/// `/etc/services`, `/etc/protocols`, `/etc/ethertypes`, or what stands in for them.
pub(crate) fn texts(files: &Files) -> [&[u8]; 3] {
    let text = |(path, instead): (&str, &'static str)| match files.get(path) {
        Some(FileContent::Bytes(bytes)) => &bytes[..],
        Some(FileContent::Unreadable(_)) | None => instead.as_bytes(),
    };
    let places = [
        ("/etc/services", well_known::SERVICES),
        ("/etc/protocols", well_known::PROTOCOLS),
        ("/etc/ethertypes", well_known::ETHERTYPES),
    ];
    places.map(text)
}

/// The words of each line before its comment: name, number, aliases. Lines that are no text are left out.
pub(crate) fn entries(text: &[u8]) -> impl Iterator<Item = (&str, &str, impl Iterator<Item = &str>)> {
    text.split(|&b| b == b'\n').filter_map(|line| {
        let line = std::str::from_utf8(line).ok()?;
        let mut words = line.split('#').next()?.split_ascii_whitespace();
        Some((words.next()?, words.next()?, words))
    })
}

fn services(text: &[u8]) -> Vec<(&str, PortProtocol, u16)> {
    let mut services = Vec::new();
    for (name, number, aliases) in entries(text) {
        let Some((port, protocol)) = number.split_once('/') else { continue };
        let Some(protocol) = PortProtocol::ALL.into_iter().find(|p| p.as_str() == protocol) else { continue };
        let Ok(port) = port.parse() else { continue };
        services.push((name, protocol, port));
        services.extend(aliases.map(|alias| (alias, protocol, port)));
    }
    services.sort_by_key(|(name, _, _)| *name);
    services
}

fn protocols(text: &[u8]) -> Vec<(&str, u8)> {
    let mut protocols = Vec::new();
    for (name, number, aliases) in entries(text) {
        // Numbers above 255 are no protocols of the IP header (MPTCP's 262).
        let Ok(number) = number.parse() else { continue };
        protocols.push((name, number));
        protocols.extend(aliases.map(|alias| (alias, number)));
    }
    protocols
}

fn ethertypes(text: &[u8]) -> Vec<(&str, u16)> {
    let mut ethertypes = Vec::new();
    for (name, number, aliases) in entries(text) {
        let Ok(number) = u16::from_str_radix(number, 16) else { continue };
        ethertypes.push((name, number));
        ethertypes.extend(aliases.map(|alias| (alias, number)));
    }
    ethertypes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_prefer_the_rule_s_protocol_then_the_first_line() {
        let mut files = Files::new();
        let text =
            "echo 7/tcp\necho 4/ddp\nx 1/udp # y 2/tcp\nsip 5060/tcp phone\nsip 5070/udp\n\u{e9} 3/tcp\n";
        files.insert("/etc/services".to_owned(), FileContent::text(text));
        let names = Names::new(&files);
        let check = |name, protocol, port| assert_eq!(names.port(name, protocol), port, "{name}");
        check("echo", None, Some(7));
        check("echo", Some(PortProtocol::Udp), Some(7));
        check("sip", Some(PortProtocol::Udp), Some(5070));
        check("phone", Some(PortProtocol::Udp), Some(5060));
        check("x", Some(PortProtocol::Tcp), Some(1));
        check("y", None, None);
        check("ssh", None, None);
    }

    #[test]
    fn without_files_well_known_names_hold() {
        let files = Files::new();
        let names = Names::new(&files);
        assert_eq!(names.port("www", None), Some(80));
        assert_eq!(names.protocol("GRE"), Some(47));
        assert_eq!(names.protocol("IP"), Some(0));
        assert_eq!(names.protocol("all"), None);
        assert_eq!(names.ethertype("802_1Q"), Some(0x8100));
    }
}
