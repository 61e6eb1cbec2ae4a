// A person who reads one trace: finds, reduces, zooms, opens a span and its events, goes through the views, keeps a copy.
// usage: trace.js TRACE-URL script|no-script; prints what was seen as JSON.
const fs = require('fs');
const { pathToFileURL } = require('url');
const { withBrowser } = require('./browser.js');

const [trace, scripting] = process.argv.slice(2);
const withScript = scripting === 'script';
const VIEWS = ['flame', 'statistics', 'spans', 'graph', 'events'];

/** Everything that a developer would see in red, and every dialog that content opened. */
function watch(page) {
  const problems = [];
  page.on('console', (message) => { if (message.type() === 'error') problems.push(`console: ${message.text()}`); });
  page.on('pageerror', (error) => problems.push(`script: ${error}`));
  page.on('dialog', (dialog) => { problems.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on('response', (answer) => { if (answer.status() >= 400) problems.push(`${answer.url()}: ${answer.status()}`); });
  return problems;
}

async function words(locator) {
  return (await locator.innerText()).replace(/\s+/g, ' ').trim();
}

const names = (page) => page.locator('ol.rows > li.item .op').evaluateAll((all) => all.map((one) => one.textContent.trim()));
const zoomOf = (page) => new URL(page.url()).searchParams.get('zoom');

/** Does something that loads another page. */
async function goes(page, act) {
  await Promise.all([page.waitForNavigation(), act()]);
}

async function find(page) {
  await page.goto(trace);
  await page.getByRole('textbox', { name: 'Find in trace' }).fill('SELECT');
  await goes(page, () => page.keyboard.press('Enter'));
  const found = await words(page.locator('.found'));
  await goes(page, () => page.getByRole('link', { name: 'Next match' }).click());
  return { found, at: await words(page.locator('.found')), matched: await page.locator('.item.matched').count() };
}

async function reduce(page) {
  await page.goto(trace);
  await page.locator('.reduce > summary').click();
  await page.getByRole('checkbox', { name: 'store' }).check();
  await goes(page, () => page.getByRole('button', { name: 'Apply' }).click());
  const left = await names(page);
  await goes(page, () => page.locator('a.chip-off').first().click());
  return { left, all: await names(page) };
}

/** By the links, which need no script, then by keys and by hand. */
async function zoom(page) {
  await page.goto(trace);
  const seen = [];
  await goes(page, () => page.getByRole('link', { name: 'Zoom in' }).click());
  seen.push(zoomOf(page));
  await goes(page, () => page.getByRole('link', { name: 'End zoom' }).click());
  seen.push(zoomOf(page));
  if (!withScript) return { seen };
  const keys = {};
  for (const key of ['+', 'd', 'Shift+A', 'ArrowUp', 'ArrowRight', 'Shift+ArrowDown', 'Escape']) {
    if (key === 'Escape') await goes(page, () => page.keyboard.press('ArrowUp'));
    await goes(page, () => page.keyboard.press(key));
    keys[key] = zoomOf(page);
  }
  return { seen, keys, overview: await drag(page, '.map svg'), axis: await drag(page, '.axis svg') };
}

/** Drags from a quarter of an element to its middle. */
async function drag(page, selector) {
  await page.goto(trace);
  const box = await page.locator(selector).boundingBox();
  const y = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width / 4, y);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2, y, { steps: 5 });
  await goes(page, () => page.mouse.up());
  return zoomOf(page).split('-').map(Number);
}

/** Jaeger's keys for rows. */
async function keyboard(page) {
  await page.goto(trace);
  const at = () => page.evaluate(() => {
    const now = document.activeElement;
    return now.closest('.item')?.querySelector('.svc').textContent ?? now.id;
  });
  const focused = [];
  for (const key of ['f', 'f', 'b', 'j', 'Control+b']) {
    await page.keyboard.press(key);
    focused.push(await at());
  }
  await page.keyboard.press('Escape');
  const rows = [];
  for (const key of [']', 'o', 'p', '[']) {
    await goes(page, () => page.keyboard.press(key));
    rows.push(await page.locator('ol.rows > li.item').count());
  }
  await page.setViewportSize({ width: 1280, height: 300 });
  await page.goto(trace);
  await page.keyboard.press('s');
  const down = await page.evaluate(() => scrollY);
  await page.keyboard.press('w');
  return { focused, rows, scrolled: [down > 0, await page.evaluate(() => scrollY) < down] };
}

async function detail(page) {
  await page.goto(trace);
  await goes(page, () => page.locator('ol.rows > li.item a.name').filter({ hasText: 'settle' }).click());
  const below = await words(page.locator('li.selected .detail'));
  await goes(page, () => page.getByRole('link', { name: 'Detail beside the rows' }).click());
  const beside = await words(page.locator('.wf-side .detail'));
  await goes(page, () => page.getByRole('link', { name: 'Rows for events' }).click());
  const rows = await page.locator('ol.rows > li.item .who').evaluateAll((all) => all.map((one) => one.innerText.replace(/\s+/g, ' ').trim()));
  return { below, beside, rows };
}

async function views(page) {
  const seen = {};
  for (const view of VIEWS) {
    await page.goto(trace);
    await goes(page, () => page.locator(`.tabs a[href*="view=${view}"]`).click());
    seen[view] = (await page.locator('.view').allTextContents()).join(' ').replace(/\s+/g, ' ').slice(0, 4000);
  }
  return seen;
}

/** Keeps the trace as a file, and opens that from the disk. */
async function keep(page, context) {
  await page.goto(trace);
  await page.locator('.trace-title .menu > summary').click();
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'One HTML file' }).click()]);
  const path = await download.path();
  const copy = `${path}.html`;
  fs.renameSync(path, copy);
  const file = await context.newPage();
  const problems = watch(file);
  await file.goto(pathToFileURL(copy).href);
  await file.locator('details.item > summary').first().click();
  const opened = await words(file.locator('details.item[open]').first());
  return { name: download.suggestedFilename(), rows: await file.locator('details.item').count(), opened: opened.slice(0, 600), problems };
}

async function read(browser) {
  const context = await browser.newContext({ javaScriptEnabled: withScript, viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  const problems = watch(page);
  await page.goto(trace);
  const title = await words(page.locator('h1'));
  return {
    title,
    find: await find(page),
    reduce: await reduce(page),
    zoom: await zoom(page),
    keyboard: withScript ? await keyboard(page) : null,
    detail: await detail(page),
    views: await views(page),
    file: await keep(page, context),
    problems,
  };
}

withBrowser(read)
  .then((seen) => console.log(JSON.stringify(seen)))
  .catch((error) => { console.error(error); process.exit(1); });
