//! What arrives at NFLOG group 0, read as the firewall's logger reads it: the lines of its log file.

use engine::simulate::Packet;
use firewall_tests::Failure;
use firewall_tests::case::{CaseFiles, compile_case};
use firewall_tests::network;
use firewall_tests::wire::{Judge, Lab, Tally, logger, random};

const FILES: [(&str, &str); 5] = [
    (
        "cluster.fw",
        "[OPTIONS]\nenable: 1\n[IPSET blacklist]\n10.66.0.66\n[group gate]\nIN DROP -p tcp -dport 77 -log info\n",
    ),
    (
        "host.fw",
        "[OPTIONS]\nlog_level_in: info\nlog_level_out: notice\n[RULES]\nIN REJECT -p tcp -dport 99 -log err\n\
         OUT DROP -p udp -dport 5001 -log debug\n",
    ),
    (
        "100.fw",
        "[OPTIONS]\nenable: 1\nlog_level_in: warning\n[RULES]\nGROUP gate\nIN ACCEPT -p tcp -dport 80 -log crit\n\
         OUT DROP -p tcp -dport 25 -log alert\nOUT DROP -p icmpv6 -log emerg\n",
    ),
    ("110.fw", "[OPTIONS]\nenable: 1\nlog_level_out: info\npolicy_out: DROP\n"),
    ("vnet1.fw", "[OPTIONS]\nenable: 1\npolicy_forward: DROP\nlog_level_forward: info\n"),
];

/// A packet, and the line that it leaves behind; SEQ and ID tell packets of the tests apart.
const LINES: [(&str, &str); 12] = [
    (
        "outside vm100 tcp 10.66.0.5:40000 > 192.0.2.100:97",
        "100 4 guest-100-in TIME policy DROP: OUT=vmbr0 PHYSOUT=tap100i0 SRC=10.66.0.5 DST=192.0.2.100 LEN=48 TOS=0x00 \
         PREC=0x00 TTL=64 ID=1 PROTO=TCP SPT=40000 DPT=97 SEQ=1342181376 ACK=1342181376 WINDOW=8192 SYN ",
    ),
    (
        "outside vm100 tcp 10.66.0.5:40000 > 192.0.2.100:77",
        "100 6 group-gate-in TIME DROP: OUT=vmbr0 PHYSOUT=tap100i0 SRC=10.66.0.5 DST=192.0.2.100 LEN=48 TOS=0x00 \
         PREC=0x00 TTL=64 ID=2 PROTO=TCP SPT=40000 DPT=77 SEQ=1342185472 ACK=1342185472 WINDOW=8192 SYN ",
    ),
    (
        "outside vm100 tcp [2001:db8:a::50]:40000 > [2001:db8:a::100]:80",
        "100 2 guest-100-in TIME ACCEPT: OUT=vmbr0 PHYSOUT=tap100i0 SRC=2001:db8:a::50 DST=2001:db8:a::100 LEN=28 TC=0 \
         FLOWLBL=655363 HOPLIMIT=64 PROTO=TCP SPT=40000 DPT=80 SEQ=1342189568 ACK=1342189568 WINDOW=8192 SYN ",
    ),
    (
        "vm100 outside tcp 192.0.2.100:51000 > 10.66.0.5:25",
        "100 1 guest-100-out TIME DROP: IN=vmbr0 PHYSIN=tap100i0 MAC=02:00:00:00:00:50:bc:24:11:00:01:00:08:00 \
         SRC=192.0.2.100 DST=10.66.0.5 LEN=48 TOS=0x00 PREC=0x00 TTL=64 ID=4 PROTO=TCP SPT=51000 DPT=25 SEQ=1342193664 \
         ACK=1342193664 WINDOW=8192 SYN ",
    ),
    (
        "vm100 outside icmpv6 2001:db8:a::100 > 2001:db8:a::50",
        "100 0 guest-100-out TIME DROP: IN=vmbr0 PHYSIN=tap100i0 MAC=02:00:00:00:00:50:bc:24:11:00:01:00:86:dd \
         SRC=2001:db8:a::100 DST=2001:db8:a::50 LEN=16 TC=0 FLOWLBL=655365 HOPLIMIT=64 PROTO=ICMPV6 TYPE=128 CODE=0 \
         ID=5 SEQ=1 ",
    ),
    (
        "outside host udp 10.66.0.5:40000 > 192.0.2.1:5000",
        "0 6 cluster-in TIME policy DROP: IN=vmbr0 MAC=02:00:00:00:00:01:02:00:00:00:00:50:08:00 SRC=10.66.0.5 \
         DST=192.0.2.1 LEN=36 TOS=0x00 PREC=0x00 TTL=64 ID=6 PROTO=UDP SPT=40000 DPT=5000 LEN=16",
    ),
    (
        "outside host icmp 10.66.0.5 > 192.0.2.1",
        "0 6 cluster-in TIME policy DROP: IN=vmbr0 MAC=02:00:00:00:00:01:02:00:00:00:00:50:08:00 SRC=10.66.0.5 \
         DST=192.0.2.1 LEN=36 TOS=0x00 PREC=0x00 TTL=64 ID=7 PROTO=ICMP TYPE=8 CODE=0 ID=7 SEQ=1 ",
    ),
    (
        "outside host tcp 10.66.0.5:40000 > 192.0.2.1:99 flags=syn,ecn,cwr",
        "0 3 host-in TIME REJECT: IN=vmbr0 MAC=02:00:00:00:00:01:02:00:00:00:00:50:08:00 SRC=10.66.0.5 DST=192.0.2.1 \
         LEN=48 TOS=0x00 PREC=0x00 TTL=64 ID=8 PROTO=TCP SPT=40000 DPT=99 SEQ=1342210048 ACK=1342210048 WINDOW=8192 SYN ",
    ),
    (
        "outside host udp 10.66.0.66:40000 > 192.0.2.1:5000",
        "0 6 blacklist TIME DROP: IN=vmbr0 MAC=02:00:00:00:00:01:02:00:00:00:00:50:08:00 SRC=10.66.0.66 DST=192.0.2.1 \
         LEN=36 TOS=0x00 PREC=0x00 TTL=64 ID=9 PROTO=UDP SPT=40000 DPT=5000 LEN=16",
    ),
    (
        "host outside udp 192.0.2.1:51000 > 192.0.2.50:5001",
        "0 7 host-out TIME DROP: OUT=vmbr0 SRC=192.0.2.1 DST=192.0.2.50 LEN=36 TOS=0x00 PREC=0x00 TTL=64 ID=10 \
         PROTO=UDP SPT=51000 DPT=5001 LEN=16",
    ),
    (
        "vm110 outside udp 198.51.100.110:51000 > 192.0.2.50:5000",
        "110 6 guest-110-out TIME policy DROP: IN=vmbr1 PHYSIN=tap110i0 MAC=02:00:00:00:00:02:bc:24:11:00:01:10:08:00 \
         SRC=198.51.100.110 DST=192.0.2.50 LEN=36 TOS=0x00 PREC=0x00 TTL=64 ID=11 PROTO=UDP SPT=51000 DPT=5000 LEN=16",
    ),
    // A VNet decides where it may still answer: before the bridge looks for the port.
    (
        "vm400 vm401 udp 203.0.113.40:51000 > 203.0.113.41:5000",
        "0 6 bridge-vnet1 TIME policy DROP: IN=vnet1 PHYSIN=tap400i0 \
         MAC=bc:24:11:00:04:01:bc:24:11:00:04:00:08:00 SRC=203.0.113.40 DST=203.0.113.41 LEN=36 TOS=0x00 PREC=0x00 TTL=64 \
         ID=12 PROTO=UDP SPT=51000 DPT=5000 LEN=16",
    ),
];

#[test]
fn each_message_becomes_its_line() -> Result<(), Failure> {
    let files: CaseFiles =
        FILES.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
    let (inputs, compiled) = compile_case(&files);
    let world = network::world(&inputs.facts, &compiled.config.guests);
    let mut lab = Lab::new(&inputs.facts, &compiled.config.guests)?;
    lab.neighbours(&random::homes())?;
    let parse = |(line, _): &(&str, &str)| line.parse::<Packet>().map_err(|error| format!("{line}: {error}"));
    let packets = LINES.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let mut tally = Tally::default();
    let mut judge = Judge::new(&mut lab, &world, &compiled.plan.ruleset, &compiled.sources)?;
    judge.compare(&packets, &mut tally)?;
    println!("{tally}");
    let found: Vec<String> = judge.messages().map(|logged| logger::line(logged, "TIME")).collect();
    let wanted: Vec<&str> = LINES.iter().map(|(_, line)| *line).collect();
    for (found, wanted) in found.iter().zip(&wanted) {
        println!("{found}");
        if found != wanted {
            println!("WANTED: {wanted}");
        }
    }
    assert!(tally.disagreements.is_empty(), "{}", tally.report());
    assert_eq!(found, wanted);
    Ok(())
}
