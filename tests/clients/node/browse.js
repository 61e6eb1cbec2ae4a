// A person in front of the pages: searches by service, opens a trace, reads the waterfall, opens a span.
// usage: browse.js UI-URL SERVICE TRACE-ID SPAN-NAME script|no-script; prints what was seen as JSON.
const { withBrowser } = require('./browser.js');

const [ui, service, trace, span, scripting] = process.argv.slice(2);
const withScript = scripting === 'script';

/** Everything that a developer would see in red. */
function watch(page) {
  const problems = [];
  page.on('console', (message) => { if (message.type() === 'error') problems.push(`console: ${message.text()}`); });
  page.on('pageerror', (error) => problems.push(`script: ${error}`));
  page.on('requestfailed', (request) => problems.push(`${request.url()}: ${request.failure().errorText}`));
  page.on('response', (answer) => { if (answer.status() >= 400) problems.push(`${answer.url()}: ${answer.status()}`); });
  return problems;
}

async function search(page) {
  // The start shows how the services are.
  await page.goto(ui);
  await page.getByRole('link', { name: service, exact: true }).first().waitFor();
  await page.getByRole('link', { name: 'Search', exact: true }).click();
  await page.getByLabel('Service', { exact: true }).selectOption(service);
  // With scripts the choice itself searches.
  if (!withScript) await page.getByRole('button', { name: 'Apply' }).click();
  await page.waitForURL((url) => url.searchParams.get('service') === service);
  const links = page.locator('.hits a.hit-name');
  await links.first().waitFor();
  const hits = await links.all();
  return Promise.all(hits.map(async (link) => ({ text: await words(link), href: await link.getAttribute('href') })));
}

async function words(locator) {
  return (await locator.innerText()).replace(/\s+/g, ' ').trim();
}

async function row(item) {
  const level = Number(await item.getAttribute('data-level'));
  const kind = (await item.getAttribute('class')).split(' ').includes('inferred') ? 'inferred' : 'span';
  const svc = await words(item.locator('.svc'));
  const op = (await item.locator('.op').first().textContent()).trim();
  const peers = await item.locator('.peer').allTextContents();
  return { level, kind, service: svc, name: op, peers, box: await item.locator('.bar rect.body').first().boundingBox() };
}

async function waterfall(page) {
  await page.locator(`.hits a[href^="/trace/${trace}"]`).first().click();
  const items = page.locator('ol.rows > li.item');
  await items.first().waitFor();
  const rows = [];
  for (const item of await items.all()) rows.push(await row(item));
  return rows;
}

async function detail(page) {
  const item = page.locator('ol.rows > li.item').filter({ has: page.locator('.op', { hasText: span }) });
  await item.locator('a.name').click();
  const opened = page.locator('ol.rows > li.selected');
  await opened.waitFor();
  const folded = opened.locator('details:not([open]) > summary');
  while (await folded.count() > 0) await folded.first().click();
  return words(opened);
}

async function look(browser) {
  const context = await browser.newContext({ javaScriptEnabled: withScript, viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  const problems = watch(page);
  const hits = await search(page);
  const rows = await waterfall(page);
  const url = page.url();
  const text = await detail(page);
  if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT, fullPage: true });
  return { hits, rows, url, title: await page.title(), detail: text, problems };
}

withBrowser(look)
  .then((seen) => console.log(JSON.stringify(seen)))
  .catch((error) => { console.error(error); process.exit(1); });
