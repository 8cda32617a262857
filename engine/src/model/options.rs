//! The options of each scope, with their defaults beside the fields.

use super::Setting;
use super::rule::Action;
use crate::span::Spanned;

/// Level of a log statement; its number stands in the log prefix (syslog severities).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogLevel {
    /// 0
    Emerg,
    /// 1
    Alert,
    /// 2
    Crit,
    /// 3
    Err,
    /// 4
    Warning,
    /// 5
    Notice,
    /// 6
    Info,
    /// 7
    Debug,
}

impl LogLevel {
    /// Words of the configuration; `nolog` and the empty value are no level at all.
    pub const WORDS: [(&'static str, LogLevel); 9] = [
        ("emerg", LogLevel::Emerg),
        ("alert", LogLevel::Alert),
        ("crit", LogLevel::Crit),
        ("err", LogLevel::Err),
        ("warning", LogLevel::Warning),
        ("warn", LogLevel::Warning),
        ("notice", LogLevel::Notice),
        ("info", LogLevel::Info),
        ("debug", LogLevel::Debug),
    ];

    /// Its number.
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// Unit of a rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RateUnit {
    /// `second`
    Second,
    /// `minute`
    Minute,
    /// `hour`
    Hour,
    /// `day`
    Day,
}

impl RateUnit {
    /// The word of nft(8) and of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            RateUnit::Second => "second",
            RateUnit::Minute => "minute",
            RateUnit::Hour => "hour",
            RateUnit::Day => "day",
        }
    }
}

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate {
    /// Packets per unit, at least 1.
    pub rate: u64,
    /// Unit.
    pub unit: RateUnit,
    /// Packets that may come at once, at least 1.
    pub burst: u32,
}

/// Limit of every log statement where `log_ratelimit` does not say otherwise: 1/second, burst 5.
pub const DEFAULT_LOG_RATE: Rate = Rate { rate: 1, unit: RateUnit::Second, burst: 5 };

/// The datacenter's `enable`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enable {
    /// `0`
    Off,
    /// `1`
    On,
    /// On until 60 s after this Unix time (seconds), then off.
    Until(u64),
}

impl Enable {
    /// Unix time (seconds) at which it is on for the last time, if that comes.
    pub fn until(self) -> Option<u64> {
        match self {
            Enable::Until(time_s) => Some(time_s.saturating_add(60)),
            Enable::Off | Enable::On => None,
        }
    }
}

/// `[OPTIONS]` of `cluster.fw`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatacenterOptions {
    /// Master switch; default off.
    pub enable: Setting<Enable>,
    /// Towards hosts; default DROP.
    pub policy_in: Setting<Action>,
    /// From hosts; default ACCEPT.
    pub policy_out: Setting<Action>,
    /// Routed through hosts; default ACCEPT.
    pub policy_forward: Setting<Action>,
    /// ARP and layer-2 protocol filters of guests; default on.
    pub ebtables: Setting<bool>,
    /// Limit of each log statement; `None`: no limit.
    pub log_ratelimit: Setting<Option<Rate>>,
}

impl Default for DatacenterOptions {
    fn default() -> Self {
        DatacenterOptions {
            enable: Setting::default_of(Enable::Off),
            policy_in: Setting::default_of(Action::Drop),
            policy_out: Setting::default_of(Action::Accept),
            policy_forward: Setting::default_of(Action::Accept),
            ebtables: Setting::default_of(true),
            log_ratelimit: Setting::default_of(Some(DEFAULT_LOG_RATE)),
        }
    }
}

/// A conntrack helper: name, protocol and port, families (table `ct_helpers`).
pub use crate::tables::ct_helpers::CtHelper;

/// `[OPTIONS]` of `host.fw`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostOptions {
    /// Host input and output; default on.
    pub enable: Setting<bool>,
    /// Which firewall works on this node; default off (the classic one). Read by the service, not by a plan.
    pub nftables: Setting<bool>,
    /// Log of the input policy and of the blacklist on the host.
    pub log_level_in: Setting<Option<LogLevel>>,
    /// Log of the output policy and of the blacklist on guests.
    pub log_level_out: Setting<Option<LogLevel>>,
    /// Log of the forward policy.
    pub log_level_forward: Setting<Option<LogLevel>>,
    /// Log of `nosmurfs`.
    pub smurf_log_level: Setting<Option<LogLevel>>,
    /// Log of `tcpflags`.
    pub tcp_flags_log_level: Setting<Option<LogLevel>>,
    /// Drop sources that are broadcast or multicast; default on.
    pub nosmurfs: Setting<bool>,
    /// Drop impossible TCP flags; default off.
    pub tcpflags: Setting<bool>,
    /// Neighbour discovery; default on.
    pub ndp: Setting<bool>,
    /// Do not drop conntrack state invalid; default off.
    pub nf_conntrack_allow_invalid: Setting<bool>,
    /// Conntrack helpers; default none.
    pub nf_conntrack_helpers: Setting<Vec<&'static CtHelper>>,
    /// `nf_conntrack_max`, as written.
    pub nf_conntrack_max: Setting<Option<u64>>,
    /// Seconds, as written.
    pub nf_conntrack_tcp_timeout_established: Setting<Option<u64>>,
    /// Seconds, as written.
    pub nf_conntrack_tcp_timeout_syn_recv: Setting<Option<u64>>,
    /// Limit new TCP connections per source; default off.
    pub protection_synflood: Setting<bool>,
    /// Per second; default 200, 0 means the default.
    pub protection_synflood_rate: Setting<u64>,
    /// Default 1000, 0 means the default.
    pub protection_synflood_burst: Setting<u32>,
    /// Have the log daemon log conntrack events; default off.
    pub log_nf_conntrack: Setting<bool>,
}

impl Default for HostOptions {
    fn default() -> Self {
        HostOptions {
            enable: Setting::default_of(true),
            nftables: Setting::default_of(false),
            log_level_in: Setting::default_of(None),
            log_level_out: Setting::default_of(None),
            log_level_forward: Setting::default_of(None),
            smurf_log_level: Setting::default_of(None),
            tcp_flags_log_level: Setting::default_of(None),
            nosmurfs: Setting::default_of(true),
            tcpflags: Setting::default_of(false),
            ndp: Setting::default_of(true),
            nf_conntrack_allow_invalid: Setting::default_of(false),
            nf_conntrack_helpers: Setting::default_of(Vec::new()),
            nf_conntrack_max: Setting::default_of(None),
            nf_conntrack_tcp_timeout_established: Setting::default_of(None),
            nf_conntrack_tcp_timeout_syn_recv: Setting::default_of(None),
            protection_synflood: Setting::default_of(false),
            protection_synflood_rate: Setting::default_of(200),
            protection_synflood_burst: Setting::default_of(1000),
            log_nf_conntrack: Setting::default_of(false),
        }
    }
}

/// `[OPTIONS]` of `<vmid>.fw`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestOptions {
    /// Default off.
    pub enable: Setting<bool>,
    /// Default DROP.
    pub policy_in: Setting<Action>,
    /// Default ACCEPT.
    pub policy_out: Setting<Action>,
    /// Log of the inbound policy.
    pub log_level_in: Setting<Option<LogLevel>>,
    /// Log of the outbound policy.
    pub log_level_out: Setting<Option<LogLevel>>,
    /// DHCP client exchange; default on.
    pub dhcp: Setting<bool>,
    /// Neighbour discovery; default on.
    pub ndp: Setting<bool>,
    /// May send router advertisements; default off.
    pub radv: Setting<bool>,
    /// Drop frames whose source MAC is not the configured one; default on.
    pub macfilter: Setting<bool>,
    /// Source address filter for every device; default off.
    pub ipfilter: Setting<bool>,
    /// EtherTypes that the guest may send besides IPv4 and IPv6; `None`: any.
    pub layer2_protocols: Setting<Option<Vec<u16>>>,
}

impl Default for GuestOptions {
    fn default() -> Self {
        GuestOptions {
            enable: Setting::default_of(false),
            policy_in: Setting::default_of(Action::Drop),
            policy_out: Setting::default_of(Action::Accept),
            log_level_in: Setting::default_of(None),
            log_level_out: Setting::default_of(None),
            dhcp: Setting::default_of(true),
            ndp: Setting::default_of(true),
            radv: Setting::default_of(false),
            macfilter: Setting::default_of(true),
            ipfilter: Setting::default_of(false),
            layer2_protocols: Setting::default_of(None),
        }
    }
}

/// `[OPTIONS]` of `<vnet>.fw`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VnetOptions {
    /// Default off.
    pub enable: Setting<bool>,
    /// Default ACCEPT.
    pub policy_forward: Setting<Action>,
    /// Log of the policy.
    pub log_level_forward: Setting<Option<LogLevel>>,
}

impl Default for VnetOptions {
    fn default() -> Self {
        VnetOptions {
            enable: Setting::default_of(false),
            policy_forward: Setting::default_of(Action::Accept),
            log_level_forward: Setting::default_of(None),
        }
    }
}

/// The node's own settings file, `/etc/pve/nodes/<node>/proxmox-firewall.cfg`. It is ours: PVE drops unknown
/// options from `host.fw` at its next write.
#[derive(Debug, Clone, Default)]
pub struct NodeSettings {
    /// `reject_mode`
    pub reject_mode: Option<Spanned<crate::inputs::RejectMode>>,
    /// `refuse_unprotected`: a guest's device with a firewall joins its bridge only if its rules are enforced, or its
    /// frames dropped until they are. Read by what plugs devices, for it has to know when nobody answers.
    pub refuse_unprotected: Option<Spanned<bool>>,
    /// `strict`: a scope in which a skipped DROP or REJECT opens something keeps its last error-free version.
    pub strict: Option<Spanned<bool>>,
}
