// The order's page keeps itself up to date: it listens to the shop, and asks by itself where listening
// fails or is held back on the way. Without this script the page is complete; it is then reloaded.
"use strict";

(function () {
  const ASK_MS = 5000; // while a payment is waited for
  const ASK_HIDDEN_MS = 30000; // in a tab that nobody looks at
  const ASK_LIVE_MS = 60000; // while the stream speaks: only in case it lies
  const ASK_ERROR_MS_MAX = 60000;
  const WAITING = ["pending", "paid", "refunding"];
  const LATE = "expired"; // a payment may still arrive

  let busy = false;
  let again = false;
  let failures = 0;
  let timer = 0;
  let due = 0;
  let source = null;
  let heard = false;

  const article = () => document.getElementById("order");
  const state = () => article().dataset.mark.split(" ")[0];
  const lives = () => WAITING.includes(state()) || state() === LATE;
  // Pages that lost the shop together do not come back together.
  const spread = (ms) => ms * (0.85 + Math.random() * 0.3);

  function pause() {
    if (failures > 0) return Math.min(ASK_MS * 2 ** (failures - 1), ASK_ERROR_MS_MAX);
    if (heard) return ASK_LIVE_MS;
    return document.hidden || state() === LATE ? ASK_HIDDEN_MS : ASK_MS;
  }

  // A question that was planned earlier stays: a stream that breaks again and again must not put it off for ever.
  function plan(anew) {
    if (!lives() && failures === 0) return clearTimeout(timer);
    const wait = spread(pause());
    const at = performance.now() + wait;
    if (!anew && timer && due <= at) return;
    clearTimeout(timer);
    due = at;
    timer = setTimeout(refresh, wait);
  }

  async function refresh() {
    clearTimeout(timer);
    timer = 0;
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      // Nobody looks at a tab in the background: the shop must not take the order for opened.
      const headers = document.hidden ? { purpose: "prefetch" } : {};
      const answer = await fetch(location.href, { cache: "no-store", credentials: "same-origin", headers });
      if (!answer.ok) throw new Error("status " + answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("order");
      if (!fresh) {
        // Another kind of page than this script knows.
        location.reload();
        return;
      }
      failures = 0;
      show(fresh, page.title);
    } catch {
      // The page stays as it is: what it shows is still the buyer's.
      failures += 1;
    } finally {
      busy = false;
    }
    if (again) {
      again = false;
      refresh();
    } else {
      plan(true);
    }
  }

  function said(order) {
    const texts = order.querySelectorAll("h1, .lead, .note, .pay .button, .pay .price, dd, .messages li");
    return order.dataset.mark + Array.from(texts, (text) => "\n" + text.textContent).join("");
  }

  // A page that says nothing new stays, with the reader's place in it; what is new may move once.
  function show(fresh, title) {
    const old = article();
    if (said(fresh) === said(old)) return;
    const done = old.querySelectorAll(".steps .done").length;
    fresh.querySelectorAll(".steps .done").forEach((step, at) => { if (at >= done) step.classList.add("now"); });
    const goods = fresh.querySelector(".goods-here");
    if (goods && !old.querySelector(".goods-here")) goods.classList.add("now");
    const open = Array.from(old.querySelectorAll("details"), (details) => details.open);
    old.replaceWith(document.adoptNode(fresh));
    if (old.dataset.mark === fresh.dataset.mark) {
      fresh.querySelectorAll("details").forEach((details, at) => { details.open = Boolean(open[at]); });
    }
    document.title = title;
    document.getElementById("announce").textContent = document.getElementById("headline").textContent;
  }

  function listen() {
    if (source) source.close();
    heard = false;
    if (!window.EventSource) return;
    source = new EventSource(article().dataset.events);
    // The first event comes at once; a stream that stays silent is held back by something between.
    source.onmessage = function (event) {
      heard = true;
      if (event.data !== article().dataset.mark) refresh();
      else plan(true);
    };
    source.onerror = function () {
      heard = false;
      plan();
      // It connects again by itself, unless the answer was an error, as from a shop that is busy.
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, spread(ASK_ERROR_MS_MAX / 4));
    };
  }

  // Back in front of the reader, or back in the network: what happened meanwhile is asked for at once.
  function wake() {
    if (document.hidden) return plan(true);
    failures = 0;
    refresh();
    if (!source || source.readyState === EventSource.CLOSED) listen();
  }

  document.addEventListener("visibilitychange", wake);
  document.addEventListener("lapsed", () => setTimeout(refresh, spread(1500)));
  addEventListener("online", wake);
  addEventListener("offline", () => { heard = false; });
  addEventListener("pageshow", function (event) {
    if (!event.persisted) return;
    listen();
    wake();
  });
  addEventListener("pagehide", () => { if (source) source.close(); });

  listen();
  plan();
})();
