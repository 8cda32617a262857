// Entries of ours in the menus of nodes, guests and the datacenter. Menus without Firewall stay without ours.

Ext.ns('PVE.nft.Menus');

/** Adds an entry below Firewall, behind Options. */
PVE.nft.Menus.add = function (panel, item) {
    let group = panel.store.getRoot().findChild('id', 'firewall');
    if (!group || group.findChild('id', item.itemId)) {
        return;
    }
    // `groups` is used up by it.
    panel.insertNodes([{ ...item, groups: ['firewall'] }]);
    let options = group.findChild('id', 'firewall-options');
    let entry = group.findChild('id', item.itemId);
    if (options?.nextSibling && entry) {
        group.insertBefore(entry, options.nextSibling);
    }
};

/** Selects an entry, and opens what it stands below. */
PVE.nft.Menus.select = function (panel, card) {
    let entry = panel.store.getRoot().findChild('id', card, true);
    entry?.parentNode.expand();
    panel.selectById(card);
};

/**
 * Adds the entry if `url` answers: while the menu is made if that is known, else later; whom address or state led to it
 * is led there then. Never lets an error of ours keep a menu from appearing.
 */
PVE.nft.Menus.addIfThere = function (panel, xtype, url) {
    let add = () => {
        if (panel.destroyed) {
            return;
        }
        PVE.nft.Menus.add(panel, PVE.nft.Menus.item(xtype));
        let state = Ext.state.Manager.getProvider().get(panel.hstateid);
        if (panel.rendered && state?.value === 'firewall-nft') {
            PVE.nft.Menus.select(panel, 'firewall-nft');
        }
    };
    try {
        PVE.nft.Api.whenThere(url, add);
    } catch (error) {
        console.error('proxmox-firewall:', error);
    }
};

PVE.nft.Menus.item = (xtype) => ({ xtype, itemId: 'firewall-nft', title: 'nftables', iconCls: 'fa fa-filter' });

PVE.nft.Menus.guest = function (panel) {
    let { node, vmid } = panel.pveSelNode.data;
    if (PVE.nft.Api.mayAuditGuests()) {
        PVE.nft.Menus.addIfThere(panel, 'pveNftGuestPolicy', PVE.nft.Api.path(node, `guests/${Number(vmid)}`));
    }
};

// `insertNodes` makes the menu, once, and is what adds our own entry then: that is in `savedItems` the second time.
Ext.define('PVE.nft.NodeMenu', {
    override: 'PVE.node.Config',

    insertNodes: function () {
        let me = this;
        me.callParent(arguments);
        if (PVE.nft.Api.mayAudit()) {
            PVE.nft.Menus.addIfThere(me, 'pveNftNodePanel', PVE.nft.Api.path(me.pveSelNode.data.node, 'reject-mode'));
        }
    },
});

Ext.define('PVE.nft.VmMenu', {
    override: 'PVE.qemu.Config',

    insertNodes: function () {
        this.callParent(arguments);
        PVE.nft.Menus.guest(this);
    },
});

Ext.define('PVE.nft.ContainerMenu', {
    override: 'PVE.lxc.Config',

    insertNodes: function () {
        this.callParent(arguments);
        PVE.nft.Menus.guest(this);
    },
});

Ext.define('PVE.nft.DatacenterMenu', {
    override: 'PVE.dc.Config',

    insertNodes: function () {
        let me = this;
        me.callParent(arguments);
        if (PVE.nft.Api.mayAuditDatacenter()) {
            PVE.nft.Menus.addIfThere(me, 'pveNftRollout', '/cluster/firewall/nft/nodes');
        }
    },
});
