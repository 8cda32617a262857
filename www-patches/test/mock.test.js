// Each view, used and with an error, on an API of ours: 100 guests, 200 diagnostics, hostile names in all of them.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import { exchanges, mock, HOSTILE } from './lib/mock.js';
import { browser, enter, eventually, menu, open, press, shoot, show, shows, text, texts, view } from './lib/page.js';
import { serve } from './lib/server.js';

let chrome;
let backend;
let server;
let page;

before(async () => {
    chrome = await browser();
});

after(() => chrome.close());

beforeEach(async () => {
    backend = mock();
    server = await serve(backend);
    page = await open(chrome, server.url);
});

afterEach(async () => {
    // Nothing of what is hostile has become an element, in whatever view the test has left.
    assert.equal(await page.locator('img[src="x"]').count(), 0);
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    assert.deepEqual(page.problems, []);
    await page.close();
    server.close();
});

const reload = () => page.evaluate(() => new Promise((done) => Ext.ComponentQuery.query('pveNftNodePanel')[0].statusStore.load(() => done())));

test('the entry stands behind Options, where the node has this firewall', async () => {
    await show(page, 'node/pve1', 'nodetab', 'summary');
    await page.locator('.x-treelist-item-text', { hasText: 'nftables' }).waitFor();
    await eventually(async () => assert.deepEqual(await menu(page), ['Summary', 'Firewall', 'Options', 'nftables', 'Log', 'Task History']));
    await show(page, 'node/pve4', 'nodetab', 'firewall');
    await page.waitForTimeout(300);
    await eventually(async () => assert.deepEqual(await menu(page), ['Summary', 'Firewall', 'Options', 'Log', 'Task History']));
    // Known by now: whoever comes back is on it at once.
    await show(page, 'node/pve1', 'nodetab', 'firewall-nft');
});

test('who may not look at a node has no entry; who may only look has no live buttons', async () => {
    let other = await open(chrome, server.url, { may: 'nothing' });
    await show(other, 'node/pve1', 'nodetab', 'summary');
    await other.waitForTimeout(300);
    assert.ok(!(await menu(other)).includes('nftables'));
    await other.close();
    other = await open(chrome, server.url, { may: 'audit' });
    await view(other, 'overview');
    await eventually(async () => assert.equal(await other.locator('.x-btn-disabled:visible', { hasText: 'Apply' }).count(), 1));
    await eventually(async () => assert.equal(await other.locator('.x-btn-disabled:visible', { hasText: 'Hold' }).count(), 1));
    assert.deepEqual(other.problems, []);
    await other.close();
});

test('Options: the toggle is no preview, REJECT mode with the effective one and why', async () => {
    await show(page, 'node/pve1', 'nodetab', 'firewall-options');
    const row = page.locator('.x-grid-item', { hasText: 'REJECT mode' });
    await row.waitFor();
    await eventually(async () => assert.match(await row.innerText(), /prerouting.*in force: drop: no answer[\s\S]*the kernel lacks/));
    assert.equal(await page.locator('.x-grid-item', { hasText: 'tech preview' }).count(), 0);
    await shoot(page, 'options');
    await row.click();
    await press(page, 'Edit');
    await page.waitForFunction(() => Ext.ComponentQuery.query('pveNftRejectModeEdit field')[0]?.getValue() === 'prerouting');
    await page.evaluate(() => void Ext.ComponentQuery.query('pveNftRejectModeEdit field')[0].setValue('drop'));
    await press(page, 'OK');
    await page.locator('.x-grid-item', { hasText: 'drop: no answer — ' }).waitFor();
    assert.equal(backend.state.mode.asked, 'drop');
    await row.click();
    await press(page, 'Edit');
    await page.waitForFunction(() => Ext.ComponentQuery.query('pveNftRejectModeEdit field')[0]?.getValue() === 'drop');
    await page.evaluate(() => void Ext.ComponentQuery.query('pveNftRejectModeEdit field')[0].setValue('divert'));
    await press(page, 'OK');
    await page.locator('.x-message-box', { hasText: 'the kernel lacks what this mode needs' }).waitFor();
    assert.equal(backend.state.mode.asked, 'drop');
});

test('Options of a node without this firewall are as they were', async () => {
    await show(page, 'node/pve4', 'nodetab', 'firewall-options');
    await page.locator('.x-grid-item', { hasText: 'nftables (tech preview)' }).waitFor();
    await page.waitForTimeout(300);
    assert.equal(await page.locator('.x-grid-item', { hasText: 'REJECT mode' }).count(), 0);
});

test('overview: state, cause, generation, features, drops over time', async () => {
    await view(page, 'overview');
    await shows(page, '.pve-nft-banner', /degraded · since .* ago\) · generation 12/);
    await shows(page, '.pve-nft-banner', HOSTILE);
    await shows(page, '.x-grid-item:has-text("In the kernel")', /9120 rules in 912 chains/);
    await eventually(async () => assert.equal(await page.locator('.x-grid-item .fa-times.critical').count(), 1));
    for (let i = 0; i < 3; i++) {
        await page.waitForTimeout(150);
        await reload();
    }
    await page.waitForFunction(() => {
        // Drawn anew with each answer: a layer is looked at in one go.
        const layer = document.querySelector('polygon[data-layer=drop]');
        return layer?.getAttribute('points').split(' ').length >= 4 && layer.getBoundingClientRect().height > 5;
    });
    await shows(page, '.pve-nft-legend', /rejected [\d.]+.*dropped [\d.]+/);
    await eventually(async () => {
        // Not twice to the same place: that is no movement.
        await page.mouse.move(1250, 640);
        await page.mouse.move(1255, 640);
        assert.equal(await page.locator('.pve-nft-cursor[visibility=visible]').count(), 1);
    });
});

test('a service that is down says so, and the view comes back with it', async () => {
    await view(page, 'overview');
    backend.state.service = 'down';
    await reload();
    await page.locator('.x-mask-msg:visible', { hasText: '503' }).first().waitFor();
    backend.state.service = 'up';
    await reload();
    await page.waitForFunction(() => !document.body.innerText.includes('503'));
});

test('guests, generations and datacenter say so too', async () => {
    for (const name of ['guests', 'generations']) {
        await view(page, name);
        await page.locator('.x-grid-item:visible').first().waitFor();
        backend.state.service = 'down';
        await page.evaluate((id) => void Ext.ComponentQuery.query(`pveNftNodePanel #${id}`)[0].reload(), name);
        await page.locator('.x-mask-msg:visible .pve-nft-message', { hasText: 'the firewall service is not running' }).first().waitFor();
        backend.state.service = 'up';
        await page.evaluate((id) => void Ext.ComponentQuery.query(`pveNftNodePanel #${id}`)[0].reload(), name);
        await page.locator('.x-mask-msg:visible .pve-nft-message').first().waitFor({ state: 'detached' });
    }
    backend.state.service = 'down';
    await show(page, 'root', 'dctab', 'firewall-nft');
    await page.locator('.x-mask-msg:visible', { hasText: '500' }).first().waitFor();
});

test('diagnostics: 200, errors first, searched, and a jump to the rule of a guest', async () => {
    await view(page, 'diagnostics');
    await page.locator('.x-tab', { hasText: 'Diagnostics (200)' }).waitFor();
    await shows(page, '.x-grid-item:visible', /^\s*error/);
    await page.locator('input[placeholder=Search]:visible').fill('clients-142');
    await page.locator('.x-toolbar-text', { hasText: '2 of 200' }).waitFor();
    await shows(page, '.x-grid-item u', /^\+dc\/clients-142$/);
    await page.locator('a.pve-nft-link', { hasText: '142.fw:6' }).first().click();
    await page.locator('.x-grid-item-selected', { hasText: '+dc/clients-142' }).waitFor();
    await eventually(async () => assert.equal(await page.evaluate(() => Ext.ComponentQuery.query('pveFirewallRules')[0].base_url), '/nodes/pve1/qemu/142/firewall/rules'));
});

test('diagnostics: hostile words are words; a jump finds the security group of a line', async () => {
    await view(page, 'diagnostics');
    await page.locator('input[placeholder=Search]:visible').fill('onerror');
    await page.locator('.x-toolbar-text', { hasText: '1 of 200' }).waitFor();
    await eventually(async () => assert.equal((await text(page, '.x-grid-item:visible:has-text("cluster.fw")')).split(HOSTILE).length, 4));
    await page.locator('a.pve-nft-link', { hasText: 'cluster.fw:9' }).click();
    await page.locator('.x-grid-item-selected', { hasText: 'admin' }).waitFor();
    await page.locator('.x-grid-item-selected', { hasText: 'REJECT' }).waitFor();
});

test('what would change: lines that leave and come, with where they come from', async () => {
    await view(page, 'changes');
    await page.locator('.pve-nft-added:visible').waitFor();
    await shows(page, '.pve-nft-removed:visible', /− tcp dport 80 accept\s+100\.fw:6/);
    await shows(page, '.pve-nft-added:visible', HOSTILE);
    await shows(page, '.x-toolbar-text:visible', /Rules \+3 −2/);
    backend.state.service = 'down';
    await press(page, 'Reload');
    await page.locator('.pve-nft-diff:visible', { hasText: 'the firewall service is not running' }).waitFor();
});

test('apply with a time limit, seen counting down, confirmed', async () => {
    await view(page, 'overview');
    await press(page, 'Apply');
    await page.locator('.x-window', { hasText: 'Rules: +3 −2' }).waitFor();
    await shows(page, '.pve-nft-cuts', /^· ceph: 192\.0\.2\.12 to 192\.0\.2\.11 port 3300, connected now: drop/);
    assert.equal(await page.locator('.x-window label:visible', { hasText: 'Even if that cuts the way in' }).count(), 0);
    await shoot(page, 'apply');
    await press(page, 'Apply');
    await page.locator('.pve-nft-seconds').waitFor();
    assert.ok(backend.calls.includes('POST /nodes/pve1/firewall/nft/apply'));
    assert.equal(backend.state.confirm.within_s, 60);
    await page.waitForFunction(() => parseInt(document.querySelector('.pve-nft-seconds')?.textContent) < 59);
    await shoot(page, 'confirm');
    await press(page, 'Confirm');
    await page.locator('.pve-nft-seconds').waitFor({ state: 'detached' });
    assert.equal(backend.state.confirm, undefined);
});

test('apply with a time limit, rolled back', async () => {
    await view(page, 'overview');
    await press(page, 'Apply');
    await press(page, 'Apply');
    await page.locator('.pve-nft-seconds').waitFor();
    await press(page, 'Roll back');
    await page.locator('.pve-nft-seconds').waitFor({ state: 'detached' });
    assert.equal(backend.state.number, 14);
});

test('hold; an apply that would cut the way in is refused with the reasons, and may be forced', async () => {
    await view(page, 'overview');
    await press(page, 'Hold');
    await page.locator('.pve-nft-banner', { hasText: 'Saved, not enforced: it would cut the way in' }).waitFor();
    await shoot(page, 'held');
    await press(page, 'Apply');
    await page.locator('.pve-nft-cuts', { hasText: 'web: 198.51.100.7 > 192.0.2.11:8006' }).waitFor();
    await press(page, 'Apply');
    await page.locator('.x-window', { hasText: 'this would cut the way in' }).waitFor();
    assert.equal(backend.state.number, 12);
    await page.locator('.x-window label:visible', { hasText: 'Even if that cuts the way in' }).click();
    await press(page, 'Apply');
    await page.locator('.x-window').waitFor({ state: 'hidden' });
    assert.equal(backend.state.number, 13);
    await press(page, 'Hold');
    await page.locator('.x-btn:visible', { hasText: 'Release' }).waitFor();
    await press(page, 'Release');
    await page.locator('.x-btn:visible', { hasText: 'Hold' }).waitFor();
    assert.equal(backend.state.hold, 0);
});

test('guests: 100, drops of each, the policy of one: hits, effects, places', async () => {
    await view(page, 'guests');
    await page.waitForFunction(() => Ext.ComponentQuery.query('pveNftGuests')[0].store.getCount() === 100);
    await page.locator('.x-grid-item', { hasText: 'shop-mail-102' }).click();
    const rules = page.locator('pveNftGuestPolicy, .x-grid-item', { hasText: '102.fw:8' });
    await rules.first().waitFor();
    await eventually(async () => {
        const shown = await texts(page, '.x-grid-item:visible');
        assert.ok(shown.some((row) => /IN DROP -p udp[\s\S]*enforced[\s\S]*281 k/.test(row)));
        assert.ok(shown.some((row) => /is never reached because an earlier rule decides all that it matches\s+102\.fw:8/.test(row)));
        assert.ok(shown.some((row) => /has no effect because the rule is switched off/.test(row)));
        const widths = await page.locator('.pve-nft-hits > i').evaluateAll((bars) => bars.map((bar) => parseFloat(bar.style.width)));
        assert.equal(Math.max(...widths), 100);
    });
    await shoot(page, 'guests');
    await page.locator('.x-grid-item a', { hasText: 'cluster.fw:9' }).click();
    await page.locator('.x-grid-item-selected', { hasText: 'REJECT' }).waitFor();
});

test('a guest: below its own Firewall, with accepted and dropped packets over time', async () => {
    await show(page, 'qemu/100', 'kvmtab', 'firewall-nft');
    await page.locator('.x-grid-item', { hasText: '100.fw:6' }).waitFor();
    for (let i = 0; i < 3; i++) {
        await page.waitForTimeout(150);
        await page.evaluate(() => void Ext.ComponentQuery.query('pveNftGuestPolicy')[0].reload());
    }
    await page.waitForFunction(() => document.querySelector('polygon[data-layer=accept]')?.getAttribute('points').split(' ').length >= 4);
    backend.state.service = 'down';
    await press(page, 'Reload');
    await page.locator('.pve-nft-message:visible', { hasText: 'the firewall service is not running' }).waitFor();
});

test('a guest: without the node\'s counters the rules\' own are drawn', async () => {
    const other = await open(chrome, server.url, { may: 'nothing' });
    await show(other, 'lxc/104', 'lxctab', 'firewall-nft');
    await other.locator('.x-grid-item', { hasText: '104.fw:6' }).waitFor();
    await other.waitForTimeout(100);
    await other.evaluate(() => void Ext.ComponentQuery.query('pveNftGuestPolicy')[0].reload());
    await other.waitForFunction(() => document.querySelector('polygon[data-layer=drop]')?.getAttribute('points').length > 0);
    assert.ok(!backend.calls.includes('GET /nodes/pve1/firewall/nft/metrics'));
    assert.deepEqual(other.problems, []);
    await other.close();
});

test('simulate: the question as asked, the verdict, the deciding rule', async () => {
    await view(page, 'simulate');
    await page.waitForFunction(() => Ext.ComponentQuery.query('pveNftSimulate')[0].places.getCount() === 102);
    await enter(page, 'to', 'vm100');
    await enter(page, 'source', '203.0.113.9');
    await enter(page, 'dest', '192.0.2.100');
    await enter(page, 'dport', '22');
    await press(page, 'Simulate');
    await page.locator('.pve-nft-verdict', { hasText: /reject/i }).waitFor();
    const asked = await page.evaluate(() => Ext.ComponentQuery.query('pveNftTrace')[0].shown.asked);
    assert.deepEqual(asked, { from: 'outside', to: 'vm100', protocol: 'tcp', source: '203.0.113.9', dest: '192.0.2.100', dport: '22' });
    await shows(page, '.pve-nft-deciding', /guest-100-reject\s+cluster\.fw:9\s+reject/);
    await shoot(page, 'simulate');
    await enter(page, 'dest', '0.0.0.0');
    await press(page, 'Simulate');
    await page.locator('.pve-nft-trace', { hasText: 'not an address' }).waitFor();
});

test('simulate: a type of ICMP goes into the packet\'s line', async () => {
    await view(page, 'simulate');
    await page.evaluate(() => void Ext.ComponentQuery.query('pveNftSimulate [name=protocol]')[0].setValue('icmp'));
    assert.equal(await page.locator('input[name=dport]:visible').count(), 0);
    await enter(page, 'source', '203.0.113.9');
    await enter(page, 'dest', '192.0.2.11');
    await press(page, 'Simulate');
    await page.locator('.pve-nft-verdict').waitFor();
    const asked = await page.evaluate(() => Ext.ComponentQuery.query('pveNftTrace')[0].shown.asked);
    assert.deepEqual(asked, { packet: 'outside host icmp 203.0.113.9 > 192.0.2.11 type=8' });
});

test('generations: the enforced one, what each changed, and back to one', async () => {
    await view(page, 'generations');
    await page.locator('.x-grid-item', { hasText: 'Start of the service' }).first().waitFor();
    await shows(page, '.x-grid-item:visible', /^\s*12/);
    await page.locator('.x-grid-item:visible').nth(2).click();
    await page.locator('.pve-nft-added:visible', { hasText: '+ tcp dport 443' }).waitFor();
    await shoot(page, 'generations');
    await press(page, 'Roll back to this generation');
    await page.locator('.x-message-box', { hasText: 'generation 10' }).waitFor();
    await press(page, 'Yes');
    await page.waitForFunction(() => Ext.ComponentQuery.query('pveNftGenerations')[0].store.getCount() === 13);
    assert.equal(backend.state.rolledBackTo, '10');
});

test('datacenter: who enforces which generation, who lags, who differs', async () => {
    await show(page, 'root', 'dctab', 'firewall-nft');
    await page.locator('.x-toolbar-text', { hasText: '1 of 3 nodes enforce what is saved; the nodes enforce different' }).waitFor();
    await eventually(async () => {
        const rows = await texts(page, '.x-grid-item');
        assert.equal(rows.length, 4);
        assert.match(rows[1], /pve2\s+held\s+No.*it would cut the way in\s+REJECT mode drop/s);
        assert.ok(rows[1].includes(HOSTILE));
    });
    await shoot(page, 'datacenter');
    await page.locator('a.pve-nft-link', { hasText: 'pve1' }).click();
    await page.waitForFunction(() => Ext.ComponentQuery.query('pveNftNodePanel')[0]?.status);
});

test('what was asked and answered in all of these is what the methods in Perl take and give', () => {
    assert.ok(exchanges.length > 50);
    const contract = new URL('lib/contract', import.meta.url).pathname;
    const input = exchanges.map((exchange) => JSON.stringify(exchange)).join('\n');
    assert.equal(execFileSync(contract, { input, stdio: ['pipe', 'pipe', 'ignore'] }).toString(), '');
});
