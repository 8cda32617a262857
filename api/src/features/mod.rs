//! Which abilities of the kernel a table needs. Pure: the kernel is asked in [`crate::host::features`].
//!
//! The bridge family's are often missing, because distributions other than Debian and Proxmox VE rarely build them.

mod reduce;

use std::collections::BTreeSet;

use engine::inputs::{RejectCan, RejectMode};
use engine::ruleset::{Chain, Compare, Field, Header, Hook, Rule, SetKind, Statement, Table, TableFamily};
pub use reduce::{Memo, Reduced, reduce, used};

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
    NetdevEgress "rules at the egress of devices" "nf_tables of Linux 5.16 or later, CONFIG_NF_TABLES_NETDEV and CONFIG_NETFILTER_EGRESS"
        "table netdev TABLE {\nchain c {\ntype filter hook egress device \"lo\" priority 0\n}\n}\n";
    NetdevForward "sending frames out of another device (fwd)" "nft_fwd_netdev, CONFIG_NFT_FWD_NETDEV"
        "table netdev TABLE {\nchain c {\ntype filter hook egress device \"lo\" priority 0\nfwd to \"lo\"\n}\n}\n";
    Log "logging (log group)" "nft_log and nfnetlink_log, CONFIG_NFT_LOG"
        "table bridge TABLE {\nchain c {\nlog prefix \"p\" group 0\n}\n}\n";
}

/// Transport of a helper: of the table's rows, the first.
fn helper_protocol(name: &str) -> &'static str {
    let row = engine::tables::ct_helpers::CT_HELPERS.iter().find(|helper| helper.name == name);
    row.map_or("tcp", |helper| helper.protocol.as_str())
}

/// What a table needs, but for its chains.
fn used_by_objects(table: &Table) -> BTreeSet<Feature> {
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
    features
}

fn used_by_chain(family: TableFamily, chain: &Chain) -> BTreeSet<Feature> {
    let egress = chain.base.as_ref().is_some_and(|base| base.hook == Hook::Egress);
    chain
        .rules
        .iter()
        .flat_map(|rule| &rule.statements)
        .flat_map(|statement| needs(family, statement))
        .chain(egress.then_some(Feature::NetdevEgress))
        .collect()
}

/// What a rule needs.
pub fn used_by_rule(family: TableFamily, rule: &Rule) -> BTreeSet<Feature> {
    rule.statements.iter().flat_map(|statement| needs(family, statement)).collect()
}

fn conntrack(family: TableFamily) -> Feature {
    match family {
        TableFamily::Inet => Feature::InetConntrack,
        TableFamily::Bridge | TableFamily::Netdev => Feature::BridgeConntrack,
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
            TableFamily::Bridge | TableFamily::Netdev => Feature::BridgeReject,
        }],
        Statement::Forward(_) => vec![Feature::NetdevForward],
        Statement::Counter | Statement::MarkSet(_) | Statement::MarkClear(_) | Statement::Verdict(_) => {
            Vec::new()
        }
    }
}

fn field_needs(conntrack: Feature, field: Field) -> Option<Feature> {
    match field.header() {
        Header::Ct => Some(conntrack),
        Header::BridgeMeta => Some(Feature::BridgeMeta),
        Header::Fib => Some(Feature::InetFib),
        Header::Meta
        | Header::Ether
        | Header::Vlan
        | Header::Arp
        | Header::Ip
        | Header::Ip6
        | Header::Fragment
        | Header::Icmp
        | Header::Icmpv6
        | Header::Tcp
        | Header::Udp
        | Header::Udplite
        | Header::Dccp
        | Header::Sctp
        | Header::Raw => None,
    }
}

/// What a reject mode needs besides what every mode needs.
pub fn needs_of_mode(mode: RejectMode) -> &'static [Feature] {
    match mode {
        RejectMode::Drop => &[],
        RejectMode::Prerouting | RejectMode::Fwbr => &[Feature::BridgeReject],
        RejectMode::Divert => &[Feature::BridgeReject, Feature::NetdevEgress, Feature::NetdevForward],
    }
}

/// What a kernel that lacks these can of reject modes.
pub fn reject_can(missing: &BTreeSet<Feature>) -> RejectCan {
    RejectCan {
        answer: !missing.contains(&Feature::BridgeReject),
        divert: !missing.contains(&Feature::NetdevEgress) && !missing.contains(&Feature::NetdevForward),
    }
}
