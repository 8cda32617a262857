// The recent generations, what each changed, and the way back to one.

Ext.define('PVE.nft.Generations', {
    extend: 'Ext.panel.Panel',
    alias: 'widget.pveNftGenerations',

    layout: 'border',
    nodename: undefined,
    /** Called when something was rolled back. */
    done: Ext.emptyFn,

    initComponent: function () {
        let me = this;
        me.store = Ext.create('Ext.data.Store', {
            fields: ['number', 'enforced', 'cause', 'committed_at_s', 'digest', 'difference'],
            sorters: [{ property: 'number', direction: 'DESC' }],
        });
        me.items = [
            me.list(),
            {
                xtype: 'panel',
                region: 'south',
                height: '40%',
                split: true,
                border: false,
                scrollable: true,
                title: gettext('What it changed'),
                items: { xtype: 'component', itemId: 'difference', cls: 'pve-nft-diff' },
            },
        ];
        me.callParent(arguments);
        me.on('activate', me.reload, me);
    },

    list: function () {
        let me = this;
        return {
            xtype: 'grid',
            itemId: 'list',
            region: 'center',
            border: false,
            store: me.store,
            emptyText: `<div class="pve-nft-none">${gettext('No generation has been committed.')}</div>`,
            tbar: [
                { text: gettext('Reload'), iconCls: 'fa fa-refresh', handler: () => me.reload() },
                {
                    xtype: 'proxmoxButton',
                    itemId: 'back',
                    text: gettext('Roll back to this generation'),
                    iconCls: 'fa fa-undo',
                    disabled: true,
                    dangerous: true,
                    enableFn: ({ data }) => PVE.nft.Api.mayModify() && !data.enforced,
                    confirmMsg: ({ data }) =>
                        Ext.String.format(gettext('Enforce what generation {0} enforced? The files stay as they are.'), Number(data.number)),
                    handler: (_button, _event, record) => me.rollBack(record.get('number')),
                },
            ],
            columns: me.columns(),
            listeners: { select: (_model, record) => me.showDifference(record.get('difference')) },
        };
    },

    columns: () => [
        {
            text: gettext('Generation'),
            dataIndex: 'number',
            width: 110,
            renderer: PVE.nft.rendered((number, _meta, { data }) =>
                data.enforced ? PVE.nft.html`<b>${number}</b> <i class="fa fa-check-circle good" data-qtip="${PVE.nft.tip(gettext('enforced'))}"></i>` : number,
            ),
        },
        { text: gettext('Committed'), dataIndex: 'committed_at_s', width: 160, renderer: PVE.nft.rendered(PVE.nft.Format.time) },
        { text: gettext('Cause'), dataIndex: 'cause', flex: 1, renderer: PVE.nft.rendered(PVE.nft.Format.cause) },
        {
            text: gettext('Rules'),
            width: 100,
            dataIndex: 'changes',
            sortable: false,
            renderer: PVE.nft.rendered((changes) => PVE.nft.Format.plusMinus(changes.n_rules_added, changes.n_rules_removed)),
        },
        {
            text: gettext('Elements'),
            width: 100,
            dataIndex: 'changes',
            sortable: false,
            renderer: PVE.nft.rendered((changes) => PVE.nft.Format.plusMinus(changes.n_elements_added, changes.n_elements_removed)),
        },
        {
            text: gettext('Took'),
            dataIndex: 'phases',
            width: 90,
            align: 'right',
            sortable: false,
            renderer: PVE.nft.rendered((phases) => PVE.nft.Format.milliseconds(phases.total_us)),
        },
        {
            text: gettext('Configuration'),
            dataIndex: 'digest',
            width: 120,
            renderer: PVE.nft.rendered((digest) => PVE.nft.html`<span class="pve-nft-mono" data-qtip="${PVE.nft.tip(digest)}">${digest.slice(0, 10)}</span>`),
        },
    ],

    reload: function () {
        let me = this;
        PVE.nft.Api.read(me.nodename, 'generations', {
            success: (generations) => !me.destroyed && me.setGenerations(generations),
            failure: (response) => !me.destroyed && Proxmox.Utils.setErrorMask(me, PVE.nft.Api.message(response)),
        });
    },

    setGenerations: function (generations) {
        let me = this;
        Proxmox.Utils.setErrorMask(me, false);
        let model = me.down('#list').getSelectionModel();
        let selected = model.getSelection()[0]?.get('number');
        me.store.loadData(generations);
        let again = me.store.findRecord('number', selected ?? me.store.first()?.get('number'), 0, false, true, true);
        if (again) {
            model.select(again);
        }
    },

    showDifference: function (text) {
        let kinds = { '+': 'pve-nft-added', '-': 'pve-nft-removed' };
        let lines = text.split('\n').map((line) => PVE.nft.html`<div class="pve-nft-row ${kinds[line[0]] ?? ''}"><span>${line}</span></div>`);
        this.down('#difference').setHtml(PVE.nft.encoded(lines));
    },

    rollBack: function (generation) {
        let me = this;
        PVE.nft.Api.change(me.nodename, 'rollback', {
            params: { generation },
            waitMsgTarget: me,
            success: () => {
                me.done();
                me.reload();
            },
        });
    },
});
