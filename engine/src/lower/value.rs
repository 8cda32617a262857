//! Values inside rules and options: addresses, ports, protocols, ICMP types, log levels.

use std::net::IpAddr;

use super::names::Names;
use crate::diagnostic::Code;
use crate::model::address::{AddressList, Cidr, Family, IpInterval, number};
use crate::model::icmp::IcmpMatch;
use crate::model::names::{InvalidName, ObjectName};
use crate::model::options::LogLevel;
use crate::model::port::{PortList, PortProtocol, PortRange};
use crate::model::rule::{AddressSpec, AliasRef, IpsetRef, Scope};
use crate::parse::cursor::{Text, quoted};
use crate::tables;

/// Why a value is refused, and where exactly.
#[derive(Debug)]
pub(crate) struct Refused<'a> {
    /// What kind of error.
    pub(crate) code: Code,
    /// The offending part.
    pub(crate) at: Text<'a>,
    /// What was found.
    pub(crate) message: String,
    /// What helps.
    pub(crate) remedy: Option<String>,
}

impl<'a> Refused<'a> {
    /// Without remedy. The message is the part in quotes and `why`.
    pub(crate) fn new(code: Code, at: Text<'a>, why: &str) -> Refused<'a> {
        Refused { code, at, message: format!("{} {why}", quoted(at.str.as_bytes())), remedy: None }
    }

    /// Adds what helps, unless the words of the file make it too long to help.
    pub(crate) fn help(mut self, remedy: impl Into<String>) -> Refused<'a> {
        const LONGEST: usize = 200;
        self.remedy = Some(remedy.into()).filter(|remedy| remedy.len() <= LONGEST);
        self
    }
}

/// An IP protocol as rules see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IpProtocol {
    /// One with ports.
    Ports(PortProtocol),
    /// ICMP; IPv4 only.
    Icmp,
    /// ICMPv6; IPv6 only.
    Icmpv6,
    /// Any other.
    Other(u8),
}

impl IpProtocol {
    fn of(number: u8) -> IpProtocol {
        match number {
            1 => IpProtocol::Icmp,
            58 => IpProtocol::Icmpv6,
            _ => match PortProtocol::ALL.into_iter().find(|p| p.number() == number) {
                Some(protocol) => IpProtocol::Ports(protocol),
                None => IpProtocol::Other(number),
            },
        }
    }

    /// The family that it fixes.
    pub(crate) fn family(self) -> Option<Family> {
        match self {
            IpProtocol::Icmp => Some(Family::V4),
            IpProtocol::Icmpv6 => Some(Family::V6),
            IpProtocol::Ports(_) | IpProtocol::Other(_) => None,
        }
    }
}

/// `-p`: number 1 to 255 or name. 0 and `ip` mean "all" to one firewall and header 0 to another: refused.
pub(crate) fn protocol<'a>(text: Text<'a>, names: &Names<'_>) -> Result<IpProtocol, Refused<'a>> {
    let refused = |why| Refused::new(Code::ProtocolUnknown, text, why);
    if is_number(text.str) {
        return match text.str.parse() {
            Ok(0) => Err(refused("is no protocol that a packet can have")
                .help("leave `-p` out to match every protocol")),
            Ok(number) => Ok(IpProtocol::of(number)),
            Err(_) => Err(refused("is above 255")),
        };
    }
    match names.protocol(text.str) {
        Some(0) => Err(refused("does not name one protocol").help("leave `-p` out to match every protocol")),
        Some(number) => Ok(IpProtocol::of(number)),
        None => {
            let near = crate::parse::nearest::nearest(text.str, names.protocol_names());
            let refused = refused("is no protocol");
            Err(match near {
                _ if text.is("all") => refused.help("leave `-p` out to match every protocol"),
                Some(near) => refused.help(format!("did you mean `{near}`?")),
                None => refused,
            })
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// `-sport`, `-dport`: ports, ranges `a:b` and service names, separated by commas.
pub(crate) fn ports<'a>(
    text: Text<'a>,
    protocol: Option<PortProtocol>,
    names: &Names<'_>,
) -> Result<PortList, Refused<'a>> {
    let port = |at: Text<'a>| -> Result<u16, Refused<'a>> {
        if is_number(at.str) {
            return at
                .str
                .parse()
                .map_err(|_| Refused::new(Code::PortListInvalid, at, "is above the last port, 65535"));
        }
        names.port(at.str, protocol).ok_or_else(|| not_a_port(at))
    };
    let range = |element: Text<'a>| -> Result<PortRange, Refused<'a>> {
        match element.split_once(b':') {
            None => {
                let port = port(element)?;
                Ok(PortRange { first: port, last: port })
            }
            Some((first, last)) if first.str.is_empty() || last.str.is_empty() => {
                Err(open_range(element, first, last))
            }
            Some((first, last)) => {
                let range = PortRange { first: port(first)?, last: port(last)? };
                if range.first > range.last {
                    let refused = Refused::new(Code::PortListInvalid, element, "ends before it begins");
                    return Err(refused.help(format!("write `{}:{}`", last.str, first.str)));
                }
                Ok(range)
            }
        }
    };
    if !text.str.contains(',') {
        return Ok(PortList::new(&[range(text)?]));
    }
    Ok(PortList::new(&text.list().map(range).collect::<Result<Vec<PortRange>, _>>()?))
}

fn not_a_port(at: Text<'_>) -> Refused<'_> {
    if at.str.is_empty() {
        let refused = Refused { message: "empty element in a port list".to_owned(), ..unknown_port(at) };
        return refused.help("remove the stray comma");
    }
    let refused = unknown_port(at);
    match at.split_once(b'-') {
        Some((first, last)) if is_number(first.str) && is_number(last.str) => {
            refused.help(format!("write `{}:{}`", first.str, last.str))
        }
        _ if is_icmp_name(at.str) => refused.help("ICMP types need `-p icmp` or `-p icmpv6`"),
        _ => refused,
    }
}

fn unknown_port(at: Text<'_>) -> Refused<'_> {
    Refused::new(Code::PortListInvalid, at, "is neither a port nor a service of this host")
}

fn open_range<'a>(element: Text<'a>, first: Text<'a>, last: Text<'a>) -> Refused<'a> {
    let refused = Refused::new(Code::PortListInvalid, element, "is a range with an open end");
    let first = if first.str.is_empty() { "0" } else { first.str };
    let last = if last.str.is_empty() { "65535" } else { last.str };
    refused.help(format!("write `{first}:{last}`"))
}

/// Whether some family knows the name.
pub(crate) fn is_icmp_name(name: &str) -> bool {
    Family::BOTH.into_iter().any(|family| tables::icmp::find(family, name).is_some())
}

/// `-icmp-type`, or `-dport` with an ICMP protocol: a name of the family, a number, or `any`.
pub(crate) fn icmp_type(text: Text<'_>, family: Family) -> Result<IcmpMatch, Refused<'_>> {
    let refused = |why| Refused::new(Code::IcmpTypeInvalid, text, why);
    if is_number(text.str) {
        let number = text.str.parse().map_err(|_| refused("is above the last ICMP type, 255"))?;
        return Ok(IcmpMatch::Type(number));
    }
    if let Some(found) = tables::icmp::find(family, text.str) {
        return Ok(found);
    }
    let (here, there) = match family {
        Family::V4 => ("is no ICMP type for IPv4", Family::V6),
        Family::V6 => ("is no ICMP type for IPv6", Family::V4),
    };
    let refused = refused(here);
    if tables::icmp::find(there, text.str).is_some() {
        let protocol = if there == Family::V6 { "icmpv6" } else { "icmp" };
        return Err(refused.help(format!("it is one with `-p {protocol}`")));
    }
    if text.str.contains(',') {
        return Err(refused.help("write a rule for each type"));
    }
    let known = tables::icmp::types(family).iter().map(|(name, _)| *name);
    Err(match crate::parse::nearest::nearest(text.str, known) {
        Some(near) => refused.help(format!("did you mean `{near}`?")),
        None => refused,
    })
}

/// `-source`, `-dest`: IPSet, alias, or addresses and ranges of one family.
pub(crate) fn address_spec(text: Text<'_>) -> Result<AddressSpec, Refused<'_>> {
    if text.str.starts_with('+') {
        return ipset_ref(text).map(AddressSpec::Ipset);
    }
    match alias_ref(text) {
        Some(alias) => alias.map(AddressSpec::Alias),
        None => address_list(text).map(AddressSpec::List),
    }
}

fn ipset_ref(text: Text<'_>) -> Result<IpsetRef, Refused<'_>> {
    let (scope, name) = match text.skip(1).split_once(b'/') {
        None => (None, text.skip(1)),
        Some((scope, name)) => match scope.str {
            "guest" => (Some(Scope::Guest), name),
            "dc" => (Some(Scope::Datacenter), name),
            "sdn" => (Some(Scope::Sdn), name),
            _ => {
                let refused = Refused::new(Code::AddressInvalid, scope, "is no scope");
                return Err(refused.help("scopes are `guest/`, `dc/` and `sdn/`"));
            }
        },
    };
    Ok(IpsetRef { scope, name: object_name(name)? })
}

fn object_name(name: Text<'_>) -> Result<ObjectName, Refused<'_>> {
    name.str.parse().map_err(|invalid| refused_name(name, invalid))
}

fn refused_name(name: Text<'_>, invalid: InvalidName) -> Refused<'_> {
    match invalid {
        InvalidName::Grammar => Refused::new(Code::AddressInvalid, name, "is no name"),
        InvalidName::TooLong => Refused::new(Code::NameTooLong, name, "has more than 64 characters"),
    }
}

/// `None`: it does not look like an alias at all.
pub(crate) fn alias_ref(text: Text<'_>) -> Option<Result<AliasRef, Refused<'_>>> {
    let (scope, name) = match text.split_once(b'/') {
        None => (None, text),
        Some((scope, name)) => match scope.str {
            "guest" => (Some(Scope::Guest), name),
            "dc" => (Some(Scope::Datacenter), name),
            _ => return None,
        },
    };
    match name.str.parse() {
        Ok(name) => Some(Ok(AliasRef { scope, name })),
        Err(InvalidName::TooLong) => Some(Err(refused_name(name, InvalidName::TooLong))),
        Err(InvalidName::Grammar) => None,
    }
}

fn address_list(text: Text<'_>) -> Result<AddressList, Refused<'_>> {
    if !text.str.contains(',') {
        return Ok(AddressList::one(interval(text)?));
    }
    let mut intervals: Vec<IpInterval> = Vec::new();
    for element in text.list() {
        let interval = interval(element)?;
        if intervals.first().is_some_and(|first| first.family != interval.family) {
            let refused = Refused::new(Code::AddressInvalid, element, "is of another family than the list");
            return Err(refused.help("write a rule for each family"));
        }
        intervals.push(interval);
    }
    AddressList::new(intervals).ok_or_else(|| Refused::new(Code::AddressInvalid, text, "is no address"))
}

fn interval(element: Text<'_>) -> Result<IpInterval, Refused<'_>> {
    let refused = |why| Refused::new(Code::AddressInvalid, element, why);
    if let Ok(cidr) = element.str.parse::<Cidr>() {
        return Ok(cidr.interval());
    }
    let ends = element.split_once(b'-').map(|(first, last)| (first.str.parse(), last.str.parse()));
    match ends {
        Some((Ok(first), Ok(last))) => {
            let (first, last): (IpAddr, IpAddr) = (first, last);
            if Family::of(first) != Family::of(last) {
                return Err(refused("is a range from one family to the other"));
            }
            if number(first) > number(last) {
                return Err(refused("ends before it begins").help(format!("write `{last}-{first}`")));
            }
            Ok(IpInterval { family: Family::of(first), first: number(first), last: number(last) })
        }
        _ => Err(not_an_address(element)),
    }
}

fn not_an_address(element: Text<'_>) -> Refused<'_> {
    let refused = |why| Refused::new(Code::AddressInvalid, element, why);
    let text = element.str;
    if text.is_empty() {
        let message = "empty element in an address list".to_owned();
        return Refused { message, ..refused("") }.help("remove the stray comma");
    }
    if text.starts_with('!') {
        return refused("is a negation, which rules do not have").help("use an IPSet with a `!` entry");
    }
    if text.starts_with('+') || matches!(alias_ref(element), Some(Ok(_))) {
        return refused("cannot stand in a list").help("put all of them into one IPSet");
    }
    if text.contains('%') {
        return refused("has a zone index").help("leave out what follows `%` and use `-i`");
    }
    refused("is neither an address nor the name of an alias or IPSet")
}

/// `-log` and the log options: ten words in any case. `None`: no such word; `Some(None)`: `nolog`.
pub(crate) fn log_level(word: &str) -> Option<Option<LogLevel>> {
    if word.eq_ignore_ascii_case("nolog") {
        return Some(None);
    }
    let known = LogLevel::WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
    known.map(|(_, level)| Some(*level))
}

/// Booleans: eight words, in any case.
pub(crate) fn boolean(word: &str) -> Option<bool> {
    let is = |words: [&str; 4]| words.iter().any(|known| known.eq_ignore_ascii_case(word));
    if is(["1", "yes", "on", "true"]) {
        Some(true)
    } else if is(["0", "no", "off", "false"]) {
        Some(false)
    } else {
        None
    }
}

/// Digits only, at most `max`.
pub(crate) fn integer(word: &str, max: u64) -> Option<u64> {
    if !is_number(word) {
        return None;
    }
    word.parse().ok().filter(|number| *number <= max)
}
