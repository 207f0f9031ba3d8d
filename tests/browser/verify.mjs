// The verifier in the browser: dropped receipts and exports get their verdicts, on a shop's page and in a saved copy without a
// network, and nothing is asked of any server.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { delivered, order, payElsewhere } from "./lib/buy.mjs";
import { look, LOOKS, Visitor } from "./lib/visit.mjs";

const here = import.meta.dirname ?? new URL(".", import.meta.url).pathname;
const SOURCES = join(here, "../../assets/verify");
const VECTORS = JSON.parse(readFileSync(join(here, "../vectors/ledger.json"), "utf8"));
/** By their names in the vectors; those of kinds that these vectors do not have yet are left out. */
const EXPORTS = ["whole", "entries 7 to 23", "a skeleton", "a slot sold twice", "an empty folder", "two generations"];
const RECEIPTS = ["whole", "of a batch of one key"];

export function verifies(browser, demo, report) {
  const told = (name, run, how = {}) => () => report.story(name, async () => {
    const folder = mkdtempSync(join(tmpdir(), "keystall-verify-"));
    const visitor = await Visitor.open(browser, { language: "en", origins: [...demo.origins, "null"], width: 768, ...how });
    try {
      return [...((await run(visitor, folder)) ?? []), ...visitor.taken()];
    } finally {
      await visitor.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
  const chinese = { language: "zh-CN", width: 360 };
  return [
    () => report.story("the verifier that ships is what its sources give, and passes its own tests", rebuilt),
    told("a bought receipt is verified on the shop's page, a changed one is not, and no server is asked", (visitor, folder) => bought(visitor, folder, demo)),
    told("exports dropped as folders get the verdicts of their vectors", (visitor, folder) => folders(visitor, folder, `${demo.shop}/verify`)),
    told("the saved copy is the file whose hash the page shows, and verifies without a network", (visitor, folder) => saved(visitor, folder, demo)),
    told("the saved copy in Chinese on a telephone", (visitor, folder) => kept(visitor, folder, join(SOURCES, "dist/keystall-verify.html")), chinese),
    told("what cannot be checked is told with the next step", (visitor, folder) => refused(visitor, folder, demo)),
    told("without scripts the page tells of the command line tool", (visitor) => bare(visitor, demo), { js: false }),
    told("the receipt of an order prints on one sheet, and its page says that it was verified", (visitor, folder) => printed(visitor, folder, demo)),
  ];
}

async function rebuilt() {
  const run = (...command) => promisify(execFile)(command[0], command.slice(1), { cwd: SOURCES, maxBuffer: 1 << 26 });
  try {
    await run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error");
    await run("node", "build.mjs", "--check");
    await run("node", "--test", "test/");
  } catch (error) {
    return [`${error.stderr ?? ""}${error.stdout ?? ""}`.split("\n").filter((line) => /^not ok|assets\/verify|error/.test(line)).slice(0, 8).join(" | ") || String(error)];
  }
  return [];
}

async function bought(visitor, folder, demo) {
  const { page } = visitor;
  const url = await order(page, demo.shop);
  await payElsewhere(visitor, url);
  await delivered(visitor, url);
  const receipt = await (await visitor.context.request.get(`${url}/receipt`)).text();
  await page.goto(`${demo.shop}/verify`, { waitUntil: "networkidle" });
  const vkey = await page.locator("#vkey").textContent();
  await page.getByRole("button", { name: "Use this key" }).click();
  const asked = counted(visitor);
  await drop(page, file(folder, "receipt.txt", receipt));
  await verdict(page, 0);
  const said = await page.locator(".report").innerText();
  const problems = said.includes("taken from this page") ? [] : ["does not say where the key came from"];
  problems.push(...(await look(visitor, "verified", { looks: LOOKS })));
  for (const [name, text, exit] of [
    ["changed", receipt.replace(/"qty":\d+/, '"qty":7'), 1],
    ["cut", receipt.slice(0, -9), 3],
    ["foreign", VECTORS.receipts[0].receipt, 4],
  ]) {
    await drop(page, file(folder, `${name}.txt`, text));
    await verdict(page, exit);
    problems.push(...(await look(visitor, `verify-${name}`)));
  }
  await drop(page, file(folder, "note.txt", receipt.split("\n\n").slice(-2).join("\n\n").replace(/^[^]*?(?=\S+\/[0-9a-f]{8}\n\d+\n)/, "")));
  await verdict(page, 0);
  if ((await page.locator("#v-key").inputValue()) !== vkey) problems.push("the key that was used is not the shop's");
  return problems.concat(asked());
}

async function folders(visitor, folder, address) {
  const { page } = visitor;
  await page.goto(address, { waitUntil: "networkidle" });
  const asked = counted(visitor);
  const problems = [];
  for (const name of EXPORTS) {
    const vector = VECTORS.exports.find((one) => one.name === name);
    if (!vector) continue;
    await page.locator("#v-key").fill(vector.vkeys.join("\n"));
    await drop(page, unpacked(folder, vector));
    // A folder without a file drops nothing to check.
    if (name === "an empty folder") continue;
    await verdict(page, vector.exit).catch((error) => problems.push(`${name}: ${error.message}`));
    problems.push(...(await look(visitor, `verify-${name.replaceAll(" ", "-")}`)));
  }
  return problems.concat(asked());
}

async function saved(visitor, folder, demo) {
  const { page } = visitor;
  await page.goto(`${demo.shop}/verify`);
  const shown = await page.locator('section code.hash').textContent();
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator('a[href="/verify/keystall-verify.html"]').click()]);
  const copy = join(folder, "kept.html");
  await download.saveAs(copy);
  const hash = createHash("sha256").update(readFileSync(copy)).digest("hex");
  const problems = hash === shown.trim() ? [] : [`the page shows ${shown}, the file has ${hash}`];
  const answer = await visitor.context.request.get(`${demo.shop}/verify/keystall-verify.html`);
  const headers = answer.headers();
  if (!/^attachment/.test(headers["content-disposition"])) problems.push("the copy is no attachment");
  if (headers["content-type"] !== "application/octet-stream" || headers["x-content-type-options"] !== "nosniff") problems.push("the copy may be rendered");
  if (!/^sandbox/.test(headers["content-security-policy"])) problems.push("the copy is not in a sandbox");
  return problems.concat(await kept(visitor, folder, copy));
}

/** The copy at this path, opened from the disk with no network. */
async function kept(visitor, folder, copy) {
  await visitor.context.setOffline(true);
  const { page } = visitor;
  await page.goto(pathToFileURL(copy).href);
  const asked = counted(visitor);
  const problems = [];
  for (const name of RECEIPTS) {
    const { receipt, vkeys } = VECTORS.receipts.find((one) => one.name === name);
    await page.locator("#v-key").fill(vkeys.join("\n"));
    await drop(page, file(folder, "receipt.txt", receipt));
    await verdict(page, 0);
    await drop(page, file(folder, "changed.txt", receipt.replace('"amt":1', '"amt":2')));
    await verdict(page, 1);
  }
  problems.push(...(await look(visitor, "saved-copy", { looks: LOOKS })));
  for (const name of ["whole", "a slot sold twice"]) {
    const vector = VECTORS.exports.find((one) => one.name === name);
    await page.locator("#v-key").fill(vector.vkeys.join("\n"));
    await drop(page, unpacked(folder, vector));
    await verdict(page, vector.exit);
    await cleared(page);
    await page.locator("#v-folder").setInputFiles(unpacked(folder, vector));
    await verdict(page, vector.exit);
  }
  await page.locator(".language").click();
  await verdict(page, 1);
  problems.push(...(await look(visitor, "saved-copy-other-language")));
  return problems.concat(asked());
}

async function refused(visitor, folder, demo) {
  const { page } = visitor;
  await page.goto(`${demo.shop}/verify`);
  const run = page.getByRole("button", { name: "Verify", exact: true });
  const says = (text) => page.locator(".verifier .error", { hasText: text }).waitFor();
  await run.click();
  await says("Choose or drop something");
  await drop(page, file(folder, "picture.png", "not a receipt"));
  await run.click();
  await says("Enter the key");
  await page.locator("#v-key").fill("shop.example/0123abcd+00000000+AAAA");
  await run.click();
  await says("Key 1");
  await page.locator("#v-key").fill(VECTORS.receipts[0].vkeys[0]);
  await run.click();
  await verdict(page, 3);
  return look(visitor, "verify-refused");
}

async function bare(visitor, demo) {
  await visitor.page.goto(`${demo.shop}/verify`);
  const text = await visitor.page.locator("main").innerText();
  const problems = ["needs JavaScript", "keystall-verify receipt FILE --vkey"].filter((wanted) => !text.includes(wanted)).map((wanted) => `does not say: ${wanted}`);
  return problems.concat(await look(visitor, "verify-bare"));
}

async function printed(visitor, folder, demo) {
  const { page } = visitor;
  const url = await order(page, demo.shop);
  await payElsewhere(visitor, url);
  await delivered(visitor, url);
  await page.goto(url);
  const problems = [];
  const section = page.locator('section[aria-labelledby="receipt-heading"]');
  const said = await section.innerText();
  for (const wanted of [/[0-9a-f]{64}/, /Verified/, /Position/]) if (!wanted.test(said)) problems.push(`the order page does not say ${wanted}`);
  problems.push(...(await look(visitor, "order-with-receipt")));
  await section.locator('a[href$="/slip"]').click();
  await page.locator(".slip .qr svg").waitFor();
  problems.push(...(await look(visitor, "slip", { looks: LOOKS })));
  const sheet = await page.pdf({ format: "A4" });
  const pages = sheet.toString("latin1").match(/\/Type\s*\/Page\b/g)?.length;
  if (pages !== 1) problems.push(`prints on ${pages} pages`);
  await page.emulateMedia({ media: "print", colorScheme: "light" });
  await page.screenshot({ path: join(folder, "slip.png") });
  return problems;
}

/** Counts what is asked from now on; what is given back says it as problems. The icon is the browser's own, in its own time. */
function counted(visitor) {
  const asked = [];
  visitor.context.on("request", (request) => request.url().includes("/static/icon.svg") || asked.push(request.url()));
  return () => asked.map((url) => `asks after its load: ${url.slice(0, 100)}`);
}

/** Drags a file or a folder of this machine onto the field, as a person would. */
async function drop(page, path) {
  const { x, y, width, height } = await page.locator(".drop").evaluate((field) => {
    field.scrollIntoView({ block: "center" });
    return field.getBoundingClientRect().toJSON();
  });
  const data = { items: [], files: [path], dragOperationsMask: 1 };
  await cleared(page);
  for (const type of ["dragEnter", "dragOver", "drop"]) await page.session.send("Input.dispatchDragEvent", { type, x: x + width / 2, y: y + height / 2, data });
}

/** So that the verdict that comes next is not the one before. */
const cleared = (page) => page.evaluate(() => document.querySelector(".result").replaceChildren());

async function verdict(page, exit) {
  await page.locator(".report").waitFor();
  const found = await page.locator(".report").getAttribute("data-exit");
  if (found !== String(exit)) throw new Error(`exit ${found} where ${exit} is due: ${(await page.locator(".report").innerText()).slice(0, 200)}`);
}

function file(folder, name, text) {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** A vector's export as a folder on the disk. */
function unpacked(folder, vector) {
  const root = mkdtempSync(join(folder, "export-"));
  const put = (path, content) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  };
  for (const [path, text] of Object.entries(vector.files ?? {})) put(path, text);
  for (const [path, name] of Object.entries(vector.shared ?? {})) put(path, VECTORS.shared[name]);
  for (const [path, data] of Object.entries(vector.binary ?? {})) put(path, Buffer.from(data, "base64"));
  return root;
}
