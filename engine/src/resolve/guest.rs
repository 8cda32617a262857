//! Guests: which NICs are filtered, what they may send; VNets.

use std::net::IpAddr;

use super::lookup::{GuestScope, Scope, entries, guest_sets};
use super::{Doubt, Guest, Nic, Resolved, RunningPort, Vnet, rule};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::model::address::{Cidr, IpInterval, longest_prefix};
use crate::model::names::{ObjectName, VnetName};
use crate::model::rule::Direction;
use crate::model::{self, LostEntries, guest as written};
use crate::span::Span;

/// Resolves one guest, whose devices have these ports.
pub(super) fn resolve(
    scope: &Scope<'_>,
    guest: &written::Guest,
    ports: &[Option<RunningPort>],
    diagnostics: &mut Vec<Diagnostic>,
) -> Guest {
    let sets = guest_sets(guest, scope.config, diagnostics);
    let scope = Scope { guest: Some(GuestScope { guest, sets: &sets }), ..*scope };
    let mut rules = rule::resolve_rules(&scope, &format!("guest/{}", guest.vmid), &guest.rules, diagnostics);
    let mut nics = Vec::with_capacity(guest.nics.len());
    for (nic, port) in guest.nics.values().zip(ports) {
        let (nic, widened) = resolve_nic(&scope, guest, nic, port);
        // The filter stands before all rules: what it no longer refuses meets them.
        rules.splice(..0, widened.map(|entry| rule::lost_entry(entry, Direction::Out)));
        nics.push(nic);
    }
    let guest = Guest { vmid: guest.vmid, options: guest.options.clone(), nics, rules };
    duplicates(&guest, diagnostics);
    guest
}

/// With the entry whose loss lets the NIC use more addresses than was meant.
fn resolve_nic(
    scope: &Scope<'_>,
    guest: &written::Guest,
    nic: &written::Nic,
    port: &Option<RunningPort>,
) -> (Nic, Option<Span>) {
    let filtered = guest.options.enable.value && nic.firewall;
    let (ipfilter, lost) = if filtered { ipfilter(scope, guest, nic) } else { None }.unzip();
    let resolved = Nic {
        ifname: nic.ifname.clone(),
        index: nic.index,
        mac: nic.mac,
        span: nic.span,
        filtered,
        running: port.clone(),
        ipfilter,
    };
    (resolved, lost.and_then(|lost| lost.excluded))
}

/// Where somebody else has the MAC of a NIC too, whose frame it is cannot be told.
fn duplicates(guest: &Guest, diagnostics: &mut Vec<Diagnostic>) {
    for nic in guest.filtered() {
        let (Some(port), Some(mac)) = (&nic.running, nic.mac) else { continue };
        if let Some(doubt) = &port.doubt {
            let message = match doubt {
                Doubt::Twice => format!("{mac} of {} is used twice on bridge {}", nic.ifname, port.bridge),
                Doubt::LearnedAt(other) => {
                    format!("{mac} of {} sends from port {other} of bridge {}", nic.ifname, port.bridge)
                }
            };
            let consequence = "rejected packets to it are dropped, not answered";
            diagnostics.push(Diagnostic::new(
                Code::MacDuplicate,
                Place::Span(nic.span),
                message,
                consequence,
            ));
        }
    }
}

/// In mode `fwbr` a NIC without a firewall bridge is as in mode `prerouting`: it gets one when it is plugged.
pub(super) fn without_firewall_bridge(resolved: &Resolved, diagnostics: &mut Vec<Diagnostic>) {
    for guest in resolved.guests.iter().filter(|guest| resolved.rejects_towards(guest)) {
        let on_main_bridge = |nic: &&Nic| nic.running.as_ref().is_some_and(|port| port.diversion.is_some());
        for nic in guest.filtered().filter(on_main_bridge) {
            let message = format!("{} has no firewall bridge", nic.ifname);
            let consequence = "what the host sends or routes to it is dropped where it should be rejected, until the \
                guest is started again";
            let place = Place::Span(nic.span);
            diagnostics.push(Diagnostic::new(Code::FirewallBridgeMissing, place, message, consequence));
        }
    }
}

/// Permitted source addresses: active by option or by the mere existence of `ipfilter-net<n>`. Always permitted:
/// the link-local address of the MAC (no other one) and a container's configured addresses.
fn ipfilter(
    scope: &Scope<'_>,
    guest: &written::Guest,
    nic: &written::Nic,
) -> Option<(Vec<IpInterval>, LostEntries)> {
    let name: ObjectName = format!("ipfilter-net{}", nic.index).parse().expect("follows the grammar");
    let own = guest.ipsets.get(&name);
    if !guest.options.ipfilter.value && own.is_none() {
        return None;
    }
    // What does not resolve has been said when the guest's sets were resolved.
    let mut said_before = Vec::new();
    let aliases = &scope.config.datacenter.aliases;
    let (mut networks, lost) =
        own.map(|set| entries(Some(&guest.aliases), aliases, set, &mut said_before)).unwrap_or_default();
    let link_local = nic.mac.map(|mac| IpAddr::V6(mac.link_local()));
    let container = [nic.ip.map(IpAddr::V4), nic.ip6.map(IpAddr::V6)];
    let hosts = container.into_iter().flatten().chain(link_local);
    networks
        .push((Cidr::new(IpAddr::from([0xfe80u16, 0, 0, 0, 0, 0, 0, 0]), 10).expect("10 bits fit"), true));
    networks.extend(hosts.map(|address| (Cidr::host(address), false)));
    Some((longest_prefix(&networks), lost))
}

/// Resolves one VNet; `None`: its firewall is off.
pub(super) fn vnet(
    scope: &Scope<'_>,
    bridge: &VnetName,
    vnet: &model::Vnet,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vnet> {
    let rules = rule::resolve_rules(scope, &format!("vnet/{bridge}"), &vnet.rules, diagnostics);
    let mac = scope.links.get(bridge.as_str()).and_then(|link| link.mac);
    let enabled = vnet.options.enable.value;
    enabled.then(|| Vnet { bridge: bridge.clone(), mac, options: vnet.options.clone(), rules })
}
