// The labelling page. Texts of rows only ever become text nodes: nothing in data can act in it.
"use strict";

const AHEAD = 5;                        // rows that are fetched before they are wanted
const BEAT = 60_000;                    // milliseconds after which the server is told which rows are still shown
const UNSURE = 0.5;                     // the confidence of who is not sure
const HIDDEN = /([\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\u2028\u2029])/u;
const LEGIBLE = new Set("\n\t\u200c\u200d");
const NAMES = {undo: "Undo", skip: "Skip", flag: "Flag", note: "Note", unsure: "Not sure", help: "Keys"};
const GONE = "The server does not answer. Is `ladle label` still running?";
const KEY_NAMES = {Backspace: "⌫", Enter: "↵", " ": "space", ArrowLeft: "←", ArrowRight: "→"};

const $ = selector => document.querySelector(selector);
const rowPlace = $("#row"), answerPlace = $("#answer"), dialog = $("#dialog");

let task = null;
let annotator = "", view = "label";
let current = null;                     // the row that is shown
let queue = [], disputes = [];          // rows that come after it
let draft = null;                       // what is chosen before it is said, where one key is not all
let cursor = -1, anchor = -1;           // words that are chosen, of spans
let isUnsure = false, isBusy = false, isAnswered = false;
let since = 0;
const outbox = [];                      // what was said and is not on the server's disk yet

// Small things

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") node.className = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter(child => child !== null));
  return node;
}

// A text with what cannot be seen, or would turn the direction of what follows, spelt out.
function legible(text) {
  if (!HIDDEN.test(text)) return [text];
  return text.split(HIDDEN).filter(Boolean).map(part => {
    if (!HIDDEN.test(part) || LEGIBLE.has(part)) return part;
    const code = part.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    return make("span", {class: "escape", title: "a character that cannot be seen"}, `U+${code}`);
  });
}

const number = count => count.toLocaleString("en");
const keycap = key => make("kbd", {"aria-hidden": "true"}, KEY_NAMES[key] || key);
const fresh = () => crypto.getRandomValues(new Uint32Array(4)).join("-");
const tell = text => { $("#live").textContent = text; };
const isSpans = () => task.question.form === "spans";

function shown(value) {
  if (value === null || value === undefined) return "";
  if (!Array.isArray(value)) return String(value);
  if (!value.length) return isSpans() ? "nothing marked" : "none";
  return value.map(item => item.label ? `${item.text} ${item.label}` : item).join(", ");
}

// The server

async function ask(path, body) {
  const request = body && {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)};
  const response = await fetch(`api/${path}`, request);
  const found = await response.json();
  if (!response.ok) throw Object.assign(new Error(found.error), {status: response.status, there: found.there});
  return found;
}

const who = () => ({annotator, window: tabName()});

function tabName() {
  if (!sessionStorage.getItem("window")) sessionStorage.setItem("window", fresh());
  return sessionStorage.getItem("window");
}

function trouble(text) {
  $("#trouble").textContent = text;
  $("#trouble").hidden = !text;
}

// What is said goes out one after another, each until the server has it on its disk.
async function pump() {
  if (pump.isRunning) return;
  pump.isRunning = true;
  for (let wait = 500; outbox.length; ) {
    const letter = outbox[0];
    try {
      const found = await ask(letter.path, letter.item ? {...letter.body, seen: letter.item.seen} : letter.body);
      if (wait > 500) trouble("");
      wait = 500;
      outbox.shift();
      letter.done(found);
    } catch (error) {
      if (error.status && error.status !== 503) {
        outbox.shift();
        letter.failed(error);
      } else {
        const labels = `${outbox.length} ${outbox.length === 1 ? "thing you said is" : "things you said are"}`;
        trouble(`${error.status ? error.message : "The server does not answer"}: ${labels} not saved. Keep this page open: it tries again.`);
        showSaved();
        await new Promise(resolve => setTimeout(resolve, wait));
        wait = Math.min(wait * 2, 5000);
      }
    }
    showSaved();
  }
  pump.isRunning = false;
}

// Of a label of an item the server is told which one was seen before, as it is known when its turn comes.
function send(path, body, done = () => {}, failed = error => trouble(error.message), item = null) {
  outbox.push({path, body: {...who(), token: fresh(), ...body}, done, failed, item});
  showSaved();
  pump();
}

function showSaved() {
  const place = $("#saved"), isLost = !$("#trouble").hidden && outbox.length > 0;
  place.textContent = isLost ? "not saved" : outbox.length ? "saving…" : "all saved";
  place.className = isLost ? "lost" : outbox.length ? "busy" : "";
}

// Rows

async function fill() {
  if (view !== "label" || fill.isRunning) return;
  fill.isRunning = true;
  try {
    const coming = outbox.filter(letter => letter.body.row).map(letter => letter.body.row);
    const have = [current, ...queue].filter(Boolean).map(item => item.row);
    const count = AHEAD - have.length;
    if (count > 0) {
      const found = await ask("next", {...who(), count, have: [...new Set([...have, ...coming])]});
      const known = new Set([current, ...queue].filter(Boolean).map(item => item.row));
      queue.push(...found.filter(item => !known.has(item.row)));
    }
    if (!current && view === "label") advance();
  } catch (error) {
    if (!outbox.length) trouble(error.status ? error.message : GONE);  // else what is not saved is told
  } finally {
    fill.isRunning = false;
  }
}

function advance() {
  show((view === "settle" ? disputes : queue).shift() || null);
  if (view === "label") fill();
}

// Another row is shown now; the one that was is shown again after it.
function interrupt(item) {
  if (current && current.row !== item.row && !isAnswered) (view === "settle" ? disputes : queue).unshift(current);
  queue = queue.filter(other => other.row !== item.row);
  show(item);
}

function show(item) {
  current = item;
  isUnsure = view === "label" && item !== null && item.confidence !== null && item.confidence < 1;
  isAnswered = false;
  since = performance.now();
  cursor = anchor = -1;
  draft = item && startOf(item);
  showRow();
  showAnswer();
  showActions();
  rowPlace.scrollTop = 0;
  if (!dialog.open) focusRow();
}

function focusRow() {
  const field = answerPlace.querySelector("textarea, input");
  (field && current ? field : rowPlace).focus({preventScroll: true});
}

// What an answer begins with: the annotator's own, or what the row has brought along; who settles spans begins with some.
function startOf(item) {
  const first = isSpans() ? item.answers?.[0].value : null;
  const value = view === "settle" ? first : item.answer !== null ? item.answer : item.given;
  if (isSpans()) return spansOf(item, value || []);
  if (task.question.form === "choices") return new Set(value || []);
  return value ?? null;
}

function showRow() {
  rowPlace.replaceChildren();
  $("#about").hidden = !current;
  $("#asked").hidden = !current;
  if (!current) {
    rowPlace.append(nothingLeft());
    return;
  }
  const main = isSpans() || current.marked.length ? null : mainCell();
  if (isSpans()) rowPlace.append(wordsCell());
  if (current.marked && current.marked.length) {
    current.cells.forEach(cell => rowPlace.append(cellNode(cell, true)));
    rowPlace.append(make("div", {class: "pair", role: "group", "aria-label": "Which is better?"}, ...current.marked.map(sideNode)));
  } else {
    current.cells.forEach(cell => rowPlace.append(cellNode(cell, cell === main)));
  }
  showAbout();
}

// By choices their keys. Of a pair the first key is for what is shown first, whichever that is.
function keysNow() {
  if (task.question.form !== "pair" || !current) return task.keys;
  const keys = Object.values(task.keys);
  return Object.fromEntries(current.marked.map((cell, at) => [cell.name, keys[at]]));
}

// The cell to be read first: the longest text.
function mainCell() {
  return current.cells.reduce((best, cell) => (!best || cell.length > best.length ? cell : best), null);
}

function valueNode(cell) {
  if (cell.image) {
    const query = new URLSearchParams({row: current.row, column: cell.name});
    return make("div", {class: "value"}, make("img", {src: `image?${query}`, alt: cell.name}));
  }
  if (!cell.length) return make("div", {class: "value none"}, "nothing");
  return make("div", {class: "value", dir: "auto"}, ...legible(cell.text));
}

function cellNode(cell, isMain) {
  const isAlone = isMain && current.cells.length === 1 && !current.marked.length;
  const node = make("div", {class: `cell${isMain ? " main" : ""}${cell.length > 600 ? " long" : ""}`},
    isAlone ? null : make("h3", {}, ...legible(cell.name)), valueNode(cell));
  if (cell.cut) node.append(moreButton(cell.length, () => ask(rowQuery(current.row))));
  return node;
}

const rowQuery = (row, limit = "") => `row?${new URLSearchParams({row, annotator, limit})}`;

function moreButton(length, fetchAll, what = "Show all") {
  const button = make("button", {type: "button", class: "more"}, `${what} (${number(length)} characters)`);
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const whole = await fetchAll();
      if (!current || current.row !== whole.row) return;
      Object.assign(current, {cells: whole.cells, marked: whole.marked || [], words: whole.words});
      const top = rowPlace.scrollTop;
      showRow();
      rowPlace.scrollTop = top;
    } catch (error) {
      trouble(error.message);
      button.disabled = false;
    }
  });
  return button;
}

function sideNode(cell) {
  const key = keysNow()[cell.name];
  const isChosen = draft === cell.name;
  const node = make("div", {},
    make("button", {type: "button", class: "side", "aria-pressed": String(isChosen), "aria-keyshortcuts": key, "data-choice": cell.name,
      onclick: () => choose(cell.name)}, keycap(key), valueNode(cell)));
  if (cell.cut) node.append(moreButton(cell.length, () => ask(rowQuery(current.row))));
  return node;
}

function nothingLeft() {
  const done = view === "settle"
    ? ["Nothing is left to settle."]
    : ["No row is left for you: all have the labels they need, or are open in another window. Go on with ", make("code", {}, task.command)];
  return make("div", {class: "nothing"}, make("p", {}, ...done),
    make("button", {type: "button", onclick: () => open(view)}, "Look again"));
}

function showAbout() {
  const place = $("#about");
  place.replaceChildren(make("span", {}, "row ", make("b", {}, number(current.place))));
  if (view === "settle") place.append(make("span", {}, "annotators disagree: settle the label"));
  else if (current.answer !== null) place.append(make("span", {}, "you said ", make("b", {}, ...legible(shown(current.answer))), "; Enter leaves it so"));
  else if (current.given !== null) place.append(make("span", {}, "it has the label ", make("b", {}, ...legible(shown(current.given))), "; Enter takes it"));
  if (current.note) place.append(make("span", {}, "your note: ", make("bdi", {}, ...legible(current.note))));
}

// Answers

function showAnswer() {
  answerPlace.replaceChildren();
  answerPlace.className = "";
  const said = $("#said");
  said.hidden = view !== "settle" || !current;
  if (!current) return;
  if (view === "settle") said.replaceChildren(...current.answers.map(saidNode));
  const {form, labels} = task.question;
  if (form === "choice") answerPlace.append(...labels.map(label => choiceNode(label, draft === label)));
  if (form === "choices") answerPlace.append(...labels.map(label => choiceNode(label, draft.has(label))), doneNode());
  if (form === "spans") answerPlace.append(...labels.map((label, at) => choiceNode(label, null, `span h${at % 6}`)), doneNode());
  if (form === "number" && Object.keys(task.keys).length) {
    answerPlace.className = "numbers";
    answerPlace.append(...Object.keys(task.keys).sort((a, b) => a - b).map(label => choiceNode(label, String(draft) === label, "short")));
  } else if (form === "number" || form === "text") {
    answerPlace.append(fieldNode(form), doneNode());
  }
}

function saidNode(answer) {
  const extra = [answer.confidence !== null && answer.confidence < 1 ? "not sure" : "", answer.note].filter(Boolean).join(", ");
  return make("li", {}, make("bdi", {}, ...legible(answer.annotator)), ": ", make("b", {}, ...legible(shown(answer.value))),
    extra ? make("small", {}, " (", make("bdi", {}, ...legible(extra)), ")") : null);
}

function choiceNode(label, isChosen, extra = "") {
  const key = task.keys[label];
  return make("button", {type: "button", class: `choice ${extra}`, "data-choice": label, "aria-keyshortcuts": key,
    "aria-pressed": isChosen === null ? null : String(isChosen), onclick: () => choose(label)},
  key && key !== label ? keycap(key) : null, make("bdi", {}, ...legible(label)));
}

function doneNode() {
  return make("button", {type: "button", class: "done", onclick: finish}, "Done", keycap("Enter"));
}

function fieldNode(form) {
  const start = draft === null ? "" : String(draft);
  const {from, to, whole} = task.question;
  const field = form === "text"
    ? make("textarea", {"aria-label": task.into, dir: "auto", placeholder: "Write, then Enter (Shift+Enter begins a line)"})
    : make("input", {type: "number", min: from, max: to, step: whole ? 1 : "any", "aria-label": task.into, placeholder: `${from} to ${to}`});
  field.value = start;
  field.addEventListener("keydown", event => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      event.stopPropagation();
      finish();
    } else if (event.key === "Escape") {
      rowPlace.focus();
    }
  });
  return field;
}

function choose(label) {
  if (!current || isBusy) return;
  const {form} = task.question;
  if (form === "choices") {
    draft.has(label) ? draft.delete(label) : draft.add(label);
    tell(`${label} ${draft.has(label) ? "chosen" : "not chosen"}`);
    showAnswer();
    return;
  }
  if (form === "spans") {
    markChosen(label);
    return;
  }
  say(form === "number" ? Number(label) : label);
}

// Enter, or Done: what is chosen is the answer.
function finish() {
  if (!current || isBusy) return;
  const {form, labels} = task.question;
  if (isAnswered) return advance();
  if (form === "spans") return say(draft.map(({start, end, label}) => ({start, end, label})), true);
  if (form === "choices") return say(labels.filter(label => draft.has(label)), true);
  const field = answerPlace.querySelector("textarea, input");
  if (field && !field.value.trim()) return tell("the answer is empty");
  if (field) return say(form === "number" ? Number(field.value) : field.value, true);
  if (view === "settle") return;
  if (current.answer !== null) advance();
  else if (draft !== null) say(draft, true);
}

function say(value, isWhole = false) {
  const item = current;
  const kind = view === "settle" ? "final" : "label";
  const seconds = Math.round((performance.now() - since) / 100) / 10;
  const body = {kind, row: item.row, value, seconds, confidence: isUnsure ? UNSURE : null};
  flash(value);
  send("say", body, found => said(item, found), error => refused(item, body, error), item);
  tell(`said ${shown(value)}`);
  if (task.advance || isWhole) advance();
  else {
    isAnswered = true;
    draft = value;
    showRow();
    showAnswer();
  }
}

function flash(value) {
  const node = [...document.querySelectorAll("[data-choice]")].find(other => other.dataset.choice === String(value));
  if (node) node.classList.add("flash");
}

function said(item, found) {
  item.seen = found.number;
  item.answer = found.value;
  refresh();
}

function refused(item, body, error) {
  if (error.status !== 409) {
    trouble(`Not saved: ${error.message}`);
    interrupt(item);
    return;
  }
  const there = error.there;
  item.seen = there ? there.number : 0;
  const what = there ? ["this row has the label ", make("b", {}, ...legible(shown(there.value))), " from another window by now"] : ["the label of this row was taken back in another window"];
  openDialog("Labelled twice", [make("p", {}, "Meanwhile ", ...what, ". Which one shall hold?")], [
    ["Keep that", () => refresh()],
    [`Use mine: ${shown(body.value)}`, () => send("say", body, found => said(item, found), again => refused(item, body, again), item)],
  ]);
}

// Spans of words

function spansOf(item, spans) {
  const starts = new Map(item.words.words.map((word, at) => [word[2], at]));
  const ends = new Map(item.words.words.map((word, at) => [word[3], at]));
  return spans.map(span => ({first: starts.get(span.start) ?? Infinity, last: ends.get(span.end) ?? Infinity, start: span.start, end: span.end, label: span.label}));
}

function wordsCell() {
  const {words, length, cut} = current.words;
  draft = spansOf(current, draft);
  const text = make("div", {class: "value words", dir: "auto"});
  const byFirst = new Map(draft.map(span => [span.first, span]));
  let place = text, open = null;
  words.forEach(([gap, word], at) => {
    if (gap) place.append(make("span", {"data-gap": at}, ...legible(gap)));
    if (byFirst.has(at)) {
      open = byFirst.get(at);
      place = make("mark", {class: `h${task.question.labels.indexOf(open.label) % 6}`});
      text.append(place);
    }
    place.append(make("span", {class: "word", "data-at": at}, ...legible(word)));
    if (open && open.last === at) {
      place.append(make("b", {class: "tag"}, ...legible(open.label)));
      place = text;
      open = null;
    }
  });
  const node = make("div", {class: `cell main${length > 1200 ? " long" : ""}`}, text);
  if (!words.length) text.append(make("span", {class: "none"}, "nothing to mark"));
  if (cut) node.append(moreButton(length, () => ask(rowQuery(current.row, current.words.shown * 4)), "Show more"));
  return node;
}

const isChosen = at => cursor >= 0 && Math.min(cursor, anchor) <= at && at <= Math.max(cursor, anchor);

function showChosen() {
  for (const node of rowPlace.querySelectorAll("[data-at], [data-gap]")) {
    const {at, gap} = node.dataset;
    node.classList.toggle("chosen", gap === undefined ? isChosen(Number(at)) : isChosen(gap - 1) && isChosen(Number(gap)));
  }
  const word = rowPlace.querySelector(`.word[data-at="${cursor}"]`);
  if (word) word.scrollIntoView({block: "nearest"});
}

function chooseWords(to, isMore) {
  const words = current.words.words;
  if (!words.length) return;
  cursor = Math.max(0, Math.min(words.length - 1, to));
  if (!isMore || anchor < 0) anchor = cursor;
  showChosen();
  const [first, last] = [Math.min(cursor, anchor), Math.max(cursor, anchor)];
  tell(words.slice(first, last + 1).map(word => word[1]).join(" "));
}

function markChosen(label) {
  if (cursor < 0) return tell("choose words first: with the arrow keys, or the mouse");
  const [first, last] = [Math.min(cursor, anchor), Math.max(cursor, anchor)];
  const words = current.words.words;
  draft = draft.filter(span => span.last < first || span.first > last);
  if (label !== null) draft.push({first, last, start: words[first][2], end: words[last][3], label});
  draft.sort((a, b) => a.start - b.start);
  tell(label === null ? "mark removed" : `${words.slice(first, last + 1).map(word => word[1]).join(" ")}: ${label}`);
  anchor = cursor = label === null ? cursor : last;
  const top = rowPlace.scrollTop;
  showRow();
  rowPlace.scrollTop = top;
  showChosen();
}

let isDragging = false;
const wordAt = event => { const node = event.target.closest(".word"); return node ? Number(node.dataset.at) : -1; };

rowPlace.addEventListener("pointerdown", event => {
  const at = current && isSpans() ? wordAt(event) : -1;
  if (at < 0 || event.button) return;
  const extends_ = event.shiftKey || (event.pointerType !== "mouse" && cursor >= 0 && cursor === anchor && at !== cursor);
  chooseWords(at, extends_);
  isDragging = event.pointerType === "mouse";
});
rowPlace.addEventListener("pointerover", event => {
  const at = isDragging ? wordAt(event) : -1;
  if (at >= 0) chooseWords(at, true);
});
window.addEventListener("pointerup", () => { isDragging = false; });

// Actions

function showActions() {
  const place = $("#actions");
  const pressed = {flag: current && current.flagged, unsure: isUnsure};
  place.replaceChildren(...Object.keys(NAMES).map(action => make("button", {
    type: "button", "aria-keyshortcuts": task.actions[action],
    "aria-pressed": action in pressed ? String(Boolean(pressed[action])) : null,
    onclick: () => act(action),
  }, keycap(task.actions[action]), NAMES[action])));
}

function act(action) {
  if (isBusy) return;
  if (action === "help") return openHelp();
  if (action === "undo") return undo();
  if (!current) return;
  const item = current;
  const speak = (kind, value) => send("say", {kind, row: item.row, value}, refresh);
  if (action === "skip") {
    if (view === "label") speak("skip", null);
    tell("skipped");
    advance();
  } else if (action === "flag") {
    item.flagged = !item.flagged;
    speak("flag", item.flagged);
    tell(item.flagged ? "flagged" : "not flagged");
    showActions();
  } else if (action === "unsure") {
    isUnsure = !isUnsure;
    tell(isUnsure ? "not sure" : "sure");
    showActions();
  } else if (action === "note") {
    const field = make("textarea", {"aria-label": "Note", dir: "auto"});
    field.value = item.note;
    openDialog("Note about this row", [field], [
      ["Cancel", () => {}],
      ["Save", () => { item.note = field.value.trim(); speak("note", item.note); if (current === item) showAbout(); }],
    ], field);
  }
}

function undo() {
  isBusy = true;
  send("undo", {}, found => {
    isBusy = false;
    tell(`undone: ${found.kind}`);
    refresh();
    if (found.kind === "final" || view === "settle") open("settle");
    else interrupt(found.row);
  }, error => {
    isBusy = false;
    tell(error.message);
    trouble(error.message);
    setTimeout(() => { if (!outbox.length) trouble(""); }, 3000);
  });
}

// Keys

document.addEventListener("keydown", event => {
  if (!task || dialog.open || event.isComposing || event.altKey) return;
  const isField = event.target.matches("input, textarea, select");
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && !isField) {
    event.preventDefault();
    undo();
  }
  if (event.ctrlKey || event.metaKey || isField || !["label", "settle"].includes(view)) return;
  if (event.target.matches("button") && ["Enter", " ", "Tab"].includes(event.key)) return;
  if (current && isSpans() && wordKey(event)) return event.preventDefault();
  if (event.repeat) return;             // a key held down labels one row, not twenty
  const keys = keysNow(), label = Object.keys(keys).find(choice => keys[choice] === event.key);
  const action = Object.keys(task.actions).find(name => task.actions[name] === event.key);
  if (label !== undefined && current && !isAnswered) choose(label);
  else if (label !== undefined && current) { isAnswered = false; choose(label); }
  else if (event.key === "Enter") finish();
  else if (action) act(action);
  else return;
  event.preventDefault();
});

function wordKey(event) {
  const last = current.words.words.length - 1;
  const to = {ArrowRight: cursor + 1, ArrowLeft: cursor < 0 ? last : cursor - 1, Home: 0, End: last}[event.key];
  if (to !== undefined) chooseWords(to, event.shiftKey);
  else if (event.key === "Delete" || event.key === "0") markChosen(null);
  else if (event.key === "Escape") { cursor = anchor = -1; showChosen(); }
  else return false;
  return true;
}

// Dialogs

function openDialog(title, content, buttons, field = null) {
  const form = dialog.firstElementChild;
  const nodes = buttons.map(([name, work], at) => make("button", {type: "submit", class: at === buttons.length - 1 ? "done" : "", onclick: event => {
    event.preventDefault();
    dialog.close();
    work();
  }}, ...legible(name)));
  form.replaceChildren(make("h2", {id: "title"}, title), ...content, make("div", {class: "row"}, ...nodes));
  dialog.setAttribute("aria-labelledby", "title");
  form.onsubmit = event => event.preventDefault();
  form.onkeydown = event => {
    if (event.key === "Enter" && !event.shiftKey && event.target === field) {
      event.preventDefault();
      nodes.at(-1).click();
    }
  };
  dialog.showModal();
  (field || nodes.at(-1)).focus();
  if (field && field.select) field.select();
}
dialog.addEventListener("close", () => { if (["label", "settle"].includes(view)) focusRow(); });

function openHelp() {
  const sides = ["the first one", "the other one"], isPair = task.question.form === "pair";
  const keys = [...Object.entries(task.keys).map(([label, key], at) => [[key], isPair ? sides[at] : label]), ...Object.keys(NAMES).map(name => [[task.actions[name]], NAMES[name]])];
  if (isSpans()) keys.push([["←", "→"], "choose a word (with Shift: several)"], [["0"], "remove the mark"]);
  keys.push([["Enter"], "done; leave, or take, the label that a row has"]);
  const list = make("dl", {}, ...keys.flatMap(([names, what]) => [make("dt", {}, ...names.map(keycap)), make("dd", {}, make("bdi", {}, ...legible(what)))]));
  openDialog("Keys", [list], [["Close", () => {}]]);
}

function askName() {
  const field = make("input", {"aria-label": "Name", maxlength: 100, autocomplete: "off"});
  field.value = annotator;
  openDialog("Who labels?", [make("p", {}, "Each label keeps the name of who gave it."), field], [
    ["Cancel", () => {}],
    ["Change", () => { if (field.value.trim()) become(field.value.trim()); }],
  ], field);
}

function become(name) {
  if (annotator) ask("release", who()).catch(() => {});
  annotator = name;
  sessionStorage.setItem("annotator", name);
  $("#who").replaceChildren(make("bdi", {}, ...legible(name)));
  open(view);
}

// Views

async function open(name) {
  view = name;
  document.querySelectorAll("nav button").forEach(button => {
    button.dataset.view === name ? button.setAttribute("aria-current", "page") : button.removeAttribute("aria-current");
  });
  const isRows = name === "label" || name === "settle";
  $("main").classList.toggle("plain", !isRows);
  $("#labelling").hidden = $("#latest").hidden = !isRows;
  $("#progress").hidden = name !== "progress";
  $("#entering").hidden = name !== "enter";
  queue = [];
  current = null;
  try {
    if (name === "settle") {
      disputes = await ask(`disputes?${new URLSearchParams({annotator})}`);
      advance();
    } else if (name === "label") await fill();
    else if (name === "progress") await showProgress();
    else showEntering();
    await refresh();
  } catch (error) {
    trouble(error.status ? error.message : GONE);
  }
}

// Counts and the last labels, after what was said; at most twice a second.
async function refresh() {
  if (refresh.isRunning) { refresh.isWanted = true; return; }
  refresh.isRunning = true;
  try {
    do {
      refresh.isWanted = false;
      const [progress, history] = await Promise.all([ask("progress"), ask(`history?${new URLSearchParams({annotator})}`)]);
      showCounts(progress);
      showHistory(history);
      await new Promise(resolve => setTimeout(resolve, 500));
    } while (refresh.isWanted);
  } catch (error) {
    if (error.status) trouble(error.message);
  } finally {
    refresh.isRunning = false;
  }
}

function showCounts(found) {
  const isEnough = found.settled >= found.enough;
  const goal = isEnough ? found.rows : found.enough;
  const bar = $(".bar");
  bar.firstElementChild.style.width = `${100 * Math.min(1, found.settled / Math.max(1, goal))}%`;
  bar.setAttribute("aria-valuemax", goal);
  bar.setAttribute("aria-valuenow", Math.min(found.settled, goal));
  $("#count").textContent = isEnough
    ? `${number(found.settled)} of ${number(found.rows)} rows have a label: enough to go on`
    : `${number(found.settled)} of ${number(found.enough)} needed · ${number(found.rows)} rows`;
  $("#disputed").textContent = found.disputed ? number(found.disputed) : "";
  showSaved();
}

function showHistory(history) {
  $("#latest ol").replaceChildren(...history.map(entry => make("li", {}, make("button", {type: "button", onclick: async () => {
    try {
      const item = await ask(rowQuery(entry.row, 4000));
      if (view === "settle") await open("label");
      interrupt(item);
    } catch (error) {
      trouble(error.message);
    }
  }}, make("b", {}, ...legible(shown(entry.value)), entry.confidence !== null && entry.confidence < 1 ? " ?" : ""), make("bdi", {}, ...legible(entry.text))))));
  if (!history.length) $("#latest ol").append(make("p", {}, "They appear here; click one to change it."));
}

const headline = (value, what) => make("p", {}, make("b", {}, value), what);
const row = (...cells) => make("tr", {}, ...cells);
const cellOf = (text, kind = "") => make("td", {class: kind}, make("bdi", {}, ...legible(String(text))));

async function showProgress() {
  const [found, agreement] = await Promise.all([ask("progress"), ask("agreement")]);
  const most = Math.max(1, ...Object.values(found.labels));
  const share = count => { const bar = make("i"); bar.style.width = `${100 * count / most}%`; return make("td", {class: "wide"}, make("span", {class: "bar"}, bar)); };
  const place = $("#progress");
  place.replaceChildren(
    make("div", {class: "headlines"}, headline(number(found.settled), `rows with a label, of ${number(found.enough)} needed`),
      headline(number(found.rows), "rows"), headline(number(found.disputed), "to settle"), headline(number(found.flagged), "flagged")),
    make("p", {class: "note"}, `Rows come in this order: ${found.order}.`));
  if (Object.keys(found.labels).length)
    place.append(make("h2", {}, "Labels"), make("table", {}, ...Object.entries(found.labels).map(([label, count]) => row(cellOf(label), cellOf(number(count), "n"), share(count)))));
  if (Object.keys(found.annotators).length)
    place.append(make("h2", {}, "Annotators"), make("table", {}, ...Object.entries(found.annotators).map(([name, count]) => row(cellOf(name), cellOf(`${number(count)} rows`, "n")))));
  place.append(make("h2", {}, "Agreement"), ...agreementNodes(agreement));
}

function agreementNodes({alpha, rows, pairs}) {
  if (!rows) return [make("p", {class: "note"}, "No row has labels of several annotators yet.")];
  const told = figure => figure === null ? "–" : figure.toFixed(2).replace("-", "−");
  const isUntold = [alpha, ...pairs.map(pair => pair.kappa)].includes(null);
  const head = make("thead", {}, row(...["", "both labelled", "the same", "Cohen's kappa"].map((text, at) => make("th", {class: at ? "n" : ""}, text))));
  const lines = pairs.filter(pair => pair.rows).map(pair => row(cellOf(pair.annotators.join(" and ")), cellOf(number(pair.rows), "n"), cellOf(number(pair.same), "n"), cellOf(told(pair.kappa), "n")));
  return [
    make("div", {class: "headlines"}, headline(told(alpha), "Krippendorff's alpha"), headline(number(rows), "rows with several labels")),
    make("p", {class: "note"}, `1 is perfect agreement, 0 what chance would give.${isUntold ? " A dash: there is nothing to tell by this measure." : ""}`),
    make("table", {}, head, make("tbody", {}, ...lines)),
  ];
}

function showEntering() {
  const place = $("#entering"), fields = new Map();
  const entered = make("p", {class: "note", role: "status"});
  const bring = make("button", {type: "button", hidden: true, onclick: async () => {
    bring.disabled = true;
    entered.textContent = "The recipe is run up to the labels…";
    try {
      await ask("refresh", who());
      entered.textContent = "They are among the rows to label now.";
      bring.hidden = true;
    } catch (error) { entered.textContent = error.message; }
    bring.disabled = false;
  }}, "Bring them in");
  const labels = Object.entries(task.entry).map(([name, type]) => {
    const field = type === "boolean" ? make("select", {}, make("option", {value: ""}, ""), make("option", {value: "true"}, "true"), make("option", {value: "false"}, "false"))
      : type === "text" ? make("textarea", {dir: "auto"}) : make("input", {type: "number", step: type === "integer" ? 1 : "any"});
    fields.set(name, [field, type]);
    return make("label", {}, ...legible(name), field);
  });
  const form = make("form", {}, ...labels, make("div", {class: "row"}, make("button", {type: "submit", class: "done"}, "Enter row"), bring), entered);
  let count = 0;
  form.addEventListener("submit", async event => {
    event.preventDefault();
    const values = {};
    for (const [name, [field, type]] of fields) {
      if (!field.value.trim()) continue;
      values[name] = type === "text" ? field.value : type === "boolean" ? field.value === "true" : Number(field.value);
    }
    try {
      await ask("enter", {...who(), values});
      count += 1;
      entered.textContent = `${count} ${count === 1 ? "row" : "rows"} entered, for when the recipe is run up to here.`;
      bring.hidden = false;
      form.reset();
      fields.values().next().value[0].focus();
    } catch (error) {
      entered.textContent = error.status ? `Not entered: ${error.message}` : "Not entered: the server does not answer.";
    }
  });
  place.replaceChildren(make("h2", {}, "Enter rows"), make("p", {class: "note"}, "They go to the data set's own file, with your name and the time."), form);
  fields.values().next().value[0].focus();
}

// Start

async function start() {
  task = await ask("task");
  document.title = `${task.into} · ${task.stage}`;
  $("#stage").textContent = `${task.recipe} · ${task.stage}`;
  $("#into").replaceChildren(...legible(task.into));
  $("#instructions").hidden = !task.instructions;
  $("#instructions").replaceChildren(...legible(task.instructions));
  document.querySelector('[data-view="enter"]').hidden = !task.entry;
  document.querySelectorAll("nav button").forEach(button => button.addEventListener("click", () => open(button.dataset.view)));
  $("#who").addEventListener("click", askName);
  become(sessionStorage.getItem("annotator") || task.annotator);
}

window.addEventListener("beforeunload", event => { if (outbox.length) event.preventDefault(); });
window.addEventListener("pagehide", () => {
  if (annotator) fetch("api/release", {method: "POST", keepalive: true, headers: {"Content-Type": "application/json"}, body: JSON.stringify(who())}).catch(() => {});
});
setInterval(() => {
  const have = [current, ...queue].filter(Boolean).map(item => item.row);
  if (view === "label" && have.length) ask("next", {...who(), count: 0, have}).catch(() => {});
}, BEAT);
start().catch(error => trouble(error.message || "The page cannot start."));
