// A browser that tests drive line by line: one JSON command in on stdin, one JSON reply out on stdout. Each page name has cookies of its own.
'use strict';
const { chromium } = require('playwright-core');
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const PATIENCE = 300000; // milliseconds: enough for a machine that does twenty other things
const pages = {}, log = [];

async function open(browser, name, { width = 1280, height = 800, dark = false, offline = false } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: dark ? 'dark' : 'light', acceptDownloads: false });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.on('request', r => log.push({ page: name, kind: 'request', text: r.url() }));
  page.on('console', m => { if (m.type() === 'error') log.push({ page: name, kind: 'console', text: m.text() }); });
  page.on('pageerror', e => log.push({ page: name, kind: 'error', text: String(e) }));
  page.on('dialog', d => { log.push({ page: name, kind: 'dialog', text: d.message() }); d.accept().catch(() => {}); });
  pages[name] = page;
}

const does = {
  open: (c, browser) => open(browser, c.page, c),
  goto: async (c, _, page) => { await page.goto(c.url); if (c.ready) await page.waitForSelector('html[data-ready]', { state: 'attached' }); },
  press: async (c, _, page) => { for (const key of c.keys) await page.keyboard.press(key); },
  type: (c, _, page) => page.keyboard.type(c.text),
  click: (c, _, page) => page.click(c.on),
  fill: (c, _, page) => page.fill(c.on, c.text),
  text: (c, _, page) => page.textContent(c.of),
  wait: async (c, _, page) => {  // waitForFunction would need eval, which the page's policy forbids
    for (const end = Date.now() + PATIENCE; Date.now() < end; await new Promise(done => setTimeout(done, 20))) if (await page.evaluate(c.js).catch(() => false)) return true;
    throw Error(`waited five minutes in vain for ${c.js}`);
  },
  js: (c, _, page) => page.evaluate(c.js),
  size: (c, _, page) => page.setViewportSize({ width: c.width, height: c.height }),
  picture: (c, _, page) => page.screenshot({ path: c.path, fullPage: !!c.full }).then(() => true),
  reload: async (c, _, page) => { await page.reload(); await page.waitForSelector('html[data-ready]', { state: 'attached' }); },
  close: async (c, _, page) => { await page.context().close(); delete pages[c.page]; },
  log: () => log.splice(0),
};

(async () => {
  const browser = await chromium.launch({ executablePath: process.argv[2], headless: true, args: FLAGS, timeout: PATIENCE });
  const lines = require('readline').createInterface({ input: process.stdin });
  for await (const line of lines) {
    const c = JSON.parse(line);
    try { console.log(JSON.stringify({ ok: await does[c.do](c, browser, pages[c.page]) ?? null })); }
    catch (e) { console.log(JSON.stringify({ error: String(e).slice(0, 2000) })); }
  }
  await browser.close();
})();
