// Host > Firewall > Options: the nftables toggle without "tech preview", and how REJECT towards guests is answered.

Ext.define('PVE.nft.RejectModeEdit', {
    extend: 'Proxmox.window.Edit',
    alias: 'widget.pveNftRejectModeEdit',

    subject: gettext('REJECT mode'),
    width: 450,
    items: {
        xtype: 'proxmoxKVComboBox',
        name: 'mode',
        fieldLabel: gettext('REJECT mode'),
        comboItems: Object.entries(PVE.nft.Format.rejectModes),
        allowBlank: false,
    },

    // What is read is `asked`, what is written is `mode`.
    load: function () {
        let me = this;
        me.callParent([
            {
                // Where nobody has asked for one the default is offered, not what this kernel makes of it.
                success: ({ result }) => me.setValues({ mode: result.data.asked ?? 'prerouting' }),
            },
        ]);
    },
});

PVE.nft.rejectModeText = PVE.nft.rendered(function (mode) {
    if (!mode) {
        return gettext('Loading...');
    }
    let { asked, effective, reasons } = mode;
    let isAsked = !asked || asked === effective;
    let kept = asked ? PVE.nft.Format.rejectMode(asked) : gettext('Default');
    let inForce = effective ? PVE.nft.Format.rejectMode(effective) : gettext('guests are not filtered');
    let icon = isAsked ? 'fa-check good' : 'fa-exclamation-circle warning';
    let why = (reasons ?? []).map((reason) => PVE.nft.html`<br><span class="pve-nft-faint">${reason}</span>`);
    return PVE.nft.html`${kept} — <i class="fa fa-fw ${icon}"></i> ${gettext('in force')}: ${inForce}${why}`;
});

Ext.define('PVE.nft.FirewallOptions', {
    override: 'PVE.FirewallOptions',

    initComponent: function () {
        let me = this;
        let node = me.fwtype === 'node' && me.base_url?.match(/^\/nodes\/([^/]+)\/firewall\/options$/)?.[1];
        if (!node) {
            me.callParent(arguments);
            return;
        }
        // The base class makes rows out of these, after PVE.FirewallOptions has emptied `rows`.
        me.gridRows = [
            ...(me.gridRows ?? []),
            { xtype: 'combobox', name: 'nft-reject-mode', text: gettext('REJECT mode'), comboItems: [] },
        ];
        me.callParent(arguments);
        let row = me.rows['nft-reject-mode'];
        row.editor = { xtype: 'pveNftRejectModeEdit', url: `/api2/extjs${PVE.nft.Api.path(node, 'reject-mode')}` };
        row.renderer = () => PVE.nft.rejectModeText(me.nftRejectMode);
        // Until the node has answered, it is one without this firewall.
        me.setRowVisible(row, false);
        me.mon(me.rstore, 'load', () => me.readRejectMode(node));
    },

    setRowVisible: function (row, isVisible) {
        row.visible = isVisible;
        // The grid's filter looks at `visible`, but filters once for all: make the store ask it again.
        let filters = this.store.getFilters();
        filters.beginUpdate();
        filters.endUpdate();
    },

    // Called each time that the options are read, which is every few seconds.
    readRejectMode: function (node) {
        let me = this;
        if (me.hasNoRejectMode) {
            return;
        }
        PVE.nft.Api.read(node, 'reject-mode', {
            success: (mode) => {
                let isNew = Ext.encode(mode) !== Ext.encode(me.nftRejectMode);
                me.nftRejectMode = mode;
                if (isNew) {
                    me.showRejectMode();
                }
            },
            failure: ({ result }) => {
                me.hasNoRejectMode = result?.status === 501;
            },
        });
    },

    showRejectMode: function () {
        let me = this;
        if (me.destroyed) {
            return;
        }
        me.nameToggle();
        me.setRowVisible(me.rows['nft-reject-mode'], true);
        me.getView().refresh();
    },

    nameToggle: function () {
        let toggle = this.rows.nftables;
        if (toggle) {
            toggle.header = 'nftables';
            toggle.editor.subject = 'nftables';
            toggle.editor.items.fieldLabel = 'nftables';
        }
    },
});
