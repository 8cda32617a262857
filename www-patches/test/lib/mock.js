// An API of a cluster that is not there: 100 guests, 200 diagnostics, three nodes. It remembers what is done to it.

import { ApiError } from './server.js';
import { manager } from './files.js';

export const HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>"\'&';

const wayIn = `198.51.100.7 > 192.0.2.11:8006 ${HOSTILE}`;

const now = () => Math.floor(Date.now() / 1000);
const vmids = Array.from({ length: 100 }, (_, i) => 100 + i);
const kind = (vmid) => (vmid % 5 === 4 ? 'lxc' : 'qemu');

export const resources = [
    ...['pve1', 'pve2', 'pve3', 'pve4'].map((node) => ({ id: `node/${node}`, type: 'node', node })),
    ...vmids.map((vmid) => ({ id: `${kind(vmid)}/${vmid}`, type: kind(vmid), node: 'pve1', vmid, name: `shop-${['web', 'db', 'mail', 'cache'][vmid % 4]}-${vmid}` })),
];

const guestFile = (vmid) =>
    ['[OPTIONS]', 'enable: 1', '', '[RULES]', 'GROUP admin', `IN HTTPS(ACCEPT) -source +dc/clients-${vmid}`, 'IN ACCEPT -p tcp -dport 8000:8100 # monitoring', 'IN DROP -p udp'].join('\n');

const clusterFile = '[OPTIONS]\nenable: 1\n\n[RULES]\nIN Ping(ACCEPT)\n\n[group admin]\nIN SSH(ACCEPT) -source dc/office\nIN REJECT -p tcp -dport 113 # ident\n';

function diagnostics() {
    const of = (i) => {
        const vmid = 100 + (i % 100);
        const severity = ['error', 'warning', 'info'][i % 10 < 2 ? 0 : i % 10 < 7 ? 1 : 2];
        return {
            code: `R${String(i % 40).padStart(3, '0')}`,
            severity,
            file: `/etc/pve/firewall/${vmid}.fw`,
            line: 6,
            column: 26,
            end_column: 41,
            text: `IN HTTPS(ACCEPT) -source +dc/clients-${vmid}`,
            message: `no IPSet \`+dc/clients-${vmid}\``,
            consequence: severity === 'error' ? 'rule is skipped' : 'rule matches nothing',
            ...(i % 3 === 0 && { remedy: `create it, or write \`+guest/clients-${vmid}\`` }),
        };
    };
    return Array.from({ length: 199 }, (_, i) => of(i)).concat({
        code: 'R025',
        severity: 'error',
        file: '/etc/pve/firewall/cluster.fw',
        line: 9,
        column: 4,
        end_column: 10,
        text: 'IN REJECT -p tcp -dport 113 # ident',
        message: HOSTILE,
        consequence: HOSTILE,
        remedy: HOSTILE,
    });
}

const features = [
    ['connection tracking of bridged frames', 'nf_conntrack_bridge', 1],
    ['answering bridged frames (reject)', 'nft_reject_bridge', 1],
    ['names of bridges in rules (meta ibrname)', 'nft_meta_bridge', 0],
    ['types of addresses (fib)', 'nft_fib_inet', 1],
    ['concatenations with intervals', 'nf_tables of Linux 5.6 or later', 1],
].map(([name, brought_by, present]) => ({ name, brought_by, present }));

function generation(number) {
    return {
        number,
        digest: String(number).padStart(64, 'c0ffee'),
        datacenter_digest: 'c0ffee'.repeat(11).slice(0, 64),
        cause: ['start', 'files', 'guest', 'links', 'apply'][number % 5],
        committed_at_s: now() - (13 - number) * 3600,
        losses: [],
        cuts: [],
        writer: 'netlink',
        phases: { gather_us: 120, compile_us: 2400, preflight_us: 300, diff_us: 900, commit_us: 5100, total_us: 8820 },
        changes: { n_chains: 2, n_rules_added: number, n_rules_removed: 1, n_elements_added: 3, n_elements_removed: 0 },
        difference: `chain bridge proxmox-firewall-guests guest-${100 + number}-in\n- tcp dport 80 accept\n+ tcp dport 443 accept # ${HOSTILE}`,
    };
}

function initial() {
    return {
        number: 12,
        hold: 0,
        mode: { asked: 'prerouting', effective: 'drop', reasons: ['the kernel lacks answering bridged frames (nft_reject_bridge)'] },
        hits: {},
        service: 'up',
    };
}

const change = {
    unchanged: 0,
    counts: { n_chains_removed: 0, n_chains_added: 1, n_rules_removed: 2, n_rules_added: 3, n_sets_removed: 0, n_sets_added: 0, n_elements_removed: 0, n_elements_added: 1 },
    n_left_out: 0,
    text: '',
    objects: [
        {
            family: 'bridge',
            table: 'proxmox-firewall-guests',
            kind: 'chain',
            name: 'guest-100-in',
            change: 'changed',
            n_kept: 7,
            removed: [{ text: 'tcp dport 80 accept comment "5d059919e224821c"', rule: '5d059919e224821c', origin: { kind: 'line', file: '/etc/pve/firewall/100.fw', line: 6 } }],
            added: [{ text: `tcp dport { 80, 443 } accept ${HOSTILE}`, origin: { kind: 'option', name: 'policy_in', file: '/etc/pve/firewall/100.fw', line: 2 } }],
        },
    ],
};

function status(state) {
    const { confirm } = state;
    return {
        version: '0.1.0',
        node: 'pve1',
        state: state.hold ? 'held' : 'degraded',
        cause: state.hold ? 'automatic applying is switched off' : `41 errors in the configuration ${HOSTILE}`,
        since_s: now() - 5400,
        generation: generation(state.number),
        ...(state.hold && { candidate: { digest: 'ab', obstacle: 'way-in', reason: 'it would cut the way in', details: [wayIn] } }),
        ...(confirm && { confirm: { back_to: confirm.back_to, within_s: confirm.within_s, remaining_s: Math.max(0, confirm.until - now()) } }),
        hold: state.hold,
        reject_mode: state.mode,
        counts: { n_guests: 100, n_guests_filtered: 96, n_vnets: 2, n_chains: 912, n_rules: 9120, n_sets: 71, n_elements: 4211 },
        n_diagnostics: { error: 41, warning: 100, info: 59 },
        diagnostics: diagnostics(),
        features,
        refused_guests: [{ vmid: 117, reason: HOSTILE }],
        warnings: ['another table drops our traffic: inet filter'],
    };
}

function guest(vmid) {
    const line = (number, text, more) => ({ id: `id${number}`, file: `/etc/pve/firewall/${vmid}.fw`, line: number, text, direction: text.split(' ')[0], effect: 'enforced', ...more });
    const hits = (packets) => ({ hits: { packets, bytes: packets * 730 } });
    const group = { file: '/etc/pve/firewall/cluster.fw', group: 'admin' };
    return {
        vmid,
        kind: kind(vmid),
        generation: 12,
        enabled: 1,
        policy_in: 'DROP',
        policy_out: 'ACCEPT',
        devices: [
            {
                name: 'net0', iface: `tap${vmid}i0`, bridge: 'vmbr0', mac: 'bc:24:11:00:01:00', running: 1, filtered: 1, ipfilter: ['192.0.2.100', '2001:db8::100'],
                rules: [
                    line(5, 'GROUP admin'),
                    line(8, 'IN SSH(ACCEPT) -source dc/office', { ...group, ...hits(412) }),
                    line(9, 'IN REJECT -p tcp -dport 113', { ...group, comment: `ident ${HOSTILE}`, ...hits(37) }),
                    line(6, `IN HTTPS(ACCEPT) -source +dc/clients-${vmid}`, hits(1834211)),
                    line(7, 'IN ACCEPT -p tcp -dport 8000:8100', { comment: 'monitoring', ...hits(93120) }),
                    line(8, 'IN DROP -p udp', hits(281004)),
                    line(9, 'IN ACCEPT -p udp -dport 53', { effect: 'shadowed', why: 'an earlier rule decides all that it matches', shadowed_by: 'id8' }),
                    line(10, 'IN ACCEPT -p tcp -dport 3000', { effect: 'no effect', why: 'the rule is switched off' }),
                ],
            },
            { name: 'net1', iface: `tap${vmid}i1`, bridge: HOSTILE, running: 1, filtered: 0, rules: [line(5, 'GROUP admin', { effect: 'no effect', why: 'the device has no `firewall=1`' })] },
        ],
        diagnostics: diagnostics().filter(({ file }) => file.endsWith(`/${vmid}.fw`)),
    };
}

const trace = {
    generation: 12,
    packet: `outside vm100 tcp 203.0.113.9:40000 > 192.0.2.100:22 ${HOSTILE}`,
    verdict: 'reject',
    detail: 'the sender receives a TCP reset',
    decided_by: { table: 'proxmox-firewall-guests', chain: 'guest-100-reject', rule: 'r2', origin: { kind: 'line', file: '/etc/pve/firewall/cluster.fw', line: 9 } },
    assumptions: ['ct state new', 'rates are below their limits'],
    steps: [
        { step: 'hook', family: 'bridge', hook: 'prerouting', iif: 'eno1' },
        { step: 'chain', table: 'proxmox-firewall-guests', chain: 'reject-guests', priority: 10 },
        { step: 'rule', table: 'proxmox-firewall-guests', chain: 'reject-guests', rule: 'r1', origin: { kind: 'builtin', what: 'dispatch' }, matched: 1, outcome: 'goto guest-100-reject' },
        { step: 'rule', table: 'proxmox-firewall-guests', chain: 'guest-100-reject', rule: 'r2', origin: { kind: 'line', file: '/etc/pve/firewall/cluster.fw', line: 9 }, matched: 1, outcome: 'reject', log: 'info' },
        { step: 'answer', with: 'TCP reset', packet: '192.0.2.100:22 > 203.0.113.9:40000' },
    ],
};

function metrics(state) {
    const lines = vmids.slice(0, 30).flatMap((vmid) =>
        [['accept', 'rule', 420], ['drop', 'policy_in', 35], ['reject', 'rule', 6]].map(([action, reason, rate]) => {
            const key = `vmid="${vmid}",zone="in",action="${action}",reason="${reason}"`;
            state.hits[key] = (state.hits[key] ?? vmid * rate) + Math.round(rate * (0.5 + Math.random()));
            return `proxmox_firewall_hit_packets_total{${key}} ${state.hits[key]}`;
        }),
    );
    return { text: `# TYPE proxmox_firewall_hit_packets counter\n${lines.join('\n')}\n# EOF\n` };
}

const rollout = () => [
    { node: 'pve1', online: 1, state: 'active', cause: 'what is configured is enforced', version: '0.1.0', generation: 12, datacenter_digest: 'c0ffee'.repeat(10), committed_at_s: now() - 60, lags: 0, differs: [], reject_mode: 'prerouting', n_errors: 0, n_warnings: 2, n_guests: 31 },
    { node: 'pve2', online: 1, state: 'held', cause: `a saved change waits ${HOSTILE}`, version: '0.1.0', generation: 40, datacenter_digest: 'decade'.repeat(10), committed_at_s: now() - 7200, lags: 1, hold: 1, waits: 'it would cut the way in', differs: ['reject_mode'], reject_mode: 'drop', n_errors: 1, n_warnings: 0, n_guests: 28 },
    { node: 'pve3', online: 1, state: 'unreachable', cause: 'the service does not answer', differs: [] },
    { node: 'pve4', online: 0, state: 'offline', cause: 'not a member of the cluster now', differs: [] },
];

const reads = {
    status: (state) => status(state),
    diff: () => change,
    compile: (state) => ({
        digest: 'ab', enabled: 1, unreadable: 0, n_diagnostics: { error: 0, warning: 0, info: 0 }, diagnostics: [], losses: [], enforced: state.number, change,
        cuts: ['ceph: 192.0.2.12 to 192.0.2.11 port 3300, connected now: drop because of /etc/pve/firewall/cluster.fw:7', ...(state.hold ? [`web: ${wayIn}`] : [])],
        cuts_the_way_in: state.hold,
    }),
    guests: () => vmids.map((vmid) => ({ vmid, kind: kind(vmid), enabled: vmid % 25 ? 1 : 0, n_devices: 2, n_filtered: 1, n_rules: 7, ...(vmid === 117 && { refused: HOSTILE }) })),
    generations: (state) => Array.from({ length: state.number }, (_, i) => ({ ...generation(i + 1), enforced: i + 1 === state.number ? 1 : 0 })),
    'reject-mode': (state) => state.mode,
    simulate: (_state, params) => {
        if (params.dest === '0.0.0.0') {
            throw new ApiError(400, 'Parameter verification failed.', { packet: `\`${HOSTILE}\`: not an address` });
        }
        return { ...trace, asked: params };
    },
    metrics: (state) => metrics(state),
};

const standing = (state) => ({ state: state.hold ? 'held' : 'active', cause: 'what is configured is enforced', hold: state.hold, generation: state.number });

const applied = (state) => ({ state: 'active', cause: 'what is configured is enforced', generation: state.number, changed: 1, losses: [], cuts: [], n_diagnostics: { error: 0, warning: 0, info: 0 } });

const changes = {
    apply: (state, params) => {
        if (state.hold && !params.force) {
            throw new ApiError(409, `this would cut the way in\n  ${wayIn}\n`);
        }
        const within = Number(params['confirm-within'] ?? 0);
        state.confirm = within ? { back_to: state.number, within_s: within, until: now() + within } : undefined;
        state.hold = 0;
        state.number += 1;
        return applied(state);
    },
    confirm: (state) => {
        state.confirm = undefined;
        return standing(state);
    },
    rollback: (state, params) => {
        state.rolledBackTo = params.generation;
        state.confirm = undefined;
        state.number += 1;
        return applied(state);
    },
    hold: (state) => {
        state.hold = 1;
        return standing(state);
    },
    release: (state) => {
        state.hold = 0;
        return standing(state);
    },
};

function nft(state, { method, params }, call) {
    if (state.service === 'down') {
        throw new ApiError(503, `the firewall service is not running (systemctl start proxmox-firewall): ${HOSTILE}`);
    }
    const [, vmid] = call.match(/^guests\/(\d+)$/) ?? [];
    if (vmid) {
        return guest(Number(vmid));
    }
    if (method === 'PUT' && call === 'reject-mode') {
        if (params.mode === 'divert') {
            throw new ApiError(409, `the kernel lacks what this mode needs: ${HOSTILE}`);
        }
        state.mode = { asked: params.mode, effective: params.mode, reasons: [] };
        return state.mode;
    }
    const handler = (method === 'GET' ? reads : changes)[call];
    if (!handler) {
        throw new ApiError(501, `no such call: ${method} ${call}`);
    }
    return handler(state, params);
}

function withoutHostile(data) {
    const hostile = JSON.stringify(HOSTILE).slice(1, -1);
    return JSON.parse(JSON.stringify(data).replaceAll(` ${hostile}`, '').replaceAll(hostile, 'Could not process rule: No such file or directory'));
}

/** The same for people: for screenshots. */
export function friendly() {
    const backend = mock();
    const answer = async (call) => withoutHostile((await backend(call)) ?? null);
    return Object.assign(answer, { state: backend.state, calls: backend.calls });
}

/** What the page has asked of the methods in Perl, and been answered, since the start. */
export const exchanges = [];

/** A backend for `serve`, with `state` to look at and to change. */
export function mock() {
    const read = (path) => (path.endsWith('cluster.fw') ? clusterFile : /\d\.fw$/.test(path) ? guestFile(path.match(/(\d+)\.fw/)[1]) : 'enable: 1\nnftables: 1\n');
    const others = manager({ read, resources });
    const backend = async (call) => {
        backend.calls.push(`${call.method} ${call.path}`);
        const exchange = { ...call };
        if (call.path.includes('/firewall/nft/')) {
            exchanges.push(exchange);
        }
        exchange.data = await answer(call);
        return exchange.data;
    };
    const answer = async (call) => {
        const [, node, name] = call.path.match(/^\/nodes\/([^/]+)\/firewall\/nft\/(.*)$/) ?? [];
        if (call.path === '/cluster/firewall/nft/nodes') {
            if (backend.state.service === 'down') {
                throw new ApiError(500, `got no node values: ${HOSTILE}`);
            }
            return rollout();
        }
        if (node === 'pve4') {
            throw new ApiError(501, `Method '${call.method} ${call.path}' not implemented`);
        }
        return node ? nft(backend.state, call, name) : others(call);
    };
    backend.state = initial();
    backend.calls = [];
    return backend;
}
