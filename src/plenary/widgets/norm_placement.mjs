// How large the gradient is in every layer of a fresh encoder, with the norm inside the branch and around the sum.
// Nothing is computed here: norm_placement.py measured it on the real encoder and wrote it to norm_placement.json.

const DEPTHS = [2, 4, 6, 8, 12, 16, 24, 32];
const KINDS = ["pre", "post"];
const SCALES = {
  weights: { from: 0.2, to: 3.3, ticks: [0.3, 0.5, 1, 2, 3] },
  input: { from: 0.0105, to: 0.32, ticks: [0.02, 0.05, 0.1, 0.2] },
};

const short = (number) => String(Number(number.toPrecision(number < 0.1 ? 2 : 3)));
const times = (number) => (number < 10 ? number.toFixed(1) : number.toFixed(0));
const middles = (layers) => layers.map(([, middle]) => middle);
const lastOf = (layers) => layers[layers.length - 1][1];

/** The frame of a panel: horizontal lines at the ticks of the logarithmic axis, and its map to pixels. */
function frame({ left, right, top, floor, what }) {
  const { from, to, ticks } = SCALES[what];
  const log = linear(Math.log(from), Math.log(to), floor, top);
  const y = (value) => log(Math.log(value));
  const parts = ticks.flatMap((tick) => [
    make("line", { x1: left, x2: right, y1: y(tick), y2: y(tick), class: "grid" }),
    make("text", { x: left - 8, y: y(tick) + 4, "text-anchor": "end" }, String(tick)),
  ]);
  return { y, parts };
}

const nameOf = (kind, x, y) =>
  make("text", { x, y, "text-anchor": "end", class: `name ${kind}` }, `${kind}-norm`);
const dot = ([cx, cy], kind, r) => make("circle", { cx, cy, r, class: `dot ${kind}` });

/** Panel 1: layer by layer through one stack; the band spans the five seeds. */
function byLayer(width, data, { depth, what }, narrow) {
  const [left, right, top, floor] = [34, width - 12, 6, narrow ? 196 : 226];
  const { y, parts } = frame({ left, right, top, floor, what });
  const x = linear(0, depth - 1, left + 10, right - 4);
  const step = depth <= 8 ? 1 : depth <= 16 ? (narrow ? 5 : 3) : narrow ? 10 : 5;
  for (let layer = 0; layer < depth; layer++) {
    if (layer % step && layer !== depth - 1) continue;
    // The last layer is always named; a neighbour that would touch it is not.
    if (layer !== depth - 1 && depth - 1 - layer < step / 2) continue;
    parts.push(make("text", { x: x(layer), y: floor + 18, "text-anchor": "middle" }, String(layer)));
  }
  parts.push(make("text", { x: (left + right) / 2, y: floor + 36, "text-anchor": "middle" },
    "layer, from the input to the output"));
  for (const kind of KINDS) {
    const layers = data[what][kind][depth];
    const upper = layers.map(([, , high], layer) => [x(layer), y(high)]);
    const lower = layers.map(([low], layer) => [x(layer), y(low)]).reverse();
    parts.push(make("path", { d: pathOf([...upper, ...lower]) + "Z", class: `band ${kind}` }));
  }
  for (const kind of KINDS) {
    const layers = data[what][kind][depth];
    const points = middles(layers).map((middle, layer) => [x(layer), y(middle)]);
    parts.push(make("path", { d: pathOf(points), class: `line ${kind}` }));
    parts.push(...points.map((point) => dot(point, kind, depth > 16 ? 2.5 : 3.5)));
    // Clear of the band, over as many layers as the name is wide.
    const near = layers.filter((_, layer) => x(layer) > right - 90);
    const height = kind === "post" ? Math.min(...near.map(([, , high]) => y(high))) - 8
      : Math.max(...near.map(([low]) => y(low))) + 18;
    parts.push(nameOf(kind, right, height));
  }
  const label = `Gradient of each layer’s ${what} in a stack of ${depth}. ` + KINDS.map((kind) =>
    `${kind}-norm: ${middles(data[what][kind][depth]).map(short).join(", ")}`).join(". ");
  return picture(width, floor + 42, label, ...parts);
}

/** Panel 2: the last layer's gradient in stacks of every depth, and where the reader stands. */
function byDepth(width, data, { depth, what }, narrow) {
  const [left, right, top, floor] = [34, width - 12, 6, narrow ? 146 : 226];
  const { y, parts } = frame({ left, right, top, floor, what });
  const log = linear(Math.log(DEPTHS[0]), Math.log(DEPTHS[DEPTHS.length - 1]), left + 10, right - 4);
  const x = (value) => log(Math.log(value));
  parts.unshift(make("line", { x1: x(depth), x2: x(depth), y1: top, y2: floor, class: "here" }));
  for (const value of [2, 4, 8, 16, 32]) {
    parts.push(make("text", { x: x(value), y: floor + 18, "text-anchor": "middle" }, String(value)));
  }
  parts.push(make("text", { x: (left + right) / 2, y: floor + 36, "text-anchor": "middle" }, "number of layers"));
  for (const kind of KINDS) {
    const points = DEPTHS.map((each) => [x(each), y(lastOf(data[what][kind][each]))]);
    parts.push(make("path", { d: pathOf(points), class: `line ${kind}` }));
    parts.push(...points.map((point, at) => dot(point, kind, DEPTHS[at] === depth ? 6 : 3)));
    // Post-norm's name over the end of its line; pre-norm's falls, so its name stands under the start.
    const above = kind === "post";
    const near = points.filter(([at]) => (above ? at > right - 90 : at < left + 90)).map(([, height]) => height);
    parts.push(nameOf(kind, above ? right : left + 72, above ? Math.min(...near) - 11 : Math.max(...near) + 20));
  }
  const label = `Gradient of the last layer’s ${what} in stacks of 2 to 32 layers. ` + KINDS.map((kind) =>
    `${kind}-norm: ${DEPTHS.map((each) => short(lastOf(data[what][kind][each]))).join(", ")}`).join(". ");
  return picture(width, floor + 42, label, ...parts);
}

function panels(width, data, setting) {
  const narrow = width < 520;
  const wide = narrow ? width : Math.floor((width - 28) * 0.58);
  const panel = (heading, drawing) =>
    make("div", { class: "plenary-panel" }, make("p", { class: "plenary-heading" }, heading), drawing);
  return make("div", { class: narrow ? "plenary-panels plenary-narrow" : "plenary-panels" },
    panel("Layer by layer, in this stack", byLayer(wide, data, setting, narrow)),
    panel("The last layer, at every depth",
      byDepth(narrow ? width : width - 28 - wide, data, setting, narrow)));
}

/** The same in words, for the reader who cannot see it and for everybody else. */
function summary(data, { depth, what }) {
  const [pre, post] = KINDS.map((kind) => middles(data[what][kind][depth]));
  const ratio = (all) => times(all[0] / all[all.length - 1]);
  const last = times(post[depth - 1] / pre[depth - 1]);
  return `${depth} layers, gradient of a layer’s ${what}. Pre-norm: the first layer’s is ${ratio(pre)} times the ` +
    `last’s. Post-norm: ${ratio(post)} times. In the last layer post-norm’s is ${last} times pre-norm’s.`;
}

/** Every number of panel 1. */
function table(data, { depth, what }) {
  const rows = Array.from({ length: depth }, (_, layer) => [layer, ...KINDS.flatMap((kind) => {
    const [low, middle, high] = data[what][kind][depth][layer];
    return [short(middle), `${short(low)} to ${short(high)}`];
  })]);
  return numbersTable(`Gradient of each layer’s ${what}, ${depth} layers: median of five seeds, and their range`,
    ["layer", "pre-norm", "range", "post-norm", "range"], rows);
}

function render({ model, el }) {
  const data = JSON.parse(new TextDecoder().decode(decodeBase64(model.get("measured"))));
  const read = () => ({ depth: model.get("depth"), what: model.get("what") });
  const change = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };

  const slider = control({ type: "range", min: 0, max: DEPTHS.length - 1, step: 1, "aria-label": "Number of layers" });
  const shown = make("output", {});
  // Radio buttons of one name are one group in the whole page, so each widget takes a name of its own.
  const group = `plenary-what-${Math.random().toString(36).slice(2)}`;
  const radios = Object.keys(SCALES).map((what) => control({ type: "radio", name: group, value: what }));
  const stage = make("div", { class: "plenary-stage" });
  const words = make("p", { class: "plenary-summary", "aria-live": "polite" });
  let numbers = table(data, read());
  el.append(make("div", { class: "plenary-live plenary-norm-placement", role: "group",
    "aria-label": "Gradients in pre-norm and post-norm stacks of several depths" },
    make("div", { class: "plenary-controls" },
      make("label", { class: "plenary-wide" }, make("span", {}, "layers: ", shown), slider),
      make("div", { class: "plenary-whose", role: "radiogroup", "aria-label": "Whose gradient" },
        make("span", { "aria-hidden": "true" }, "gradient of the layer’s"),
        ...radios.map((radio) => make("label", {}, radio, make("span", {}, radio.value))))),
    stage, words, numbers,
    make("p", { class: "plenary-note" }, "Measured beforehand on encoders before any training: width 64, Xavier " +
      "weights, one batch of 8 sequences of 16 tokens. Lines are the median of five seeds, bands reach from the " +
      "smallest to the largest. The upright axes are logarithmic and never move.")));

  let width = 0;
  const draw = () => {
    const setting = read();
    slider.value = DEPTHS.indexOf(setting.depth);
    slider.setAttribute("aria-valuetext", `${setting.depth} layers`);
    for (const radio of radios) radio.checked = radio.value === setting.what;
    shown.textContent = setting.depth;
    words.textContent = summary(data, setting);
    numbers = renewTable(numbers, table(data, setting));
    if (width) stage.replaceChildren(panels(width, data, setting));
  };
  slider.addEventListener("input", () => change("depth", DEPTHS[slider.value]));
  for (const radio of radios) radio.addEventListener("change", () => change("what", radio.value));
  model.on("change:depth", draw);
  model.on("change:what", draw);
  const stop = followWidth(stage, (available) => {
    width = available;
    draw();
  });
  draw();
  return () => {
    stop();
    model.off("change:depth", draw);
    model.off("change:what", draw);
  };
}

export default { render };
