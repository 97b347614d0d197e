// A query among six keys in the plane, and the output inside the hull of the values. soft_lookup.py has the same
// table of names, keys and values, and computes the same with torch.

const ROOM = [
  ["weather", [-1.5, 2], [8, 5]],
  ["sea", [1.5, 2], [1, 1]],
  ["food", [2.5, -0.5], [5, 0.5]],
  ["music", [0.5, -2], [2, 5.5]],
  ["trains", [-2, -1.5], [9.5, 1.5]],
  ["garden", [-0.5, 0], [6, 4]],
];
const CORNERS = [1, 2, 4, 0, 3]; // of the values' hull, in order round it
const REACH = 4;
const TIE = 1e-9; // squared distances that differ by less are the same one, rounded differently
const MOST = Math.log(ROOM.length);

/** Squared distances, weights, output and entropy for a query; the limit is "none", "cold" or "hot". */
export function lookup(query, temperature, limit) {
  const squared = ROOM.map(([, key]) => (query[0] - key[0]) ** 2 + (query[1] - key[1]) ** 2);
  let weights;
  if (limit === "cold") {
    const least = Math.min(...squared);
    const nearest = squared.map((distance) => (distance < least + TIE ? 1 : 0));
    const count = nearest.reduce((sum, one) => sum + one, 0);
    weights = nearest.map((one) => one / count);
  } else if (limit === "hot") {
    weights = squared.map(() => 1 / squared.length);
  } else {
    weights = rowsOf(softmax(matrix([squared.map((distance) => -distance / (2 * temperature))])))[0];
  }
  const output = [0, 1].map((axis) => ROOM.reduce((sum, [, , value], s) => sum + weights[s] * value[axis], 0));
  return { squared, weights, output, entropy: entropy(weights) };
}

const tidy = (text) => text.replace(/^-(?=0(\.0+)?$)/, "").replace("-", "−");
const fixed = (number, digits = 2) => tidy(number.toFixed(digits));
const at = (point) => `(${fixed(point[0])}, ${fixed(point[1])})`;
const clamp = (number) => Math.min(REACH, Math.max(-REACH, number));
const nats = (number) => (number > 0 && number < 0.005 ? "less than 0.01" : fixed(number));
const scaleOf = (from, to, start, end) => (value) => start + ((value - from) / (to - from)) * (end - start);
const tau = () => make("i", {}, "τ");

/** A drawing whose parts are moved, not redrawn: what is focused stays focused, and what is dragged stays held. */
function keysPlane(side) {
  const pad = 16; // room for the query's ring at the edge
  const x = scaleOf(-REACH, REACH, pad, side - pad);
  const y = scaleOf(-REACH, REACH, side - pad, pad);
  const unit = (side - 2 * pad) / (2 * REACH);
  const lines = ROOM.map(([, key]) => make("line", { x2: x(key[0]), y2: y(key[1]) }));
  const ring = make("circle", { class: "ring" });
  const names = ROOM.map(([name, key]) => make("g", { class: "key" },
    make("rect", { x: x(key[0]) - 5, y: y(key[1]) - 5, width: 10, height: 10 }),
    make("text", { x: x(key[0]), y: y(key[1]) - 11, "text-anchor": "middle" }, name)));
  // One thumb for two axes. Its value is the first coordinate; its text says both.
  const handle = make("g", { class: "handle", tabindex: 0, role: "slider", "aria-label": "Query",
    "aria-roledescription": "point to move with the arrow keys", "aria-valuemin": -REACH, "aria-valuemax": REACH,
    "data-lm-suppress-shortcuts": "true" },
    make("circle", { r: 22, class: "reach" }), make("circle", { r: 15, class: "halo" }), make("circle", { r: 9 }),
    make("text", { y: 5, "aria-hidden": "true" }, "query"));
  const clip = make("svg", { class: "clip", width: side, height: side });
  clip.append(ring);
  const svg = make("svg", { width: side, height: side, viewBox: `0 0 ${side} ${side}`, role: "group",
    "aria-label": "The plane of the badges: six keys and one query", class: "keys" });
  const back = make("g", { "aria-hidden": "true" },
    make("rect", { x: 0.5, y: 0.5, width: side - 1, height: side - 1, rx: 4, class: "ground" }), clip,
    ...lines, ...names);
  svg.append(back, handle);
  const show = ({ query, temperature, limit }, { weights }) => {
    const [px, py] = [x(query[0]), y(query[1])];
    lines.forEach((line, s) => {
      line.setAttribute("x1", px);
      line.setAttribute("y1", py);
      line.setAttribute("class", weights[s] < 0.005 ? "thread faint" : "thread");
      line.setAttribute("stroke-width", weights[s] < 0.005 ? 1 : 1 + 11 * weights[s]);
    });
    ring.setAttribute("cx", px);
    ring.setAttribute("cy", py);
    ring.setAttribute("r", limit === "none" ? unit * Math.sqrt(temperature) : 0);
    handle.setAttribute("transform", `translate(${px.toFixed(2)} ${py.toFixed(2)})`);
    // At the right-hand edge its name would leave the picture.
    handle.lastChild.setAttribute("x", px > side - 64 ? -16 : 16);
    handle.lastChild.setAttribute("text-anchor", px > side - 64 ? "end" : "start");
    handle.setAttribute("aria-valuenow", query[0]);
    handle.setAttribute("aria-valuetext", `${fixed(query[0])} across, ${fixed(query[1])} up`);
  };
  const pointOf = (event) => {
    const box = svg.getBoundingClientRect();
    return [(event.clientX - box.left - side / 2) / unit, (side / 2 - event.clientY + box.top) / unit];
  };
  return { svg, handle, show, pointOf };
}

/** The values, their hull, and the output in it. */
function valuesPlane(width) {
  const height = Math.round(0.6 * width);
  const x = scaleOf(0, 10.5, 8, width - 8);
  const y = scaleOf(0, 6.5, height - 6, 6);
  const hull = CORNERS.map((s) => [x(ROOM[s][2][0]), y(ROOM[s][2][1])]);
  const dots = ROOM.map(([, , value]) => make("circle", { cx: x(value[0]), cy: y(value[1]), class: "value" }));
  const names = ROOM.map(([name, , value]) => make("text", { y: y(value[1]) + 4,
    "text-anchor": value[0] > 7 ? "end" : "start", class: "value" }, name));
  const output = make("g", { class: "output" }, make("path", { d: "M0 -9L9 0L0 9L-9 0Z" }));
  const svg = picture(width, height, "",
    make("rect", { x: 0.5, y: 0.5, width: width - 1, height: height - 1, rx: 4, class: "ground" }),
    make("path", { d: pathOf(hull) + "Z", class: "hull" }), ...dots, ...names, output);
  const show = ({ weights, output: point }) => {
    ROOM.forEach(([, , value], s) => {
      const r = 4 + 9 * Math.sqrt(weights[s]);
      dots[s].setAttribute("r", r.toFixed(2));
      names[s].setAttribute("x", x(value[0]) + (value[0] > 7 ? -5 - r : 5 + r));
    });
    output.setAttribute("transform", `translate(${x(point[0]).toFixed(2)} ${y(point[1]).toFixed(2)})`);
    svg.setAttribute("aria-label", `Six values, their hull, and the output at ${at(point)} inside it`);
  };
  return { svg, show };
}

/** A row for each key: a button that puts the query onto it, the weight as a bar and as a number. */
function bars(choose) {
  const rows = ROOM.map(([name, key]) => {
    const button = make("button", { type: "button", "aria-label": `${name}: put the query onto this key`,
      "data-lm-suppress-shortcuts": "true" }, name);
    button.addEventListener("click", () => choose(key));
    const bar = make("span", { class: "bar" });
    const number = make("span", { class: "number" });
    const row = make("li", {}, button, make("span", { class: "track", "aria-hidden": "true" }, bar), number);
    return { row, bar, number };
  });
  const list = make("ul", { class: "weights" }, ...rows.map(({ row }) => row));
  const show = ({ weights }) => rows.forEach(({ bar, number }, s) => {
    bar.style.width = `${100 * weights[s]}%`;
    number.textContent = fixed(weights[s], 3);
  });
  return { list, show };
}

/** The state in a sentence or two, for the reader who cannot see it and for everybody else. */
function summary({ query, temperature, limit }, { weights, output, entropy: undecided }) {
  const order = weights.map((p, s) => s).sort((a, b) => weights[b] - weights[a]);
  const share = (s) => `${ROOM[s][0]} gets the weight ${fixed(weights[s], 3)}`;
  const best = order.filter((s) => weights[s] > 0 && limit === "cold").map((s) => ROOM[s][0]);
  const said = {
    none: `At temperature ${Number(temperature.toPrecision(3))}, ${share(order[0])}, then ${ROOM[order[1]][0]} ` +
      `${fixed(weights[order[1]], 3)}.`,
    cold: best.length === 1
      ? `In the limit of temperature 0, the nearest key, ${best[0]}, takes everything.`
      : `In the limit of temperature 0, the nearest keys, ${best.join(" and ")}, share alike.`,
    hot: "In the limit of infinite temperature, all six keys share alike.",
  }[limit];
  return `Query ${at(query)}. ${said} Entropy ${nats(undecided)} of at most ${fixed(MOST)} nats, as if ` +
    `${fixed(Math.exp(undecided), 1)} keys were heard alike. Output ${at(output)}, inside the hull of the values.`;
}

function table({ query, limit, temperature }, found) {
  const warmth = { none: `temperature ${Number(temperature.toPrecision(3))}`, cold: "temperature to 0",
    hot: "temperature to infinity" }[limit];
  return numbersTable(`Query ${at(query)}, ${warmth}: output ${at(found.output)}, entropy ${nats(found.entropy)} nats`,
    ["name", "key", "squared distance", "weight", "value"],
    ROOM.map(([name, key, value], s) =>
      [name, at(key), fixed(found.squared[s]), fixed(found.weights[s], 4), at(value)]));
}

function render({ model, el }) {
  const slider = control({ type: "range", min: -2, max: 2, step: 0.05, "aria-label": "Temperature, tau" });
  const shown = make("output", {});
  const limitButton = (name, ...label) => {
    const button = make("button", { type: "button", "data-lm-suppress-shortcuts": "true" }, ...label);
    button.addEventListener("click", () => change({ limit: model.get("limit") === name ? "none" : name }));
    return button;
  };
  const cold = limitButton("cold", "cold: ", tau(), " → 0");
  const hot = limitButton("hot", "hot: ", tau(), " → ∞");
  const undecided = make("b", {});
  const where = make("b", {});
  const weights = bars((key) => change({ query: [...key] }));
  const heading = (text, ...rest) => make("p", { class: "plenary-heading" }, make("span", {}, text), ...rest);
  const panel = (area, ...parts) => make("div", { class: "plenary-panel", style: `grid-area: ${area}` }, ...parts);
  const keysPlace = make("div", {});
  const valuesPlace = make("div", {});
  const panels = make("div", { class: "plenary-panels" },
    panel("keys", heading("Keys and your query"), keysPlace),
    panel("values", heading("Values", where), valuesPlace),
    panel("weights", heading("Weights", undecided), weights.list));
  const stage = make("div", { class: "plenary-stage" });
  const words = make("p", { class: "plenary-summary", "aria-live": "polite" });
  let numbers = make("details");
  stage.append(panels);
  el.append(make("div", { class: "plenary-live plenary-softlookup", role: "group",
    "aria-label": "Soft lookup: a query among six keys, the weights, and the output among the values" },
    make("div", { class: "plenary-controls" },
      make("label", { class: "plenary-wide" }, make("span", {}, tau(), " ", shown), slider), cold, hot),
    stage, words, numbers,
    make("p", { class: "plenary-note" }, "Drag the query, tap a place, or use the arrow keys (with Shift for larger " +
      "steps); a name’s button puts it onto that key. The dashed circle has the kernel’s width √τ as its radius. " +
      "Thicker lines, longer bars and larger discs: more weight. The values are places on the town’s map.")));

  let keys = null;
  let values = null;
  const state = () => ({ query: model.get("query"), temperature: model.get("temperature"), limit: model.get("limit") });
  const draw = () => {
    const setting = state();
    const found = lookup(setting.query, setting.temperature, setting.limit);
    const { temperature, limit } = setting;
    slider.value = Math.log10(temperature);
    slider.setAttribute("aria-valuetext", `temperature ${Number(temperature.toPrecision(3))}`);
    shown.textContent = { none: `= ${Number(temperature.toPrecision(3))}`, cold: "→ 0", hot: "→ ∞" }[limit];
    cold.setAttribute("aria-pressed", limit === "cold");
    hot.setAttribute("aria-pressed", limit === "hot");
    undecided.textContent = `entropy ${nats(found.entropy)} nats`;
    where.textContent = `output ${at(found.output)}`;
    words.textContent = summary(setting, found);
    numbers = renewTable(numbers, table(setting, found));
    weights.show(found);
    keys?.show(setting, found);
    values?.show(found);
  };
  function change(settings) {
    for (const [name, value] of Object.entries(settings)) model.set(name, value);
    model.save_changes();
  }
  const moveTo = ([x, y]) => {
    let point = [x, y].map((one) => Number(clamp(one).toFixed(2)));
    // Within a few pixels of a key, the finger means the key.
    for (const [, key] of ROOM) if (Math.hypot(x - key[0], y - key[1]) < 0.12) point = [...key];
    change({ query: point });
  };

  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  function bring({ svg, handle, pointOf }) {
    let held = null;
    let dragged = false;
    handle.addEventListener("keydown", (event) => {
      const step = steps[event.key];
      if (!step) return;
      event.preventDefault();
      const size = event.shiftKey ? 0.5 : 0.1;
      change({ query: model.get("query").map((one, axis) => Number(clamp(one + size * step[axis]).toFixed(2))) });
    });
    handle.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      const [x, y] = pointOf(event);
      const query = model.get("query");
      // The point that was taken hold of stays under the finger.
      held = [query[0] - x, query[1] - y];
      dragged = false;
      handle.setPointerCapture(event.pointerId);
      event.preventDefault();
      handle.focus({ preventScroll: true });
    });
    handle.addEventListener("pointermove", (event) => {
      if (!held) return;
      dragged = true;
      const [x, y] = pointOf(event);
      moveTo([x + held[0], y + held[1]]);
    });
    for (const name of ["pointerup", "pointercancel"]) handle.addEventListener(name, () => (held = null));
    svg.addEventListener("click", (event) => {
      // The click that ends a drag, or one on the query itself, moves nothing.
      if (!dragged && !handle.contains(event.target)) moveTo(pointOf(event));
      dragged = false;
    });
  }

  const stop = followWidth(stage, (available) => {
    const narrow = available < 480;
    const column = narrow ? available : Math.floor(0.57 * (available - 24));
    const focused = keys !== null && keys.handle === (el.getRootNode().activeElement ?? null);
    keys = keysPlane(column);
    values = valuesPlane(narrow ? available : available - 24 - column);
    bring(keys);
    panels.classList.toggle("plenary-narrow", narrow);
    panels.style.gridTemplateColumns = narrow ? "" : `${column}px 1fr`;
    keysPlace.replaceChildren(keys.svg);
    valuesPlace.replaceChildren(values.svg);
    draw();
    if (focused) keys.handle.focus({ preventScroll: true });
  });
  slider.addEventListener("input", () => {
    change({ temperature: Number((10 ** slider.value).toPrecision(3)), limit: "none" });
  });
  for (const name of ["query", "temperature", "limit"]) model.on(`change:${name}`, draw);
  draw();
  return () => {
    stop();
    for (const name of ["query", "temperature", "limit"]) model.off(`change:${name}`, draw);
  };
}

export default { render };
