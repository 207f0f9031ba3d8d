// What a buyer does, by the names of fields and by addresses: a new design of the pages changes nothing here.

/** The first product on the window that can be ordered, or the one that is named. */
export async function choose(page, origin, slug) {
  await page.goto(`${origin}/`);
  const link = slug ? `a[href="/p/${slug}"]` : 'a[href^="/p/"]';
  await page.locator(link).first().click();
  await page.locator("form [name=quantity]").waitFor();
}

/** Fills the order's form. A choice may be drawn over its radio button, so that is checked by force. */
export async function fill(page, { quantity = "1", contact = "buyer@example.com", password = "" } = {}) {
  await page.locator("[name=quantity]").fill(quantity);
  await page.locator("[name=contact]").fill(contact);
  if (password) await page.locator("form:has([name=quantity]) [name=password]").fill(password);
  const channel = page.locator("input[name=channel]");
  if (await channel.count()) await channel.first().check({ force: true });
}

export function submit(page) {
  return page.locator("form:has([name=quantity]) [type=submit]");
}

/** From the window to a pending order's page; its address. */
export async function order(page, origin, slug, fields) {
  await choose(page, origin, slug);
  await fill(page, fields);
  await submit(page).click();
  await page.waitForURL(/\/o\/[\w-]+$/);
  return page.url();
}

/** From the order's page over the cashier's and back. */
export async function pay(page) {
  await page.locator('a[href$="/pay"]').first().click();
  await page.locator("form button").first().click();
  await page.waitForURL(/\/o\/[\w-]+$|\/pay\/.*\/return|\/pay\/\d+$/);
}

/** Pays in another window of the same machine, as a telephone beside the page would. */
export async function payElsewhere(visitor, url) {
  const context = await visitor.context.browser().newContext({ ignoreHTTPSErrors: true });
  try {
    const page = await context.newPage();
    await page.goto(`${url}/pay`);
    await page.locator("form button").first().click();
    await page.waitForLoadState();
  } finally {
    await context.close();
  }
}

export async function json(visitor, url) {
  const answer = await visitor.context.request.get(`${url}.json`);
  return answer.json();
}

/** Waits for the order to be delivered, as its JSON says; the keys. */
export async function delivered(visitor, url, seconds = 10) {
  for (let left = seconds * 10; left > 0; left -= 1) {
    const state = await json(visitor, url);
    if (state.state === "delivered") return state.keys;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("not delivered in time");
}

/** Waits until a page shows a text to a reader. */
export async function shows(page, text, seconds = 15) {
  await page.waitForFunction((wanted) => document.body.innerText.includes(wanted), text, { timeout: seconds * 1000, polling: 200 });
}
