//! Where two rulesets differ, in words.

use std::collections::BTreeMap;

use super::normal;
use crate::render::{element_text, rule_text};
use crate::ruleset::{Base, Chain, ElementData, Ruleset, Set, Table, Value};

/// What `held` lacks, has beyond, or has otherwise than `wanted`. Ignores what [`normal`] levels.
pub fn differences(wanted: &Ruleset, held: &Ruleset) -> Vec<String> {
    let (wanted, held) = (normal(wanted), normal(held));
    let mut out = Differences::default();
    let key = |table: &Table| format!("table {} {}", table.family.as_str(), table.name);
    out.pairs(&wanted.tables, &held.tables, key, |out, place, (wanted, held)| {
        out.inside(place, |out| out.table(wanted, held));
    });
    out.found
}

#[derive(Default)]
struct Differences {
    found: Vec<String>,
    /// `table inet x: `, where the comparison is.
    prefix: String,
}

impl Differences {
    fn add(&mut self, difference: &str) {
        self.found.push(format!("{}{difference}", self.prefix));
    }

    fn inside(&mut self, place: &str, compare: impl FnOnce(&mut Self)) {
        let outer = self.prefix.len();
        self.prefix.push_str(place);
        self.prefix.push_str(": ");
        compare(self);
        self.prefix.truncate(outer);
    }

    /// Compares what has the same name on both sides, and reports the rest.
    fn pairs<T>(
        &mut self,
        wanted: &[T],
        held: &[T],
        name: impl Fn(&T) -> String,
        compare: impl Fn(&mut Self, &str, (&T, &T)),
    ) {
        let mut rest: BTreeMap<String, &T> = held.iter().map(|object| (name(object), object)).collect();
        for object in wanted {
            let name = name(object);
            match rest.remove(&name) {
                Some(held) => compare(self, &name, (object, held)),
                None => self.add(&format!("{name} is missing")),
            }
        }
        for name in rest.keys() {
            self.add(&format!("{name} is not ours"));
        }
    }

    fn table(&mut self, wanted: &Table, held: &Table) {
        self.pairs(
            &wanted.helpers,
            &held.helpers,
            |helper| format!("ct helper {}", helper.name),
            |out, place, (wanted, held)| {
                if wanted != held {
                    out.add(&format!("{place} differs"));
                }
            },
        );
        self.pairs(
            &wanted.sets,
            &held.sets,
            |set| format!("set {}", set.name),
            |out, place, (wanted, held)| out.inside(place, |out| out.set(wanted, held)),
        );
        self.pairs(
            &wanted.chains,
            &held.chains,
            |chain| format!("chain {}", chain.name),
            |out, place, (wanted, held)| out.inside(place, |out| out.chain(wanted, held)),
        );
    }

    fn set(&mut self, wanted: &Set, held: &Set) {
        let head = |set: &Set| (set.key.clone(), set.kind, set.interval);
        if head(wanted) != head(held) {
            return self.add(&format!("wanted {:?}, held {:?}", head(wanted), head(held)));
        }
        let mut rest: BTreeMap<&[Value], &ElementData> =
            held.elements.iter().map(|element| (&*element.key, &element.data)).collect();
        for element in &wanted.elements {
            if rest.remove(&*element.key) != Some(&element.data) {
                self.add(&format!("element `{}` is missing", element_text(&wanted.key, element)));
            }
        }
        for element in held.elements.iter().filter(|element| rest.contains_key(&*element.key)) {
            self.add(&format!("element `{}` is not ours", element_text(&held.key, element)));
        }
    }

    fn chain(&mut self, wanted: &Chain, held: &Chain) {
        if !is_same_base(wanted.base.as_ref(), held.base.as_ref()) {
            self.add(&format!("wanted {:?}, held {:?}", wanted.base, held.base));
        }
        let shared = wanted.rules.len().min(held.rules.len());
        for (idx, (wanted, held)) in wanted.rules.iter().zip(&held.rules).enumerate() {
            if wanted != held {
                let (wanted, held) = (rule_text(wanted), rule_text(held));
                self.add(&format!("rule {}: wanted `{wanted}`, held `{held}`", idx + 1));
            }
        }
        for rule in &wanted.rules[shared..] {
            self.add(&format!("rule `{}` is missing", rule_text(rule)));
        }
        for rule in &held.rules[shared..] {
            self.add(&format!("rule `{}` is not ours", rule_text(rule)));
        }
    }
}

/// A listing may leave out the device: then anything is right.
fn is_same_base(wanted: Option<&Base>, held: Option<&Base>) -> bool {
    match (wanted, held) {
        (Some(wanted), Some(held)) => {
            let is_same_device = held.device.is_none() || held.device == wanted.device;
            (wanted.hook, wanted.priority) == (held.hook, held.priority) && is_same_device
        }
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}
