// Screenshots for the manual, into docs/screenshots: the same page as in the tests, without their hostile words.

import { friendly } from './lib/mock.js';
import { browser, enter, open, press, shoot, show, view } from './lib/page.js';
import { serve } from './lib/server.js';

process.env.SCREENSHOTS ??= new URL('../../docs/screenshots', import.meta.url).pathname;

const backend = friendly();
const server = await serve(backend);
const chrome = await browser();
const page = await open(chrome, server.url);

/** Lets the plots have something to show: samples of ten minutes, as if somebody had looked for so long. */
async function history(...names) {
    await page.evaluate((keys) => keys.forEach((key) => {
        let counters = { drop: 0, reject: 0, accept: 0 };
        for (let i = 120; i > 0; i--) {
            let wave = 1 + Math.sin(i / 9) / 2 + (i > 40 && i < 60 ? 1.5 : 0);
            counters = { drop: counters.drop + 210 * wave, reject: counters.reject + 35 * wave, accept: counters.accept + 900 * (1 + Math.cos(i / 15) / 5) };
            PVE.nft.Traffic.record(key, counters, Date.now() / 1000 - i * 5);
        }
    }), names);
    await page.evaluate(() => {
        PVE.nft.Traffic.record = (name) => PVE.nft.Traffic.histories[name].samples;
    });
}

const settle = () => page.waitForTimeout(1500);

await history('node/pve1', 'guest/pve1/102');
await view(page, 'overview');
await settle();
await shoot(page, 'overview');
await view(page, 'diagnostics');
await settle();
await shoot(page, 'diagnostics');
await view(page, 'changes');
await settle();
await shoot(page, 'changes');
await press(page, 'Apply');
await settle();
await shoot(page, 'apply');
await press(page, 'Apply');
await page.locator('.pve-nft-seconds').waitFor();
await page.waitForTimeout(3000);
await shoot(page, 'confirm');
await press(page, 'Confirm');
await view(page, 'guests');
await page.locator('.x-grid-item', { hasText: 'shop-mail-102' }).click();
await settle();
await shoot(page, 'guests');
await view(page, 'simulate');
for (const [name, value] of [['to', 'vm100'], ['source', '203.0.113.9'], ['dest', '192.0.2.100'], ['dport', '113']]) {
    await enter(page, name, value);
}
await press(page, 'Simulate');
await settle();
await shoot(page, 'simulate');
await view(page, 'generations');
await settle();
await shoot(page, 'generations');
await show(page, 'node/pve1', 'nodetab', 'firewall-options');
await settle();
await shoot(page, 'options');
await show(page, 'root', 'dctab', 'firewall-nft');
await settle();
await shoot(page, 'datacenter');
await chrome.close();
server.close();
