//! Which abilities of the kernel a table needs. Pure: the kernel is asked in [`crate::host::features`].
//!
//! The bridge family's are often missing, because distributions other than Debian and Proxmox VE rarely build them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use engine::inputs::{RejectCan, RejectMode};
use engine::ruleset::{
    Chain, Compare, Field, Header, Hook, Rule, Ruleset, SetKind, Statement, Table, TableFamily, Verdict,
};

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

/// What is known of chains that were looked at before: generations share those that did not change.
#[derive(Debug, Default)]
pub struct Memo {
    /// By their addresses, which are theirs for as long as they are held here.
    chains: HashMap<usize, Known>,
    /// What `reduced` lacks.
    missing: BTreeSet<Feature>,
}

#[derive(Debug)]
struct Known {
    chain: Arc<Chain>,
    used: BTreeSet<Feature>,
    #[cfg(feature = "lab")]
    reduced: Option<Arc<Chain>>,
}

impl Memo {
    /// What a ruleset needs.
    pub fn used(&mut self, ruleset: &Ruleset) -> BTreeSet<Feature> {
        self.look(ruleset);
        ruleset.tables.iter().flat_map(|table| self.used_by(table)).collect()
    }

    /// What is left of a ruleset on a kernel that lacks something.
    pub fn reduce(&mut self, ruleset: &Ruleset, missing: &BTreeSet<Feature>) -> Reduced {
        if self.missing != *missing {
            *self = Memo { missing: missing.clone(), ..Memo::default() };
        }
        let mut reduced = Reduced { ruleset: ruleset.clone(), losses: Vec::new() };
        let helpers = without_helpers(&mut reduced.ruleset, missing);
        let answers = without_answers(&mut reduced.ruleset, missing);
        self.look(&reduced.ruleset);
        self.without(&mut reduced);
        // What is not protected comes first; bridges that are not filtered at all lack no answers besides.
        let has_bridges = reduced.ruleset.tables.iter().any(|table| table.family == TableFamily::Bridge);
        reduced.losses.extend(helpers.into_iter().chain(answers.filter(|_| has_bridges)));
        reduced
    }

    fn look(&mut self, ruleset: &Ruleset) {
        let mut before = std::mem::take(&mut self.chains);
        for table in &ruleset.tables {
            for chain in &table.chains {
                let known = before.remove(&key(chain)).unwrap_or_else(|| Known {
                    chain: chain.clone(),
                    used: used_by_chain(table.family, chain),
                    #[cfg(feature = "lab")]
                    reduced: None,
                });
                self.chains.insert(key(&known.chain), known);
            }
        }
    }

    fn used_by(&self, table: &Table) -> BTreeSet<Feature> {
        let known = table.chains.iter().filter_map(|chain| self.chains.get(&key(chain)));
        let mut used = used_by_objects(table);
        known.for_each(|known| used.extend(known.used.iter().copied()));
        used
    }
}

fn key(chain: &Arc<Chain>) -> usize {
    Arc::as_ptr(chain) as usize
}

/// What a ruleset needs.
pub fn used(ruleset: &Ruleset) -> BTreeSet<Feature> {
    Memo::default().used(ruleset)
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

/// What is left of a ruleset on a kernel that lacks something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reduced {
    /// What can be loaded.
    pub ruleset: Ruleset,
    /// One line each: what is not there, and what that means. Said first, wherever this is reported.
    pub losses: Vec<String>,
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

/// Where bridges cannot answer, what would be answered is dropped: no reason to leave guests without a firewall.
fn without_answers(ruleset: &mut Ruleset, missing: &BTreeSet<Feature>) -> Option<String> {
    if !missing.contains(&Feature::BridgeReject) {
        return None;
    }
    let mut n_answers = 0;
    for table in ruleset.tables.iter_mut().filter(|table| table.family == TableFamily::Bridge) {
        for chain in table.chains.iter_mut().filter(|chain| chain.rules.iter().any(rejects)) {
            let statements = Arc::make_mut(chain).rules.iter_mut().flat_map(|rule| &mut rule.statements);
            for statement in statements.filter(|statement| matches!(statement, Statement::Reject(_))) {
                *statement = Statement::Verdict(Verdict::Drop);
                n_answers += 1;
            }
        }
    }
    let lacking = list(&[Feature::BridgeReject]);
    (n_answers > 0).then(|| {
        format!("frames on bridges are dropped where they should be rejected: this kernel lacks {lacking}")
    })
}

fn rejects(rule: &Rule) -> bool {
    rule.statements.iter().any(|statement| matches!(statement, Statement::Reject(_)))
}

/// What is left of a ruleset on a kernel that lacks something.
pub fn reduce(ruleset: &Ruleset, missing: &BTreeSet<Feature>) -> Reduced {
    Memo::default().reduce(ruleset, missing)
}

#[cfg(not(feature = "lab"))]
impl Memo {
    /// Leaves out the tables that need something missing. Conntrack helpers are no reason: without one, the connections
    /// that it would have announced meet the rules, which never opens anything.
    fn without(&self, reduced: &mut Reduced) {
        let losses = &mut reduced.losses;
        reduced.ruleset.tables.retain(|table| {
            let lacking: Vec<Feature> = self.used_by(table).intersection(&self.missing).copied().collect();
            if !lacking.is_empty() {
                losses.push(table_loss(table, &lacking));
            }
            lacking.is_empty()
        });
    }
}

#[cfg(feature = "lab")]
impl Memo {
    /// Leaves out the rules that need something missing, and turns `reject` into `drop`: enough to look at and to
    /// measure, no protection.
    fn without(&mut self, reduced: &mut Reduced) {
        let missing = &self.missing;
        for table in &mut reduced.ruleset.tables {
            let family = table.family;
            let known = table.chains.iter().filter_map(|chain| self.chains.get(&key(chain)));
            let mut used = used_by_objects(table);
            known.for_each(|known| used.extend(known.used.iter().copied()));
            let lacking: Vec<Feature> = used.intersection(missing).copied().collect();
            if lacking.is_empty() {
                continue;
            }
            if missing.contains(&conntrack(family)) {
                table.helpers.clear();
            }
            let mut n_removed = 0;
            for chain in &mut table.chains {
                let Some(known) = self.chains.get_mut(&key(chain)) else { continue };
                let (whole, used) = (&known.chain, &known.used);
                let left = known.reduced.get_or_insert_with(|| reduced_chain(family, whole, used, missing));
                n_removed += chain.rules.len() - left.rules.len();
                *chain = left.clone();
            }
            reduced.losses.push(format!(
                "THIS BUILD DOES NOT PROTECT: {n_removed} rules of table {} {} are left out, because this kernel lacks {}",
                table.family.as_str(),
                table.name,
                list(&lacking)
            ));
        }
    }
}

/// A chain without rules that need something missing, and without answers; itself if it has none of these.
#[cfg(feature = "lab")]
fn reduced_chain(
    family: TableFamily,
    chain: &Arc<Chain>,
    used: &BTreeSet<Feature>,
    missing: &BTreeSet<Feature>,
) -> Arc<Chain> {
    if used.is_disjoint(missing) {
        return chain.clone();
    }
    let mut left = Chain::clone(chain);
    if missing.contains(&Feature::BridgeReject) {
        let statements = left.rules.iter_mut().flat_map(|rule| &mut rule.statements);
        for statement in statements.filter(|statement| matches!(statement, Statement::Reject(_))) {
            *statement = Statement::Verdict(Verdict::Drop);
        }
    }
    left.rules.retain(|rule| used_by_rule(family, rule).is_disjoint(missing));
    Arc::new(left)
}

/// Takes the other rules out. Chains that lose none stay shared with other generations.
fn retain_rules(table: &mut Table, is_kept: impl Fn(&Rule) -> bool) {
    for chain in table.chains.iter_mut().filter(|chain| !chain.rules.iter().all(&is_kept)) {
        Arc::make_mut(chain).rules.retain(&is_kept);
    }
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
        retain_rules(table, |rule| !rule.statements.iter().any(assigns));
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
        TableFamily::Netdev => {
            "what the host sends or routes to guests is dropped where it should be rejected"
        }
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

    use super::{Feature, Memo, reduce, reject_can, used};
    use engine::inputs::{FileContent, HostFacts, Inputs, RejectMode};
    use engine::ruleset::{Ruleset, Table, TableFamily};

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
        let of_bridge = |table: &&Table| table.family == TableFamily::Bridge;
        let tables = ruleset.tables.iter().filter(of_bridge).cloned().collect();
        let bridge = used(&Ruleset { tables });
        assert!(bridge.contains(&Feature::BridgeConntrack) && !bridge.contains(&Feature::InetConntrack));
        assert!(used(&ruleset).is_superset(&[Feature::InetReject, Feature::Helper("ftp")].into()));
    }

    #[test]
    fn without_answers_bridges_drop_and_stay_protected() {
        let ruleset = ruleset();
        let reduced = reduce(&ruleset, &[Feature::BridgeReject].into());
        assert_eq!(reduced.ruleset.tables.len(), ruleset.tables.len());
        assert!(reduced.losses[0].contains("dropped where they should be rejected"), "{:?}", reduced.losses);
        let bridge = reduced.ruleset.tables.iter().find(|table| table.family == TableFamily::Bridge);
        let text = engine::render::text(&Ruleset { tables: bridge.cloned().into_iter().collect() });
        assert!(!text.contains("reject with") && text.contains("chain do-reject"));
    }

    #[test]
    fn a_mode_falls_back_to_the_next_weaker_one() {
        let can = |missing: &[Feature]| reject_can(&missing.iter().copied().collect());
        for (missing, divert, fwbr) in [
            (&[][..], RejectMode::Divert, RejectMode::Fwbr),
            (&[Feature::NetdevForward], RejectMode::Prerouting, RejectMode::Fwbr),
            (&[Feature::NetdevEgress], RejectMode::Prerouting, RejectMode::Fwbr),
            (&[Feature::BridgeReject], RejectMode::Drop, RejectMode::Drop),
        ] {
            assert_eq!(RejectMode::Divert.on(can(missing)), divert, "{missing:?}");
            assert_eq!(RejectMode::Fwbr.on(can(missing)), fwbr, "{missing:?}");
            assert_eq!(RejectMode::Drop.on(can(missing)), RejectMode::Drop);
        }
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
    fn what_is_known_of_chains_changes_nothing() {
        let (mut memo, ruleset) = (Memo::default(), ruleset());
        let lacks = [BTreeSet::new(), [Feature::BridgeMeta].into(), [Feature::Helper("ftp")].into()];
        for missing in lacks.iter().chain(&lacks) {
            assert_eq!(memo.reduce(&ruleset, missing), reduce(&ruleset, missing));
            assert_eq!(memo.used(&ruleset), used(&ruleset));
        }
    }

    #[test]
    fn a_missing_helper_costs_itself_alone() {
        let reduced = reduce(&ruleset(), &[Feature::Helper("ftp")].into());
        assert_eq!(reduced.ruleset.tables.len(), 2);
        assert!(!used(&reduced.ruleset).contains(&Feature::Helper("ftp")));
        assert!(engine::ruleset::check::check(&reduced.ruleset).is_ok());
    }
}
