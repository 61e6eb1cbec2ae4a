// Opens a page of its own origin that loads OpenTelemetry for browsers and sends one span elsewhere.
// usage: send-from-page.js OTLP-URL; PAGE_BUNDLE is the bundled page.js.
const fs = require('node:fs');
const http = require('node:http');

const { problemsOf, withBrowser } = require('./browser.js');

const bundle = fs.readFileSync(process.env.PAGE_BUNDLE);
const shop = http.createServer((request, response) => {
  if (request.url === '/page.js') {
    response.writeHead(200, { 'content-type': 'text/javascript' }).end(bundle);
  } else {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><script src="/page.js"></script>');
  }
});

async function send(browser, origin) {
  const page = await browser.newPage();
  const problems = problemsOf(page);
  await page.goto(origin);
  const trace = await page.evaluate((url) => globalThis.sendTrace(url), process.argv[2]);
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return trace;
}

async function main() {
  await new Promise((listening) => shop.listen(0, '127.0.0.1', listening));
  const origin = `http://127.0.0.1:${shop.address().port}/`;
  const trace = await withBrowser((browser) => send(browser, origin));
  console.log(JSON.stringify({ trace }));
  shop.closeAllConnections();
  shop.close();
}

main().catch((error) => { console.error(error); process.exit(1); });
