//! Tables, chains, conntrack helpers and rules as messages.

use super::message::{Request, Writer};
use super::numbers::{
    APPEND, CREATE, DELCHAIN, DELOBJ, DELRULE, DELTABLE, NEWCHAIN, NEWOBJ, NEWRULE, NEWTABLE, NF_ACCEPT,
    REQUEST, chain, object, rule, table,
};
use super::rule::expressions;
use super::userdata;
use crate::model::address::Family;
use crate::ruleset::{Base, Chain, HelperObject, Hook, Name, Rule, Table, TableFamily};

pub(super) fn add(w: &mut Writer, family: TableFamily, name: &str) {
    w.message(Request { kind: NEWTABLE, flags: REQUEST | CREATE }, family, |w| {
        w.text(table::NAME, name);
        w.u32(table::FLAGS, 0);
    });
}

pub(super) fn delete(w: &mut Writer, family: TableFamily, name: &str) {
    w.message(Request { kind: DELTABLE, flags: REQUEST }, family, |w| w.text(table::NAME, name));
}

pub(super) fn add_helper(w: &mut Writer, table: &Table, helper: &HelperObject) {
    w.message(Request { kind: NEWOBJ, flags: REQUEST | CREATE }, table.family, |w| {
        w.text(object::TABLE, &table.name);
        w.text(object::NAME, &helper.name);
        w.u32(object::TYPE, object::CT_HELPER);
        w.nest(object::DATA, |w| {
            w.text(object::HELPER_NAME, helper.helper);
            // NFPROTO_IPV4, NFPROTO_IPV6
            let family = match helper.family {
                Family::V4 => 2,
                Family::V6 => 10,
            };
            w.u16(object::HELPER_L3PROTO, family);
            w.u8(object::HELPER_L4PROTO, helper.protocol.number());
        });
    });
}

pub(super) fn add_chain(w: &mut Writer, table: &Table, added: &Chain) {
    w.message(Request { kind: NEWCHAIN, flags: REQUEST | CREATE }, table.family, |w| {
        w.text(chain::TABLE, &table.name);
        w.text(chain::NAME, &added.name);
        if let Some(base) = &added.base {
            push_base(w, base);
        }
    });
}

fn push_base(w: &mut Writer, base: &Base) {
    w.nest(chain::HOOK, |w| {
        w.u32(chain::HOOKNUM, hook_number(base.hook));
        w.bytes(chain::PRIORITY, &base.priority.to_be_bytes());
        if let Some(device) = &base.device {
            w.text(chain::DEVICE, &device.name);
        }
    });
    w.bytes(chain::POLICY, &NF_ACCEPT.to_be_bytes());
    w.text(chain::TYPE, "filter");
}

pub(super) fn delete_helper(w: &mut Writer, table: &Table, helper: &HelperObject) {
    w.message(Request { kind: DELOBJ, flags: REQUEST }, table.family, |w| {
        w.text(object::TABLE, &table.name);
        w.text(object::NAME, &helper.name);
        w.u32(object::TYPE, object::CT_HELPER);
    });
}

pub(super) fn delete_chain(w: &mut Writer, table: &Table, deleted: &Chain) {
    w.message(Request { kind: DELCHAIN, flags: REQUEST }, table.family, |w| {
        w.text(chain::TABLE, &table.name);
        w.text(chain::NAME, &deleted.name);
    });
}

/// Where a rule comes to lie in its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Behind all others.
    End,
    /// Right before the rule of this handle.
    Before(u64),
}

pub(super) fn add_rule(w: &mut Writer, table: &Table, chain: &Name, (place, added): (Place, &Rule)) {
    let append = if place == Place::End { APPEND } else { 0 };
    let request = Request { kind: NEWRULE, flags: REQUEST | CREATE | append };
    w.message(request, table.family, |w| {
        w.text(rule::TABLE, &table.name);
        w.text(rule::CHAIN, chain);
        w.nest(rule::EXPRESSIONS, |w| expressions(w, table, &added.statements));
        w.bytes(rule::USERDATA, &userdata::comment(added.id));
        if let Place::Before(handle) = place {
            w.u64(rule::POSITION, handle);
        }
    });
}

pub(super) fn delete_rule(w: &mut Writer, table: &Table, chain: &Name, handle: u64) {
    w.message(Request { kind: DELRULE, flags: REQUEST }, table.family, |w| {
        w.text(rule::TABLE, &table.name);
        w.text(rule::CHAIN, chain);
        w.u64(rule::HANDLE, handle);
    });
}

/// Takes all rules out of a chain.
pub(super) fn flush_chain(w: &mut Writer, table: &Table, chain: &Name) {
    w.message(Request { kind: DELRULE, flags: REQUEST }, table.family, |w| {
        w.text(rule::TABLE, &table.name);
        w.text(rule::CHAIN, chain);
    });
}

/// `NF_INET_` and `NF_BR_` count alike, `NF_NETDEV_` for itself.
fn hook_number(hook: Hook) -> u32 {
    match hook {
        Hook::Prerouting => 0,
        Hook::Input => 1,
        Hook::Forward => 2,
        Hook::Output => 3,
        Hook::Postrouting => 4,
        Hook::Egress => 1,
    }
}
