// Every state of the order's page, and every other page: one line each below, or in states.py for an order.
import { FULL, LOOKS, READERS, Visitor, look, named } from "./lib/visit.mjs";

/** Pages that are only opened. One with `later` may not be there yet and is left out with a word until it is. */
const PAGES = [
  { name: "window", path: "/" },
  { name: "product-card", path: "/p/card" },
  { name: "product-wide", path: "/p/wide" },
  { name: "product-sold-out", path: "/p/soldout" },
  { name: "find", path: "/find" },
  { name: "verify", path: "/verify" },
  { name: "search", path: "/?q=card" },
  { name: "search-nothing", path: "/?q=zzzz" },
  { name: "category", path: "/c/games" },
  { name: "terms", path: "/terms" },
];

export function states(browser, stage, report) {
  return READERS.flatMap((reader) => [...stage.orders.map((order) => ({ ...order, name: `order-${order.name}` })), ...PAGES, ...inbox(stage)]
    .map((place) => () => visit(browser, stage, report, reader, place)));
}

function inbox(stage) {
  return stage.inbox ? [{ name: "inbox", path: stage.inbox }] : [];
}

async function visit(browser, stage, report, reader, { name, path, later }) {
  const visitor = await Visitor.open(browser, { ...reader, origins: [stage.origin] });
  try {
    const answer = await visitor.page.goto(stage.origin + path);
    if (later && [404, 405].includes(answer.status())) return report.skip(`${name} ${named(reader)}`, "there is no such page yet");
    await report.story(`${name} ${named(reader)}`, async () => {
      const problems = answer.status() === 200 ? [] : [`answered ${answer.status()}`];
      return problems.concat(await look(visitor, name, { looks: looks(reader), ...sparing(reader) }));
    });
  } finally {
    await visitor.close();
  }
}

const EDGES = ({ width, scheme }) => (width === 360 && scheme === "light") || (width === 1280 && scheme === "dark");
const PHONE = ({ width, scheme }) => width === 360 && scheme === "light";

/** Without scripts a page nearly is what it is with them, and in one language what it is in the other: fewer looks are enough. */
export function looks({ js, language }) {
  if (FULL) return js ? LOOKS : LOOKS.filter(EDGES);
  return js && language === "en" ? LOOKS : LOOKS.filter(js ? EDGES : PHONE);
}

/** Structure and colours are the same in both languages: axe, which takes longest, sees all looks in one of them. */
export function sparing({ js, language }) {
  const rare = FULL ? EDGES : PHONE;
  return { axe: js && language === "en" ? (FULL ? undefined : EDGES) : rare };
}
