// The views in front of a real service: what they show is what it says.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { browser, enter, eventually, open, press, show, shows, text, texts, view } from './lib/page.js';
import { serve } from './lib/server.js';
import { example, large, start } from './lib/service.js';

let chrome;

before(async () => {
    chrome = await browser();
});

after(() => chrome.close());

/** Runs `use(page, service)` with a service of its own, and ends it. */
async function withService(prepare, use) {
    const service = await start(prepare);
    const server = await serve(service.backend);
    const page = await open(chrome, server.url);
    try {
        await use(page, service);
        assert.deepEqual(page.problems, []);
    } finally {
        await page.close();
        server.close();
        await service.stop();
    }
}

const grid = (page, xtype) => page.evaluate((query) => Ext.ComponentQuery.query(query)[0].getStore().getCount(), xtype);

test('the example cluster: seen, changed, held, applied, confirmed, simulated, rolled back', async () => {
    await withService(example, async (page, service) => {
        await view(page, 'overview');
        await shows(page, '.pve-nft-banner', /generation 1/);
        await shows(page, '.x-grid-item:has-text("In the kernel")', /\d+ rules in \d+ chains/);
        await eventually(async () => assert.ok((await grid(page, 'pveNftOverview grid[title]')) > 5));

        await view(page, 'diagnostics');
        await page.locator('.x-grid-item:visible', { hasText: 'no alias `dc/backups`' }).waitFor();
        await eventually(async () => assert.deepEqual((await texts(page, '.x-grid-item u')).sort(), ['5432', 'dc/backups']));

        // 100.fw: -> the rule in the grid of the guest.
        await view(page, 'guests');
        await page.locator('.x-grid-item:visible', { hasText: 'guest100' }).click();
        await page.locator('.x-grid-item:visible', { hasText: 'has no effect because the rule is switched off' }).first().waitFor();
        await page.locator('a.pve-nft-link:visible', { hasText: '100.fw:11' }).first().click();
        await page.locator('.x-grid-item-selected', { hasText: 'monitoring' }).waitFor();

        await view(page, 'changes');
        await page.locator('.pve-nft-none', { hasText: 'What is saved is what is enforced' }).waitFor();
        await press(page, 'Hold');
        await page.locator('.x-btn:visible', { hasText: 'Release' }).waitFor();
        const file = join(service.root, 'etc/pve/firewall/100.fw');
        writeFileSync(file, readFileSync(file, 'utf8').replace('-dport 25', '-dport 26'));
        await page.locator('.pve-nft-banner', { hasText: 'Saved, not enforced' }).waitFor({ timeout: 20000 });
        await press(page, 'Reload');
        await page.locator('.pve-nft-added:visible', { hasText: 'tcp dport 26' }).first().waitFor();
        await page.locator('.pve-nft-removed:visible', { hasText: 'tcp dport 25' }).first().waitFor();

        await press(page, 'Apply what is saved');
        await page.locator('.x-window', { hasText: 'Rules: +' }).waitFor();
        await press(page, 'Apply');
        await page.locator('.pve-nft-seconds').waitFor();
        await press(page, 'Confirm');
        await page.locator('.pve-nft-seconds').waitFor({ state: 'detached' });

        await view(page, 'simulate');
        await enter(page, 'to', 'vm100');
        await enter(page, 'source', '203.0.113.9');
        await enter(page, 'dest', '192.0.2.100');
        await enter(page, 'dport', '80');
        await press(page, 'Simulate');
        await page.locator('.pve-nft-verdict', { hasText: /accept.*decided by cluster\.fw:44/is }).waitFor();
        await shows(page, '.pve-nft-deciding', /cluster\.fw:44\s+accept/);
        await enter(page, 'source', '2001:db8::9');
        await press(page, 'Simulate');
        await page.locator('.pve-nft-trace', { hasText: 'not of the family of the source' }).waitFor();

        await view(page, 'generations');
        await page.waitForFunction(() => Ext.ComponentQuery.query('pveNftGenerations')[0].store.getCount() >= 2);
        await page.locator('.x-grid-item:visible').last().click();
        await press(page, 'Roll back to this generation');
        await press(page, 'Yes');
        await page.waitForFunction(() => Ext.ComponentQuery.query('pveNftNodePanel')[0].status.generation.cause === 'rollback');
    });
});

test('REJECT mode is kept by the service; a service that ends is told of', async () => {
    await withService(example, async (page, service) => {
        await show(page, 'node/pve1', 'nodetab', 'firewall-options');
        const row = page.locator('.x-grid-item', { hasText: 'REJECT mode' });
        await row.click();
        await press(page, 'Edit');
        await page.waitForFunction(() => Ext.ComponentQuery.query('pveNftRejectModeEdit field')[0]?.getValue() === 'prerouting');
        await page.evaluate(() => void Ext.ComponentQuery.query('pveNftRejectModeEdit field')[0].setValue('drop'));
        await press(page, 'OK');
        await page.locator('.x-grid-item', { hasText: 'in force: drop: no answer' }).waitFor();
        assert.match(readFileSync(join(service.root, 'etc/pve/nodes/pve1/proxmox-firewall.cfg'), 'utf8'), /drop/);

        await view(page, 'overview');
        service.kill();
        await page.locator('.x-mask-msg:visible', { hasText: '503' }).first().waitFor({ timeout: 15000 });
    });
});

test('100 guests, 200 diagnostics: every view answers', async () => {
    await withService(large, async (page) => {
        await view(page, 'diagnostics');
        await eventually(async () => {
            const title = await text(page, '.x-tab:has-text("Diagnostics")');
            assert.ok(Number(title.match(/\((\d+)\)/)?.[1]) >= 200, title);
        });
        await page.locator('input[placeholder=Search]:visible').fill('<b>nobody</b>');
        await page.locator('.x-toolbar-text', { hasText: '100 of' }).waitFor();
        await view(page, 'guests');
        await page.waitForFunction(() => Ext.ComponentQuery.query('pveNftGuests')[0].store.getCount() === 100);
        await page.locator('.x-grid-item:visible').nth(3).click();
        await page.waitForFunction(() => Ext.ComponentQuery.query('pveNftGuestPolicy')[0]?.store.getCount() >= 20);
        await page.waitForFunction(() => document.querySelectorAll('.pve-nft-hits').length > 5);
        await page.evaluate(() => new Promise((done) => Ext.ComponentQuery.query('pveNftNodePanel')[0].statusStore.load(() => done())));
    });
});
