//! Kernel settings that belong to a ruleset.

use crate::model::options::HostOptions;

/// One setting, below `/proc/sys` (or a module parameter below `/sys`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sysctl {
    /// Absolute path.
    pub path: &'static str,
    /// What to write.
    pub value: u64,
}

/// Conntrack entries never fewer than this.
const CONNTRACK_MAX: u64 = 262_144;

/// All settings of a host, in the order in which they are written.
pub(super) fn sysctls(options: &HostOptions) -> Vec<Sysctl> {
    let wanted = options.nf_conntrack_max.value.unwrap_or(CONNTRACK_MAX);
    let conntrack_max = wanted.max(CONNTRACK_MAX).checked_next_multiple_of(8192).unwrap_or(CONNTRACK_MAX);
    let established = options.nf_conntrack_tcp_timeout_established.value.unwrap_or(432_000);
    let syn_recv = options.nf_conntrack_tcp_timeout_syn_recv.value.unwrap_or(60);
    vec![
        // Bridged frames must not run the inet hooks as well.
        Sysctl { path: "/proc/sys/net/bridge/bridge-nf-call-iptables", value: 0 },
        Sysctl { path: "/proc/sys/net/bridge/bridge-nf-call-ip6tables", value: 0 },
        Sysctl { path: "/proc/sys/net/ipv4/tcp_syncookies", value: 1 },
        Sysctl { path: "/sys/module/nf_conntrack/parameters/hashsize", value: conntrack_max / 4 },
        Sysctl { path: "/proc/sys/net/netfilter/nf_conntrack_max", value: conntrack_max },
        Sysctl { path: "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established", value: established },
        Sysctl { path: "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_syn_recv", value: syn_recv },
        // When a connection began: for the log of connections, and to know which ones nobody has judged.
        Sysctl { path: "/proc/sys/net/netfilter/nf_conntrack_timestamp", value: 1 },
    ]
}
