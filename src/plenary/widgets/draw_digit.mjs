// Draw a digit: a trained Vision Transformer reads it in the page, at every movement of the pen, and can be looked into.
// strokes.mjs makes of strokes what it reads; draw_digit.py computes the same with PyTorch.

const VIEWS = ["attention", "similarity", "rollout", "journey"];
const FULL = { attention: 0.4, similarity: 1, rollout: 0.15 }; // what is drawn darkest
const SIDE = 4; // patches on a side
const CALM = 350; // milliseconds without a change before a sentence is spoken

const top = (values) => values.indexOf(Math.max(...values));
const capital = (text) => text[0].toUpperCase() + text.slice(1);
/** A share in per cent: what is not all is not called all, nor nothing. */
const percent = (share) => (share >= 0.995 && share < 1 - 1e-9 ? ">\u00a099\u00a0%"
  : share > 1e-9 && share < 0.005 ? "<\u00a01\u00a0%" : `${Math.round(100 * share)}\u00a0%`);
const spoken = (share) => percent(share).replace(">", "over").replace("<", "under");

/** The cosine of every two rows. */
function cosines(x) {
  const unit = matrix(rowsOf(x).map((row) => {
    const size = Math.hypot(...row) || 1;
    return row.map((entry) => entry / size);
  }));
  return matmulT(unit, unit);
}

/**
 * Everything that is shown of a picture. `off` names heads, "1.2" is head 2 of layer 1; `skipped` numbers layers.
 * A head or layer that is off has no part in the rollout; `rollouts` has one through layer 1, one through 1 and 2, ...
 */
export function see(vit, pixels, { positions = true, off = [], skipped = [] } = {}) {
  const seen = lookAt(vit, pixels, {
    positions, off: off.map((name) => name.split(".").map((number) => number - 1)), skip: skipped.map((one) => one - 1) });
  const heard = seen.weights.map((heads, layer) =>
    (skipped.includes(layer + 1) ? [] : heads.filter((_, head) => !off.includes(`${layer + 1}.${head + 1}`))));
  const { rows } = seen.states[0];
  const rollouts = heard.map((_, layer) => {
    const some = heard.slice(0, layer + 1).filter((heads) => heads.length);
    return some.length ? rolledOut(some) : map(zeros(rows, rows), (_, row, col) => Number(row === col));
  });
  const journey = seen.states.map((state) => {
    const logits = logitsOf(vit, state, 0);
    return Array.from(softmax({ rows: 1, cols: logits.length, data: logits }).data);
  });
  return { ...seen, chances: Array.from(seen.probabilities), rollouts, journey, likeness: seen.states.map(cosines) };
}

/** A token in words: the class token is 0, then come the patches, row by row. */
const whom = (token) => (token ? `the patch in row ${Math.floor((token - 1) / SIDE) + 1}, column ${((token - 1) % SIDE) + 1}`
  : "the class token");
const stage = (layer) => (layer ? `after layer ${layer}` : "before the first layer");
const depth = (layer) => (layer > 1 ? `layers 1 to ${layer}` : "layer 1");

/** A small map: the picture, each patch covered as it counts, and the class token's square to the left. */
function smallMap() {
  const ink = inked(4);
  const squares = upTo(SIDE * SIDE + 1).map((token) => make("rect", { width: 2, height: 2,
    ...(token ? { x: 2 * ((token - 1) % SIDE), y: 2 * Math.floor((token - 1) / SIDE) } : { x: -2.7, y: 0 }) }));
  const frame = make("path", { d: "M-2.7 0h2v2h-2zM0 0h8v8h-8z", class: "frame" });
  const svg = make("svg", { viewBox: "-2.9 -0.2 11.1 8.4", ...UNSAID }, ink.node, ...squares, frame);
  return { svg, draw(pixels, values, full) {
    ink.draw(pixels);
    values.forEach((value, token) => put(squares[token], {
      class: value < 0 ? "less" : "more", "fill-opacity": (0.75 * Math.min(Math.abs(value) / full, 1)).toFixed(2) }));
  } };
}

/** The map that a view shows of a layer (and head): a matrix, a row for each token. */
function mapOf(seen, view, layer, head) {
  if (view === "similarity") return seen.likeness[layer];
  return view === "rollout" ? seen.rollouts[layer - 1] : seen.weights[layer - 1][head - 1];
}

/** What is switched off, in words. */
function without({ positions, off, skipped }) {
  const parts = [...(positions ? [] : ["positions"]), ...skipped.map((layer) => `layer ${layer}`), ...off.map((name) => {
    const [layer, head] = name.split(".");
    return `head ${head} of layer ${layer}`;
  })];
  return parts.length > 3 ? `${parts.length} of its parts` : listed(parts);
}

/** What it reads, how surely, and what it would read with all its parts. */
function answer({ chances, intact, meant, blank, ...settings }) {
  const [first, second] = upTo(chances.length).sort((a, b) => chances[b] - chances[a]);
  const said = `${first} (${spoken(chances[first])})`;
  const parts = without(settings);
  const begin = blank ? `Nothing is drawn. It answers all the same, as a softmax must: ${said}.`
    : parts ? `Without ${parts}, it ${first === top(intact) ? "still reads" : "reads"} ${said}; with all its parts ` +
      `${top(intact)} (${spoken(Math.max(...intact))}).`
      : `It reads ${said}; next comes ${second} (${spoken(chances[second])}).`;
  return begin + (meant === null ? "" : ` The writer of this test picture meant ${meant}.`);
}

/** What the chosen map shows of the chosen token. */
function reading({ view, layer, head, token, values, journey, off, skipped }) {
  if (view === "journey") {
    return `If the head read the class token earlier: ${listed(journey.map((chances, at) =>
      `${top(chances)} (${spoken(Math.max(...chances))}) ${stage(at)}`))}.`;
  }
  const order = upTo(values.length).filter((at) => at !== token).sort((a, b) => values[b] - values[a]);
  const share = (at) => `${at === token ? "itself" : whom(at)} (${spoken(values[at])})`;
  if (view === "similarity") {
    const cosine = (at) => `${whom(at)} (cosine ${minus(values[at].toFixed(2))})`;
    return `${capital(stage(layer))}, ${whom(token)} is most like ${cosine(order[0])}, and least like ${cosine(order.at(-1))}.`;
  }
  if (view === "rollout") {
    return `Through ${depth(layer)}, ${spoken(values[token])} of ${whom(token)} is still its own; most of the rest comes ` +
      `from ${share(order[0])} and ${share(order[1])}.`;
  }
  const [most, next] = upTo(values.length).sort((a, b) => values[b] - values[a]);
  const silent = skipped.includes(layer) || off.includes(`${layer}.${head}`) ? ", which is off and says nothing" : "";
  return `In head ${head} of layer ${layer}${silent}, ${whom(token)} listens most to ${share(most)}, ` +
    `then to ${share(next)}.`;
}

function render({ model, el }) {
  const vit = readVit(model.get("weights"));
  const { layers, heads, classes } = vit;
  // `mine` are the pixels that the field has.
  let [mine, now, changing, telling] = [null, null, false, 0];
  const written = Object.entries(WRITTEN).map(([digit, text]) => ({ digit, strokes: strokesOf(text) }));
  const tested = Object.entries(TESTED).map(([at, [digit, text]]) => ({ at, digit, pixels: inkOf(text) }));
  const same = (pixels) => (one) => one.pixels.every((ink, at) => Math.abs(ink - pixels[at]) < 1e-6);
  for (const one of written) one.pixels = pixelsOf(one.strokes);

  // Several settings may change at once, and are drawn once.
  const change = (values) => {
    changing = true;
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    changing = false;
    draw();
    model.save_changes();
  };
  const press = (name, act, attributes = {}) => {
    const one = button(attributes, name);
    one.addEventListener("click", act);
    return one;
  };
  const title = (text) => make("p", { class: "title" }, text);

  const field = drawingField((pixels, settled) => {
    mine = pixels;
    model.set("pixels", mine);
    if (settled) model.save_changes();
  });
  const thumb = ({ pixels, strokes: own }) => {
    const ink = inked(16);
    ink.draw(own ? [] : pixels);
    return own ? make("svg", { viewBox: "4 2 24 28", ...UNSAID }, make("g", { class: "lines" },
      ...own.map((points) => make("path", { d: pathOf(points) })))) : make("svg", { viewBox: "0 0 8 8", ...UNSAID }, ink.node);
  };
  const examples = [...written.map((one) => press(thumb(one), () => field.write(one.strokes), { "aria-label": `Write a ${one.digit}` })), ...tested.map((one) => press(thumb(one), () => field.show(nested(one.pixels)), { "aria-label": `Test picture ${one.at}, a ${one.digit}` }))];

  // What it sees, and what it says.
  const picture_ = inked(16);
  const chosen = make("path", { class: "chosen" });
  const sees = make("svg", { viewBox: "-0.1 -0.1 8.2 8.2", class: "sees", ...UNSAID }, picture_.node,
    make("path", { class: "frame", d: "M0 0h8v8h-8zM2 0v8M4 0v8M6 0v8M0 2h8M0 4h8M0 6h8" }), chosen);
  const [digit, sure, whole] = [make("b"), make("span"), make("p", { class: "whole" })];
  const bars = upTo(classes).map((name) => {
    const [bar, mark, share] = [make("i"), make("u"), make("span")];
    return { bar, mark, share, line: make("li", {}, make("span", {}, String(name)), make("span", { class: "bar" }, bar, mark), share) };
  });

  // What can be taken away.
  const toggle = (setting, name) => () => {
    const own = model.get(setting);
    change({ [setting]: own.includes(name) ? own.filter((one) => one !== name) : [...own, name].sort() });
  };
  const part = (text, label, isOn, act) => ({ isOn, one: press(text, act, { role: "switch", "aria-label": label }) });
  const parts = [part("positions", "positions", () => now.positions, () => change({ positions: !model.get("positions") })),
    ...upTo(layers).flatMap((layer) => [
      part(`layer ${layer + 1}`, `layer ${layer + 1}`, () => !now.skipped.includes(layer + 1), toggle("skipped", layer + 1)),
      ...upTo(heads).map((head) => part(`${head + 1}`, `head ${head + 1} of layer ${layer + 1}`,
        () => !now.off.includes(`${layer + 1}.${head + 1}`), toggle("off", `${layer + 1}.${head + 1}`)))])];
  const restore = press("all on", () => change({ positions: true, off: [], skipped: [] }));
  const groups = upTo(layers).map((layer) => make("div", { class: "group", role: "group", "aria-label": `Layer ${layer + 1}` },
    ...parts.slice(1 + layer * (heads + 1), 1 + (layer + 1) * (heads + 1)).map(({ one }) => one)));

  // Small maps for three of the views, and one of them large.
  const tile = (view, layer, head, name) => {
    const small = smallMap();
    const one = press(small.svg, () => change({ layer, head }), { class: "tile", "aria-label": `Show ${name}` });
    return { ...small, view, layer, head, one };
  };
  const tiles = {
    attention: upTo(layers).flatMap((layer) => upTo(heads).map((head) =>
      tile("attention", layer + 1, head + 1, `head ${head + 1} of layer ${layer + 1}`))),
    similarity: upTo(layers + 1).map((layer) => tile("similarity", layer, 1, `the similarity ${stage(layer)}`)),
    rollout: upTo(layers).map((layer) => tile("rollout", layer + 1, 1, `the rollout through ${depth(layer + 1)}`)),
  };
  const named = (text, one) => make("div", { class: "named" }, one, make("small", UNSAID, text));
  const sets = {
    attention: make("div", { class: "tiles attention" }, make("small", UNSAID),
      ...upTo(heads).map((head) => make("small", UNSAID, `head ${head + 1}`)),
      ...upTo(layers).flatMap((layer) => [make("small", UNSAID, `layer ${layer + 1}`),
        ...tiles.attention.slice(layer * heads, (layer + 1) * heads).map(({ one }) => one)])),
    similarity: make("div", { class: "tiles" }, ...tiles.similarity.map(({ one, layer }) =>
      named(layer ? stage(layer) : "at the start", one))),
    rollout: make("div", { class: "tiles" }, ...tiles.rollout.map(({ one, layer }) =>
      named(layer > 1 ? `layers 1 to ${layer}` : "layer 1", one))),
  };
  const large = inked(16);
  const cells = upTo(SIDE * SIDE + 1).map((token) => {
    const number = make("span");
    const one = press(number, () => change({ token }));
    one.style.gridArea = token ? `${((token - 1) >> 2) + 1} / ${((token - 1) & 3) + 3}` : "1 / 1";
    return { one, number };
  });
  const board = make("div", { class: "board", role: "group", "aria-label": "Tokens: the class token and the patches" },
    make("svg", { viewBox: "0 0 8 8", ...UNSAID }, large.node), make("small", UNSAID, "class token"), ...cells.map(({ one }) => one));
  const [boardTitle, key, told] = [title(""), make("p", { class: "key" }), make("p", { class: "told", "aria-live": "polite" })];
  const halves = make("div", { class: "halves" }, make("div", {}, ...Object.values(sets), key), make("div", {}, boardTitle, board));

  const steps = upTo(layers + 1).map(() => upTo(classes).map(() => make("td")));
  const journey = make("table", { class: "journey" }, make("caption", {}, "In per cent, what the head says of the class " +
    "token after each layer: the state goes through the last norm and the head."),
  make("thead", {}, make("tr", {}, make("td"), ...upTo(classes).map((name) => make("th", { scope: "col" }, String(name))))),
  make("tbody", {}, ...steps.map((line, layer) => make("tr", {}, make("th", { scope: "row" }, layer ? `layer ${layer}` : "start"),
    ...line))));
  const views = VIEWS.map((name) => [name, press(name, () => change({ view: name }))]);

  const words = make("p", { class: "plenary-summary", "aria-live": "polite" });
  let table = make("details");
  const root = make("div", { class: "plenary-live plenary-draw-digit" },
    make("div", { class: "three" },
      make("div", {}, title("You draw"), field.node),
      make("div", { class: "seen" }, title("It sees"), sees, make("p", { class: "plenary-note" }, "8 × 8 pixels, in 16 patches; " +
        "scaled and straightened, as the training pictures were")),
      make("div", { class: "says" }, title("It says"), make("p", { class: "answer", ...UNSAID }, digit, sure), whole,
        make("ol", { class: "bars" }, ...bars.map(({ line }) => line)))),
    make("div", { class: "examples", role: "group", "aria-label": "Examples" },
      make("div", {}, make("small", UNSAID, "or take"), ...examples.slice(0, written.length)),
      make("div", {}, make("small", UNSAID, "tests"), ...examples.slice(written.length))),
    words,
    make("div", { class: "group" }, title("Take away"), parts[0].one, restore, make("small", UNSAID, "and layers, or their heads:")),
    make("div", { class: "chips" }, ...groups),
    make("div", { class: "views", role: "group", "aria-label": "What to look at" }, ...views.map(([, one]) => one)),
    halves, journey, told, table);
  el.append(root);

  const drawAnswer = () => {
    const { chances, intact, positions, off, skipped } = now;
    const first = top(chances);
    digit.textContent = String(first);
    sure.textContent = percent(chances[first]);
    const taken = !positions || off.length || skipped.length;
    whole.textContent = taken ? `with all parts: ${top(intact)}, ${percent(Math.max(...intact))}` : "with all its parts";
    bars.forEach(({ bar, mark, share, line }, name) => {
      put(bar, { style: `width: ${(100 * chances[name]).toFixed(2)}%` });
      put(mark, { style: `left: ${(100 * intact[name]).toFixed(2)}%`, class: taken ? "" : "none" });
      if (share.textContent !== percent(chances[name])) share.textContent = percent(chances[name]);
      put(line, { class: name === first ? "first" : "" });
    });
    picture_.draw(now.pixels);
    const [row, col] = [Math.floor((now.token - 1) / SIDE), (now.token - 1) % SIDE];
    put(chosen, { d: now.token && now.view !== "journey" ? `M${2 * col} ${2 * row}h2v2h-2z` : "" });
    for (const { one, isOn } of parts) put(one, { "aria-checked": Boolean(isOn()) });
    put(restore, { "aria-disabled": !taken });
    field.refresh();
  };

  const drawView = () => {
    const { view, layer, head, token, pixels, off, skipped } = now;
    for (const [name, one] of views) put(one, { "aria-pressed": name === view });
    [halves.hidden, journey.hidden] = [view === "journey", view !== "journey"];
    if (view === "journey") {
      steps.forEach((line, at) => line.forEach((cell, name) => {
        const chance = now.journey[at][name];
        cell.textContent = String(Math.round(100 * chance));
        put(cell, { style: `--share: ${chance.toFixed(3)}`, class: name === top(now.journey[at]) ? "first" : "" });
      }));
      return;
    }
    for (const [name, one] of Object.entries(sets)) one.hidden = name !== view;
    for (const one of tiles[view]) {
      one.draw(pixels, rowsOf(mapOf(now, view, one.layer, one.head))[token], FULL[view]);
      const here = one.layer === layer && one.head === head;
      const silent = view === "attention" && (skipped.includes(one.layer) || off.includes(`${one.layer}.${one.head}`));
      put(one.one, { "aria-pressed": here, tabindex: here ? 0 : -1, class: silent ? "tile off" : "tile" });
    }
    large.draw(pixels);
    boardTitle.textContent = view === "similarity" ? `Similarity ${stage(layer)}`
      : view === "rollout" ? `Rollout through ${depth(layer)}` : `Head ${head} of layer ${layer}`;
    key.textContent = `Of ${whom(token)}; click another token. Darkest: ${view === "similarity" ? "a cosine of 1; amber is below 0"
      : `${Math.round(100 * FULL[view])} % and more`}.`;
    cells.forEach(({ one, number }, at) => {
      const value = now.values[at];
      const text = view === "similarity" ? minus(value.toFixed(2)) : String(Math.round(100 * value));
      if (number.textContent !== text) number.textContent = text;
      one.style.setProperty("--share", Math.min(Math.abs(value) / FULL[view], 1).toFixed(3));
      put(one, { "aria-pressed": at === token, class: value < 0 ? "less" : "", tabindex: at === token ? 0 : -1,
        "aria-label": `${capital(whom(at))}: ${view === "similarity" ? text : spoken(value)}` });
    });
  };

  const tell = () => {
    telling = 0;
    words.textContent = answer(now);
    told.textContent = reading(now);
    table = renewTable(table, numbersTable("The chance of each digit", ["digit", "it says", "with all its parts"],
      now.chances.map((chance, name) => [name, chance.toFixed(4), now.intact[name].toFixed(4)])));
  };

  function draw() {
    if (changing) return;
    if (model.get("pixels") !== mine) {
      mine = model.get("pixels");
      field.take(mine, written.find(same(mine.flat()))?.strokes ?? (mine.flat().some(Boolean) ? null : []));
    }
    const [positions, off, skipped, view, token] = ["positions", "off", "skipped", "view", "token"].map((name) => model.get(name));
    const pixels = mine.flat();
    const seen = see(vit, pixels, { positions, off, skipped });
    const taken = !positions || off.length || skipped.length;
    // Before the first layer nobody has listened yet: only the states have a map there.
    const layer = view === "similarity" ? model.get("layer") : Math.max(model.get("layer"), 1);
    const head = view === "attention" ? model.get("head") : 1;
    const hush = now && now.pixels.some((ink, pixel) => ink !== pixels[pixel]);
    now = { ...seen, pixels, positions, off, skipped, view, token, layer, head, blank: !pixels.some(Boolean),
      intact: taken ? Array.from(lookAt(vit, pixels).probabilities) : seen.chances,
      meant: field.strokes() ? null : tested.find(same(pixels))?.digit ?? null,
      values: view === "journey" ? [] : rowsOf(mapOf(seen, view, layer, head))[token] };
    drawAnswer();
    drawView();
    // At every movement of the pen would be too often.
    clearTimeout(telling);
    if (hush) telling = setTimeout(tell, CALM);
    else tell();
  }

  // Arrow keys among the small maps, and among the tokens: one stop of the Tab key each.
  for (const [box, across, among] of [...Object.entries(sets).map(([view, one]) =>
    [one, view === "attention" ? heads : 2, tiles[view].map((own) => own.one)]), [board, SIDE, cells.map(({ one }) => one)]]) {
    box.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
      const from = among.indexOf(event.target);
      if (!by || from < 0) return;
      event.preventDefault();
      among[from + by]?.click();
      among[from + by]?.focus();
    });
  }

  model.on("change", draw);
  draw();
  return () => {
    field.stop();
    clearTimeout(telling);
    model.off("change", draw);
  };
}

export default { render };
