// How many bytes a first visit takes over the wire, headers and all.
import { Visitor } from "./lib/visit.mjs";

const KIB = 1024;
const FIRST_VISIT_MAX = 60 * KIB;
const PRODUCT_MAX = 150 * KIB;

export function weights(browser, demo, report) {
  return [
    () => report.story("weight of the first visit", () => within(browser, demo, "/", FIRST_VISIT_MAX)),
    () => report.story("weight of every product's page, its pictures with it", async () => {
      const problems = [];
      for (const path of await products(browser, demo)) problems.push(...(await within(browser, demo, path, PRODUCT_MAX)));
      return problems;
    }),
  ];
}

async function products(browser, demo) {
  const visitor = await Visitor.open(browser, { origins: demo.origins });
  await visitor.page.goto(`${demo.shop}/`);
  const paths = await visitor.page.locator('a[href^="/p/"]').evaluateAll((links) => links.map((link) => new URL(link.href).pathname));
  await visitor.close();
  return [...new Set(paths)];
}

async function within(browser, demo, path, most) {
  const visitor = await Visitor.open(browser, { origins: demo.origins, width: 360 });
  try {
    const session = await visitor.context.newCDPSession(visitor.page);
    await session.send("Network.enable");
    let bytes = 0;
    let requests = 0;
    session.on("Network.loadingFinished", ({ encodedDataLength }) => { bytes += encodedDataLength; requests += 1; });
    await visitor.page.goto(demo.shop + path, { waitUntil: "networkidle" });
    const pictures = await visitor.page.locator("main img").count();
    console.log(`     ${path}: ${(bytes / KIB).toFixed(1)} KiB in ${requests} requests, ${pictures} pictures`);
    const problems = visitor.taken();
    if (bytes > most) problems.push(`${path} takes ${bytes} bytes, more than ${most}`);
    return problems;
  } finally {
    await visitor.close();
  }
}
