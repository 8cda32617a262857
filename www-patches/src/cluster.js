// Datacenter > Firewall > nftables: how far a change has come; which node lags, which differs from the others.

Ext.define('PVE.nft.Rollout', {
    extend: 'Ext.grid.Panel',
    alias: 'widget.pveNftRollout',

    cls: 'pve-nft-wrap',
    viewConfig: { enableTextSelection: true },
    emptyText: `<div class="pve-nft-none">${gettext('No node has told anything.')}</div>`,

    initComponent: function () {
        let me = this;
        me.store = Ext.create('Proxmox.data.DiffStore', {
            rstore: Ext.create('Proxmox.data.UpdateStore', {
                storeid: 'pve-nft-rollout',
                model: 'pve-nft-node',
                interval: 5000,
                proxy: { type: 'proxmox', url: '/api2/json/cluster/firewall/nft/nodes' },
            }),
            sorters: 'node',
        });
        me.tbar = [{ xtype: 'tbtext', itemId: 'summary' }];
        me.columns = [...me.stateColumns(), ...me.detailColumns()];
        me.callParent(arguments);
        let rstore = me.store.rstore;
        Proxmox.Utils.monStoreErrors(me, rstore);
        me.mon(rstore, 'load', (_store, records, success) => success && me.summarise(records.map(({ data }) => data)));
        me.on('activate', () => rstore.startUpdate());
        me.on('deactivate', () => rstore.stopUpdate());
        me.on('destroy', () => rstore.stopUpdate());
        PVE.nft.links(me, { node: ({ node }) => me.open(node) });
        me.on('itemdblclick', (_view, { data }) => me.open(data.node));
        rstore.startUpdate();
    },

    stateColumns: () => [
        {
            text: gettext('Node'),
            dataIndex: 'node',
            width: 100,
            renderer: PVE.nft.rendered((node) => PVE.nft.link('node', node, { node })),
        },
        { text: gettext('State'), dataIndex: 'state', width: 130, renderer: PVE.nft.rendered(PVE.nft.Format.state) },
        {
            text: gettext('Up to date'),
            dataIndex: 'lags',
            width: 160,
            renderer: PVE.nft.rendered((lags, _meta, { data }) => PVE.nft.Rollout.lag(lags, data)),
        },
        {
            text: gettext('Differs from most'),
            dataIndex: 'differs',
            flex: 2,
            minWidth: 140,
            renderer: PVE.nft.rendered((differs, _meta, { data }) => PVE.nft.Rollout.difference(differs, data)),
        },
        { text: gettext('Why'), dataIndex: 'cause', flex: 3, minWidth: 180, renderer: PVE.nft.plain },
    ],

    detailColumns: () => [
        { text: gettext('Generation'), dataIndex: 'generation', width: 100, align: 'right', renderer: PVE.nft.plain },
        { text: gettext('Committed'), dataIndex: 'committed_at_s', hidden: true, width: 150, renderer: PVE.nft.rendered(PVE.nft.Format.time) },
        {
            text: gettext('Configuration'),
            dataIndex: 'datacenter_digest',
            width: 110,
            renderer: PVE.nft.rendered((digest) => PVE.nft.html`<span class="pve-nft-mono" data-qtip="${PVE.nft.tip(digest ?? '')}">${digest?.slice(0, 10)}</span>`),
        },
        {
            text: gettext('Diagnostics'),
            dataIndex: 'n_errors',
            width: 110,
            renderer: PVE.nft.rendered((errors, _meta, { data }) =>
                errors === undefined || errors === null ? '' : PVE.nft.Format.counts({ error: errors, warning: data.n_warnings }),
            ),
        },
        { text: gettext('REJECT mode'), dataIndex: 'reject_mode', hidden: true, width: 105, renderer: PVE.nft.plain },
        { text: gettext('Guests'), dataIndex: 'n_guests', hidden: true, width: 70, align: 'right', renderer: PVE.nft.plain },
        { text: gettext('Version'), dataIndex: 'version', hidden: true, width: 80, renderer: PVE.nft.plain },
    ],

    summarise: function (nodes) {
        let online = nodes.filter((node) => node.online);
        let done = online.filter((node) => !node.lags && ['active', 'degraded', 'disabled'].includes(node.state));
        let digests = new Set(online.map((node) => node.datacenter_digest).filter((digest) => digest));
        let rollout = Ext.String.format(gettext('{0} of {1} nodes enforce what is saved'), done.length, online.length);
        let agreed = digests.size > 1 ? gettext('the nodes enforce different configurations of the datacenter') : '';
        let icon = done.length === online.length && !agreed ? 'fa-check-circle good' : 'fa-exclamation-circle warning';
        this.down('#summary').setText(PVE.nft.encoded(PVE.nft.html`<i class="fa fa-fw ${icon}"></i> ${rollout}${agreed && `; ${agreed}`}`));
    },

    open: function (node) {
        PVE.nft.Places.open({ resource: `node/${node}`, tab: 'nodetab', card: 'firewall-nft' });
    },

    statics: {
        isSilent: ({ state }) => ['unreachable', 'offline', 'unknown'].includes(state),

        fields: { version: gettext('Version'), reject_mode: gettext('REJECT mode') },

        difference: function (differs, node) {
            if (differs?.length) {
                let texts = differs.map((field) => `${PVE.nft.Rollout.fields[field] ?? field} ${node[field] ?? ''}`);
                return PVE.nft.html`<i class="fa fa-exclamation-circle warning"></i> ${texts.join(', ')}`;
            }
            return PVE.nft.Rollout.isSilent(node) ? '' : gettext('No');
        },

        lag: function (lags, node) {
            if (PVE.nft.Rollout.isSilent(node)) {
                return '';
            }
            let { hold, waits, confirm_s: seconds } = node;
            let held = hold ? PVE.nft.html` <i class="fa fa-pause" data-qtip="${PVE.nft.tip(gettext('Hold'))}"></i>` : '';
            let confirm = seconds ? PVE.nft.html` <i class="fa fa-hourglass-half" data-qtip="${PVE.nft.tip(gettext('Waits for a confirmation'))}"></i>` : '';
            return lags
                ? PVE.nft.html`<i class="fa fa-exclamation-circle warning"></i> ${gettext('No')}${held}${confirm} <span class="pve-nft-faint">${waits}</span>`
                : PVE.nft.html`<i class="fa fa-check good"></i> ${gettext('Yes')}${held}${confirm}`;
        },
    },
});

Ext.define('pve-nft-node', {
    extend: 'Ext.data.Model',
    fields: [
        'node',
        { name: 'online', type: 'boolean' },
        'state',
        'cause',
        'version',
        'generation',
        'datacenter_digest',
        'committed_at_s',
        { name: 'lags', type: 'boolean' },
        'differs',
        { name: 'hold', type: 'boolean' },
        'waits',
        'confirm_s',
        'reject_mode',
        'n_errors',
        'n_warnings',
        'n_guests',
    ],
    idProperty: 'node',
});
