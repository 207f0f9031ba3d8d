// All stories in a real browser. `node main.mjs [SUITE…]` runs some of: purchase states refusals stories weight xss verify.
import { launch, SCREENS } from "./lib/visit.mjs";
import { demo, stage } from "./lib/shops.mjs";
import { Report, together } from "./lib/report.mjs";
import { purchases } from "./purchase.mjs";
import { states } from "./states.mjs";
import { refusals } from "./refusals.mjs";
import { stories } from "./stories.mjs";
import { weights } from "./weight.mjs";
import { hostile } from "./hostile.mjs";
import { verifies } from "./verify.mjs";

const wanted = new Set(process.argv.slice(2));
const runs = (suite) => wanted.size === 0 || wanted.has(suite);
const lines = Number(process.env.KEYSTALL_BROWSER_LINES ?? 3);

const report = new Report();
const open = [];
const opened = async (thing) => { open.push(thing); return thing; };
try {
  const browser = await opened(await launch());
  const needsStage = ["states", "refusals", "stories", "xss"].some(runs);
  const [shop, scene] = await Promise.all([demo(), needsStage ? stage() : null].map((made) => made?.then ? made.then(opened) : made));
  const jobs = [];
  if (runs("weight")) await together(weights(browser, shop, report), 1);
  if (runs("purchase")) jobs.push(...purchases(browser, shop, report));
  if (runs("states")) jobs.push(...states(browser, scene, report));
  if (runs("refusals")) jobs.push(...refusals(browser, scene, report));
  if (runs("stories")) jobs.push(...stories(browser, shop, scene, report));
  if (runs("verify")) jobs.push(...verifies(browser, shop, report));
  if (runs("xss")) jobs.push(...hostile(browser, scene, report));
  await together(jobs, lines);
  if (runs("refusals")) await together(refusals(browser, scene, report, true), 1);
} catch (error) {
  report.failed.push(String(error));
  console.log(`FAIL ${error.stack ?? error}`);
} finally {
  for (const thing of open.reverse()) await thing.close();
}
const code = report.end();
console.log(`pictures: ${SCREENS}`);
process.exit(code);
