//! Log prefixes, exactly as `pvefw-logger` reads them: `:VMID:LEVEL:CHAIN: MESSAGE: `.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};

use siphasher::sip::SipHasher13;

use crate::model::options::{LogLevel, Rate};
use crate::ruleset::{Statement, build};

/// The logger reads at most this many characters of a chain's name.
const CHAIN_MAX: usize = 28;

/// Who logs: chain and guest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Label<'a> {
    /// 0 for host, datacenter and VNets.
    pub(super) vmid: u32,
    /// Chain name as the log shows it.
    pub(super) chain: &'a str,
}

/// `limit rate … log prefix "…" group 0`: the statements that stand before their verdict, in a rule of their own.
pub(super) fn statements(
    label: Label<'_>,
    level: LogLevel,
    message: &str,
    rate: Option<Rate>,
) -> impl Iterator<Item = Statement> {
    let mut prefix = String::with_capacity(64);
    for part in [
        ":",
        &label.vmid.to_string(),
        ":",
        &level.number().to_string(),
        ":",
        &short(label.chain),
        ": ",
        message,
        ": ",
    ] {
        prefix.push_str(part);
    }
    rate.map(build::limit).into_iter().chain([Statement::Log(prefix.into())])
}

/// A name of at most 28 characters: a longer one is cut, and a hash keeps two of them apart.
fn short(chain: &str) -> Cow<'_, str> {
    if chain.len() <= CHAIN_MAX {
        return Cow::Borrowed(chain);
    }
    let mut hasher = SipHasher13::new();
    chain.hash(&mut hasher);
    Cow::Owned(format!("{}~{:06x}", &chain[..CHAIN_MAX - 7], hasher.finish() & 0xff_ffff))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_stay_apart_and_within_the_loggers_limit() {
        let [a, b] =
            ["x", "y"].map(|end| short(&format!("group-a-rather-long-group-name-{end}")).into_owned());
        assert_eq!((a.len(), b.len()), (CHAIN_MAX, CHAIN_MAX));
        assert_ne!(a, b);
    }
}
