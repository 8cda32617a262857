//! Conditions on the protocol that a bridge rule needs written out.
//!
//! A field implies its protocol. For `ip`, `ip6`, `tcp` and the like nft generates that condition from the
//! packet's protocol (`meta protocol`); for `arp`, `icmp`, `icmpv6` and `frag` in the bridge family it generates it
//! from the EtherType of the frame (seen with `nft --debug=netlink`, 1.0.6), which is 0x8100 where the frame
//! bears a VLAN tag: a tagged router advertisement would pass a rule that drops router advertisements. Where the
//! rule says `meta protocol` itself, nft takes that. Listings leave it out again.
//!
//! Where a look-up stands before an address the condition is written out too, before the look-up, which then costs
//! packets of the other family nothing.

use super::{Field, Header, Op, Statement, TableFamily, Value, build};

/// The condition to write out, and before which statement.
pub fn condition(family: TableFamily, statements: &[Statement]) -> Option<(usize, Statement)> {
    match family {
        TableFamily::Inet | TableFamily::Netdev => None,
        TableFamily::Bridge => {
            bridge_protocol(statements).map(|(at, number)| (at, build::is(Field::Protocol, number)))
        }
    }
}

/// Where `meta protocol <number>` is missing: before the first field that needs it.
fn bridge_protocol(statements: &[Statement]) -> Option<(usize, u128)> {
    let mut look_up = None;
    for (index, statement) in statements.iter().enumerate() {
        for field in statement.fields() {
            match needs(*field) {
                Need::Established(number) => return look_up.map(|index| (index, number)),
                Need::Protocol(number) => return Some((index, number)),
                Need::Nothing => {}
            }
        }
        if matches!(statement, Statement::Lookup { .. }) {
            look_up.get_or_insert(index);
        }
        if let Statement::Compare(compare) = statement
            && compare.field == Field::Protocol
            && compare.op == Op::Eq
            && matches!(compare.value, Value::Number(_))
        {
            return None;
        }
    }
    None
}

enum Need {
    /// nft asks `meta protocol` for this number by itself, right before the field.
    Established(u128),
    /// nft would ask the EtherType.
    Protocol(u128),
    Nothing,
}

fn needs(field: Field) -> Need {
    match field.header() {
        Header::Arp => Need::Protocol(0x0806),
        Header::Icmp => Need::Protocol(0x0800),
        Header::Icmpv6 | Header::Fragment => Need::Protocol(0x86dd),
        Header::Ip => Need::Established(0x0800),
        Header::Ip6 => Need::Established(0x86dd),
        Header::Meta
        | Header::BridgeMeta
        | Header::Ct
        | Header::Fib
        | Header::Ether
        | Header::Vlan
        | Header::Tcp
        | Header::Udp
        | Header::Udplite
        | Header::Dccp
        | Header::Sctp
        | Header::Raw => Need::Nothing,
    }
}
