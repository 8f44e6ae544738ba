/*
 * Comforts of the members' pages. Every page works without this file: a link to copy is then a
 * field to select, a search has its button, a form that a login interrupts is typed again, and the
 * frame of an email has room for a long one.
 *
 * [data-invitation-copy]: a button copies the field beside it; a link copies the field of the page
 * that it leads to. If that fails, the link leads to the page.
 * [data-invitation-search]: a form that is sent when the text in it has changed.
 * [data-invitation-keep]: a form whose text this tab keeps while the member logs in again. The URL
 * then has "?unsent". [data-invitation-check] names the page that shows a kept list again.
 * [data-invitation-fit]: a frame that becomes as high as the page in it.
 */
(() => {
  "use strict";

  const FIELD = "invitation-link";

  async function fetched(url) {
    const response = await fetch(url, { credentials: "same-origin", redirect: "error" });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    return page.getElementById(FIELD).value;
  }

  function copied(text) {
    if (window.ClipboardItem) {
      // Safari lets a page write only with a click, so the text may come later than the call.
      const blob = Promise.resolve(text).then((value) => new Blob([value], { type: "text/plain" }));
      return navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
    }
    return Promise.resolve(text).then((value) => navigator.clipboard.writeText(value));
  }

  function say(element) {
    const before = element.textContent;
    element.setAttribute("aria-live", "polite");
    element.textContent = element.dataset.invitationCopied;
    setTimeout(() => { element.textContent = before; }, 2000);
  }

  const KEPT = "invitation-kept";

  function pathOf(form) {
    return new URL(form.getAttribute("action") || "", location.href).pathname;
  }

  function keep(form) {
    const texts = [...new FormData(form)].filter(
      ([name, value]) => typeof value === "string" && name !== "csrfmiddlewaretoken");
    sessionStorage.setItem(KEPT, JSON.stringify({ path: pathOf(form), texts }));
  }

  function taken() {
    const kept = sessionStorage.getItem(KEPT);
    sessionStorage.removeItem(KEPT);
    return kept && new URLSearchParams(location.search).has("unsent") ? JSON.parse(kept) : null;
  }

  function refill(form, texts) {
    for (const field of form.elements) {
      const values = texts.filter(([name]) => name === field.name).map(([, value]) => value);
      const { checked, value } = field;
      if (field.type === "checkbox" || field.type === "radio") {
        field.checked = values.includes(field.value);
      } else if (values.length && field.type !== "hidden" && field.type !== "file") {
        field.value = values[0];
      }
      if (field.checked !== checked || field.value !== value) {
        field.closest("details")?.setAttribute("open", "");
      }
    }
  }

  function checkAgain(form, texts) {
    const token = form.elements.csrfmiddlewaretoken;
    form.replaceChildren(token);
    form.setAttribute("action", form.dataset.invitationCheck);
    for (const [name, value] of texts) {
      const field = document.createElement("textarea");
      Object.assign(field, { name, value, hidden: true });
      form.append(field);
    }
    form.submit();
  }

  /* The store of the tab may be closed or full: then nothing is kept. */
  function tried(work) {
    try { return work(); } catch { return null; }
  }

  const kept = tried(taken);
  for (const form of document.querySelectorAll("form[data-invitation-keep]")) {
    if (kept && kept.path === pathOf(form)) {
      refill(form, kept.texts);
    } else if (kept && kept.path === form.dataset.invitationCheck) {
      checkAgain(form, kept.texts);
    }
    form.addEventListener("submit", () => tried(() => keep(form)));
  }

  document.addEventListener("click", async (event) => {
    const element = event.target.closest("[data-invitation-copy]");
    if (!element || event.ctrlKey || event.metaKey || event.shiftKey) {
      return;
    }
    const field = document.getElementById(FIELD);
    event.preventDefault();
    try {
      await copied(element.href ? fetched(element.href) : field.value);
      say(element);
    } catch {
      // No right to write to the clipboard, or no page: let people copy by hand.
      if (element.href) {
        location.assign(element.href);
      } else {
        field.select();
      }
    }
  });

  for (const button of document.querySelectorAll("button[data-invitation-copy]")) {
    button.hidden = false;
  }

  for (const form of document.querySelectorAll("form[data-invitation-search]")) {
    form.addEventListener("change", () => form.requestSubmit());
  }

  for (const frame of document.querySelectorAll("iframe[data-invitation-fit]")) {
    const fit = () => {
      const page = frame.contentDocument;
      if (page && page.URL !== "about:blank" && page.readyState === "complete") {
        const border = frame.offsetHeight - frame.clientHeight;
        frame.style.blockSize = `${page.documentElement.offsetHeight + border}px`;
      }
    };
    frame.addEventListener("load", fit);
    window.addEventListener("resize", fit);
    fit();
  }
})();
