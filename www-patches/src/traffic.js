// What a node's packets met, over time: counters by guest, zone, action and reason, sampled while somebody looks.

Ext.ns('PVE.nft.Traffic');

PVE.nft.Traffic.layers = [
    { key: 'drop', title: gettext('dropped'), color: '#ff6c59' },
    { key: 'reject', title: gettext('rejected'), color: '#f0ad00' },
];

PVE.nft.Traffic.allLayers = [...PVE.nft.Traffic.layers, { key: 'accept', title: gettext('accepted'), color: '#21bf4b' }];

/** `name{a="1",b="x\"y"} 7` -> labels and value, for the lines of one metric. */
PVE.nft.Traffic.parse = function (text, name) {
    let samples = [];
    for (const [, inner, value] of text.matchAll(new RegExp(`^${name}\\{(.*)\\} (\\S+)$`, 'gm'))) {
        let labels = {};
        for (const [, label, content] of inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) {
            labels[label] = content.replace(/\\(.)/g, (_whole, character) => (character === 'n' ? '\n' : character));
        }
        samples.push({ ...labels, value: Number(value) });
    }
    return samples;
};

PVE.nft.Traffic.hits = (text) => PVE.nft.Traffic.parse(text, 'proxmox_firewall_hit_packets_total');

/** Sums by `key(hit)`; hits without a key are left out. */
PVE.nft.Traffic.sums = function (hits, key) {
    let sums = {};
    for (const hit of hits) {
        let name = key(hit);
        if (name !== undefined) {
            sums[name] = (sums[name] ?? 0) + hit.value;
        }
    }
    return sums;
};

// Histories, kept while the page is open: who comes back to a view sees what it measured before.
PVE.nft.Traffic.histories = {};

/** How many samples are kept of each. */
PVE.nft.Traffic.kept = 400;

/**
 * Adds counters to the history of that name and returns its samples. A counter that went back started anew; after a gap of
 * a minute nobody knows when it moved.
 */
PVE.nft.Traffic.record = function (name, counters, time = Date.now() / 1000) {
    let history = (PVE.nft.Traffic.histories[name] ??= { samples: [] });
    let passed = time - (history.time ?? -Infinity);
    if (passed > 60) {
        history.samples = [];
    } else if (passed > 0) {
        let rates = {};
        for (const [key, value] of Object.entries(counters)) {
            let before = history.counters[key] ?? 0;
            rates[key] = (value >= before ? value - before : value) / passed;
        }
        history.samples.push({ time, rates });
        history.samples.splice(0, history.samples.length - PVE.nft.Traffic.kept);
    }
    Object.assign(history, { time, counters });
    return history.samples;
};
