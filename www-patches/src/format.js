// Words, icons and numbers that several views show.

Ext.ns('PVE.nft.Format');

// Icon, class of Proxmox' stylesheet for its colour, and what the state means.
PVE.nft.Format.states = {
    active: ['fa-check-circle', 'good', gettext('What is saved is enforced.')],
    disabled: ['fa-circle-o', 'faded', gettext('The firewall is switched off; nothing is filtered.')],
    degraded: ['fa-exclamation-circle', 'warning', gettext('Enforced, but not all of what was asked for.')],
    held: ['fa-pause-circle', 'warning', gettext('What was enforced before stays; what is saved waits.')],
    failed: ['fa-times-circle', 'critical', gettext('What is saved could not be enforced; what was enforced stays.')],
    unreachable: ['fa-chain-broken', 'critical', gettext('The firewall service does not answer on this node.')],
    offline: ['fa-power-off', 'faded', gettext('The node is offline.')],
    unknown: ['fa-question-circle', 'faded', gettext('The node has not told anything.')],
};

PVE.nft.Format.state = function (state) {
    let [icon, color, meaning] = PVE.nft.Format.states[state] ?? ['fa-question-circle', 'faded', ''];
    let tip = PVE.nft.tip(meaning);
    return PVE.nft.html`<span data-qtip="${tip}"><i class="fa fa-fw ${icon} ${color}"></i> ${state}</span>`;
};

PVE.nft.Format.severities = {
    error: ['fa-times-circle', 'critical'],
    warning: ['fa-exclamation-circle', 'warning'],
    info: ['fa-info-circle', 'pve-nft-info'],
};

PVE.nft.Format.severity = function (severity) {
    let [icon, color] = PVE.nft.Format.severities[severity] ?? ['fa-question-circle', 'faded'];
    return PVE.nft.html`<i class="fa fa-fw ${icon} ${color}"></i> ${severity}`;
};

/** Errors and warnings, as far as there are any. */
PVE.nft.Format.counts = function (counts) {
    let parts = Object.keys(PVE.nft.Format.severities)
        .filter((severity) => counts?.[severity] > 0)
        .map((severity) => {
            let [icon, color] = PVE.nft.Format.severities[severity];
            return PVE.nft.html`<span class="pve-nft-count"><i class="fa ${icon} ${color}"></i> ${counts[severity]}</span>`;
        });
    return parts.length ? PVE.nft.html`${parts}` : PVE.nft.html`<i class="fa fa-check good"></i> ${gettext('None')}`;
};

// Why a generation came to be; the keys are the words of the API.
PVE.nft.Format.causes = {
    start: gettext('Start of the service'),
    files: gettext('Saved configuration'),
    links: gettext('Network interfaces'),
    guest: gettext('Guest start or migration'),
    apply: gettext('Apply'),
    rollback: gettext('Rollback'),
    drift: gettext('Repair of the kernel tables'),
    audit: gettext('Audit of the kernel tables'),
};

PVE.nft.Format.cause = (cause) => PVE.nft.Format.causes[cause] ?? cause;

PVE.nft.Format.rejectModes = {
    prerouting: gettext('prerouting: answer at the sender\'s port'),
    divert: gettext('divert: as prerouting, and answer what the host sends or routes'),
    fwbr: gettext('fwbr: as divert, at a firewall bridge for each device'),
    drop: gettext('drop: no answer'),
};

PVE.nft.Format.rejectMode = (mode) => PVE.nft.Format.rejectModes[mode] ?? mode;

PVE.nft.Format.time = (seconds) =>
    seconds ? Ext.Date.format(new Date(seconds * 1000), 'Y-m-d H:i:s') : '';

PVE.nft.Format.ago = function (seconds) {
    let passed = Math.max(0, Math.round(Date.now() / 1000 - seconds));
    return Ext.String.format(gettext('{0} ago'), Proxmox.Utils.format_duration_human(passed || 1));
};

PVE.nft.Format.milliseconds = (us) => `${(us / 1000).toFixed(us < 10000 ? 1 : 0)} ms`;

/** 1234567 -> "1.23 M" */
PVE.nft.Format.amount = function (value) {
    let units = ['', ' k', ' M', ' G', ' T'];
    let unit = 0;
    let rest = value;
    while (rest >= 1000 && unit < units.length - 1) {
        rest /= 1000;
        unit++;
    }
    let digits = rest >= 100 || Number.isInteger(rest) ? 0 : rest >= 10 ? 1 : 2;
    return rest.toFixed(digits) + units[unit];
};

/** +12 −3, in the colours of a diff. */
PVE.nft.Format.plusMinus = (added, removed) =>
    PVE.nft.html`<span class="pve-nft-plus">+${added}</span> <span class="pve-nft-minus">−${removed}</span>`;

PVE.nft.Format.basename = (path) => path.replace(/^.*\//, '');

/** Where something comes from, as a link if it is a line of a file. */
PVE.nft.Format.origin = function (origin, text) {
    if (!origin) {
        return PVE.nft.html``;
    }
    if (origin.kind === 'builtin') {
        return PVE.nft.html`<span class="pve-nft-faint">${origin.what}</span>`;
    }
    let name = origin.kind === 'option' ? PVE.nft.html`<span class="pve-nft-faint">${origin.name}</span> ` : '';
    return PVE.nft.html`${name}${PVE.nft.Format.place({ ...origin, text })}`;
};

/** `100.fw:12` */
PVE.nft.Format.place = function ({ file, line, text, group }) {
    if (!file) {
        return PVE.nft.html``;
    }
    let label = PVE.nft.Format.basename(file) + (line ? `:${line}` : '');
    if (!PVE.nft.Places.of({ file, text })) {
        return PVE.nft.html`<span data-qtip="${PVE.nft.tip(file)}">${label}</span>`;
    }
    return PVE.nft.link('jump', label, { file, line: line ?? '', text: text ?? '', group: group ?? '' });
};

PVE.nft.Format.verdicts = {
    accept: ['fa-check-circle', 'good'],
    drop: ['fa-ban', 'critical'],
    reject: ['fa-reply', 'critical'],
    indeterminate: ['fa-question-circle', 'warning'],
};

PVE.nft.Format.effects = {
    enforced: ['fa-check', 'good', gettext('enforced')],
    shadowed: ['fa-clone', 'warning', gettext('is never reached')],
    'no effect': ['fa-minus-circle', 'warning', gettext('has no effect')],
};

PVE.nft.Format.guestIcon = (kind) => (kind === 'lxc' ? 'fa-cube' : 'fa-desktop');
