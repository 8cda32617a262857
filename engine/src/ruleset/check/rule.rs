//! Rules: does each statement name what exists, with values that fit, in a family that has it?

use super::set::value_problem;
use super::{Illegal, Scope};
use crate::model::port::PortProtocol;
use crate::ruleset::{
    Chain, Compare, DataType, Field, Header, Limit, RejectWith, Rule, Set, SetKind, Statement, TableFamily,
    Value, Verdict,
};

/// Longest log prefix (`NF_LOG_PREFIXLEN` less the final NUL).
const LOG_PREFIX_MAX: usize = 127;

pub(super) fn check_rule(found: &mut Vec<Illegal>, scope: &Scope<'_>, chain: &Chain, rule: &Rule) {
    let mut report = |problem: String| {
        found.push(scope.illegal(&format!("chain {}, rule {}", chain.name, rule.id), problem, rule.origin));
    };
    for (idx, statement) in rule.statements.iter().enumerate() {
        let ends = matches!(statement, Statement::Verdict(_) | Statement::Reject(_) | Statement::Forward(_));
        if ends && idx + 1 < rule.statements.len() {
            report("a statement behind the verdict".to_owned());
        }
        if let Some(problem) = statement_problem(scope, statement) {
            report(problem);
        }
        for field in statement.fields() {
            if let Some(problem) = family_problem(scope.table.family, *field) {
                report(problem);
            }
        }
    }
    if let Some(problem) = protocol_problem(&rule.statements) {
        report(problem);
    }
}

fn statement_problem(scope: &Scope<'_>, statement: &Statement) -> Option<String> {
    match statement {
        Statement::Compare(compare) => compare_problem(compare),
        Statement::Masked { field, op: _, bits } => masked_problem(*field, bits.mask(), bits.value()),
        Statement::CtState(states) => flags_problem(u128::from(*states)),
        Statement::Lookup { key, set, op: _ } => key_problem(scope, key, set, |kind| kind == SetKind::Set),
        Statement::VerdictMap { key, map } => {
            key_problem(scope, key, map, |kind| kind == SetKind::VerdictMap)
        }
        Statement::CtMarkSet { key, map } => key_problem(scope, key, map, |kind| kind == SetKind::MarkMap),
        Statement::Limit { limit, over: _ } => limit_problem(limit),
        Statement::Meter { set, field, prefix, limit } => {
            let too_long = prefix.filter(|len| *len == 0 || *len > field.data_type().bits());
            let too_long = too_long.map(|len| format!("a prefix of {len} bits"));
            let dynamic = |kind| matches!(kind, SetKind::Dynamic { .. });
            too_long.or_else(|| limit_problem(limit)).or_else(|| key_problem(scope, &[*field], set, dynamic))
        }
        Statement::Log(prefix) => log_problem(prefix),
        Statement::CtHelper(name) if !scope.helpers.contains_key(&**name) => {
            Some(format!("there is no ct helper {name}"))
        }
        Statement::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain)) => scope.jump_problem(chain),
        Statement::CtHelper(_)
        | Statement::Counter
        | Statement::MarkSet(_)
        | Statement::MarkClear(_)
        | Statement::Notrack
        | Statement::Forward(_)
        | Statement::Reject(_)
        | Statement::Verdict(Verdict::Accept | Verdict::Drop | Verdict::Return) => None,
    }
}

fn compare_problem(compare: &Compare) -> Option<String> {
    let data_type = compare.field.data_type();
    let is_range = matches!(&compare.value, Value::Number(numbers) if numbers.single().is_none());
    if is_range && matches!(data_type, DataType::CtState | DataType::TcpFlag | DataType::FibAddrType) {
        return Some(format!("an interval of {}", compare.field.as_str()));
    }
    value_problem(data_type, &compare.value)
}

fn masked_problem(field: Field, mask: u128, value: u128) -> Option<String> {
    // nft 1.0.6 writes these, but lists something that it does not read again.
    let shifted = matches!(field, Field::VlanId | Field::FragOff | Field::FibSaddrType | Field::FibDaddrType);
    if shifted || field.data_type() == DataType::Ifname {
        Some(format!("a mask on {}", field.as_str()))
    } else if mask == 0 {
        Some("a mask without bits".to_owned())
    } else if value & !mask != 0 {
        Some("a masked value with bits beyond the mask".to_owned())
    } else {
        value_problem(field.data_type(), &Value::number(mask))
    }
}

fn flags_problem(states: u128) -> Option<String> {
    let named = crate::render::symbols(DataType::CtState).iter().fold(0, |all, (bit, _)| all | bit);
    (states == 0 || states & !named != 0).then(|| format!("ct state {states:#x}"))
}

fn key_problem(
    scope: &Scope<'_>,
    key: &[Field],
    name: &str,
    suits: impl Fn(SetKind) -> bool,
) -> Option<String> {
    let Some(set) = scope.sets.get(name) else { return Some(format!("there is no set or map {name}")) };
    let fits =
        |set: &Set| set.key.len() == key.len() && set.key.iter().zip(key).all(|(t, f)| *t == f.data_type());
    if !suits(set.kind) {
        Some(format!("{name} is of another kind than the statement needs"))
    } else if !fits(set) {
        Some(format!("the key of {name} has other types"))
    } else if key.iter().any(|field| matches!(field, Field::NdTarget | Field::NdOption)) {
        Some("a raw payload is compared, never looked up".to_owned())
    } else {
        None
    }
}

fn limit_problem(limit: &Limit) -> Option<String> {
    (limit.rate == 0 || limit.burst == 0).then(|| "a limit with a rate or burst of 0".to_owned())
}

fn log_problem(prefix: &str) -> Option<String> {
    // `$` begins a variable even inside quotes.
    let forbidden = |c: char| c.is_control() || matches!(c, '"' | '\\' | '$');
    if prefix.is_empty() || prefix.len() > LOG_PREFIX_MAX {
        Some(format!("a log prefix of {} bytes, not 1 to {LOG_PREFIX_MAX}", prefix.len()))
    } else if prefix.contains(forbidden) {
        Some("a log prefix with a character that nft cannot quote".to_owned())
    } else {
        None
    }
}

fn family_problem(family: TableFamily, field: Field) -> Option<String> {
    let header = field.header();
    let bridge_only = matches!(header, Header::BridgeMeta | Header::Vlan | Header::Arp);
    let inet_only = header == Header::Fib;
    let is_wrong = match family {
        TableFamily::Inet => bridge_only,
        TableFamily::Bridge => inet_only,
        // Marks are all that is asked there; the rest is not tried on the oldest kernel.
        TableFamily::Netdev => field != Field::Mark,
    };
    is_wrong.then(|| format!("{} in family {}", field.as_str(), family.as_str()))
}

/// A rule whose fields imply two network or two transport protocols: nft refuses it as conflicting.
fn protocol_problem(statements: &[Statement]) -> Option<String> {
    let implied =
        || statements.iter().flat_map(|s| s.fields().iter().map(|f| implied_by(*f)).chain(rejected(s)));
    two_of(implied().filter_map(|(network, _)| network))
        .or_else(|| two_of(implied().filter_map(|(_, transport)| transport)))
}

fn two_of(mut protocols: impl Iterator<Item = &'static str>) -> Option<String> {
    let first = protocols.next()?;
    protocols.find(|other| *other != first).map(|other| format!("{first} and {other} in one rule"))
}

/// Network and transport protocol that go without saying.
pub(crate) type Implied = (Option<&'static str>, Option<&'static str>);

/// What a field implies, in the words of nft(8).
pub(crate) fn implied_by(field: Field) -> Implied {
    match field.header() {
        Header::Arp => (Some("arp"), None),
        Header::Ip => (Some("ip"), None),
        Header::Ip6 | Header::Fragment => (Some("ip6"), None),
        Header::Icmp => (Some("ip"), Some("icmp")),
        Header::Icmpv6 => (Some("ip6"), Some("icmpv6")),
        Header::Tcp => (None, Some("tcp")),
        Header::Udp => (None, Some("udp")),
        Header::Udplite => (None, Some("udplite")),
        Header::Dccp => (None, Some("dccp")),
        Header::Sctp => (None, Some("sctp")),
        Header::Meta
        | Header::BridgeMeta
        | Header::Ct
        | Header::Fib
        | Header::Ether
        | Header::Vlan
        | Header::Raw => (None, None),
    }
}

/// What an answer implies.
pub(crate) fn rejected(statement: &Statement) -> Option<Implied> {
    match statement {
        Statement::Reject(RejectWith::TcpReset) => Some((None, Some(PortProtocol::Tcp.as_str()))),
        Statement::Reject(RejectWith::HostProhibited) => Some((Some("ip"), None)),
        Statement::Reject(RejectWith::AdminProhibited) => Some((Some("ip6"), None)),
        _ => None,
    }
}
