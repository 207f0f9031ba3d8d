// What happens to a buyer's page between the order and the key: tabs, networks, streams, hands.
import { Visitor } from "./lib/visit.mjs";
import { delivered, fill, order, pay, payElsewhere, shows, submit } from "./lib/buy.mjs";

/** How long a page may take to show what happened when its stream is blocked. */
const POLLED_WITHIN_S = 10;

export function stories(browser, demo, stage, report) {
  const told = (name, run, how = {}) => () => report.story(name, async () => {
    const visitor = await Visitor.open(browser, { language: "en", origins: [...demo.origins, ...stage.origins], ...how });
    try {
      await run(visitor);
      return visitor.taken();
    } finally {
      await visitor.close();
    }
  });
  return [
    told("two tabs on one order both show the key", (visitor) => twoTabs(visitor, demo)),
    told("reload and back after paying still show the key", (visitor) => reloadAndBack(visitor, demo)),
    told("a page that was offline while the payment came shows the key once it is online", (visitor) => offline(visitor, demo)),
    told(`a page whose stream is blocked shows the key within ${POLLED_WITHIN_S} s`, (visitor) => blocked(visitor, demo)),
    told("a double click on the order button makes one order", (visitor) => doubleClick(visitor, stage), { headers: { "X-Forwarded-For": "192.0.2.200" } }),
    told("an order that was closed opens again by its link, on another machine too", (visitor) => reopened(visitor, demo)),
    told("the copy button copies where there is no clipboard API", (visitor) => copied(visitor, demo), {
      init: () => Object.defineProperty(Navigator.prototype, "clipboard", { get: () => undefined, configurable: true }),
    }),
    told("the copy button copies with the clipboard API", (visitor) => copied(visitor, demo, true)),
  ];
}

async function twoTabs(visitor, demo) {
  const url = await order(visitor.page, demo.shop);
  const second = await visitor.tab();
  await second.goto(url);
  await payElsewhere(visitor, url);
  const [key] = await delivered(visitor, url);
  await Promise.all([shows(visitor.page, key), shows(second, key)]);
}

async function reloadAndBack(visitor, demo) {
  const { page } = visitor;
  const url = await order(page, demo.shop);
  await pay(page);
  const [key] = await delivered(visitor, url);
  await page.goto(url);
  await shows(page, key);
  await page.reload();
  await shows(page, key);
  await page.goBack();
  await page.goForward();
  await shows(page, key);
  await page.goto(`${demo.shop}/`);
  await page.goBack();
  await shows(page, key);
}

async function offline(visitor, demo) {
  visitor.forgiving = true; // a browser logs what it could not load
  const url = await order(visitor.page, demo.shop);
  await visitor.context.setOffline(true);
  await payElsewhere(visitor, url);
  await delivered(visitor, url).catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 1500));
  await visitor.context.setOffline(false);
  const [key] = await delivered(visitor, url);
  await shows(visitor.page, key, 40);
}

async function blocked(visitor, demo) {
  visitor.forgiving = true;
  await visitor.context.route("**/events", (route) => route.abort());
  const url = await order(visitor.page, demo.shop);
  await payElsewhere(visitor, url);
  const [key] = await delivered(visitor, url);
  await shows(visitor.page, key, POLLED_WITHIN_S);
}

async function doubleClick(visitor, stage) {
  const { page } = visitor;
  const contact = "twice@example.com";
  await page.goto(`${stage.origin}/p/card`);
  await fill(page, { contact });
  const before = (await stage.ask({ do: "open_orders" })).count;
  await submit(page).dblclick();
  await page.waitForURL(/\/o\/[\w-]+$/);
  const made = (await stage.ask({ do: "open_orders" })).count - before;
  if (made !== 1) throw new Error(`${made} orders were made`);
}

async function reopened(visitor, demo) {
  const url = await order(visitor.page, demo.shop);
  await visitor.page.close();
  await payElsewhere(visitor, url);
  const [key] = await delivered(visitor, url);
  const page = await visitor.tab();
  await page.goto(url);
  await shows(page, key);
  const other = await Visitor.open(visitor.context.browser(), { language: "zh-CN", js: false, origins: demo.origins });
  try {
    await other.page.goto(url);
    await shows(other.page, key);
  } finally {
    await other.close();
  }
}

async function copied(visitor, demo, api = false) {
  const { page } = visitor;
  if (api) await visitor.context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: demo.shop });
  const url = await order(page, demo.shop);
  await payElsewhere(visitor, url);
  const [key] = await delivered(visitor, url);
  await shows(page, key);
  const paper = await visitor.tab();
  await paper.goto(`${demo.shop}/find`);
  const field = paper.locator("[name=order]");
  await field.evaluate((input) => input.removeAttribute("maxlength"));
  await alone(() => pastes(page, paper, field, key));
}

// The clipboard belongs to the whole browser: stories that use it wait for each other.
let clipboard = Promise.resolve();
function alone(use) {
  const used = clipboard.then(use);
  clipboard = used.catch(() => {});
  return used;
}

async function pastes(page, paper, field, key) {
  await page.bringToFront();
  await page.getByRole("button", { name: /copy/i }).first().click();
  await paper.bringToFront();
  // A busy machine is slow to copy.
  for (let tries = 0; tries < 10; tries++) {
    await paper.waitForTimeout(300);
    await field.fill("");
    await field.focus();
    await paper.keyboard.press("Control+V");
    if ((await field.inputValue()).includes(key)) return;
    await page.bringToFront();
    await page.getByRole("button", { name: /copy|copied/i }).first().click();
    await paper.bringToFront();
  }
  throw new Error("what was copied is not the key");
}
