//! `/etc/pve/.version`: counters of what the whole cluster writes, as far as pmxcfs counts it.

use std::collections::BTreeMap;

/// The counters of one moment.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    by_name: BTreeMap<String, u64>,
}

impl Counters {
    /// Every `"name": number`, wherever it stands: nobody promises the form, and a status value of some node that
    /// broke the JSON around it must not blind us.
    pub(super) fn parse(text: &str) -> Counters {
        let mut by_name = BTreeMap::new();
        let mut parts = text.split('"').skip(1);
        while let Some(name) = parts.next() {
            let Some(rest) = parts.next() else { break };
            let value = rest.trim_start().strip_prefix(':').map(str::trim_start).unwrap_or_default();
            let length = value.bytes().take_while(u8::is_ascii_digit).count();
            if let Ok(value) = value[..length].parse() {
                by_name.insert(name.to_owned(), value);
            }
        }
        Counters { by_name }
    }

    /// There is a counter of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Names whose counter differs from, or is missing in, `earlier`; and the other way round.
    pub(super) fn changed_since<'c>(&'c self, earlier: &'c Counters) -> impl Iterator<Item = &'c str> {
        let differs = |(name, value): &(&String, &u64)| earlier.by_name.get(*name) != Some(value);
        let gone = |name: &&String| !self.by_name.contains_key(*name);
        let changed = self.by_name.iter().filter(differs).map(|(name, _)| name);
        changed.chain(earlier.by_name.keys().filter(gone)).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::Counters;

    #[test]
    fn names_what_changed() {
        let text = |n| {
            format!(
                "{{\n\"starttime\": 5,\n\"clinfo\": 1,\n\"firewall/cluster.fw\": {n},\n\
                 \"kvstore\": {{\n\"a\": {{\n\"tasklist\":{n}}}\n}}\n}}\n"
            )
        };
        let (old, new) = (Counters::parse(&text(1)), Counters::parse(&text(2)));
        assert_eq!(new.changed_since(&old).collect::<Vec<_>>(), ["firewall/cluster.fw", "tasklist"]);
        assert_eq!(new.changed_since(&new).count(), 0);
        assert_eq!(Counters::default().changed_since(&old).count(), 4);
    }

    #[test]
    fn reads_what_can_be_read() {
        let broken = "{\"vmlist\": 7, \"kvstore\": {\"a\": {\"x\": nonsense, \"clinfo\" : 3";
        let none = Counters::default();
        let counters = Counters::parse(broken);
        assert_eq!(counters.changed_since(&none).collect::<Vec<_>>(), ["clinfo", "vmlist"]);
        for text in ["", "\"", "\"a", "\"a\"", "\"a\":", "\"a\":99999999999999999999999"] {
            assert_eq!(Counters::parse(text), none, "{text}");
        }
    }
}
