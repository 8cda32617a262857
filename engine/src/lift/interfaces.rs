//! Interfaces by number: listings tell their names.

use std::sync::Arc;

use crate::ruleset::{Chain, DataType, Device, Element, Ruleset, Set, Statement, Value};

/// Puts the numbers of interfaces where a listing told their names. `index_of` gives the number of a name; a name that
/// it does not know stays, and differs from every number.
pub fn with_indexes(ruleset: &mut Ruleset, index_of: impl Fn(&str) -> Option<u32>) {
    for table in &mut ruleset.tables {
        let by_index = |set: &&mut Arc<Set>| set.key.contains(&DataType::Ifindex);
        for set in table.sets.iter_mut().filter(by_index) {
            let Set { key, elements, .. } = Arc::make_mut(set);
            elements.iter_mut().for_each(|element| number(key, element, &index_of));
        }
        let forwards = |statement: &Statement| matches!(statement, Statement::Forward(_));
        for chain in &mut table.chains {
            let has_device = chain.base.as_ref().is_some_and(|base| base.device.is_some());
            if !has_device && !chain.rules.iter().any(|rule| rule.statements.iter().any(forwards)) {
                continue;
            }
            let Chain { base, rules, .. } = Arc::make_mut(chain);
            let forwarded = |statement| match statement {
                &mut Statement::Forward(ref mut device) => Some(device),
                _ => None,
            };
            let statements = rules.iter_mut().flat_map(|rule| &mut rule.statements);
            let own = base.iter_mut().filter_map(|base| base.device.as_mut());
            for Device { name, index } in statements.filter_map(forwarded).chain(own) {
                *index = index_of(name).unwrap_or(*index);
            }
        }
    }
}

fn number(key: &[DataType], element: &mut Element, index_of: &impl Fn(&str) -> Option<u32>) {
    for (value, data_type) in Arc::make_mut(&mut element.key).iter_mut().zip(key) {
        // The number stands for a device that is gone.
        if let (Value::Name(name), DataType::Ifindex) = (&*value, data_type)
            && let Some(index) = index_of(name).or_else(|| name.parse().ok())
        {
            *value = Value::number(index.into());
        }
    }
}
