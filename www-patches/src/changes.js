// What is saved against what is enforced, and a generation against the one before: lines that leave and lines that come.

Ext.define('PVE.nft.Changes', {
    extend: 'Ext.panel.Panel',
    alias: 'widget.pveNftChanges',

    scrollable: true,
    nodename: undefined,

    initComponent: function () {
        let me = this;
        me.tbar = [
            { text: gettext('Reload'), iconCls: 'fa fa-refresh', handler: () => me.reload() },
            '->',
            { xtype: 'tbtext', itemId: 'summary' },
        ];
        me.items = [{ xtype: 'component', itemId: 'diff', cls: 'pve-nft-diff' }];
        me.callParent(arguments);
        me.on('activate', me.reload, me);
        PVE.nft.links(me, PVE.nft.Places.handlers);
    },

    reload: function () {
        let me = this;
        PVE.nft.Api.read(me.nodename, 'diff', {
            waitMsgTarget: me,
            success: (change) => me.setChange(change),
            failure: (response) => me.tell('', new PVE.nft.Markup(PVE.nft.Api.message(response))),
        });
    },

    tell: function (summary, markup) {
        if (this.destroyed) {
            return;
        }
        this.down('#summary').setText(PVE.nft.encoded(summary));
        this.down('#diff').setHtml(PVE.nft.encoded(markup));
        this.updateLayout();
    },

    setChange: function (change) {
        let me = this;
        if (change.unchanged) {
            me.tell('', PVE.nft.html`<div class="pve-nft-none">${gettext('What is saved is what is enforced.')}</div>`);
            return;
        }
        let counts = change.counts;
        let summary = PVE.nft.html`${gettext('Rules')} ${PVE.nft.Format.plusMinus(counts.n_rules_added, counts.n_rules_removed)}
            · ${gettext('Elements')} ${PVE.nft.Format.plusMinus(counts.n_elements_added, counts.n_elements_removed)}
            · ${gettext('Chains')} ${PVE.nft.Format.plusMinus(counts.n_chains_added, counts.n_chains_removed)}`;
        let rest = change.n_left_out ? PVE.nft.html`<p>${Ext.String.format(gettext('{0} more objects change.'), change.n_left_out)}</p>` : '';
        me.tell(summary, PVE.nft.html`${change.objects.map(PVE.nft.Changes.object)}${rest}`);
    },

    statics: {
        words: { added: gettext('new'), removed: gettext('removed'), changed: gettext('changed') },

        object: function (object) {
            let { line, words } = PVE.nft.Changes;
            let kept = object.n_kept ? `, ${Ext.String.format(gettext('{0} kept'), object.n_kept)}` : '';
            let head = PVE.nft.html`<h4>${object.kind} ${object.name} <span class="pve-nft-faint">${words[object.change] ?? object.change}${kept}
                · ${object.family} ${object.table}</span></h4>`;
            return [head, ...object.removed.map(line('removed', '−')), ...object.added.map(line('added', '+'))];
        },

        // A rule's comment in the kernel is its id, which tells people nothing.
        line: (kind, sign) => (line) => {
            let text = line.rule ? line.text.replace(` comment "${line.rule}"`, '') : line.text;
            let origin = PVE.nft.Format.origin(line.origin);
            return PVE.nft.html`<div class="pve-nft-row pve-nft-${kind}"><span>${sign} ${text}</span><span>${origin}</span></div>`;
        },
    },
});
