//! An example of each code that reading can give: the code, the file, its text. The last line has the error.

use super::{CLUSTER, HOST, inputs, read};
use crate::diagnostic::Code;

const GUEST: &str = "/etc/pve/firewall/100.fw";
const VM: &str = "/etc/pve/nodes/node1/qemu-server/100.conf";
const CT: &str = "/etc/pve/nodes/node1/lxc/200.conf";
const A65: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// What later stages say: about names, the host, the ruleset.
const LATER: &[&str] =
    &["S003", "R010", "R025", "R026", "R030", "N003", "H001", "H002", "H003", "opens", "strict"];

/// Said about whole files, by tests of their own.
const FILES: &[&str] = &["L008", "G006"];

const EXAMPLES: &[(&str, &str, &str)] = &[
    ("L001", CLUSTER, "IN ACCEPT"),
    ("L002", CLUSTER, "[OPTION]"),
    ("L003", HOST, "[ALIASES]"),
    ("L004", CLUSTER, "[IPSET 1]"),
    ("L005", CLUSTER, "[IPSET a]\n[IPSET A]"),
    ("L006", CLUSTER, "[RULES]\nIN ACCEPT # \u{fffd}"),
    ("L007", CLUSTER, "\u{feff}[RULES]"),
    ("L009", CLUSTER, "[group abcdefghijklmnopqrs]"),
    ("O001", CLUSTER, "[OPTIONS]\nenable 1"),
    ("O002", CLUSTER, "[OPTIONS]\nenabled: 1"),
    ("O003", CLUSTER, "[OPTIONS]\nenable: 1 # on"),
    ("O004", CLUSTER, "[OPTIONS]\nenable: 1\nenable: 1"),
    ("O005", GUEST, "[OPTIONS]\nips: 1"),
    ("A001", CLUSTER, "[ALIASES]\na"),
    ("A002", CLUSTER, "[ALIASES]\n-a 10.0.0.1"),
    ("A003", CLUSTER, "[ALIASES]\na 10.0.0.256"),
    ("A004", CLUSTER, "[ALIASES]\na 10.0.0.1\na 10.0.0.1"),
    ("S001", CLUSTER, "[IPSET a]\n10.0.0.1 10.0.0.2"),
    ("S002", CLUSTER, "[IPSET a]\n10.0.0.1-10.0.0.2"),
    ("S004", CLUSTER, "[IPSET a]\nfe80::1\nFE80:0::1/128"),
    ("S005", CLUSTER, "[IPSET a]\n::/0"),
    ("R001", CLUSTER, "[RULES]\nIN"),
    ("R002", CLUSTER, "[RULES]\nINPUT ACCEPT"),
    ("R003", GUEST, "[RULES]\nFORWARD ACCEPT"),
    ("R004", CLUSTER, "[RULES]\nIN RETURN"),
    ("R006", CLUSTER, "[RULES]\nIN ACCEPT all"),
    ("R007", CLUSTER, "[RULES]\nIN ACCEPT -log info --log info"),
    ("R008", CLUSTER, "[RULES]\nGROUP a -p tcp"),
    ("R009", CLUSTER, "[RULES]\nGROUP 1"),
    ("R011", CLUSTER, "[group a]\nGROUP b"),
    ("R012", GUEST, "[RULES]\nIN ACCEPT -i eth0"),
    ("R013", CLUSTER, "[group a]\nIN ACCEPT -i eth0"),
    ("R014", CLUSTER, "[RULES]\nIN SSHD(ACCEPT)"),
    ("R015", CLUSTER, "[RULES]\nIN SSH(ACCEPT) -p udp"),
    ("R016", CLUSTER, "[RULES]\nIN ACCEPT -p any"),
    ("R017", CLUSTER, "[RULES]\nIN ACCEPT -sport 22"),
    ("R018", CLUSTER, "[RULES]\nIN ACCEPT -p esp -dport 22"),
    ("R019", CLUSTER, "[RULES]\nIN ACCEPT -p tcp -dport 22-23"),
    ("R020", CLUSTER, "[RULES]\nIN ACCEPT -icmp-type 8"),
    ("R021", CLUSTER, "[RULES]\nIN ACCEPT -p icmp -icmp-type packet-too-big"),
    ("R022", CLUSTER, "[RULES]\nIN ACCEPT -p icmp -icmp-type 8 -dport 8"),
    ("R023", CLUSTER, "[RULES]\nIN ACCEPT -source 10.0.0.1,10.0.0"),
    ("R024", CLUSTER, "[RULES]\nIN ACCEPT -source 10.0.0.1 -dest ::1"),
    ("R027", CLUSTER, "[RULES]\nIN ACCEPT -log 4"),
    ("R029", CLUSTER, "[RULES]\nIN ACCEPT -source \u{f6}"),
    ("G001", CT, "net0: eth0"),
    ("G002", VM, "net32: virtio=BC:24:11:00:00:01"),
    ("G003", VM, "net0: virtio=BC:24:11:00:00:01,colour=blue"),
    ("G004", VM, "net0: virtio,firewall=1"),
    ("G005", CT, "net0: name=eth0,ip=10.0.0.300/24"),
    ("G007", "/etc/pve/.vmlist", r#"{"ids":{"1":{"node":"node1","type":"qemu"}}}"#),
    ("N001", "/etc/pve/sdn/.running-config", r#"{"vnets":{"ids":{"v":{"zone":"gone"}}}}"#),
    ("N002", "/etc/pve/sdn/firewall/a-name-without-bridge.fw", ""),
];

#[test]
fn each_example_gives_its_code_alone() {
    for (id, path, text) in EXAMPLES {
        // A string cannot hold the byte that is wrong; it stands for itself in two.
        let bytes = text.as_bytes().to_vec();
        let bytes = if *id == "L006" { [&bytes[..bytes.len() - 3], b"\xff"].concat() } else { bytes };
        let (_, remarks) = read(&inputs(&[(*path, &bytes)]));
        let file = path.rsplit('/').next().expect("a name");
        let by_line = format!("{file}:{} {id}", text.lines().count());
        let by_file = format!("{file} {id}");
        assert!(remarks == [by_line.as_str()] || remarks == [by_file.as_str()], "{id}: {remarks:?}");
    }
    let (_, remarks) = read(&inputs(&[(CLUSTER, format!("[RULES]\nIN ACCEPT -source {A65}").as_bytes())]));
    assert_eq!(remarks, ["cluster.fw:2 R028"]);
}

#[test]
fn each_code_has_an_example() {
    let known = |id: &str| {
        id == "R028"
            || LATER.contains(&id)
            || FILES.contains(&id)
            || EXAMPLES.iter().any(|(example, _, _)| *example == id)
    };
    let missing: Vec<&str> = Code::ALL.iter().map(|code| code.id()).filter(|id| !known(id)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
