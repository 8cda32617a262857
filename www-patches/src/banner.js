// The line on top of a node's firewall: how it stands and why, since when, what it waits for.

Ext.define('PVE.nft.Banner', {
    extend: 'Ext.Component',
    alias: 'widget.pveNftBanner',

    /** Status as the API gives it; `undefined` until it is known. */
    status: undefined,

    initComponent: function () {
        let me = this;
        me.callParent(arguments);
        me.ticker = Ext.TaskManager.newTask({ interval: 1000, run: () => me.tick() });
        PVE.nft.links(me, {
            confirm: () => me.fireEvent('confirm'),
            rollback: () => me.fireEvent('rollback'),
            diagnostics: () => me.fireEvent('showview', 'diagnostics'),
            changes: () => me.fireEvent('showview', 'changes'),
        });
    },

    onDestroy: function () {
        this.ticker.destroy();
        this.callParent(arguments);
    },

    setStatus: function (status) {
        let me = this;
        me.status = status;
        me.received = Date.now();
        let [icon, color] = PVE.nft.Format.states[status.state] ?? ['fa-question-circle', 'faded'];
        me.setHtml(
            PVE.nft.html`<div class="pve-nft-banner ${color}"><i class="fa ${icon} ${color}"></i>
            <div class="pve-nft-words">${me.headline(status)}<br>${status.cause}${me.waiting(status)}</div>${me.countdown(status)}</div>`.text,
        );
        if (status.confirm) {
            me.ticker.start();
        } else {
            me.ticker.stop();
        }
    },

    headline: function (status) {
        let since = `${PVE.nft.Format.time(status.since_s)} (${PVE.nft.Format.ago(status.since_s)})`;
        let generation = status.generation ? PVE.nft.html` · ${gettext('generation')} ${status.generation.number}` : '';
        let { error, warning } = status.n_diagnostics ?? {};
        let counts = error || warning ? PVE.nft.html` · ${PVE.nft.link('diagnostics', PVE.nft.Format.counts(status.n_diagnostics))}` : '';
        return PVE.nft.html`<b>${status.state}</b> · ${gettext('since')} ${since}${generation}${counts}`;
    },

    waiting: function ({ candidate }) {
        if (!candidate) {
            return '';
        }
        let details = (candidate.details ?? []).map((detail) => PVE.nft.html`<br><span class="pve-nft-faint">· ${detail}</span>`);
        let changes = PVE.nft.link('changes', gettext('What would change'));
        return PVE.nft.html`<br><i class="fa fa-fw fa-hourglass-half warning"></i> ${gettext('Saved, not enforced')}: ${candidate.reason}. ${changes}${details}`;
    },

    countdown: function ({ confirm }) {
        if (!confirm) {
            return '';
        }
        let back = Ext.String.format(gettext('Back to generation {0} in'), confirm.back_to);
        return PVE.nft.html`<div class="pve-nft-countdown">${back} <b class="pve-nft-seconds">${confirm.remaining_s} s</b>
            <div class="pve-nft-bar"><i style="width:${(100 * confirm.remaining_s) / confirm.within_s}%"></i></div></div>`;
    },

    /** Between two looks at the status the browser's clock counts on. */
    tick: function () {
        let me = this;
        let confirm = me.status?.confirm;
        let dom = me.getEl()?.dom;
        if (!confirm || !dom?.querySelector('.pve-nft-seconds')) {
            return;
        }
        let left = Math.max(0, confirm.remaining_s - Math.round((Date.now() - me.received) / 1000));
        dom.querySelector('.pve-nft-seconds').textContent = `${left} s`;
        dom.querySelector('.pve-nft-bar > i').style.width = `${(100 * left) / confirm.within_s}%`;
    },
});
