// The order's page: it fetches itself anew when an event brings another state, counts the time left
// down, and copies keys. Without this script the page is complete; it is then reloaded by hand.
"use strict";

(function () {
  // A failed fetch, and a stream that the browser gave up, are tried again after this; the second half is
  // chance, so that pages which lost the shop together do not come back together.
  const RETRY_MS = 15000;

  let busy = false;
  let again = false;
  let waiting = false;

  function article() {
    return document.getElementById("order");
  }

  function soon() {
    return RETRY_MS * (1 + Math.random() / 2);
  }

  function later() {
    if (waiting) return;
    waiting = true;
    setTimeout(function () {
      waiting = false;
      refresh();
    }, soon());
  }

  async function refresh() {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      const answer = await fetch(location.href, { cache: "no-store", credentials: "same-origin" });
      if (!answer.ok) throw new Error("status " + answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("order");
      if (!fresh) {
        // Another kind of page than this script knows.
        location.reload();
        return;
      }
      show(fresh, page.title);
    } catch {
      // The page stays as it is: what it shows is still the buyer's.
      later();
    } finally {
      busy = false;
    }
    if (again) {
      again = false;
      refresh();
    }
  }

  function said(order) {
    const texts = order.querySelectorAll("h1, .lead, .notice, .pay .button");
    return order.dataset.mark + Array.from(texts, (text) => "\n" + text.textContent).join("");
  }

  // A page that says nothing new stays, with the reader's place in it.
  function show(fresh, title) {
    if (said(fresh) === said(article())) return;
    article().replaceWith(document.adoptNode(fresh));
    document.title = title;
    document.getElementById("announce").textContent = document.getElementById("headline").textContent;
    prepare();
  }

  function listen() {
    const source = new EventSource(article().dataset.events);
    source.onmessage = function (event) {
      if (event.data !== article().dataset.mark) refresh();
    };
    source.onerror = function () {
      // Connecting again by itself, unless the answer was an error, as from a shop that is busy.
      if (source.readyState !== EventSource.CLOSED) return;
      setTimeout(function () {
        refresh();
        listen();
      }, soon());
    };
  }

  function count(place) {
    const end = performance.now() + Number(place.dataset.leftMs);
    const timer = setInterval(function () {
      const left = Math.max(0, Math.floor((end - performance.now()) / 1000));
      const two = (n) => String(n).padStart(2, "0");
      const hours = Math.floor(left / 3600);
      const rest = two(Math.floor(left / 60) % 60) + ":" + two(left % 60);
      place.textContent = hours > 0 ? hours + ":" + rest : rest;
      if (left === 0 && place.isConnected) later();
      if (left === 0 || !place.isConnected) clearInterval(timer);
    }, 1000);
  }

  function copy(button) {
    const code = document.getElementById(button.dataset.copy);
    const before = button.textContent;
    navigator.clipboard.writeText(code.textContent).then(
      function () {
        button.textContent = button.dataset.done;
        document.getElementById("announce").textContent = button.dataset.done;
        setTimeout(() => { button.textContent = before; }, 2000);
      },
      function () {
        // Refused (some browsers inside apps do): the text is selected, to be copied by hand.
        getSelection().selectAllChildren(code);
      },
    );
  }

  function prepare() {
    document.querySelectorAll("[data-left-ms]").forEach(count);
    if (!navigator.clipboard) return;
    document.querySelectorAll("button.copy").forEach(function (button) {
      button.hidden = false;
      button.addEventListener("click", () => copy(button));
    });
  }

  prepare();
  listen();
})();
