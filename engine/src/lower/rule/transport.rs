//! `-p`, ports, ICMP type and macro of a rule -> the [`Component`]s it comes to.

use super::Errors;
use super::written::{Param, Written};
use crate::diagnostic::Code;
use crate::lower::value::{self, IpProtocol, Refused};
use crate::model::address::Family;
use crate::model::icmp::IcmpMatch;
use crate::model::port::{PortList, PortProtocol};
use crate::model::rule::{Component, Transport};
use crate::parse::cursor::Text;
use crate::tables::macros::{Macro, MacroComponent, MacroTransport};

/// What a rule itself asks of the transport, apart from its macro.
#[derive(Debug, Default)]
pub(super) struct Asked<'a> {
    protocol: Option<(Text<'a>, IpProtocol)>,
    dport: Option<(Text<'a>, PortList)>,
    sport: Option<(Text<'a>, PortList)>,
    icmp: Option<(Text<'a>, IcmpMatch)>,
}

/// What the rule's own `-p` allows; a macro does not stand in for it.
#[derive(Debug, Clone, Copy)]
enum Given {
    Known(IpProtocol),
    Absent,
    /// It was refused, or a stray word may have been meant to give it: nothing more to say about it.
    Unclear,
}

/// Reads `-p`, `-dport`, `-icmp-type` and `-sport`, in this order.
pub(super) fn asked<'a>(written: &Written<'a>, errors: &mut Errors<'_>) -> Asked<'a> {
    let mut asked = Asked::default();
    let given = match written.value(Param::Protocol) {
        None if written.stray => Given::Unclear,
        None => Given::Absent,
        Some(at) => match errors.accept(value::protocol(at, errors.names)) {
            None => Given::Unclear,
            Some(protocol) => {
                asked.protocol = Some((at, protocol));
                Given::Known(protocol)
            }
        },
    };
    let icmp_at = written.value(Param::IcmpType);
    if let Some(at) = written.value(Param::Dport) {
        match given {
            Given::Known(protocol) if protocol.family().is_some() => {
                if icmp_at.is_some() {
                    errors.refuse(
                        Refused::new(Code::IcmpTypeTwice, at, "gives an ICMP type beside `-icmp-type`")
                            .help("leave `-dport` out"),
                    );
                } else {
                    asked.icmp = icmp_type(at, given, errors);
                }
            }
            _ => asked.dport = ports(at, given, errors),
        }
    }
    if let Some(at) = icmp_at {
        asked.icmp = icmp_type(at, given, errors);
    }
    if let Some(at) = written.value(Param::Sport) {
        asked.sport = ports(at, given, errors);
    }
    asked
}

fn icmp_type<'a>(at: Text<'a>, given: Given, errors: &mut Errors<'_>) -> Option<(Text<'a>, IcmpMatch)> {
    let refused = |why| Refused::new(Code::IcmpWithoutProtocol, at, why);
    let family = match given {
        Given::Unclear => return None,
        Given::Absent => {
            errors.refuse(
                refused("is an ICMP type in a rule without `-p`").help("add `-p icmp` or `-p icmpv6`"),
            );
            return None;
        }
        Given::Known(protocol) => protocol.family(),
    };
    let Some(family) = family else {
        errors.refuse(
            refused("is an ICMP type in a rule about another protocol")
                .help("write `-p icmp` or `-p icmpv6`"),
        );
        return None;
    };
    Some((at, errors.accept(value::icmp_type(at, family))?))
}

fn ports<'a>(at: Text<'a>, given: Given, errors: &mut Errors<'_>) -> Option<(Text<'a>, PortList)> {
    let names = errors.names;
    let list = |protocol: Option<PortProtocol>| value::ports(at, protocol, names);
    match given {
        Given::Known(IpProtocol::Ports(protocol)) => Some((at, errors.accept(list(Some(protocol)))?)),
        Given::Known(IpProtocol::Icmp | IpProtocol::Icmpv6 | IpProtocol::Other(_)) => {
            let refused =
                Refused::new(Code::PortsNotSupported, at, "names ports, but the rule's protocol has none");
            errors.refuse(refused.help("protocols with ports are tcp, udp, udplite, dccp and sctp"));
            None
        }
        Given::Absent => {
            let refused = Refused::new(Code::PortsWithoutProtocol, at, "names ports in a rule without `-p`");
            if value::is_icmp_name(at.str) {
                errors.refuse(refused.help("add `-p icmp` or `-p icmpv6`"));
            } else {
                errors.refuse(refused.help("add `-p tcp`"));
                errors.accept(list(None));
            }
            None
        }
        Given::Unclear => {
            if !value::is_icmp_name(at.str) {
                errors.accept(list(None));
            }
            None
        }
    }
}

impl<'a> Asked<'a> {
    /// The family that the protocol fixes.
    pub(super) fn family(&self) -> Option<Family> {
        self.protocol.as_ref().and_then(|(_, protocol)| protocol.family())
    }

    /// What a rule without macro comes to.
    pub(super) fn component(self) -> Component {
        let family = self.family();
        let icmp = self.icmp.map_or(IcmpMatch::Any, |(_, icmp)| icmp);
        let ports = |list: Option<(Text<'a>, PortList)>| list.map(|(_, ports)| ports).unwrap_or_default();
        let transport = match self.protocol.map(|(_, protocol)| protocol) {
            None => Transport::Any,
            Some(IpProtocol::Ports(protocol)) => {
                Transport::Ports { protocol, sport: ports(self.sport), dport: ports(self.dport) }
            }
            Some(IpProtocol::Icmp) => Transport::Icmp(icmp),
            Some(IpProtocol::Icmpv6) => Transport::Icmpv6(icmp),
            Some(IpProtocol::Other(number)) => Transport::Other(number),
        };
        Component { family, transport }
    }

    /// What a macro call comes to: its components of the rule's family, each with what the rule adds. A rule
    /// that says otherwise than a component is wrong as a whole.
    pub(super) fn combined(
        &self,
        called: &Macro,
        family: Option<Family>,
    ) -> Result<Vec<Component>, Refused<'a>> {
        let fits = |component: &&MacroComponent| match (component.family, family) {
            (Some(wanted), Some(family)) => wanted == family,
            (None, _) | (_, None) => true,
        };
        let components = called.components.iter().filter(fits).map(|component| self.with(component, called));
        Ok(joined(components.collect::<Result<_, _>>()?))
    }

    fn with(&self, component: &MacroComponent, called: &Macro) -> Result<Component, Refused<'a>> {
        let wanted = match component.transport {
            MacroTransport::Ports { protocol, .. } => IpProtocol::Ports(protocol),
            MacroTransport::Icmp(_) => IpProtocol::Icmp,
            MacroTransport::Icmpv6(_) => IpProtocol::Icmpv6,
            MacroTransport::Other(number) => IpProtocol::Other(number),
        };
        if let Some((at, _)) = self.protocol.filter(|(_, protocol)| *protocol != wanted) {
            return Err(contradicts(at, called));
        }
        let transport = match component.transport {
            MacroTransport::Ports { protocol, dport, sport } => Transport::Ports {
                protocol,
                sport: agreed(&self.sport, &PortList::new(sport), PortList::is_any, called)?,
                dport: agreed(&self.dport, &PortList::new(dport), PortList::is_any, called)?,
            },
            MacroTransport::Icmp(icmp) => Transport::Icmp(agreed(&self.icmp, &icmp, is_any, called)?),
            MacroTransport::Icmpv6(icmp) => Transport::Icmpv6(agreed(&self.icmp, &icmp, is_any, called)?),
            MacroTransport::Other(number) => Transport::Other(number),
        };
        Ok(Component { family: component.family, transport })
    }
}

/// Components that differ in their destination ports alone are one, with all of these.
fn joined(components: Vec<Component>) -> Vec<Component> {
    let mut all: Vec<Component> = Vec::with_capacity(components.len());
    for component in components {
        if !all.iter_mut().any(|known| join(known, &component)) {
            all.push(component);
        }
    }
    all
}

/// Whether `known` took the ports of `more`.
fn join(known: &mut Component, more: &Component) -> bool {
    match (&mut known.transport, &more.transport) {
        (
            Transport::Ports { protocol, sport, dport },
            Transport::Ports { protocol: other, sport: more_sport, dport: more_dport },
        ) if known.family == more.family
            && protocol == other
            && sport == more_sport
            && !dport.is_any()
            && !more_dport.is_any() =>
        {
            *dport = PortList::new(&[dport.ranges(), more_dport.ranges()].concat());
            true
        }
        _ => false,
    }
}

fn is_any(icmp: &IcmpMatch) -> bool {
    *icmp == IcmpMatch::Any
}

/// The macro's value, or the rule's where the macro asks for nothing; both must be equal otherwise.
fn agreed<'a, T: Clone + PartialEq>(
    of_rule: &Option<(Text<'a>, T)>,
    of_macro: &T,
    is_any: fn(&T) -> bool,
    called: &Macro,
) -> Result<T, Refused<'a>> {
    match of_rule {
        None => Ok(of_macro.clone()),
        Some((_, asked)) if is_any(of_macro) || asked == of_macro => Ok(asked.clone()),
        Some((at, _)) => Err(contradicts(*at, called)),
    }
}

fn contradicts<'a>(at: Text<'a>, called: &Macro) -> Refused<'a> {
    let why = format!("contradicts the macro {}", called.name);
    Refused::new(Code::MacroContradiction, at, &why).help("leave it out, or write the rule without the macro")
}
