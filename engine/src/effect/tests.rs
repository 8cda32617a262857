//! One guest, its devices, and what its rules come to.

use super::{Effect, of_device};
use crate::inputs::{FileContent, HostFacts, Inputs};

const CONF: &str = "net0: virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1\n\
    net1: virtio=BC:24:11:00:00:02,bridge=vmbr0,firewall=1\nnet2: virtio=BC:24:11:00:00:03,bridge=vmbr0\n";

const CLUSTER: &str = "[OPTIONS]\nenable: 1\n[IPSET empty]\n[IPSET some]\n10.0.0.0/8\n\
    [group web]\nIN ACCEPT -p tcp -dport 80\nIN ACCEPT -p tcp -dport 443\n[group through]\nFORWARD DROP\n";

/// A line for each rule of net`index`: `<rule>: <effect>`.
fn effects(cluster: &str, guest: &str, index: u8) -> Vec<String> {
    let files = [
        ("/etc/pve/firewall/cluster.fw", cluster),
        ("/etc/pve/firewall/100.fw", guest),
        ("/etc/pve/nodes/n/qemu-server/100.conf", CONF),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), FileContent::text(text))).into();
    let facts = HostFacts { node: "n".to_owned(), ..HostFacts::default() };
    let compiled = crate::compile(&Inputs { files, facts: facts.into(), ..Inputs::default() });
    let vmid = "100".parse().expect("a VMID");
    let all = of_device(&compiled, vmid, index).expect("the device is there");
    let text = |effect: &Effect| match effect {
        Effect::Enforced => "enforced".to_owned(),
        Effect::Shadowed(_, span) => format!("shadowed by line {}", compiled.sources.position(*span).line),
        Effect::None(why) => format!("nothing: {why}"),
    };
    all.iter()
        .map(|one| {
            let indent = if one.group.is_some() { "  " } else { "" };
            format!("{indent}{}: {}", one.rule.canonical, text(&one.effect))
        })
        .collect()
}

fn check(rules: &str, index: u8, expected: &[&str]) {
    let guest = format!("[OPTIONS]\nenable: 1\n[RULES]\n{rules}");
    assert_eq!(effects(CLUSTER, &guest, index), expected, "{rules}");
}

#[test]
fn an_unconditional_rule_shadows_its_direction() {
    check(
        "IN DROP\nIN ACCEPT -p tcp -dport 22\nOUT ACCEPT -p udp\nIN DROP\n",
        0,
        &[
            "IN DROP: enforced",
            "IN ACCEPT -p tcp -dport 22: shadowed by line 4",
            "OUT ACCEPT -p udp: enforced",
            "IN DROP: shadowed by line 4",
        ],
    );
}

#[test]
fn a_wider_rule_shadows_and_a_narrower_one_does_not() {
    check(
        "IN ACCEPT -source 10.0.0.0/8 -p tcp -dport 20:30\nIN DROP -source +some -p tcp -dport 22,25\n\
         IN DROP -source 10.0.0.0/7 -p tcp -dport 22\nIN DROP -source 10.1.1.1 -p tcp\n\
         IN DROP -source 10.1.1.1 -p udp -dport 22\n",
        0,
        &[
            "IN ACCEPT -source 10.0.0.0/8 -p tcp -dport 20:30: enforced",
            "IN DROP -source +some -p tcp -dport 22,25: shadowed by line 4",
            "IN DROP -source 10.0.0.0/7 -p tcp -dport 22: enforced",
            "IN DROP -source 10.1.1.1 -p tcp: enforced",
            "IN DROP -source 10.1.1.1 -p udp -dport 22: enforced",
        ],
    );
}

#[test]
fn what_does_nothing_says_why() {
    check(
        "|IN ACCEPT -p tcp\nIN ACCEPT -source nobody\nIN ACCEPT -source +empty\nIN ACCEPT -dport 5\n\
         IN ACCEPT -i net1 -p tcp\nGROUP none\nGROUP through\n",
        0,
        &[
            "IN ACCEPT -p tcp: nothing: the rule is switched off",
            "IN ACCEPT -source nobody: nothing: no alias `nobody`",
            "IN ACCEPT -source +empty: nothing: the set that it names is empty",
            "IN ACCEPT -dport 5: nothing: `5` names ports in a rule without `-p`",
            "IN ACCEPT -i net1 -p tcp: nothing: the rule is for `net1`",
            "GROUP none: nothing: no security group `none`",
            "GROUP through: nothing: the group has no rules for guests",
            "  FORWARD DROP: nothing: rules of direction FORWARD do not concern guests",
        ],
    );
}

#[test]
fn a_group_stands_where_it_is_called() {
    check(
        "IN DROP -p tcp -dport 80\nGROUP web\nGROUP web -i net1\n",
        0,
        &[
            "IN DROP -p tcp -dport 80: enforced",
            "GROUP web: enforced",
            "  IN ACCEPT -p tcp -dport 80: shadowed by line 4",
            "  IN ACCEPT -p tcp -dport 443: enforced",
            "GROUP web -i net1: nothing: the rule is for `net1`",
        ],
    );
}

#[test]
fn switches_are_told_from_the_widest_on() {
    let on = "[OPTIONS]\nenable: 1\n[RULES]\nIN DROP\n";
    assert_eq!(effects("", on, 0), ["IN DROP: nothing: the datacenter's firewall is off"]);
    assert_eq!(effects(CLUSTER, "[RULES]\nIN DROP\n", 0), ["IN DROP: nothing: the guest's firewall is off"]);
    assert_eq!(effects(CLUSTER, on, 2), ["IN DROP: nothing: the device has no `firewall=1`"]);
}
