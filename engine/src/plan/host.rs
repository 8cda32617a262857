//! The host's own zones: in, out, forward.

use super::filters::{self, Ends};
use super::log::Label;
use super::policy;
use super::rules::{self, Context, Zone};
use super::shared::Shared;
use super::unit::{ChainBuilder, Unit};
use crate::model::Setting;
use crate::model::address::{Family, number};
use crate::model::options::LogLevel;
use crate::model::port::{PortProtocol, PortRange};
use crate::model::rule::Action;
use crate::resolve::{Resolved, Rule};
use crate::ruleset::field::Side;
use crate::ruleset::{DataType, Field, Hook, Origin, Statement, Value, build};
use crate::tables::cluster_ports::{COROSYNC, MANAGEMENT_IN, MANAGEMENT_OUT};

/// Writes the zones that are wanted: `enable: 0` leaves the forward zone alone.
pub(super) fn zones(resolved: &Resolved, table: &mut Unit) {
    forward(resolved, table);
    if resolved.host.enable.value {
        input(resolved, table);
        output(resolved, table);
        corosync_peers(resolved, table);
    }
}

fn context<'a>(resolved: &'a Resolved, zone: Zone, chain: &'a str) -> Context<'a> {
    Context {
        mode: resolved.reject_mode,
        zone,
        label: Label { vmid: 0, chain },
        log_rate: resolved.datacenter.log_ratelimit.value,
        groups: &resolved.groups,
        guest: None,
    }
}

fn input(resolved: &Resolved, table: &mut Unit) {
    let mut base = ChainBuilder::base("input", Hook::Input, 0, Origin::Skeleton("host inbound"));
    let loopback = Origin::Skeleton("loopback");
    base.rule(loopback, vec![build::named(Field::Iifname, "lo"), build::accept()]);
    filters::known(&mut base);
    filters::tcp_flags(resolved, Ends::Dropped, &mut base, table);
    filters::invalid(resolved, &mut base);
    ndp(resolved, &[(133, 136)], &mut base);
    filters::blacklist(resolved, Ends::Dropped, &mut base);
    filters::host_smurfs(resolved, &mut base);
    membership(&mut base);
    user_rules(resolved, Zone::HostIn, ["host-in", "cluster-in"], &mut base, table);
    management_in(resolved, &mut base, table);
    corosync(resolved, Side::Source, &mut base, table);
    let end =
        End { option: "policy_in", policy: resolved.datacenter.policy_in, level: resolved.host.log_level_in };
    match end.policy.value {
        Action::Accept => {}
        Action::Drop => jump_preamble(policy::PREAMBLE_DROP, &end, &mut base),
        Action::Reject => jump_preamble(policy::PREAMBLE_REJECT, &end, &mut base),
    }
    end.write(context(resolved, Zone::HostIn, "cluster-in"), &mut base);
    table.chains.push(base.finish());
}

fn output(resolved: &Resolved, table: &mut Unit) {
    let mut base = ChainBuilder::base("output", Hook::Output, 0, Origin::Skeleton("host outbound"));
    let loopback = Origin::Skeleton("loopback");
    base.rule(loopback, vec![build::named(Field::Oifname, "lo"), build::accept()]);
    filters::known(&mut base);
    filters::invalid(resolved, &mut base);
    ndp(resolved, &[(133, 133), (135, 136)], &mut base);
    membership(&mut base);
    user_rules(resolved, Zone::HostOut, ["host-out", "cluster-out"], &mut base, table);
    management_out(resolved, &mut base, table);
    corosync(resolved, Side::Dest, &mut base, table);
    let end = End {
        option: "policy_out",
        policy: resolved.datacenter.policy_out,
        level: resolved.host.log_level_out,
    };
    end.write(context(resolved, Zone::HostOut, "cluster-out"), &mut base);
    table.chains.push(base.finish());
}

fn forward(resolved: &Resolved, table: &mut Unit) {
    let mut base = ChainBuilder::base("forward", Hook::Forward, 0, Origin::Skeleton("host forward"));
    // Bridged frames that run this hook because br_netfilter can't be switched off. To the bridge's own MAC they
    // would be routed: those are ours.
    for (bridge, mac) in &resolved.bridge_nf_stuck {
        let conditions = vec![
            build::named(Field::Iifname, bridge.as_str()),
            build::named(Field::Oifname, bridge.as_str()),
            build::is_not(Field::EtherDaddr, mac.number()),
            build::accept(),
        ];
        base.rule(Origin::Skeleton("bridged frames"), conditions);
    }
    filters::known(&mut base);
    filters::invalid(resolved, &mut base);
    filters::blacklist(resolved, Ends::Dropped, &mut base);
    user_rules(resolved, Zone::HostForward, ["host-forward", "cluster-forward"], &mut base, table);
    let end = End {
        option: "policy_forward",
        policy: resolved.datacenter.policy_forward,
        level: resolved.host.log_level_forward,
    };
    end.write(context(resolved, Zone::HostForward, "cluster-forward"), &mut base);
    table.chains.push(base.finish());
}

/// The end of a zone.
struct End {
    option: &'static str,
    policy: Setting<Action>,
    level: Setting<Option<LogLevel>>,
}

impl End {
    fn origin(&self) -> Origin {
        Origin::Option { name: self.option, at: self.policy.at }
    }

    fn write(&self, context: Context<'_>, base: &mut ChainBuilder) {
        policy::policy(context, self.level.value, self.policy.value, self.origin(), base);
    }
}

fn jump_preamble(chain: &str, end: &End, base: &mut ChainBuilder) {
    base.rule(end.origin(), vec![build::jump(chain)]);
}

/// Node rules, then datacenter rules, each in a chain of its own.
fn user_rules(resolved: &Resolved, zone: Zone, chains: [&str; 2], base: &mut ChainBuilder, table: &mut Unit) {
    let sources: [&[Rule]; 2] = [&resolved.host_rules, &resolved.datacenter_rules];
    let origin = Origin::Skeleton("configured rules");
    for (name, rules) in chains.into_iter().zip(sources) {
        let mut chain = ChainBuilder::regular(name.to_owned(), origin);
        rules::write(context(resolved, zone, name), rules, &mut chain, table);
        base.rule(origin, vec![build::jump(chain.name())]);
        table.chains.push(chain.finish());
    }
}

/// Neighbour discovery by option; only with hop limit 255 (RFC 4861) it is accepted.
fn ndp(resolved: &Resolved, types: &[(u128, u128)], base: &mut ChainBuilder) {
    let setting = resolved.host.ndp;
    let origin = Origin::Option { name: "ndp", at: setting.at };
    for (first, last) in types {
        let mut statements = vec![build::within(Field::Icmpv6Type, *first, *last)];
        if setting.value {
            statements.extend([build::is(Field::Ip6Hoplimit, 255), build::accept()]);
        } else {
            statements.extend([build::counter(), build::drop()]);
        }
        base.rule(origin, statements);
    }
}

/// Group membership, IGMP and MLD: without it a switch that snoops forgets the host. MLD has hop limit 1
/// (RFC 3810).
fn membership(base: &mut ChainBuilder) {
    let origin = Origin::Skeleton("group membership");
    base.rule(origin, vec![build::l4proto(2), build::accept()]);
    for (first, last) in [(130, 132), (143, 143)] {
        let types = build::within(Field::Icmpv6Type, first, last);
        base.rule(origin, vec![types, build::is(Field::Ip6Hoplimit, 1), build::accept()]);
    }
}

fn management_in(resolved: &Resolved, base: &mut ChainBuilder, table: &mut Unit) {
    let origin = Origin::Skeleton("management");
    let ports = port_set("management-ports", &MANAGEMENT_IN, table);
    for family in Family::BOTH {
        if !resolved.management.of(family).is_empty() {
            let set = table.ipset(&resolved.management.name, family);
            let source = build::in_set(&[rules::address_field(family, Side::Source)], &set);
            base.rule(origin, vec![ports.clone(), source, build::accept()]);
        }
    }
}

fn management_out(resolved: &Resolved, base: &mut ChainBuilder, table: &mut Unit) {
    let origin = Origin::Skeleton("management");
    let ports = port_set("management-ports-out", &MANAGEMENT_OUT, table);
    for family in Family::BOTH {
        if !resolved.local_network.of(family).is_empty() {
            let set = table.ipset(&resolved.local_network.name, family);
            let dest = build::in_set(&[rules::address_field(family, Side::Dest)], &set);
            base.rule(origin, vec![ports.clone(), dest, build::accept()]);
        }
    }
}

fn port_set(name: &str, ports: &[PortRange], table: &mut Unit) -> Statement {
    let value = |range: &PortRange| Value::range(range.first.into(), range.last.into());
    let values = ports.iter().map(value).collect();
    let origin = Origin::Skeleton("management");
    let set = table.column(name.to_owned(), DataType::InetService, values, origin);
    build::in_set(&[Field::Port(PortProtocol::Tcp, Side::Dest)], &set)
}

/// Between the addresses of one link; multicast where the transport says so. `peer`: the side of the other node.
fn corosync(resolved: &Resolved, peer: Side, base: &mut ChainBuilder, table: &mut Unit) {
    let Some(corosync) = &resolved.corosync else { return };
    let origin = Origin::Skeleton("corosync");
    let own = if peer == Side::Source { Side::Dest } else { Side::Source };
    let ports = build::port(PortProtocol::Udp, Side::Dest, COROSYNC);
    for (family, shared) in [(Family::V4, Shared::CorosyncV4), (Family::V6, Shared::CorosyncV6)] {
        if corosync.pairs.iter().any(|(address, _)| Family::of(*address) == family) {
            let key = [rules::address_field(family, peer), rules::address_field(family, own)];
            let link = build::in_set(&key, &shared.name());
            base.rule(origin, vec![ports.clone(), link, build::accept()]);
        }
        if corosync.unresolved && !resolved.management.of(family).is_empty() {
            let set = table.ipset(&resolved.management.name, family);
            let anyone = build::in_set(&[rules::address_field(family, peer)], &set);
            base.rule(origin, vec![ports.clone(), anyone, build::accept()]);
        }
    }
    if corosync.multicast {
        let to_all = build::network(Field::IpDaddr, filters::multicast_v4());
        base.rule(origin, vec![ports, to_all, build::accept()]);
    }
}

fn corosync_peers(resolved: &Resolved, table: &mut Unit) {
    let pairs = resolved.corosync.iter().flat_map(|corosync| &corosync.pairs);
    for (peer, own) in pairs {
        let shared = match Family::of(*peer) {
            Family::V4 => Shared::CorosyncV4,
            Family::V6 => Shared::CorosyncV6,
        };
        let key = [Value::number(number(*peer)), Value::number(number(*own))];
        table.element(shared, key, Origin::Skeleton("corosync"));
    }
}
