// What the class token of a trained model listens to in a digit, and the test of that map: patches are covered with
// paper, those with most share first, those with least first, or by lot. rollout_viewer.py repeats it all with PyTorch.

const INK = "0123456789abcdefg"; // a pixel in sixteenths
const VIEWS = { head: "one head", mean: "mean of the heads", rollout: "rollout" };
const WAYS = { most: "most first", least: "least first", lot: "by lot" };
const STEPS = 16;
const KNOWN = 3000; // answers that are kept, a picture with some patches covered each

const read = new Map(); // models and pictures by their text, so that two widgets read a file once
function once(text, how) {
  if (!read.has(text)) read.set(text, how(text));
  return read.get(text);
}
const modelOf = (base64) => once(base64, (text) => ({ ...readVit(text), answers: new Map() }));
const stripOf = (json) => once(json, (text) => JSON.parse(text).map(([index, label, answer, ink]) =>
  ({ index, label, answer, pixels: Array.from(ink, (digit) => INK.indexOf(digit) / 16) })));

const patchAt = ([, cols], side, pixel) => {
  const wide = cols * side;
  return Math.floor(Math.floor(pixel / wide) / side) * cols + Math.floor((pixel % wide) / side);
};

/** The pixels with some patches, given as a set, turned into paper. */
function coverUp(vit, pixels, covered) {
  return pixels.map((ink, at) => (covered.has(patchAt(vit.grid, vit.patch, at)) ? 0 : ink));
}

/** What the model sees in these pixels; kept, for every slider comes by here again. */
function seen(vit, pixels) {
  const name = pixels.map((ink) => INK[Math.round(16 * ink)]).join("");
  if (!vit.answers.has(name)) {
    if (vit.answers.size >= KNOWN) vit.answers.clear();
    const { weights, probabilities } = lookAt(vit, pixels);
    vit.answers.set(name, { weights, probabilities: Array.from(probabilities) });
  }
  return vit.answers.get(name);
}

/** The class token's row: its own share first, then the patches'. Layers and heads count from 1. */
export function sharesOf(vit, pixels, { view, layer, head, identity }) {
  const { weights } = seen(vit, pixels);
  const firstRow = (table) => Array.from(table.data.slice(0, table.cols));
  if (view === "head") return firstRow(weights[layer - 1][head - 1]);
  const means = weights.slice(0, layer).map((heads) =>
    map(heads[0], (_, row, col) => heads.reduce((sum, one) => sum + one.data[row * one.cols + col], 0) / heads.length));
  if (view === "mean") return firstRow(means.at(-1));
  if (identity) return firstRow(rolledOut(weights.slice(0, layer)));
  return firstRow(means.reduce((sofar, later) => matmul(later, sofar)));
}

/** In which order patches are covered. */
export function ordersOf(shares, lot) {
  const patches = Array.from({ length: shares.length - 1 }, (_, patch) => patch);
  const most = patches.toSorted((one, other) => shares[1 + other] - shares[1 + one]);
  const next = uniforms(lot);
  const drawn = patches.map(() => next());
  return { most, least: most.toReversed(), lot: patches.toSorted((one, other) => drawn[one] - drawn[other]) };
}

/** The probabilities of the classes with the first 0, 1, ... patches of an order covered. */
export function probabilitiesOf(vit, pixels, order) {
  return Array.from({ length: order.length + 1 }, (_, count) =>
    seen(vit, coverUp(vit, pixels, new Set(order.slice(0, count)))).probabilities);
}

/** Everything that one setting shows. */
export function measure(base64, json, setting) {
  const vit = modelOf(base64);
  const strip = stripOf(json);
  const shown = strip[Math.min(setting.picture, strip.length - 1)];
  const shares = sharesOf(vit, shown.pixels, setting);
  const orders = ordersOf(shares, setting.lot);
  const curves = {};
  for (const way of Object.keys(WAYS)) curves[way] = probabilitiesOf(vit, shown.pixels, orders[way]);
  const ink = Array.from({ length: STEPS }, () => 0);
  shown.pixels.forEach((one, at) => (ink[patchAt(vit.grid, vit.patch, at)] += one / vit.patch ** 2));
  return { vit, shown, shares, orders, curves, ink };
}

const percent = (share) => `${(100 * share).toFixed(1)}\u00a0%`;
const whole = (share) => `${Math.round(100 * share)}\u00a0%`;
const largest = (numbers) => numbers.indexOf(Math.max(...numbers));
const placeOf = (patch) => `row ${Math.floor(patch / 4) + 1}, column ${(patch % 4) + 1}`;
const readsIt = ({ label, answer }) => (label === answer ? `a ${label}, read as a ${answer}`
  : `a ${label}, read wrongly as a ${answer}`);

/** What is shown, in words. */
function named({ view, layer, head, identity }) {
  if (view === "head") return `head ${head} of layer ${layer}`;
  if (view === "mean") return `the mean of the heads of layer ${layer}`;
  return `the rollout up to layer ${layer}${identity ? "" : ", without the identity"}`;
}

/** The pixels of a digit, `size` pixels a side; covered patches are hatched. */
function digit(pixels, size, label, { covered = new Set(), framed = null, lines = false } = {}) {
  const pixel = size / 8;
  const square = (x, y, side, attributes) => make("rect", { x: x.toFixed(2), y: y.toFixed(2), width: side.toFixed(2),
    height: side.toFixed(2), ...attributes });
  const parts = [square(0, 0, size, { class: "paper" })];
  pixels.forEach((ink, at) => {
    if (!ink) return;
    parts.push(square((at % 8) * pixel, Math.floor(at / 8) * pixel, pixel, { class: "ink", "fill-opacity": ink }));
  });
  for (const patch of covered) {
    const [x, y, side] = [(patch % 4) * 2 * pixel, Math.floor(patch / 4) * 2 * pixel, 2 * pixel];
    parts.push(square(x, y, side, { class: "cover" }), make("path", { class: "hatch",
      d: pathOf([[x, y + side], [x + side, y]]) + pathOf([[x, y + side / 2], [x + side / 2, y]]) +
        pathOf([[x + side / 2, y + side], [x + side, y + side / 2]]) }));
  }
  if (lines) {
    for (let at = 1; at < 4; at++) {
      parts.push(make("path", { class: "cut",
        d: pathOf([[2 * at * pixel, 0], [2 * at * pixel, size]]) + pathOf([[0, 2 * at * pixel], [size, 2 * at * pixel]]) }));
    }
  }
  parts.push(square(0, 0, size, { class: "edge" }));
  if (framed !== null) {
    parts.push(square((framed % 4) * 2 * pixel, Math.floor(framed / 4) * 2 * pixel, 2 * pixel, { class: "frame" }));
  }
  return picture(size, size, label, ...parts);
}

/** The shares of the patches as a grid of numbers, the largest framed. */
function shareMap(shares, size, label) {
  const side = size / 4;
  const patches = shares.slice(1);
  const most = Math.max(...patches);
  const cells = patches.flatMap((share, patch) => {
    const [x, y] = [(patch % 4) * side, Math.floor(patch / 4) * side];
    return [
      make("rect", { x, y, width: side, height: side, class: "share", "fill-opacity": ((0.6 * share) / most).toFixed(3) }),
      make("text", { x: x + side / 2, y: y + side / 2 + 5, "text-anchor": "middle", class: "strong" },
        (100 * share).toFixed(1)),
    ];
  });
  const top = largest(patches);
  return picture(size, size, label, make("rect", { x: 0, y: 0, width: size, height: size, class: "paper" }), ...cells,
    make("rect", { x: 0, y: 0, width: size, height: size, class: "edge" }),
    make("rect", { x: (top % 4) * side, y: Math.floor(top / 4) * side, width: side, height: side, class: "frame" }));
}

/** The probability of the answer against the number of covered patches, one line for each order. */
function curvesOf(width, curves, answer, count) {
  const [left, right, top, floor] = [46, width - 8, 8, 148];
  const x = linear(0, STEPS, left, right);
  const y = linear(0, 1, floor, top);
  const parts = [];
  for (const tick of [0, 0.5, 1]) {
    parts.push(make("line", { x1: left, x2: right, y1: y(tick), y2: y(tick), class: "grid" }));
    parts.push(make("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, `${100 * tick}${tick === 1 ? " %" : ""}`));
  }
  for (const tick of [0, 4, 8, 12, 16]) {
    parts.push(make("text", { x: x(tick), y: floor + 18, "text-anchor": "middle" }, String(tick)));
  }
  parts.push(make("text", { x: (left + right) / 2, y: floor + 36, "text-anchor": "middle" }, "patches covered"));
  parts.push(make("line", { x1: x(count), x2: x(count), y1: top, y2: floor, class: "here" }));
  for (const way of ["lot", "least", "most"]) {
    const points = curves[way].map((chances, at) => [x(at), y(chances[answer])]);
    parts.push(make("path", { d: pathOf(points), class: `line ${way}` }));
    parts.push(make("circle", { cx: x(count), cy: points[count][1], r: 5, class: `dot ${way}` }));
  }
  const said = Object.entries(WAYS).map(([way, name]) => `${name} ${whole(curves[way][count][answer])}`).join(", ");
  return picture(width, floor + 42, `Probability of ${answer} against the number of patches covered. ` +
    `With ${count} covered: ${said}.`, ...parts);
}

/** A covered digit under the name of its order, over what the model says to it. */
function covering(way, { shown, orders, curves }, count, size) {
  const chances = curves[way][count];
  const now = largest(chances);
  const line = picture(22, 12, "", make("path", { d: "M0 6L22 6", class: `line ${way}` }));
  line.removeAttribute("aria-label");
  line.setAttribute("role", "presentation");
  const bar = make("span", { class: `bar ${way}` });
  bar.style.width = `${100 * chances[shown.answer]}%`;
  return make("div", { class: "covering" },
    make("p", { class: "way" }, line, WAYS[way]),
    digit(coverUp({ grid: [4, 4], patch: 2 }, shown.pixels, new Set(orders[way].slice(0, count))), size,
      `The digit with ${count} patches covered, ${WAYS[way]}`, { covered: new Set(orders[way].slice(0, count)) }),
    make("div", { class: "chance" }, bar),
    make("p", { class: "said" }, `${shown.answer}: `, make("b", {}, whole(chances[shown.answer]))),
    make("p", { class: "said" }, now === shown.answer ? "still the answer" : `now ${now}: ${whole(chances[now])}`));
}

function summary({ shown, shares, curves, ink }, setting) {
  const { answer } = shown;
  const patches = shares.slice(1);
  const top = largest(patches);
  const lies = ink[top] ? `which is ${whole(ink[top])} ink` : "which is bare paper";
  const start = `This is ${readsIt(shown)} with probability ${whole(curves.most[0][answer])}. In ${named(setting)} the ` +
    `class token gives its largest share, ${percent(patches[top])}, to the patch in ${placeOf(top)}, ${lies}; it keeps ` +
    `${percent(shares[0])} of itself.`;
  const count = setting.covered;
  if (!count) return `${start} Nothing is covered yet.`;
  const [most, least, lot] = ["most", "least", "lot"].map((way) => whole(curves[way][count][answer]));
  return `${start} With ${count === 1 ? "1 patch" : `${count} patches`} covered, the probability of ${answer} is ` +
    `${most} (those with most share), ${least} (with least), ${lot} (by lot).`;
}

function table({ shown, shares, orders, curves, ink }, setting) {
  const chance = (count) => Object.keys(WAYS).map((way) => curves[way][count][shown.answer].toFixed(4));
  return numbersTable(`Patches by their share in ${named(setting)}, and the probability of ${shown.answer} when so many ` +
    "are covered", ["covered", "the next by share", "its share, %", "its ink, %", ...Object.values(WAYS)],
    [["0", "–", "–", "–", ...chance(0)], ...orders.most.map((patch, at) => [String(at + 1), placeOf(patch),
      (100 * shares[1 + patch]).toFixed(2), (100 * ink[patch]).toFixed(0), ...chance(at + 1)])]);
}

/** A row of buttons of which one is chosen: its element, and a function that marks the chosen one. */
function choice(label, options, choose) {
  const buttons = options.map(([value, name]) => {
    const one = button({}, name);
    one.addEventListener("click", () => choose(value));
    return one;
  });
  const element = make("div", { class: "plenary-buttons", role: "group", "aria-label": label },
    make("span", { "aria-hidden": "true" }, label), ...buttons);
  return { element, mark: (chosen) => buttons.forEach((one, at) => one.setAttribute("aria-pressed", options[at][0] === chosen)) };
}

function render({ model, el }) {
  const SETTINGS = ["picture", "view", "layer", "head", "identity", "covered", "lot"];
  const [base64, json] = [model.get("weights"), model.get("strip")];
  const vit = modelOf(base64);
  const strip = stripOf(json);
  const change = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };
  const numbersUpTo = (last) => Array.from({ length: last }, (_, at) => [at + 1, String(at + 1)]);
  const views = choice("show", Object.entries(VIEWS), (value) => change("view", value));
  const layers = choice("layer", numbersUpTo(vit.layers), (value) => change("layer", value));
  const heads = choice("head", numbersUpTo(vit.heads), (value) => change("head", value));
  const identity = control({ type: "checkbox", role: "switch" });
  const identityLabel = make("label", {}, identity, make("span", {}, "with the identity"));
  const slider = control({ type: "range", min: 0, max: STEPS, step: 1, "aria-label": "Patches covered" });
  const count = make("output", {});
  const again = button({}, "draw another lot");

  const thumbs = strip.map((one, at) => {
    const thumb = button({ role: "radio", class: one.label === one.answer ? "" : "mistaken", "aria-label": readsIt(one) },
      digit(one.pixels, 32, ""), make("span", { "aria-hidden": "true" },
        one.label === one.answer ? String(one.answer) : `✗ ${one.answer}`));
    thumb.querySelector("svg").setAttribute("aria-hidden", "true");
    thumb.addEventListener("click", () => change("picture", at));
    return thumb;
  });
  const wall = make("div", { class: "thumbs", role: "radiogroup", "aria-label": "The picture" }, ...thumbs);
  const stage = make("div", { class: "stage" });
  const trial = make("div", { class: "trial" });
  const words = make("p", { class: "plenary-summary", "aria-live": "polite" });
  let numbers = numbersTable("", [""], []);
  const { figures } = vit.facts;
  const mistaken = strip.filter(({ label, answer }) => label !== answer).length;
  const root = make("div", { class: "plenary-live plenary-rollout", role: "group",
    "aria-label": "What a trained model listens to in a digit, and what becomes of its answer when patches are covered" },
    wall,
    make("div", { class: "plenary-controls" }, views.element, layers.element, heads.element, identityLabel),
    stage,
    make("div", { class: "plenary-controls" },
      make("label", { class: "plenary-wide" }, make("span", {}, "patches covered: ", count), slider), again),
    trial, words, numbers,
    make("p", { class: "plenary-note" },
      `Under each digit stands what the model reads; ✗ marks a wrong answer. Of each digit the first test picture that ` +
      `is read rightly, then ${mistaken} of the ${figures.wrong} (of ${figures.tested}) that are not. Framed: the ` +
      "patch with the largest share. Covered patches (hatched) are given to the model as paper, value 0."));
  el.append(root);

  let width = 0;
  const draw = () => {
    const setting = Object.fromEntries(SETTINGS.map((name) => [name, model.get(name)]));
    const found = measure(base64, json, setting);
    const { shown, shares, curves, ink } = found;
    const at = strip.indexOf(shown);
    thumbs.forEach((thumb, number) => {
      thumb.setAttribute("aria-checked", number === at);
      thumb.tabIndex = number === at ? 0 : -1;
    });
    views.mark(setting.view);
    layers.mark(setting.layer);
    heads.mark(setting.head);
    heads.element.hidden = setting.view !== "head";
    identityLabel.hidden = setting.view !== "rollout";
    identity.checked = setting.identity;
    slider.value = setting.covered;
    slider.setAttribute("aria-valuetext", `${setting.covered} of ${STEPS} patches covered`);
    count.textContent = setting.covered;
    words.textContent = summary(found, setting);
    numbers = renewTable(numbers, table(found, setting));
    if (!width) return;
    const top = largest(shares.slice(1));
    const size = Math.min(184, Math.floor((width - 16) / 2));
    const narrow = width < 640;
    const picked = `largest share in ${placeOf(top)}`;
    stage.classList.toggle("plenary-narrow", narrow);
    stage.replaceChildren(
      make("div", {}, make("p", { class: "plenary-heading" }, "the digit"),
        digit(shown.pixels, size, `${readsIt(shown)}; ${picked}`, { framed: top, lines: true })),
      make("div", {}, make("p", { class: "plenary-heading" }, "shares, %"),
        shareMap(shares, size, `Shares of the 16 patches in ${named(setting)}; ${picked}: ${percent(shares[1 + top])}`)),
      make("div", { class: "curves" }, make("p", { class: "plenary-heading" }, `probability of ${shown.answer}`),
        curvesOf(narrow ? width : width - 2 * size - 48, curves, shown.answer, setting.covered)));
    const small = Math.min(112, Math.floor((width - 24) / 3));
    trial.replaceChildren(...Object.keys(WAYS).map((way) => covering(way, found, setting.covered, small)));
  };
  // Arrow keys move along the strip; the focus goes along.
  wall.addEventListener("keydown", (event) => {
    const [at, last] = [Math.min(model.get("picture"), strip.length - 1), strip.length - 1];
    const [back, on] = [Math.max(0, at - 1), Math.min(last, at + 1)];
    const to = { ArrowLeft: back, ArrowUp: back, ArrowRight: on, ArrowDown: on, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    change("picture", to);
    thumbs[to].focus();
  });
  identity.addEventListener("change", () => change("identity", identity.checked));
  slider.addEventListener("input", () => change("covered", Number(slider.value)));
  again.addEventListener("click", () => change("lot", (model.get("lot") % 100) + 1));
  SETTINGS.forEach((name) => model.on(`change:${name}`, draw));
  const stop = followWidth(stage, (available) => {
    width = available;
    draw();
  });
  draw();
  return () => {
    stop();
    SETTINGS.forEach((name) => model.off(`change:${name}`, draw));
  };
}

export default { render };
