//! Options of each scope.

use super::{CLUSTER, HOST, check};
use crate::inputs::RejectMode;
use crate::model::options::{Enable, LogLevel, Rate, RateUnit};
use crate::model::rule::Action;

const GUEST: &str = "/etc/pve/firewall/100.fw";

#[test]
fn datacenter() {
    let enable = |line: &str, remarks: &[&str], expected| {
        let config = check(CLUSTER, format!("[OPTIONS]\n{line}\n").as_bytes(), remarks);
        assert_eq!(config.datacenter.options.enable.value, expected, "{line}");
    };
    enable("enable: 1", &[], Enable::On);
    enable("ENABLE :\t01", &[], Enable::On);
    enable("enable:true", &[], Enable::On);
    enable("enable: 1700000000", &[], Enable::Until(1_700_000_000));
    enable("enable: 1 # yes", &["cluster.fw:2 O003"], Enable::Off);
    enable("enable: 1\nenable: 0", &["cluster.fw:3 O004"], Enable::Off);
    enable("enable: 1\nenable: x", &["cluster.fw:3 O003"], Enable::On);
    for bad in ["-1", "+1", "99999999999999999999", "", "1.5"] {
        enable(&format!("enable: {bad}"), &["cluster.fw:2 O003"], Enable::Off);
    }
    enable("nocolon", &["cluster.fw:2 O001"], Enable::Off);
    enable(": 1", &["cluster.fw:2 O001"], Enable::Off);
    enable("policy: 1\ndhcp: 1", &["cluster.fw:2 O002", "cluster.fw:3 O002"], Enable::Off);
    let config = check(
        CLUSTER,
        b"[OPTIONS]\npolicy_in : accept\npolicy_out: DENY\npolicy_forward: REJECT\nebtables: off",
        &["cluster.fw:3 O003"],
    );
    let options = &config.datacenter.options;
    assert_eq!(options.policy_in.value, Action::Accept);
    assert_eq!((options.policy_out.value, options.policy_out.at), (Action::Accept, None));
    assert_eq!(options.policy_forward.value, Action::Reject);
    assert!(!options.ebtables.value);
}

#[test]
fn log_ratelimit() {
    let check = |value: &str, expected: Option<Option<(u64, RateUnit, u32)>>| {
        let remarks: &[&str] = if expected.is_some() { &[] } else { &["cluster.fw:2 O003"] };
        let config = check(CLUSTER, format!("[OPTIONS]\nlog_ratelimit: {value}\n").as_bytes(), remarks);
        let found = config.datacenter.options.log_ratelimit.value;
        let expected = expected.unwrap_or(Some((1, RateUnit::Second, 5)));
        assert_eq!(found, expected.map(|(rate, unit, burst)| Rate { rate, unit, burst }), "{value}");
    };
    check("rate=5/second", Some(Some((5, RateUnit::Second, 5))));
    check("enable=1,rate=5", Some(Some((5, RateUnit::Second, 5))));
    check("1,rate=10/minute,burst=7", Some(Some((10, RateUnit::Minute, 7))));
    check("burst=0,rate=1/day", Some(Some((1, RateUnit::Day, 5))));
    check("rate=1,rate=2/hour", Some(Some((2, RateUnit::Hour, 5))));
    check("0", Some(None));
    check("enable=no,burst=9", Some(None));
    for bad in
        ["1,rate=5/week", "rate=0", "rate=05", "rate=-1", "rate=", "burst=-1", "foo=1", "1, rate=5", ""]
    {
        check(bad, None);
    }
}

#[test]
fn host() {
    let text = b"[OPTIONS]\nlog_level_in: INFO\nlog_level_out:\nsmurf_log_level: warn\ntcpflags: yes\n\
        nf_conntrack_helpers: FTP, tftp,,nosuch\nnf_conntrack_max: 300000\nprotection_synflood_rate: 0\n\
        protection_synflood_burst: 7\nprotection_limit: 5\nnosmurfs: 2\nlog_level_forward: error\n\
        nf_conntrack_tcp_timeout_syn_recv: 99999999999\n";
    let remarks = [
        "host.fw:6 O003",
        "host.fw:6 O003",
        "host.fw:10 O005",
        "host.fw:11 O003",
        "host.fw:12 O003",
        "host.fw:13 O003",
    ];
    let options = check(HOST, text, &remarks).host.options.clone();
    assert_eq!(options.log_level_in.value, Some(LogLevel::Info));
    assert!(options.log_level_out.value.is_none() && options.log_level_out.at.is_some());
    assert_eq!(options.smurf_log_level.value, Some(LogLevel::Warning));
    assert!(options.tcpflags.value && options.nosmurfs.value);
    let helpers: Vec<&str> = options.nf_conntrack_helpers.value.iter().map(|helper| helper.name).collect();
    assert_eq!(helpers, ["ftp", "tftp"]);
    assert_eq!(options.nf_conntrack_max.value, Some(300_000));
    assert_eq!((options.protection_synflood_rate.value, options.protection_synflood_burst.value), (200, 7));
    check(HOST, b"[OPTIONS]\nnf_conntrack_helpers:\n", &[]);
}

#[test]
fn guest_and_vnet() {
    let layer2 = |value: &str, expected: Option<&[u16]>| {
        let remarks: &[&str] = if expected.is_some() { &[] } else { &["100.fw:2 O003"] };
        let text = format!("[OPTIONS]\nlayer2_protocols: {value}\n");
        let mut config = check(GUEST, text.as_bytes(), remarks);
        let guest = config.guests.pop_first().expect("guest 100").1;
        assert_eq!(guest.options.layer2_protocols.value.as_deref(), expected, "{value}");
    };
    layer2("ARP,802_1Q", Some(&[0x0806, 0x8100]));
    layer2("dot1q,86dd,0x88CC", Some(&[0x8100, 0x86dd, 0x88cc]));
    for bad in ["", "ARP,", "nosuch", "806", "0x", "ARP, RARP"] {
        layer2(bad, None);
    }
    let text = b"[OPTIONS]\nenable: on\npolicy_forward: DROP\nips: 1\nips_queues: 0:3\nradv: 1\n";
    let config = check(GUEST, text, &["100.fw:3 O005", "100.fw:4 O005", "100.fw:5 O005"]);
    let options = &config.guests.first_key_value().expect("guest 100").1.options;
    assert!(options.enable.value && options.radv.value && options.dhcp.value);
    let config = check("/etc/pve/sdn/firewall/v.fw", b"[OPTIONS]\nenable: 7\npolicy_forward: DROP\n", &[]);
    let options = &config.vnets.first_key_value().expect("a VNet").1.options;
    assert!(options.enable.value && options.policy_forward.value == Action::Drop);
}

#[test]
fn node_settings() {
    let text = b"refuse_unprotected: on\nreject_mode: drop\nstrict: yes\nstrict: maybe\nfoo: 1\n[OPTIONS]\n";
    let path = "/etc/pve/nodes/node1/proxmox-firewall.cfg";
    let remarks =
        ["proxmox-firewall.cfg:4 O003", "proxmox-firewall.cfg:5 O002", "proxmox-firewall.cfg:6 O001"];
    let settings = check(path, text, &remarks).settings;
    assert_eq!(settings.reject_mode.map(|mode| mode.value), Some(RejectMode::Drop));
    assert_eq!(settings.strict.map(|strict| strict.value), Some(true));
    assert_eq!(settings.refuse_unprotected.map(|refuse| refuse.value), Some(true));
}
