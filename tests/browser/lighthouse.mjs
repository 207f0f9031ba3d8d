// Lighthouse as a phone would see the shop: window, product and order page of the demo.
import { launch as chrome } from "chrome-launcher";
import lighthouse from "lighthouse";
import { CHROMIUM, FLAGS, Visitor, launch } from "./lib/visit.mjs";
import { demo } from "./lib/shops.mjs";
import { delivered, order, payElsewhere } from "./lib/buy.mjs";
import { Report } from "./lib/report.mjs";

const LEAST = 95;
const CATEGORIES = ["performance", "accessibility"];

const report = new Report();
const shop = await demo();
const pages = await places(shop);
const browser = await chrome({ chromePath: CHROMIUM, chromeFlags: [...FLAGS, "--headless=new", "--ignore-certificate-errors"], logLevel: "silent" });
try {
  for (const [name, url] of Object.entries(pages)) await report.story(`lighthouse ${name}`, () => measured(name, url));
} finally {
  browser.kill();
  await shop.close();
}
process.exit(report.end());

async function measured(name, url) {
  const { lhr } = await lighthouse(url, { port: browser.port, onlyCategories: CATEGORIES, logLevel: "silent", output: "json" });
  const scores = CATEGORIES.map((category) => [category, Math.round(lhr.categories[category].score * 100)]);
  const said = ["first-contentful-paint", "largest-contentful-paint", "total-blocking-time", "cumulative-layout-shift"].map((id) => `${id} ${lhr.audits[id].displayValue}`);
  console.log(`     ${name}: ${scores.map((pair) => pair.join(" ")).join(", ")}; ${said.join(", ")}`);
  const low = Object.values(lhr.audits).filter((audit) => audit.score !== null && audit.score < 0.9).map((audit) => audit.id);
  return scores.filter(([, score]) => score < LEAST).map((pair) => `${pair.join(" ")} is below ${LEAST}: ${low.join(", ")}`);
}

/** The pages, with an order that is delivered: what its buyer comes back to. */
async function places({ shop: origin, origins }) {
  const buying = await launch();
  const visitor = await Visitor.open(buying, { origins });
  const url = await order(visitor.page, origin);
  const pending = await order(visitor.page, origin);
  await payElsewhere(visitor, url);
  await delivered(visitor, url);
  await visitor.page.goto(`${origin}/`);
  const product = await visitor.page.locator('a[href^="/p/"]').first().getAttribute("href");
  await buying.close();
  return { window: `${origin}/`, product: origin + product, "order, delivered": url, "order, pending": pending };
}
