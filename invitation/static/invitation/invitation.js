/*
 * Two comforts of the members' pages. Every page works without this file: a link to copy is then a
 * field to select, and a search has its button.
 *
 * [data-invitation-copy]: a button copies the field beside it; a link copies the field of the page
 * that it leads to. If that fails, the link leads to the page.
 * [data-invitation-search]: a form that is sent when the text in it has changed.
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
})();
