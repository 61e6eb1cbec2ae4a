// Pictures of every page, light and dark, wide and narrow, as small WebP files.
// usage: screenshots.js UI-URL FOLDER
const fs = require('fs');
const path = require('path');
const { withBrowser } = require('./browser.js');

const [ui, folder] = process.argv.slice(2);
const SIZES = { wide: { width: 1280, height: 900 }, narrow: { width: 400, height: 800 } };
const QUALITY = 62;

const hrefs = (page, selector) => page.locator(selector).evaluateAll((all) => all.map((link) => link.getAttribute('href')));

/** The pages, as a reader of the demo would come to them. */
async function pages(page) {
  await page.goto(`${ui}/search?${new URLSearchParams({ q: '{ name = "POST /checkout" }' })}`);
  const traces = (await hrefs(page, '.hits a.hit-name')).map((href) => href.split('/').pop());
  const rates = '{ kind = server } | rate() by (resource.service.name)';
  const heat = '{ kind = server } | histogram_over_time(duration)';
  return {
    services: '/services',
    service: '/services/checkout',
    search: '/search?overview=1',
    'search-table': '/search?view=table&overview=1',
    'search-spans': `/search?rows=spans&view=compact&overview=1&${new URLSearchParams({ q: '{ status = error }' })}`,
    lines: `/search?${new URLSearchParams({ q: rates })}`,
    heatmap: `/search?${new URLSearchParams({ q: heat })}`,
    trace: `/trace/${traces[0]}`,
    compare: `/trace/${traces[0]}...${traces[1]}`,
    aggregate: `/aggregate?${new URLSearchParams({ q: '{ name = "POST /checkout" }' })}`,
    why: '/why',
    exceptions: '/exceptions',
    map: '/dependencies',
    system: '/system',
    file: '/file',
    start: '/help',
  };
}

async function shoot(context, name, address, scheme) {
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  for (const [size, viewport] of Object.entries(SIZES)) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme: scheme });
    const answer = await page.goto(ui + address);
    if (!answer.ok()) throw new Error(`${address}: ${answer.status()}`);
    const { data } = await session.send('Page.captureScreenshot', { format: 'webp', quality: QUALITY });
    fs.writeFileSync(path.join(folder, `${name}-${size}-${scheme}.webp`), Buffer.from(data, 'base64'));
  }
  await page.close();
}

withBrowser(async (browser) => {
  const context = await browser.newContext({ timezoneId: 'UTC', reducedMotion: 'reduce' });
  const all = await pages(await context.newPage());
  for (const [name, address] of Object.entries(all)) {
    for (const scheme of ['light', 'dark']) await shoot(context, name, address, scheme);
  }
}).catch((error) => { console.error(error); process.exit(1); });
