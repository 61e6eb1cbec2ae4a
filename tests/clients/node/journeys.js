// Every journey through the pages, over the traces of the demo: each step checks what the page says.
// usage: journeys.js UI-URL script|no-script; prints the journeys that ended well, and what a developer would see in red, as JSON.
const { withBrowser, problemsOf } = require('./browser.js');

const [ui, scripting] = process.argv.slice(2);
const withScript = scripting === 'script';
const TRACE = 'feedfacefeedfacefeedfacefeedface';

function check(fact, said) {
  if (!fact) throw new Error(said);
}

/** The text of the first such element, with single spaces. */
async function text(page, selector) {
  return (await page.locator(selector).first().innerText()).replace(/\s+/g, ' ').trim();
}

async function says(page, selector, part) {
  const found = await text(page, selector);
  check(found.includes(part), `${page.url()}: ${selector} says ${JSON.stringify(found)} and not ${part}`);
}

const param = (page, name) => new URL(page.url()).searchParams.get(name);
const go = (page, path) => page.goto(ui + path);
/** Clicks, and waits until the next page is there. */
const follow = (page, locator) => Promise.all([page.waitForNavigation(), locator.first().click()]);
const number = (words) => Number(words.replace(/[^\d]/g, ''));

async function byField(page) {
  await go(page, '/search');
  const changed = page.waitForURL((url) => url.searchParams.get('service') === 'cart');
  await page.getByLabel('Service', { exact: true }).selectOption('cart');
  // With scripts the choice itself searches.
  if (!withScript) await page.getByRole('button', { name: 'Apply' }).click();
  await changed;
  await says(page, '.as-query', '{ resource.service.name = "cart" }');
  check(await page.locator('.hits a.hit-name').count() === 20, 'a page of traces');
}

async function byFacet(page) {
  await go(page, '/search?overview=1');
  const all = number(await text(page, '.facets h2'));
  const one = page.locator('a.facet-value', { hasText: /^frontend$/ });
  const spans = number(await page.locator('.facet li').filter({ has: one }).locator('.facet-count').innerText());
  await follow(page, one);
  check(param(page, 'service') === 'frontend', page.url());
  await go(page, `/search?${new URL(page.url()).searchParams}&overview=1`);
  check(number(await text(page, '.facets h2')) === spans && spans < all, `${spans} spans of ${all}`);
  await follow(page, page.locator('.facet-not'));
  await says(page, '.as-query', '!(');
}

async function byTraceql(page) {
  await go(page, '/search');
  await page.getByLabel('Attributes or TraceQL').fill('{ status = error } | select(span.http.route)');
  await follow(page, page.getByRole('button', { name: 'Run' }));
  const hits = await page.locator('.hits .hit:not(.hit-head)').count();
  check(hits > 0 && await page.locator('.hit-errors').count() === hits, 'each trace has an error');
  await page.getByLabel('Attributes or TraceQL').fill('{ status = }');
  await follow(page, page.getByRole('button', { name: 'Run' }));
  await says(page, '#q-error', 'expected a field or a value');
}

async function throughTheHeatmap(page) {
  await go(page, '/search?service=frontend&overview=1');
  const cell = page.locator('.heat a').first();
  const spans = number((await cell.locator('title').textContent()).split(' span')[0]);
  await follow(page, cell.locator('rect'));
  check(param(page, 'from') && param(page, 'maxDuration'), page.url());
  await go(page, `/search?${new URL(page.url()).searchParams}&overview=1`);
  check(number(await text(page, '.facets h2')) === spans, `the cell had ${spans} spans`);
}

async function saveAView(page) {
  const name = `Slow carts (${scripting})`;
  await go(page, '/search?service=cart&minDuration=2ms');
  if (!await page.locator('#view-name').isVisible()) await page.locator('summary', { hasText: 'Views' }).click();
  await page.locator('#view-name').fill(name);
  await follow(page, page.getByRole('button', { name: 'Save' }));
  await go(page, '/views');
  await says(page, '.view-list', name);
  await follow(page, page.getByRole('link', { name }));
  check(param(page, 'minDuration') === '2ms', page.url());
  await go(page, '/views');
  await follow(page, page.getByRole('button', { name: `Delete ${name}` }));
  check(await page.getByRole('link', { name }).count() === 0, 'the view is gone');
}

async function openAFile(page) {
  const start = `${Date.now()}000000`;
  const span = { traceId: TRACE, spanId: 'feedfacefeedface', name: 'from a file', startTimeUnixNano: start, endTimeUnixNano: start };
  const otlp = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
  await go(page, '/file');
  await page.locator('#file').setInputFiles({ name: 'trace.json', mimeType: 'application/json', buffer: Buffer.from(otlp) });
  await follow(page, page.locator('main').getByRole('button', { name: 'Open' }));
  check(page.url().includes(TRACE), page.url());
  await says(page, 'h1', 'from a file');
}

async function fromServicesToACause(page) {
  await go(page, '/services');
  await follow(page, page.getByRole('link', { name: 'checkout', exact: true }));
  await says(page, 'h1', 'checkout');
  const here = page.url();
  await follow(page, page.getByRole('link', { name: 'Traces', exact: true }));
  check(param(page, 'service') === 'checkout', page.url());
  await page.goto(here);
  await follow(page, page.getByRole('link', { name: 'Why failures?' }));
  await says(page, 'h1', 'Why are these traces different?');
  check(await page.locator('li.finding').count() > 2, 'findings');
  const example = page.locator('.finding-ways a[href*="/trace/"]').first();
  const id = await text(page, '.finding-ways a[href*="/trace/"]');
  await follow(page, example);
  check(new URL(page.url()).pathname.includes(id), page.url());
  check(await page.locator('ol.rows > li.item').count() > 1, 'a waterfall');
}

async function manyAsOne(page) {
  await go(page, '/aggregate');
  await page.locator('#q').fill('{ name = "GET /cart" }');
  await follow(page, page.getByRole('button', { name: 'Show' }));
  await says(page, 'h1', 'Many traces as one');
  await says(page, '.steps tbody', 'GET /cart');
  check(number(await text(page, '.summary dd')) > 0, 'traces');
  const indents = await page.locator('.steps tbody th').evaluateAll((all) => all.map((cell) => parseFloat(getComputedStyle(cell).paddingLeft)));
  check(Math.max(...indents) > indents[0], 'steps below others stand to the right of them');
}

async function compareTwo(page) {
  await go(page, '/search?name=GET+%2Fcart');
  const links = await page.locator('.hits a.hit-name').evaluateAll((all) => all.map((link) => link.pathname.split('/').pop()));
  await go(page, `/trace/${links[0]}...${links[0]}`);
  await says(page, '.sum', 'Both are one trace');
  await page.locator('.compare-form [name=b]').fill(links[1]);
  await follow(page, page.locator('.compare-form button'));
  check(new URL(page.url()).pathname.endsWith(`${links[0]}...${links[1]}`), page.url());
  await says(page, '.sum', 'B took');
  await says(page, 'main', 'GET /cart');
}

async function fromAnExceptionToItsTrace(page) {
  await go(page, '/exceptions');
  const kind = await text(page, '.group-kind');
  await follow(page, page.locator('.group .finding-ways a[href*="/trace/"]'));
  await says(page, 'main', kind.replace(/ new$/, ''));
}

async function anotherZone(page) {
  await go(page, '/zone?zone=Asia/Tokyo');
  await says(page, '.zone', 'Times are in Asia/Tokyo');
  await says(page, '.hit-head', 'JST');
  await follow(page, page.locator('.zone a'));
  await says(page, '.zone', withScript ? 'Europe/Berlin' : 'UTC');
}

async function copyALink(page) {
  await go(page, '/search?service=cart');
  const link = page.getByText('Copy a link to exactly this time');
  const href = await link.getAttribute('href');
  check(href.includes('from=') && href.includes('to='), href);
  if (withScript) {
    await link.click();
    await page.getByText('Link copied').waitFor();
    check(await page.evaluate(() => navigator.clipboard.readText()) === new URL(href, ui).href, 'the clipboard has the link');
  } else {
    await follow(page, link);
  }
  await page.goto(new URL(href, ui).href);
  check(await page.locator('.hits a.hit-name').count() > 0, 'the same traces');
}

const JOURNEYS = [
  byField, byFacet, byTraceql, throughTheHeatmap, saveAView, openAFile, fromServicesToACause, manyAsOne, compareTwo,
  fromAnExceptionToItsTrace, anotherZone, copyALink,
];

async function travel(browser) {
  const context = await browser.newContext({
    javaScriptEnabled: withScript,
    timezoneId: 'Europe/Berlin',
    viewport: { width: 1280, height: 900 },
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const problems = problemsOf(page);
  const ended = [];
  for (const journey of JOURNEYS) {
    await journey(page).catch((error) => { throw new Error(`${journey.name}: ${error.message}`); });
    ended.push(journey.name);
  }
  // The query with an error is one that the page must refuse; a page that is left ends what it asks.
  const odd = problems.filter((problem) => !/status of 400|ERR_ABORTED/.test(problem));
  return { ended, problems: odd };
}

withBrowser(travel)
  .then((seen) => console.log(JSON.stringify(seen)))
  .catch((error) => { console.error(error); process.exit(1); });
