//! Proxmox VE firewall configuration in, nftables ruleset and explanation out.
