// Proxmox VE's own endpoints about firewall rules, answered out of files below a folder or in memory.

import { ApiError } from './server.js';

const options = { i: 'iface', p: 'proto' };

/** PVE::Firewall::parse_fw_rule, as far as examples go; lines that it cannot read have no record. */
function record(line) {
    const [head, comment] = line.split(/\s*#\s*(.*)/);
    const [type, what, ...rest] = head.replace(/^\|/, '').split(/\s+/);
    if (!/^(IN|OUT|FORWARD|GROUP)$/i.test(type) || !what) {
        return undefined;
    }
    const [, macro, action] = what.match(/^(.*)\((.*)\)$/) ?? [undefined, undefined, what];
    const rule = { type: type.toLowerCase(), action, enable: head.startsWith('|') ? 0 : 1 };
    Object.assign(rule, macro && { macro }, comment && { comment });
    for (let i = 0; i + 1 < rest.length; i += 2) {
        const name = rest[i].replace(/^-+/, '');
        rule[options[name] ?? name] = rest[i + 1];
    }
    return rule;
}

/** The rules of a section, `rules` or `group NAME`. */
export function rules(text, section) {
    let current;
    const found = [];
    for (const line of text.split('\n').map((each) => each.trim())) {
        const [, header] = line.match(/^\[(.*?)\]/) ?? [];
        current = header?.toLowerCase() ?? current;
        const rule = current === section && !header && line && !line.startsWith('#') ? record(line) : undefined;
        if (rule) {
            found.push({ pos: found.length, ...rule });
        }
    }
    return found;
}

function fileOf(path) {
    const [, node, vmid] = path.match(/^\/nodes\/([^/]+)\/(?:(?:qemu|lxc)\/(\d+)\/)?firewall\//) ?? [];
    if (vmid) {
        return `/etc/pve/firewall/${vmid}.fw`;
    }
    return node ? `/etc/pve/nodes/${node}/host.fw` : '/etc/pve/firewall/cluster.fw';
}

/** `read(path)` gives a file's text, or nothing. */
export function manager({ read, resources }) {
    return async ({ path }) => {
        if (path === '/cluster/resources') {
            return resources;
        }
        const text = (await read(fileOf(path))) ?? '';
        if (path.endsWith('/firewall/rules')) {
            return rules(text, 'rules');
        }
        if (path === '/cluster/firewall/groups') {
            return [...text.matchAll(/^\[group\s+(\S+?)\]/gim)].map(([, group]) => ({ group }));
        }
        const [, group] = path.match(/^\/cluster\/firewall\/groups\/(.+)$/) ?? [];
        if (group) {
            return rules(text, `group ${group}`);
        }
        if (path.endsWith('/firewall/options')) {
            return Object.fromEntries([...text.matchAll(/^(\w+):\s*(\S+)$/gm)].map(([, name, value]) => [name, value]));
        }
        throw new ApiError(501, `Method 'GET ${path}' not implemented`);
    };
}
