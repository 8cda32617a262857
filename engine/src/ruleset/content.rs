//! When two objects are the same to the kernel: their origins do not count, because the kernel holds none.

use super::{Chain, Element, HelperObject, Rule, Ruleset, Set, SetKind, Table};

impl Rule {
    /// Same id, same statements: such a rule keeps its kernel object, and with it its counter.
    pub fn is_same(&self, other: &Rule) -> bool {
        self.id == other.id && self.statements == other.statements
    }
}

impl Element {
    /// Same key, same data.
    pub fn is_same(&self, other: &Element) -> bool {
        self.key == other.key && self.data == other.data
    }
}

impl HelperObject {
    /// Same name, same definition.
    pub fn is_same(&self, other: &HelperObject) -> bool {
        let definition =
            |object: &HelperObject| (object.name.clone(), object.helper, object.protocol, object.family);
        definition(self) == definition(other)
    }
}

impl Set {
    /// Same name, type and flags, whatever its elements: the kernel changes none of these later.
    pub fn is_same_definition(&self, other: &Set) -> bool {
        self.name == other.name
            && self.key == other.key
            && self.kind == other.kind
            && self.interval == other.interval
    }

    /// Same definition, same elements. What packets fill counts by its definition alone.
    pub fn is_same(&self, other: &Set) -> bool {
        let is_dynamic = matches!(self.kind, SetKind::Dynamic { .. });
        self.is_same_definition(other)
            && (is_dynamic || all_same(&self.elements, &other.elements, Element::is_same))
    }
}

impl Chain {
    /// Same name and hook, whatever its rules: the kernel changes neither later.
    pub fn is_same_definition(&self, other: &Chain) -> bool {
        self.name == other.name && self.base == other.base
    }

    /// Same definition, same rules in the same order.
    pub fn is_same(&self, other: &Chain) -> bool {
        self.is_same_definition(other) && all_same(&self.rules, &other.rules, Rule::is_same)
    }
}

impl Table {
    /// Same family and name.
    pub fn is_same_definition(&self, other: &Table) -> bool {
        self.family == other.family && self.name == other.name
    }

    /// Same objects under the same names. Their order means nothing: they are found by name.
    pub fn is_same(&self, other: &Table) -> bool {
        self.is_same_definition(other)
            && all_same(
                &sorted(&self.helpers, |helper| &*helper.name),
                &sorted(&other.helpers, |helper| &*helper.name),
                |a, b| a.is_same(b),
            )
            && all_same(
                &sorted(&self.sets, |set| &*set.name),
                &sorted(&other.sets, |set| &*set.name),
                |a, b| a.is_same(b),
            )
            && all_same(
                &sorted(&self.chains, |chain| &*chain.name),
                &sorted(&other.chains, |chain| &*chain.name),
                |a, b| a.is_same(b),
            )
    }
}

impl Ruleset {
    /// Same tables, whatever their order.
    pub fn is_same(&self, other: &Ruleset) -> bool {
        let is_in_other =
            |table: &Table| other.table(table.family, &table.name).is_some_and(|other| table.is_same(other));
        self.tables.len() == other.tables.len() && self.tables.iter().all(is_in_other)
    }
}

fn sorted<T>(objects: &[T], name: impl Fn(&T) -> &str) -> Vec<&T> {
    let mut sorted: Vec<&T> = objects.iter().collect();
    sorted.sort_by(|a, b| name(a).cmp(name(b)));
    sorted
}

fn all_same<T>(a: &[T], b: &[T], is_same: impl Fn(&T, &T) -> bool) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
}
