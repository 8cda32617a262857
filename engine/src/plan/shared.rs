//! Sets and maps that all guests or VNets share, as a table.

use crate::ruleset::{DataType, Element, Name, Origin, Set, SetKind, TableFamily};

/// A row of the table: its variant, name in the kernel, family of its table, kind, whether it has intervals, its key. Of
/// `numbered` rows there are up to 256 sets each, `<name>-<number>`; each is there while it has elements.
macro_rules! shared {
    (
        fixed { $($variant:ident $name:literal $family:ident $kind:expr, $interval:literal, [$($key:ident),+], $doc:literal;)* }
        numbered { $($n_variant:ident $n_name:literal $n_family:ident $n_kind:expr, $n_interval:literal, [$($n_key:ident),+], $n_doc:literal;)* }
    ) => {
        /// A set or map with elements of many units.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum Shared {
            $(#[doc = $doc] $variant,)*
            $(#[doc = $n_doc] $n_variant(u8),)*
        }

        impl Shared {
            /// Those that are there without elements too.
            pub(super) const FIXED: &'static [Shared] = &[$(Shared::$variant,)*];

            /// Its name in the kernel.
            pub(super) fn name(self) -> Name {
                match self {
                    $(Shared::$variant => $name.into(),)*
                    $(Shared::$n_variant(number) => format!(concat!($n_name, "-{}"), number).into(),)*
                }
            }

            pub(super) fn is_numbered(self) -> bool {
                match self {
                    $(Shared::$variant => false,)*
                    $(Shared::$n_variant(_) => true,)*
                }
            }

            pub(super) fn family(self) -> TableFamily {
                match self {
                    $(Shared::$variant => TableFamily::$family,)*
                    $(Shared::$n_variant(_) => TableFamily::$n_family,)*
                }
            }

            /// The set with these elements.
            pub(super) fn set(self, elements: Vec<Element>) -> Set {
                let (key, kind, interval): (&[DataType], SetKind, bool) = match self {
                    $(Shared::$variant => (&[$(DataType::$key),+], $kind, $interval),)*
                    $(Shared::$n_variant(_) => (&[$(DataType::$n_key),+], $n_kind, $n_interval),)*
                };
                let origin = Origin::Skeleton("shared sets");
                Set { name: self.name(), key: key.into(), kind, interval, elements, origin }
            }
        }
    };
}

use SetKind::{MarkMap, VerdictMap};
const SET: SetKind = SetKind::Set;
/// Sources that are forgotten 60 s after their last new connection.
const SOURCES: SetKind = SetKind::Dynamic { size: 65535, timeout_s: 60 };

shared! {
    fixed {
        VmMapOut "vm-map-out" Bridge VerdictMap, false, [Ifname], "From a guest's port to its out zone.";
        VmMapIn "vm-map-in" Bridge VerdictMap, false, [Ifname], "To a guest's port: its in zone.";
        FilteredPorts "filtered-ports" Bridge SET, false, [Ifname], "Ports whose frames meet their guest's out zone.";
        RejectMap "reject-map" Bridge VerdictMap, false, [Ifname, EtherAddr], "Bridge and MAC of NICs that may reject.";
        BridgeMap "bridge-map" Bridge VerdictMap, false, [Ifname], "VNets by bridge.";
        BridgeRejectMap "bridge-reject-map" Bridge VerdictMap, false, [Ifname], "VNets that may reject, by bridge.";
        GuestBridges "guest-bridges" Bridge SET, false, [Ifname], "Bridges with guests.";
        IsolatedPorts "isolated-ports" Bridge SET, false, [Ifname], "Bridge ports that do not reach each other.";
        StackedPorts "stacked-ports" Bridge SET, false, [Ifname], "Ports that are VLAN sub-interfaces of another bridge.";
        ForeignPorts "foreign-ports" Bridge SET, false, [Ifname], "Ports there that only look like a guest's.";
        Vmids "vmids" Bridge MarkMap, false, [Ifname], "VMID of a filtered port, for the connection mark.";
        VmidsByMac "vmids-by-mac" Bridge MarkMap, false, [Ifname, EtherAddr], "The same, of frames to the port's own MAC.";
        Macs "macs" Bridge SET, false, [Ifname, EtherAddr], "Filtered ports with their MAC.";
        MacfilterOff "macfilter-off" Bridge SET, false, [Ifname], "Ports without MAC filter.";
        DhcpOff "dhcp-off" Bridge SET, false, [Ifname], "Ports with `dhcp: 0`.";
        NdpOff "ndp-off" Bridge SET, false, [Ifname], "Ports with `ndp: 0`.";
        Radv "radv" Bridge SET, false, [Ifname], "Ports with `radv: 1`.";
        Ipfilter "ipfilter" Bridge SET, false, [Ifname], "Ports with an IP filter.";
        IpfilterNoV4 "ipfilter-no-v4" Bridge SET, false, [Ifname], "Ports whose IP filter has no IPv4 address.";
        IpfilterV4 "ipfilter-v4" Bridge SET, false, [Ifname, Ipv4Addr], "Permitted sources: addresses.";
        IpfilterV6 "ipfilter-v6" Bridge SET, false, [Ifname, Ipv6Addr], "Permitted sources: addresses.";
        IpfilterNetsV4 "ipfilter-nets-v4" Bridge SET, true, [Ifname, Ipv4Addr], "Permitted sources: networks.";
        IpfilterNetsV6 "ipfilter-nets-v6" Bridge SET, true, [Ifname, Ipv6Addr], "Permitted sources: networks.";
        NdTargets "nd-targets" Bridge VerdictMap, false, [Ifname], "Chain with the permitted targets of neighbour messages.";
        Layer2Restricted "layer2-restricted" Bridge SET, false, [Ifname], "Ports with `layer2_protocols`.";
        Layer2Protocols "layer2-protocols" Bridge SET, false, [Ifname, EtherType], "EtherTypes that those may send.";
        RejectRate "reject-rate" Bridge SOURCES, false, [EtherAddr], "Answers given in the name of a MAC.";
        DivertReady "divert-ready" Bridge SET, false, [Ifindex, Ifname, EtherAddr], "Ports whose egress chain is armed: number, bridge, MAC.";
        BridgeSynV4 "synflood-v4" Bridge SOURCES, false, [Ipv4Addr], "Rate of new connections by source.";
        BridgeSynV6 "synflood-v6" Bridge SOURCES, false, [Ipv6Addr], "Rate of new connections by source /64.";
        TowardsGuests "towards-guests" Inet SET, false, [Ifname], "Host interfaces that lead to bridges with guests.";
        HostBridgeMap "bridge-map" Inet VerdictMap, false, [Ifname], "VNets by bridge.";
        CorosyncV4 "corosync-v4" Inet SET, false, [Ipv4Addr, Ipv4Addr], "Peer and own address of each link.";
        CorosyncV6 "corosync-v6" Inet SET, false, [Ipv6Addr, Ipv6Addr], "Peer and own address of each link.";
        HostSynV4 "synflood-v4" Inet SOURCES, false, [Ipv4Addr], "Rate of new connections by source.";
        HostSynV6 "synflood-v6" Inet SOURCES, false, [Ipv6Addr], "Rate of new connections by source /64.";
    }
    numbered {
        DevicePorts "device-ports" Bridge SET, false, [Ifname, InetService], "Guests' devices with the ports of a list of theirs.";
        MacPorts "mac-ports" Bridge SET, false, [Ifname, EtherAddr, InetService], "The same by bridge and MAC.";
    }
}
