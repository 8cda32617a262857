// A page in Debian's Chromium, and what tests do with it.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { chromium } from 'playwright-core';

const flags = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
];

/** Where screenshots go, unless SCREENSHOTS names another folder. */
const folder = () => process.env.SCREENSHOTS ?? '../target/www/screenshots';

/** One context: pages share its cache, and Ext JS is compiled once. */
export async function browser() {
    const chrome = await chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args: flags });
    const context = await chrome.newContext({ viewport: { width: 1280, height: 760 } });
    return { newPage: () => context.newPage(), close: () => chrome.close() };
}

/** `problems` collects what the page complains about: a test ends with none. */
export async function open(chrome, url, { may = 'modify' } = {}) {
    const page = await chrome.newPage();
    // Machines are busy now and then.
    page.setDefaultTimeout(30000);
    page.problems = [];
    page.on('pageerror', (error) => page.problems.push(String(error.stack ?? error)));
    page.on('console', (message) => {
        // A failed request is the server's answer; tests of error cases ask for it.
        if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) {
            page.problems.push(message.text());
        }
    });
    page.on('dialog', (dialog) => {
        page.problems.push(`dialog: ${dialog.message()}`);
        dialog.dismiss();
    });
    await page.goto(`${url}?may=${may}`);
    await page.waitForFunction(() => window.workspace && PVE.data.ResourceStore.isLoaded());
    return page;
}

/** Shows a resource, and a card of its menu. */
export async function show(page, resource, tab, card) {
    await page.evaluate((place) => PVE.nft.Places.open(place), { resource, tab, card });
    await page.waitForFunction((id) => Ext.ComponentQuery.query('pveStdWorkspace')[0].items.first().getLayout().getActiveItem().itemId === id, card);
}

/** The node's panel with one of its views. */
export async function view(page, name, node = 'pve1') {
    await show(page, `node/${node}`, 'nodetab', 'firewall-nft');
    await page.waitForFunction(() => Ext.ComponentQuery.query('pveNftNodePanel')[0]?.status);
    await page.evaluate((id) => void Ext.ComponentQuery.query('pveNftNodePanel tabpanel')[0].setActiveItem(id), name);
}

/** Presses a button with that text; only those that can be seen count. */
export async function press(page, text) {
    await page.locator('.x-btn:visible', { hasText: text }).last().click();
}

/** Types into a field, over what stands there. */
export async function enter(page, name, value) {
    await page.locator(`input[name=${name}]:visible`).click();
    // A field that selects its text on focus does so a moment later; nobody else types as soon as that.
    await page.waitForTimeout(150);
    await page.keyboard.press('Control+A');
    await page.keyboard.type(value);
    await page.keyboard.press('Tab');
}

export async function shoot(page, name) {
    await mkdir(folder(), { recursive: true });
    await page.screenshot({ path: `${folder()}/${name}.png` });
}

/** The entries of the menu, in order. */
export const menu = (page) => texts(page, '.x-treelist-item-text:visible');

export const text = (page, selector) => page.locator(selector).first().innerText();

export const texts = (page, selector) => page.locator(selector).allInnerTexts();

/** Waits until a check no longer fails: views draw what they show some time after they know it, and again with each answer. */
export async function eventually(check) {
    for (const until = Date.now() + 20000; ; ) {
        try {
            return await check();
        } catch (error) {
            if (Date.now() > until) throw error;
        }
        await new Promise((done) => setTimeout(done, 50));
    }
}

/** Waits until the first of these elements shows a text, or one that matches. */
export const shows = (page, selector, what) => eventually(async () => {
    const shown = await text(page, selector);
    if (what instanceof RegExp) assert.match(shown, what);
    else assert.ok(shown.includes(what), `${what} is not in ${shown}`);
});
