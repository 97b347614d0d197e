// Where the loss's gradient goes: through one chosen score into queries, keys and values. gradient_flow.py holds
// the same numbers and repeats it all with torch.

const QUERY = matrix([[-2.5, 0, 0.5, 0.5], [-1.5, 1, -0.5, 1.5], [1.5, 0, -0.5, 0.5]]);
const KEY = matrix([[1, 2, -0.5, -0.5], [1, 1, -1, -1.5], [-0.5, -1, 1.5, -1], [0.5, 2.5, -2, -0.5]]);
const VALUE = matrix([[-2, 0.5, -1.5], [-2, 1.5, 0.5], [-0.5, 0.5, 1], [0.5, -2, -1]]);
const GRAD_OUTPUT = matrix([[-0.5, 1, 1], [1, 0, 0.5], [-0.5, 0, -1.5]]);
const ROOT = Math.sqrt(QUERY.cols);
const MOST = 10;
const STEP = 0.25;

const norm = (numbers) => Math.hypot(...numbers);

/** All gradients, with a push added to one score. The query and the key count from 1. */
export function measure(query, key, push) {
  const [t, s] = [query - 1, key - 1];
  const scores = map(matmulT(QUERY, KEY), (product, row, column) =>
    product / ROOT + (row === t && column === s ? push : 0));
  const weights = softmax(scores);
  const gradWeights = matmulT(GRAD_OUTPUT, VALUE);
  const gradScores = softmaxBackward(weights, gradWeights);
  const scaled = map(gradScores, (entry) => entry / ROOT);
  const gradQuery = matmul(scaled, KEY);
  const [row, shares] = [rowsOf(scaled)[t], rowsOf(weights)[t]];
  const [own, incoming] = [rowsOf(QUERY)[t], rowsOf(GRAD_OUTPUT)[t]];
  return {
    scores: rowsOf(scores), weights: rowsOf(weights), gradWeights: rowsOf(gradWeights),
    gradScores: rowsOf(gradScores), gradQuery: rowsOf(gradQuery),
    gradKey: rowsOf(matmul(transpose(scaled), QUERY)),
    gradValue: rowsOf(matmul(transpose(weights), GRAD_OUTPUT)),
    partQuery: rowsOf(KEY)[s].map((entry) => row[s] * entry),
    partKey: own.map((entry) => row[s] * entry),
    partValue: incoming.map((entry) => shares[s] * entry),
    // A table of all products of two rows has the product of their norms.
    norms: [norm(rowsOf(gradQuery)[t]), norm(row) * norm(own), norm(shares) * norm(incoming)],
  };
}

const STEPS = Array.from({ length: MOST * 8 + 1 }, (_, step) => step / 8);
const drawn = new Map();

/** The three norms at every push, for one score. */
function curvesOf(query, key) {
  const name = `${query} ${key}`;
  if (!drawn.has(name)) drawn.set(name, STEPS.map((push) => measure(query, key, push).norms));
  return drawn.get(name);
}

/** The largest norm that any score can reach: the axis that all of them share. */
function ceiling() {
  const all = [];
  for (let query = 1; query <= QUERY.rows; query++) {
    for (let key = 1; key <= KEY.rows; key++) all.push(...curvesOf(query, key).flat());
  }
  return Math.max(...all);
}

/** Signed, with two decimals; what rounds to nothing has no sign. */
function signed(number) {
  const text = Math.abs(number).toFixed(2);
  return text === "0.00" ? text : (number < 0 ? "−" : "+") + text;
}

/** A norm: two decimals, or two digits where that would be nothing. */
const size = (number) => (number < 0.095 ? number.toPrecision(2) : number.toFixed(2));
const low = (...digits) => digits.map((digit) => "₀₁₂₃₄₅₆₇₈₉"[digit]).join("");
const NAMES = ["query", "key", "value"];

/** How an entry looks: its own colour when positive, hatched when negative, the fuller the larger, full at 1. */
function shade(number) {
  const sign = signed(number)[0];
  return { "data-sign": sign === "0" ? "0" : sign === "+" ? "plus" : "minus",
    style: `--size: ${Math.min(1, Math.abs(number)).toFixed(3)}` };
}

/** One gradient as a table of signed numbers; below the chosen row stands the part that came the chosen way. */
function heatTable({ symbol, letter, what, rows, chosen, part, through }) {
  const cells = (numbers) => numbers.map((number) =>
    make("td", { class: "cell", ...shade(number) }, signed(number)));
  const lines = rows.flatMap((numbers, at) => {
    const head = make("th", { scope: "row" }, letter + low(at + 1));
    if (at !== chosen) return [make("tr", {}, head, ...cells(numbers))];
    return [make("tr", { class: "chosen" }, head, ...cells(numbers)),
      make("tr", { class: "part" },
        make("th", { scope: "row", "aria-label": through }, "↳"), ...cells(part))];
  });
  return [make("table", { class: "heat" }, make("caption", {}, make("b", {}, symbol), ` ${what}`),
    make("tbody", {}, ...lines)), make("p", { class: "plenary-note" }, `↳ ${through}`)];
}

/** What the chosen row sends where, against the push. */
function curves(width, { query, key, push }, most, norms) {
  const [left, right, top, floor] = [30, width - 8, 8, 148];
  const x = linear(0, MOST, left + 4, right);
  const y = linear(0, most * 1.04, floor, top);
  const parts = [];
  for (const tick of [0, 0.5, 1, 1.5, 2, 2.5].filter((one) => one < most)) {
    parts.push(make("line", { x1: left, x2: right, y1: y(tick), y2: y(tick), class: "grid" }));
    parts.push(make("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, String(tick)));
  }
  for (const tick of [0, 2, 4, 6, 8, 10]) {
    parts.push(make("text", { x: x(tick), y: floor + 18, "text-anchor": tick === MOST ? "end" : "middle" },
      String(tick)));
  }
  parts.push(make("line", { x1: x(push), x2: x(push), y1: top, y2: floor, class: "here" }));
  parts.push(make("text", { x: (left + right) / 2, y: floor + 36, "text-anchor": "middle" },
    "push on the chosen score"));
  const points = curvesOf(query, key);
  NAMES.forEach((name, which) => {
    parts.push(make("path", { class: `line ${name}`,
      d: pathOf(points.map((three, step) => [x(STEPS[step]), y(three[which])])) }));
  });
  NAMES.forEach((name, which) => {
    parts.push(make("circle", { cx: x(push), cy: y(norms[which]), r: 5, class: `dot ${name}` }));
  });
  return picture(width, floor + 42, `Norm of what row ${query} sends, against the push. At ${push.toFixed(2)}: ` +
    `${size(norms[0])} to its query, ${size(norms[1])} to the keys, ${size(norms[2])} to the values.`, ...parts);
}

/** The legend of the curves: a piece of each line, its name and its present height. */
function legend(query, norms) {
  const words = [`to query ${query}`, "to the keys", "to the values"];
  return make("p", { class: "legend" }, ...NAMES.map((name, which) =>
    make("span", { class: name },
      make("svg", { width: 26, height: 12, viewBox: "0 0 26 12", "aria-hidden": "true" },
        make("path", { d: "M0 6H26", class: `line ${name}` })),
      ` ${words[which]} `, make("b", {}, size(norms[which])))));
}

/** The same in words. */
function summary({ query, key, push }, now) {
  const gradient = now.gradScores[query - 1][key - 1];
  const three = (norms) => `${size(norms[0])} to query ${query}, ${size(norms[1])} to the keys and ` +
    `${size(norms[2])} to the values`;
  const change = push > 0 ? ` Without the push it was ${three(measure(query, key, 0).norms)}.` : "";
  const moved = Math.abs(gradient) < 0.00005 ? "a rise of it no longer moves the loss"
    : `a small rise of it would ${gradient > 0 ? "raise" : "lower"} the loss`;
  return `Query ${query}, key ${key}, pushed up by ${push.toFixed(2)}: weight ` +
    `${now.weights[query - 1][key - 1].toFixed(3)}, gradient of the score ` +
    `${gradient < 0 ? "−" : "+"}${Math.abs(gradient).toFixed(4)} (${moved}). ` +
    `Row ${query} sends a gradient of norm ${three(now.norms)}.${change}`;
}

/** The chosen row, station by station. */
function numbers({ query, key, push }, now) {
  const at = query - 1;
  return numbersTable(`Row ${query} with ${push.toFixed(2)} added to the score of key ${key}`,
    ["key", "score E", "weight A", "dA", "dE"],
    now.scores[at].map((score, s) => [`key ${s + 1}`, score.toFixed(2).replace("-", "−"),
      now.weights[at][s].toFixed(4), signed(now.gradWeights[at][s]),
      now.gradScores[at][s].toFixed(4).replace("-", "−")]));
}

function render({ model, el }) {
  const state = () => ({ query: model.get("query"), key: model.get("key"), push: model.get("push") });
  const most = ceiling();

  const slider = control({ type: "range", min: 0, max: MOST, step: STEP, "aria-label": "Push on the chosen score" });
  const shown = make("output", {});
  const board = make("div", { class: "board", role: "radiogroup",
    "aria-label": "The chosen score: a row for each query, a column for each key" });
  board.append(make("span", {}), ...rowsOf(KEY).map((_, s) =>
    make("span", { class: "name key", "aria-hidden": "true" }, "k" + low(s + 1))));
  const buttons = rowsOf(QUERY).map((_, t) => {
    board.append(make("span", { class: "name query", "aria-hidden": "true" }, "q" + low(t + 1)));
    return rowsOf(KEY).map((__, s) => {
      const button = make("button", { type: "button", role: "radio", class: "cell",
        "data-lm-suppress-shortcuts": "true" });
      button.addEventListener("click", () => choose(t + 1, s + 1));
      board.append(button);
      return button;
    });
  });

  const plot = make("div", { class: "plot" });
  const beside = make("div", {});
  const panels = NAMES.map((name) => make("div", { class: `plenary-panel ${name}` }));
  const words = make("p", { class: "plenary-summary", "aria-live": "polite" });
  let table = make("details", {});
  el.append(make("div", { class: "plenary-live plenary-gradient-flow", role: "group",
    "aria-label": "How the gradient flows through one score into queries, keys and values" },
    make("div", { class: "plenary-controls" },
      make("label", { class: "plenary-wide" }, make("span", {}, "push the chosen score up by ", shown), slider)),
    make("div", { class: "top" },
      make("div", { class: "plenary-panel score" },
        make("p", { class: "plenary-heading" }, make("b", {}, "dE"), " at every score. Pick one."), board),
      make("div", { class: "plenary-panel" },
        make("p", { class: "plenary-heading" }, "What the row sends (norm)"), beside, plot)),
    make("div", { class: "tables" }, ...panels, words), table,
    make("p", { class: "plenary-note" }, "Plain shade: positive. Hatched: negative. Full shade at 1 and beyond. " +
      "What arrives from above, dO, is the same at every push.")));

  let width = 0;
  const draw = () => {
    const now = state();
    const flow = measure(now.query, now.key, now.push);
    const [t, s] = [now.query - 1, now.key - 1];
    slider.value = now.push;
    slider.setAttribute("aria-valuetext", `${now.push.toFixed(2)}, weight ${flow.weights[t][s].toFixed(3)}`);
    shown.textContent = now.push.toFixed(2);
    buttons.forEach((line, row) => line.forEach((button, column) => {
      const [gradient, weight] = [flow.gradScores[row][column], flow.weights[row][column]];
      const chosen = row === t && column === s;
      button.replaceChildren(make("b", {}, signed(gradient)), make("small", {}, `A ${weight.toFixed(2)}`));
      for (const [name, value] of Object.entries({ ...shade(gradient), "aria-checked": chosen,
        tabindex: chosen ? 0 : -1, "aria-label": `query ${row + 1}, key ${column + 1}: gradient of the score ` +
          `${signed(gradient)}, weight ${weight.toFixed(2)}` })) button.setAttribute(name, value);
      button.classList.toggle("in-row", row === t);
    }));
    beside.replaceChildren(legend(now.query, flow.norms));
    const which = low(now.query, now.key);
    const score = `the part through E${which}`;
    const [ofQuery, ofKey, ofValue] = panels;
    ofQuery.replaceChildren(...heatTable({ symbol: "dQ", letter: "q", what: "to the queries",
      rows: flow.gradQuery, chosen: t, part: flow.partQuery, through: score }));
    ofKey.replaceChildren(...heatTable({ symbol: "dK", letter: "k", what: "to the keys",
      rows: flow.gradKey, chosen: s, part: flow.partKey, through: score }));
    ofValue.replaceChildren(...heatTable({ symbol: "dV", letter: "v", what: "to the values",
      rows: flow.gradValue, chosen: s, part: flow.partValue, through: `the part through A${which}` }));
    words.textContent = summary(now, flow);
    table = renewTable(table, numbers(now, flow));
    if (width) plot.replaceChildren(curves(width, now, most, flow.norms));
  };
  const choose = (query, key) => {
    model.set("query", query);
    model.set("key", key);
    model.save_changes();
  };
  slider.addEventListener("input", () => {
    model.set("push", Number(slider.value));
    model.save_changes();
  });
  board.addEventListener("keydown", (event) => {
    const { query, key } = state();
    const to = { ArrowUp: [query - 1, key], ArrowDown: [query + 1, key], ArrowLeft: [query, key - 1],
      ArrowRight: [query, key + 1], Home: [query, 1], End: [query, KEY.rows] }[event.key];
    if (!to) return;
    event.preventDefault();
    event.stopPropagation();
    const [row, column] = [Math.min(QUERY.rows, Math.max(1, to[0])), Math.min(KEY.rows, Math.max(1, to[1]))];
    choose(row, column);
    buttons[row - 1][column - 1].focus();
  });
  const settings = ["query", "key", "push"];
  for (const name of settings) model.on(`change:${name}`, draw);
  const stop = followWidth(plot, (available) => {
    width = available;
    draw();
  });
  draw();
  return () => {
    stop();
    for (const name of settings) model.off(`change:${name}`, draw);
  };
}

export default { render };
