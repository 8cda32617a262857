//! What only the kernel knows: whether it would take a ruleset, and how often its rules were met.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine::ruleset::{RuleId, Ruleset, TableFamily};
use nft_ffi::netlink::{Family, Rule, Socket};

use super::kernel::{Fault, Kernel, LoadError, TABLES, replacement};

/// Packets and bytes that met a rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hits {
    /// Packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Hits by rule id, the host's and guests' of a group apart; what one line became is added up.
pub type AllHits = BTreeMap<(TableFamily, RuleId), Hits>;

/// Answers what only the kernel can.
pub trait Judge: Send + Sync {
    /// Whether the kernel would take `ruleset` in place of what it holds: its reasons if not.
    ///
    /// # Errors
    /// When it could not be asked.
    fn judge(&self, ruleset: &Ruleset) -> Result<Vec<Fault>, String>;

    /// How often rules were met.
    ///
    /// # Errors
    /// When the kernel could not be asked.
    fn hits(&self) -> Result<Arc<AllHits>, String>;

    /// Tracked connections, and how many there may be; `None`: nothing is tracked.
    fn connections(&self) -> Option<(u64, u64)>;
}

/// The kernel: dry runs through libnftables, counters by a dump over netlink.
#[derive(Debug, Default)]
pub struct Libnftables {
    last: Mutex<Option<(Instant, Arc<AllHits>)>>,
}

/// A listing is not made anew for each of many readers.
const FRESH: Duration = Duration::from_secs(1);

impl Judge for Libnftables {
    fn judge(&self, ruleset: &Ruleset) -> Result<Vec<Fault>, String> {
        let mut kernel = Kernel::open().map_err(|error| error.to_string())?;
        match kernel.check(&replacement(ruleset)) {
            Ok(()) => Ok(Vec::new()),
            Err(LoadError::Refused(faults)) => Ok(faults),
            Err(error) => Err(chain(&error)),
        }
    }

    fn hits(&self) -> Result<Arc<AllHits>, String> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, hits)) = &*last
            && at.elapsed() < FRESH
        {
            return Ok(hits.clone());
        }
        let mut socket = Socket::new().map_err(|error| chain(&error))?;
        let mut hits = AllHits::new();
        for (family, table) in TABLES {
            let of = match family {
                TableFamily::Inet => Family::INET,
                TableFamily::Bridge => Family::BRIDGE,
                TableFamily::Netdev => Family::NETDEV,
            };
            // A table that is not there has no rules.
            add_hits(family, &socket.rules(of, table, None).map_err(|error| chain(&error))?, &mut hits);
        }
        let hits = Arc::new(hits);
        *last = Some((Instant::now(), hits.clone()));
        Ok(hits)
    }

    fn connections(&self) -> Option<(u64, u64)> {
        let number = |name: &str| {
            let text = std::fs::read_to_string(format!("/proc/sys/net/netfilter/{name}")).ok()?;
            text.trim().parse().ok()
        };
        Some((number("nf_conntrack_count")?, number("nf_conntrack_max")?))
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Adds the counters of rules that bear an id.
fn add_hits(family: TableFamily, rules: &[Rule], hits: &mut AllHits) {
    for rule in rules {
        let id = rule.comment.as_deref().and_then(|id| u64::from_str_radix(id, 16).ok());
        let (Some(id), Some(counter)) = (id, rule.counter) else { continue };
        let hits = hits.entry((family, RuleId(id))).or_default();
        hits.packets += counter.packets;
        hits.bytes += counter.bytes;
    }
}

#[cfg(test)]
mod tests {
    use nft_ffi::netlink::Counter;

    use super::{AllHits, Hits, Rule, RuleId, TableFamily, add_hits};

    #[test]
    fn what_one_line_became_is_added_up() {
        let rule = |id: &str, packets: u64| Rule {
            chain: "c".to_owned(),
            handle: packets,
            comment: Some(id.to_owned()),
            counter: (packets > 0).then_some(Counter { packets, bytes: 10 }),
        };
        let id = "000000000000000a";
        let rules = [rule(id, 1), rule(id, 2), rule("not an id", 3), rule("0b", 0)];
        let mut hits = AllHits::new();
        add_hits(TableFamily::Inet, &rules, &mut hits);
        assert_eq!(hits, AllHits::from([((TableFamily::Inet, RuleId(10)), Hits { packets: 3, bytes: 20 })]));
    }
}
