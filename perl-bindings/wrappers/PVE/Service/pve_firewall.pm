# In place of a file of pve-firewall, which dpkg-divert keeps beside this one: it is loaded as it is, then hooked. Nothing is
# where /etc/proxmox-firewall/hooks-off exists, and whatever goes wrong with a hook, the original has been loaded.

require 'PVE/Service/pve_firewall.pm.distrib';

eval {
    local $SIG{__DIE__};
    if (!-e '/etc/proxmox-firewall/hooks-off') {
        require PVE::Firewall::Nft::Hook;
        PVE::Firewall::Nft::Hook::install('PVE/Service/pve_firewall.pm');
    }
    1;
} or warn "firewall: no hook in PVE/Service/pve_firewall.pm: $@";

1;
