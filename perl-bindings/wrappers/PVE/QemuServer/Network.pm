# In place of a file of qemu-server, which dpkg-divert keeps beside this one: it is loaded as it is, then hooked. Nothing is
# where /etc/proxmox-firewall/hooks-off exists, and whatever goes wrong with a hook, the original has been loaded.

require 'PVE/QemuServer/Network.pm.distrib';

eval {
    local $SIG{__DIE__};
    if (!-e '/etc/proxmox-firewall/hooks-off') {
        require PVE::Firewall::Nft::Hook;
        PVE::Firewall::Nft::Hook::install('PVE/QemuServer/Network.pm');
    }
    1;
} or warn "firewall: no hook in PVE/QemuServer/Network.pm: $@";

1;
