// Our Vision Transformer and torchvision's with the same weights, stage by stage, for a mistake in the copying.
// Nothing is computed here: same_weights.py ran both models and wrote what it measured to same_weights.json.

const KINDS = {
  weights: [["random", "random everywhere"], ["fresh", "as torchvision starts"]],
  precision: [["float64", "float64"], ["float32", "float32"]],
};
const [LEAST, MOST] = [-17, 1.5];
const ROW = 25;

/** 0.000042 as "4e-5", 0.91 as "0.9", 4.6 as "5": one digit, which is all that a reader compares. */
export function short(number) {
  if (number === 0) return "0";
  const [digit, power] = number.toExponential(0).split("e").map(Number);
  return power >= -2 ? String(Number(number.toPrecision(1))) : `${digit}e${power}`;
}

const three = (number) => (number === 0 ? "0" : number.toPrecision(3));
const shape = (sizes) => sizes.join(" × ");

/** One setting: what was measured, how far rounding alone goes, and where the two part (-1 if nowhere). */
function read(data, { mistake, weights, precision }) {
  const found = data.runs[weights][precision][mistake];
  const right = data.runs[weights][precision].none.differences;
  const bound = 10 * Math.max(...right);
  return { ...found, right, bound, parted: found.differences.findIndex((one) => one > bound) };
}

/** The stages as rows: name, the same or not, a bar for the difference on a logarithmic axis, the difference. */
function bars(width, data, setting) {
  const { differences, right, bound } = read(data, setting);
  const narrow = width < 520;
  const [left, end] = [narrow ? 168 : 178, width - 74];
  const x = linear(LEAST, MOST, left, end);
  const at = (value) => x(Math.max(LEAST, Math.log10(value)));
  const floor = data.stages.length * ROW + 4;
  const parts = [];
  for (const power of narrow ? [-15, -5] : [-15, -10, -5, 0]) {
    parts.push(make("line", { x1: x(power), x2: x(power), y1: 0, y2: floor, class: "grid" }));
    parts.push(make("text", { x: x(power), y: floor + 17, "text-anchor": "middle" }, power ? `1e${power}` : "1"));
  }
  parts.push(make("text", { x: (left + end) / 2, y: floor + 36, "text-anchor": "middle" },
    narrow ? "greatest difference" : "greatest difference, on a logarithmic axis"));
  data.stages.forEach(({ name }, index) => {
    const [top, middle] = [index * ROW + 2, index * ROW + ROW / 2 + 2];
    const seen = index <= setting.stage;
    if (index === setting.stage) {
      parts.unshift(make("rect", { x: 0, y: top, width, height: ROW, rx: 4, class: "current" }));
    }
    parts.push(make("text", { x: 6, y: middle + 4.5, class: seen ? "seen" : "ahead" }, name));
    if (!seen) {
      parts.push(make("text", { x: width - 6, y: middle + 4.5, "text-anchor": "end", class: "ahead" }, "?"));
      return;
    }
    const apart = differences[index] > bound;
    parts.push(make("text", { x: left - 12, y: middle + 4.5, "text-anchor": "middle", class: apart ? "apart" : "same" },
      apart ? "≠" : "="));
    if (differences[index] > 0) {
      parts.push(make("rect", { x: left, y: middle - 7, width: Math.max(1, at(differences[index]) - left), height: 14,
        class: apart ? "bar apart" : "bar same" }));
    }
    if (right[index] > 0) parts.push(make("circle", { cx: at(right[index]), cy: middle, r: 4, class: "dot" }));
    parts.push(make("text", { x: width - 6, y: middle + 4.5, "text-anchor": "end", class: "seen value" },
      short(differences[index])));
  });
  const label = `Greatest difference at each stage so far. ` + data.stages.slice(0, setting.stage + 1)
    .map(({ name }, index) => `${name}: ${short(differences[index])}`).join("; ");
  return picture(width, floor + 42, label, ...parts);
}

/** A name that may be broken at its dots and underscores. */
const dotted = (name) => make("code", {}, ...name.split(/(?<=[._])/).flatMap((part) => [part, make("wbr")]));

/** The stage that is looked at: what it is called on both sides, its shape and its norm. */
function pair(data, setting) {
  const { theirs, ours } = read(data, setting);
  const stage = data.stages[setting.stage];
  const row = (head, ...cells) => make("tr", {}, make("th", { scope: "row" }, head),
    ...cells.map((cell) => make("td", {}, cell)));
  return make("table", { class: "pair" },
    make("caption", {}, `Stage ${setting.stage + 1} of ${data.stages.length}: ${stage.name}`),
    make("thead", {}, make("tr", {}, make("td", {}), ...["torchvision", "ours"].map((name) =>
      make("th", { scope: "col" }, name)))),
    make("tbody", {},
      row("made by", dotted(stage.theirs), dotted(stage.ours)),
      row("shape", shape(data.shapes.theirs[setting.stage]),
        shape(data.shapes[setting.mistake === "mean" ? "mean" : "ours"][setting.stage])),
      row("norm", three(theirs[setting.stage]), three(ours[setting.stage]))));
}

/** The same in words, for the reader who cannot see it and for everybody else. */
function summary(data, setting) {
  const { differences, right, parted } = read(data, setting);
  const { stage } = setting;
  const names = data.stages.map(({ name }) => name);
  const so = Math.max(...differences.slice(0, stage + 1));
  const what = data.mistakes[setting.mistake];
  const said = [`${what[0].toUpperCase()}${what.slice(1)}. Stage ${stage + 1}, ${names[stage]}: the two differ by ` +
    `${short(differences[stage])}, and by ${short(so)} at most so far.`];
  if (parted < 0 || parted > stage) said.push("They have not parted: rounding does as much.");
  else if (parted === stage) said.push("Here they part.");
  else said.push(`They parted at stage ${parted + 1}, ${names[parted]}.`);
  if (stage === names.length - 1 && setting.weights === "fresh") {
    said.push("All logits are 0 on both sides, since a fresh head is zeros: comparing them shows nothing.");
  }
  if (setting.mistake !== "none") said.push(`With no mistake: ${short(right[stage])}.`);
  return said.join(" ");
}

/** Every number up to the stage that is looked at. */
function table(data, setting) {
  const { theirs, ours, differences } = read(data, setting);
  const rows = data.stages.slice(0, setting.stage + 1).map((stage, index) => [stage.name, stage.theirs, stage.ours,
    three(theirs[index]), three(ours[index]), short(differences[index])]);
  return numbersTable(`The stages so far: ${data.mistakes[setting.mistake]}, ${setting.weights} weights, ` +
    `${setting.precision}`,
  ["stage", "in torchvision", "in ours", "norm, theirs", "norm, ours", "greatest difference"], rows);
}

function render({ model, el }) {
  const data = JSON.parse(new TextDecoder().decode(decodeBase64(model.get("measured"))));
  const last = data.stages.length - 1;
  const names = ["mistake", "weights", "precision", "stage"];
  const setting = () => Object.fromEntries(names.map((name) => [name, model.get(name)]));
  const change = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };

  const choice = make("select", { "data-lm-suppress-shortcuts": "true" },
    ...Object.entries(data.mistakes).map(([name, words]) => make("option", { value: name }, words)));
  // Radio buttons of one name are one group in the whole page, so each widget takes names of its own.
  const own = Math.random().toString(36).slice(2);
  const radios = Object.fromEntries(Object.entries(KINDS).map(([kind, values]) => [kind, values.map(([value]) =>
    control({ type: "radio", name: `plenary-${kind}-${own}`, value }))]));
  const group = (kind, heading) => make("div", { class: "group", role: "radiogroup", "aria-label": heading },
    make("span", { "aria-hidden": "true" }, heading),
    ...radios[kind].map((radio, at) => make("label", {}, radio, make("span", {}, KINDS[kind][at][1]))));
  const slider = control({ type: "range", min: 0, max: last, step: 1, "aria-label": "Stage" });
  const next = button({}, "Next stage");
  const end = button({}, "To the logits");
  const stage = make("div", { class: "plenary-stage" });
  const words = make("p", { class: "plenary-summary", "aria-live": "polite" });
  let both = pair(data, setting());
  let numbers = table(data, setting());
  el.append(make("div", { class: "plenary-live plenary-same-weights", role: "group",
    "aria-label": "Two Vision Transformers with the same weights, compared stage by stage" },
    make("div", { class: "plenary-controls" },
      make("label", { class: "plenary-wide" }, make("span", {}, "what went wrong"), choice),
      make("div", { class: "plenary-whole" }, group("weights", "weights"), group("precision", "numbers")),
      make("label", { class: "plenary-wide" }, make("span", {}, "stage"), slider),
      make("div", { class: "steps" }, next, end)),
    stage, both, words, numbers,
    make("p", { class: "plenary-note" }, "Both models ran beforehand, on one picture of 16 × 16 pixels: patches of " +
      "4 × 4, width 24, 2 layers, 3 heads. A dot is the difference with no mistake. Norms are over the rows that both " +
      "have: ours makes one row in its last layer, the one that is read.")));

  let width = 0;
  const draw = () => {
    const now = setting();
    choice.value = now.mistake;
    for (const [kind, all] of Object.entries(radios)) {
      for (const radio of all) radio.checked = radio.value === now[kind];
    }
    slider.value = now.stage;
    slider.setAttribute("aria-valuetext", `${now.stage + 1} of ${last + 1}: ${data.stages[now.stage].name}`);
    // Not disabled at the end, which would take the focus away from whoever stands on it.
    for (const one of [next, end]) one.setAttribute("aria-disabled", String(now.stage === last));
    const fresh = pair(data, now);
    both.replaceWith(fresh);
    both = fresh;
    words.textContent = summary(data, now);
    numbers = renewTable(numbers, table(data, now));
    if (width) stage.replaceChildren(bars(width, data, now));
  };
  choice.addEventListener("change", () => change("mistake", choice.value));
  for (const [kind, all] of Object.entries(radios)) {
    for (const radio of all) radio.addEventListener("change", () => change(kind, radio.value));
  }
  slider.addEventListener("input", () => change("stage", Number(slider.value)));
  next.addEventListener("click", () => change("stage", Math.min(last, model.get("stage") + 1)));
  end.addEventListener("click", () => change("stage", last));
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
