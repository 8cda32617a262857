//! What stands behind the rules of every zone: the preamble, which discards noise without a log line, and the policy.

use super::filters::{ACK, FIB_BROADCAST, FIN, RST, SYN, multicast_v4, multicast_v6};
use super::log;
use super::rules::{Context, Zone};
use super::unit::{ChainBuilder, Unit};
use super::{divert, reject};
use crate::inputs::RejectMode;
use crate::model::options::LogLevel;
use crate::model::port::{PortProtocol, PortRange};
use crate::model::rule::Action;
use crate::ruleset::field::Side;
use crate::ruleset::{Chain, DataType, Field, Name, Origin, Statement, TableFamily, Value, build};

/// The preamble inside the reject pass.
pub(super) const PREAMBLE_PASS: &str = "preamble-pass";
/// Silent noise before a logged policy DROP.
pub(super) const PREAMBLE_DROP: &str = "preamble-drop";
/// Silent noise before a policy REJECT towards a guest, in mode `divert`.
pub(super) const PREAMBLE_DIVERT: &str = "preamble-divert";
/// Silent noise before a policy REJECT.
pub(super) const PREAMBLE_REJECT: &str = "preamble-reject";

/// Sets of the noise that the preamble names.
fn noise_ports(unit: &mut Unit) -> [Name; 2] {
    let ports = |list: &[(u16, u16)]| {
        list.iter().map(|(first, last)| Value::range((*first).into(), (*last).into())).collect()
    };
    let origin = Origin::Skeleton("policy preamble");
    let udp = ports(&[(135, 135), (137, 139), (445, 445)]);
    let tcp = ports(&[(135, 135), (139, 139), (445, 445)]);
    [
        unit.column("noise-udp".to_owned(), DataType::InetService, udp, origin),
        unit.column("noise-tcp".to_owned(), DataType::InetService, tcp, origin),
    ]
}

/// Noise that a policy DROP or REJECT discards without a log line: broadcasts, NetBIOS and SMB, SSDP, TCP that
/// opens nothing, stray DNS replies. `smb`: what becomes of NetBIOS and SMB; `rest`: of the others.
fn preamble(family: TableFamily, name: &str, smb: &Statement, rest: &Statement, unit: &mut Unit) -> Chain {
    let origin = Origin::Skeleton("policy preamble");
    let mut chain = ChainBuilder::regular(name.to_owned(), origin);
    let mut silent = |mut conditions: Vec<Statement>, verdict: &Statement| {
        conditions.push(verdict.clone());
        chain.rule(origin, conditions);
    };
    match family {
        TableFamily::Bridge | TableFamily::Netdev => {
            silent(vec![build::masked(Field::EtherDaddr, reject::GROUP_BIT, reject::GROUP_BIT)], rest);
        }
        TableFamily::Inet => {
            // Broadcast, anycast, multicast.
            for kind in FIB_BROADCAST..=FIB_BROADCAST + 2 {
                silent(vec![build::is(Field::FibDaddrType, kind)], rest);
            }
        }
    }
    silent(vec![build::network(Field::IpDaddr, multicast_v4())], rest);
    silent(vec![build::network(Field::Ip6Daddr, multicast_v6())], rest);
    let [udp, tcp] = noise_ports(unit);
    let port = |protocol, side| Field::Port(protocol, side);
    silent(vec![build::in_set(&[port(PortProtocol::Udp, Side::Dest)], &udp)], smb);
    let high = PortRange { first: 1024, last: 65535 };
    silent(vec![build::udp_sport(137), build::port(PortProtocol::Udp, Side::Dest, high)], smb);
    silent(vec![build::in_set(&[port(PortProtocol::Tcp, Side::Dest)], &tcp)], smb);
    silent(vec![build::udp_dport(1900)], rest);
    silent(vec![build::not_masked(Field::TcpFlags, FIN | SYN | RST | ACK, SYN)], rest);
    silent(vec![build::udp_sport(53)], rest);
    chain.finish()
}

/// The preambles of a table.
pub(super) fn preambles(family: TableFamily, mode: RejectMode, unit: &mut Unit) {
    let drop = build::drop();
    let mut all = vec![(PREAMBLE_DROP, drop.clone(), drop.clone())];
    match family {
        TableFamily::Inet => all.push((PREAMBLE_REJECT, build::goto(reject::REJECT), drop)),
        TableFamily::Bridge | TableFamily::Netdev => {
            all.push((PREAMBLE_PASS, build::goto(reject::REJECT_GUEST), build::accept()));
            if mode == RejectMode::Divert {
                all.push((PREAMBLE_DIVERT, build::goto(divert::DIVERT), drop));
            }
        }
    }
    for (name, smb, rest) in all {
        let chain = preamble(family, name, &smb, &rest, unit);
        unit.chains.push(chain);
    }
}

/// The log line of a policy; policy ACCEPT is never logged.
pub(super) fn policy_log(
    context: Context<'_>,
    level: Option<LogLevel>,
    action: Action,
    origin: Origin,
    chain: &mut ChainBuilder,
) {
    let Some(level) = level.filter(|_| action != Action::Accept && context.zone.logs(action)) else { return };
    let message = format!("policy {}", action.as_str());
    let statements: Vec<Statement> =
        log::statements(context.label, level, &message, context.log_rate).collect();
    chain.rule(origin, statements);
}

/// Log and verdict at the end of a zone.
pub(super) fn policy(
    context: Context<'_>,
    level: Option<LogLevel>,
    action: Action,
    origin: Origin,
    chain: &mut ChainBuilder,
) {
    policy_log(context, level, action, origin, chain);
    let mut statements = Vec::new();
    if context.zone != Zone::VnetReject || action != Action::Accept {
        statements.push(build::counter());
    }
    statements.push(context.verdict(action));
    chain.rule(origin, statements);
}
