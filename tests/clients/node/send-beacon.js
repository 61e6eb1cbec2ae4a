// Opens a page of its own origin that sends one span elsewhere in each way a page has without a library, cookies allowed.
// usage: send-beacon.js OTLP-URL; prints the trace ids by way, and what the page could read of the answers.
const http = require('node:http');

const { problemsOf, withBrowser } = require('./browser.js');

const shop = http.createServer((request, response) => {
  response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>shop</title>');
});

// Runs in the page.
async function sendAll(url) {
  const traces = {};
  const body = (way, number) => {
    traces[way] = number.toString(16).padStart(32, '0');
    const now = `${Date.now()}000000`;
    const span = { traceId: traces[way], spanId: '00000000000000b1', name: way, startTimeUnixNano: now, endTimeUnixNano: now };
    return JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
  };
  const json = (text) => new Blob([text], { type: 'application/json' });
  const queued = [
    navigator.sendBeacon(url, json(body('beacon of a JSON blob', 1))),
    navigator.sendBeacon(url, body('beacon of a string', 2)),
    navigator.sendBeacon(url, new Blob([body('beacon of a text blob', 3)], { type: 'text/plain' })),
  ];
  const post = async (way, number, more) => (await fetch(url, { method: 'POST', body: body(way, number), ...more })).status;
  const headers = { 'content-type': 'application/json', 'x-scope-orgid': 'shop' };
  const statuses = [
    await post('fetch with credentials', 4, { credentials: 'include', headers }),
    await post('fetch that outlives the page', 5, { credentials: 'include', keepalive: true, headers }),
    await post('fetch without headers', 6, { credentials: 'include' }),
  ];
  return { traces, queued, statuses };
}

async function send(browser, origin) {
  const page = await browser.newPage();
  const problems = problemsOf(page);
  await page.goto(origin);
  const told = await page.evaluate(sendAll, process.argv[2]);
  return { ...told, problems };
}

async function main() {
  await new Promise((listening) => shop.listen(0, '127.0.0.1', listening));
  const told = await withBrowser((browser) => send(browser, `http://127.0.0.1:${shop.address().port}/`));
  console.log(JSON.stringify(told));
  shop.closeAllConnections();
  shop.close();
}

main().catch((error) => { console.error(error); process.exit(1); });
