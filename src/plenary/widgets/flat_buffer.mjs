// One row of memory under view, transpose and contiguous. Every number is the address at which it stands at the
// start, so that it can be followed; flat_buffer.py takes the same steps with torch.

const WORDS = ["we", "met", "at", "sea"];
const WIDTH = 6;
const CELLS = WORDS.length * WIDTH;
const LINE = CELLS / 2;
const STEPS = ["start", "view", "transpose", "contiguous"];

const nameOf = (cell) => WORDS[Math.floor(cell / WIDTH)][0] + (cell % WIDTH);
const wordOf = (cell) => WORDS[Math.floor(cell / WIDTH)];
const tuple = (numbers) => `(${numbers.join(", ")})`;

/** The strides of a tensor that is read as it lies: an axis steps over all that comes after it. */
function falling(shape) {
  const strides = shape.map(() => 1);
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1] * shape[axis + 1];
  return strides;
}
const lies = ({ shape, strides }) => falling(shape).every((stride, axis) => stride === strides[axis]);

/** view: other line breaks in the same memory. */
const viewed = (tensor, shape) => ({ ...tensor, shape, strides: falling(shape) });

/** transpose: two axes change places, with their strides, in the same memory. */
function exchanged(tensor, one, other) {
  const swap = (list) => list.map((entry, at) => list[at === one ? other : at === other ? one : at]);
  return { ...tensor, shape: swap(tensor.shape), strides: swap(tensor.strides) };
}

/** Every index of a shape, the last axis counting fastest. */
function indices(shape) {
  return shape.reduce((all, length) => all.flatMap((index) => Array.from({ length }, (_, i) => [...index, i])), [[]]);
}
const address = ({ strides }, index) => index.reduce((sum, i, axis) => sum + i * strides[axis], 0);

/** contiguous: a copy in the order in which the indices read. */
function copied(tensor) {
  const memory = indices(tensor.shape).map((index) => tensor.memory[address(tensor, index)]);
  return { shape: tensor.shape, strides: falling(tensor.shape), memory };
}

/** The steps from (1, T, D) to (1, H, T, d): what is written, and the shape, strides and memory that it gives. */
export function walk(heads, straight) {
  const [length, width] = [WORDS.length, WIDTH / heads];
  const memory = Array.from({ length: CELLS }, (_, at) => at);
  const x = { shape: [1, length, WIDTH], strides: falling([1, length, WIDTH]), memory };
  const start = { code: "x", ...x };
  if (straight) {
    const shape = [1, heads, length, width];
    return [start, { code: `x.view${tuple(shape)}`, ...viewed(x, shape) }];
  }
  const cut = viewed(x, [1, length, heads, width]);
  const turned = exchanged(cut, 1, 2);
  return [
    start,
    { code: `x.view${tuple(cut.shape)}`, ...cut },
    { code: ".transpose(1, 2)", ...turned },
    { code: ".contiguous()", ...copied(turned) },
  ];
}

/** For each address: what stands there, and the index under which the tensor reads it. */
export function places(tensor) {
  const found = [];
  for (const index of indices(tensor.shape)) {
    const at = address(tensor, index);
    found[at] = { cell: tensor.memory[at], index };
  }
  return found;
}

/** What a step says an index means: its head, its word and its place in the head, as far as there are any. */
function meaning(step, straight, index) {
  if (step === "start") return { word: index[1], place: index[2] };
  if (step === "view" && !straight) return { word: index[1], head: index[2], place: index[3] };
  return { head: index[1], word: index[2], place: index[3] };
}

/** All that is drawn: the step, its tensor, where everything is, and the cell that is followed. */
function reading(setting) {
  const { heads, straight } = setting;
  const steps = walk(heads, straight);
  const at = Math.min(STEPS.indexOf(setting.step), steps.length - 1);
  const step = STEPS[at];
  const found = places(steps[at]).map((one) => ({ ...one, ...meaning(step, straight, one.index) }));
  const followed = found.findIndex(({ cell }) => cell === setting.cell);
  const here = found[followed];
  const together = ({ head, word }) => (here.head === undefined ? word === here.word : head === here.head);
  return { heads, straight, steps, at, step, tensor: steps[at], found, followed, here, together };
}


/** What has happened to the memory in this step. */
function happened({ step, straight, heads }) {
  if (step === "start") return "One row of 24 numbers, word after word. The strides say how to read it.";
  if (straight) return "Nothing has moved. The shape is the one asked for, and the line breaks fall across the words.";
  if (step === "view") return `Nothing has moved. Each word’s six features are cut into ${heads} stretches.`;
  if (step === "transpose") {
    return "Nothing has moved: two lengths and two strides changed places. From here on, view refuses to join words with features.";
  }
  return "Now the numbers have moved: a copy, in the order in which the indices read it.";
}

/** What the head of the followed cell holds: for each word, its features. */
function holds({ found, here }) {
  return WORDS.map((_, word) => found
    .filter(({ head, cell }) => head === here.head && Math.floor(cell / WIDTH) === word)
    .map(({ cell }) => cell % WIDTH)
    .sort((a, b) => a - b));
}

/** The same in words, for the reader who cannot see it and for everybody else. */
function summary(state) {
  const { step, straight, found, followed, here, tensor } = state;
  const cell = here.cell;
  const parts = [`${nameOf(cell)} (feature ${cell % WIDTH} of “${wordOf(cell)}”) stands at address ${followed}`];
  if (step === "start") return `${parts[0]} and is read as x[${here.index.join(", ")}].`;
  parts.push(` and is read as [${here.index.join(", ")}]: head ${here.head}, row of “${WORDS[here.word]}”, ` +
    `place ${here.place}. `);
  const parted = holds(state);
  if (!straight) {
    const some = parted[0];
    parts.push(`Head ${here.head} holds features ${some[0]} to ${some.at(-1)} of every word.`);
  } else {
    const said = parted.flatMap((some, word) => (some.length
      ? `${some.length === WIDTH ? "all" : some.length} of “${WORDS[word]}”` : []));
    const none = WORDS.filter((_, word) => !parted[word].length).map((word) => `“${word}”`);
    const row = found.filter(({ head, word }) => head === here.head && word === here.word);
    parts.push(`Head ${here.head} holds ${listed(said)}, and nothing of ${listed(none)}. What it takes for ` +
      `“${WORDS[here.word]}” is ${listed(row.map((one) => nameOf(one.cell)))}.`);
  }
  return parts.join("");
}

/** The sum that gives the address of the followed cell. */
function sum({ tensor, here, followed }) {
  const terms = here.index.map((i, axis) => `${i} · ${tensor.strides[axis]}`);
  return `address = ${terms.join(" + ")} = ${followed}`;
}

/** The tensor as its indices read it: one table, or one for each head. */
function tables(state, choose) {
  const { step, straight, heads, found, followed } = state;
  const flat = step === "start";
  const cut = step === "view" && !straight;
  const one = (caption, own, columns, ends) => make("table", { class: "plenary-read" },
    make("caption", {}, caption),
    make("tbody", {}, ...WORDS.map((word, row) => make("tr", {}, make("th", { scope: "row" }, word),
      ...own.filter((place) => place.word === row)
        .sort((a, b) => (a.head ?? 0) - (b.head ?? 0) || a.place - b.place)
        .map((place, column) => {
          const at = found.indexOf(place);
          const astray = Math.floor(place.cell / WIDTH) !== row;
          const classes = [astray ? "astray" : "", at === followed ? "followed" : state.together(place) ? "together" : "",
            ends && column % ends === 0 && column ? "cut" : ""].filter(Boolean).join(" ");
          const cell = make("td", { class: classes, title: `address ${at}` }, nameOf(place.cell));
          cell.addEventListener("click", () => choose(at));
          return cell;
        })))));
  if (flat) return [one("x[0]: word by feature", found, WIDTH, 0)];
  if (cut) return [one(`word by feature, cut into ${heads} heads`, found, WIDTH, WIDTH / heads)];
  return Array.from({ length: heads }, (_, head) =>
    one(`head ${head}`, found.filter((place) => place.head === head), WIDTH / heads, 0));
}

function numbers({ found, tensor }) {
  const rows = found.map(({ cell, index, head, word, place }, at) =>
    [at, nameOf(cell), `[${index.join(", ")}]`, head ?? "none yet", WORDS[word], place]);
  return numbersTable(`All addresses, shape ${tuple(tensor.shape)}, strides ${tuple(tensor.strides)}`,
    ["address", "holds", "index", "head", "row of", "place"], rows);
}

/** Radio buttons in a row; `choose` is called with the value. */
function chips(legend, values, choose) {
  // A name of its own, or two widgets on a page would be one group.
  const group = `plenary-${Math.random().toString(36).slice(2)}`;
  const inputs = values.map((value) => control({ type: "radio", name: group, value }));
  const labels = values.map(() => make("span", {}));
  inputs.forEach((input, at) => input.addEventListener("change", () => choose(values[at])));
  const parts = inputs.map((input, at) => make("label", {}, input, labels[at]));
  const fieldset = make("fieldset", {}, make("legend", {}, legend), make("div", { class: "plenary-chips" }, ...parts));
  return { fieldset, inputs, labels, parts };
}

function render({ model, el }) {
  const change = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };
  const state = () => reading(Object.fromEntries(["heads", "straight", "step", "cell"].map((name) =>
    [name, model.get(name)])));

  const steps = chips("Step", STEPS, (step) => change("step", step));
  const heads = chips("Heads", [2, 3], (count) => change("heads", count));
  heads.labels.forEach((label, at) => { label.textContent = [2, 3][at]; });
  const bug = control({ type: "checkbox", role: "switch" });
  bug.addEventListener("change", () => change("straight", bug.checked));

  // The cells stay the same elements for good: whoever has the focus keeps it.
  const cells = Array.from({ length: CELLS }, (_, at) => make("button", { type: "button",
    "data-lm-suppress-shortcuts": "true", "data-address": at }, make("small", {}, String(at)), make("b", {})));
  const row = make("div", { class: "plenary-memory", role: "group",
    "aria-label": "Memory: 24 cells by address. Arrow keys move, and follow what stands there." }, ...cells);
  const choose = (at) => change("cell", state().found[at].cell);
  cells.forEach((cell, at) => {
    cell.addEventListener("click", () => choose(at));
    cell.addEventListener("keydown", (event) => {
      // Up and down by what is a line on a phone.
      const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -LINE, ArrowDown: LINE, Home: -at, End: CELLS - 1 - at }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      const next = at + by;
      if (next < 0 || next >= CELLS) return;
      choose(next);
      cells[next].focus();
    });
  });

  const code = make("code", {});
  const facts = make("p", { class: "plenary-facts" });
  const news = make("p", { class: "plenary-news" });
  const reckoning = make("p", { class: "plenary-sum" });
  const stage = make("div", { class: "plenary-stage" });
  const words = make("p", { class: "plenary-summary", "aria-live": "polite" });
  let details = make("details", {});
  const root = make("div", { class: "plenary-live plenary-flat-buffer", role: "group",
    "aria-label": "Four words of six features in memory, cut into heads step by step" },
    make("div", { class: "plenary-choices" }, heads.fieldset,
      make("label", { class: "plenary-bug" }, bug, make("span", {}, "the commonest bug in public multi-head code: " +
        "view straight to (B,\u00a0H,\u00a0T,\u00a0d)"))),
    steps.fieldset,
    make("div", { class: "plenary-step" }, make("p", {}, code), facts, news),
    make("p", { class: "plenary-heading" }, make("b", {}, "Memory")), row, reckoning,
    make("p", { class: "plenary-heading" }, make("b", {}, "As the indices read it")), stage,
    words, details,
    make("p", { class: "plenary-note" }, "A cell shows its address and what it holds: m2 is feature 2 of “met”. Click " +
      "a cell, or move with the arrow keys, to follow a number; tinted is everything in its head (at the start, in " +
      "its word). Underlined in the tables: a number that belongs to another word than its row."));
  el.append(root);

  function draw() {
    const now = state();
    const { tensor, found, followed } = now;
    root.classList.toggle("plenary-straight", now.straight);
    heads.inputs.forEach((input, at) => { input.checked = [2, 3][at] === now.heads; });
    bug.checked = now.straight;
    steps.inputs.forEach((input, at) => {
      input.checked = at === now.at;
      steps.parts[at].hidden = at >= now.steps.length;
      steps.labels[at].textContent = now.steps[at]?.code ?? "";
    });
    // The view is written with its x, so the start is left out once there is more.
    code.replaceChildren(...now.steps.slice(Math.min(now.at, 1), now.at + 1).map((one) => make("span", {}, one.code)));
    const shape = (name, value) => make("span", {}, `${name} `, make("b", {}, value));
    facts.replaceChildren(shape("shape", tuple(tensor.shape)), shape("strides", tuple(tensor.strides)),
      shape("contiguous", lies(tensor) ? "yes" : "no"));
    news.textContent = happened(now);
    cells.forEach((cell, at) => {
      const place = found[at];
      cell.lastChild.textContent = nameOf(place.cell);
      cell.className = [Math.floor(place.cell / WIDTH) % 2 ? "other" : "",
        at === followed ? "followed" : now.together(place) ? "together" : ""].filter(Boolean).join(" ");
      cell.setAttribute("aria-pressed", at === followed);
      const head = place.head === undefined ? "" : `, head ${place.head}`;
      cell.setAttribute("aria-label",
        `address ${at}: feature ${place.cell % WIDTH} of ${wordOf(place.cell)}${head}`);
      cell.tabIndex = at === followed ? 0 : -1;
    });
    reckoning.textContent = sum(now);
    stage.replaceChildren(...tables(now, choose));
    words.textContent = summary(now);
    const fresh = numbers(now);
    // Only the table is new: an open <details> that is replaced would lose the focus of its summary.
    if (details.firstChild) details.replaceChildren(details.firstChild, fresh.lastChild);
    else {
      details.replaceWith(fresh);
      details = fresh;
    }
  }
  const names = ["heads", "straight", "step", "cell"];
  for (const name of names) model.on(`change:${name}`, draw);
  const stop = followWidth(root, (available) => {
    row.classList.toggle("plenary-two-lines", available < 540);
  });
  draw();
  return () => {
    stop();
    for (const name of names) model.off(`change:${name}`, draw);
  };
}

export default { render };
