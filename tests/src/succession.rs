//! Rulesets one after the other in one kernel: each by what changed since the last, each then as if it had been loaded
//! alone.

use std::collections::{BTreeMap, BTreeSet};

use engine::diff::{Changes, TableChange, diff};
use engine::ruleset::Ruleset;
use engine::{compile, lift, transaction};
use serde_json::Value as Json;

use crate::Failure;
use crate::generate::{Draw, edit, wild_inputs};
use crate::nft::{Language, Loader, without_ports};

/// Handles of the rules of each chain: `inet x/input` and what the kernel numbered.
type Handles = BTreeMap<String, Vec<u64>>;

/// A ruleset, and what led to it.
pub type Next = (String, Ruleset);

/// What was loaded.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Steps that changed something.
    pub n_steps: usize,
    /// Chains that a step left alone and whose rules are still the same objects.
    pub n_untouched: usize,
}

/// Configuration number `seed` of the generator, then `n_edits` small changes.
pub fn edited(seed: u64, n_edits: usize) -> impl Iterator<Item = Next> {
    let mut draw = Draw::new(seed, "succession", 0);
    let mut inputs = wild_inputs(seed);
    (0..=n_edits).map(move |nth| {
        if nth > 0 {
            edit(&mut draw, &mut inputs);
        }
        (format!("configuration {seed}, edit {nth}"), without_ports(&compile(&inputs).plan.ruleset))
    })
}

/// Loads `first` whole and what follows by its changes; after each step the kernel must hold the new ruleset, and in
/// every chain that did not change the same rules as before.
pub fn load(loader: &mut Loader, mut rulesets: impl Iterator<Item = Next>) -> Result<Tally, Failure> {
    let (_, mut old) = rulesets.next().ok_or("nothing to load")?;
    loader.load(&transaction::full(&old).text, Language::Text)?;
    let mut before = handles(&loader.list()?);
    let mut tally = Tally::default();
    for (name, new) in rulesets {
        let changes = diff(&old, &new);
        let script = transaction::changes(&changes);
        assert_eq!(script.text.lines().count(), script.origins.len(), "{name}: one origin for each line");
        assert_eq!(script.text.is_empty(), changes.is_empty(), "{name}");
        if changes.is_empty() {
            continue;
        }
        if let Err(error) = loader.load(&script.text, Language::Text) {
            return Err(format!("{name}: {error}\n{}", script.text).into());
        }
        let listing = loader.list()?;
        let differences = lift::differences(&new, &lift::ruleset(&listing)?);
        if !differences.is_empty() {
            return Err(format!("{name}:\n{}\n{}", differences.join("\n"), script.text).into());
        }
        let after = handles(&listing);
        tally.n_untouched += untouched(&name, &changes, (&before, &after))?;
        tally.n_steps += 1;
        (old, before) = (new, after);
    }
    Ok(tally)
}

/// How many chains neither changed nor lost a rule of theirs to another of the same text.
fn untouched(
    name: &str,
    changes: &Changes<'_>,
    (before, after): (&Handles, &Handles),
) -> Result<usize, Failure> {
    let touched = touched(changes);
    let alone = before.iter().filter(|(chain, _)| !touched.contains(*chain));
    let mut n_untouched = 0;
    for (chain, held) in alone {
        if after.get(chain) != Some(held) {
            return Err(format!("{name}: rules of {chain} are not what they were").into());
        }
        n_untouched += 1;
    }
    Ok(n_untouched)
}

fn touched(changes: &Changes<'_>) -> BTreeSet<String> {
    let mut touched = BTreeSet::new();
    for change in &changes.tables {
        let (table, chains): (_, Vec<&str>) = match change {
            TableChange::Add(table) | TableChange::Remove(table) => {
                (table, table.chains.iter().map(|chain| &*chain.name).collect())
            }
            TableChange::Edit(edit) => {
                let edited = edit.chain_edits.iter().map(|chain| &*chain.old.name);
                (&edit.old, edited.chain(edit.chains.removed.iter().map(|chain| &*chain.name)).collect())
            }
        };
        let place = |chain: &str| format!("{} {}/{chain}", table.family.as_str(), table.name);
        touched.extend(chains.into_iter().map(place));
    }
    touched
}

fn handles(listing: &Json) -> Handles {
    let mut handles = Handles::new();
    let objects = listing.get("nftables").and_then(Json::as_array).into_iter().flatten();
    for rule in objects.filter_map(|object| object.get("rule")) {
        let word = |member: &str| rule.get(member).and_then(Json::as_str).unwrap_or_default();
        let chain = format!("{} {}/{}", word("family"), word("table"), word("chain"));
        handles.entry(chain).or_default().extend(rule.get("handle").and_then(Json::as_u64));
    }
    handles
}
