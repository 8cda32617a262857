//! Connection tracking among hosts that have IP stacks: an FTP exchange with and without the helper, errors that the
//! stacks send themselves, and the marks by which a migration finds a guest's connections.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread::JoinHandle;
use std::time::Duration;

use firewall_tests::Failure;
use firewall_tests::case::{CaseFiles, compile_case};
use firewall_tests::namespace::run;
use firewall_tests::stage::Stage;

const CONTENT: &str = "what the file says\n";
/// Short enough to wait for what never comes.
const WAIT: Duration = Duration::from_secs(4);
/// Long enough for what comes on an emulated machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn load(stage: &mut Stage, files: &[(&str, &str)]) -> Result<(), Failure> {
    let files: CaseFiles =
        files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
    stage.load(&compile_case(&files).1.plan.ruleset)?;
    run("conntrack", &["-F"], "").map(drop)
}

/// An FTP server for one session (RFC 959): a file by RETR, passive and active.
fn ftp_server(at: &str) -> Result<JoinHandle<std::io::Result<()>>, Failure> {
    let (listener, at): (_, IpAddr) = (TcpListener::bind((at, 21))?, at.parse()?);
    let data = TcpListener::bind((at, 0))?;
    Ok(std::thread::spawn(move || {
        let (control, _) = listener.accept()?;
        let mut lines = BufReader::new(control.try_clone()?).lines();
        let say = |text: &str| (&control).write_all(format!("{text}\r\n").as_bytes());
        let mut active: Option<SocketAddr> = None;
        say("220 ready")?;
        while let Some(line) = lines.next().transpose()? {
            let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match word {
                "USER" => say("331 password")?,
                "PASS" => say("230 welcome")?,
                "PASV" => {
                    let [high, low] = data.local_addr()?.port().to_be_bytes();
                    say(&format!(
                        "227 Entering Passive Mode ({},{high},{low})",
                        at.to_string().replace('.', ",")
                    ))?;
                }
                "PORT" => {
                    active = port_argument(rest);
                    say("200 ok")?;
                }
                "RETR" => {
                    say("150 here it comes")?;
                    let mut stream = match active.take() {
                        Some(client) => TcpStream::connect_timeout(&client, WAIT)?,
                        None => data.accept()?.0,
                    };
                    stream.write_all(CONTENT.as_bytes())?;
                    drop(stream);
                    say("226 done")?;
                }
                "QUIT" => return say("221 bye"),
                _ => say("200 ok")?,
            }
        }
        Ok(())
    }))
}

/// `192,0,2,200,156,64`
fn port_argument(text: &str) -> Option<SocketAddr> {
    let numbers: Vec<u8> = text.split(',').filter_map(|number| number.trim().parse().ok()).collect();
    let [a, b, c, d, high, low] = numbers.try_into().ok()?;
    Some(SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low]))))
}

/// What Python's client gets.
fn ftp_client(server: &str, is_passive: bool) -> Result<String, Failure> {
    let passive = if is_passive { "True" } else { "False" };
    let script = format!(
        "import ftplib\n\
         ftp = ftplib.FTP('{server}', 'anonymous', 'nobody', timeout=4)\n\
         ftp.set_pasv({passive})\n\
         ftp.retrlines('RETR file')\n\
         ftp.quit()\n"
    );
    run("python3", &["-"], &script)
}

/// One session, with the server at one place and the client at another.
fn session(
    stage: &Stage,
    server: (&'static str, &str),
    client: &str,
    is_passive: bool,
) -> Result<String, Failure> {
    let address = server.1;
    let serving = stage.at(server.0, || ftp_server(address))?;
    let got = stage.at(client, || ftp_client(address, is_passive));
    if got.is_ok() {
        serving.join().map_err(|_| "the server has ended with a panic")??;
    }
    got
}

const FTP_SERVER: (&str, &str) = ("100.fw", "[OPTIONS]\nenable: 1\n[RULES]\nIN ACCEPT -p tcp -dport 21\n");
const CLUSTER: (&str, &str) = ("cluster.fw", "[OPTIONS]\nenable: 1\n");
const CLOSED: &str = "[OPTIONS]\nenable: 1\n";

#[test]
fn a_helper_lets_a_file_through_that_rules_would_not() -> Result<(), Failure> {
    for vlan_aware in [false, true] {
        let mut stage = Stage::new(vlan_aware)?;
        let with = ("host.fw", "[OPTIONS]\nnf_conntrack_helpers: ftp\n");
        load(&mut stage, &[CLUSTER, with, FTP_SERVER, ("200.fw", CLOSED)])?;
        // Into a closed guest, bridged; routed; between two guests.
        for client in ["outside", "vm110", "ct200"] {
            let got = session(&stage, ("vm100", "192.0.2.100"), client, true)?;
            assert_eq!(got, CONTENT, "{client}, passive");
        }
        // The server connects to a closed guest, because it was asked to.
        let got = session(&stage, ("outside", "192.0.2.50"), "ct200", false)?;
        assert_eq!(got, CONTENT, "active");
    }
    Ok(())
}

#[test]
fn without_the_helper_it_does_not_come() -> Result<(), Failure> {
    let mut stage = Stage::new(false)?;
    load(&mut stage, &[CLUSTER, FTP_SERVER, ("200.fw", CLOSED)])?;
    let got = session(&stage, ("vm100", "192.0.2.100"), "outside", true);
    assert!(got.is_err(), "{got:?}");
    let told = format!("{got:?}");
    assert!(told.contains("timed out") || told.contains("TimeoutError"), "{told}");
    Ok(())
}

/// Sends to a port, and says how the socket hears that nobody listens there.
fn error_from(dest: &str, wait: Duration) -> Result<std::io::ErrorKind, Failure> {
    let any = if dest.contains('[') { "[::]:0" } else { "0.0.0.0:0" };
    let socket = UdpSocket::bind(any)?;
    socket.connect(dest)?;
    socket.set_read_timeout(Some(wait))?;
    socket.send(b"anybody?")?;
    match socket.recv(&mut [0; 64]) {
        Ok(_) => Err("somebody answers".into()),
        Err(error) => Ok(error.kind()),
    }
}

#[test]
fn errors_about_a_guests_own_packets_reach_it() -> Result<(), Failure> {
    use std::io::ErrorKind::{ConnectionRefused, WouldBlock};
    let mut stage = Stage::new(false)?;
    load(&mut stage, &[CLUSTER, ("100.fw", CLOSED), ("200.fw", CLOSED), ("110.fw", CLOSED)])?;
    // The far stack says that nobody listens: over one bridge, and across the host.
    for dest in ["192.0.2.50:9", "[2001:db8:a::50]:9", "198.51.100.254:9", "[2001:db8:b::254]:9"] {
        assert_eq!(stage.at("vm100", || error_from(dest, PATIENCE))?, ConnectionRefused, "{dest}");
    }
    // A closed guest is silent.
    assert_eq!(stage.at("vm100", || error_from("192.0.2.200:9", WAIT))?, WouldBlock);
    Ok(())
}

/// The marks of connections with this destination.
fn marks(dest: &str, port: u16) -> Result<Vec<u32>, Failure> {
    let listing = run("conntrack", &["-L", "-d", dest, "-p", "udp", "--dport", &port.to_string()], "")?;
    let mark = |line: &str| line.split_whitespace().find_map(|word| word.strip_prefix("mark=")?.parse().ok());
    Ok(listing.lines().filter_map(mark).collect())
}

/// A socket that says something and waits for the echo of it.
fn echo(from: &UdpSocket) -> Result<bool, Failure> {
    from.send(b"echo")?;
    Ok(from.recv(&mut [0; 64]).is_ok())
}

/// Echoes what it gets until nothing comes any more.
fn echo_server(at: &str) -> Result<JoinHandle<()>, Failure> {
    let socket = UdpSocket::bind(at)?;
    socket.set_read_timeout(Some(3 * WAIT))?;
    Ok(std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&buffer[..length], from);
        }
    }))
}

fn client(local: &str, dest: &str) -> Result<UdpSocket, Failure> {
    let socket = UdpSocket::bind(local)?;
    socket.connect(dest)?;
    socket.set_read_timeout(Some(WAIT))?;
    Ok(socket)
}

#[test]
fn a_migration_finds_a_guests_connections_by_their_mark() -> Result<(), Failure> {
    let mut stage = Stage::new(false)?;
    let open = "[OPTIONS]\nenable: 1\n[RULES]\nIN ACCEPT -p udp -dport 7\n";
    load(&mut stage, &[CLUSTER, ("100.fw", open), ("200.fw", CLOSED)])?;
    let _servers = [
        stage.at("outside", || echo_server("192.0.2.50:7"))?,
        stage.at("vm100", || echo_server("192.0.2.100:7"))?,
    ];
    let ours = stage.at("vm100", || client("192.0.2.100:51000", "192.0.2.50:7"))?;
    let theirs = stage.at("ct200", || client("192.0.2.200:51000", "192.0.2.50:7"))?;
    let inbound = stage.at("outside", || client("192.0.2.50:51000", "192.0.2.100:7"))?;
    let between = stage.at("ct200", || client("192.0.2.200:51001", "192.0.2.100:7"))?;
    for socket in [&ours, &theirs, &inbound, &between] {
        assert!(echo(socket)?, "{socket:?}");
    }
    let mut outbound = marks("192.0.2.50", 7)?;
    outbound.sort_unstable();
    assert_eq!(outbound, [100, 200]);
    let mut towards = marks("192.0.2.100", 7)?;
    towards.sort_unstable();
    // Of two guests the one that began has it.
    assert_eq!(towards, [100, 200]);
    // What the migration does on the source when the guest has left; what is written in the table is what it had read.
    let dumped = run("conntrack", &["-L", "-m", "100"], "")?;
    assert_eq!(dumped.lines().count(), 2, "{dumped}");
    run("conntrack", &["-D", "-m", "100"], "")?;
    assert_eq!(run("conntrack", &["-L", "-m", "100"], "")?, "");
    assert_eq!(marks("192.0.2.50", 7)?, [200], "the other guest's connection stays");
    assert_eq!(marks("192.0.2.100", 7)?, [200], "so does the one that the other guest began");
    // Nobody's connection any more: a reply is not one.
    assert!(echo(&theirs)?);
    let late = stage.at("outside", || client("192.0.2.50:52000", "192.0.2.100:51000"))?;
    late.send(b"late")?;
    assert!(ours.recv(&mut [0; 64]).is_err());
    Ok(())
}
