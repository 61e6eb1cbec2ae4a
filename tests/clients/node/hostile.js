// Opens pages that show text of hostile senders, wide and narrow, and tells what ran, what the policy of the page stopped, and what broke
// its layout.
// usage: hostile.js UI-URL PATH...; prints one entry for each page as JSON.
const { withBrowser, problemsOf } = require('./browser.js');

const [ui, ...paths] = process.argv.slice(2);

/** In the page: what policies stop, and whether a text ran. */
function listen() {
  window.stopped = [];
  addEventListener('securitypolicyviolation', (event) => window.stopped.push(`${event.violatedDirective} ${event.sample}`));
}

/** In the page: what a person meets. Text is taken from where it stands, not from attributes. */
function judge() {
  const addresses = [...document.querySelectorAll('[href], [src], [action]')].map((own) => own.href?.baseVal ?? own.href ?? own.src ?? own.action);
  return {
    ran: window.ran ?? null,
    stopped: window.stopped,
    wide: document.documentElement.scrollWidth - innerWidth,
    odd: addresses.filter((address) => typeof address === 'string' && !/^(https?:\/\/|#|\/(?!\/)|$)/.test(address)),
    shows: document.body.textContent.includes('<script>ran=1</script>'),
    // What is invisible, or turns the direction of text, is written by its code.
    invisible: /[\u202a-\u202e\u2066-\u2069\u200b\u200e\u200f]/.test(document.body.innerText),
    bytes: document.documentElement.outerHTML.length,
  };
}

async function look(context, path) {
  const page = await context.newPage();
  const problems = problemsOf(page);
  const dialogs = [];
  page.on('dialog', (dialog) => { dialogs.push(dialog.message()); dialog.dismiss(); });
  page.on('pageerror', (error) => problems.push(String(error)));
  await page.addInitScript(listen);
  const answer = await page.goto(ui + path);
  const seen = [];
  for (const width of [1280, 400]) {
    await page.setViewportSize({ width, height: 900 });
    seen.push({ path, width, status: answer.status(), dialogs, problems, ...await page.evaluate(judge) });
  }
  await page.close();
  return seen;
}

async function all(browser) {
  const context = await browser.newContext();
  const seen = [];
  for (const path of paths) seen.push(...await look(context, path));
  return seen;
}

withBrowser(all)
  .then((seen) => console.log(JSON.stringify(seen)))
  .catch((error) => { console.error(error); process.exit(1); });
