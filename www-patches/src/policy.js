// What a guest's packets meet: for each device its rules in order, how often each was met, and which do nothing and why.

Ext.define('PVE.nft.GuestPolicy', {
    extend: 'Ext.panel.Panel',
    alias: 'widget.pveNftGuestPolicy',

    layout: { type: 'vbox', align: 'stretch' },
    nodename: undefined,
    vmid: undefined,

    initComponent: function () {
        let me = this;
        // As an entry of a guest's menu we are told the guest by the tree's node.
        me.nodename ??= me.pveSelNode.data.node;
        me.vmid ??= me.pveSelNode.data.vmid;
        me.store = Ext.create('Ext.data.Store', { fields: ['position', 'text', 'effect', 'packets'], groupField: 'device' });
        me.tbar = [
            { xtype: 'tbtext', itemId: 'summary', flex: 1 },
            { text: gettext('Reload'), iconCls: 'fa fa-refresh', handler: () => me.reload() },
        ];
        me.items = [
            { xtype: 'component', itemId: 'trouble', hidden: true, padding: 10, maxHeight: 130, scrollable: true, cls: 'pve-nft-message' },
            me.rules(),
            { xtype: 'pveNftPlot', itemId: 'plot', height: 160, layers: PVE.nft.Traffic.allLayers },
        ];
        me.callParent(arguments);
        me.ticker = Ext.TaskManager.start({ run: () => me.isVisible(true) && me.reload(), interval: 5000 });
        PVE.nft.links(me, PVE.nft.Places.handlers);
    },

    onDestroy: function () {
        Ext.TaskManager.stop(this.ticker);
        this.callParent(arguments);
    },

    rules: function () {
        let me = this;
        return {
            xtype: 'grid',
            itemId: 'rules',
            flex: 1,
            border: false,
            cls: 'pve-nft-wrap',
            store: me.store,
            features: [{ ftype: 'grouping', groupHeaderTpl: '{name:htmlEncode}', enableGroupingMenu: false }],
            viewConfig: { getRowClass: ({ data }) => (data.effect === 'enforced' ? '' : 'pve-nft-idle'), enableTextSelection: true },
            emptyText: `<div class="pve-nft-none">${gettext('No rules.')}</div>`,
            sortableColumns: false,
            columns: PVE.nft.GuestPolicy.columns(),
        };
    },

    reload: function () {
        let me = this;
        PVE.nft.Api.read(me.nodename, `guests/${me.vmid}`, {
            success: (guest) => !me.destroyed && me.setGuest(guest),
            failure: (response) => !me.destroyed && me.tellTrouble([new PVE.nft.Markup(response.htmlStatus)]),
        });
        if (me.countsRulesOnly || !PVE.nft.Api.mayAudit()) {
            return;
        }
        PVE.nft.Api.read(me.nodename, 'metrics', {
            success: ({ text }) => !me.destroyed && me.setHits(PVE.nft.Traffic.hits(text)),
            failure: () => {
                me.countsRulesOnly = true;
            },
        });
    },

    setGuest: function (guest) {
        let me = this;
        let onOff = guest.enabled ? gettext('Firewall on') : gettext('Firewall off');
        me.down('#summary').setText(
            PVE.nft.encoded(`${onOff} · ${gettext('Input Policy')} ${guest.policy_in} · ${gettext('Output Policy')} ${guest.policy_out}`),
        );
        let diagnostics = (guest.diagnostics ?? []).map(
            (found) => PVE.nft.html`${PVE.nft.Format.severity(found.severity)} ${PVE.nft.Format.place(found)} ${found.message}: ${found.consequence}`,
        );
        me.tellTrouble([guest.unprotected, guest.refused, guest.hits_missing, ...diagnostics].filter((text) => text));
        let rows = guest.devices.flatMap(PVE.nft.GuestPolicy.rows);
        let key = Ext.encode(rows);
        if (me.key !== key) {
            me.key = key;
            me.showRows(rows);
        }
        if (me.countsRulesOnly || !PVE.nft.Api.mayAudit()) {
            me.down('#plot').setSamples(PVE.nft.Traffic.record(`rules/${me.nodename}/${me.vmid}`, PVE.nft.GuestPolicy.sums(rows)));
        }
    },

    /** Without the place where somebody reads being lost. */
    showRows: function (rows) {
        let view = this.down('#rules').getView();
        let top = view.getScrollable()?.getPosition();
        this.store.loadData(rows);
        if (top) {
            view.getScrollable().scrollTo(top.x, top.y);
        }
    },

    setHits: function (hits) {
        let me = this;
        let own = hits.filter(({ vmid }) => vmid === String(me.vmid));
        let sums = PVE.nft.Traffic.sums(own, ({ action }) => action);
        me.down('#plot').setSamples(PVE.nft.Traffic.record(`guest/${me.nodename}/${me.vmid}`, sums));
    },

    tellTrouble: function (texts) {
        let trouble = this.down('#trouble');
        trouble.setHtml(PVE.nft.html`${texts.map((text) => PVE.nft.html`<div>${text}</div>`)}`.text);
        trouble.setVisible(texts.length > 0);
    },

    statics: {
        deviceTitle: function (device) {
            let parts = [device.name, device.iface, device.bridge, device.vlan && `VLAN ${device.vlan}`, device.mac];
            let state = device.filtered ? (device.running ? '' : gettext('not plugged in')) : gettext('not filtered');
            let sources = device.ipfilter && `${gettext('IP filter')}: ${device.ipfilter.slice(0, 4).join(', ')}${device.ipfilter.length > 4 ? ' …' : ''}`;
            return [...parts, sources, state].filter((part) => part).join(' · ');
        },

        rows: function (device) {
            let most = Math.max(1, ...device.rules.map((rule) => rule.hits?.packets ?? 0));
            let title = PVE.nft.GuestPolicy.deviceTitle(device);
            let byId = new Map(device.rules.map((rule) => [rule.id, rule]));
            return device.rules.map((rule, i) => ({
                ...rule,
                id: `${device.name}/${i}`,
                device: title,
                position: i,
                packets: rule.hits?.packets,
                share: (rule.hits?.packets ?? 0) / most,
                verdict: PVE.nft.GuestPolicy.verdict(rule.text),
                shadow: byId.get(rule.shadowed_by),
            }));
        },

        verdict: (text) => text.match(/^(?:in|out)\s+(?:\S+\((\w+)\)|(\w+))/i)?.slice(1).find((word) => word)?.toLowerCase() ?? '',

        sums: function (rows) {
            let sums = {};
            for (const { verdict, packets } of rows) {
                if (packets !== undefined) {
                    sums[verdict] = (sums[verdict] ?? 0) + packets;
                }
            }
            return sums;
        },

        effect: PVE.nft.rendered(function (effect, _meta, { data }) {
            let [icon, color, word] = PVE.nft.Format.effects[effect] ?? ['fa-question', 'faded', effect];
            let shadow = data.shadow ? PVE.nft.html` <span class="pve-nft-faint">${PVE.nft.Format.place(data.shadow)}</span>` : '';
            let because = data.why ? ` ${gettext('because')} ${data.why}` : '';
            return PVE.nft.html`<i class="fa fa-fw ${icon} ${color}"></i> ${word}${because}${shadow}`;
        }),

        hits: PVE.nft.rendered(function (packets, _meta, { data }) {
            if (packets === undefined) {
                return '';
            }
            let tip = PVE.nft.tip(`${packets} ${gettext('packets')}, ${data.hits.bytes} ${gettext('bytes')}`);
            return PVE.nft.html`<div class="pve-nft-hits ${data.verdict}" data-qtip="${tip}"><i style="width:${(100 * data.share).toFixed(1)}%"></i>
                <span>${PVE.nft.Format.amount(packets)}</span></div>`;
        }),

        columns: () => [
            {
                text: gettext('Place'),
                dataIndex: 'line',
                width: 120,
                renderer: PVE.nft.rendered((_line, _meta, { data }) => PVE.nft.Format.place(data)),
            },
            {
                text: gettext('Rule'),
                dataIndex: 'text',
                flex: 3,
                renderer: PVE.nft.rendered((text, _meta, { data }) => {
                    let comment = data.comment ? PVE.nft.html` <span class="pve-nft-faint"># ${data.comment}</span>` : '';
                    let inner = PVE.nft.html`<span class="pve-nft-mono">${text}</span>${comment}`;
                    return data.group ? PVE.nft.html`<div style="padding-left:16px">${inner}</div>` : inner;
                }),
            },
            { text: gettext('Effect'), dataIndex: 'effect', flex: 2, renderer: PVE.nft.GuestPolicy.effect },
            { text: gettext('Hits'), dataIndex: 'packets', width: 130, renderer: PVE.nft.GuestPolicy.hits },
        ],
    },
});
