// The order's page: it fetches itself anew when an event brings another state, counts the time left
// down, and copies keys. Without this script the page is complete; it is then reloaded by hand.
"use strict";

(function () {
  let busy = false;
  let again = false;

  function article() {
    return document.getElementById("order");
  }

  async function refresh() {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      const answer = await fetch(location.href, { cache: "no-store", credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("order");
      if (!answer.ok || !fresh) throw new Error("no order in the answer");
      article().replaceWith(document.adoptNode(fresh));
      document.title = page.title;
      document.getElementById("announce").textContent = document.getElementById("headline").textContent;
      prepare();
    } catch {
      location.reload();
    }
    busy = false;
    if (again) {
      again = false;
      refresh();
    }
  }

  function listen() {
    const source = new EventSource(article().dataset.events);
    source.onmessage = function (event) {
      if (event.data !== article().dataset.mark) refresh();
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
