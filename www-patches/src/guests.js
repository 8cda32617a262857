// The guests of a node in short; the policy of the one that is selected.

Ext.define('PVE.nft.Guests', {
    extend: 'Ext.panel.Panel',
    alias: 'widget.pveNftGuests',

    layout: 'border',
    nodename: undefined,

    initComponent: function () {
        let me = this;
        me.store = Ext.create('Ext.data.Store', {
            fields: ['vmid', 'name', 'kind', 'enabled', 'n_filtered', 'n_devices', 'n_rules', 'refused', 'dropped'],
            sorters: 'vmid',
        });
        me.items = [
            me.list(),
            { xtype: 'panel', region: 'center', layout: 'fit', border: false, itemId: 'detail', html: `<div class="pve-nft-none">${gettext('Select a guest to see what its packets meet.')}</div>` },
        ];
        me.callParent(arguments);
        me.on('activate', me.reload, me);
    },

    list: function () {
        let me = this;
        let icon = (name, color) => PVE.nft.html`<i class="fa fa-fw ${name} ${color}"></i>`;
        return {
            xtype: 'grid',
            itemId: 'list',
            region: 'west',
            width: 360,
            split: true,
            border: false,
            store: me.store,
            emptyText: `<div class="pve-nft-none">${gettext('No guests on this node.')}</div>`,
            columns: [
                {
                    text: 'ID',
                    dataIndex: 'vmid',
                    width: 75,
                    renderer: PVE.nft.rendered((vmid, _meta, { data }) => PVE.nft.html`${icon(PVE.nft.Format.guestIcon(data.kind), '')} ${vmid}`),
                },
                { text: gettext('Name'), dataIndex: 'name', flex: 1, renderer: PVE.nft.plain },
                {
                    text: PVE.nft.html`<i class="fa fa-shield" data-qtip="${gettext('Firewall')}"></i>`.text,
                    dataIndex: 'enabled',
                    width: 42,
                    renderer: PVE.nft.rendered((enabled, _meta, { data }) => {
                        if (data.refused) {
                            return PVE.nft.html`<span data-qtip="${PVE.nft.tip(data.refused)}">${icon('fa-times-circle', 'critical')}</span>`;
                        }
                        return enabled ? icon('fa-check', 'good') : icon('fa-minus', 'faded');
                    }),
                },
                {
                    text: gettext('Filtered'),
                    dataIndex: 'n_filtered',
                    hidden: true,
                    width: 85,
                    align: 'right',
                    renderer: PVE.nft.rendered((filtered, _meta, { data }) => `${filtered} / ${data.n_devices}`),
                },
                { text: gettext('Rules'), dataIndex: 'n_rules', width: 70, hidden: true, align: 'right', renderer: PVE.nft.plain },
                {
                    text: gettext('Dropped'),
                    dataIndex: 'dropped',
                    width: 90,
                    align: 'right',
                    hidden: true,
                    itemId: 'dropped',
                    renderer: PVE.nft.rendered((dropped) => (dropped === undefined ? '' : PVE.nft.Format.amount(dropped))),
                },
            ],
            listeners: { select: (_model, { data }) => me.open(data) },
        };
    },

    reload: function () {
        let me = this;
        PVE.nft.Api.read(me.nodename, 'guests', {
            success: (guests) => !me.destroyed && me.setGuests(guests),
            failure: (response) => !me.destroyed && Proxmox.Utils.setErrorMask(me.down('#list'), PVE.nft.Api.message(response)),
        });
    },

    setGuests: function (guests) {
        let me = this;
        Proxmox.Utils.setErrorMask(me.down('#list'), false);
        let selected = me.down('#list').getSelection()[0]?.get('vmid');
        me.store.loadData(guests.map((guest) => ({ ...guest, name: PVE.data.ResourceStore.guestName(guest.vmid) })));
        me.showDropped();
        let again = selected && me.store.findRecord('vmid', selected, 0, false, true, true);
        if (again) {
            me.down('#list').getSelectionModel().select(again, false, true);
        }
    },

    /** Dropped and rejected packets of each guest since its rules were loaded. */
    setHits: function (hits) {
        this.dropped = PVE.nft.Traffic.sums(hits, ({ vmid, action }) => (action === 'accept' ? undefined : vmid));
        this.down('#dropped').show();
        this.showDropped();
    },

    showDropped: function () {
        if (this.dropped) {
            this.store.each((record) => record.set('dropped', this.dropped[record.get('vmid')] ?? 0, { commit: true }));
        }
    },

    open: function ({ vmid }) {
        let me = this;
        let detail = me.down('#detail');
        detail.setHtml('');
        detail.removeAll(true);
        detail.add({ xtype: 'pveNftGuestPolicy', nodename: me.nodename, vmid, border: false });
    },
});
