//! What refers to an object that is replaced: the kernel lets go of it only if nothing does.

use std::collections::BTreeSet;

use crate::ruleset::{Element, ElementData, Rule, Statement, Verdict};

/// Names of objects that are removed and added anew under the same name.
#[derive(Debug, Default)]
pub(super) struct Replaced<'r> {
    pub(super) helpers: BTreeSet<&'r str>,
    pub(super) sets: BTreeSet<&'r str>,
    pub(super) chains: BTreeSet<&'r str>,
}

impl Replaced<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.helpers.is_empty() && self.sets.is_empty() && self.chains.is_empty()
    }

    /// Whether a statement of this rule names one of them.
    pub(super) fn is_named_by_rule(&self, rule: &Rule) -> bool {
        !self.is_empty() && rule.statements.iter().any(|statement| self.is_named_by(statement))
    }

    /// Whether this element leads to one of them.
    pub(super) fn is_named_by_element(&self, element: &Element) -> bool {
        match &element.data {
            ElementData::Verdict(verdict) => self.is_target_of(verdict),
            ElementData::None | ElementData::Mark(_) => false,
        }
    }

    fn is_named_by(&self, statement: &Statement) -> bool {
        match statement {
            Statement::Lookup { set, .. } | Statement::Meter { set, .. } => self.sets.contains(&**set),
            Statement::VerdictMap { map, .. } | Statement::CtMarkSet { map, .. } => {
                self.sets.contains(&**map)
            }
            Statement::CtHelper(name) => self.helpers.contains(&**name),
            Statement::Verdict(verdict) => self.is_target_of(verdict),
            Statement::Compare(_)
            | Statement::Masked { .. }
            | Statement::CtState(_)
            | Statement::Limit { .. }
            | Statement::Log(_)
            | Statement::Counter
            | Statement::MarkSet(_)
            | Statement::MarkClear(_)
            | Statement::Notrack
            | Statement::Forward(_)
            | Statement::Reject(_) => false,
        }
    }

    fn is_target_of(&self, verdict: &Verdict) -> bool {
        match verdict {
            Verdict::Jump(chain) | Verdict::Goto(chain) => self.chains.contains(&**chain),
            Verdict::Accept | Verdict::Drop | Verdict::Return => false,
        }
    }
}
