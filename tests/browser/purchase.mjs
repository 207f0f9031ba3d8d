// From the window to the key, in every width, scheme and language, with and without scripts.
import { FULL, MATRIX, Visitor, look, named } from "./lib/visit.mjs";
import { choose, delivered, fill, pay, shows, submit } from "./lib/buy.mjs";

/** Every width with every scheme once, and every language with and without scripts: six of the 24. */
const TURNS = ["zh-js-360-light", "en-nojs-360-dark", "zh-nojs-768-light", "en-js-768-dark", "en-js-1280-light", "zh-js-1280-dark"];

export function purchases(browser, demo, report) {
  return MATRIX.filter((reader) => FULL || TURNS.includes(named(reader))).map((reader) => () => report.story(`purchase ${named(reader)}`, async () => {
    const visitor = await Visitor.open(browser, { ...reader, origins: demo.origins });
    try {
      return await purchase(visitor, demo);
    } finally {
      await visitor.close();
    }
  }));
}

async function purchase(visitor, demo) {
  const { page } = visitor;
  await page.goto(`${demo.shop}/`);
  let problems = await look(visitor, "window");
  await choose(page, demo.shop);
  problems = problems.concat(await look(visitor, "product"));
  await fill(page, { quantity: "2" });
  await submit(page).click();
  await page.waitForURL(/\/o\/[\w-]+$/);
  const url = page.url();
  problems = problems.concat(await look(visitor, "order-pending"));
  await pay(page);
  const keys = await delivered(visitor, url);
  // Without scripts the page is loaded again by its reader, or by its own refresh.
  if (!visitor.look.js || page.url() !== url) await page.goto(url);
  for (const key of keys) await shows(page, key);
  return problems.concat(await look(visitor, "order-delivered"));
}
