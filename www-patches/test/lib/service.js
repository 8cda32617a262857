// A real service behind the page: `proxmox-firewall serve` in a network namespace of its own, on a folder of its own, and
// what the handlers in Perl do with its answers.

import { spawn, execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { ApiError } from './server.js';
import { manager } from './files.js';

const project = fileURLToPath(new URL('../../..', import.meta.url));
// Where scripts/www-test puts it.
const program = process.env.PROXMOX_FIREWALL ?? join(project, 'target/www/proxmox-firewall');

/** JSON's booleans become 0 and 1, what is null is left out: as PVE::Firewall::Nft hands answers on. */
function plain(value) {
    if (typeof value === 'boolean') {
        return value ? 1 : 0;
    }
    if (Array.isArray(value)) {
        return value.map(plain);
    }
    if (value && typeof value === 'object') {
        return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== null).map(([name, each]) => [name, plain(each)]));
    }
    return value;
}

function problem(status, document) {
    if (status === 400 || status === 422) {
        return new ApiError(400, 'Parameter verification failed.', { packet: document.detail ?? document.title });
    }
    const lines = [[document.title, document.detail].filter((text) => text).join(': '), ...(document.reasons ?? []).map((reason) => `  ${reason}`)];
    return new ApiError(status, lines.join('\n'));
}

function exchange(socketPath, method, path, body) {
    return new Promise((resolve, reject) => {
        const call = request({ socketPath, method, path, headers: { 'content-type': 'application/json' } }, (response) => {
            const chunks = [];
            response.on('data', (chunk) => chunks.push(chunk));
            response.on('end', () => {
                const text = Buffer.concat(chunks).toString();
                const isJson = /json/.test(response.headers['content-type'] ?? '');
                const value = isJson ? plain(JSON.parse(text)) : { text };
                if (response.statusCode >= 300) {
                    reject(problem(response.statusCode, value));
                } else {
                    resolve(value);
                }
            });
        });
        call.on('error', (error) => reject(new ApiError(503, `the firewall service is not running: ${error.message}`)));
        call.end(body && JSON.stringify(body));
    });
}

// A question of PVE::API2::Firewall::Nft's parameters becomes a packet in one line.
function packet({ packet: line, from, to, protocol, source, dest, sport = 40000, dport = 0 }) {
    const hasPorts = ['tcp', 'udp'].includes(protocol);
    const end = (address, port) => (hasPorts ? `${address.includes(':') ? `[${address}]` : address}:${port}` : address);
    return line ?? `${from} ${to} ${protocol} ${end(source ?? '100.100.1.2', sport)} > ${end(dest ?? '100.200.3.4', dport)}`;
}

/** Perl's methods by name: how each asks the service, and what of the answer is the data. */
const methods = {
    'GET status': (ask) => ask('GET', 'status'),
    'GET compile': (ask) => ask('POST', 'compile', {}),
    'GET diff': (ask) => ask('POST', 'compile', {}).then(({ change }) => change),
    'GET generations': (ask) => ask('GET', 'generations').then(({ generations }) => generations),
    'GET guests': (ask) => ask('GET', 'guests').then(({ guests }) => guests),
    'GET reject-mode': (ask) => ask('GET', 'reject-mode'),
    'PUT reject-mode': (ask, { mode }) => ask('PUT', 'reject-mode', { mode }),
    'GET metrics': (ask) => ask('GET', '../metrics'),
    'GET simulate': (ask, params) =>
        ask('POST', 'simulate', { packet: packet(params), all: params.all ?? 0, ...(params.saved && { overlay: {} }) }),
    'POST apply': (ask, params) => ask('POST', 'apply', { confirm_within: params['confirm-within'], force: params.force }),
    'POST confirm': (ask) => ask('POST', 'apply/confirm'),
    'POST rollback': (ask, { generation }) => ask('POST', 'apply/rollback', { generation }),
    'POST hold': (ask) => ask('POST', 'hold'),
    'POST release': (ask) => ask('POST', 'release'),
};

function backend(socket, root) {
    const kinds = { 'qemu-server': 'qemu', lxc: 'lxc' };
    const guests = Object.entries(kinds).flatMap(([folder, type]) => {
        const path = join(root, 'etc/pve/nodes/pve1', folder);
        const names = existsSync(path) ? readdirSync(path) : [];
        return names.map((name) => ({ id: `${type}/${parseInt(name)}`, type, node: 'pve1', vmid: parseInt(name), name: `guest${parseInt(name)}` }));
    });
    const read = (path) => (existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8') : undefined);
    const others = manager({ read, resources: [{ id: 'node/pve1', type: 'node', node: 'pve1' }, ...guests] });
    const ask = (method, path, body) => exchange(socket, method, new URL(path, 'http://x/v1/').pathname, body);
    return async (call) => {
        const [, name] = call.path.match(/^\/nodes\/pve1\/firewall\/nft\/(.*)$/) ?? [];
        if (name === undefined) {
            return others(call);
        }
        if (/^guests\/\d+$/.test(name)) {
            return ask('GET', name);
        }
        const method = methods[`${call.method} ${name}`];
        if (!method) {
            throw new ApiError(501, `Method '${call.method} ${call.path}' not implemented`);
        }
        return method(ask, call.params);
    };
}

/** `prepare(root)` writes the configuration. */
export async function start(prepare) {
    const folder = mkdtempSync(join(tmpdir(), 'proxmox-firewall-www-'));
    const root = join(folder, 'root');
    const socket = join(folder, 'api.sock');
    prepare(root);
    const args = ['serve', '--socket', socket, '--root', root, '--facts', join(root, 'facts.json')];
    const child = spawn('unshare', ['--net', program, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    child.stderr.on('data', (chunk) => {
        log += chunk;
    });
    const gone = new Promise((resolve) => child.on('exit', resolve));
    const stop = async () => {
        child.kill();
        await gone;
        rmSync(folder, { recursive: true });
    };
    for (let i = 0; i < 300; i++) {
        if (child.exitCode !== null) {
            throw new Error(`the service has ended: ${log}`);
        }
        const isReady = await exchange(socket, 'GET', '/v1/health').catch(() => false);
        if (isReady) {
            return { backend: backend(socket, root), root, stop, kill: () => child.kill() };
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await stop();
    throw new Error(`the service did not start: ${log}`);
}

/** The example cluster. */
export const example = (root) => cpSync(join(project, 'examples/cluster'), root, { recursive: true });

/** 100 guests with 20 rules each, and two mistakes in the file of each. */
export function large(root) {
    execFileSync(join(project, 'target/debug/generate-tree'), [root, '100', '20', '1']);
    const firewall = join(root, 'etc/pve/firewall');
    for (const name of readdirSync(firewall).filter((each) => /^\d+\.fw$/.test(each))) {
        const path = join(firewall, name);
        writeFileSync(path, `${readFileSync(path, 'utf8')}IN ACCEPT -source dc/<b>nobody</b>\nIN SSH(ACCEPT) -source +dc/nothing\n`);
    }
}
