// Second hop: a plain Node server that asks the price service. Traced by --require alone.
const http = require('node:http');

function price(sku) {
  return new Promise((resolve, reject) => {
    http.get(`${process.env.PRICING}/price?sku=${encodeURIComponent(sku)}`, (answer) => {
      let body = '';
      answer.on('data', (part) => { body += part; });
      answer.on('end', () => resolve(JSON.parse(body)));
    }).on('error', reject);
  });
}

const server = http.createServer(async (request, response) => {
  const sku = new URL(request.url, 'http://localhost').searchParams.get('sku');
  try {
    const body = JSON.stringify({ sku, ...(await price(sku)) });
    response.writeHead(200, { 'content-type': 'application/json' }).end(body);
  } catch (error) {
    response.writeHead(502, { 'content-type': 'text/plain' }).end(String(error));
  }
});
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
