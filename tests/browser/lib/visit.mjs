// One browser, its visitors, and what every page must stand: no console error, no violation of the policy, no dialog, no request
// to a stranger, no axe-core violation, no horizontal scroll.
import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";

const here = import.meta.dirname ?? new URL(".", import.meta.url).pathname;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const WIDTHS = [360, 768, 1280];
export const SCHEMES = ["light", "dark"];
export const LANGUAGES = ["zh-CN", "en"];
export const SCREENS = process.env.KEYSTALL_SCREENS ?? join(here, "../../../target/screens");
export const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
export const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP shop.test 127.0.0.1",
];

/** Every width and scheme; `of` each page in place. */
export const LOOKS = SCHEMES.flatMap((scheme) => WIDTHS.map((width) => ({ width, scheme })));
/** Every language, with and without scripts. */
export const READERS = LANGUAGES.flatMap((language) => [true, false].map((js) => ({ language, js })));
/** Whether every combination is looked at, as before a release, or each value of each with the others in turn. */
export const FULL = process.env.KEYSTALL_BROWSER_LOOKS === "all";
/** All 24. */
export const MATRIX = READERS.flatMap((reader) => LOOKS.map((look) => ({ ...reader, ...look })));

export async function launch() {
  mkdirSync(SCREENS, { recursive: true });
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
}

export function named({ language, js, width, scheme }) {
  return [language === "en" ? "en" : "zh", js ? "js" : "nojs", width, scheme].filter((part) => part !== undefined).join("-");
}

/** A visitor with a browser profile of its own. `origins` are the only ones that may be asked; what pages of `unheard` ones log is theirs. */
export class Visitor {
  static async open(browser, { language = "en", js = true, width = 360, scheme = "light", origins = [], unheard = [], headers = {}, init } = {}) {
    const context = await browser.newContext({
      locale: language === "en" ? "en-GB" : language, ignoreHTTPSErrors: true, extraHTTPHeaders: headers,
      viewport: { width, height: 800 }, colorScheme: scheme, reducedMotion: "reduce",
    });
    if (init) await context.addInitScript(init);
    const visitor = new Visitor(context, { language, js, width, scheme }, origins, unheard);
    visitor.page = await visitor.tab();
    return visitor;
  }

  constructor(context, look, origins, unheard = []) {
    Object.assign(this, { context, look, origins, unheard, problems: [], expected: new Set() });
    context.setDefaultTimeout(15_000);
    context.on("request", (request) => this.asked(request.url()));
    context.on("response", (answer) => {
      // A refused page is logged by the browser as a resource that failed; any other failure is a defect.
      if (answer.request().isNavigationRequest() && answer.status() >= 400) this.expected.add(answer.url());
    });
  }

  async tab() {
    const page = await this.context.newPage();
    page.on("console", (message) => message.type() === "error" && this.logged(message));
    page.on("pageerror", (error) => this.problems.push(`script: ${error.message}`));
    page.on("dialog", (dialog) => { this.problems.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
    const session = await this.context.newCDPSession(page);
    session.on("Audits.issueAdded", ({ issue }) => {
      if (issue.code === "ContentSecurityPolicyIssue") this.problems.push(`policy: ${JSON.stringify(issue.details.contentSecurityPolicyIssueDetails)}`);
    });
    await session.send("Audits.enable");
    page.session = session;
    // Not by the context's own switch, which cannot be lifted for the moment that axe needs.
    await scripts(page, this.look.js);
    return page;
  }

  asked(url) {
    const { protocol, origin } = new URL(url);
    if (protocol !== "data:" && protocol !== "about:" && !this.origins.includes(origin)) this.problems.push(`asks ${origin}`);
  }

  logged(message) {
    const failed = /^Failed to load resource/.test(message.text());
    const from = URL.canParse(message.location().url) ? new URL(message.location().url).origin : "";
    if (this.forgiving || this.unheard.includes(from) || (failed && this.expected.has(message.location().url))) return;
    this.problems.push(`console: ${message.text()} (${message.location().url})`);
  }

  /** What went wrong since the last time. */
  taken() {
    return this.problems.splice(0);
  }

  async close() {
    await this.context.close();
  }
}

/** The page as it stands, in these looks: problems, and a picture of each. */
export async function look(visitor, name, { looks = [visitor.look], page = visitor.page, axe = () => true, picture = () => true } = {}) {
  const problems = visitor.taken();
  for (const { width, scheme } of looks) {
    await page.setViewportSize({ width, height: 800 });
    await page.emulateMedia({ colorScheme: scheme });
    const called = `${name}-${named({ ...visitor.look, width, scheme })}`;
    const say = (what) => problems.push(`${called}: ${what}`);
    const { wide, by } = await page.evaluate(measure);
    if (wide) say(`scrolls sideways by ${wide} px, ${by}`);
    if (axe({ width, scheme })) for (const violation of await violations(page, visitor.look.js)) say(violation);
    if (picture({ width, scheme })) await page.screenshot({ path: join(SCREENS, `${called}.png`), fullPage: true, animations: "disabled" });
  }
  return problems.concat(visitor.taken());
}

function measure() {
  const root = document.documentElement;
  const wide = Math.max(0, root.scrollWidth - root.clientWidth);
  const out = wide ? [...document.body.querySelectorAll("*")].find((element) => element.getBoundingClientRect().right > root.clientWidth + 1) : null;
  return { wide, by: out ? `<${out.localName}> "${out.textContent.trim().slice(0, 30)}"` : "" };
}

function scripts(page, run) {
  return page.session.send("Emulation.setScriptExecutionDisabled", { value: !run });
}

async function violations(page, js) {
  // axe waits for timers, which stand still without scripts. What the page would have run at its load stays not run.
  if (!js) await scripts(page, true);
  try {
    return await looked(page);
  } finally {
    if (!js) await scripts(page, false);
  }
}

async function looked(page) {
  // Through the debugger, so the page's policy stays as it is.
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(AXE);
  return page.evaluate(async () => (await window.axe.run(document, { resultTypes: ["violations"] })).violations
    .map(({ id, nodes }) => `axe ${id}: ${nodes.slice(0, 2).map((node) => `${node.target.join(" ")} (${node.failureSummary.split("\n").slice(1, 2).join("").trim().slice(0, 140)})`).join("; ")}`));
}
