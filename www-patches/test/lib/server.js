// Serves the page, and what it asks of Proxmox VE's API.

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('../..', import.meta.url));
const folders = {
    '/npm/': join(here, 'node_modules/'),
    '/standin/': join(here, 'test/standin/'),
    '/pve2/js/': join(here, '../target/www/usr/share/pve-manager/js/'),
};
const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.png': 'image/png', '.gif': 'image/gif' };

/** An answer other than 200, as PVE::Exception makes them. */
export class ApiError extends Error {
    constructor(status, message, errors) {
        super(message);
        this.status = status;
        this.errors = errors;
    }
}

async function file(path, response) {
    const [prefix, folder] = Object.entries(folders).find(([name]) => path.startsWith(name)) ?? [];
    const wanted = prefix && normalize(join(folder, path.slice(prefix.length)));
    const content = wanted?.startsWith(folder) ? await readFile(wanted).catch(() => undefined) : undefined;
    response.writeHead(content ? 200 : 404, { 'content-type': types[extname(path)] ?? 'application/octet-stream', 'cache-control': 'max-age=600' });
    response.end(content);
}

async function body(request) {
    const chunks = [];
    for await (const chunk of request) {
        chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString();
}

/**
 * PVE::APIServer::Formatter::Standard: `extjs` always answers 200 and tells success and status in the body, `json` by
 * HTTP's status.
 */
function formatted(format, { data, error }) {
    if (format === 'extjs') {
        return error
            ? [200, { success: 0, status: error.status, message: error.message, errors: error.errors, data: null }]
            : [200, { success: 1, data }];
    }
    return error ? [error.status, { data: null, message: error.message, errors: error.errors }] : [200, { data }];
}

async function api(request, url, response, backend) {
    const [, , format, ...rest] = url.pathname.split('/');
    const form = request.method === 'GET' ? url.searchParams : new URLSearchParams(await body(request));
    const call = { method: request.method, path: `/${rest.map(decodeURIComponent).join('/')}`, params: Object.fromEntries(form) };
    let outcome;
    try {
        outcome = { data: (await backend(call)) ?? null };
    } catch (error) {
        outcome = { error: error instanceof ApiError ? error : new ApiError(500, String(error.stack)) };
    }
    const [status, answer] = formatted(format, outcome);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer));
}

/** `backend({ method, path, params })` gives the data or throws an ApiError. Returns address and `close`. */
export async function serve(backend) {
    const server = createServer((request, response) => {
        const url = new URL(request.url, 'http://localhost');
        if (url.pathname.startsWith('/api2/')) {
            api(request, url, response, backend);
        } else {
            file(url.pathname === '/' ? '/standin/page.html' : url.pathname, response);
        }
    });
    await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
    return {
        url: `http://127.0.0.1:${server.address().port}/`,
        close: () => {
            server.closeAllConnections();
            server.close();
        },
    };
}
