// What all pages do beside htmx: ask before a change that says so, and say when the line cannot be reached.
"use strict";

(() => {
  const SILENT_MS = 3500;
  const live = document.querySelector('[hx-trigger^="every"]');
  const warning = document.getElementById("no-contact");
  let heard = Date.now();

  // A page that shows old things must say so.
  if (live && warning) {
    document.addEventListener("htmx:after:request", (event) => {
      const response = event.detail.ctx && event.detail.ctx.response;
      if (response && response.status < 400) heard = Date.now();
    });
    setInterval(() => { warning.hidden = Date.now() - heard < SILENT_MS; }, 500);
    document.addEventListener("visibilitychange", () => { heard = Date.now(); });
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const question = form.dataset.confirm;
    if (!question || form.dataset.confirmed) {
      showBusy(form, event.submitter);
      return;
    }
    event.preventDefault();
    ask(question, event.submitter).then((yes) => {
      if (!yes) return;
      form.dataset.confirmed = "yes";
      form.requestSubmit(event.submitter);
      delete form.dataset.confirmed;
    });
  });

  // Some changes take long: say so, and take no second press.
  function showBusy(form, button) {
    if (!button || !form.dataset.busy) return;
    setTimeout(() => {
      button.disabled = true;
      button.textContent = form.dataset.busy;
      button.setAttribute("aria-live", "polite");
    });
  }

  function ask(question, opener) {
    const dialog = document.createElement("dialog");
    dialog.setAttribute("aria-labelledby", "question");
    const text = document.createElement("p");
    text.id = "question";
    text.textContent = question;
    const row = document.createElement("form");
    row.method = "dialog";
    row.className = "row";
    for (const [value, label, style] of [["yes", opener ? opener.textContent.trim() : "Yes", "primary"], ["", "Cancel", ""]]) {
      const button = document.createElement("button");
      button.value = value;
      button.textContent = label;
      button.className = style;
      row.append(button);
    }
    dialog.append(text, row);
    document.body.append(dialog);
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => {
        dialog.remove();
        if (opener && opener.isConnected) opener.focus();
        resolve(dialog.returnValue === "yes");
      });
    });
  }
})();
