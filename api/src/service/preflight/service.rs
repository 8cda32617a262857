//! What a connection of a node is for, by protocol and port.

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Web interface and API, TCP 8006.
    Web,
    /// SSH, TCP 22.
    Ssh,
    /// SPICE proxy, TCP 3128.
    Spice,
    /// VNC consoles, TCP 5900 to 5999.
    Vnc,
    /// Corosync, UDP 5404 to 5412.
    Corosync,
    /// Ceph monitors and daemons, TCP 3300, 6789, 6800 to 7300.
    Ceph,
    /// Live migration, TCP 60000 to 60050.
    Migration,
    /// Shared storage.
    Storage,
    /// Another connection of whoever asks for the change.
    Caller,
}

struct Row {
    protocol: u8,
    first: u16,
    last: u16,
    service: Service,
}

const TCP: u8 = 6;
const UDP: u8 = 17;

const fn tcp(first: u16, last: u16, service: Service) -> Row {
    Row { protocol: TCP, first, last, service }
}

/// The first row that covers a port decides.
const SERVICES: [Row; 17] = [
    tcp(8006, 8006, Service::Web),
    tcp(22, 22, Service::Ssh),
    tcp(3128, 3128, Service::Spice),
    tcp(5900, 5999, Service::Vnc),
    Row { protocol: UDP, first: 5404, last: 5412, service: Service::Corosync },
    tcp(3300, 3300, Service::Ceph),
    tcp(6789, 6789, Service::Ceph),
    tcp(6800, 7300, Service::Ceph),
    tcp(60000, 60050, Service::Migration),
    // NFS and its portmapper.
    tcp(2049, 2049, Service::Storage),
    tcp(111, 111, Service::Storage),
    Row { protocol: UDP, first: 2049, last: 2049, service: Service::Storage },
    // iSCSI; NVMe over TCP and its discovery.
    tcp(3260, 3260, Service::Storage),
    tcp(4420, 4420, Service::Storage),
    tcp(8009, 8009, Service::Storage),
    // SMB; Proxmox Backup Server.
    tcp(445, 445, Service::Storage),
    tcp(8007, 8007, Service::Storage),
];

impl Service {
    /// What a connection to this port is for, if a node depends on it.
    pub fn of(protocol: u8, dest_port: u16) -> Option<Service> {
        let covers = |row: &&Row| row.protocol == protocol && (row.first..=row.last).contains(&dest_port);
        SERVICES.iter().find(covers).map(|row| row.service)
    }

    /// A person gets in by it.
    pub fn is_way_in(self) -> bool {
        matches!(self, Service::Web | Service::Ssh)
    }

    /// A word for people and for the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Service::Web => "web",
            Service::Ssh => "ssh",
            Service::Spice => "spice",
            Service::Vnc => "vnc",
            Service::Corosync => "corosync",
            Service::Ceph => "ceph",
            Service::Migration => "migration",
            Service::Storage => "storage",
            Service::Caller => "caller",
        }
    }
}
