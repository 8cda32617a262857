//! `[OPTIONS]` of each scope, and the node's settings file -> typed options. One table for each scope: the
//! option's name and what its line does.

use std::borrow::Cow;

use super::firewall::Lowering;
use super::names::Names;
use super::shown::Shown;
use super::value::{boolean, integer, log_level};
use crate::diagnostic::{Code, Diagnostic, Place};
use crate::inputs::RejectMode;
use crate::model::Setting;
use crate::model::options::{
    CtHelper, DEFAULT_LOG_RATE, DatacenterOptions, Enable, GuestOptions, HostOptions, LogLevel, NodeSettings,
    Rate, RateUnit, VnetOptions,
};
use crate::model::rule::Action;
use crate::parse::cursor::{RawLine, quoted};
use crate::parse::nearest::nearest;
use crate::span::{Span, Spanned};
use crate::tables::ct_helpers::CT_HELPERS;

/// An option's name, what a line with it does to the options `O`, and what they hold of it, as it would be written.
pub(super) type Known<O> = (&'static str, fn(&mut O, &Given<'_>) -> Outcome, fn(&O) -> Option<String>);

/// `cluster.fw`
pub(super) const DATACENTER: &[Known<DatacenterOptions>] = &[
    ("enable", |o, given| given.set(&mut o.enable, enable), |o| o.enable.shown()),
    ("policy_in", |o, given| given.set(&mut o.policy_in, policy), |o| o.policy_in.shown()),
    ("policy_out", |o, given| given.set(&mut o.policy_out, policy), |o| o.policy_out.shown()),
    ("policy_forward", |o, given| given.set(&mut o.policy_forward, policy), |o| o.policy_forward.shown()),
    ("ebtables", |o, given| given.set(&mut o.ebtables, flag), |o| o.ebtables.shown()),
    ("log_ratelimit", |o, given| given.set(&mut o.log_ratelimit, log_ratelimit), |o| o.log_ratelimit.shown()),
];

/// `host.fw`
pub(super) const HOST: &[Known<HostOptions>] = &[
    ("enable", |o, given| given.set(&mut o.enable, flag), |o| o.enable.shown()),
    ("nftables", |o, given| given.set(&mut o.nftables, flag), |o| o.nftables.shown()),
    ("log_level_in", |o, given| given.set(&mut o.log_level_in, level), |o| o.log_level_in.shown()),
    ("log_level_out", |o, given| given.set(&mut o.log_level_out, level), |o| o.log_level_out.shown()),
    (
        "log_level_forward",
        |o, given| given.set(&mut o.log_level_forward, level),
        |o| o.log_level_forward.shown(),
    ),
    ("smurf_log_level", |o, given| given.set(&mut o.smurf_log_level, level), |o| o.smurf_log_level.shown()),
    (
        "tcp_flags_log_level",
        |o, given| given.set(&mut o.tcp_flags_log_level, level),
        |o| o.tcp_flags_log_level.shown(),
    ),
    ("nosmurfs", |o, given| given.set(&mut o.nosmurfs, flag), |o| o.nosmurfs.shown()),
    ("tcpflags", |o, given| given.set(&mut o.tcpflags, flag), |o| o.tcpflags.shown()),
    ("ndp", |o, given| given.set(&mut o.ndp, flag), |o| o.ndp.shown()),
    (
        "nf_conntrack_allow_invalid",
        |o, given| given.set(&mut o.nf_conntrack_allow_invalid, flag),
        |o| o.nf_conntrack_allow_invalid.shown(),
    ),
    (
        "nf_conntrack_helpers",
        |o, given| helpers(&mut o.nf_conntrack_helpers, given),
        |o| o.nf_conntrack_helpers.shown(),
    ),
    (
        "nf_conntrack_max",
        |o, given| given.set(&mut o.nf_conntrack_max, sysctl),
        |o| o.nf_conntrack_max.shown(),
    ),
    (
        "nf_conntrack_tcp_timeout_established",
        |o, given| given.set(&mut o.nf_conntrack_tcp_timeout_established, sysctl),
        |o| o.nf_conntrack_tcp_timeout_established.shown(),
    ),
    (
        "nf_conntrack_tcp_timeout_syn_recv",
        |o, given| given.set(&mut o.nf_conntrack_tcp_timeout_syn_recv, sysctl),
        |o| o.nf_conntrack_tcp_timeout_syn_recv.shown(),
    ),
    (
        "protection_synflood",
        |o, given| given.set(&mut o.protection_synflood, flag),
        |o| o.protection_synflood.shown(),
    ),
    (
        "protection_synflood_rate",
        |o, given| given.set(&mut o.protection_synflood_rate, |word| Ok(u64::from(count_or(word, 200)?))),
        |o| o.protection_synflood_rate.shown(),
    ),
    (
        "protection_synflood_burst",
        |o, given| given.set(&mut o.protection_synflood_burst, |word| count_or(word, 1000)),
        |o| o.protection_synflood_burst.shown(),
    ),
    ("log_nf_conntrack", |o, given| given.set(&mut o.log_nf_conntrack, flag), |o| o.log_nf_conntrack.shown()),
    ("protection_limit", |_, _| Outcome::NoEffect, |_| None),
];

/// `<vmid>.fw`
pub(super) const GUEST: &[Known<GuestOptions>] = &[
    ("enable", |o, given| given.set(&mut o.enable, flag), |o| o.enable.shown()),
    ("policy_in", |o, given| given.set(&mut o.policy_in, policy), |o| o.policy_in.shown()),
    ("policy_out", |o, given| given.set(&mut o.policy_out, policy), |o| o.policy_out.shown()),
    ("policy_forward", |_, _| Outcome::NoEffect, |_| None),
    ("log_level_in", |o, given| given.set(&mut o.log_level_in, level), |o| o.log_level_in.shown()),
    ("log_level_out", |o, given| given.set(&mut o.log_level_out, level), |o| o.log_level_out.shown()),
    ("dhcp", |o, given| given.set(&mut o.dhcp, flag), |o| o.dhcp.shown()),
    ("ndp", |o, given| given.set(&mut o.ndp, flag), |o| o.ndp.shown()),
    ("radv", |o, given| given.set(&mut o.radv, flag), |o| o.radv.shown()),
    ("macfilter", |o, given| given.set(&mut o.macfilter, flag), |o| o.macfilter.shown()),
    ("ipfilter", |o, given| given.set(&mut o.ipfilter, flag), |o| o.ipfilter.shown()),
    (
        "layer2_protocols",
        |o, given| {
            let names = given.names;
            given.set(&mut o.layer2_protocols, |list| layer2_protocols(list, names))
        },
        |o| o.layer2_protocols.shown(),
    ),
    // Handing packets to an intrusion prevention system needs a queue that no supported one offers.
    ("ips", |_, _| Outcome::NoEffect, |_| None),
    ("ips_queues", |_, _| Outcome::NoEffect, |_| None),
];

/// `<vnet>.fw`
pub(super) const VNET: &[Known<VnetOptions>] = &[
    ("enable", |o, given| given.set(&mut o.enable, nonzero), |o| o.enable.shown()),
    ("policy_forward", |o, given| given.set(&mut o.policy_forward, policy), |o| o.policy_forward.shown()),
    (
        "log_level_forward",
        |o, given| given.set(&mut o.log_level_forward, level),
        |o| o.log_level_forward.shown(),
    ),
];

/// `proxmox-firewall.cfg`
pub(super) const SETTINGS: &[Known<NodeSettings>] = &[
    (
        "refuse_unprotected",
        |o, given| given.put(&mut o.refuse_unprotected, flag),
        |o| o.refuse_unprotected.shown(),
    ),
    ("reject_mode", |o, given| given.put(&mut o.reject_mode, reject_mode), |o| o.reject_mode.shown()),
    ("strict", |o, given| given.put(&mut o.strict, flag), |o| o.strict.shown()),
];

/// What came of an option's line.
pub(super) enum Outcome {
    /// It is set; `Again`: an earlier line had set it.
    Set,
    Again,
    /// As `Set`, without these parts of its list.
    Partly(Vec<String>),
    /// It is known, and does nothing.
    NoEffect,
    /// Its value is not what it takes: this.
    Refused(&'static str),
}

/// A line `key: value`.
pub(super) struct Given<'a> {
    value: Cow<'a, str>,
    line: Span,
    names: &'a Names<'a>,
}

impl Given<'_> {
    fn set<T>(&self, slot: &mut Setting<T>, parse: impl FnOnce(&str) -> Result<T, &'static str>) -> Outcome {
        match parse(&self.value) {
            Err(expected) => Outcome::Refused(expected),
            Ok(value) => match std::mem::replace(slot, Setting { value, at: Some(self.line) }).at {
                None => Outcome::Set,
                Some(_) => Outcome::Again,
            },
        }
    }

    fn put<T>(
        &self,
        slot: &mut Option<Spanned<T>>,
        parse: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Outcome {
        match parse(&self.value) {
            Err(expected) => Outcome::Refused(expected),
            Ok(value) => match slot.replace(Spanned { value, span: self.line }) {
                None => Outcome::Set,
                Some(_) => Outcome::Again,
            },
        }
    }
}

/// Applies one line to `options`. Options have no comments: `#` belongs to the value.
pub(super) fn lower<O>(options: &mut O, known: &[Known<O>], line: RawLine<'_>, lowering: &mut Lowering<'_>) {
    let Lowering { names, diagnostics } = lowering;
    let (key, value) = line.split_at(b':');
    let key = key.trimmed();
    let (Some(name), Some(value)) = (key.text().filter(|name| !name.str.is_empty()), value) else {
        let message = format!("{} is no option", quoted(line.bytes));
        diagnostics.push(
            Diagnostic::new(Code::OptionMalformed, Place::Span(line.span()), message, "line is skipped")
                .help("write `name: value`"),
        );
        return;
    };
    let Some((name, apply, _)) = known.iter().find(|(known, ..)| name.is(known)) else {
        let message = format!("{} is no option of this file", quoted(key.bytes));
        let unknown = name.remark(Code::OptionUnknown, message, "line is skipped");
        diagnostics.push(match nearest(name.str, known.iter().map(|(known, ..)| *known)) {
            Some(near) => unknown.help(format!("did you mean `{near}`?")),
            None => unknown,
        });
        return;
    };
    let value = value.trimmed();
    let at = if value.bytes.is_empty() { line } else { value };
    let remark = |code, message: String, consequence| {
        Diagnostic::new(code, Place::Span(at.span()), message, consequence)
    };
    let given = Given { value: String::from_utf8_lossy(value.bytes), line: line.span(), names };
    match apply(options, &given) {
        Outcome::Set => {}
        Outcome::Again => diagnostics.push(Diagnostic::new(
            Code::OptionRepeated,
            Place::Span(key.span()),
            format!("option `{name}` is given again"),
            "its last value counts",
        )),
        Outcome::Partly(lost) => diagnostics.extend(lost.into_iter().map(|word| {
            remark(Code::OptionValue, format!("{word} is nothing that `{name}` takes"), "it is left out")
        })),
        Outcome::NoEffect => diagnostics.push(Diagnostic::new(
            Code::OptionNoEffect,
            Place::Span(key.span()),
            format!("option `{name}` does nothing here"),
            "it is ignored",
        )),
        Outcome::Refused(expected) => {
            let message = format!("option `{name}` cannot be {}", quoted(value.bytes));
            let refused =
                remark(Code::OptionValue, message, "line is skipped: an earlier value or the default holds");
            let comment = value.bytes.contains(&b'#');
            diagnostics.push(refused.help(if comment {
                "put the comment on a line of its own"
            } else {
                expected
            }));
        }
    }
}

/// What an option takes and holds if no line sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its name.
    pub name: &'static str,
    /// Its default, as it would be written; `None`: nothing.
    pub default: Option<String>,
    /// What may be written, for people; `None`: anything.
    pub takes: Option<&'static str>,
    /// It is known, and does nothing.
    pub no_effect: bool,
}

/// The options of a file, in the order of its table.
pub(super) fn describe<O: Default>(known: &[Known<O>]) -> Vec<Described> {
    let files = crate::inputs::Files::new();
    let names = Names::new(&files);
    let line = Span { file: crate::span::FileId(0), start: 0, end: 0 };
    let described = |(name, apply, shown): &Known<O>| {
        // No option takes this: what it would take is what it complains with.
        let given = Given { value: Cow::Borrowed("\0"), line, names: &names };
        let outcome = apply(&mut O::default(), &given);
        let no_effect = matches!(outcome, Outcome::NoEffect);
        let takes = match outcome {
            Outcome::Refused(expected) => Some(expected),
            Outcome::Set | Outcome::Again | Outcome::Partly(_) | Outcome::NoEffect => None,
        };
        Described { name, default: shown(&O::default()), takes, no_effect }
    };
    known.iter().map(described).collect()
}

fn flag(word: &str) -> Result<bool, &'static str> {
    boolean(word).ok_or("write `0` or `1`")
}

/// A boolean, or a number whose zero is off.
fn nonzero(word: &str) -> Result<bool, &'static str> {
    boolean(word).or_else(|| integer(word, u64::MAX).map(|number| number != 0)).ok_or("write `0` or `1`")
}

/// `0`, `1`, or the Unix time up to which the firewall is on (and 60 s longer).
fn enable(word: &str) -> Result<Enable, &'static str> {
    // Up to the largest signed number: 60 s more still fit.
    let number = boolean(word).map(u64::from).or_else(|| integer(word, u64::MAX >> 1));
    match number.ok_or("write `0` or `1`")? {
        0 => Ok(Enable::Off),
        1 => Ok(Enable::On),
        until => Ok(Enable::Until(until)),
    }
}

fn policy(word: &str) -> Result<Action, &'static str> {
    [Action::Accept, Action::Drop, Action::Reject]
        .into_iter()
        .find(|action| action.as_str().eq_ignore_ascii_case(word))
        .ok_or("policies are ACCEPT, DROP and REJECT")
}

fn level(word: &str) -> Result<Option<LogLevel>, &'static str> {
    if word.is_empty() {
        return Ok(None);
    }
    log_level(word).ok_or("levels are emerg, alert, crit, err, warning, notice, info, debug and nolog")
}

/// A number that the kernel takes for a sysctl: an `int`.
fn sysctl(word: &str) -> Result<Option<u64>, &'static str> {
    integer(word, 2_147_483_647).map(Some).ok_or("write a number, at most 2147483647")
}

/// A number, or `default` where it is 0.
fn count_or(word: &str, default: u32) -> Result<u32, &'static str> {
    let number = integer(word, u64::from(u32::MAX)).and_then(|number| u32::try_from(number).ok());
    match number.ok_or("write a number, at most 4294967295")? {
        0 => Ok(default),
        number => Ok(number),
    }
}

fn reject_mode(word: &str) -> Result<RejectMode, &'static str> {
    RejectMode::ALL
        .into_iter()
        .find(|mode| mode.as_str().eq_ignore_ascii_case(word))
        .ok_or("modes are `drop`, `prerouting`, `divert` and `fwbr`")
}

/// `[enable=]1,rate=1/second,burst=5`; a key that is given twice counts as given last.
fn log_ratelimit(list: &str) -> Result<Option<Rate>, &'static str> {
    const EXPECTED: &str = "write for example `enable=1,rate=1/second,burst=5`";
    let mut enabled = true;
    let mut limit = DEFAULT_LOG_RATE;
    for element in list.split(',') {
        let (key, value) = element.split_once('=').unwrap_or(("enable", element));
        match key {
            "enable" => enabled = boolean(value).ok_or(EXPECTED)?,
            "rate" => (limit.rate, limit.unit) = rate(value).ok_or(EXPECTED)?,
            "burst" => limit.burst = count_or(value, DEFAULT_LOG_RATE.burst).map_err(|_| EXPECTED)?,
            _ => return Err(EXPECTED),
        }
    }
    Ok(enabled.then_some(limit))
}

/// `N` or `N/unit`; `N` at least 1, without leading zero, within what the kernel can count.
fn rate(value: &str) -> Option<(u64, RateUnit)> {
    let (number, unit) = value.split_once('/').unwrap_or((value, "second"));
    let units = [RateUnit::Second, RateUnit::Minute, RateUnit::Hour, RateUnit::Day];
    let unit = units.into_iter().find(|known| known.as_str() == unit)?;
    if number.starts_with('0') {
        return None;
    }
    Some((integer(number, u64::from(u32::MAX))?, unit))
}

/// Helpers by name; unknown ones are left out.
fn helpers(slot: &mut Setting<Vec<&'static CtHelper>>, given: &Given<'_>) -> Outcome {
    let mut unknown = Vec::new();
    let mut helpers: Vec<&'static CtHelper> = Vec::new();
    let blank = [' ', '\t'];
    for name in given.value.split(',').map(|name| name.trim_matches(blank)) {
        match CT_HELPERS.iter().find(|helper| helper.name.eq_ignore_ascii_case(name)) {
            Some(helper) if !helpers.contains(&helper) => helpers.push(helper),
            Some(_) => {}
            None if given.value.is_empty() => {}
            None => unknown.push(quoted(name.as_bytes())),
        }
    }
    match given.set(slot, |_| Ok(helpers)) {
        Outcome::Set if !unknown.is_empty() => Outcome::Partly(unknown),
        outcome => outcome,
    }
}

/// Names or aliases of `/etc/ethertypes`, or four hexadecimal digits.
fn layer2_protocols(list: &str, names: &Names<'_>) -> Result<Option<Vec<u16>>, &'static str> {
    let hexadecimal = |word: &str| {
        let digits = word.strip_prefix("0x").unwrap_or(word);
        let four = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        four.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
    };
    let protocol = |word| names.ethertype(word).or_else(|| hexadecimal(word));
    let protocols: Option<Vec<u16>> = list.split(',').map(protocol).collect();
    protocols.map(Some).ok_or("write names of /etc/ethertypes or codes such as `0806`, separated by commas")
}
