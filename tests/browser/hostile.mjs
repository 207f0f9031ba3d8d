// What a hostile merchant or buyer wrote, seen by a real browser: nothing runs. The policy is off here, so that the escaping is
// what holds; the stored-payload test of test_web_security.py looks at all two hundred.
import { Visitor } from "./lib/visit.mjs";

export function hostile(browser, stage, report) {
  return [() => report.story(`${stage.xss.length} pages with hostile texts`, async () => {
    const problems = [];
    const context = await browser.newContext({ ignoreHTTPSErrors: true, bypassCSP: true, locale: "en-GB" });
    try {
      const visitor = new Visitor(context, { language: "en", js: true }, [stage.origin]);
      visitor.page = await visitor.tab();
      for (const path of ["/", ...stage.xss]) {
        await visitor.page.goto(stage.origin + path);
        // What waits for a hand: every handler and every link that is no address.
        const live = await visitor.page.evaluate(() => [...document.querySelectorAll("*")].flatMap((element) => element.getAttributeNames()
          .filter((name) => name.startsWith("on") || name === "style" || /^\s*(javascript|data|vbscript):/i.test(element.getAttribute(name)))
          .map((name) => `${element.localName} ${name}`)));
        problems.push(...live.map((what) => `${path.slice(0, 8)} has ${what}`), ...visitor.taken().map((what) => `${path.slice(0, 8)} ${what}`));
      }
    } finally {
      await context.close();
    }
    return problems;
  })];
}
