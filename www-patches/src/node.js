// Node > Firewall > nftables.

Ext.define('PVE.nft.NodePanel', {
    extend: 'Ext.panel.Panel',
    alias: 'widget.pveNftNodePanel',

    layout: 'fit',
    onlineHelp: 'chapter_pve_firewall',

    initComponent: function () {
        let me = this;
        me.nodename = me.pveSelNode.data.node;
        me.statusStore = Ext.create('Proxmox.data.ObjectStore', {
            url: `/api2/json${PVE.nft.Api.path(me.nodename, 'status')}`,
            interval: 5000,
            rows: PVE.nft.NodePanel.statusRows,
        });
        me.tbar = me.actions();
        me.dockedItems = [{ xtype: 'pveNftBanner', dock: 'top', listeners: me.bannerListeners() }];
        me.items = [me.tabs()];
        me.callParent(arguments);
        Proxmox.Utils.monStoreErrors(me, me.statusStore, true);
        me.mon(me.statusStore, 'load', (_store, _records, success) => success && me.setStatus());
        me.on('activate', () => me.statusStore.startUpdate());
        me.on('deactivate', () => me.statusStore.stopUpdate());
        me.statusStore.startUpdate();
    },

    onDestroy: function () {
        this.statusStore.stopUpdate();
        this.callParent(arguments);
    },

    actions: function () {
        let me = this;
        let mayNot = !PVE.nft.Api.mayModify();
        let call = (name) => () => me.change(name);
        me.modifying = [
            { text: gettext('Apply'), itemId: 'apply', iconCls: 'fa fa-play', handler: () => me.openApply() },
            { text: gettext('Confirm'), itemId: 'confirm', iconCls: 'fa fa-check', hidden: true, handler: call('confirm') },
            { text: gettext('Roll back'), itemId: 'rollback', iconCls: 'fa fa-undo', hidden: true, handler: call('rollback') },
            '-',
            {
                text: gettext('Hold'),
                itemId: 'hold',
                iconCls: 'fa fa-pause',
                tooltip: gettext('Saved changes wait for an apply'),
                handler: call('hold'),
            },
            {
                text: gettext('Release'),
                itemId: 'release',
                iconCls: 'fa fa-forward',
                hidden: true,
                tooltip: gettext('Saved changes are enforced at once again'),
                handler: call('release'),
            },
        ];
        return me.modifying.map((button) => (button === '-' ? button : { ...button, disabled: mayNot }));
    },

    bannerListeners: function () {
        let me = this;
        return {
            confirm: () => me.change('confirm'),
            rollback: () => me.change('rollback'),
            showview: (name) => me.down('tabpanel').setActiveItem(name),
        };
    },

    tabs: function () {
        let me = this;
        let tab = (xtype, itemId, title) => ({ xtype, itemId, title, nodename: me.nodename, border: false });
        return {
            xtype: 'tabpanel',
            plain: true,
            border: false,
            listeners: { tabchange: () => me.readHits() },
            items: [
                { ...tab('pveNftOverview', 'overview', gettext('Overview')), statusStore: me.statusStore },
                tab('pveNftDiagnostics', 'diagnostics', gettext('Diagnostics')),
                tab('pveNftChanges', 'changes', gettext('What would change')),
                tab('pveNftGuests', 'guests', gettext('Guests')),
                tab('pveNftSimulate', 'simulate', gettext('Simulate')),
                { ...tab('pveNftGenerations', 'generations', gettext('Generations')), done: () => me.statusStore.load() },
            ],
        };
    },

    /** The store holds one record for each key of the status. */
    setStatus: function () {
        let me = this;
        let status = {};
        me.statusStore.each(({ data }) => {
            status[data.key] = data.value;
        });
        let before = me.status;
        me.status = status;
        me.down('pveNftBanner').setStatus(status);
        me.down('#overview').setStatus(status);
        me.setDiagnostics(status);
        me.showButtons(status);
        if (before && before.generation?.number !== status.generation?.number) {
            for (const name of ['changes', 'generations', 'guests']) {
                let view = me.down(`#${name}`);
                if (view.isVisible(true)) {
                    view.reload();
                }
            }
        }
        me.readHits();
    },

    setDiagnostics: function ({ diagnostics = [], n_diagnostics: counts = {} }) {
        let total = (counts.error ?? 0) + (counts.warning ?? 0) + (counts.info ?? 0);
        let view = this.down('#diagnostics');
        view.setTitle(total ? `${gettext('Diagnostics')} (${Number(total)})` : gettext('Diagnostics'));
        view.setDiagnostics(diagnostics, total);
    },

    showButtons: function ({ confirm, hold, candidate }) {
        let me = this;
        me.down('#apply').setVisible(!confirm);
        me.down('#apply').setText(candidate ? gettext('Apply what is saved') : gettext('Apply'));
        me.down('#confirm').setVisible(!!confirm);
        me.down('#rollback').setVisible(!!confirm);
        me.down('#hold').setVisible(!hold);
        me.down('#release').setVisible(!!hold);
    },

    /** Counters are read only while something shows them. */
    readHits: function () {
        let me = this;
        let shown = ['overview', 'guests'].map((name) => me.down(`#${name}`)).filter((view) => view.isVisible(true));
        if (me.hasNoMetrics || shown.length === 0) {
            return;
        }
        PVE.nft.Api.read(me.nodename, 'metrics', {
            success: ({ text }) => {
                let hits = PVE.nft.Traffic.hits(text);
                shown.filter((view) => !view.destroyed).forEach((view) => view.setHits(hits));
            },
            failure: ({ result }) => {
                me.hasNoMetrics = result?.status === 501;
            },
        });
    },

    change: function (name) {
        let me = this;
        PVE.nft.Api.change(me.nodename, name, { waitMsgTarget: me, success: () => me.statusStore.load() });
    },

    openApply: function () {
        let me = this;
        Ext.create('PVE.nft.ApplyWindow', {
            nodename: me.nodename,
            autoShow: true,
            done: () => me.statusStore.load(),
        });
    },

    statics: {
        // What the store takes from the status, in the order in which the overview shows it.
        statusRows: Object.fromEntries(
            [
                'state',
                'cause',
                'since_s',
                'generation',
                'hold',
                'candidate',
                'confirm',
                'reject_mode',
                'counts',
                'n_diagnostics',
                'refused_guests',
                'warnings',
                'drift',
                'diagnostics',
                'features',
                'version',
            ].map((name) => [name, {}]),
        ),
    },
});
