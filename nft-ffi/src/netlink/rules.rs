//! Chains and rules that the kernel holds: their handles, in order, and what they have counted.

use super::socket::{Socket, dump_head};
use super::wire::{Attributes, GETCHAIN, GETRULE, Message, NEWCHAIN, NEWRULE, message, string, u64_of};
use super::{Family, NetlinkError};

// NFTA_RULE_, NFTA_EXPR_, NFTA_COUNTER_
const TABLE: u16 = 1;
const CHAIN: u16 = 2;
const HANDLE: u16 = 3;
const EXPRESSIONS: u16 = 4;
const USERDATA: u16 = 7;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const BYTES: u16 = 1;
const PACKETS: u16 = 2;
/// NFTA_CHAIN_NAME; NFTA_CHAIN_TABLE is as in rules.
const CHAIN_NAME: u16 = 3;
/// `NFTNL_UDATA_RULE_COMMENT`
const COMMENT: u8 = 0;

/// A rule in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its chain.
    pub chain: String,
    /// Its number, which is the table's own and never used again.
    pub handle: u64,
    /// Its comment.
    pub comment: Option<String>,
    /// What its first counter has counted.
    pub counter: Option<Counter>,
}

/// What a counter has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Socket {
    /// The rules of a table, or of one of its chains, in order.
    pub fn rules(
        &mut self,
        family: Family,
        table: &str,
        chain: Option<&str>,
    ) -> Result<Vec<Rule>, NetlinkError> {
        let terminated = |name: &str| [name.as_bytes(), b"\0"].concat();
        let (table, chain) = (terminated(table), chain.map(terminated));
        let mut attributes = vec![(TABLE, table.as_slice())];
        attributes.extend(chain.iter().map(|chain| (CHAIN, chain.as_slice())));
        let request = message(dump_head(GETRULE, family.0), &attributes);
        self.dump(("listing rules", &request), Vec::new, |rules, message| {
            rules.extend(rule(message));
        })
    }
}

impl Socket {
    /// The names of a table's chains. A table that is not there has none.
    pub fn chains(&mut self, family: Family, table: &str) -> Result<Vec<String>, NetlinkError> {
        let request = message(dump_head(GETCHAIN, family.0), &[]);
        self.dump(("listing chains", &request), Vec::new, |chains, message| {
            chains.extend(chain_of(message, table));
        })
    }
}

/// The kernel tells the chains of all tables of a family.
fn chain_of(message: &Message<'_>, table: &str) -> Option<String> {
    let (_, attributes) = message.payload().filter(|_| message.kind == NEWCHAIN)?;
    let find = |wanted| attributes.into_iter().find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let is_wanted = find(TABLE).is_some_and(|name| string(name) == table);
    is_wanted.then(|| find(CHAIN_NAME).map(string)).flatten()
}

fn rule(message: &Message<'_>) -> Option<Rule> {
    let (_, attributes) = message.payload().filter(|_| message.kind == NEWRULE)?;
    let find = |wanted| attributes.into_iter().find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    Some(Rule {
        chain: string(find(CHAIN)?),
        handle: u64_of(find(HANDLE)?)?,
        comment: find(USERDATA).and_then(comment),
        counter: find(EXPRESSIONS).and_then(counter),
    })
}

/// The comment in a rule's user data, a sequence of kind, length and value.
fn comment(mut data: &[u8]) -> Option<String> {
    while let [kind, length, rest @ ..] = data {
        let (value, behind) = rest.split_at_checked(usize::from(*length))?;
        if *kind == COMMENT {
            return Some(string(value));
        }
        data = behind;
    }
    None
}

fn counter(expressions: &[u8]) -> Option<Counter> {
    Attributes(expressions).find_map(|(_, expression)| {
        let find = |wanted| Attributes(expression).find(|(kind, _)| *kind == wanted);
        find(EXPRESSION_NAME).filter(|(_, name)| string(name) == "counter")?;
        let (_, data) = find(EXPRESSION_DATA)?;
        let number = |wanted| Attributes(data).find(|(kind, _)| *kind == wanted).and_then(|(_, n)| u64_of(n));
        Some(Counter { packets: number(PACKETS)?, bytes: number(BYTES)? })
    })
}
