// One query's softmax attention, its scores read in blocks: a running maximum, sum and blend, as FlashAttention keeps
// them. online_softmax.py repeats it all.

const VALUES = [[4, 0], [0, 2], [-2, 1], [1, -3], [2, 2], [-1, -1], [0, 4], [-4, 2]];
const ROWS = {
  "the largest comes last": [0, 1, -1, 0.5, 1.5, 0, 2, 4],
  "the largest comes first": [4, 2, 0, 1.5, 0.5, -1, 1, 0],
  "all alike": [1, 1, 1, 1, 1, 1, 1, 1],
  "around ninety": [86, 88, 84, 89, 90, 85, 91, 92],
};
const MISTAKES = {
  none: "as it should be",
  "not rescaled": "what was kept is not rescaled",
  "no maximum": "no maximum subtracted (float32)",
};
const [LOWEST, HIGHEST, STEP] = [-100, 100, 0.5];

/** What is kept after each block: the largest score, the factor for what was kept before, the sum, the blend. */
export function readInBlocks(scores, block, mistake) {
  // Without a maximum the question is the range of numbers, and on a graphics card that is float32's or less.
  const round = mistake === "no maximum" ? Math.fround : (number) => number;
  let [largest, total, blend] = [mistake === "no maximum" ? 0 : -Infinity, 0, [0, 0]];
  const found = [];
  for (let from = 0; from < scores.length; from += block) {
    const own = scores.slice(from, from + block);
    const grown = mistake === "no maximum" ? 0 : Math.max(largest, ...own);
    const factor = mistake === "not rescaled" ? 1 : round(Math.exp(largest - grown));
    const shares = own.map((score) => round(Math.exp(score - grown)));
    total = round(factor * total + shares.reduce((sum, share) => round(sum + share), 0));
    blend = blend.map((part, axis) =>
      round(factor * part + shares.reduce((sum, share, i) => round(sum + round(share * VALUES[from + i][axis])), 0)));
    largest = grown;
    found.push({ largest, factor, total, blend, output: blend.map((part) => part / total) });
  }
  return found;
}

/** The whole row at once. */
export function atOnce(scores) {
  const weights = softmax({ rows: 1, cols: scores.length, data: Float64Array.from(scores) }).data;
  return [0, 1].map((axis) => weights.reduce((sum, share, i) => sum + share * VALUES[i][axis], 0));
}

const short = (number) => {
  if (Number.isNaN(number)) return "not a number";
  if (!Number.isFinite(number)) return number > 0 ? "infinity" : "−infinity";
  const size = Math.abs(number);
  if (size !== 0 && (size < 0.001 || size >= 1e5)) return minus(number.toExponential(2)).replace("e+", "e");
  return minus(Number(number.toPrecision(4)));
};
const pair = (two) => (two.some(Number.isNaN) ? "not a number" : two.map((part) => minus(part.toFixed(3))).join(", "));

/** The scores as bars; what has been read is dark, and over each block that was read lies the largest so far. */
function bars(width, { scores, block, kept }, change) {
  const [top, floor] = [24, 156];
  const [low, high] = [Math.min(0, ...scores), Math.max(0, ...scores)];
  const slot = width / scores.length;
  const y = linear(low, high === low ? low + 1 : high, floor, top);
  const parts = [make("line", { x1: 0, x2: width, y1: y(0), y2: y(0), class: "axis" })];
  scores.forEach((score, i) => {
    const later = i >= kept.length * block;
    parts.push(make("rect", { x: (i + 0.18) * slot, width: 0.64 * slot, y: Math.min(y(0), y(score)),
      height: Math.max(1, Math.abs(y(score) - y(0))), class: later ? "bar later" : "bar" }));
  });
  for (let end = block; end < scores.length; end += block) {
    parts.push(make("line", { x1: end * slot, x2: end * slot, y1: 4, y2: floor + 20, class: "fence" }));
  }
  kept.forEach(({ largest }, at) => {
    const level = y(largest);
    parts.push(make("line", { x1: at * block * slot + 3, x2: (at + 1) * block * slot - 3, y1: level, y2: level,
      class: "largest" }));
  });
  // Over the lines, so that their halo keeps them legible.
  scores.forEach((score, i) => {
    parts.push(make("text", { x: (i + 0.5) * slot, y: score < 0 ? y(score) + 15 : y(score) - 7, "text-anchor": "middle",
      class: "score" }, minus(score)));
  });
  const grips = scores.map((score, i) => grip(i, score, { x: i * slot, width: slot, floor }, change));
  const group = make("g", {}, ...parts);
  group.setAttribute("aria-hidden", "true");
  const drawing = make("svg", { width, height: floor + 24, viewBox: `0 0 ${width} ${floor + 24}`, role: "group",
    "aria-label": "The scores; each can be moved with the arrow keys or dragged" }, group, ...grips);
  return drawing;
}

/** What a reader takes hold of to change a score: a slider as high as the picture. */
function grip(index, score, { x, width, floor }, change) {
  const node = make("rect", { x: x + 2, y: 2, width: width - 4, height: floor + 18, class: "grip", tabindex: 0,
    role: "slider", "aria-label": `Score of key ${index + 1}`, "aria-valuemin": LOWEST, "aria-valuemax": HIGHEST,
    "aria-valuenow": score, "aria-orientation": "vertical", "data-lm-suppress-shortcuts": "true", "data-key": index });
  node.addEventListener("keydown", (event) => {
    const by = { ArrowUp: STEP, ArrowRight: STEP, ArrowDown: -STEP, ArrowLeft: -STEP, PageUp: 5, PageDown: -5 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    change(index, score + by);
  });
  node.addEventListener("pointerdown", (event) => {
    // The picture is redrawn with every change, so the drag is the page's and not the bar's.
    const start = event.clientY;
    const move = (moved) => change(index, score + Math.round((start - moved.clientY) / 8) * STEP);
    const stop = () => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", stop);
      removeEventListener("pointercancel", stop);
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", stop);
    addEventListener("pointercancel", stop);
  });
  return node;
}

/** What is kept, a line for each block that was read, and below them the whole row at once. */
function ledger({ block, kept, whole, all }) {
  const head = ["keys", "largest so far", "kept times", "sum", "output so far"];
  const lines = kept.map((one, at) => {
    const from = at * block + 1;
    const name = block === 1 ? String(from) : `${from} to ${from + block - 1}`;
    const factor = at === 0 ? "–" : short(one.factor);
    const cells = [short(one.largest), factor, short(one.total), pair(one.output)].map((text) => make("td", {}, text));
    return make("tr", at === kept.length - 1 ? { class: "now" } : {}, make("th", { scope: "row" }, name), ...cells);
  });
  if (!lines.length) {
    lines.push(make("tr", {}, make("th", { scope: "row" }, "none"), make("td", { colspan: 4 }, "press “read a block”")));
  }
  const last = all ? [make("tr", { class: "whole" }, make("th", { scope: "row" }, "at once"),
    make("td", { colspan: 3 }, "softmax over the whole row"), make("td", {}, pair(whole)))] : [];
  return make("table", { class: "ledger" }, make("caption", {}, "What is kept after each block"),
    make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))),
    make("tbody", {}, ...lines, ...last));
}

/** The same in a sentence. */
function summary({ block, kept, whole, all, mistake }) {
  if (!kept.length) return `Nothing has been read. ${8 / block} blocks wait, of ${block} each.`;
  const last = kept.at(-1);
  const shrunk = kept.length > 1
    ? ` What was kept before it was multiplied by ${short(last.factor)}.` : " Nothing was kept before it.";
  const begun = `Block ${kept.length}: the largest score so far is ${short(last.largest)}, the sum ` +
    `${short(last.total)}, the output so far ${pair(last.output)}.${shrunk}`;
  if (!all) return begun;
  const off = Math.max(...last.output.map((part, axis) => Math.abs(part - whole[axis])));
  if (off < 1e-6) return `${begun} That is softmax attention over the whole row, though the row was never whole.`;
  const apart = Number.isNaN(off) ? "not a number" : `off by ${short(off)}`;
  const why = mistake === "none" ? "" : ` (${MISTAKES[mistake]})`;
  return `${begun} Softmax over the whole row gives ${pair(whole)}; the result is ${apart}${why}.`;
}

function render({ model, el }) {
  const rows = make("div", { class: "rows", role: "group", "aria-label": "Rows of scores" });
  for (const [name, row] of Object.entries(ROWS)) {
    const one = button({}, name);
    one.addEventListener("click", () => change({ scores: [...row], read: 0 }));
    rows.append(one);
  }
  const blocks = make("select", { "data-lm-suppress-shortcuts": "true" },
    ...[1, 2, 4, 8].map((size) => make("option", { value: size }, String(size))));
  const mistakes = make("select", { "data-lm-suppress-shortcuts": "true" },
    ...Object.entries(MISTAKES).map(([name, text]) => make("option", { value: name }, text)));
  const [back, next, end] = ["take one back", "read a block", "read all"].map((text) => button({}, text));
  const stage = make("div", { class: "plenary-stage" });
  const kept = make("div", {});
  const words = make("p", { class: "plenary-summary", "aria-live": "polite" });
  const values = make("p", { class: "plenary-note" },
    `The values of the keys: ${VALUES.map((two) => `(${two.map(minus).join(", ")})`).join(" ")}.`);
  el.append(make("div", { class: "plenary-live plenary-onlinesoftmax", role: "group",
    "aria-label": "One block at a time: softmax attention without the whole row" },
    rows,
    make("div", { class: "plenary-controls" },
      make("label", {}, make("span", {}, "keys in a block"), blocks),
      make("label", { class: "how" }, make("span", {}, "steps"), mistakes)),
    stage, make("div", { class: "steps" }, next, back, end), kept, words, values));

  let width = 0;
  const change = (settings) => {
    for (const [name, value] of Object.entries(settings)) model.set(name, value);
    model.save_changes();
  };
  const state = () => {
    const [scores, block, mistake] = ["scores", "block", "mistake"].map((name) => model.get(name));
    const found = readInBlocks(scores, block, mistake);
    const count = Math.min(model.get("read"), found.length);
    return { scores, block, mistake, kept: found.slice(0, count), whole: atOnce(scores), all: count === found.length };
  };
  const move = (index, score) => {
    const scores = [...model.get("scores")];
    scores[index] = Math.min(HIGHEST, Math.max(LOWEST, score));
    change({ scores });
  };
  const draw = () => {
    const now = state();
    blocks.value = now.block;
    mistakes.value = now.mistake;
    back.disabled = !now.kept.length;
    next.disabled = end.disabled = now.all;
    kept.replaceChildren(ledger(now));
    words.textContent = summary(now);
    if (!width) return;
    const held = stage.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    stage.replaceChildren(bars(width, now, move));
    if (held !== null) stage.querySelector(`[data-key="${held}"]`).focus();
  };
  blocks.addEventListener("change", () => change({ block: Number(blocks.value), read: 0 }));
  mistakes.addEventListener("change", () => change({ mistake: mistakes.value }));
  next.addEventListener("click", () => change({ read: state().kept.length + 1 }));
  back.addEventListener("click", () => change({ read: state().kept.length - 1 }));
  end.addEventListener("click", () => change({ read: model.get("scores").length / model.get("block") }));
  const names = ["scores", "block", "read", "mistake"];
  for (const name of names) model.on(`change:${name}`, draw);
  const stop = followWidth(stage, (available) => {
    width = available;
    draw();
  });
  draw();
  return () => {
    stop();
    for (const name of names) model.off(`change:${name}`, draw);
  };
}

export default { render };
