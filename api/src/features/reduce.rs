//! What of a ruleset a kernel can hold. A chain is looked at once: generations share those that did not change.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use engine::ruleset::{Chain, Name, Rule, Ruleset, Statement, Table, TableFamily, Verdict};
use engine::tables::ct_helpers::CT_HELPERS;

use super::{Feature, used_by_chain, used_by_objects};

/// What is left of a ruleset on a kernel that lacks something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reduced {
    /// What can be loaded.
    pub ruleset: Ruleset,
    /// One line each: what is not there, and what that means. Said first, wherever this is reported.
    pub losses: Vec<String>,
}

/// What a ruleset needs.
pub fn used(ruleset: &Ruleset) -> BTreeSet<Feature> {
    Memo::default().used(ruleset)
}

/// What is left of a ruleset on a kernel that lacks something.
pub fn reduce(ruleset: &Ruleset, missing: &BTreeSet<Feature>) -> Reduced {
    Memo::default().reduce(ruleset, missing)
}

/// What is known of the chains that were looked at last.
#[derive(Debug, Default)]
pub struct Memo {
    /// In the order of the ruleset.
    tables: Vec<KnownTable>,
    /// What their chains were reduced by.
    missing: BTreeSet<Feature>,
}

#[derive(Debug)]
struct KnownTable {
    family: TableFamily,
    name: Name,
    /// In the order of the table.
    chains: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    chain: Arc<Chain>,
    needs: Needs,
    /// What is left of it; itself if it loses nothing.
    left: Left,
}

#[derive(Debug, Clone)]
struct Left {
    chain: Arc<Chain>,
    needs: Needs,
    /// How often it would have answered.
    n_answers: usize,
    /// How many rules the lab build has left out.
    #[cfg(feature = "lab")]
    n_left_out: usize,
}

/// Features, a bit for each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Needs(u64);

fn all_features() -> impl Iterator<Item = Feature> {
    Feature::FIXED.iter().copied().chain(CT_HELPERS.iter().map(|helper| Feature::Helper(helper.name)))
}

impl Needs {
    fn with(self, other: Needs) -> Needs {
        Needs(self.0 | other.0)
    }

    fn features(self) -> BTreeSet<Feature> {
        all_features().enumerate().filter(|(bit, _)| self.0 >> bit & 1 == 1).map(|(_, one)| one).collect()
    }
}

impl FromIterator<Feature> for Needs {
    fn from_iter<I: IntoIterator<Item = Feature>>(features: I) -> Needs {
        let bit = |feature| all_features().position(|one| one == feature).map_or(0, |bit| 1 << bit);
        Needs(features.into_iter().fold(0, |bits, feature| bits | bit(feature)))
    }
}

impl Memo {
    /// What a ruleset needs.
    pub fn used(&mut self, ruleset: &Ruleset) -> BTreeSet<Feature> {
        self.look(ruleset);
        let chains = self.tables.iter().flat_map(|table| &table.chains);
        let mut used = chains.fold(Needs::default(), |all, known| all.with(known.needs)).features();
        used.extend(ruleset.tables.iter().flat_map(used_by_objects));
        used
    }

    /// What is left of a ruleset on a kernel that lacks something.
    pub fn reduce(&mut self, ruleset: &Ruleset, missing: &BTreeSet<Feature>) -> Reduced {
        if self.missing != *missing {
            *self = Memo { missing: missing.clone(), ..Memo::default() };
        }
        self.look(ruleset);
        if missing.is_empty() {
            return Reduced { ruleset: ruleset.clone(), losses: Vec::new() };
        }
        let mut reduced = Reduced::default();
        let (mut helpers, mut n_answers) = (Vec::new(), 0);
        for (table, known) in ruleset.tables.iter().zip(&self.tables) {
            let mut left = Table { chains: known.left().cloned().collect(), ..table.clone() };
            let gone = gone_helpers(table, missing);
            if !gone.is_empty() {
                left.helpers.retain(|object| !gone.contains(&object.name));
                helpers.push(helpers_loss(table, &gone));
            }
            if let Some(left) = known.held(left, missing, &mut reduced.losses) {
                reduced.ruleset.tables.push(left);
                n_answers += known.chains.iter().map(|known| known.left.n_answers).sum::<usize>();
            }
        }
        // What is not protected comes first; bridges that are not filtered at all lack no answers besides.
        reduced.losses.extend(helpers);
        reduced.losses.extend((n_answers > 0).then(answers_loss));
        reduced
    }

    fn look(&mut self, ruleset: &Ruleset) {
        let mut before = std::mem::take(&mut self.tables);
        for table in &ruleset.tables {
            let same = |known: &&mut KnownTable| known.family == table.family && known.name == table.name;
            let known = before.iter_mut().find(same).map(|known| std::mem::take(&mut known.chains));
            let gone = gone_helpers(table, &self.missing);
            let new = |chain: &Arc<Chain>| Known::new(table.family, chain, &gone, &self.missing);
            let chains = looked_at(&table.chains, known.unwrap_or_default(), new);
            self.tables.push(KnownTable { family: table.family, name: table.name.clone(), chains });
        }
    }
}

/// What is known of each chain; `new` looks at those that were not there before.
fn looked_at(chains: &[Arc<Chain>], known: Vec<Known>, new: impl Fn(&Arc<Chain>) -> Known) -> Vec<Known> {
    let mut known = known.into_iter().peekable();
    // By their addresses, which are theirs for as long as they are held here.
    let mut rest: Option<HashMap<*const Chain, Known>> = None;
    let again = |chain: &Arc<Chain>| {
        if rest.is_none() {
            if let Some(same) = known.next_if(|known| Arc::ptr_eq(&known.chain, chain)) {
                return same;
            }
            // Most often a chain has taken the place of another.
            if known.next_if(|known| known.chain.name == chain.name).is_some() {
                return new(chain);
            }
        }
        let rest = rest
            .get_or_insert_with(|| known.by_ref().map(|known| (Arc::as_ptr(&known.chain), known)).collect());
        rest.remove(&Arc::as_ptr(chain)).unwrap_or_else(|| new(chain))
    };
    chains.iter().map(again).collect()
}

impl KnownTable {
    fn left(&self) -> impl Iterator<Item = &Arc<Chain>> {
        self.chains.iter().map(|known| &known.left.chain)
    }

    /// What a table that has lost helpers and answers still needs and the kernel lacks.
    fn lacking(&self, left: &Table, missing: &BTreeSet<Feature>) -> Vec<Feature> {
        let needs = self.chains.iter().fold(Needs::default(), |all, known| all.with(known.left.needs));
        let mut used = needs.features();
        used.extend(used_by_objects(left));
        used.intersection(missing).copied().collect()
    }

    /// Nothing of a table that needs something missing.
    #[cfg(not(feature = "lab"))]
    fn held(&self, left: Table, missing: &BTreeSet<Feature>, losses: &mut Vec<String>) -> Option<Table> {
        let lacking = self.lacking(&left, missing);
        if lacking.is_empty() {
            return Some(left);
        }
        losses.push(table_loss(&left, &lacking));
        None
    }

    /// All but the rules that need something missing: enough to look at and to measure, no protection.
    #[cfg(feature = "lab")]
    fn held(&self, mut left: Table, missing: &BTreeSet<Feature>, losses: &mut Vec<String>) -> Option<Table> {
        let lacking = self.lacking(&left, missing);
        if lacking.is_empty() {
            return Some(left);
        }
        if missing.contains(&super::conntrack(self.family)) {
            left.helpers.clear();
        }
        // Base chains that have lost all their rules cost every frame and do nothing.
        left.chains.retain(|chain| chain.base.is_none() || !chain.rules.is_empty());
        let n_left_out: usize = self.chains.iter().map(|known| known.left.n_left_out).sum();
        losses.push(format!(
            "THIS BUILD DOES NOT PROTECT: {n_left_out} rules of table {} {} are left out, because this kernel lacks {}",
            self.family.as_str(),
            self.name,
            list(&lacking)
        ));
        Some(left)
    }
}

impl Known {
    fn new(
        family: TableFamily,
        chain: &Arc<Chain>,
        gone: &BTreeSet<Name>,
        missing: &BTreeSet<Feature>,
    ) -> Known {
        let needs: Needs = used_by_chain(family, chain).into_iter().collect();
        let lacks = missing.iter().copied().collect::<Needs>().0 & needs.0 != 0;
        let left = match lacks || chain.rules.iter().any(|rule| assigns(rule, gone)) {
            true => left_of(family, chain, gone, missing),
            false => Left {
                chain: chain.clone(),
                needs,
                n_answers: 0,
                #[cfg(feature = "lab")]
                n_left_out: 0,
            },
        };
        Known { chain: chain.clone(), needs, left }
    }
}

/// A chain without what is missing and can be done without. Connections that a helper would have announced meet the rules,
/// which never opens anything; where bridges cannot answer, what would be answered is dropped: no reason to leave guests
/// without a firewall.
fn left_of(
    family: TableFamily,
    chain: &Arc<Chain>,
    gone: &BTreeSet<Name>,
    missing: &BTreeSet<Feature>,
) -> Left {
    let mut left = Chain::clone(chain);
    left.rules.retain(|rule| !assigns(rule, gone));
    let mut n_answers = 0;
    if family == TableFamily::Bridge && missing.contains(&Feature::BridgeReject) {
        let statements = left.rules.iter_mut().flat_map(|rule| &mut rule.statements);
        for statement in statements.filter(|statement| matches!(statement, Statement::Reject(_))) {
            *statement = Statement::Verdict(Verdict::Drop);
            n_answers += 1;
        }
    }
    #[cfg(feature = "lab")]
    let n_left_out = {
        let n_rules = left.rules.len();
        left.rules.retain(|rule| super::used_by_rule(family, rule).is_disjoint(missing));
        n_rules - left.rules.len()
    };
    Left {
        needs: used_by_chain(family, &left).into_iter().collect(),
        chain: Arc::new(left),
        n_answers,
        #[cfg(feature = "lab")]
        n_left_out,
    }
}

/// Names of a table's helper objects that the kernel has not.
fn gone_helpers(table: &Table, missing: &BTreeSet<Feature>) -> BTreeSet<Name> {
    let gone = table.helpers.iter().filter(|object| missing.contains(&Feature::Helper(object.helper)));
    gone.map(|object| object.name.clone()).collect()
}

fn assigns(rule: &Rule, helpers: &BTreeSet<Name>) -> bool {
    let is_one = |statement: &Statement| match statement {
        Statement::CtHelper(name) => helpers.contains(name),
        _ => false,
    };
    !helpers.is_empty() && rule.statements.iter().any(is_one)
}

fn helpers_loss(table: &Table, gone: &BTreeSet<Name>) -> String {
    let gone = table.helpers.iter().filter(|object| gone.contains(&object.name));
    let names: BTreeSet<&str> = gone.map(|object| object.helper).collect();
    format!(
        "no conntrack helper {}: this kernel lacks it; connections that it would announce meet the rules",
        names.into_iter().collect::<Vec<_>>().join(", ")
    )
}

fn answers_loss() -> String {
    let lacking = list(&[Feature::BridgeReject]);
    format!("frames on bridges are dropped where they should be rejected: this kernel lacks {lacking}")
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
mod tests;
