// Starts Chromium for the scripts beside this one.
const { chromium } = require('playwright-core');

module.exports.withBrowser = async (work) => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });
  try {
    return await work(browser);
  } finally {
    await browser.close();
  }
};
