// Starts Chromium for the scripts beside this one, and hears of what goes wrong in it.
const { chromium } = require('playwright-core');

module.exports.withBrowser = async (work) => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });
  try {
    return await work(browser);
  } finally {
    await browser.close();
  }
};

// What the console and failed requests of a page say; the list grows.
module.exports.problemsOf = (page) => {
  const problems = [];
  page.on('console', (message) => { if (message.type() === 'error') problems.push(message.text()); });
  page.on('requestfailed', (request) => problems.push(`${request.url()}: ${request.failure().errorText}`));
  return problems;
};
