// A report for people: the verdict first, then what it rests on, then what it does not say.

import { el, part, terms } from "./dom.js";
import { filled, spelling, textsFor, tone } from "./texts.js";
import { rfc3339, shown } from "./words.js";

/** The whole report as one element. `level` is the number of its heading. */
export function reportView(report, language, level) {
  const t = textsFor(language);
  const said = (sentence) => sentence[spelling(language)];
  const heading = `h${level + 1}`;
  const list = (title, sentences) => (sentences.length === 0 ? null : part(heading, title, el("ul", null, ...sentences.map((one) => el("li", null, said(one))))));
  return el(
    `div.report.${tone(report.exit)}`,
    { "data-exit": report.exit },
    el(`h${level}`, { id: "verdict", tabindex: "-1" }, el("span.word", null, t.verdict[report.exit]), " ", el("span.code", null, filled(t.exit, report.exit))),
    el("p.means", null, t.means[report.exit]),
    el("p.next", null, t.next[report.exit]),
    report.fault ? faultView(report, t, said, heading) : null,
    list(t.missing, report.incomplete),
    report.sale ? saleView(report, t, heading) : null,
    signedView(report, t),
    ...report.generations.map((generation) => generationView(generation, t, heading)),
    list(t.notes, report.notes),
    checksView(report, t, heading),
    stockView(report, t, heading),
    moneyView(report, t, heading),
    list(t.notProven, report.notProven),
    el("p.hint", null, t.limits),
  );
}

function faultView({ fault, lastGood }, t, said, heading) {
  const keys = t.faultKeys;
  return part(
    heading,
    t.fault,
    el("p", null, said(fault.what)),
    terms([
      [keys.file, fault.file ? shown(fault.file) : null],
      [keys.seq, text(fault.seq)],
      [keys.byte, text(fault.byte)],
      [keys.expected, fault.expected ? code(fault.expected) : null],
      [keys.actual, fault.actual ? code(fault.actual) : null],
      [keys.lastGood, lastGood ? said(lastGood) : null],
    ]),
  );
}

function saleView({ sale, opens, slots, replaced }, t, heading) {
  const keys = t.saleKeys;
  const opened = (field) => opens.find((open) => open.field === field)?.value ?? null;
  return part(
    heading,
    t.sale,
    terms([
      [keys.order, code(sale.order)],
      [keys.sku, code(sale.sku)],
      [keys.qty, text(sale.qty)],
      [keys.amount, `${sale.amt} ${sale.cur}`],
      [keys.time, rfc3339(sale.t)],
      [keys.seq, text(sale.seq)],
      [keys.buyer, opened("buyer") === null ? null : shown(opened("buyer"))],
      [keys.pay, opened("pay")?.split("\n").map(shown).join(" · ") ?? null],
      [keys.slots, slots.length > 0 ? slots.join(", ") : null],
      [keys.replaced, replaced.length > 0 ? replaced.join(", ") : null],
    ]),
  );
}

function signedView({ signed }, t) {
  const [first] = signed ?? [];
  return first ? terms([[t.signed, filled(t.sizeOf, first.size, shown(first.origin))]]) : null;
}

function generationView({ number, origin, first, entries, signed, claims }, t, heading) {
  return part(
    heading,
    `${t.log} ${number}`,
    terms([
      [t.log, origin ? code(origin) : t.none],
      [t.entries, entries > 0 ? filled(t.entriesOf, entries, first, first + entries - 1) : t.none],
      [t.claims, claims ? filled(t.timesOf, ...claims) : null],
      [t.signed, text(signed)],
    ]),
  );
}

function checksView({ checks }, t, heading) {
  if (checks.length === 0) return null;
  const row = ({ name, passed, total }) => el(`tr${passed < total ? ".short" : ""}`, null, el("th", { scope: "row" }, t.check[name]), el("td", null, `${passed}/${total}`));
  return part(heading, t.checks, el("table", null, el("tbody", null, ...checks.map(row))));
}

function stockView({ stock, form }, t, heading) {
  if (stock.length === 0) return null;
  const columns = Object.keys(t.stockKeys).filter((key) => stock[0][key] !== null);
  const head = el("tr", null, ...columns.map((key) => el("th", { scope: "col" }, t.stockKeys[key])));
  const rows = stock.map((balance) => el("tr", null, ...columns.map((key) => el("td", null, String(balance[key])))));
  const table = el("table", null, el("thead", null, head), el("tbody", null, ...rows));
  // It scrolls sideways on a narrow screen, so a keyboard must reach it.
  return part(heading, form === "range" ? t.stockHere : t.stock, el("div.wide", { tabindex: "0", role: "region", "aria-label": t.stock }, table));
}

function moneyView({ money }, t, heading) {
  if (!money?.length) return null;
  return part(heading, t.money, terms(money.map(({ cur, received, refunded }) => [cur, filled(t.sums, received, refunded)])));
}

const text = (value) => (value === null || value === undefined ? null : String(value));
const code = (value) => el("code", { translate: "no" }, shown(value));
