// A word's place as the hands of eight clocks, and six words that change seats before one layer of attention.
// Every number is computed here; positions.py repeats it all with PyTorch.

const LENGTH = 32;
const WIDTH = 16;
const FARTHEST = 15;
const SEED = 8;
const WORDS = ["one", "dog", "bit", "that", "old", "man"];
const FIRST_ORDER = "012345";
const PAIRS = WIDTH / 2;
const FREQUENCIES = Array.from({ length: PAIRS }, (_, pair) => 10000 ** ((-2 * pair) / WIDTH));

/** The row of one position, sine before cosine in each pair of columns. */
function rowOf(position) {
  return FREQUENCIES.flatMap((frequency) => [Math.sin(frequency * position), Math.cos(frequency * position)]);
}

const TABLE = matrix(Array.from({ length: LENGTH }, (_, position) => rowOf(position)));

/** R with PE(t + offset) = R PE(t), PE(t) a column: one 2 x 2 block for each pair. */
function rotation(offset) {
  const R = zeros(WIDTH, WIDTH);
  FREQUENCIES.forEach((frequency, pair) => {
    const [sine, cosine] = [Math.sin(frequency * offset), Math.cos(frequency * offset)];
    const at = (row, col) => (2 * pair + row) * WIDTH + 2 * pair + col;
    R.data[at(0, 0)] = R.data[at(1, 1)] = cosine;
    R.data[at(0, 1)] = sine;
    R.data[at(1, 0)] = -sine;
  });
  return R;
}

/** R PE(t), the row where it should arrive, and the largest difference of the two. */
export function carry(position, offset) {
  const carried = Array.from(matmulT(matrix([rowOf(position)]), rotation(offset)).data);
  const target = rowOf(position + offset);
  return { carried, target, off: Math.max(...carried.map((entry, at) => Math.abs(entry - target[at]))) };
}

/** PE(t) . PE(s) for every s of the table. */
export function similarity(position) {
  return Array.from(matmulT(matrix([rowOf(position)]), TABLE).data);
}

let drawn = null;

/** The six words and three matrices, all independent normal numbers, the matrices over the root of the width. */
function weights() {
  if (drawn) return drawn;
  const numbers = normals(SEED, WORDS.length * WIDTH + 3 * WIDTH * WIDTH);
  const take = (start, rows, scale) =>
    map({ rows, cols: WIDTH, data: numbers.slice(start, start + rows * WIDTH) }, (entry) => entry / scale);
  const behind = (which) => (WORDS.length + which * WIDTH) * WIDTH;
  const root = Math.sqrt(WIDTH);
  drawn = { words: take(0, WORDS.length, 1),
    query: take(behind(0), WIDTH, root), key: take(behind(1), WIDTH, root), value: take(behind(2), WIDTH, root) };
  return drawn;
}

/** What the layer gives for the words in this order, a row for each seat. */
export function listen(order, positions) {
  const { words, query, key, value } = weights();
  const rows = rowsOf(words);
  const seated = matrix(Array.from(order, (word) => rows[word]));
  const x = positions ? map(seated, (entry, row, col) => entry + TABLE.data[row * WIDTH + col]) : seated;
  return rowsOf(attention(project(x, query), project(x, key), project(x, value)).output);
}

/** For each seat, how far the output of its word is from what that word got in the first order. */
export function moved(order, positions) {
  const [before, now] = [listen(FIRST_ORDER, positions), listen(order, positions)];
  return Array.from(order, (word, seat) =>
    Math.max(...now[seat].map((entry, at) => Math.abs(entry - before[word][at]))));
}

const signed = (text) => String(text).replace("-", "−");
const fixed = (number, digits = 2) => {
  const text = number.toFixed(digits);
  return signed(Number(text) === 0 ? text.replace("-", "") : text);
};
/** With so many places, or three digits where those would be zeros: the slow hands hardly turn. */
const small = (number, places) =>
  (number !== 0 && Math.abs(number) < 0.01 ? signed(number.toPrecision(3)) : fixed(number, places));
const power = (number) => {
  if (number === 0) return "0";
  const [digit, exponent] = number.toExponential(0).split("e-");
  return `${digit} · 10⁻${Array.from(exponent, (one) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[one]).join("")}`;
};
// Sums in another order differ in their last digits; what is left of that is called 0 here, and said below.
const distance = (number) => (number < 1e-12 ? "0" : number.toFixed(2));
const spelt = (order) => Array.from(order, (word) => WORDS[word]).join(" ");

/** The table as a heat map, position by column, and beside each row its dot product with the chosen one. */
function heatMap(width, { position, offset, pair }, pick) {
  const narrow = width < 420;
  const [left, top, cell] = [30, 40, narrow ? 11 : 12];
  const wide = Math.floor((width * (narrow ? 0.68 : 0.66) - left) / WIDTH);
  const right = left + wide * WIDTH;
  const y = (row) => top + row * cell;
  const target = position + offset;
  const parts = [];
  for (let row = 0; row < LENGTH; row++) {
    for (let col = 0; col < WIDTH; col++) {
      parts.push(make("rect", { x: left + col * wide, y: y(row), width: wide, height: cell, class: "cell",
        "fill-opacity": ((1 + TABLE.data[row * WIDTH + col]) / 2).toFixed(3) }));
    }
  }
  parts.push(make("rect", { x: left, y: top, width: right - left, height: cell * LENGTH, class: "frame" }));
  for (let col = 0; col < WIDTH; col += narrow ? 4 : 2) {
    if (Math.abs(col - 2 * pair - 0.5) < (narrow ? 3 : 1.6)) continue;
    parts.push(make("text", { x: left + (col + 0.5) * wide, y: top - 6, "text-anchor": "middle" }, String(col)));
  }
  parts.push(make("text", { x: left, y: 12 }, "column"));
  const marks = new Map([[target, "target"], [position, "own"]]);
  for (let row = 0; row < LENGTH; row += 8) {
    if ([...marks.keys()].some((mark) => Math.abs(mark - row) < 2)) continue;
    parts.push(make("text", { x: left - 6, y: y(row) + cell - 1, "text-anchor": "end" }, String(row)));
  }
  // The pair, from above; the two rows, from the left. Neighbouring names would overlap, so one of them gives way.
  parts.push(make("rect", { x: left + 2 * pair * wide, y: top, width: 2 * wide, height: cell * LENGTH,
    class: "pair" }));
  parts.push(make("text", { x: left + (2 * pair + 1) * wide, y: top - 6, "text-anchor": "middle",
    class: "strong" }, `${2 * pair}, ${2 * pair + 1}`));
  for (const [row, kind] of marks) {
    if (row < 0 || row >= LENGTH) continue;
    parts.push(make("rect", { x: left, y: y(row), width: right - left, height: cell, class: `row ${kind}` }));
    const near = kind === "target" && Math.abs(offset) === 1 ? 5 * offset : 0;
    parts.push(make("text", { x: left - 6, y: y(row) + cell - 1 + near, "text-anchor": "end",
      class: `mark ${kind}` }, String(row)));
  }
  const alike = similarity(position);
  const x = linear(0, PAIRS, right + 18, width - 6); // no product of this table is below 0
  parts.push(make("text", { x: width - 2, y: 12, "text-anchor": "end" }, "PE(t)·PE(s)"));
  parts.push(make("text", { x: x(0), y: top - 6, "text-anchor": "middle" }, "0"));
  parts.push(make("text", { x: width - 4, y: top - 6, "text-anchor": "end" }, String(PAIRS)));
  alike.forEach((value, row) => {
    parts.push(make("rect", { x: x(0), y: y(row) + 1.5, width: x(value) - x(0), height: cell - 3,
      class: `bar ${marks.get(row) ?? ""}` }));
  });
  parts.push(make("line", { x1: x(0), x2: x(0), y1: top, y2: y(LENGTH), class: "axis" }));
  const label = `The encoding of positions 0 to ${LENGTH - 1} in ${WIDTH} columns, with rows ${position} and ` +
    `${signed(target)} marked, and beside each row its dot product with row ${position}.`;
  const svg = picture(width, y(LENGTH) + 4, label, ...parts);
  // A short cut for the mouse; the sliders do the same for everybody.
  svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    const row = Math.floor((event.clientY - box.top - top) / cell);
    const col = Math.floor((event.clientX - box.left - left) / wide);
    if (row < 0 || row >= LENGTH) return;
    pick(col >= 0 && col < WIDTH ? { position: row, pair: Math.floor(col / 2) } : { position: row });
  });
  return svg;
}

/** One pair as a clock: the hand at t, the hand at t + offset, and the way from one to the other. */
function clock(width, { position, offset, pair }) {
  const size = Math.min(width, 230);
  const [middle, radius] = [size / 2, size / 2 - 24];
  const frequency = FREQUENCIES[pair];
  const point = (angle, reach) => [middle + reach * Math.sin(angle), middle - reach * Math.cos(angle)];
  const [start, turn] = [frequency * position, frequency * offset];
  const parts = [make("circle", { cx: middle, cy: middle, r: radius, class: "face" })];
  for (let hour = 0; hour < 4; hour++) {
    const angle = (hour * Math.PI) / 2;
    const [x1, y1] = point(angle, radius - 5);
    const [x2, y2] = point(angle, radius);
    parts.push(make("line", { x1, y1, x2, y2, class: "axis" }));
  }
  // More than a full turn winds outwards, so that the turns can be counted.
  const steps = Math.max(2, Math.ceil(Math.abs(turn) / 0.1));
  const way = Array.from({ length: steps + 1 }, (_, step) => {
    const angle = (turn * step) / steps;
    return point(start + angle, radius * (0.3 + (0.08 * Math.abs(angle)) / (2 * Math.PI)));
  });
  if (offset !== 0) {
    parts.push(make("path", { d: pathOf(way), class: "way" }));
    // A dot where it ends, since on a slow hand there is no room for an arrow.
    const [cx, cy] = way.at(-1);
    parts.push(make("circle", { cx, cy, r: 3.5, class: "end" }));
  }
  for (const [angle, kind, name, reach] of [
    [start + turn, "target", `t + δ = ${signed(position + offset)}`, radius],
    [start, "own", `t = ${position}`, radius * 0.8],
  ]) {
    const [x2, y2] = point(angle, reach);
    parts.push(make("line", { x1: middle, y1: middle, x2, y2, class: `hand ${kind}` }));
    parts.push(make("circle", { cx: x2, cy: y2, r: 4.5, class: `tip ${kind}` }));
    parts.push(make("text", { x: kind === "own" ? 0 : size, y: size - 3, class: `mark ${kind}`,
      "text-anchor": kind === "own" ? "start" : "end" }, name));
  }
  parts.push(make("text", { x: middle, y: 16, "text-anchor": "middle" }, "cos"));
  parts.push(make("text", { x: size - 20, y: middle + 5 }, "sin"));
  return picture(size, size, `The hand of pair ${pair} at position ${position} and at ` +
    `${signed(position + offset)}: it turns by ${small(turn, 3)} radians.`, ...parts);
}

/** The block of the chosen pair at work, line by line, and the check of all columns. */
function arithmetic({ position, offset, pair }) {
  const { carried, target, off } = carry(position, offset);
  const turn = FREQUENCIES[pair] * offset;
  const [sine, cosine] = rowOf(position).slice(2 * pair, 2 * pair + 2);
  const [c, s] = [Math.cos(turn), Math.sin(turn)];
  const within = (a) => (a < 0 && fixed(a) !== "0.00" ? `(${fixed(a)})` : fixed(a));
  const sum = (a, b, c, d) => `${fixed(a)} · ${within(b)} + ${within(c)} · ${within(d)}`;
  const line = (name, text, at) => make("p", {}, make("b", {}, name), ` ${text} `,
    make("span", {}, `= ${fixed(carried[at])}; row ${signed(position + offset)} has `,
      make("b", { class: "target" }, fixed(target[at]))));
  return make("div", { class: "plenary-sums" },
    make("p", { class: "plenary-heading" }, `δω = ${signed(offset)} × ${FREQUENCIES[pair].toPrecision(3)} = `,
      make("b", {}, `${small(turn, 3)} rad`)),
    line("sin", sum(c, sine, s, cosine), 2 * pair),
    line("cos", sum(-s, sine, c, cosine), 2 * pair + 1),
    make("p", { class: "plenary-check" }, `All ${WIDTH} columns: R PE(t) and PE(t + δ) differ by at most `,
      make("b", {}, power(off)), "."));
}

/** What the first half shows. */
function summary({ position, offset, pair }) {
  const target = position + offset;
  const turn = FREQUENCIES[pair] * offset;
  const place = target < 0 ? " (before the first word, where the formula holds all the same)"
    : target >= LENGTH ? " (below the map)" : "";
  const alike = rowOf(position).reduce((sum, entry, at) => sum + entry * rowOf(target)[at], 0);
  return `From position ${position} to ${signed(target)}${place}, the hand of columns ${2 * pair} and ` +
    `${2 * pair + 1} turns by ${small(turn, 3)} radians, ${small(turn / (2 * Math.PI), 2)} of a full turn. ` +
    `R PE(${position}) and PE(${signed(target)}) differ by ${power(carry(position, offset).off)} at most. ` +
    `Their rows have the dot product ${fixed(alike)}, as any two rows that are ${Math.abs(offset)} apart.`;
}

/** What the second half shows. */
function said(order) {
  if (order === FIRST_ORDER) {
    return `“${spelt(order)}”: the words sit in their first order, and nothing has changed yet. ` +
      "Move one, or shuffle.";
  }
  const [without, having] = [moved(order, false), moved(order, true)];
  const most = Math.max(...having);
  return `“${spelt(order)}”: without positions each word takes its output along (largest difference ` +
    `${distance(Math.max(...without))}, up to rounding). With positions the outputs change: that of ` +
    `“${WORDS[order[having.indexOf(most)]]}” by ${distance(most)}, the smallest change is ` +
    `${distance(Math.min(...having))}.`;
}

/** The outputs of one layer, a strip for each seat, and how far each is from what its word got at first. */
function strips(order, positions, seats) {
  const rows = listen(order, positions);
  moved(order, positions).forEach((change, seat) => {
    seats[seat].strip.querySelectorAll("span").forEach((cell, at) => {
      cell.style.setProperty("--share", `${(50 + 50 * Math.tanh(rows[seat][at])).toFixed(1)}%`);
    });
    seats[seat].change.textContent = distance(change);
    seats[seat].change.classList.toggle("changed", change >= 1e-12);
  });
}

function render({ model, el }) {
  const change = (values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  };
  const sliders = [
    ["position", "Position t", "t", 0, LENGTH - 1],
    ["offset", "Offset δ: how many positions further", "δ", -FARTHEST, FARTHEST],
    ["pair", "Pair of columns", "pair", 0, PAIRS - 1],
  ].map(([name, label, short, min, max]) => {
    const slider = control({ type: "range", min, max, step: 1, "aria-label": label });
    const shown = make("output", {});
    slider.addEventListener("input", () => change({ [name]: Number(slider.value) }));
    return { name, slider, shown,
      row: make("label", {}, make("span", {}, `${short} = `, shown), slider) };
  });
  const stage = make("div", { class: "plenary-stage" });
  const words = make("p", { class: "plenary-summary", "aria-live": "polite" });
  let numbers = numbersTable("", [""], []);

  let chosen = 1;
  const swap = (seat, other) => {
    if (other < 0 || other >= WORDS.length) return;
    const order = Array.from(model.get("order"));
    [order[seat], order[other]] = [order[other], order[seat]];
    chosen = other;
    change({ order: order.join("") });
  };
  const chips = WORDS.map((_, seat) => {
    const chip = button({});
    chip.addEventListener("click", () => {
      chosen = seat;
      draw();
    });
    chip.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      swap(seat, seat + step);
      chips[Math.min(Math.max(seat + step, 0), WORDS.length - 1)].focus();
    });
    return chip;
  });
  const layers = [false, true].map((positions) => {
    const seats = WORDS.map(() => ({
      strip: make("div", { class: "plenary-strip", "aria-hidden": "true" },
        ...Array.from({ length: WIDTH }, () => make("span", {}))),
      change: make("span", { class: "plenary-change" }),
    }));
    const largest = make("b", {});
    const part = make("div", { class: `plenary-layer ${positions ? "having" : "without"}`, role: "group",
      "aria-label": positions ? "Outputs with positions" : "Outputs without positions" },
      make("p", { class: "plenary-heading" }, positions ? "Outputs with positions added: largest difference "
        : "Outputs without positions: largest difference ", largest),
      make("div", { class: "plenary-seats" }, ...seats.map(({ strip, change: text }) =>
        make("div", {}, strip, text))));
    return { positions, seats, largest, part };
  });
  const earlier = button({ "aria-label": "Move the chosen word left" }, "←");
  const later = button({ "aria-label": "Move the chosen word right" }, "→");
  const shuffle = button({}, "shuffle");
  const first = button({}, "first order");
  const next = uniforms(SEED);
  earlier.addEventListener("click", () => swap(chosen, chosen - 1));
  later.addEventListener("click", () => swap(chosen, chosen + 1));
  shuffle.addEventListener("click", () => {
    const before = model.get("order");
    let order = before;
    while (order === before || order === FIRST_ORDER) {
      const list = Array.from(before);
      for (let at = list.length - 1; at > 0; at--) {
        const other = Math.floor(next() * (at + 1));
        [list[at], list[other]] = [list[other], list[at]];
      }
      order = list.join("");
    }
    change({ order });
  });
  first.addEventListener("click", () => change({ order: FIRST_ORDER }));
  const told = make("p", { class: "plenary-said", "aria-live": "polite" });
  let outputs = numbersTable("", [""], []);

  const root = make("div", { class: "plenary-live plenary-positions", role: "group",
    "aria-label": "Positions: the encoding as hands of clocks, and what attention hears without it" },
    make("div", { class: "plenary-controls" }, ...sliders.map(({ row }) => row)),
    stage, words, numbers,
    make("p", { class: "plenary-title" }, "One layer of attention, six words"),
    make("div", { class: "plenary-seats plenary-sentence", role: "group",
      "aria-label": "The sentence. The left and right arrow keys move a word" }, ...chips),
    make("div", { class: "plenary-buttons" }, earlier, later, shuffle, first),
    ...layers.map(({ part }) => part), told, outputs,
    make("p", { class: "plenary-note" },
      `Map: from −1 (empty) to 1 (full colour). The layer has fixed weights and ${WIDTH} features, drawn once at ` +
      "random; a strip is the output of the word above it (large numbers in full colour), and the number below " +
      "it the largest difference from what the same word got in the first order. A difference below " +
      "10⁻¹² is rounding, and shown as 0."));
  el.append(root);

  let width = 0;
  const drawTop = () => {
    const state = Object.fromEntries(sliders.map(({ name }) => [name, model.get(name)]));
    for (const { name, slider, shown } of sliders) {
      slider.value = state[name];
      shown.textContent = signed(state[name]);
      slider.setAttribute("aria-valuetext", name === "pair"
        ? `pair ${state.pair}, columns ${2 * state.pair} and ${2 * state.pair + 1}` : signed(state[name]));
    }
    words.textContent = summary(state);
    const { carried, target } = carry(state.position, state.offset);
    const row = rowOf(state.position);
    numbers = renewTable(numbers, numbersTable(
      `Every column: position ${state.position}, carried by ${signed(state.offset)}`,
      ["column", "turn (rad)", "row t", "R times row t", "row t + δ"],
      row.map((entry, col) => [`${col} (${col % 2 ? "cos" : "sin"})`,
        fixed(FREQUENCIES[Math.floor(col / 2)] * state.offset, 4), fixed(entry, 4), fixed(carried[col], 4),
        fixed(target[col], 4)])));
    if (!width) return;
    const narrow = width < 520;
    const side = 236;
    stage.classList.toggle("plenary-narrow", narrow);
    stage.replaceChildren(heatMap(narrow ? width : width - side - 20, state, change),
      make("div", { class: "plenary-side" },
        make("p", { class: "plenary-heading" }, `Columns ${2 * state.pair} and ${2 * state.pair + 1}: one hand`),
        clock(side, state), arithmetic(state)));
  };
  const drawBottom = () => {
    const order = model.get("order");
    chips.forEach((chip, seat) => {
      const word = WORDS[order[seat]];
      chip.textContent = word;
      chip.setAttribute("aria-label", `${word}, place ${seat}`);
      chip.setAttribute("aria-pressed", seat === chosen);
    });
    // Not "disabled", which would take the focus away from whoever arrives at an end by keyboard.
    earlier.setAttribute("aria-disabled", chosen === 0);
    later.setAttribute("aria-disabled", chosen === WORDS.length - 1);
    for (const { positions, seats, largest } of layers) {
      strips(order, positions, seats);
      largest.textContent = distance(Math.max(...moved(order, positions)));
    }
    told.textContent = said(order);
    const [without, having] = layers.map(({ positions }) => moved(order, positions));
    outputs = renewTable(outputs, numbersTable("How far each word’s output has moved from the first order",
      ["place", "word", "without positions", "with positions"],
      Array.from(order, (word, seat) => [seat, WORDS[word], distance(without[seat]), having[seat].toFixed(4)])));
  };
  const draw = () => {
    drawTop();
    drawBottom();
  };
  const names = sliders.map(({ name }) => name);
  names.forEach((name) => model.on(`change:${name}`, drawTop));
  model.on("change:order", drawBottom);
  const stop = followWidth(stage, (available) => {
    width = available;
    drawTop();
  });
  draw();
  return () => {
    stop();
    names.forEach((name) => model.off(`change:${name}`, drawTop));
    model.off("change:order", drawBottom);
  };
}

export default { render };
