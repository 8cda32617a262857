// What is enforced in numbers, what the kernel can do, and what it drops.

Ext.define('PVE.nft.Overview', {
    extend: 'Ext.panel.Panel',
    alias: 'widget.pveNftOverview',

    layout: { type: 'vbox', align: 'stretch' },
    scrollable: true,
    bodyPadding: 0,

    /** Set by the creator: node, and the store of its status. */
    nodename: undefined,
    statusStore: undefined,

    initComponent: function () {
        let me = this;
        me.items = [
            {
                xtype: 'panel',
                layout: { type: 'hbox', align: 'stretch' },
                border: false,
                flex: 1,
                minHeight: 300,
                items: [me.facts(), me.features()],
            },
            {
                xtype: 'panel',
                itemId: 'traffic',
                title: gettext('Dropped and rejected packets'),
                hidden: true,
                border: false,
                items: { xtype: 'pveNftPlot', layers: PVE.nft.Traffic.layers },
            },
        ];
        me.callParent(arguments);
    },

    facts: function () {
        let me = this;
        let render = (show) => PVE.nft.rendered((value) => (value === undefined || value === null ? '' : show(value)));
        let row = (header, show, required) => ({ header, renderer: render(show), required });
        return {
            xtype: 'proxmoxObjectGrid',
            flex: 1,
            border: false,
            cwidth1: 190,
            cls: 'pve-nft-wrap',
            rstore: me.statusStore,
            disableSelection: true,
            rows: {
                generation: row(gettext('Enforced generation'), (g) => me.generation(g)),
                counts: row(gettext('In the kernel'), (c) => me.inKernel(c)),
                n_diagnostics: row(gettext('Diagnostics'), (counts) => PVE.nft.Format.counts(counts)),
                hold: row(gettext('Saved changes'), (hold) => (hold ? gettext('wait for an apply (hold)') : gettext('are enforced at once'))),
                reject_mode: row(gettext('REJECT mode'), (mode) => new PVE.nft.Markup(PVE.nft.rejectModeText(mode))),
                refused_guests: row(gettext('Guests with older rules'), (guests) => me.refused(guests)),
                warnings: row(gettext('Warnings'), (list) => me.listOrNone(list)),
                drift: row(gettext('Repairs'), (drift) => me.drift(drift)),
                version: row(gettext('Version'), (version) => version),
            },
        };
    },

    generation: function (generation) {
        let changes = PVE.nft.Format.plusMinus(generation.changes.n_rules_added, generation.changes.n_rules_removed);
        return PVE.nft.html`${generation.number} · ${PVE.nft.Format.time(generation.committed_at_s)} ·
            ${PVE.nft.Format.cause(generation.cause)} · ${changes} ${gettext('rules')} ·
            ${PVE.nft.Format.milliseconds(generation.phases.total_us)}${this.list(generation.losses)}${this.cuts(generation.cuts)}`;
    },

    cuts: function (cuts) {
        return cuts.length ? PVE.nft.html`<div>${gettext('Could not connect any more')}:</div>${this.list(cuts)}` : '';
    },

    inKernel: function (counts) {
        let text = gettext('{0} rules in {1} chains, {2} elements in {3} sets; {4} of {5} guests and {6} VNets filtered');
        let { n_rules, n_chains, n_elements, n_sets, n_guests_filtered, n_guests, n_vnets } = counts;
        return Ext.String.format(text, n_rules, n_chains, n_elements, n_sets, n_guests_filtered, n_guests, n_vnets);
    },

    list: (lines) => lines.map((line) => PVE.nft.html`<div><i class="fa fa-exclamation-circle warning"></i> ${line}</div>`),

    listOrNone: function (lines) {
        return lines.length ? this.list(lines) : gettext('None');
    },

    refused: function (guests) {
        return this.listOrNone(guests.map(({ vmid, reason }) => `${vmid}: ${reason}`));
    },

    drift: function (drift) {
        let last = Ext.String.format(
            gettext('{0}, the last at {1} after {2}: {3}'),
            drift.n_repairs,
            PVE.nft.Format.time(drift.repaired_at_s),
            PVE.nft.Format.milliseconds(drift.window_us),
            drift.what,
        );
        return last;
    },

    features: function () {
        let me = this;
        me.featureStore = Ext.create('Ext.data.Store', {
            fields: ['name', 'brought_by', 'present'],
            sorters: [{ property: 'present' }, { property: 'name' }],
        });
        let yes = PVE.nft.html`<i class="fa fa-check good"></i>`;
        let no = PVE.nft.html`<i class="fa fa-times critical"></i>`;
        return {
            xtype: 'grid',
            flex: 1,
            border: false,
            title: gettext('Kernel features'),
            cls: 'pve-nft-wrap',
            store: me.featureStore,
            disableSelection: true,
            columns: [
                { dataIndex: 'present', width: 36, renderer: PVE.nft.rendered((present) => (present ? yes : no)) },
                { text: gettext('Feature'), dataIndex: 'name', flex: 3, renderer: PVE.nft.plain },
                { text: gettext('Brought by'), dataIndex: 'brought_by', flex: 3, renderer: PVE.nft.plain },
            ],
        };
    },

    setStatus: function (status) {
        this.featureStore.loadData((status.features ?? []).map((feature) => ({ ...feature, present: feature.present ? 1 : 0 })));
    },

    setHits: function (hits) {
        let me = this;
        let panel = me.down('#traffic');
        panel.show();
        let sums = PVE.nft.Traffic.sums(hits, (hit) => hit.action);
        panel.down('pveNftPlot').setSamples(PVE.nft.Traffic.record(`node/${me.nodename}`, sums));
    },
});
