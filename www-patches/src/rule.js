// A rule as its line in a file, held against rules as Proxmox VE's API lists them: that knows no lines.

Ext.ns('PVE.nft.Rule');

PVE.nft.Rule.fields = { i: 'iface', p: 'proto', source: 'source', dest: 'dest', sport: 'sport', dport: 'dport', log: 'log' };

PVE.nft.Rule.fields['icmp-type'] = 'icmp-type';

/** `|IN SSH(ACCEPT) -source 10.0.0.0/8 # why` -> fields as the API names them; nothing if it is no rule. */
PVE.nft.Rule.parse = function (line) {
    let [, words, comment] = line.match(/^\s*\|?\s*([^#]*?)\s*(?:#\s*(.*?)\s*)?$/) ?? [];
    let [, type, what, rest] = words?.match(/^(in|out|forward|group)\s+(\S+)(.*)$/i) ?? [];
    if (!type) {
        return undefined;
    }
    let [, macro, action] = what.match(/^([^()]+)\((\w+)\)$/) ?? [];
    let rule = { type: type.toLowerCase(), action: action ?? what, macro, comment };
    for (const [, name, value] of rest.matchAll(/(?:^|\s)--?([a-z][a-z-]*)\s+(\S+)/g)) {
        let field = PVE.nft.Rule.fields[name];
        if (field) {
            rule[field] = value;
        }
    }
    return rule;
};

/** The record of that rule; of several the one with the same comment. */
PVE.nft.Rule.find = function (rule, records) {
    let same = (a, b) => String(a ?? '').toLowerCase() === String(b ?? '').toLowerCase();
    let fields = ['type', 'action', 'macro', ...Object.values(PVE.nft.Rule.fields)];
    let isIt = ({ data }) =>
        fields.every((name) => same(rule[name], data[name]) || (name === 'log' && same(data[name] || 'nolog', rule[name] ?? 'nolog')));
    let found = records.filter(isIt);
    return found.find(({ data }) => same(rule.comment, data.comment?.trim())) ?? found[0];
};
