// What the console does in the browser beside htmx: times in the reader's zone, keys, the panel and the dialog, what the
// API refused beside the field, and what is live without anything jumping. No page needs it to be read.
"use strict";

(() => {
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

  // Times: the server writes UTC, the reader sees the zone of the place, and the exact time on hover.

  const sameDay = (a, b) => a.toDateString() === b.toDateString();
  const two = (number) => String(number).padStart(2, "0");

  function localTime(at, now) {
    const clock = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
    if (sameDay(at, now)) return clock;
    const year = at.getFullYear() === now.getFullYear() ? undefined : "numeric";
    return `${at.toLocaleDateString(undefined, { day: "numeric", month: "short", year })} ${clock}`;
  }

  function localize(root) {
    const now = new Date();
    for (const element of all("time[datetime]", root)) {
      const at = new Date(element.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      const text = localTime(at, now);
      if (element.textContent !== text) element.textContent = text;
      element.title = `${at.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" })}\n${element.dateTime}`;
    }
    for (const input of all("input[data-utc]", root)) {
      const at = new Date(input.dataset.utc);
      if (input.dataset.utc && !Number.isNaN(at.getTime())) {
        input.value = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
      }
      delete input.dataset.utc;
    }
  }

  // Requests: what is empty is no filter, and a time of the reader's is sent as the time it is.

  function utc(value) {
    const at = new Date(value);
    return Number.isNaN(at.getTime()) ? value : at.toISOString();
  }

  document.addEventListener("htmx:configRequest", (event) => {
    if (event.detail.verb !== "get") return;
    for (const [name, value] of Object.entries(event.detail.parameters)) {
      const field = event.target.querySelector?.(`[name="${CSS.escape(name)}"]`);
      if (value === "") delete event.detail.parameters[name];
      else if (field?.type === "datetime-local") event.detail.parameters[name] = utc(value);
    }
  });

  // What is refused: in the form that sent it, and beside the fields it is about.

  function showFaults(form, slot) {
    for (const field of all("[aria-invalid]", form)) field.removeAttribute("aria-invalid");
    for (const old of all(".beside-field", form)) old.remove();
    let first = null;
    for (const fault of all("[data-pointer]", slot)) {
      const pointer = fault.dataset.pointer;
      if (!pointer) continue;
      const named = all("[name^='/']", form).filter((field) => {
        const place = field.name.split(":")[0];
        return field.type !== "hidden" && (place === pointer || pointer.startsWith(`${place}/`));
      });
      // A fault of a whole row is shown at its first field.
      const inside = all("[name^='/']", form).filter((field) => field.type !== "hidden" && field.name.startsWith(`${pointer}/`));
      const field = named[named.length - 1] ?? inside[0];
      if (!field) continue;
      field.closest("details")?.setAttribute("open", "");
      const words = document.createElement("p");
      words.className = "fault beside-field";
      words.id = `fault-${all(".beside-field", form).length}`;
      words.textContent = one("span", fault).textContent;
      field.setAttribute("aria-invalid", "true");
      field.setAttribute("aria-describedby", words.id);
      field.after(words);
      first = first ?? field;
      fault.remove();
    }
    // What is said beside the fields needs no saying twice.
    if (first && all("[data-pointer]", slot).length === 0) slot.textContent = "";
    (first ?? slot).focus?.();
  }

  document.addEventListener("htmx:afterRequest", (event) => {
    const form = event.detail.elt.closest?.("form");
    const slot = form && one("[data-problem]", form);
    if (!slot || event.detail.requestConfig.verb === "get") return;
    slot.textContent = "";
    const { xhr } = event.detail;
    if (xhr.status >= 400 && xhr.getResponseHeader("content-type")?.startsWith("text/html")) {
      const answer = new DOMParser().parseFromString(xhr.responseText, "text/html");
      slot.append(...answer.body.childNodes);
      localize(slot);
      showFaults(form, slot);
      // What an earlier request came to would be taken for what this one did.
      one("#outcome")?.replaceChildren();
    } else if (xhr.status === 0 || xhr.status >= 400) {
      slot.textContent = "The server did not answer; try again.";
    }
  });

  // Rows of a form that are more or fewer: numbered from 0 without gaps, the blank one last. New ones are made of it.

  function number(rows) {
    const place = rows.dataset.rows;
    const dashed = place.replaceAll("/", "-").slice(1);
    all("[data-item]", rows).forEach((item, at) => {
      for (const element of [item, ...all("[name], [id], [for], [aria-label], [aria-describedby]", item)]) {
        for (const name of ["name", "id", "for"]) {
          const value = element.getAttribute(name);
          for (const start of [place, dashed]) {
            if (value?.startsWith(start)) element.setAttribute(name, value.replace(/\d+/, at));
          }
        }
      }
      item.setAttribute("aria-label", item.getAttribute("aria-label").replace(/\d+$/, at + 1));
    });
  }

  document.addEventListener("click", (event) => {
    const rows = event.target.closest("[data-rows]");
    const button = rows && event.target.closest("[data-add], [data-remove]");
    if (!button) return;
    let focused = null;
    if ("add" in button.dataset) {
      const blank = one("[data-item][data-blank]", rows);
      const fresh = blank.cloneNode(true);
      delete fresh.dataset.blank;
      blank.before(fresh);
      focused = one("input, select, textarea", fresh);
    } else {
      const item = button.closest("[data-item]");
      focused = one("[data-remove]", item.nextElementSibling?.matches("[data-item]:not([data-blank])") ? item.nextElementSibling : item.previousElementSibling) ?? one("[data-add]", rows);
      item.remove();
    }
    number(rows);
    focused.focus();
    // What shows what would be sent hears of it.
    rows.dispatchEvent(new Event("change", { bubbles: true }));
  });

  // The panel beside a list, and the dialog.

  const panel = () => one("#panel");
  const dialog = () => one("#dialog");
  const listAddress = () => {
    const list = one("#list");
    return list ? list.getAttribute("hx-get") : null;
  };

  function markOpen() {
    for (const row of all("[data-row]")) {
      const link = one("a[hx-push-url]", row);
      row.classList.toggle("open", Boolean(link) && panel()?.firstElementChild != null && link.pathname === location.pathname);
    }
  }

  function closePanel() {
    if (!panel()?.firstElementChild) return false;
    panel().textContent = "";
    const address = listAddress();
    if (address) history.pushState({ htmx: true }, "", address);
    markOpen();
    return true;
  }

  document.addEventListener("click", (event) => {
    const close = event.target.closest("[data-close]");
    if (close && (close.closest("#dialog") || close.closest("#panel"))) {
      event.preventDefault();
      if (close.closest("#dialog")) dialog().close();
      else closePanel();
      return;
    }
    const row = event.target.closest("[data-row]");
    if (row && !event.target.closest("a, button, input, label") && !String(getSelection())) {
      one("a", row)?.click();
    }
    const menu = event.target.closest(".menu");
    if (menu) menu.setAttribute("aria-expanded", String(one("#nav").classList.toggle("open")));
  });

  // Keys: / searches, arrows go through the rows, Enter opens (the row's link has the focus), Esc closes.

  const isTyping = (element) => element instanceof Element && element.matches("input, textarea, select, [contenteditable]");

  function step(by) {
    const rows = all("[data-row]").filter((row) => row.offsetParent !== null && one("a", row));
    if (rows.length === 0) return false;
    const here = rows.findIndex((row) => row.contains(document.activeElement));
    const next = rows[Math.max(0, Math.min(rows.length - 1, here < 0 ? 0 : here + by))];
    one("a", next).focus();
    next.scrollIntoView({ block: "nearest" });
    return true;
  }

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || dialog()?.open) return;
    const typing = isTyping(event.target);
    const inSearch = isTyping(event.target) && event.target.matches("input[type='search']:not([list])");
    if (event.key === "/" && !typing) {
      const search = one("input[type='search']");
      if (!search) return;
      event.preventDefault();
      search.focus();
      search.select();
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && (!typing || inSearch)) {
      if (!event.target.closest("[tabindex='0']") && step(event.key === "ArrowDown" ? 1 : -1)) event.preventDefault();
    } else if (event.key === "Escape") {
      if (typing) event.target.blur();
      else if (!closePanel()) document.activeElement?.blur?.();
    }
  });

  // Live: the server says that something changed, and each part that shows it asks for itself again. A list in which
  // somebody is at work is not moved under the hand: its rows are kept up to date where they are, and new ones wait.

  let stream = null;

  function inHand(part) {
    if (part.id !== "list") return false;
    const selected = String(getSelection()) && part.contains(getSelection().anchorNode);
    return part.matches(":hover") || part.contains(document.activeElement) || Boolean(panel()?.firstElementChild) || selected || scrollY > 80;
  }

  async function keepUp(part) {
    const answer = await fetch(part.getAttribute("hx-get"), { headers: { "HX-Request": "true", "HX-Target": part.id } });
    if (!answer.ok) return;
    const found = new DOMParser().parseFromString(await answer.text(), "text/html");
    let fresh = 0;
    for (const row of all("[data-row]", found)) {
      const here = document.getElementById(row.id);
      if (here) Idiomorph.morph(here, row.outerHTML);
      else fresh += 1;
    }
    localize(part);
    markOpen();
    const button = one("[data-fresh]", part);
    if (button && fresh > 0) {
      button.textContent = `${fresh} new: show`;
      button.hidden = false;
    }
  }

  function refresh() {
    for (const part of all("[data-live]")) {
      // A form in it that is being filled in is worth more than news.
      if (part.contains(document.activeElement) && isTyping(document.activeElement)) continue;
      if (inHand(part)) keepUp(part).catch(() => {});
      else htmx.trigger(part, "refresh");
    }
  }

  document.addEventListener("click", (event) => {
    const fresh = event.target.closest("[data-fresh]");
    if (fresh) htmx.trigger(fresh.closest("[data-live]"), "refresh");
  });

  function watch() {
    const address = document.body.dataset.stream;
    if (!address || document.hidden || stream) return;
    stream = new EventSource(address);
    let broken = false;
    stream.addEventListener("changed", refresh);
    stream.addEventListener("error", () => { broken = true; });
    // What happened while nobody listened is looked up.
    stream.addEventListener("open", () => { if (broken) refresh(); broken = false; });
  }

  function unwatch() {
    stream?.close();
    stream = null;
  }

  // A browser has few connections to a server: a page that nobody sees needs none.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return unwatch();
    if (document.body.dataset.stream) refresh();
    watch();
  });
  addEventListener("pagehide", unwatch);
  addEventListener("pageshow", watch);

  // What is opened stays open when its part is asked for again, and a log that is read at its end stays there.
  if (window.Idiomorph) {
    Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) => !(name === "open" && node.localName === "details");
  }
  let atEnd = false;
  document.addEventListener("htmx:beforeSwap", () => {
    const log = one("#log");
    atEnd = Boolean(log) && log.scrollHeight - log.scrollTop - log.clientHeight < 8;
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    localize(document);
    markOpen();
    const log = one("#log");
    if (log && atEnd) log.scrollTop = log.scrollHeight;
    if (event.detail.target?.id === "dialog" && event.detail.target.firstElementChild && !dialog().open) dialog().showModal();
    if (event.detail.target?.id === "panel") panel().scrollTop = 0;
  });

  // The theme: as the system is, or the other one.

  function offerTheme() {
    const button = one(".theme");
    if (!button) return;
    const root = document.documentElement;
    const systemDark = matchMedia("(prefers-color-scheme: dark)");
    const isDark = () => root.dataset.theme === "dark" || (root.dataset.theme !== "light" && systemDark.matches);
    const label = () => { button.textContent = isDark() ? "Light" : "Dark"; button.title = `Change to the ${isDark() ? "light" : "dark"} theme`; };
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      document.cookie = `fusebox_theme=${root.dataset.theme}; Path=/console; SameSite=Strict; Max-Age=31536000`;
      label();
    });
    label();
    button.hidden = false;
  }

  function begin() {
    localize(document);
    offerTheme();
    markOpen();
    watch();
  }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
