//! Packets that met rules, by whose they were. What a rule has counted stays in the sums when the rule is gone: a sum
//! that falls looks like one that began anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::ruleset::{Origin, Rule, RuleId, Ruleset, Statement, TableFamily, Verdict};

use super::Page;
use crate::host::judge::{AllHits, Hits};

/// Sums since the service has started, and what rules had counted before.
#[derive(Debug, Default)]
pub(super) struct Met {
    seen: Arc<AllHits>,
    sums: BTreeMap<Meeting, Hits>,
}

/// Who met what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Meeting {
    /// 0 is the host, `all` what guests share.
    vmid: String,
    zone: &'static str,
    action: &'static str,
    reason: &'static str,
}

impl Met {
    /// Takes up what was counted since the last call.
    pub(super) fn add(&mut self, enforced: &Ruleset, hits: Arc<AllHits>) {
        let mut met: BTreeSet<(TableFamily, RuleId)> = BTreeSet::new();
        let mut owners = BTreeSet::new();
        for table in &enforced.tables {
            for chain in &table.chains {
                let (vmid, zone) = owner(&chain.name, table.family);
                owners.insert(vmid.clone());
                for rule in chain.rules.iter().filter(|rule| has_counter(rule)) {
                    // What one line became shares an id, and its hits are added up already.
                    let key = (table.family, rule.id);
                    let Some(now) = hits.get(&key).filter(|_| met.insert(key)) else { continue };
                    let before = self.seen.get(&key).copied().unwrap_or_default();
                    let (action, reason) = (action(rule), reason(rule.origin));
                    let sum =
                        self.sums.entry(Meeting { vmid: vmid.clone(), zone, action, reason }).or_default();
                    // Of what began anew, or lost one of several parts, nobody knows how much is new.
                    sum.packets += now.packets.saturating_sub(before.packets);
                    sum.bytes += now.bytes.saturating_sub(before.bytes);
                }
            }
        }
        self.sums.retain(|meeting, _| owners.contains(&meeting.vmid));
        self.seen = hits;
    }

    /// Writes the sums.
    pub(super) fn write(&self, page: &mut Page) {
        let of = |hits: &Hits, name: &str| if name == "hit_packets" { hits.packets } else { hits.bytes };
        for (name, help) in [("hit_packets", "Packets that met rules."), ("hit_bytes", "Their bytes.")] {
            page.family(name, "counter", help);
            for (Meeting { vmid, zone, action, reason }, sum) in &self.sums {
                let labels = [("vmid", &**vmid), ("zone", zone), ("action", action), ("reason", reason)];
                page.sample(&format!("{name}_total"), &labels, of(sum, name));
            }
        }
    }
}

fn has_counter(rule: &Rule) -> bool {
    rule.statements.iter().any(|statement| matches!(statement, Statement::Counter))
}

/// The guest and the zone that a chain belongs to.
fn owner(chain: &str, family: TableFamily) -> (String, &'static str) {
    let (name, piece) = chain.split_once('/').unwrap_or((chain, ""));
    let zone = if name.ends_with("reject") || piece == "reject" {
        "reject"
    } else if name.ends_with("out") || name == "output" {
        "out"
    } else if name.ends_with("forward") || name.starts_with("bridge-") {
        "forward"
    } else {
        "in"
    };
    let guest = name.strip_prefix("guest-").and_then(|rest| rest.split_once('-'));
    let vmid = match guest {
        Some((vmid, _)) => vmid,
        None if family == TableFamily::Inet => "0",
        None => "all",
    };
    (vmid.to_owned(), zone)
}

fn action(rule: &Rule) -> &'static str {
    let last = rule.statements.iter().rev().find_map(|statement| match statement {
        Statement::Verdict(verdict) => Some(match verdict {
            Verdict::Accept => "accept",
            Verdict::Drop => "drop",
            // Chains of that name end in a reject statement.
            Verdict::Goto(chain) | Verdict::Jump(chain) if chain.contains("reject") => "reject",
            Verdict::Jump(_) | Verdict::Goto(_) | Verdict::Return => "continue",
        }),
        Statement::Reject(_) => Some("reject"),
        _ => None,
    });
    last.unwrap_or("continue")
}

fn reason(origin: Origin) -> &'static str {
    match origin {
        Origin::Line(_) => "rule",
        Origin::Option { name, .. } => name,
        Origin::Skeleton(what) => what,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use engine::inputs::{FileContent, HostFacts, Inputs};
    use engine::ruleset::{Ruleset, TableFamily};

    use super::{Met, owner};
    use crate::host::judge::{AllHits, Hits};

    #[test]
    fn chains_belong_to_a_guest_or_the_host_and_to_a_zone() {
        let of = |chain, family| {
            let (vmid, zone) = owner(chain, family);
            format!("{vmid} {zone}")
        };
        for (chain, bridge, inet) in [
            ("guest-100-in", "100 in", "100 in"),
            ("guest-100-reject/walk", "100 reject", "100 reject"),
            ("group-web-out/0", "all out", "0 out"),
            ("group-in-forward/1", "all forward", "0 forward"),
            ("bridge-vnet0", "all forward", "0 forward"),
            ("bridge-vnet0/reject", "all reject", "0 reject"),
            ("host-in", "all in", "0 in"),
            ("output", "all out", "0 out"),
        ] {
            assert_eq!(
                (of(chain, TableFamily::Bridge), of(chain, TableFamily::Inet)),
                (bridge.to_owned(), inet.to_owned()),
                "{chain}"
            );
        }
    }

    /// The host with these rules.
    fn ruleset(rules: &str) -> Ruleset {
        let files = [
            ("/etc/pve/firewall/cluster.fw", "[OPTIONS]\nenable: 1\n".to_owned()),
            ("/etc/pve/nodes/n/host.fw", format!("[OPTIONS]\nnftables: 1\n[RULES]\n{rules}")),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), FileContent::text(&text))).into();
        let facts = HostFacts { node: "n".to_owned(), ..HostFacts::default() }.into();
        engine::compile(&Inputs { files, facts, ..Inputs::default() }).plan.ruleset
    }

    fn hits(ruleset: &Ruleset, packets: u64) -> Arc<AllHits> {
        let table = ruleset.tables.iter().find(|table| table.family == TableFamily::Inet).expect("is on");
        let chain = table.chains.iter().find(|chain| &*chain.name == "host-in").expect("has rules");
        let hits = Hits { packets, bytes: packets * 100 };
        Arc::new(chain.rules.iter().map(|rule| ((TableFamily::Inet, rule.id), hits)).collect())
    }

    #[test]
    fn sums_never_fall() {
        let (both, one) =
            ("IN ACCEPT -p tcp -dport 1\nIN ACCEPT -p tcp -dport 2\n", "IN ACCEPT -p tcp -dport 1\n");
        let (both, one) = (ruleset(both), ruleset(one));
        let mut met = Met::default();
        let sum = |met: &Met| {
            let own = met.sums.iter().filter(|(meeting, _)| meeting.reason == "rule");
            own.map(|(_, hits)| hits.packets).sum::<u64>()
        };
        met.add(&both, hits(&both, 5));
        assert_eq!(sum(&met), 10);
        met.add(&both, hits(&both, 5));
        assert_eq!(sum(&met), 10, "nothing happened");
        met.add(&one, hits(&one, 7));
        assert_eq!(sum(&met), 12, "a rule has gone");
        met.add(&one, hits(&one, 1));
        assert_eq!(sum(&met), 12, "a counter began anew");
        met.add(&one, hits(&one, 3));
        assert_eq!(sum(&met), 14);
    }
}
