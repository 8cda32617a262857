// A packet's way through hooks, chains and rules, as the simulator tells it.

Ext.define('PVE.nft.Trace', {
    extend: 'Ext.Component',
    alias: 'widget.pveNftTrace',

    cls: 'pve-nft-trace',
    html: `<div class="pve-nft-none">${gettext('Describe a packet to see what happens to it, and which rule decides.')}</div>`,

    initComponent: function () {
        this.callParent(arguments);
        PVE.nft.links(this, PVE.nft.Places.handlers);
    },

    setProblem: function (response) {
        this.setHtml(`<i class="fa fa-exclamation-triangle critical"></i> ${PVE.nft.Api.message(response)}`);
    },

    setTrace: function (trace) {
        this.shown = trace;
        let [icon, color] = PVE.nft.Format.verdicts[trace.verdict] ?? ['fa-question-circle', 'faded'];
        let assumptions = (trace.assumptions ?? []).join(', ');
        let steps = this.steps(trace);
        this.setHtml(
            PVE.nft.html`<div class="pve-nft-verdict"><i class="fa ${icon} ${color}"></i><div><b>${trace.verdict}</b>
            ${trace.detail}<br>${this.decision(trace)}</div></div>
            <div><span class="pve-nft-mono">${trace.packet}</span></div>
            <div class="pve-nft-faint">${gettext('Assumed')}: ${assumptions}</div>
            <table class="pve-nft-steps">${steps}</table>`.text,
        );
    },

    decision: function (trace) {
        let by = trace.decided_by;
        if (!by) {
            return gettext('No rule decides: what reaches the end of all chains passes.');
        }
        return PVE.nft.html`${gettext('decided by')} ${PVE.nft.Format.origin(by.origin)}
            <span class="pve-nft-faint">· ${by.table} ${by.chain}</span>`;
    },

    steps: function (trace) {
        let last = trace.steps.findLastIndex((step) => step.step === 'rule' && step.rule === trace.decided_by?.rule && step.matched);
        return trace.steps.map((step, i) => PVE.nft.Trace.step[step.step]?.(step, i === last) ?? '');
    },

    statics: {
        step: {
            hook: ({ family, hook, iif, oif }) => {
                let way = [iif, oif].filter((name) => name).join(' → ');
                return PVE.nft.html`<tr class="pve-nft-hook"><td>${family} ${hook}</td><td colspan="2">${way}</td></tr>`;
            },
            chain: ({ table, chain, priority }) =>
                PVE.nft.html`<tr class="pve-nft-chain"><td>${chain}</td><td class="pve-nft-faint">${table}</td>
                    <td class="pve-nft-faint">${gettext('priority')} ${priority}</td></tr>`,
            rule: ({ chain, matched, outcome, origin, log }, isDeciding) => {
                let classes = `pve-nft-rule ${isDeciding ? 'pve-nft-deciding' : ''} ${matched ? '' : 'pve-nft-passed'}`;
                let logged = log ? PVE.nft.html` <i class="fa fa-file-text-o" data-qtip="${PVE.nft.tip(log)}"></i>` : '';
                return PVE.nft.html`<tr class="${classes}"><td>${chain}</td><td>${PVE.nft.Format.origin(origin)}</td>
                    <td>${outcome}${logged}</td></tr>`;
            },
            policy: () => '',
            answer: ({ packet, with: answer }) =>
                PVE.nft.html`<tr class="pve-nft-hook"><td>${gettext('answer')}</td><td colspan="2">${answer}: ${packet}</td></tr>`,
        },
    },
});
