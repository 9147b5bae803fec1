// Visits every page that is linked from the first one: in two widths, light and dark, on a screen and printed.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { Site } from './site.mjs';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const WIDTHS = [1280, 390];
const SCHEMES = ['light', 'dark'];
const MOST = Number(process.env.BROWSER_MOST ?? 2);
const SHOTS = join(process.env.ROOT, 'target/browser/screenshots');
// Error pages are visited too: each with its expected status.
const PROBLEMS = { '/nothing-is-here': 404, '/bots/nobody-is-called-so': 404, '/mrs?state=no-state': 400, '/commits?after=x': 404 };

const found = [];
const report = (site, path, what) => found.push(`${site.name} ${path}: ${what}`);

// The kind of an address. Addresses of one kind differ in names and values only: /bots/a and /bots/b, /mrs?state=opened and /mrs?state=merged&q=x.
function kind(url) {
  const parts = url.pathname.split('/');
  const keys = [...url.searchParams.keys()].sort();
  return `${parts[1]}${parts.length > 2 ? '/*' : ''}?${keys}`;
}

// Checks the document of a page, not its look.
async function checkPage(page, site, path, status, answer) {
  if (answer.status() !== status) report(site, path, `answers ${answer.status()}, not ${status}`);
  const facts = await page.evaluate(() => ({
    scripts: document.scripts.length,
    lang: document.documentElement.lang,
    title: document.title,
    h1: document.querySelectorAll('h1').length,
    times: [...document.querySelectorAll('time')].filter((time) => !(Date.parse(time.dateTime) > 0)).length,
  }));
  if (facts.scripts || !facts.lang || !facts.title || facts.h1 !== 1 || facts.times) {
    report(site, path, JSON.stringify(facts));
  }
}

async function checkLook(page, site, path, width, scheme) {
  const look = `${width} ${scheme}`;
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (wide > 0) report(site, path, `${look}: ${wide} px wider than the window`);
  const cut = await page.evaluate(() => {
    const out = (box) => box.width > 0 && (box.left < -1 || box.right > innerWidth + 1);
    const all = [...document.querySelectorAll('main *, header *, footer *')].filter((e) => !e.closest('.scroll'));
    return all.filter((e) => out(e.getBoundingClientRect())).slice(0, 3).map((e) => e.outerHTML.slice(0, 80));
  });
  if (cut.length) report(site, path, `${look}: out of the window: ${cut.join(' ')}`);
  const violations = await page.evaluate((tags) =>
    axe.run(document, { runOnly: tags, resultTypes: ['violations'] }).then((result) =>
      result.violations.map((rule) => `axe ${rule.id} (${rule.impact}): ${rule.help}: ${rule.nodes.length} x ` +
        rule.nodes.slice(0, 2).map((node) => `${node.html.slice(0, 120)} [${node.failureSummary?.split('\n').at(-1)}]`).join(' | '))),
  RULES);
  for (const violation of violations) report(site, path, `${look}: ${violation}`);
}

async function checkPaper(page, site, path) {
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
  const bad = await page.evaluate(() => {
    const light = (color) => {
      const [r, g, b] = color.match(/[\d.]+/g).map(Number);
      return 0.2126 * r + 0.7152 * g + 0.0722 * b > 160;
    };
    const shown = (e) => e.getClientRects().length > 0;
    const chrome = [...document.querySelectorAll('nav, form, footer, .skip')].filter(shown).map((e) => e.tagName);
    const texts = [...document.querySelectorAll('main *')].filter((e) => shown(e) && e.innerText && !e.closest('svg'));
    const pale = texts.filter((e) => light(getComputedStyle(e).color)).slice(0, 2).map((e) => e.outerHTML.slice(0, 80));
    return [...chrome, ...pale];
  });
  if (bad.length) report(site, path, `on paper: ${bad.join(' ')}`);
}

// Checks the keyboard: the first Tab reaches the skip link, and each further one an element whose focus is visible.
async function checkKeyboard(page, site, path) {
  const focused = () =>
    page.evaluate(() => {
      const e = document.activeElement;
      const box = e.getBoundingClientRect();
      const style = getComputedStyle(e);
      return {
        html: e.outerHTML.slice(0, 80),
        body: e === document.body,
        skip: e.matches('.skip'),
        ring: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
        seen: box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
      };
    });
  await page.keyboard.press('Tab');
  const first = await focused();
  if (!first.skip || !first.seen || !first.ring) report(site, path, `first with Tab: ${JSON.stringify(first)}`);
  for (let step = 0; step < 60; step += 1) {
    await page.keyboard.press('Tab');
    const now = await focused();
    if (now.body) break;
    if (!now.ring || !now.seen) report(site, path, `focus is not seen: ${now.html}`);
  }
  await page.evaluate(() => document.activeElement.blur());
  if (!(await page.locator('.skip').count())) return;
  await page.locator('.skip').focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  const inside = await page.evaluate(() => !document.activeElement.closest('header'));
  if (!inside) report(site, path, 'the skip link does not lead past the navigation');
}

// Tests the checks themselves with a page that is full of faults, which they must find.
async function checkChecks(context) {
  const page = await context.newPage();
  const faulty = { name: 'planted faults', url: 'http://127.0.0.1' };
  await page.setContent(`<title>x</title><h1>x</h1><img src="data:,"><p style="color: #ccc">pale</p><nav>nav</nav>
    <main><a href="#x" style="outline: none">plain</a><div style="width: 3000px">wide</div></main>`);
  await page.setViewportSize({ width: 390, height: 900 });
  await page.evaluate(AXE);
  await checkLook(page, faulty, '', 390, 'light');
  await checkKeyboard(page, faulty, '');
  await checkPaper(page, faulty, '');
  const said = found.splice(0).join('\n');
  for (const fault of ['image-alt', 'color-contrast', 'html-has-lang', 'wider than the window', 'out of the window', 'first with Tab', 'NAV']) {
    if (!said.includes(fault)) report(faulty, '', `the checks did not find ${fault}`);
  }
  await page.close();
}

async function visit(context, site, shots) {
  const origin = new URL(site.url).origin;
  const page = await context.newPage();
  let current = '/';
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) report(site, current, `loads ${request.url()}`);
  });
  page.on('console', (message) => {
    const expected = Object.hasOwn(PROBLEMS, current) && /status of 40\d/.test(message.text());
    if (['error', 'warning'].includes(message.type()) && !expected) report(site, current, `console: ${message.text()}`);
  });
  page.on('pageerror', (error) => report(site, current, `script: ${error}`));
  await page.addInitScript(() => {
    globalThis.violations = [];
    addEventListener('securitypolicyviolation', (event) => globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });

  const queue = [...Object.keys(PROBLEMS).reverse(), '/'];
  const seen = new Set(queue);
  const kinds = new Map();
  let pages = 0;
  while (queue.length) {
    current = queue.pop();
    const path = current;
    const status = PROBLEMS[path] ?? 200;
    await page.setViewportSize({ width: WIDTHS[0], height: 900 });
    await page.emulateMedia({ media: 'screen', colorScheme: 'light' });
    const answer = await page.goto(site.url + path, { waitUntil: 'load' });
    if (!answer.headers()['content-type'].startsWith('text/html')) continue;
    pages += 1;
    await checkPage(page, site, path, status, answer);
    await checkKeyboard(page, site, path);
    await page.evaluate(AXE);
    for (const width of WIDTHS) {
      for (const scheme of SCHEMES) {
        await page.setViewportSize({ width, height: 900 });
        await page.emulateMedia({ media: 'screen', colorScheme: scheme });
        await page.evaluate(() => { document.activeElement.blur(); scrollTo(0, 0); });
        await checkLook(page, site, path, width, scheme);
        const name = path === '/' ? 'overview' : path.slice(1).replace(/[^\w.-]+/g, '_').slice(0, 60);
        const height = Math.min(2400, await page.evaluate(() => document.documentElement.scrollHeight));
        await page.screenshot({ path: join(SHOTS, site.name, `${name}-${width}-${scheme}.png`), fullPage: true, clip: { x: 0, y: 0, width, height } });
      }
    }
    await checkPaper(page, site, path);
    const violations = await page.evaluate(() => globalThis.violations);
    for (const violation of violations) report(site, path, `policy: ${violation}`);
    const links = await page.evaluate(() => [...document.querySelectorAll('a[href]')].map((link) => link.href));
    for (const link of links) {
      const url = new URL(link);
      const next = url.pathname + url.search;
      if (url.origin !== origin || seen.has(next) || /^\/(api|badge|feed|metrics)/.test(url.pathname)) continue;
      const number = kinds.get(kind(url)) ?? 0;
      if (number >= MOST) continue;
      kinds.set(kind(url), number + 1);
      seen.add(next);
      queue.unshift(next);
    }
  }
  await page.close();
  console.log(`${site.name}: ${pages} pages, ${pages * WIDTHS.length * SCHEMES.length} views`);
  return pages;
}

// Small pictures for the README: copied to tests/screenshots by hand when pages change.
async function picture(context, site) {
  const page = await context.newPage();
  const client = await context.newCDPSession(page);
  for (const [name, path, width, height, scheme] of [
    ['overview', '/', 1280, 860, 'light'],
    ['bots', '/bots', 1280, 640, 'dark'],
    ['trends', '/trends', 1280, 800, 'light'],
    ['merge-requests', '/mrs?state=opened', 390, 844, 'dark'],
  ]) {
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme: scheme });
    await page.goto(site.url + path);
    const shot = await client.send('Page.captureScreenshot', { format: 'webp', quality: 60 });
    writeFileSync(join(SHOTS, `${name}.webp`), Buffer.from(shot.data, 'base64'));
  }
  await page.close();
}

rmSync(SHOTS, { recursive: true, force: true });
const given = process.argv[2];
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
});
const context = await browser.newContext({ reducedMotion: 'reduce', locale: 'en-GB', timezoneId: 'UTC' });
const plans = given
  ? [() => new Site('given', given.replace(/\/$/, ''))]
  : [
      () => Site.up('samples', { events: join(process.env.ROOT, 'events') }),
      () => Site.up('empty'),
      () => Site.up('busy', { sizes: { runs: 20000, merge_requests: 3000 } }),
    ];
await checkChecks(context);
for (const plan of plans) {
  const site = await plan();
  mkdirSync(join(SHOTS, site.name), { recursive: true });
  try {
    if ((await visit(context, site)) < 8) report(site, '/', 'links to fewer than 8 pages');
    if (site.name === 'busy') await picture(context, site);
  } finally {
    await site.end();
  }
}
await browser.close();
for (const line of found) console.log(line);
console.log(`${found.length} problems; screenshots in ${SHOTS}`);
writeFileSync(join(SHOTS, 'problems.txt'), found.join('\n'));
process.exitCode = found.length ? 1 : 0;
