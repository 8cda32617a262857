//! Live connections as this machine's kernel tells of them, in a network namespace.

use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use firewall_tests::Failure;
use firewall_tests::namespace::{Namespace, run};
use proxmox_firewall::host::flows::{Flow, Flows, Limits, live};

const LIMITS: Limits = Limits { n_read: 65_536, time: Duration::from_secs(5) };

/// Tracks connections, and translates 443 to 8006 as some nodes do.
const RULESET: &str = "\
table inet test {
    chain translate {
        type nat hook output priority -100
        tcp dport 443 redirect to :8006
    }
    chain tracked {
        type filter hook input priority 0
        ct state new ct mark set 7
    }
}
";

fn network() -> Result<Namespace, Failure> {
    let namespace = Namespace::new()?;
    run("ip", &["link", "set", "lo", "up"], "")?;
    Ok(namespace)
}

fn look(limits: Limits) -> Result<Flows, Failure> {
    let flows = live(limits, &|_| true);
    match flows.failed.first() {
        None => Ok(flows),
        Some(error) => Err(format!("{error}: {}", error.source).into()),
    }
}

fn is(flow: &Flow, from: SocketAddr, to: SocketAddr) -> bool {
    (flow.source, flow.source_port) == (from.ip(), from.port())
        && (flow.dest, flow.dest_port) == (to.ip(), to.port())
}

/// A connection that stands.
fn connect(listener: &TcpListener, to: SocketAddr) -> Result<(TcpStream, TcpStream), Failure> {
    let client = TcpStream::connect(to)?;
    let (server, _) = listener.accept()?;
    Ok((client, server))
}

#[test]
fn whoever_opened_a_connection_is_its_source() -> Result<(), Failure> {
    let _namespace = network()?;
    for address in ["127.0.0.1:8006", "[::1]:8006"] {
        let address: SocketAddr = address.parse()?;
        let listener = TcpListener::bind(address)?;
        let (client, _server) = connect(&listener, address)?;
        // Without rules nothing is tracked: this is what sockets say.
        let found = look(LIMITS)?;
        assert!(!found.truncated);
        assert_eq!(found.flows.len(), 1, "{found:?}");
        assert!(is(&found.flows[0], client.local_addr()?, address), "{found:?}");
    }
    Ok(())
}

#[test]
fn tracking_adds_what_has_no_connected_socket() -> Result<(), Failure> {
    let _namespace = network()?;
    run("nft", &["-f", "-"], RULESET)?;
    let listener = TcpListener::bind("127.0.0.1:8006")?;
    let (direct, _one) = connect(&listener, "127.0.0.1:8006".parse()?)?;
    let (translated, _other) = connect(&listener, "127.0.0.1:443".parse()?)?;
    let corosync = [UdpSocket::bind("127.0.0.2:5405")?, UdpSocket::bind("127.0.0.3:5405")?];
    let ends = [corosync[0].local_addr()?, corosync[1].local_addr()?];
    for (socket, other) in corosync.iter().zip(ends.iter().rev()) {
        socket.send_to(b"knet", other)?;
        socket.send_to(b"knet", other)?;
    }
    let found = look(LIMITS)?;
    let to = listener.local_addr()?;
    for client in [&direct, &translated] {
        let from = client.local_addr()?;
        let flow = found.flows.iter().find(|flow| is(flow, from, to));
        let flow = flow.ok_or_else(|| format!("{from} > {to} is not in {found:?}"))?;
        assert!(flow.assured && flow.mark == 7, "{flow:?}");
    }
    let udp: Vec<&Flow> = found.flows.iter().filter(|flow| flow.protocol == 17).collect();
    assert!(udp.len() == 1 && is(udp[0], ends[0], ends[1]), "{udp:?}");
    Ok(())
}

#[test]
fn limits_are_kept() -> Result<(), Failure> {
    let _namespace = network()?;
    let listener = TcpListener::bind("127.0.0.1:8006")?;
    let _held: Vec<_> =
        (0..20).map(|_| connect(&listener, "127.0.0.1:8006".parse()?)).collect::<Result<_, Failure>>()?;
    let few = look(Limits { n_read: 10, ..LIMITS })?;
    assert!(few.truncated && few.flows.len() < 20, "{few:?}");
    let none = look(Limits { time: Duration::ZERO, ..LIMITS })?;
    assert!(none.truncated && none.flows.is_empty());
    let wanted = live(LIMITS, &|flow| flow.dest_port == 22);
    assert!(wanted.flows.is_empty());
    assert_eq!(look(LIMITS)?.flows.len(), 20);
    Ok(())
}
