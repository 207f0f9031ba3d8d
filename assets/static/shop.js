// What every page with a form or a countdown shares: times counted down, texts copied, forms sent once.
// All of it listens on the document, so that parts which order.js replaces need no preparation.
"use strict";

(function () {
  const root = document.documentElement;
  root.classList.add("js");

  /* Countdowns: from the moment an element is first seen, by a clock that nobody sets. */

  const ends = new WeakMap();

  function shown(left) {
    const two = (n) => String(n).padStart(2, "0");
    const rest = two(Math.floor(left / 60) % 60) + ":" + two(left % 60);
    const hours = Math.floor(left / 3600);
    return hours > 0 ? hours + ":" + rest : rest;
  }

  function tick() {
    document.querySelectorAll("[data-left-ms]").forEach(function (place) {
      const now = performance.now();
      if (!ends.has(place)) ends.set(place, now + Number(place.dataset.leftMs));
      const left = Math.max(0, Math.floor((ends.get(place) - now) / 1000));
      place.textContent = shown(left);
      if (left > 0 || place.dataset.over) return;
      place.dataset.over = "1";
      document.dispatchEvent(new Event("lapsed"));
      // By its own address: a page that answers a form would send it again when it is reloaded.
      if (place.dataset.then && !typing()) setTimeout(() => location.replace(place.dataset.then), 1000 + Math.random() * 4000);
    });
  }

  // A page is not taken away from under a reader who is writing in it.
  function typing() {
    return Array.from(document.querySelectorAll("main input"), (input) => input.value !== input.defaultValue).includes(true);
  }

  /* The sum of an order, written as the shop wrote the price of one. */

  const sum = document.getElementById("sum");
  const many = document.getElementById("quantity");

  function add() {
    const minor = Number(sum.dataset.minor) * Number(many.value);
    // What is no quantity has no sum.
    sum.hidden = !/^[0-9]{1,6}$/.test(many.value) || minor <= 0 || !Number.isSafeInteger(minor);
    if (sum.hidden) return;
    const decimals = Number(sum.dataset.decimals);
    const digits = String(minor).padStart(decimals + 1, "0");
    const at = digits.length - decimals;
    const text = decimals ? digits.slice(0, at) + "." + digits.slice(at) : digits;
    const place = sum.querySelector("output");
    const written = place.textContent.replace(/[0-9]+([.][0-9]+)?/, text);
    if (place.textContent !== written) place.textContent = written;
  }

  if (sum && many) {
    many.addEventListener("input", add);
    addEventListener("pageshow", add);
    add();
  }

  /* Copying. Browsers inside apps (WeChat) may lack or refuse the clipboard's interface. */

  function byCommand(text) {
    const area = document.createElement("textarea");
    area.value = text;
    area.readOnly = true;
    area.className = "unseen";
    document.body.append(area);
    area.select();
    area.setSelectionRange(0, text.length);
    let done = false;
    try {
      done = document.execCommand("copy");
    } catch {
      done = false;
    }
    area.remove();
    return done;
  }

  async function copied(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      return byCommand(text);
    }
  }

  function say(text) {
    const announce = document.getElementById("announce");
    if (announce) announce.textContent = text;
  }

  async function copy(button) {
    const source = document.getElementById(button.dataset.copy);
    const before = button.dataset.before || button.textContent;
    button.dataset.before = before;
    const done = await copied(source.textContent);
    // Refused in every way: the text is selected, to be copied by hand.
    if (!done) getSelection().selectAllChildren(source);
    button.textContent = done ? button.dataset.done : button.dataset.byHand;
    say(button.textContent);
    button.focus({ preventScroll: true });
    setTimeout(() => { button.textContent = before; }, 2500);
  }

  document.addEventListener("click", function (event) {
    const button = event.target.closest("button.copy");
    if (button) copy(button);
  });

  /* A form that is on its way is not sent again; coming back to the page frees it. */

  document.addEventListener("submit", function (event) {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    form.querySelectorAll("button[type=submit]").forEach((button) => button.setAttribute("aria-disabled", "true"));
    // No answer and no new page after a while: it may be tried again.
    setTimeout(() => free(form), 20000);
  });

  function free(form) {
    delete form.dataset.sent;
    form.querySelectorAll("button[aria-disabled]").forEach((button) => button.removeAttribute("aria-disabled"));
  }

  addEventListener("pageshow", () => document.querySelectorAll("form").forEach(free));

  tick();
  setInterval(tick, 1000);
})();
