//! Which abilities of the kernel a table needs. Pure: the kernel is asked in [`crate::host::features`].
//!
//! The bridge family's are often missing, because distributions other than Debian and Proxmox VE rarely build them.

use std::collections::BTreeSet;

use engine::ruleset::{Compare, Field, Rule, Ruleset, SetKind, Statement, Table, TableFamily};

macro_rules! features {
    ($($name:ident $text:literal $brought_by:literal $probe:literal;)*) => {
        /// An ability of the kernel, as a whole: a module or an option of its build.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Feature {
            $(#[doc = $text] $name,)*
            /// A conntrack helper of this name.
            Helper(&'static str),
        }

        impl Feature {
            /// All but the helpers.
            pub const FIXED: &'static [Feature] = &[$(Feature::$name,)*];

            /// A word for names.
            fn id(self) -> &'static str {
                match self {
                    $(Feature::$name => stringify!($name),)*
                    Feature::Helper(name) => name,
                }
            }

            /// What it is.
            pub fn name(self) -> String {
                match self {
                    $(Feature::$name => $text.to_owned(),)*
                    Feature::Helper(name) => format!("conntrack helper {name}"),
                }
            }

            /// The module, and the option that builds it.
            pub fn brought_by(self) -> String {
                match self {
                    $(Feature::$name => $brought_by.to_owned(),)*
                    Feature::Helper(name) => format!("nf_conntrack_{}", name.replace('-', "_")),
                }
            }

            /// A script that the kernel only accepts if it has the feature. Each has a table of its own:
            /// libnftables 1.0.6 remembers what a dry run declared.
            pub(crate) fn probe(self) -> String {
                let table = &format!("proxmox-firewall-probe-{}", self.id());
                match self {
                    $(Feature::$name => $probe.replace("TABLE", table),)*
                    Feature::Helper(name) => format!(
                        "table inet {table} {{\nct helper h {{\ntype \"{name}\" protocol {}\n}}\n}}\n",
                        helper_protocol(name)
                    ),
                }
            }
        }
    };
}

features! {
    BridgeConntrack "connection tracking of bridged frames" "nf_conntrack_bridge, CONFIG_NF_CONNTRACK_BRIDGE"
        "table bridge TABLE {\nchain c {\nct state established accept\n}\n}\n";
    BridgeReject "answering bridged frames (reject)" "nft_reject_bridge, CONFIG_NFT_BRIDGE_REJECT"
        "table bridge TABLE {\nchain c {\ntype filter hook prerouting priority 0\nreject with tcp reset\n}\n}\n";
    BridgeMeta "names of bridges in rules (meta ibrname)" "nft_meta_bridge, CONFIG_NFT_BRIDGE_META"
        "table bridge TABLE {\nchain c {\nmeta ibrname \"br0\" accept\n}\n}\n";
    InetConntrack "connection tracking of the host" "nft_ct, CONFIG_NFT_CT"
        "table inet TABLE {\nchain c {\nct state established accept\n}\n}\n";
    InetReject "answering the host's packets (reject)" "nft_reject_inet, CONFIG_NFT_REJECT_INET"
        "table inet TABLE {\nchain c {\nreject with icmpx type port-unreachable\n}\n}\n";
    InetFib "types of addresses (fib)" "nft_fib_inet, CONFIG_NFT_FIB_INET"
        "table inet TABLE {\nchain c {\nfib saddr type broadcast drop\n}\n}\n";
    Notrack "exemption from connection tracking (notrack)" "nft_ct, CONFIG_NFT_CT"
        "table bridge TABLE {\nchain c {\nnotrack\n}\n}\n";
    ConcatenatedIntervals "concatenations with intervals" "nf_tables of Linux 5.6 or later"
        "table bridge TABLE {\nset s {\ntype ifname . ipv4_addr\nflags interval\nelements = { \"a\" . 10.0.0.0/8 }\n}\n}\n";
    DynamicSets "sets that packets fill, with limits" "nft_limit, CONFIG_NFT_LIMIT"
        "table bridge TABLE {\nset s {\ntype ipv4_addr\nsize 16\nflags dynamic,timeout\ntimeout 60s\n}\nchain c {\nupdate @s { ip saddr limit rate over 200/second burst 1000 packets } drop\n}\n}\n";
    Limit "rate limits" "nft_limit, CONFIG_NFT_LIMIT"
        "table bridge TABLE {\nchain c {\nlimit rate 1/second burst 5 packets\n}\n}\n";
    Log "logging (log group)" "nft_log and nfnetlink_log, CONFIG_NFT_LOG"
        "table bridge TABLE {\nchain c {\nlog prefix \"p\" group 0\n}\n}\n";
}

/// Transport of a helper: of the table's rows, the first.
fn helper_protocol(name: &str) -> &'static str {
    let row = engine::tables::ct_helpers::CT_HELPERS.iter().find(|helper| helper.name == name);
    row.map_or("tcp", |helper| helper.protocol.as_str())
}

/// What a ruleset needs.
pub fn used(ruleset: &Ruleset) -> BTreeSet<Feature> {
    ruleset.tables.iter().flat_map(used_by).collect()
}

/// What a table needs.
pub fn used_by(table: &Table) -> BTreeSet<Feature> {
    let mut features: BTreeSet<Feature> =
        table.helpers.iter().map(|object| Feature::Helper(object.helper)).collect();
    if !table.helpers.is_empty() {
        features.insert(conntrack(table.family));
    }
    for set in &table.sets {
        if set.interval && set.key.len() > 1 {
            features.insert(Feature::ConcatenatedIntervals);
        }
        if matches!(set.kind, SetKind::Dynamic { .. }) {
            features.insert(Feature::DynamicSets);
        }
    }
    for rule in table.chains.iter().flat_map(|chain| &chain.rules) {
        features.extend(rule.statements.iter().flat_map(|statement| needs(table.family, statement)));
    }
    features
}

/// What a rule needs.
pub fn used_by_rule(family: TableFamily, rule: &Rule) -> BTreeSet<Feature> {
    rule.statements.iter().flat_map(|statement| needs(family, statement)).collect()
}

fn conntrack(family: TableFamily) -> Feature {
    match family {
        TableFamily::Inet => Feature::InetConntrack,
        TableFamily::Bridge => Feature::BridgeConntrack,
    }
}

fn needs(family: TableFamily, statement: &Statement) -> Vec<Feature> {
    let conntrack = conntrack(family);
    let of_field = |field: &Field| field_needs(conntrack, *field);
    match statement {
        Statement::Compare(Compare { field, .. }) | Statement::Masked { field, .. } => {
            of_field(field).into_iter().collect()
        }
        Statement::Lookup { key, .. } | Statement::VerdictMap { key, .. } => {
            key.iter().filter_map(of_field).collect()
        }
        Statement::CtState(_) | Statement::CtMarkSet { .. } | Statement::CtHelper(_) => vec![conntrack],
        Statement::Limit { .. } => vec![Feature::Limit],
        Statement::Meter { .. } => vec![Feature::DynamicSets],
        Statement::Log(_) => vec![Feature::Log],
        Statement::Notrack => vec![Feature::Notrack],
        Statement::Reject(_) => vec![match family {
            TableFamily::Inet => Feature::InetReject,
            TableFamily::Bridge => Feature::BridgeReject,
        }],
        Statement::Counter | Statement::MarkSet(_) | Statement::MarkClear(_) | Statement::Verdict(_) => {
            Vec::new()
        }
    }
}

fn field_needs(conntrack: Feature, field: Field) -> Option<Feature> {
    match field {
        Field::CtState | Field::CtMark => Some(conntrack),
        Field::Ibrname | Field::Obrname | Field::Ibrpvid => Some(Feature::BridgeMeta),
        Field::FibSaddrType | Field::FibDaddrType => Some(Feature::InetFib),
        Field::Iifname
        | Field::Oifname
        | Field::Protocol
        | Field::Nfproto
        | Field::L4proto
        | Field::Mark
        | Field::EtherSaddr
        | Field::EtherDaddr
        | Field::EtherType
        | Field::VlanId
        | Field::ArpHtype
        | Field::ArpPtype
        | Field::ArpHlen
        | Field::ArpPlen
        | Field::ArpSaddrEther
        | Field::ArpSaddrIp
        | Field::ArpDaddrIp
        | Field::IpSaddr
        | Field::IpDaddr
        | Field::IpFragOff
        | Field::Ip6Saddr
        | Field::Ip6Daddr
        | Field::Ip6Hoplimit
        | Field::Ip6Length
        | Field::FragOff
        | Field::TcpFlags
        | Field::IcmpType
        | Field::IcmpCode
        | Field::Icmpv6Type
        | Field::Icmpv6Code
        | Field::NdTarget
        | Field::NdOption
        | Field::Port(..) => None,
    }
}

/// What is left of a ruleset on a kernel that lacks something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reduced {
    /// What can be loaded.
    pub ruleset: Ruleset,
    /// One line each: what is not there, and what that means. Said first, wherever this is reported.
    pub losses: Vec<String>,
}

/// Leaves out the tables that need something missing. Conntrack helpers are no reason: without one, the connections
/// that it would have announced meet the rules, which never opens anything.
#[cfg(not(feature = "lab"))]
pub fn reduce(ruleset: &Ruleset, missing: &BTreeSet<Feature>) -> Reduced {
    let mut reduced = Reduced { ruleset: ruleset.clone(), losses: Vec::new() };
    reduced.losses.extend(without_helpers(&mut reduced.ruleset, missing));
    let losses = &mut reduced.losses;
    reduced.ruleset.tables.retain(|table| {
        let lacking: Vec<Feature> = used_by(table).intersection(missing).copied().collect();
        if !lacking.is_empty() {
            losses.push(table_loss(table, &lacking));
        }
        lacking.is_empty()
    });
    reduced
}

/// Leaves out the rules that need something missing, and turns `reject` into `drop`: enough to look at and to measure,
/// no protection.
#[cfg(feature = "lab")]
pub fn reduce(ruleset: &Ruleset, missing: &BTreeSet<Feature>) -> Reduced {
    use engine::ruleset::Verdict;

    let mut reduced = Reduced { ruleset: ruleset.clone(), losses: Vec::new() };
    reduced.losses.extend(without_helpers(&mut reduced.ruleset, missing));
    for table in &mut reduced.ruleset.tables {
        let lacking: Vec<Feature> = used_by(table).intersection(missing).copied().collect();
        if lacking.is_empty() {
            continue;
        }
        let (mut n_removed, family) = (0, table.family);
        for rule in table.chains.iter_mut().flat_map(|chain| &mut chain.rules) {
            for statement in &mut rule.statements {
                if matches!(statement, Statement::Reject(_)) && missing.contains(&Feature::BridgeReject) {
                    *statement = Statement::Verdict(Verdict::Drop);
                }
            }
        }
        if missing.contains(&conntrack(family)) {
            table.helpers.clear();
        }
        for chain in &mut table.chains {
            let before = chain.rules.len();
            chain.rules.retain(|rule| used_by_rule(family, rule).is_disjoint(missing));
            n_removed += before - chain.rules.len();
        }
        reduced.losses.push(format!(
            "THIS BUILD DOES NOT PROTECT: {n_removed} rules of table {} {} are left out, because this kernel lacks {}",
            table.family.as_str(),
            table.name,
            list(&lacking)
        ));
    }
    reduced
}

/// Takes missing helpers and the rules that assign them out.
fn without_helpers(ruleset: &mut Ruleset, missing: &BTreeSet<Feature>) -> Vec<String> {
    let mut losses = Vec::new();
    for table in &mut ruleset.tables {
        let is_missing = |helper| missing.contains(&Feature::Helper(helper));
        let gone: Vec<_> = table.helpers.iter().filter(|object| is_missing(object.helper)).cloned().collect();
        if gone.is_empty() {
            continue;
        }
        table.helpers.retain(|object| !is_missing(object.helper));
        let names: BTreeSet<&str> = gone.iter().map(|object| object.helper).collect();
        let assigns = |statement: &Statement| match statement {
            Statement::CtHelper(name) => gone.iter().any(|object| object.name == *name),
            _ => false,
        };
        for chain in &mut table.chains {
            chain.rules.retain(|rule| !rule.statements.iter().any(assigns));
        }
        losses.push(format!(
            "no conntrack helper {}: this kernel lacks it; connections that it would announce meet the rules",
            names.into_iter().collect::<Vec<_>>().join(", ")
        ));
    }
    losses
}

#[cfg(not(feature = "lab"))]
fn table_loss(table: &Table, lacking: &[Feature]) -> String {
    let protects = match table.family {
        TableFamily::Inet => "the host, and what it routes, is NOT PROTECTED",
        TableFamily::Bridge => "guests and VNets are NOT PROTECTED",
    };
    format!(
        "{protects}: table {} {} is not loaded, because this kernel lacks {}",
        table.family.as_str(),
        table.name,
        list(lacking)
    )
}

fn list(lacking: &[Feature]) -> String {
    let texts: Vec<String> =
        lacking.iter().map(|feature| format!("{} ({})", feature.name(), feature.brought_by())).collect();
    texts.join("; ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Feature, reduce, used, used_by};
    use engine::inputs::{FileContent, HostFacts, Inputs};
    use engine::ruleset::{Ruleset, TableFamily};

    fn ruleset() -> Ruleset {
        let files = [
            ("/etc/pve/firewall/cluster.fw", "[OPTIONS]\nenable: 1\n"),
            ("/etc/pve/nodes/n/host.fw", "[OPTIONS]\nnf_conntrack_helpers: ftp\n"),
            ("/etc/pve/firewall/100.fw", "[OPTIONS]\nenable: 1\n[RULES]\nIN REJECT -p tcp -dport 25\n"),
            (
                "/etc/pve/nodes/n/qemu-server/100.conf",
                "net0: virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1\n",
            ),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), FileContent::text(text))).into();
        let facts = HostFacts { node: "n".to_owned(), ..HostFacts::default() };
        engine::compile(&Inputs { files, facts, ..Inputs::default() }).plan.ruleset
    }

    #[test]
    fn a_kernel_that_has_all_loads_all() {
        let ruleset = ruleset();
        let reduced = reduce(&ruleset, &BTreeSet::new());
        assert_eq!((reduced.ruleset, reduced.losses), (ruleset, Vec::new()));
    }

    #[test]
    fn each_family_needs_its_own() {
        let ruleset = ruleset();
        let bridge = used_by(ruleset.tables.iter().find(|t| t.family == TableFamily::Bridge).expect("there"));
        assert!(bridge.contains(&Feature::BridgeConntrack) && !bridge.contains(&Feature::InetConntrack));
        assert!(used(&ruleset).is_superset(&[Feature::InetReject, Feature::Helper("ftp")].into()));
    }

    #[cfg(not(feature = "lab"))]
    #[test]
    fn a_table_that_needs_what_is_missing_stays_out_and_is_named() {
        let reduced = reduce(&ruleset(), &[Feature::BridgeMeta, Feature::BridgeConntrack].into());
        assert_eq!(reduced.ruleset.tables.len(), 1);
        assert_eq!(reduced.losses.len(), 1);
        assert!(reduced.losses[0].starts_with("guests and VNets are NOT PROTECTED: table bridge"));
        assert!(reduced.losses[0].contains("CONFIG_NF_CONNTRACK_BRIDGE"));
    }

    #[cfg(feature = "lab")]
    #[test]
    fn the_lab_build_leaves_out_what_needs_it_and_says_so() {
        let missing = [Feature::BridgeMeta, Feature::BridgeConntrack, Feature::BridgeReject].into();
        let reduced = reduce(&ruleset(), &missing);
        assert_eq!(reduced.ruleset.tables.len(), 2);
        assert!(used(&reduced.ruleset).is_disjoint(&missing));
        assert!(reduced.losses[0].starts_with("THIS BUILD DOES NOT PROTECT"));
    }

    #[test]
    fn a_missing_helper_costs_itself_alone() {
        let reduced = reduce(&ruleset(), &[Feature::Helper("ftp")].into());
        assert_eq!(reduced.ruleset.tables.len(), 2);
        assert!(!used(&reduced.ruleset).contains(&Feature::Helper("ftp")));
        assert!(engine::ruleset::check::check(&reduced.ruleset).is_ok());
    }
}
