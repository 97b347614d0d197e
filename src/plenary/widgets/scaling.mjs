// Why the root of d_k. The same 4,096 scores for every setting: 16 sequences of 16 queries and 16 keys, with
// 512 independent standard normal components each, of which the first d_k are used. scaling.py repeats it all.

const SEED = 2017;
const SEQUENCES = 16;
const LENGTH = 16;
const WIDEST = 512;
const WIDTHS = Array.from({ length: 10 }, (_, i) => 2 ** i);
const MOST = Math.log(LENGTH);
const REACH = 50;

let products = null;

/** The products q.k for each width in WIDTHS: one running sum a pair, written down at the powers of two. */
function allProducts() {
  if (products) return products;
  const drawn = normals(SEED, 2 * SEQUENCES * LENGTH * WIDEST);
  const half = drawn.length / 2;
  const pairs = SEQUENCES * LENGTH * LENGTH;
  products = WIDTHS.map(() => new Float64Array(pairs));
  for (let pair = 0; pair < pairs; pair++) {
    const row = Math.floor(pair / LENGTH);
    const query = row * WIDEST;
    const key = half + (Math.floor(row / LENGTH) * LENGTH + (pair % LENGTH)) * WIDEST;
    let sum = 0;
    let i = 0;
    for (let step = 0; step < WIDTHS.length; step++) {
      for (; i < WIDTHS[step]; i++) sum += drawn[query + i] * drawn[key + i];
      products[step][pair] = sum;
    }
  }
  return products;
}

const measured = new Map();

/**
 * What one setting does: the scores, their standard deviation, and for the softmax over each query's 16 keys the
 * mean entropy in nats and the mean and median Frobenius norm of the Jacobian diag(p) - p p^T.
 */
export function measure(width, scaled) {
  const name = `${width} ${scaled}`;
  if (measured.has(name)) return measured.get(name);
  const factor = scaled ? 1 / Math.sqrt(width) : 1;
  const scores = allProducts()[Math.log2(width)].map((product) => product * factor);
  const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  const variance = scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / scores.length;
  const rows = scores.length / LENGTH;
  const weights = rowsOf(softmax({ rows, cols: LENGTH, data: scores }));
  const norms = Float64Array.from(weights, (p) => {
    const squares = p.reduce((sum, share) => sum + share ** 2, 0);
    const cubes = p.reduce((sum, share) => sum + share ** 3, 0);
    // Squares of the diagonal p - p^2 and of all p_i p_j off it, added up.
    return Math.sqrt(Math.max(0, squares - 2 * cubes + squares ** 2));
  });
  const sorted = norms.slice().sort();
  const result = {
    scores,
    sd: Math.sqrt(variance),
    entropy: weights.reduce((sum, p) => sum + entropy(p), 0) / rows,
    norm: norms.reduce((sum, norm) => sum + norm, 0) / rows,
    median: (sorted[rows / 2 - 1] + sorted[rows / 2]) / 2,
  };
  measured.set(name, result);
  return result;
}

const dk = () => make("span", { class: "plenary-symbol" }, make("i", {}, "d"), make("sub", {}, make("i", {}, "k")));
const svgDk = (before = "") =>
  make("tspan", {}, before, make("tspan", { "font-style": "italic" }, "d"),
    make("tspan", { dy: 3, "font-size": "11px", "font-style": "italic" }, "k"));
const kind = (scaled) => (scaled ? "scaled" : "unscaled");
const short = (number) => (number < 0.1 ? number.toPrecision(2) : number.toFixed(number < 10 ? 2 : 1));

/** Panel 1: how the scores spread, on an axis that never moves. */
function histogram(width, setting, narrow) {
  const { scores, sd } = measure(setting.width, setting.scaled);
  const counts = new Float64Array(2 * REACH + 1);
  let outside = 0;
  for (const score of scores) {
    const bin = Math.round(score) + REACH;
    if (bin < 0 || bin >= counts.length) outside++;
    else counts[bin]++;
  }
  const [top, floor] = [38, narrow ? 138 : 168];
  const x = linear(-REACH - 0.5, REACH + 0.5, 1, width - 1);
  const y = linear(0, Math.max(...counts), floor, top);
  const outline = [[x(-REACH - 0.5), floor]];
  counts.forEach((count, bin) => {
    outline.push([x(bin - REACH - 0.5), y(count)], [x(bin - REACH + 0.5), y(count)]);
  });
  outline.push([x(REACH + 0.5), floor]);
  const theory = setting.scaled ? "1" : `√${setting.width} = ${short(Math.sqrt(setting.width))}`;
  const parts = [
    make("path", { d: pathOf(outline) + "Z", class: `area ${kind(setting.scaled)}` }),
    make("line", { x1: 0, x2: width, y1: floor, y2: floor, class: "axis" }),
    make("path", { d: `M${x(-sd)} 20v10m0-5H${x(sd)}m0-5v10`, class: "span" }),
    make("text", { x: x(0), y: 12, "text-anchor": "middle", class: "strong" },
      `standard deviation ${short(sd)} (theory: ${theory})`),
    make("text", { x: x(0), y: floor + 36, "text-anchor": "middle" }, "score of a query with a key"),
  ];
  for (const [tick, anchor] of [[-50, "start"], [-25, "middle"], [0, "middle"], [25, "middle"], [50, "end"]]) {
    parts.push(make("line", { x1: x(tick), x2: x(tick), y1: floor, y2: floor + 4, class: "axis" }));
    parts.push(make("text", { x: anchor === "middle" ? x(tick) : tick < 0 ? 0 : width, y: floor + 18,
      "text-anchor": anchor }, String(tick).replace("-", "−")));
  }
  if (outside > 0) {
    const share = ((100 * outside) / scores.length).toFixed(1);
    parts.push(make("text", { x: width, y: top + 8, "text-anchor": "end" }, `${share} % lie`));
    parts.push(make("text", { x: width, y: top + 24, "text-anchor": "end" }, "beyond ±50"));
  }
  const label = `Histogram of the scores from −50 to 50. Standard deviation ${short(sd)}, in theory ${theory}.`;
  return picture(width, floor + 42, label, ...parts);
}

/** Panels 2 and 3: one measure against d_k, with and without the root, and where the reader stands. */
function curves(width, setting, narrow, { measure: name, most, ticks, ceiling, label }) {
  const [left, right, top, floor] = [30, width - 10, 4, narrow ? 114 : 132];
  const x = linear(0, WIDTHS.length - 1, left + 6, right);
  const y = linear(0, most, floor, top);
  const at = WIDTHS.indexOf(setting.width);
  const parts = [make("line", { x1: x(at), x2: x(at), y1: top, y2: floor, class: "here" })];
  for (const tick of ticks) {
    parts.push(make("line", { x1: left, x2: right, y1: y(tick), y2: y(tick), class: "grid" }));
    parts.push(make("text", { x: left - 7, y: y(tick) + 4, "text-anchor": "end" }, String(tick)));
  }
  if (ceiling) {
    parts.push(make("line", { x1: left, x2: right, y1: y(MOST), y2: y(MOST), class: "ceiling" }));
    parts.push(make("text", { x: left + 6, y: y(MOST) - 6 }, ceiling));
  }
  WIDTHS.forEach((value, i) => {
    if (i % 2 === 0) {
      parts.push(make("text", { x: x(i), y: floor + 18, "text-anchor": "middle" }, String(value)));
    }
  });
  parts.push(make("text", { x: (x(0) + right) / 2, y: floor + 35, "text-anchor": "middle" }, svgDk()));
  for (const scaled of [false, true]) {
    const points = WIDTHS.map((value, i) => [x(i), y(measure(value, scaled)[name])]);
    parts.push(make("path", { d: pathOf(points), class: `line ${kind(scaled)}` }));
    const ends = points.slice(-4).map(([, height]) => height);
    // Above its curve, unless the line of the largest possible value is already there.
    const base = scaled && ceiling ? Math.max(...ends) + 18 : Math.min(...ends) - 9;
    parts.push(make("text", { x: right - 8, y: base, "text-anchor": "end", class: `name ${kind(scaled)}` },
      ...(scaled ? [svgDk("divided by √")] : ["not divided"])));
  }
  const value = measure(setting.width, setting.scaled)[name];
  parts.push(make("circle", { cx: x(at), cy: y(value), r: 6, class: `dot ${kind(setting.scaled)}` }));
  return picture(width, floor + 42, `${label} against d_k: ${short(value)} at this setting`, ...parts);
}

/** The panels with their headings, for so many pixels. */
function panels(width, setting) {
  const { entropy, norm } = measure(setting.width, setting.scaled);
  const narrow = width < 520;
  const half = narrow ? width : Math.floor((width - 28) / 2);
  const panel = (heading, value, drawing) =>
    make("div", { class: "plenary-panel" },
      make("p", { class: "plenary-heading" }, heading, make("b", {}, value)), drawing);
  return make("div", { class: narrow ? "plenary-panels plenary-narrow" : "plenary-panels" },
    make("div", { class: "plenary-panel plenary-whole" },
      make("p", { class: "plenary-heading" }, "How far the scores spread"), histogram(width, setting, narrow)),
    panel("Entropy of the weights", `${short(entropy)} nats`, curves(half, setting, narrow, {
      measure: "entropy", most: 3.1, ticks: [0, 1, 2], label: "Mean entropy",
      ceiling: "log 16 = 2.77: all keys alike",
    })),
    panel("Gradient norm of the softmax", short(norm), curves(half, setting, narrow, {
      measure: "norm", most: 0.4, ticks: [0, 0.1, 0.2, 0.3], label: "Mean gradient norm",
    })));
}

/** The same in a sentence, for the reader who cannot see it and for everybody else. */
function summary(setting) {
  const { sd, entropy, norm, median } = measure(setting.width, setting.scaled);
  const scaling = setting.scaled ? ["division by √", dk()] : ["no scaling"];
  return ["With ", dk(), ` = ${setting.width} and `, ...scaling,
    `, the scores have standard deviation ${short(sd)}; on average a query’s weights have entropy ` +
    `${short(entropy)} of at most ${MOST.toFixed(2)} nats, and the gradient norm of its softmax is ` +
    `${short(norm)} (below ${short(median)} for half of the queries).`];
}

/** Every number behind the two curves, for the scaling that is shown. */
function table(scaled) {
  const rows = WIDTHS.map((width) => {
    const { sd, entropy, norm, median } = measure(width, scaled);
    return [width, ...[sd, entropy, norm, median].map(short)];
  });
  return numbersTable(`Every width, ${scaled ? "divided by the root of d_k" : "not divided"}`,
    ["d_k", "standard deviation", "entropy (nats)", "gradient norm, mean", "median"], rows);
}

function render({ model, el }) {
  const slider = control({ type: "range", min: 0, max: WIDTHS.length - 1, step: 1,
    "aria-label": "Width of a key, d_k" });
  const toggle = control({ type: "checkbox", role: "switch" });
  const shown = make("output", {});
  const stage = make("div", { class: "plenary-stage" });
  const words = make("p", { class: "plenary-summary", "aria-live": "polite" });
  let numbers = table(model.get("scaled"));
  const root = make("div", { class: "plenary-live plenary-scaling", role: "group",
    "aria-label": "Why the root of d_k: scores, entropy and gradient norm with and without scaling" },
    make("div", { class: "plenary-controls" },
      make("label", { class: "plenary-wide" }, make("span", {}, dk(), " = ", shown), slider),
      make("label", {}, toggle, make("span", {}, "divide by √", dk()))),
    stage, words, numbers,
    make("p", { class: "plenary-note" }, "Every setting shows the same 4,096 scores: 256 queries, 16 keys each, " +
      "with independent standard normal components. The axis of the scores never moves; the tallest bar fills " +
      "the height."));
  el.append(root);

  let width = 0;
  const draw = () => {
    const setting = { width: model.get("d_k"), scaled: model.get("scaled") };
    slider.value = WIDTHS.indexOf(setting.width);
    slider.setAttribute("aria-valuetext", `d_k = ${setting.width}`);
    toggle.checked = setting.scaled;
    shown.textContent = setting.width;
    words.replaceChildren(...summary(setting));
    numbers = renewTable(numbers, table(setting.scaled));
    if (width) stage.replaceChildren(panels(width, setting));
  };
  const change = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };
  slider.addEventListener("input", () => change("d_k", WIDTHS[slider.value]));
  toggle.addEventListener("change", () => change("scaled", toggle.checked));
  model.on("change:d_k", draw);
  model.on("change:scaled", draw);
  const stop = followWidth(stage, (available) => {
    width = available;
    draw();
  });
  draw();
  return () => {
    stop();
    model.off("change:d_k", draw);
    model.off("change:scaled", draw);
  };
}

export default { render };
