// Devices one after the other by keyboard: nobody waits for the next one, and nothing that failed is passed over.
"use strict";

(() => {
  const AHEAD = 3;
  const LOOK_AGAIN_MS = 3000;
  const stage = document.getElementById("review-stage");
  const empty = document.getElementById("review-empty");
  const trouble = document.getElementById("review-trouble");
  const said = document.getElementById("review-said");
  const other = document.getElementById("review-other");
  const otherClass = document.getElementById("review-class");
  const csrf = document.body.dataset.csrf;
  const done = new Set();
  let sending = Promise.resolve();
  let waiting = 0;
  let fetching = null;
  let undoing = 0;
  let stopped = false;

  const devices = () => [...stage.querySelectorAll(".review-device")];
  const current = () => stage.querySelector(".review-device:not([hidden])");

  // A device can be labelled once it is seen, not before.
  const isSeen = (device) => [...device.querySelectorAll("img[data-needed]")].every((image) => image.complete);

  function show() {
    const [first, ...rest] = devices();
    if (first) first.hidden = undoing > 0;
    for (const device of rest) device.hidden = true;
    empty.hidden = Boolean(first) || undoing > 0;
    watchPictures();
  }

  function watchPictures() {
    for (const image of stage.querySelectorAll("img:not([data-watched])")) {
      image.dataset.watched = "yes";
      const missing = () => {
        const text = document.createElement("p");
        text.className = "faint review-none";
        text.textContent = "needed" in image.dataset ? "The image cannot be shown." : "There is none to compare with.";
        image.replaceWith(text);
      };
      if (image.complete && image.naturalWidth === 0) missing();
      else image.addEventListener("error", missing);
    }
  }

  // The server says which devices are next; those that are here stay, so their images need not be loaded again.
  async function fetchMore() {
    if (fetching || stopped) return fetching;
    fetching = (async () => {
      const reply = await fetch("/review/devices", { headers: { Accept: "text/html" } });
      if (reply.redirected || reply.status === 401) { location.reload(); return; }
      if (!reply.ok) return;
      const found = new DOMParser().parseFromString(await reply.text(), "text/html");
      const here = new Set(devices().map((device) => device.dataset.number));
      for (const device of found.querySelectorAll(".review-device")) {
        const number = device.dataset.number;
        if (here.has(number) || done.has(number)) continue;
        stage.insertBefore(document.importNode(device, true), empty);
      }
      show();
    })().catch(() => {}).finally(() => { fetching = null; });
    return fetching;
  }

  async function post(path, fields) {
    const body = new URLSearchParams(fields);
    const reply = await fetch(path, { method: "POST", body, headers: { "X-CSRF": csrf, Accept: "application/json" } });
    if (reply.ok) return;
    let sentence = "The line did not answer as it should: load the page again.";
    try { sentence = (await reply.json()).error || sentence; } catch { /* it is no JSON */ }
    throw new Error(sentence);
  }

  // One after the other, in the order of the keys. After a failure nothing more is sent until the page is loaded again.
  function send(work) {
    waiting += 1;
    sending = sending.then(async () => {
      if (stopped) return;
      try {
        await work();
      } catch (error) {
        stopped = true;
        trouble.textContent = `Not kept: ${error.message} Load the page again.`;
        trouble.hidden = false;
        trouble.scrollIntoView();
      }
    }).finally(() => {
      waiting -= 1;
      if (waiting === 0 && !stopped) document.body.dispatchEvent(new Event("reviewed"));
    });
    return sending;
  }

  function label(text) {
    const device = current();
    if (!device || !text || stopped || !isSeen(device)) return;
    const number = device.dataset.number;
    done.add(number);
    device.remove();
    said.textContent = `${text}.`;
    show();
    stage.focus({ preventScroll: true });
    send(() => post("/review/label", { number, label: text })).then(() => {
      if (devices().length < AHEAD) fetchMore();
    });
  }

  // What comes back is not there at once. Until it is, nothing is shown, so that a key is meant for nothing else.
  function undo() {
    if (stopped) return;
    undoing += 1;
    show();
    send(() => post("/review/undo", {})).then(async () => {
      await fetching;
      undoing -= 1;
      if (undoing > 0 || stopped) return;
      done.clear();
      for (const device of devices()) device.remove();
      await fetchMore();
      show();
      said.textContent = "Taken back.";
      stage.focus({ preventScroll: true });
    });
  }

  // The device alone, upright; or all of its images, and back.
  function showOther() {
    const device = current();
    for (const image of device ? device.querySelectorAll("img[data-other]") : []) {
      const other = image.dataset.other;
      image.dataset.other = image.getAttribute("src");
      image.src = other;
    }
  }

  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const target = event.target;
    if (target.closest("input, select, textarea")) return;
    if (event.key === " " && target.closest("button, a")) return;
    if (/^[1-9]$/.test(event.key)) {
      const button = current() && current().querySelector(`button[data-key="${event.key}"]`);
      if (button) { event.preventDefault(); label(button.dataset.label); }
    } else if (event.key === "u" || event.key === "U") {
      event.preventDefault();
      label("unknown");
    } else if (event.key === " ") {
      event.preventDefault();
      label("skip");
    } else if (event.key === "Backspace") {
      event.preventDefault();
      undo();
    } else if (event.key === "w" || event.key === "W") {
      event.preventDefault();
      showOther();
    } else if (event.key === "c" || event.key === "C") {
      event.preventDefault();
      otherClass.focus();
    }
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-label]");
    if (button) label(button.dataset.label);
  });

  other.addEventListener("submit", (event) => {
    event.preventDefault();
    label(otherClass.value);
    otherClass.value = "";
  });

  document.getElementById("review-undo").addEventListener("click", undo);
  document.getElementById("review-whole").addEventListener("click", showOther);
  setInterval(() => { if (devices().length < AHEAD && waiting === 0) fetchMore(); }, LOOK_AGAIN_MS);
  window.addEventListener("beforeunload", (event) => { if (waiting > 0 && !stopped) event.preventDefault(); });
  show();
  stage.focus({ preventScroll: true });
})();
