// The page: takes what people drop, asks the verifier, shows the verdict. The same on a shop's page and in a saved copy.
//
// Never: a request, a cookie, storage, or HTML made from what it reads.

import { isArchive } from "./archive.js";
import { text } from "./bytes.js";
import { el } from "./dom.js";
import { chosen, dropped, exportFiles, isFolder } from "./intake.js";
import { filled, spelling, TEXTS, textsFor } from "./texts.js";
import { reportView } from "./view.js";
import { Exit, isFork, isReceipt, parseVkey, verifyArchive, verifyExport, verifyFork, verifyNote, verifyReceipt } from "./verify.js";
import { fault, say, shown } from "./words.js";

/** Larger than any receipt. */
const SMALL_BYTES_MAX = 32 * 1024 * 1024;

class Page {
  constructor(mount) {
    this.mount = mount;
    this.saved = mount.hasAttribute("data-saved");
    /** The shop's log keys, the one to pin first. */
    this.vkeys = (mount.dataset.vkey ?? "").split("\n").filter(Boolean);
    this.language = mount.dataset.language ?? (/^zh/i.test(navigator.language) ? "zh-CN" : "en");
    this.items = [];
    this.report = null;
    this.keyTaken = false;
    this.running = false;
    this.draw();
    // A file dropped beside its field would replace the page.
    for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());
  }

  get t() {
    return textsFor(this.language);
  }

  draw() {
    const held = this.fields ? { key: this.fields.key.value, nonce: this.fields.nonce.value, since: this.fields.since.value, until: this.fields.until.value, kept: this.fields.kept } : null;
    this.fields = this.controls(held);
    this.result = el("div.result", { "aria-live": "polite" });
    this.mount.replaceChildren(...(this.saved ? [this.head()] : []), this.form(), this.result, this.about());
    if (this.saved) [document.documentElement.lang, document.title] = [this.language, this.t.title];
    this.showItems();
    if (this.report) this.show(this.report);
  }

  head() {
    const other = Object.keys(TEXTS).find((tag) => tag !== this.language);
    const change = () => {
      this.language = other;
      this.draw();
    };
    return el("header", null, el("h1", null, this.t.title), el("button.language", { type: "button", lang: other, onclick: change }, TEXTS[other].name), el("p.lead", null, this.t.lead));
  }

  controls(held) {
    const { t } = this;
    const input = (id, attributes) => el("input", { id, ...attributes });
    const line = (id, placeholder) => input(id, { type: "text", autocomplete: "off", spellcheck: "false", placeholder });
    const fields = {
      key: el("textarea", { id: "v-key", rows: "3", autocomplete: "off", spellcheck: "false", autocapitalize: "off", "aria-describedby": "v-key-hint" }),
      file: input("v-file", { type: "file", onchange: () => this.take(chosen(fields.file.files)) }),
      folder: input("v-folder", { type: "file", webkitdirectory: true, onchange: () => this.take(chosen(fields.folder.files)) }),
      kept: held?.kept ?? input("v-kept", { type: "file", multiple: true, "aria-describedby": "v-kept-hint" }),
      nonce: line("v-nonce"),
      since: line("v-since", "2026-11-01T00:00:00Z"),
      until: line("v-until", "2026-11-30T23:59:59Z"),
      chosen: el("p.chosen", { role: "status" }),
      progress: el("progress", { max: "1", value: "0", "aria-label": t.busy, hidden: true }),
      steps: el("p.hint", null),
      run: el("button.main", { type: "submit" }, t.run),
      error: el("p.error", { role: "alert" }),
    };
    for (const name of ["key", "nonce", "since", "until"]) fields[name].value = held?.[name] ?? "";
    return fields;
  }

  form() {
    const { t, fields } = this;
    const field = (id, label, control, hint) => el("div.field", null, el("label", { for: id }, label), control, hint ?? null);
    const submit = (event) => {
      event.preventDefault();
      this.run();
    };
    return el(
      "form.verifier",
      { onsubmit: submit, novalidate: true },
      this.dropField(),
      field("v-key", t.key, fields.key, el("p.hint", { id: "v-key-hint" }, t.keyHint)),
      this.vkeys.length > 0 ? this.shopKey() : null,
      el("details", null, el("summary", null, t.kept), field("v-kept", t.kept, fields.kept, el("p.hint", { id: "v-kept-hint" }, t.keptHint))),
      el("details", null, el("summary", null, t.more), field("v-nonce", t.nonce, fields.nonce), field("v-since", t.since, fields.since), field("v-until", t.until, fields.until)),
      fields.error,
      fields.run,
      fields.progress,
      fields.steps,
    );
  }

  dropField() {
    const { t, fields } = this;
    const over = (on) => (event) => {
      event.preventDefault();
      event.currentTarget.classList.toggle("over", on);
    };
    const drop = async (event) => {
      over(false)(event);
      try {
        this.take(await dropped(event.dataTransfer));
      } catch {
        this.refuse(t.noDrop, fields.folder);
      }
    };
    return el(
      "fieldset.drop",
      { ondragover: over(true), ondragleave: over(false), ondrop: drop },
      el("legend", null, t.what),
      el("p", null, t.drop),
      el("div.choose", null, el("label.button", { for: "v-file" }, fields.file, t.chooseFile), el("label.button", { for: "v-folder" }, fields.folder, t.chooseFolder)),
      fields.chosen,
    );
  }

  /** The shop's key beside the field, never in it by itself. */
  shopKey() {
    const { t, fields } = this;
    const use = () => {
      fields.key.value = this.vkeys.join("\n");
      fields.key.focus();
    };
    return el("div.own-key", null, el("p", null, t.keyShop), ...this.vkeys.map((vkey) => el("p", null, el("code", { translate: "no" }, vkey))), el("p.hint", null, t.keyCaution), el("button", { type: "button", onclick: use }, t.keyUse));
  }

  about() {
    const { t } = this;
    return el(
      "details.about",
      null,
      el("summary", null, t.about),
      el("p", null, filled(t.version, VERSION)),
      this.saved ? el("p", null, t.offline) : null,
      el("p", null, t.limits),
      el("p", null, t.licences),
      el("pre", { lang: "en", tabindex: "0", role: "region", "aria-label": t.licences }, LICENCES),
    );
  }

  take(items) {
    this.items = items;
    this.showItems();
    if (items.length > 0 && this.fields.key.value.trim() !== "") this.run();
  }

  showItems() {
    const { t, items } = this;
    const bytes = items.reduce((sum, { blob }) => sum + blob.size, 0);
    const name = isFolder(items) ? `${items[0].path.split("/")[0]}/` : items[0]?.path;
    const said = items.length === 0 ? "" : items.length === 1 ? `${name} (${size(bytes)})` : `${name} (${filled(t.files, items.length, size(bytes))})`;
    this.fields.chosen.replaceChildren(...(said ? [t.chosen, " ", el("bdi", null, shown(said))] : []));
  }

  async run() {
    if (this.running) return;
    const { fields, t } = this;
    fields.error.textContent = "";
    this.result.replaceChildren();
    this.report = null;
    const refused = this.items.length === 0 ? [t.needThing, fields.file] : fields.key.value.trim() === "" ? [t.needKey, fields.key] : null;
    if (refused) return this.refuse(...refused);
    let request;
    try {
      request = await this.request();
    } catch (error) {
      if (!error.place) throw error;
      return this.refuse(error.message, error.place);
    }
    this.busy(true);
    const report = await this.verdict(request);
    this.busy(false);
    this.show(report);
    this.result.querySelector("#verdict").focus({ preventScroll: true });
    this.result.scrollIntoView({ block: "start" });
  }

  refuse(message, place) {
    this.fields.error.textContent = message;
    place.focus();
  }

  async request() {
    const { fields, t } = this;
    const spelled = fields.key.value.split(/\s+/).filter(Boolean);
    this.keyTaken = this.vkeys.some((vkey) => spelled.includes(vkey));
    const vkeys = spelled.map((one, number) => {
      try {
        return parseVkey(one);
      } catch (error) {
        throw this.wrong(filled(t.badKey, number + 1, error.what[spelling(this.language)]), fields.key);
      }
    });
    const known = [];
    for (const blob of fields.kept.files) {
      if (blob.size > SMALL_BYTES_MAX) throw this.wrong(t.tooLarge, fields.kept);
      known.push({ name: blob.name, bytes: await bytesOf(blob) });
    }
    const time = (field) => {
      const value = field.value.trim();
      if (value === "") return null;
      const ms = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(value) ? Date.parse(value.replace(" ", "T")) : NaN;
      if (Number.isNaN(ms)) throw this.wrong(filled(t.badTime, value), field);
      return ms;
    };
    return { vkeys, known, nonce: fields.nonce.value.trim() || null, since: time(fields.since), until: time(fields.until) };
  }

  wrong(message, place) {
    return Object.assign(new Error(message), { place });
  }

  /** Which of the verifiers is asked depends on what the thing is, never on its name. */
  async verdict(request) {
    const { items } = this;
    const progress = (done, total) => this.progress(done, total);
    if (isFolder(items)) return verifyExport(exportFiles(items), request, progress);
    if (items.length > 1) return unclear(say(TEXTS.en.oneThing, TEXTS["zh-CN"].oneThing), Exit.USAGE);
    const [{ blob }] = items;
    if (isArchive(await bytesOf(blob.slice(0, 4)))) return verifyArchive(blob, request, progress);
    if (blob.size > SMALL_BYTES_MAX) return unclear(say(TEXTS.en.tooLarge, TEXTS["zh-CN"].tooLarge), Exit.MALFORMED);
    const bytes = await bytesOf(blob);
    if (isReceipt(bytes)) return verifyReceipt(bytes, request);
    if (isFork(bytes)) return verifyFork(bytes, request);
    if (text(bytes)?.includes("\n\u2014 ")) return verifyNote(bytes, request);
    return unclear(say(TEXTS.en.noKind, TEXTS["zh-CN"].noKind), Exit.MALFORMED);
  }

  show(report) {
    this.report = report;
    const taken = this.keyTaken ? [say(TEXTS.en.keyTaken, TEXTS["zh-CN"].keyTaken)] : [];
    const whole = { ...report, notProven: [...taken, ...report.notProven] };
    this.result.replaceChildren(reportView(whole, this.language, 2));
  }

  busy(on) {
    const { fields, t } = this;
    this.running = on;
    fields.run.toggleAttribute("aria-disabled", on);
    fields.run.textContent = on ? t.busy : t.run;
    fields.progress.hidden = !on;
    fields.progress.value = 0;
    fields.steps.textContent = "";
  }

  progress(done, total) {
    this.fields.progress.value = total > 0 ? done / total : 0;
    this.fields.steps.textContent = filled(this.t.progress, size(done), size(total));
  }
}

const bytesOf = async (blob) => new Uint8Array(await blob.arrayBuffer());

const unclear = (what, exit) => ({ exit, fault: fault(exit, "", what), incomplete: [], notes: [], generations: [], checks: [], stock: [], lastGood: null, notProven: [] });

function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1024 * 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

new Page(document.getElementById("verifier"));
