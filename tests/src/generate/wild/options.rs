//! `[OPTIONS]` of every scope: each option that there is, most of the time not.

use super::{Scope, Wild, pool};

const BOOL: &[&str] = &["0", "1", "1", "yes", "off", "True"];
const POLICY: &[&str] = &["ACCEPT", "DROP", "REJECT", "accept"];
const NUMBER: &[&str] = &["1", "30", "200", "7875", "32768", "262144", "2147483647"];
const BAD: &[&str] =
    &["2", "", "-1", "maybe", "99999999999999999999", "1 # one", "ALLOW", "\u{661}", "DROP,"];

/// An option and its good values.
type Option_ = (&'static str, &'static [&'static str]);

const CLUSTER: &[Option_] = &[
    ("policy_in", POLICY),
    ("policy_out", POLICY),
    ("policy_forward", POLICY),
    ("ebtables", BOOL),
    (
        "log_ratelimit",
        &["enable=1,rate=1/second,burst=5", "0", "1,rate=10/minute", "enable=yes,burst=0", "rate=3"],
    ),
];

const HOST: &[Option_] = &[
    ("enable", &["1", "1", "1", "1", "0"]),
    ("nftables", BOOL),
    ("log_level_in", pool::LEVELS),
    ("log_level_out", pool::LEVELS),
    ("log_level_forward", pool::LEVELS),
    ("smurf_log_level", pool::LEVELS),
    ("tcp_flags_log_level", pool::LEVELS),
    ("nosmurfs", BOOL),
    ("tcpflags", BOOL),
    ("ndp", BOOL),
    ("nf_conntrack_allow_invalid", BOOL),
    ("nf_conntrack_helpers", &["ftp", "ftp,sip,tftp", "", "FTP", "amanda,irc,netbios-ns,pptp,sane,snmp"]),
    ("nf_conntrack_max", NUMBER),
    ("nf_conntrack_tcp_timeout_established", NUMBER),
    ("nf_conntrack_tcp_timeout_syn_recv", NUMBER),
    ("protection_synflood", BOOL),
    ("protection_synflood_rate", NUMBER),
    ("protection_synflood_burst", NUMBER),
    ("log_nf_conntrack", BOOL),
    ("protection_limit", BOOL),
];

const GUEST: &[Option_] = &[
    ("policy_in", POLICY),
    ("policy_out", POLICY),
    ("log_level_in", pool::LEVELS),
    ("log_level_out", pool::LEVELS),
    ("dhcp", BOOL),
    ("ndp", BOOL),
    ("radv", BOOL),
    ("macfilter", BOOL),
    ("ipfilter", BOOL),
    ("ips", BOOL),
    ("ips_queues", &["0", "0:3"]),
    ("layer2_protocols", &["ARP", "ARP,802_1Q", "88cc", "0x8137,LLDP", "IPv6,8864"]),
];

const VNET: &[Option_] = &[("policy_forward", POLICY), ("log_level_forward", pool::LEVELS)];

/// The section; most scopes are on.
pub(super) fn section(wild: &mut Wild, scope: Scope) -> String {
    let (known, enable): (&[Option_], _) = match scope {
        Scope::Cluster => {
            (CLUSTER, Some(wild.draw.weighted(&[(30, "1"), (1, "0"), (1, "1700000000"), (1, "yes")])))
        }
        Scope::Host | Scope::Group => (HOST, None),
        Scope::Guest(_) => (GUEST, Some(wild.draw.weighted(&[(12, "1"), (1, "0"), (1, "on")]))),
        Scope::Vnet => (VNET, Some(wild.draw.weighted(&[(6, "1"), (1, "0"), (1, "7")]))),
    };
    let mut text = wild.value(&["[OPTIONS]\n", "[options]\n"], &["[OPTIONS]\n[OPTIONS]\n"]).to_owned();
    if let Some(value) = enable {
        text.push_str(&format!("enable: {value}\n"));
    }
    let share = wild.draw.pick(&[10, 30, 70]);
    for (name, good) in known {
        if wild.chance(share) {
            let value = wild.value(good, BAD);
            let colon = wild.value(&[": ", ":", " : "], &[" ", "="]);
            text.push_str(&format!("{name}{colon}{value}\n"));
        }
    }
    if wild.chance(wild.noise) {
        text.push_str(wild.draw.pick(&[
            "enabel: 1\n",
            "policy_in DROP\n",
            ": 1\n",
            "enable: 0\n",
            "ENABLE: 1\n",
        ]));
    }
    text
}
