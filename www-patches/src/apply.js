// Enforcing what is saved: with a time limit, unless somebody confirms.

Ext.define('PVE.nft.ApplyWindow', {
    extend: 'Ext.window.Window',

    title: gettext('Apply'),
    modal: true,
    width: 640,
    bodyPadding: 10,
    layout: 'anchor',
    defaults: { anchor: '100%' },

    nodename: undefined,
    /** Called when something was applied. */
    done: Ext.emptyFn,

    initComponent: function () {
        let me = this;
        me.items = [
            { xtype: 'component', itemId: 'what', html: Ext.htmlEncode(gettext('Looking at what would change…')) },
            {
                xtype: 'checkboxfield',
                itemId: 'limited',
                boxLabel: gettext('Go back to what is enforced now unless somebody confirms within'),
                checked: true,
                margin: '12 0 0 0',
                listeners: { change: (_box, checked) => me.down('#seconds').setDisabled(!checked) },
            },
            {
                xtype: 'numberfield',
                itemId: 'seconds',
                fieldLabel: gettext('Seconds'),
                value: 60,
                minValue: 10,
                allowDecimals: false,
                maxValue: 86400,
                allowBlank: false,
            },
            {
                xtype: 'checkboxfield',
                itemId: 'force',
                boxLabel: gettext('Even if that cuts the way in'),
                hidden: true,
            },
            { xtype: 'component', itemId: 'problem', margin: '12 0 0 0' },
        ];
        me.buttons = [{ text: gettext('Apply'), itemId: 'apply', handler: () => me.apply() }];
        me.callParent(arguments);
        me.look();
    },

    look: function () {
        let me = this;
        PVE.nft.Api.read(me.nodename, 'compile', {
            success: (candidate) => {
                me.tell('#what', PVE.nft.ApplyWindow.changes(candidate));
                me.showForce(candidate.cuts_the_way_in);
            },
            failure: (response) => me.tell('#what', new PVE.nft.Markup(PVE.nft.Api.message(response))),
        });
    },

    showForce: function (isNeeded) {
        if (!this.destroyed) {
            this.down('#force').setVisible(!!isNeeded);
        }
    },

    tell: function (query, text) {
        if (!this.destroyed) {
            this.down(query).setHtml(PVE.nft.encoded(text));
            this.updateLayout();
        }
    },

    apply: function () {
        let me = this;
        let seconds = me.down('#seconds');
        let isLimited = me.down('#limited').getValue();
        if (isLimited && !seconds.isValid()) {
            return;
        }
        let params = isLimited ? { 'confirm-within': seconds.getValue() } : {};
        if (me.down('#force').getValue()) {
            params.force = 1;
        }
        PVE.nft.Api.change(me.nodename, 'apply', {
            params,
            waitMsgTarget: me,
            success: (applied) => {
                me.done(applied);
                me.close();
            },
            failure: (response) => {
                me.tell('#problem', new PVE.nft.Markup(PVE.nft.Api.message(response)));
                // 409: held, refused, or the way in would be cut; only the last of them can be forced.
                me.showForce(response.result?.status === 409);
            },
        });
    },

    statics: {
        /** How much would change, and what nobody could reach any more. */
        changes: function ({ change: { unchanged, counts }, cuts }) {
            if (unchanged) {
                return gettext('What is saved is what is enforced: nothing would change.');
            }
            let list = cuts.map((cut) => PVE.nft.html`<div>· ${cut}</div>`);
            let closed = cuts.length
                ? PVE.nft.html`<p><i class="fa fa-fw fa-exclamation-circle warning"></i> ${gettext('Could not connect any more')}:</p>
                    <div class="pve-nft-cuts">${list}</div>`
                : '';
            return PVE.nft.html`${gettext('Rules')}: ${PVE.nft.Format.plusMinus(counts.n_rules_added, counts.n_rules_removed)},
                ${gettext('Elements')}: ${PVE.nft.Format.plusMinus(counts.n_elements_added, counts.n_elements_removed)}${closed}`;
        },
    },
});
