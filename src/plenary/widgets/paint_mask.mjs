// Where a mask has to act. One mask, painted by the reader, obeyed in three ways; paint_mask.py repeats it all.

const WORDS = ["we", "met", "at", "sea", "pad"];
// The last entry of a query meets the 2 of every key, so it shifts its whole row of scores: no softmax notices
// that, and every finite fill does.
const QUERY = matrix([[2, 0, 1, 0], [1, 2, 0, 0], [0, 1, 2, -9], [1, 1, 1, 2], [0, 2, 1, -3]]);
const KEY = [[2, 0, 1, 2], [1, 2, -1, 2], [0, 1, 1, 2], [-1, 1, 2, 2], [2, 1, 0, 2]];
const VALUE = [10, 20, 30, 40, 90];
const OTHER_KEY = [[-1, 1, 0, 2], [2, 0, 1, 2], [2, -1, 1, 2], [2, 0, -1, 2], [-1, 2, 1, 2]];
const OTHER_VALUE = [70, 50, 80, 10, 0];

const grid = (may) => WORDS.map((_, query) => WORDS.map((_, key) => may(query, key)));
const PRESETS = {
  everything: grid(() => true),
  causal: grid((query, key) => key <= query),
  padding: grid((query, key) => key < 4),
  "causal and padding": grid((query, key) => key <= query && key < 4),
  nothing: grid(() => false),
};
// What "by hand" shows before the reader has painted: not symmetric, not causal, and with an empty row.
const BY_HAND = grid((query, key) => query !== 2 && (query + 2 * key) % 5 < 3);
const same = (a, b) => a.every((row, query) => row.every((may, key) => may === b[query][key]));
const presetOf = (mask) => Object.keys(PRESETS).find((name) => same(PRESETS[name], mask)) ?? "by hand";

/** What one way makes of a mask: the weights, the sum of each row, and the outputs. */
export function weigh(mask, way, fill = 0, changed = "nothing") {
  const now = (own, other) => own.map((one, at) => (WORDS[at] === changed ? other[at] : one));
  const scores = map(matmulT(QUERY, matrix(now(KEY, OTHER_KEY))), (score) => score / 2);
  const allowed = matrix(mask);
  const filled = combine(scores, allowed, (score, may) => (may ? score : fill));
  const weights = way === "before" ? softmax(scores, allowed)
    : way === "after" ? combine(softmax(scores), allowed, (weight, may) => weight * may)
      : softmax(filled);
  return {
    weights: rowsOf(weights),
    sums: rowsOf(weights).map((row) => row.reduce((sum, weight) => sum + weight, 0)),
    outputs: Array.from(matmul(weights, matrix(now(VALUE, OTHER_VALUE).map((value) => [value]))).data),
  };
}

/** The rows whose outputs change when the word does, and by how much. */
export function changes(mask, way, fill, changed) {
  const [old, now] = ["nothing", changed].map((word) => weigh(mask, way, fill, word).outputs);
  return now.map((output, query) => (Math.abs(output - old[query]) > 1e-9 ? output - old[query] : 0));
}

const share = (weight) => (weight === 0 ? "0" : weight.toFixed(2));
const step = (change) => (change > 0 ? "+" : "−") +
  (Math.abs(change) < 0.05 ? Math.abs(change).toExponential(0) : Math.abs(change).toFixed(1)).replace("e-", "e−");
const emptyRows = (mask) => WORDS.filter((_, query) => !mask[query].includes(true));
const ways = (fill) => ({
  before: "−∞ before the softmax",
  after: "zeroed after the softmax",
  fill: `filled with ${minus(fill)}`,
});

/** The sum over the forbidden keys of a row. */
const leak = (mask, weights, query) =>
  weights[query].reduce((sum, weight, key) => (mask[query][key] ? sum : sum + weight), 0);

/** One line under each table: what goes wrong in it, or that nothing does. */
function verdict(setting, way, { weights, sums }) {
  const { mask, fill } = setting;
  const empty = emptyRows(mask);
  const rows = WORDS.map((_, query) => query).filter((query) => !empty.includes(WORDS[query]));
  const row = `Empty ${empty.length > 1 ? "rows" : "row"} ${listed(empty.map(quoted))}`;
  const said = [];
  if (way === "before") {
    if (rows.length) said.push("Rows sum to 1.");
    if (empty.length) said.push(`${row}: 0 by our rule; a plain softmax gives NaN.`);
  } else if (way === "after") {
    const missing = Math.max(0, ...rows.map((query) => 1 - sums[query]));
    if (rows.length) said.push(missing > 1e-12 ? `Missing: up to ${missing.toFixed(2)} of a row.` : "Nothing is missing.");
    if (empty.length) said.push(`${row}: 0.`);
  } else {
    const most = Math.max(0, ...rows.map((query) => leak(mask, weights, query)));
    if (rows.length) {
      const amount = most < 0.005 ? most.toExponential(0).replace("e-", "e−") : most.toFixed(2);
      said.push(most > 0 ? `Forbidden keys get up to ${amount} of a row.` : "Nothing leaks.");
    }
    if (empty.length) said.push(`${row}: uniform, 0.20 each.`);
  }
  return said.join(" ");
}

/** One way's weights with row sums and outputs. */
function table(setting, way) {
  const { mask, fill, changed } = setting;
  const found = weigh(mask, way, fill, changed);
  const moves = changes(mask, way, fill, changed);
  const head = make("tr", {}, make("td", {}),
    ...WORDS.map((word) => make("th", { scope: "col", class: word === changed ? "changed" : "" },
      word === changed ? `${word}′` : word)),
    make("th", { scope: "col", class: "sum" }, "sum"), make("th", { scope: "col", class: "out" }, "out"));
  const body = WORDS.map((word, query) => {
    const cells = found.weights[query].map((weight, key) => {
      const state = mask[query][key] ? "allowed" : weight > 0 ? "leak" : "forbidden";
      return make("td", { class: `weight ${state}`, style: `--share: ${(0.45 * weight * 100).toFixed(1)}%` },
        share(weight));
    });
    const sum = found.sums[query];
    const off = Math.abs(sum - 1) > 1e-9 && mask[query].includes(true);
    const heard = mask[query][WORDS.indexOf(changed)];
    const move = moves[query] ? make("small", { class: heard ? "moved" : "moved wrong" }, step(moves[query])) : "";
    return make("tr", {}, make("th", { scope: "row" }, word), ...cells,
      make("td", { class: off ? "sum wrong" : "sum" }, share(sum)),
      make("td", { class: "out" }, found.outputs[query].toFixed(1), move));
  });
  return make("div", { class: `plenary-way ${way}` },
    make("p", { class: "plenary-heading" }, make("b", {}, ways(fill)[way])),
    make("table", { "aria-label": `Weights, ${ways(fill)[way]}` }, make("thead", {}, head), make("tbody", {}, ...body)),
    make("p", { class: "plenary-verdict" }, verdict(setting, way, found)));
}

/** What is seen, in words: the row that was painted last, and who notices that a word says something else. */
function summary(setting, query) {
  const { mask, fill, changed } = setting;
  const row = mask[query];
  const [before, after, filled] = ["before", "after", "fill"].map((way) => weigh(mask, way, fill, changed));
  const name = `Row ${quoted(WORDS[query])}`;
  const held = after.sums[query];
  const parts = [];
  if (!row.includes(false)) parts.push(`${name}: nothing is forbidden, and the three ways agree. `);
  else if (!row.includes(true)) {
    parts.push(`${name} is empty. Our rule makes it 0, where −∞ and a plain softmax give NaN; zeroed after, it is ` +
      `0; filled with ${minus(fill)}, it listens to all five alike, 0.20 each. `);
  } else {
    const lost = leak(mask, filled.weights, query);
    const amount = lost < 0.005 ? lost.toExponential(0).replace("e-", "e−") : lost.toFixed(2);
    parts.push(`${name}: without a mask its permitted keys have ${held.toFixed(2)} of the weight. With −∞ before, ` +
      `their weights are divided by ${held.toFixed(2)} and sum to ${before.sums[query].toFixed(2)}; zeroed after, ` +
      `they stay as they were and sum to ${held.toFixed(2)}; filled with ${minus(fill)}, the forbidden keys get ` +
      `${amount}. `);
  }
  if (changed !== "nothing") {
    const movers = Object.keys(ways(fill)).map((way) => {
      const moves = changes(mask, way, fill, changed);
      return listed(WORDS.filter((_, at) => moves[at])) || "none";
    });
    const may = listed(WORDS.filter((_, at) => mask[at][WORDS.indexOf(changed)])) || "none";
    parts.push(`${quoted(changed)} says something else; it may be heard by: ${may}. Outputs that move, with −∞ ` +
      `before: ${movers[0]}; zeroed after: ${movers[1]}; filled with ${minus(fill)}: ${movers[2]}.`);
  }
  return parts.join("").trim();
}

function numbers(setting) {
  const { mask, fill, changed } = setting;
  const all = Object.keys(ways(fill)).map((way) => weigh(mask, way, fill, changed));
  const rows = WORDS.map((word, query) => [word, mask[query].filter(Boolean).length,
    ...all.flatMap(({ sums, outputs }) => [sums[query].toFixed(4), outputs[query].toFixed(3)])]);
  const names = Object.values(ways(fill)).flatMap((name) => [`${name}: sum`, "output"]);
  return numbersTable("Row sums and outputs, by listener", ["listener", "may hear", ...names], rows);
}

/** Radio buttons in a row; `choose` is called with the value. Returns the fieldset and what marks a value. */
function radios(legend, values, names, choose) {
  // A name of its own, or two widgets on a page would be one group.
  const group = `plenary-${Math.random().toString(36).slice(2)}`;
  const inputs = values.map((value) => control({ type: "radio", name: group, value }));
  inputs.forEach((input, at) => input.addEventListener("change", () => choose(values[at])));
  const fieldset = make("fieldset", {}, make("legend", {}, legend), make("div", { class: "plenary-chips" },
    ...inputs.map((input, at) => make("label", {}, input, make("span", {}, names[at])))));
  const mark = (value) => inputs.forEach((input, at) => { input.checked = values[at] === value; });
  return { fieldset, mark, inputs };
}

function render({ model, el }) {
  let byHand = presetOf(model.get("mask")) === "by hand" ? model.get("mask") : BY_HAND;
  let here = [model.get("mask").findIndex((row) => row.includes(false)), 0];
  if (here[0] < 0) here = [0, 0];
  let width = 0;

  const change = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };
  const paint = (query, key, may) => {
    here = [query, key];
    const mask = model.get("mask");
    if (mask[query][key] === may) return draw();
    const next = mask.map((row, t) => row.map((old, s) => (t === query && s === key ? may : old)));
    if (presetOf(next) === "by hand") byHand = next;
    change("mask", next);
  };

  // The cells stay the same elements for good: whoever has the focus or the pointer keeps it.
  const cells = grid((query, key) => make("button", { type: "button", "data-lm-suppress-shortcuts": "true",
    "data-cell": `${query} ${key}` }));
  const painter = make("table", { class: "plenary-painter" },
    make("caption", {}, "Row: who listens. Column: to whom."),
    make("thead", {}, make("tr", {}, make("td", {}), ...WORDS.map((word) => make("th", { scope: "col" }, word)))),
    make("tbody", {}, ...WORDS.map((word, query) =>
      make("tr", {}, make("th", { scope: "row" }, word), ...cells[query].map((cell) => make("td", {}, cell))))));
  let brush = null;
  let painted = false;
  const under = (event) => {
    const found = document.elementFromPoint(event.clientX, event.clientY)?.closest?.("[data-cell]");
    return found && painter.contains(found) ? found.dataset.cell.split(" ").map(Number) : null;
  };
  cells.forEach((row, query) => row.forEach((cell, key) => {
    cell.addEventListener("pointerdown", (event) => {
      if (event.button > 0) return;
      brush = !model.get("mask")[query][key];
      painted = true;
      // A finger would hold on to the cell where it came down.
      if (cell.hasPointerCapture(event.pointerId)) cell.releasePointerCapture(event.pointerId);
      paint(query, key, brush);
    });
    // Keys and screen readers click without a pointer; the pointer has painted already.
    cell.addEventListener("click", () => {
      if (!painted) paint(query, key, !model.get("mask")[query][key]);
      painted = false;
    });
    cell.addEventListener("keydown", (event) => {
      painted = false;
      const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (!by) return;
      event.preventDefault();
      here = [query + by[0], key + by[1]].map((at) => Math.min(Math.max(at, 0), WORDS.length - 1));
      draw();
      cells[here[0]][here[1]].focus();
    });
  }));
  painter.addEventListener("pointermove", (event) => {
    const at = brush === null ? null : under(event);
    if (at && (at[0] !== here[0] || at[1] !== here[1])) paint(...at, brush);
  });
  const lift = () => { brush = null; };
  window.addEventListener("pointerup", lift);
  window.addEventListener("pointercancel", lift);

  const presets = [...Object.keys(PRESETS), "by hand"];
  const preset = radios("Mask", presets, presets, (name) => {
    const mask = PRESETS[name] ?? byHand;
    here = [Math.max(0, mask.findIndex((row) => row.includes(false))), 0];
    change("mask", mask.map((row) => [...row]));
  });
  const word = radios("Change what a word says (its key and its value)", ["nothing", ...WORDS],
    ["no word", ...WORDS], (value) => change("changed", value));
  const fill = radios("Fill forbidden scores with", [0, -10], ["0", "−10"], (value) => change("fill", value));
  const way = radios("Show", ["before", "after", "fill"], ["−∞ before", "zeroed after", "filled"],
    (value) => change("way", value));

  const stage = make("div", { class: "plenary-stage" });
  const words = make("p", { class: "plenary-summary", "aria-live": "polite" });
  let details = make("details", {});
  const root = make("div", { class: "plenary-live plenary-paint-mask", role: "group",
    "aria-label": "Paint a mask: weights, row sums and outputs for three ways of obeying it" },
    make("div", { class: "plenary-choices" }, preset.fieldset, word.fieldset, fill.fieldset),
    make("div", { class: "plenary-board" },
      make("div", { class: "plenary-way" }, make("p", { class: "plenary-heading" }, make("b", {}, "the mask")), painter),
      way.fieldset, stage),
    words, details,
    make("p", { class: "plenary-note" }, "Paint with mouse or finger, or with the arrow keys and the space bar. " +
      "Weights: 0 is zero exactly, 0.00 only rounds to it; a red frame marks weight on a forbidden key. Under " +
      "an output (out): by how much it moved, underlined where that word may not be heard. Values are single numbers, " +
      "scores are fixed."));
  el.append(root);

  function draw() {
    const setting = { mask: model.get("mask"), fill: model.get("fill"), changed: model.get("changed") };
    cells.forEach((row, query) => row.forEach((cell, key) => {
      const may = setting.mask[query][key];
      cell.setAttribute("aria-pressed", may);
      cell.setAttribute("aria-label", `${WORDS[query]} may listen to ${WORDS[key]}`);
      cell.tabIndex = query === here[0] && key === here[1] ? 0 : -1;
      cell.textContent = may ? "✓" : "";
    }));
    preset.mark(presetOf(setting.mask));
    word.mark(setting.changed);
    fill.mark(setting.fill);
    way.mark(model.get("way"));
    words.textContent = summary(setting, here[0]);
    const fresh = numbers(setting);
    fresh.open = details.open;
    // Only the table is new: an open <details> that is replaced would lose the focus of its summary.
    if (details.firstChild) details.replaceChildren(details.firstChild, fresh.lastChild);
    else {
      details.replaceWith(fresh);
      details = fresh;
    }
    if (!width) return;
    const narrow = width < 520;
    root.classList.toggle("plenary-narrow", narrow);
    way.fieldset.hidden = !narrow;
    const shown = narrow ? [model.get("way")] : ["before", "after", "fill"];
    stage.replaceChildren(...shown.map((one) => table(setting, one)));
  }
  for (const name of ["mask", "changed", "way", "fill"]) model.on(`change:${name}`, draw);
  const stop = followWidth(root, (available) => {
    width = available;
    draw();
  });
  draw();
  return () => {
    stop();
    window.removeEventListener("pointerup", lift);
    window.removeEventListener("pointercancel", lift);
    for (const name of ["mask", "changed", "way", "fill"]) model.off(`change:${name}`, draw);
  };
}

export default { render };
