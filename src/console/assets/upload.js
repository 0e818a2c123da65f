// Uploading a module: the file as it is, with progress, and the refusal beside the form.
"use strict";

(() => {
  const form = document.querySelector("[data-upload]");
  if (!form) return;
  const box = form.closest("[data-drop]");
  const one = (selector) => form.querySelector(selector);
  const field = (name) => form.elements.namedItem(name);
  const file = one("input[type='file']");
  const [button, stop, progress, bar, words, problem] =
    ["button.primary", "[data-stop]", ".progress", "progress", "[data-progress]", "[data-problem]"].map(one);
  let sending = null;
  // What was proposed from the file's name may be proposed anew; what was typed stays.
  let proposed = "";
  form.hidden = false;

  const megabytes = (bytes) => (bytes / 1048576).toFixed(1);

  function say(text) {
    problem.textContent = "";
    if (!text) return;
    const words = document.createElement("p");
    words.className = "problem";
    words.textContent = text;
    problem.append(words);
  }

  function chosen() {
    const [taken] = file.files;
    say("");
    if (!taken) return;
    const name = field("name");
    if (name.value === proposed) {
      proposed = taken.name.toLowerCase().replace(/\.(wasm|wat)$/, "").replace(/[^a-z0-9._-]+/g, "-").replace(/^[^a-z0-9]+/, "").slice(0, 128);
      name.value = proposed;
    }
    if (taken.size > Number(form.dataset.bytesMax)) {
      say(`${taken.name} has ${megabytes(taken.size)} MB; a module may have ${form.dataset.sizeMax}.`);
    }
  }
  file.addEventListener("change", chosen);

  // A file that is dragged over the page shows where it will go, wherever it is dropped.
  let depth = 0;
  const hasFile = (event) => Array.from(event.dataTransfer?.types ?? []).includes("Files");
  const over = (on) => box.classList.toggle("over", on);
  addEventListener("dragenter", (event) => {
    if (!hasFile(event)) return;
    depth += 1;
    box.open = true;
    over(true);
  });
  addEventListener("dragleave", (event) => {
    if (!hasFile(event)) return;
    depth = Math.max(0, depth - 1);
    if (depth === 0) over(false);
  });
  addEventListener("dragover", (event) => { if (hasFile(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    depth = 0;
    over(false);
    if (sending) return;
    const only = new DataTransfer();
    const { files } = event.dataTransfer;
    if (files.length === 0) return;
    only.items.add(files[0]);
    file.files = only.files;
    chosen();
    if (files.length > 1) say(`One file at a time: ${files[0].name} was taken.`);
    box.scrollIntoView({ block: "nearest" });
    field("name").focus();
  });

  function busy(on) {
    button.disabled = on;
    file.disabled = on;
    stop.hidden = !on;
    progress.hidden = !on;
  }

  function ended(text) {
    sending = null;
    busy(false);
    if (text) say(text);
    problem.scrollIntoView({ block: "nearest" });
  }

  function refused(xhr) {
    if (xhr.getResponseHeader("hx-redirect")) {
      location.assign(xhr.getResponseHeader("hx-redirect"));
      return;
    }
    if (!xhr.getResponseHeader("content-type")?.startsWith("text/html")) {
      ended(`The server answered ${xhr.status} and nothing that can be shown.`);
      return;
    }
    const answer = new DOMParser().parseFromString(xhr.responseText, "text/html");
    problem.textContent = "";
    problem.append(...answer.body.childNodes);
    ended("");
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [taken] = file.files;
    if (sending) return;
    if (!taken) {
      say("Choose a file first.");
      file.focus();
      return;
    }
    if (taken.size > Number(form.dataset.bytesMax)) {
      chosen();
      return;
    }
    const query = new URLSearchParams();
    for (const name of ["name", "version", "owner_id"]) {
      const value = field(name)?.value.trim();
      if (value) query.set(name, value);
    }
    say("");
    busy(true);
    bar.value = 0;
    words.textContent = "";
    const xhr = new XMLHttpRequest();
    sending = xhr;
    xhr.open("POST", `${form.dataset.upload}?${query}`);
    xhr.setRequestHeader("x-csrf-token", field("csrf").value);
    xhr.setRequestHeader("content-type", "application/wasm");
    // As a part of this page, so that a refusal is one too.
    xhr.setRequestHeader("hx-request", "true");
    xhr.upload.addEventListener("progress", ({ loaded, total }) => {
      bar.max = total;
      bar.value = loaded;
      words.textContent = `${megabytes(loaded)} of ${megabytes(total)} MB sent`;
    });
    xhr.upload.addEventListener("load", () => {
      bar.removeAttribute("value");
      words.textContent = "Sent. It is being checked and compiled…";
    });
    xhr.addEventListener("load", () => {
      const place = xhr.getResponseHeader("hx-redirect");
      if (xhr.status >= 200 && xhr.status < 300 && place) {
        sending = null;
        words.textContent = "Done.";
        location.assign(place);
      } else refused(xhr);
    });
    xhr.addEventListener("error", () => ended("The connection broke off; nothing was stored unless the module is in the list. Try again."));
    xhr.addEventListener("abort", () => ended("Stopped. Nothing was stored unless the module is in the list."));
    xhr.send(taken);
  });
  stop.addEventListener("click", () => sending?.abort());
  addEventListener("beforeunload", (event) => { if (sending) event.preventDefault(); });
})();
