// What is wrong with the configuration: where, what follows, what helps. A click on the place leads there.

Ext.define('PVE.nft.Diagnostics', {
    extend: 'Ext.grid.Panel',
    alias: 'widget.pveNftDiagnostics',

    cls: 'pve-nft-wrap',
    emptyText: `<div class="pve-nft-none">${gettext('Nothing is wrong with the configuration.')}</div>`,
    viewConfig: { enableTextSelection: true, deferEmptyText: true },

    initComponent: function () {
        let me = this;
        me.store = Ext.create('Ext.data.Store', {
            fields: ['severity', 'code', 'file', 'line', 'message', 'consequence', 'remedy', 'text'],
            sorters: [{ sorterFn: (a, b) => me.rank(a) - me.rank(b) }, { property: 'file' }, { property: 'line' }],
        });
        me.tbar = [
            {
                xtype: 'textfield',
                emptyText: gettext('Search'),
                width: 250,
                listeners: { change: { fn: (_field, text) => me.search(text), buffer: 200 } },
            },
            '->',
            { xtype: 'tbtext', itemId: 'amount' },
        ];
        me.columns = me.makeColumns();
        me.callParent(arguments);
        PVE.nft.links(me, PVE.nft.Places.handlers);
        me.on('itemdblclick', (_view, record) => PVE.nft.Places.jump(record.data));
    },

    rank: (record) => Object.keys(PVE.nft.Format.severities).indexOf(record.get('severity')),

    makeColumns: function () {
        let me = this;
        return [
            { text: gettext('Severity'), dataIndex: 'severity', width: 95, renderer: PVE.nft.rendered(PVE.nft.Format.severity) },
            {
                text: gettext('Place'),
                dataIndex: 'file',
                width: 150,
                renderer: PVE.nft.rendered((_file, _meta, { data }) => PVE.nft.Format.place(data)),
            },
            {
                text: gettext('Found'),
                dataIndex: 'message',
                flex: 3,
                renderer: PVE.nft.rendered((message, _meta, { data }) => PVE.nft.html`${message}${me.source(data)}`),
            },
            { text: gettext('Consequence'), dataIndex: 'consequence', flex: 2, renderer: PVE.nft.plain },
            { text: gettext('Remedy'), dataIndex: 'remedy', flex: 2, renderer: PVE.nft.plain },
            { text: gettext('Code'), dataIndex: 'code', width: 75, renderer: PVE.nft.plain },
        ];
    },

    /** The line, with what is meant in it underlined. Columns count bytes. */
    source: function ({ text, column, end_column: end }) {
        if (!text) {
            return '';
        }
        let bytes = new TextEncoder().encode(text);
        let part = (from, to) => new TextDecoder().decode(bytes.slice(from, to));
        let line = column
            ? PVE.nft.html`${part(0, column - 1)}<u>${part(column - 1, end ? end - 1 : undefined)}</u>${end ? part(end - 1) : ''}`
            : text;
        return PVE.nft.html`<div class="pve-nft-mono pve-nft-faint">${line}</div>`;
    },

    search: function (text) {
        let wanted = text.trim().toLowerCase();
        this.store.clearFilter(true);
        this.store.filterBy(({ data }) =>
            ['file', 'message', 'consequence', 'remedy', 'text', 'code'].some((name) => String(data[name] ?? '').toLowerCase().includes(wanted)),
        );
        this.tell();
    },

    tell: function () {
        let shown = this.store.getCount();
        let more = this.total > this.listed ? ` ${gettext('(the rest is left out)')}` : '';
        this.down('#amount').setText(Ext.String.format(gettext('{0} of {1}'), shown, this.total) + more);
    },

    setDiagnostics: function (diagnostics, total = diagnostics.length) {
        let me = this;
        let key = Ext.encode(diagnostics);
        me.total = total;
        me.listed = diagnostics.length;
        // Looks at the status come every few seconds; who reads and scrolls must not notice.
        if (me.key !== key) {
            me.key = key;
            me.store.loadData(diagnostics);
        }
        me.tell();
    },
});
