//! Start, stop, hand-over to and from the classic firewall, sockets and signs of life of systemd.

use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use firewall_tests::Failure;
use firewall_tests::namespace::run;
use firewall_tests::service::generation;

use super::{CLUSTER, CLUSTER_FW, HOST_FW, clean, host, node, probe};

const FLAG: &str = "/run/proxmox-nftables-firewall-force-disable";

#[test]
fn a_restart_has_no_gap_and_a_stop_leaves_the_tables() -> Result<(), Failure> {
    let node = node()?;
    let mut service = node.start()?;
    let probe = probe()?;
    for _ in 0..3 {
        let handles = node.nft("-s -a list chain inet proxmox-firewall input")?;
        assert_eq!(service.stop()?, Some(0));
        clean(probe.look(), "stopped");
        service = node.start()?;
        clean(probe.look(), "started");
        assert_eq!(node.nft("-s -a list chain inet proxmox-firewall input")?, handles, "counters are kept");
    }
    assert_eq!(service.stop()?, Some(0));
    node.program("flush")?;
    assert!(!node.nft("list ruleset")?.contains("proxmox-firewall"));
    Ok(())
}

#[test]
fn what_is_edited_while_no_service_runs_is_undone() -> Result<(), Failure> {
    let node = node()?;
    let service = node.start()?;
    let before = node.nft("-s list ruleset")?;
    assert_eq!(service.stop()?, Some(0));
    node.nft("insert rule inet proxmox-firewall input accept")?;
    let service = node.start()?;
    service.until("the edit is undone", |_| node.nft("-s list ruleset").is_ok_and(|now| now == before))?;
    // Others' tables are theirs; that they were written is no reason to replace ours.
    assert_eq!(service.stop()?, Some(0));
    let handles = node.nft("-s -a list chain inet proxmox-firewall input")?;
    node.nft("add table inet others")?;
    drop(node.start()?);
    assert_eq!(node.nft("-s -a list chain inet proxmox-firewall input")?, handles);
    Ok(())
}

#[test]
fn the_classic_firewall_is_given_the_node_and_gives_it_back() -> Result<(), Failure> {
    let node = node()?;
    let service = node.start()?;
    let is_held = || Ok::<bool, Failure>(node.nft("list ruleset")?.contains("proxmox-firewall"));
    assert!(is_held()?);
    std::fs::write(FLAG, "")?;
    service.until("the flag is obeyed", |status| status["state"] == "disabled")?;
    assert!(!is_held()?);
    std::fs::remove_file(FLAG)?;
    service.until("the node is ours again", |status| status["state"] != "disabled")?;
    assert!(is_held()?);
    node.write(HOST_FW, "[OPTIONS]\nnftables: 0\n")?;
    service.until("the option is obeyed", |status| status["state"] == "disabled")?;
    assert!(!is_held()?);
    // Nothing of before comes back by a restart.
    drop(service);
    node.unmount_cluster()?;
    let service = node.start()?;
    assert!(!is_held()?);
    node.mount_cluster()?;
    node.write(HOST_FW, &host(""))?;
    node.write(CLUSTER_FW, CLUSTER)?;
    service.until("enforced", |status| generation(status) > 0 && is_held().unwrap_or(false))?;
    Ok(())
}

#[test]
fn a_node_that_gets_another_address_can_be_managed_from_its_new_network() -> Result<(), Failure> {
    let node = node()?;
    node.write(CLUSTER_FW, "[OPTIONS]\nenable: 1\n")?;
    let service = node.start()?;
    let local = |network: &str| node.nft("list ruleset").is_ok_and(|now| now.contains(network));
    assert!(local("192.0.2.0/24"), "the local network manages");
    std::fs::write("/etc/hosts", "127.0.0.1 localhost\n198.51.100.1 n1\n")?;
    run(
        "ip",
        &["-batch", "-"],
        "address add 198.51.100.1/24 dev vmbr0\naddress del 192.0.2.1/24 dev vmbr0\n",
    )?;
    service.until("the new network manages", |_| local("198.51.100.0/24") && !local("192.0.2.0/24"))?;
    // What the cluster calls the node is read when names are looked up: SIGHUP has that done.
    run("ip", &["-batch", "-"], "address add 203.0.113.1/24 dev vmbr0\n")?;
    std::thread::sleep(Duration::from_secs(3));
    node.write("/etc/pve/.members", r#"{"nodelist": {"n1": {"ip": "203.0.113.1"}}}"#)?;
    std::thread::sleep(Duration::from_secs(1));
    assert!(!local("203.0.113.0/24"));
    service.hang_up()?;
    service.until("both manage", |_| local("198.51.100.0/24") && local("203.0.113.0/24"))?;
    Ok(())
}

#[test]
fn without_a_configuration_nothing_is_loaded_and_nothing_fails() -> Result<(), Failure> {
    let node = node()?;
    node.unmount_cluster()?;
    let service = node.start()?;
    let status = service.status()?;
    assert_eq!((&status["state"], &status["generation"]), (&"failed".into(), &serde_json::Value::Null));
    assert_eq!(service.client.get("/v1/health")?.status, 503);
    assert!(!node.nft("list ruleset")?.contains("proxmox-firewall"));
    Ok(())
}

/// A process that does not outlive a test that fails.
struct Started(Child);

impl Started {
    fn end(mut self) -> Result<ExitStatus, Failure> {
        Ok(self.0.wait()?)
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

#[test]
fn systemd_passes_the_socket_and_hears_signs_of_life() -> Result<(), Failure> {
    let node = node()?;
    std::fs::create_dir_all("/run/proxmox-firewall")?;
    let notified = UnixDatagram::bind("/run/notify")?;
    notified.set_read_timeout(Some(std::time::Duration::from_secs(20)))?;
    let heard = || -> Result<String, Failure> {
        let mut buffer = [0; 256];
        let length = notified.recv(&mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer[..length]).trim().to_owned())
    };
    // What systemd does with a socket unit: the descriptor 3, and a name that tells whose it is.
    let script = "import os, socket, sys\n\
        s = socket.socket(socket.AF_UNIX); s.bind('/run/passed.sock'); s.listen()\n\
        os.dup2(s.fileno(), 9); os.dup2(9, 3)\n\
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='api', \
        NOTIFY_SOCKET='/run/notify', WATCHDOG_USEC='400000', WATCHDOG_PID=str(os.getpid()))\n\
        os.execv(sys.argv[1], [sys.argv[1], 'serve'])";
    let mut command = Command::new("python3");
    command.args(["-c", script]).arg(node.path()).stdin(Stdio::null()).stdout(Stdio::null());
    let service = Started(command.stderr(std::fs::File::create("/run/log")?).spawn()?);
    assert_eq!(heard()?, "READY=1");
    assert_eq!((heard()?, heard()?), ("WATCHDOG=1".to_owned(), "WATCHDOG=1".to_owned()));
    let client = firewall_tests::service::Client::new(std::path::Path::new("/run/passed.sock"));
    assert_eq!(client.get("/v1/health")?.status, 200);
    firewall_tests::namespace::run("kill", &[&service.0.id().to_string()], "")?;
    while heard()? != "STOPPING=1" {}
    assert!(service.end()?.success());
    assert!(node.nft("list ruleset")?.contains("proxmox-firewall"), "the tables stay");
    Ok(())
}
