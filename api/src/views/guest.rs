//! Guests and what their rules come to, as JSON.

use engine::Compiled;
use engine::diagnostic::Place;
use engine::effect::{Effect, Effective, of_device};
use engine::model::address::{Family, IpInterval, from_number};
use engine::model::guest::{Guest, GuestKind};
use engine::ruleset::TableFamily;
use engine::span::Sources;
use serde::Serialize;
use utoipa::ToSchema;

use super::report::DiagnosticView;
use crate::host::judge::{AllHits, Hits};
use crate::service::state::Published;

/// The answer of `GET /v1/guests`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GuestsView {
    /// Guests of this node, ascending.
    pub guests: Vec<GuestSummaryView>,
}

/// A guest in short.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GuestSummaryView {
    /// Its number.
    pub vmid: u32,
    /// `qemu`, `lxc`
    pub kind: &'static str,
    /// Its firewall is on.
    pub enabled: bool,
    /// Its devices.
    pub n_devices: usize,
    /// Those that are filtered.
    pub n_filtered: usize,
    /// Its rules, groups' rules not counted.
    pub n_rules: usize,
    /// It keeps older chains because the kernel refused its new ones: the kernel's words.
    pub refused: Option<String>,
}

/// The answer of `GET /v1/guests/{vmid}`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GuestView {
    /// Its number.
    pub vmid: u32,
    /// `qemu`, `lxc`
    pub kind: &'static str,
    /// The generation that this is read from.
    pub generation: u64,
    /// Its firewall is on.
    pub enabled: bool,
    /// Inbound policy: `ACCEPT`, `DROP`, `REJECT`.
    pub policy_in: &'static str,
    /// Outbound policy.
    pub policy_out: &'static str,
    /// It keeps older chains because the kernel refused its new ones: the kernel's words.
    pub refused: Option<String>,
    /// Why nothing is enforced for any guest, if that is so.
    pub unprotected: Option<String>,
    /// Why rules have no `hits`, if they have none.
    pub hits_missing: Option<String>,
    /// Its devices.
    pub devices: Vec<DeviceView>,
    /// What is wrong with its files.
    pub diagnostics: Vec<DiagnosticView>,
}

/// A network device of a guest.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DeviceView {
    /// `net0`
    pub name: String,
    /// `tap100i0`, `veth100i0`
    pub iface: String,
    /// Its bridge, as configured.
    pub bridge: Option<String>,
    /// Its MAC address.
    pub mac: Option<String>,
    /// Its VLAN.
    pub vlan: Option<u16>,
    /// The port is there.
    pub running: bool,
    /// Its frames meet rules.
    pub filtered: bool,
    /// Source addresses that it may use; `null`: any.
    pub ipfilter: Option<Vec<String>>,
    /// What its packets meet, in the order of the file; the rules of a group stand behind its call.
    pub rules: Vec<GuestRuleView>,
}

/// A rule as it concerns a device.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GuestRuleView {
    /// Its id: its comment in the kernel.
    pub id: String,
    /// Path of its file.
    pub file: String,
    /// Its line, from 1.
    pub line: u32,
    /// The line, blanks squeezed, without its comment.
    pub text: String,
    /// Its comment.
    pub comment: Option<String>,
    /// `IN`, `OUT`; `null`: a group call, or not to be read.
    pub direction: Option<&'static str>,
    /// The security group that it stands in.
    pub group: Option<String>,
    /// `enforced`, `shadowed`, `no effect`
    pub effect: &'static str,
    /// Why it is not met.
    pub why: Option<String>,
    /// With `shadowed`: the id of the rule that decides before it.
    pub shadowed_by: Option<String>,
    /// How often it was met, by packets of all devices; a group's rule: of all guests.
    pub hits: Option<HitsView>,
}

/// How often a rule was met.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct HitsView {
    /// Packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl From<Hits> for HitsView {
    fn from(hits: Hits) -> HitsView {
        HitsView { packets: hits.packets, bytes: hits.bytes }
    }
}

/// What is known about enforcement besides the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// What is published.
    pub published: &'a Published,
    /// The generation's number.
    pub generation: u64,
    /// Why the guests' table is not in the kernel.
    pub unprotected: Option<&'a str>,
    /// Counters, or why there are none.
    pub hits: Result<&'a AllHits, &'a str>,
}

fn word(kind: GuestKind) -> &'static str {
    match kind {
        GuestKind::Qemu => "qemu",
        GuestKind::Lxc => "lxc",
    }
}

fn refused(published: &Published, vmid: u32) -> Option<String> {
    let of = published.refused_guests.iter().find(|(refused, _)| *refused == vmid);
    of.map(|(_, reason)| reason.clone())
}

impl GuestSummaryView {
    /// The wire form.
    pub fn new(guest: &Guest, published: &Published) -> GuestSummaryView {
        let enabled = guest.options.enable.value;
        GuestSummaryView {
            vmid: guest.vmid.get(),
            kind: word(guest.kind),
            enabled,
            n_devices: guest.nics.len(),
            n_filtered: guest.nics.values().filter(|nic| enabled && nic.firewall).count(),
            n_rules: guest.rules.len(),
            refused: refused(published, guest.vmid.get()),
        }
    }
}

impl GuestView {
    /// The wire form.
    pub fn new(guest: &Guest, compiled: &Compiled, around: Surroundings<'_>) -> GuestView {
        let vmid = guest.vmid.get();
        GuestView {
            vmid,
            kind: word(guest.kind),
            generation: around.generation,
            enabled: guest.options.enable.value,
            policy_in: guest.options.policy_in.value.as_str(),
            policy_out: guest.options.policy_out.value.as_str(),
            refused: refused(around.published, vmid),
            unprotected: around.unprotected.map(str::to_owned),
            hits_missing: around.hits.err().map(str::to_owned),
            devices: guest.nics.keys().map(|index| device(guest, *index, compiled, around)).collect(),
            diagnostics: diagnostics(compiled, vmid),
        }
    }
}

/// What was said about the files of a guest.
fn diagnostics(compiled: &Compiled, vmid: u32) -> Vec<DiagnosticView> {
    let sources = &compiled.sources;
    let (firewall, conf) = (format!("/firewall/{vmid}.fw"), format!("/{vmid}.conf"));
    let is_own = |path: &str| path.ends_with(&firewall) || path.ends_with(&conf);
    let own = compiled.diagnostics.iter().filter(|diagnostic| match diagnostic.place {
        Place::Span(span) => is_own(sources.path(span.file)),
        Place::File(file) => is_own(sources.path(file)),
        Place::Host => false,
    });
    own.map(|diagnostic| DiagnosticView::new(diagnostic, sources)).collect()
}

fn device(guest: &Guest, index: u8, compiled: &Compiled, around: Surroundings<'_>) -> DeviceView {
    let nic = &guest.nics[&index];
    let resolved = compiled.resolved.guests.iter().find(|known| known.vmid == guest.vmid);
    let resolved = resolved.and_then(|known| known.nics.iter().find(|nic| nic.index == index));
    let is_protected = compiled.resolved.enabled && around.unprotected.is_none();
    let rules = of_device(compiled, guest.vmid, index).unwrap_or_default();
    DeviceView {
        name: format!("net{index}"),
        iface: nic.ifname.to_string(),
        bridge: nic.bridge.clone(),
        mac: nic.mac.map(|mac| mac.to_string()),
        vlan: nic.tag,
        running: resolved.is_some_and(|nic| nic.running.is_some()),
        filtered: is_protected && resolved.is_some_and(|nic| nic.filtered),
        ipfilter: resolved.and_then(|nic| nic.ipfilter.as_ref()).map(|all| all.iter().map(range).collect()),
        rules: rules.iter().map(|rule| rule_view(rule, &compiled.sources, around)).collect(),
    }
}

fn range(interval: &IpInterval) -> String {
    let end = |number| from_number(interval.family, number);
    let bits = match interval.family {
        Family::V4 => 32,
        Family::V6 => 128,
    };
    // A network is written as one; everything else as its two ends.
    let size = interval.last - interval.first;
    let host_bits = size.count_ones();
    let is_network = size.wrapping_add(1).is_power_of_two() || size == u128::MAX;
    match size {
        0 => end(interval.first).to_string(),
        _ if is_network && interval.first & size == 0 => {
            format!("{}/{}", end(interval.first), bits - host_bits)
        }
        _ => format!("{}-{}", end(interval.first), end(interval.last)),
    }
}

fn rule_view(rule: &Effective<'_>, sources: &Sources, around: Surroundings<'_>) -> GuestRuleView {
    let position = sources.position(rule.rule.span);
    let (effect, why, shadowed_by) = match (&rule.effect, around.unprotected) {
        (Effect::Enforced, None) => ("enforced", None, None),
        (Effect::Enforced | Effect::Shadowed(..), Some(why)) => ("no effect", Some(why.to_owned()), None),
        (Effect::Shadowed(by, span), None) => {
            let by_line = sources.position(*span);
            let why = format!("{}:{} decides all that it matches", by_line.path, by_line.line);
            ("shadowed", Some(why), Some(by.to_string()))
        }
        (Effect::None(why), _) => ("no effect", Some(why.to_string()), None),
    };
    let is_met = effect == "enforced" && rule.direction.is_some();
    let hits = around.hits.ok().filter(|_| is_met);
    GuestRuleView {
        id: rule.id.to_string(),
        file: position.path,
        line: position.line,
        text: rule.rule.canonical.clone(),
        comment: rule.rule.comment.clone(),
        direction: rule.direction.map(|direction| direction.as_str()),
        group: rule.group.map(ToString::to_string),
        effect,
        why,
        shadowed_by,
        hits: hits.map(|hits| hits.get(&(TableFamily::Bridge, rule.id)).copied().unwrap_or_default().into()),
    }
}
