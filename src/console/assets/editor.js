// The editor of source code: colours, where faults are, testing and saving without leaving the page. Without it the fields are
// plain ones, and the same form does the same.
"use strict";

(() => {
  const form = document.querySelector("form.editor");
  if (!form || !window.CodeMirror) return;
  const {
    EditorState, EditorView, HighlightStyle, bracketMatching, closeBrackets, closeBracketsKeymap, defaultKeymap, drawSelection,
    highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, history, historyKeymap, indentOnInput, indentUnit,
    indentWithTab, javascript, json, keymap, lineNumbers, lintGutter, python, setDiagnostics, syntaxHighlighting, tags,
  } = window.CodeMirror;

  // Colours are the page's own: custom properties reach into the shadow tree, whichever theme it is.

  const theme = EditorView.theme({
    "&": { backgroundColor: "var(--surface)", color: "var(--text)", border: "1px solid var(--line)", borderRadius: "6px", fontSize: "13px" },
    "&.cm-focused": { outline: "2px solid var(--focus)" },
    ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5", overflow: "auto" },
    ".cm-content": { caretColor: "var(--text)" },
    ".cm-cursor, .cm-dropCursor": { borderLeftColor: "var(--text)" },
    ".cm-gutters": { backgroundColor: "var(--raised)", color: "var(--soft)", border: "none", borderRadius: "6px 0 0 6px" },
    ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "color-mix(in srgb, var(--hover) 55%, transparent)" },
    "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { background: "var(--running-ground)" },
    "&.cm-focused .cm-matchingBracket, .cm-matchingBracket": { backgroundColor: "var(--success-ground)", color: "inherit" },
    "&.cm-focused .cm-nonmatchingBracket, .cm-nonmatchingBracket": { backgroundColor: "var(--error-ground)", color: "inherit" },
    ".cm-specialChar": { color: "var(--error)" },
    ".cm-tooltip": { backgroundColor: "var(--surface)", color: "var(--text)", border: "1px solid var(--line)", maxWidth: "min(34rem, 80vw)" },
    ".cm-diagnostic": { whiteSpace: "pre-wrap" },
    ".cm-diagnostic-error": { borderLeftColor: "var(--error)" },
  });
  const colours = HighlightStyle.define([
    { tag: [tags.keyword, tags.modifier, tags.controlKeyword, tags.operatorKeyword], color: "var(--accent)", fontWeight: "600" },
    { tag: [tags.string, tags.special(tags.string), tags.regexp], color: "var(--success)" },
    { tag: [tags.number, tags.bool, tags.null, tags.atom, tags.self], color: "var(--warning)" },
    { tag: [tags.comment, tags.meta], color: "var(--soft)", fontStyle: "italic" },
    { tag: [tags.typeName, tags.className, tags.definition(tags.function(tags.variableName)), tags.function(tags.propertyName)], color: "var(--running)" },
    { tag: tags.invalid, color: "var(--error)" },
  ]);

  // What is typed over marked text a browser would insert with the style of what was there, as a `style` that the
  // Content-Security-Policy forbids. So the editor does it itself, as it does what it reads from the page.

  const typedOver = EditorView.domEventHandlers({
    beforeinput(event, view) {
      const { main, ranges } = view.state.selection;
      if (event.inputType !== "insertText" || !event.data || event.isComposing || view.composing || main.empty) return false;
      event.preventDefault();
      const { data } = event;
      const insert = () => view.state.update(view.state.replaceSelection(data), { userEvent: "input.type", scrollIntoView: true });
      const handlers = ranges.length === 1 ? view.state.facet(EditorView.inputHandler) : [];
      if (!handlers.some((handle) => handle(view, main.from, main.to, data, insert))) view.dispatch(insert());
      return true;
    },
  });

  const languages = { javascript: () => javascript(), typescript: () => javascript({ typescript: true }), python, json };

  const state = form.querySelector("[data-state]");
  const version = form.elements.namedItem("version");
  const editors = new Map();
  let saved = null;
  let busy = false;

  const textOf = (name) => editors.get(name).state.doc.toString();
  const isDirty = () => textOf("code") !== saved;

  function tell() {
    if (!busy) state.textContent = isDirty() ? "Not saved yet" : "Saved";
  }

  // A field becomes an editor. It lives in a shadow tree, where its styles are style sheets made by script: a `<style>` of the
  // page's own would be one too many for its Content-Security-Policy.

  function edit(field, label, keys) {
    const host = document.createElement("div");
    host.className = "code-host";
    host.id = `${field.id}-editor`;
    field.before(host);
    const root = host.attachShadow({ mode: "open" });
    const place = document.createElement("div");
    root.append(place);
    const language = languages[field.dataset.code];
    const view = new EditorView({
      root,
      parent: place,
      state: EditorState.create({
        doc: field.value,
        extensions: [
          keymap.of(keys), lineNumbers(), lintGutter(), history(), highlightSpecialChars(), drawSelection(), indentOnInput(), bracketMatching(),
          closeBrackets(), highlightActiveLine(), highlightActiveLineGutter(), indentUnit.of(field.dataset.code === "python" ? "    " : "  "),
          keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, indentWithTab]), syntaxHighlighting(colours), theme, typedOver,
          EditorView.theme({ "&": { height: field.id === "code" ? "min(62vh, 44rem)" : "11rem" } }),
          EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false", tabindex: "0" }),
          EditorView.updateListener.of((update) => { if (update.docChanged) tell(); }),
          ...(language ? [language()] : []),
        ],
      }),
    });
    // The keys of the console are not for who types here.
    host.addEventListener("keydown", (event) => event.stopPropagation());
    field.labels[0]?.addEventListener("click", () => view.focus());
    field.hidden = true;
    editors.set(field.id, view);
    return view;
  }

  // Where something is wrong: at its line, if the code has one.

  function mark(faults) {
    const view = editors.get("code");
    const marks = [];
    for (const fault of faults) {
      const number = Number(fault.dataset.line);
      if (!(number >= 1 && number <= view.state.doc.lines)) continue;
      const line = view.state.doc.line(number);
      const from = Math.min(line.from + Math.max(0, Number(fault.dataset.column || 1) - 1), line.to);
      const words = (fault.querySelector(".said") ?? fault).textContent.trim();
      marks.push({ from, to: Math.max(from, line.to), severity: "error", message: words });
      const go = document.createElement("button");
      go.type = "button";
      go.className = "copy";
      go.textContent = `Go to line ${number}`;
      go.addEventListener("click", () => {
        view.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: "center" }) });
        view.focus();
      });
      fault.append(" ", go);
    }
    marks.sort((a, b) => a.from - b.from);
    view.dispatch(setDiagnostics(view.state, marks));
    if (marks.length > 0) view.dispatch({ effects: EditorView.scrollIntoView(marks[0].from, { y: "nearest", yMargin: 60 }) });
  }

  const outcome = () => document.getElementById("outcome");

  function say(text) {
    const words = document.createElement("p");
    words.className = "problem";
    words.setAttribute("role", "alert");
    words.textContent = text;
    outcome().replaceChildren(words);
  }

  function show(answer) {
    const found = new DOMParser().parseFromString(answer, "text/html");
    const fresh = found.getElementById("outcome");
    if (fresh) outcome().replaceWith(fresh);
    else outcome().replaceChildren(...found.body.childNodes);
    mark(outcome().querySelectorAll("[data-line]"));
  }

  /** Whether somebody signed in anew meanwhile, in another tab: then this page has that session's secret now. */
  async function renewed() {
    const answer = await fetch(location.href);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const csrf = page.querySelector("form.editor [name=csrf]")?.value;
    const own = form.elements.namedItem("csrf");
    if (!csrf || csrf === own.value) return false;
    own.value = csrf;
    return true;
  }

  async function send(what, submitter) {
    if (busy) return;
    for (const [name, view] of editors) form.elements.namedItem(document.getElementById(name).name).value = view.state.doc.toString();
    const text = textOf("code");
    busy = true;
    state.textContent = what === "save" ? "Saving…" : "Testing…";
    form.classList.add("busy");
    try {
      const address = what === "save" ? form.action : `${form.action}/test`;
      const ask = () => fetch(address, {
        method: "POST", body: new URLSearchParams(new FormData(form, submitter)), headers: { "HX-Request": "true" },
      });
      let answer = await ask();
      if (answer.status === 403 && await renewed()) answer = await ask();
      if (answer.status === 401) {
        say("You are not signed in any more. Your text stays here: sign in in another tab, then do this again.");
      } else if (answer.headers.get("content-type")?.startsWith("text/html")) {
        show(await answer.text());
        if (answer.ok && what === "save") {
          saved = text;
          version.value = outcome().dataset.version;
          document.querySelector("[data-shown-version]").textContent = version.value;
        }
      } else say(`The server answered ${answer.status} and nothing that can be shown; your text stays here.`);
    } catch {
      say("The server did not answer; your text stays here. Try again.");
    }
    busy = false;
    form.classList.remove("busy");
    tell();
    outcome().scrollIntoView({ block: "nearest" });
  }

  const keys = [
    { key: "Mod-s", preventDefault: true, run: () => { send("save"); return true; } },
    { key: "Mod-Enter", run: () => { send("test"); return true; } },
  ];
  for (const field of form.querySelectorAll("textarea[data-code]")) edit(field, field.labels[0]?.textContent ?? field.name, keys);
  if ("saved" in form.dataset) saved = textOf("code");
  form.querySelector("[data-keys]").hidden = false;
  tell();
  mark(outcome().querySelectorAll("[data-line]"));

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(event.submitter?.dataset.do ?? "test", event.submitter);
  });
  form.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
    if (event.key === "s" || event.key === "Enter") {
      event.preventDefault();
      send(event.key === "s" ? "save" : "test");
    }
  });
  addEventListener("beforeunload", (event) => { if (isDirty()) event.preventDefault(); });
})();
