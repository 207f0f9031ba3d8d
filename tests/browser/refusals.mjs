// Every refusal, as a page: what a form says at its field, and what stands where a page does not.
import { READERS, Visitor, look, named } from "./lib/visit.mjs";
import { looks, sparing } from "./states.mjs";

const GOOD = { quantity: "1", contact: "refused@example.com", password: "", channel: "main" };

/** Refusals that stand at their field; the others are of the whole form. */
const OF_A_FIELD = /^refused-(contact|quantity|channel|password|all|stock|wish|link)/;

/** Each gives the status that it expects. `address` is the visitor's, where it matters. */
function all(stage) {
  const { contact, address, network } = stage.hoarders;
  const ordered = (fields, slug = "card") => (page) => post(page, stage, `/p/${slug}`, { ...GOOD, ...fields });
  return [
    { name: "refused-contact-empty", status: 422, run: ordered({ contact: "" }) },
    { name: "refused-contact-bad", status: 422, run: ordered({ contact: "not a contact" }) },
    { name: "refused-quantity-zero", status: 422, run: ordered({ quantity: "0" }) },
    { name: "refused-quantity-many", status: 422, run: ordered({ quantity: "21" }) },
    { name: "refused-stock-left", status: 422, run: ordered({ quantity: "20" }, "many") },
    { name: "refused-sold-out", status: 422, run: ordered({}, "soldout") },
    { name: "refused-held", status: 422, run: ordered({}, "wide") },
    { name: "refused-channel", status: 422, run: ordered({ channel: "none" }) },
    { name: "refused-password-long", status: 422, run: ordered({ password: "长".repeat(2000) }) },
    { name: "refused-all-fields", status: 422, run: ordered({ quantity: "x", contact: "", channel: "", password: "p".repeat(5000) }) },
    { name: "refused-open-contact", status: 422, run: ordered({ contact }) },
    { name: "refused-open-address", status: 422, address, run: ordered({}) },
    { name: "refused-network", status: 422, address: network, run: ordered({ quantity: "8" }) },
    { name: "refused-wish", status: 422, run: (page) => post(page, stage, "/p/soldout/wish", { contact: "13800138000" }) },
    { name: "refused-link", status: 422, run: (page) => post(page, stage, "/find/contact", { contact: "13800138000" }) },
    { name: "wish-taken", status: 200, run: (page) => post(page, stage, "/p/soldout/wish", { contact: "wish@example.com" }) },
    { name: "link-sent", status: 200, run: (page) => post(page, stage, "/find/contact", { contact: "nobody@example.com" }) },
    { name: "error-inbox-old", status: 404, also: 410, run: (page) => page.goto(`${stage.origin}/inbox/nothing`) },
    { name: "find-wrong", status: 422, run: (page) => post(page, stage, "/find", { order: "0D3Q5P7XK2M9A", password: "wrong" }) },
    { name: "error-403", status: 403, run: foreign },
    { name: "error-404", status: 404, run: (page) => page.goto(`${stage.origin}/nothing/here`) },
    { name: "error-404-order", status: 404, run: (page) => page.goto(`${stage.origin}/o/${"A".repeat(38)}`) },
    { name: "error-405", status: 405, run: (page) => post(page, stage, "/", {}) },
    { name: "error-413", status: 413, run: (page) => post(page, stage, "/find", { order: "x".repeat(40_000) }) },
    { name: "error-422", status: 400, also: 422, run: (page) => post(page, stage, "/find", { order: "a", password: "\ufffd" }) },
    { name: "error-429", status: 429, run: tooMany },
    { name: "error-503", status: 503, address: "192.0.2.77", alone: true, forgiving: true, run: busy },
  ];
}

/** First those that disturb no others, then (`alone`) those that take places. */
export function refusals(browser, stage, report, alone = false) {
  return READERS.flatMap((reader, n) => all(stage).filter((refusal) => Boolean(refusal.alone) === alone)
    .map((refusal) => () => report.story(`${refusal.name} ${named(reader)}`, () => refuse(browser, stage, reader, refusal, n))));
}

async function refuse(browser, stage, reader, { name, status, also, address, forgiving, run }, n) {
  const headers = { "X-Forwarded-For": address ?? `192.0.2.${1 + n}` };
  const visitor = await Visitor.open(browser, { ...reader, headers, origins: [stage.origin, stage.gateway], unheard: [stage.gateway] });
  visitor.forgiving = forgiving; // where every place is taken, a picture finds none either
  try {
    const answer = await run(visitor.page, stage, n);
    if (address?.startsWith("192.0.2.77")) await stage.ask({ do: "calm" });
    const problems = [status, also].includes(answer.status()) ? [] : [`answered ${answer.status()}, not ${status}`];
    const marked = await visitor.page.locator("form [aria-invalid=true], form [aria-describedby*=error]").count();
    if (OF_A_FIELD.test(name) && !marked) problems.push("no field is marked");
    return problems.concat(await look(visitor, name, { looks: looks(reader), ...sparing(reader) }));
  } finally {
    await visitor.close();
  }
}

/** Sends a form that the page itself would not let through; from the shop's own page. The answer of the navigation. */
async function post(page, stage, path, fields) {
  await page.goto(`${stage.origin}/find`);
  return sent(page, stage.origin + path, fields);
}

async function sent(page, url, fields) {
  const arrives = page.waitForNavigation();
  arrives.catch(() => {}); // awaited below; a browser that ends meanwhile is told there
  await page.evaluate(([action, values]) => {
    const form = document.createElement("form");
    form.method = "post";
    form.action = action;
    for (const [name, value] of Object.entries(values)) {
      const field = document.createElement("textarea");
      Object.assign(field, { name, value });
      form.append(field);
    }
    document.body.append(form);
    form.submit();
  }, [url, fields]);
  return arrives;
}

/** The same form on a stranger's page. */
async function foreign(page, stage) {
  await page.goto(`${stage.gateway}/`);
  return sent(page, `${stage.origin}/find`, { order: "x", password: "y" });
}

async function tooMany(page, stage, n) {
  let answer;
  for (let tries = 0; tries < 8 && answer?.status() !== 429; tries += 1) {
    answer = await post(page, stage, "/find", { order: `0D3Q5P7XK2M${n}A`, password: "wrong" });
  }
  return answer;
}

/** Every place of the visitor's line is taken by forms that never end. The style is there from an earlier visit. */
async function busy(page, stage) {
  await page.goto(`${stage.origin}/`);
  await stage.ask({ do: "flood", address: "192.0.2.77" });
  let answer;
  // Places are taken when the request's head was read, which is a moment after it was sent.
  for (let tries = 0; tries < 20 && answer?.status() !== 503; tries += 1) answer = await page.goto(`${stage.origin}/find`);
  return answer;
}
