// A person who asks in the query box: by keyboard with suggestions, and through a heatmap to the traces behind a cell.
// usage: ask.js UI-URL SERVICE script|no-script; prints what was seen as JSON.
const { withBrowser } = require('./browser.js');

const [ui, service, scripting] = process.argv.slice(2);
const withScript = scripting === 'script';

/** Everything that a developer would see in red. */
function watch(page) {
  const problems = [];
  page.on('console', (message) => { if (message.type() === 'error') problems.push(`console: ${message.text()}`); });
  page.on('pageerror', (error) => problems.push(`script: ${error}`));
  page.on('response', (answer) => { if (answer.status() >= 400) problems.push(`${answer.url()}: ${answer.status()}`); });
  return problems;
}

// The pickers of the form have options as well.
const offers = (page) => page.getByRole('listbox').getByRole('option');
const box = (page) => page.getByLabel('Attributes or TraceQL');

/** Types a part of a query, and takes a suggestion with some keys. */
async function suggested(page, text, ...keys) {
  await page.keyboard.type(text);
  const options = offers(page);
  await options.first().waitFor();
  const offered = await options.allInnerTexts();
  const expanded = await box(page).getAttribute('aria-expanded');
  for (const key of keys.slice(0, -1)) await page.keyboard.press(key);
  const active = await box(page).getAttribute('aria-activedescendant');
  const selected = active ? await page.locator(`#${active}`).getAttribute('aria-selected') : null;
  await page.keyboard.press(keys.at(-1));
  await page.getByRole('listbox').waitFor({ state: 'hidden' });
  return { offered, expanded, selected, box: await box(page).inputValue() };
}

async function byKeyboard(page) {
  await page.goto(`${ui}search`);
  await box(page).focus();
  const steps = [
    await suggested(page, '{ resource.service.n', 'ArrowDown', 'Enter'),
    await suggested(page, ` = "${service.slice(0, -2)}`, 'Tab'),
    await suggested(page, ' && na', 'Escape'),
  ];
  for (let i = 0; i < ' && na'.length; i++) await page.keyboard.press('Backspace');
  await offers(page).first().waitFor({ timeout: 2000 }).catch(() => {});
  await page.keyboard.type(' }');
  await page.keyboard.press('Enter');
  return steps;
}

async function byHand(page) {
  await page.goto(`${ui}search`);
  await box(page).fill(`{ resource.service.name = "${service}" }`);
  await page.getByRole('button', { name: 'Run' }).click();
  return [];
}

async function hits(page) {
  await page.locator('.hits a.hit-name').first().waitFor();
  return page.locator('.hits a.hit-name').count();
}

async function throughTheHeatmap(page) {
  const query = `{ resource.service.name = "${service}" } | histogram_over_time(duration)`;
  await page.goto(`${ui}search?${new URLSearchParams({ q: query, lookback: '15m' })}`);
  const cells = page.locator('.heat a');
  const count = await cells.count();
  await cells.first().locator('rect').click();
  await page.waitForURL((url) => url.searchParams.has('from'));
  const asked = new URL(page.url()).searchParams;
  return { cells: count, query: asked.get('q'), from: asked.get('from'), to: asked.get('to'), hits: await hits(page) };
}

async function ask(browser) {
  const context = await browser.newContext({ javaScriptEnabled: withScript, viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  const problems = watch(page);
  const steps = await (withScript ? byKeyboard(page) : byHand(page));
  await page.waitForURL((url) => url.searchParams.has('q'));
  const query = new URL(page.url()).searchParams.get('q');
  return { steps, query, hits: await hits(page), heatmap: await throughTheHeatmap(page), problems };
}

withBrowser(ask)
  .then((seen) => console.log(JSON.stringify(seen)))
  .catch((error) => { console.error(error); process.exit(1); });
