//! Conditions on the protocol that a bridge rule needs written out.
//!
//! A field implies its protocol. For `ip`, `ip6`, `tcp` and the like nft generates that condition from the
//! packet's protocol (`meta protocol`); for `arp`, `icmp`, `icmpv6` and `frag` in the bridge family it generates it
//! from the EtherType of the frame (seen with `nft --debug=netlink`, 1.0.6), which is 0x8100 where the frame
//! bears a VLAN tag: a tagged router advertisement would pass a rule that drops router advertisements. Where the
//! rule says `meta protocol` itself, nft takes that. Listings leave it out again.

use super::{Field, Op, Statement, TableFamily, Value, build};

/// The condition to write out, and before which statement.
pub fn condition(family: TableFamily, statements: &[Statement]) -> Option<(usize, Statement)> {
    match family {
        TableFamily::Inet => None,
        TableFamily::Bridge => {
            bridge_protocol(statements).map(|(at, number)| (at, build::is(Field::Protocol, number)))
        }
    }
}

/// Where `meta protocol <number>` is missing: before the first field that needs it.
fn bridge_protocol(statements: &[Statement]) -> Option<(usize, u128)> {
    for (index, statement) in statements.iter().enumerate() {
        for field in fields(statement) {
            match needs(*field) {
                Need::Established => return None,
                Need::Protocol(number) => return Some((index, number)),
                Need::Nothing => {}
            }
        }
        if let Statement::Compare(compare) = statement
            && compare.field == Field::Protocol
            && compare.op == Op::Eq
            && matches!(compare.value, Value::Number { .. })
        {
            return None;
        }
    }
    None
}

enum Need {
    /// nft asks `meta protocol` by itself.
    Established,
    /// nft would ask the EtherType.
    Protocol(u128),
    Nothing,
}

fn needs(field: Field) -> Need {
    match field {
        Field::ArpHtype
        | Field::ArpPtype
        | Field::ArpHlen
        | Field::ArpPlen
        | Field::ArpSaddrEther
        | Field::ArpSaddrIp
        | Field::ArpDaddrIp => Need::Protocol(0x0806),
        Field::IcmpType | Field::IcmpCode => Need::Protocol(0x0800),
        Field::Icmpv6Type | Field::Icmpv6Code | Field::FragOff => Need::Protocol(0x86dd),
        Field::IpSaddr
        | Field::IpDaddr
        | Field::IpFragOff
        | Field::Ip6Saddr
        | Field::Ip6Daddr
        | Field::Ip6Hoplimit
        | Field::Ip6Length => Need::Established,
        Field::Iifname
        | Field::Oifname
        | Field::Ibrname
        | Field::Obrname
        | Field::Ibrpvid
        | Field::Protocol
        | Field::Nfproto
        | Field::L4proto
        | Field::Mark
        | Field::CtState
        | Field::CtMark
        | Field::EtherSaddr
        | Field::EtherDaddr
        | Field::EtherType
        | Field::VlanId
        | Field::TcpFlags
        | Field::NdTarget
        | Field::NdOption
        | Field::FibSaddrType
        | Field::FibDaddrType
        | Field::Port(..) => Need::Nothing,
    }
}

fn fields(statement: &Statement) -> &[Field] {
    match statement {
        Statement::Compare(compare) => std::slice::from_ref(&compare.field),
        Statement::Masked { field, .. }
        | Statement::Meter { field, .. }
        | Statement::CtMarkSet { field, .. } => std::slice::from_ref(field),
        Statement::Lookup { key, .. } | Statement::VerdictMap { key, .. } => key,
        Statement::CtState(_)
        | Statement::Limit { .. }
        | Statement::Log(_)
        | Statement::Counter
        | Statement::MarkSet(_)
        | Statement::MarkClear(_)
        | Statement::CtHelper(_)
        | Statement::Notrack
        | Statement::Reject(_)
        | Statement::Verdict(_) => &[],
    }
}
