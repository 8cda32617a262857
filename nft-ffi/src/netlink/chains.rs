//! Tables and base chains of everybody, without their rules: who else sees packets, and where.

use super::socket::{Socket, dump_head};
use super::wire::{Attributes, GETCHAIN, GETTABLE, Message, NEWCHAIN, NEWTABLE, message, string, u32_of};
use super::{Family, NetlinkError};

// NFTA_TABLE_NAME, NFTA_CHAIN_, NFTA_HOOK_
const TABLE: u16 = 1;
const NAME: u16 = 3;
const HOOK: u16 = 4;
const POLICY: u16 = 5;
const USE: u16 = 6;
const TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
/// NF_DROP
const DROP: u32 = 0;

/// A base chain in the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseChain {
    /// Its table's family.
    pub family: Family,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// `filter`, `nat` or `route`.
    pub kind: String,
    /// The hook's number in its family (`NF_INET_`, `NF_BR_`).
    pub hook: u32,
    /// Its place among the hook's chains, the lowest first.
    pub priority: i32,
    /// Its policy is drop.
    pub drops: bool,
    /// Rules in it.
    pub n_rules: u32,
}

impl Socket {
    /// The tables of all families.
    pub fn tables(&mut self) -> Result<Vec<(Family, String)>, NetlinkError> {
        let request = message(dump_head(GETTABLE, 0), &[]);
        self.dump(("listing tables", &request), Vec::new, |tables, message| {
            tables.extend(table_of(message));
        })
    }

    /// The base chains of all tables of all families.
    pub fn base_chains(&mut self) -> Result<Vec<BaseChain>, NetlinkError> {
        let request = message(dump_head(GETCHAIN, 0), &[]);
        self.dump(("listing chains", &request), Vec::new, |chains, message| {
            chains.extend(base_chain(message));
        })
    }
}

fn table_of(message: &Message<'_>) -> Option<(Family, String)> {
    let (family, mut attributes) = message.payload().filter(|_| message.kind == NEWTABLE)?;
    let (_, name) = attributes.find(|(kind, _)| *kind == TABLE)?;
    Some((Family(family), string(name)))
}

/// `None`: it is no base chain.
fn base_chain(message: &Message<'_>) -> Option<BaseChain> {
    let (family, attributes) = message.payload().filter(|_| message.kind == NEWCHAIN)?;
    let find = |wanted| attributes.into_iter().find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let hook = find(HOOK)?;
    let of_hook =
        |wanted| Attributes(hook).find(|(kind, _)| *kind == wanted).and_then(|(_, value)| u32_of(value));
    Some(BaseChain {
        family: Family(family),
        table: string(find(TABLE)?),
        name: string(find(NAME)?),
        kind: find(TYPE).map(string).unwrap_or_default(),
        hook: of_hook(HOOK_NUMBER)?,
        priority: i32::from_ne_bytes(of_hook(HOOK_PRIORITY)?.to_ne_bytes()),
        drops: find(POLICY).and_then(u32_of) == Some(DROP),
        n_rules: find(USE).and_then(u32_of).unwrap_or(0),
    })
}
