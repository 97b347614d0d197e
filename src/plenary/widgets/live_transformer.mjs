// A tiny Transformer, alive: the model that PyTorch trained, on the same weights. live_transformer.py repeats it all.

// What is known of a task by its name; live_transformer.py has the same.
const TASKS = {
  totals: { says: "adds up digits from the right, and writes of every total the last digit",
    right(source, symbols) {
      let total = 0;
      return [...source].reverse().map((name) => symbols[(total += symbols.indexOf(name)) % symbols.length]);
    },
    offers: ["3 1 4 1 5", "2 7 1 8 2 8 1 8 2 8", "3 5 9"] },
  reverse: { says: "writes what it reads from back to front", right: (source) => [...source].reverse(),
    offers: ["3 1 4 1 5", "2 7 1 8 2 8 1 8 2 8", "7 7 7 0 7 7"] },
};
const KINDS = {
  encoder: "the encoder’s self-attention", decoder: "the decoder’s self-attention", cross: "the cross-attention",
};
const [START, END] = ["start", "end"];
const TYPING = 250; // milliseconds without a key before a typed source is read
const PACE = 450; // milliseconds a token while it runs to the end
const LEVELS = 8; // shades of a small map

export function modelOf(base64) {
  const { tensors, facts } = readTensors(base64);
  const { num_layers: layers, num_heads: heads, max_length: places } = facts.architecture.arguments;
  const special = Object.values(facts.specials);
  const symbols = facts.symbols.filter((_, id) => !special.includes(id));
  return { tensors, facts, layers, heads, places, symbols, ...facts.specials, answers: new Map() };
}

/** What is read of a text: its symbols, as many as there are places; what is unknown; how many are too many. */
export function readSource({ symbols, places }, text) {
  // Of two that fit, the longer one.
  const names = [...symbols].sort((a, b) => b.length - a.length);
  const [known, unknown] = [[], new Set()];
  for (let rest = text.replace(/[\s,]+/g, " ").trim(); rest; rest = rest.trim()) {
    const name = names.find((one) => rest.startsWith(one)) ?? [...rest][0];
    if (symbols.includes(name)) known.push(name);
    else unknown.add(name);
    rest = rest.slice(name.length);
  }
  return { source: known.slice(0, places), unknown: [...unknown], left: known.length > places };
}

/** The demonstrations: those of a known task, else a short one, and one that goes through all symbols. */
export const offersOf = ({ symbols, places, facts }) => TASKS[facts.task]?.offers ?? [7, 3].map((step) =>
  upTo(places >> (step > 3)).map((at) => symbols[(step * at) % symbols.length]).join(" "));

const nameOf = (kind, one, other) => `${kind} ${one + 1} ${other + 1}`;
const upTo = (count) => [...Array(count).keys()];

/** The model on a source, less what is off and shut. The encoder reads it at once; what comes back makes a step. */
function reader({ tensors, facts, layers, heads, bos }, source, off, shut) {
  const silent = (kind, layer) => upTo(heads).filter((head) => off.includes(nameOf(kind, layer, head)));
  const skip = (stack, layer) => off.includes(`${stack} ${layer + 1}`);
  const mask = (kind, rows, cols) => map(zeros(rows, cols), (_, row, col) =>
    Number(!(kind === "decoder" && col > row) && !shut.includes(nameOf(kind, row, col))));
  const ids = (names) => names.map((name) => facts.symbols.indexOf(name));
  const own = mask("encoder", source.length, source.length);
  let memory = embed(ids(source), tensors["source_embedding.weight"]);
  const encoder = upTo(layers).map((layer) => {
    const { x, weights } = encoderLayer(memory, tensors, `encoder.layers.${layer}`, heads,
      { mask: own, off: silent("encoder", layer), skip: skip("encoder", layer) });
    memory = x;
    return weights;
  });
  memory = norm(memory, tensors, "encoder.norm");
  return (written) => {
    let x = embed([bos, ...ids(written)], tensors["target_embedding.weight"]);
    const [selfMask, memoryMask] = [mask("decoder", x.rows, x.rows), mask("cross", x.rows, memory.rows)];
    const after = upTo(layers).map((layer) => {
      const one = decoderLayer(x, memory, tensors, `decoder.layers.${layer}`, heads, { selfMask, memoryMask,
        offSelf: silent("decoder", layer), offCross: silent("cross", layer), skip: skip("decoder", layer) });
      x = one.x;
      return one;
    });
    const last = norm(matrix([rowsOf(x).at(-1)]), tensors, "decoder.norm");
    return { logits: through(last, tensors, "head").data, encoder,
      decoder: after.map((one) => one.self), cross: after.map((one) => one.cross) };
  };
}

/** One step: logits of the next token, and of every attention each layer's weights, a matrix a head. */
export const look = (model, source, written, off, shut) => reader(model, source, off, shut)(written);

/** The whole answer, the likeliest token at every step, until END or until the places run out. */
export function answer(model, source, off, shut) {
  const name = JSON.stringify([source, off, shut]);
  const written = model.answers.get(name) ?? [];
  const step = written.length ? null : reader(model, source, off, shut);
  while (step && written.length < model.places && written.at(-1) !== END) {
    const { logits } = step(written);
    const id = logits.indexOf(Math.max(...logits));
    written.push(id === model.eos ? END : model.facts.symbols[id]);
  }
  model.answers.set(name, written);
  return written;
}

/** A share in per cent: what is not all is not called all, nor nothing. */
const percent = (share) => (share >= 0.995 && share < 1 - 1e-9 ? "> 99 %"
  : share > 1e-9 && share < 0.005 ? "< 1 %" : `${Math.round(100 * share)} %`);
const spoken = (share) => percent(share).replace(">", "over").replace("<", "under");
const UNSAID = { "aria-hidden": "true" };
const capital = (text) => text[0].toUpperCase() + text.slice(1);
/** Set the attributes that change: the others are not laid out again. */
const put = (node, attributes) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
  }
};

/** A part's name in words: "cross 1 2", "encoder 1". */
function partName(name) {
  const [kind, layer, head] = name.split(" ");
  return head ? `head ${head} of ${KINDS[kind]} in layer ${layer}` : `${kind} layer ${layer}`;
}

function without(off, shut) {
  const parts = off.length > 3 ? `${off.length} heads or layers` : listed(off.map(partName));
  const masks = Object.keys(KINDS).map((kind) => [kind, shut.filter((name) => name.startsWith(kind)).length])
    .filter(([, count]) => count).map(([kind, count]) => `${count} pair${count > 1 ? "s" : ""} of ${KINDS[kind]} shut`);
  return capital([parts && `without ${parts}`, listed(masks) && `with ${listed(masks)}`].filter(Boolean).join(", and "));
}

/** A small map, a path for each shade: 24 of them are drawn in no time and follow the page's colours. */
function shades(weights) {
  const paths = Array(LEVELS).fill("");
  rowsOf(weights).forEach((row, at) => row.forEach((weight, col) => {
    const level = Math.round(weight * LEVELS);
    if (level) paths[level - 1] += `M${col} ${at}h1v1h-1z`;
  }));
  return paths;
}

/** All that is shown, from the settings. */
function stateOf(net, get) {
  const [text, kind, layer, head, off, shut] = ["source", "kind", "layer", "head", "off", "shut"].map(get);
  const read = readSource(net, text);
  const { source } = read;
  if (!source.length) return { ...read, text };
  const intact = answer(net, source, [], []);
  const own = answer(net, source, off, shut);
  const right = TASKS[net.facts.task]?.right(source, net.symbols) ?? [];
  const step = Math.min(get("step"), own.length);
  // After the last token, what is shown is how that one was chosen.
  const row = Math.min(step, own.length - 1);
  const seen = look(net, source, own.slice(0, row), off, shut);
  const written = [START, ...own.slice(0, -1)].map((name, at) => (at <= row ? name : ""));
  return { ...read, text, kind, layer, head, off, shut, intact, own, step, row, seen, done: step === own.length,
    right: right.length ? [...right, END] : null,
    chances: Array.from(softmax({ rows: 1, cols: seen.logits.length, data: seen.logits }).data),
    part: `${kind} ${layer} ${head}`, weights: seen[kind][layer - 1][head - 1],
    rows: kind === "encoder" ? source : written, cols: kind === "decoder" ? written : source };
}

function whom({ kind, cols }, col) {
  if (kind !== "decoder") return `${cols[col]} at place ${col + 1}`;
  return col ? `token ${col}${cols[col] && `, ${cols[col]}`}` : "the start";
}

function inWords(now, row, col) {
  const { kind, own, step, weights, rows, shut } = now;
  const who = kind === "encoder" ? `${rows[row]} at place ${row + 1}`
    : `Token ${row + 1}${row < step ? `, ${own[row]},` : ""}`;
  const what = shut.includes(nameOf(kind, row, col)) ? "shut by your mask"
    : row < weights.rows ? spoken(weights.data[row * weights.cols + col]) : "not written yet";
  return `${who} listens to ${whom(now, col)}: ${what}`;
}

/** What is seen, in a sentence or three. */
function summary(now, at) {
  const { own, intact, right, step, row, kind, part, off, shut, source, weights, done } = now;
  const [mine, full] = [own.join(" "), intact.join(" ")];
  const taken = off.length || shut.length ? `${without(off, shut)}, it ${mine === full ? "still writes" : "writes"} ${mine}` +
    `${mine === full ? "" : ` instead of ${full}`}. ` : "";
  const told = !done ? `${step ? `After ${own.slice(0, step).join(" ")} it writes` : "It begins with"} ${own[step]} ` +
    `(chance: ${spoken(Math.max(...now.chances))})`
    : `It is done${!right ? "" : mine === right.join(" ") ? ", and all is correct" : `; correct would be ${right.join(" ")}`}`;
  const line = rowsOf(weights)[kind === "encoder" ? at : row];
  const most = line.indexOf(Math.max(...line));
  const who = kind === "encoder" ? `${source[at]} at place ${at + 1}` : `token ${row + 1}`;
  return `${taken}${told}. In ${partName(part)}, ${who} listens ${line[most]
    ? `most to ${whom(now, most)} (${spoken(line[most])})` : "to nothing"}.`;
}

function render({ model, el }) {
  const net = modelOf(model.get("weights"));
  const { layers, heads, places, symbols, facts } = net;
  const { figures } = facts;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let [now, changing, running, waiting] = [null, false, 0, 0];
  // The cell of the large matrix where the keyboard is, and the one that is told of; row −1 has the columns' names.
  let [here, told] = [[0, 0], null];

  // Several settings may change at once, and are drawn once.
  const change = (values) => {
    changing = true;
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    changing = false;
    draw();
    model.save_changes();
  };
  const toggle = (setting, names, on) => {
    const left = model.get(setting).filter((name) => !names.includes(name));
    change({ [setting]: on ? [...left, ...names] : left });
  };
  const press = (name, act) => {
    const one = button({}, name);
    one.addEventListener("click", act);
    return one;
  };
  const stop = () => {
    clearInterval(running);
    running = 0;
  };
  const begin = (source) => {
    stop();
    change({ step: 0, source });
  };
  const go = (step) => {
    stop();
    change({ step: Math.min(Math.max(step, 0), now.own.length) });
  };
  const tick = () => {
    if (now.step >= now.own.length - 1) stop();
    change({ step: now.step + 1 });
  };

  // What it reads, and what it writes.
  const input = control({ type: "text", maxlength: 120, autocomplete: "off", autocapitalize: "off",
    spellcheck: "false", enterkeyhint: "done", "aria-label": "Source: the symbols that it reads" });
  const offers = offersOf(net).map((text) => press(text, () => begin(text)));
  const below = (limit) => Math.floor(Math.random() * limit);
  // Symbols of several letters have roles: a mixture of them is no source.
  if (symbols.every((name) => name.length === 1)) {
    offers.push(press("another", () =>
      begin(upTo(3 + below(places - 4)).map(() => symbols[below(symbols.length)]).join(" "))));
  }
  const warning = make("p", { class: "warning", hidden: "" });
  const tape = make("ol", { class: "tape" });
  const legend = make("span", { class: "side", "aria-hidden": "true" }, "writes", make("small", {}, "correct"));
  const next = press("write the next token", () => go(now.step + 1));
  next.classList.add("primary");
  const back = press("back", () => go(now.step - 1));
  const first = press("from the start", () => go(0));
  const run = press("run to the end", () => {
    if (running || now.done) go(now.step);
    else if (calm.matches) go(now.own.length);
    else {
      running = setInterval(tick, PACE);
      tick();
    }
  });
  const bars = make("ol", { class: "bars" });
  const [barsTitle, title] = [make("p", { class: "title" }), make("p", { class: "title" })];

  // One matrix in full.
  const board = make("div", { class: "board" });
  const reading = make("p", { class: "reading" });
  const clear = press("clear the mask", () => change({ shut: [] }));

  // All of them, small, in the order in which the layers work.
  const [checks, tiles] = [[], []];
  const check = (name, text) => {
    const box = control({ type: "checkbox", "aria-label": `${partName(name)} works` });
    box.addEventListener("change", () => toggle("off", [name], !box.checked));
    checks.push({ box, name });
    return make("label", {}, box, text);
  };
  const tileOf = (stack, kind, layer, head) => {
    const part = `${kind} ${layer} ${head}`;
    const paths = upTo(LEVELS).map((level) => make("path", { class: "shade", "fill-opacity": (level + 1) / LEVELS }));
    const [crosses, mark] = [make("path", { class: "crosses" }), make("rect", { class: "now" })];
    const svg = make("svg", { preserveAspectRatio: "none", "aria-hidden": "true" }, ...paths, crosses, mark);
    const one = button({ class: "tile", "aria-label": partName(part) }, svg);
    one.addEventListener("click", () => change({ kind, layer, head }));
    tiles.push({ one, svg, paths, crosses, mark, kind, layer, head, names: [part, `${stack} ${layer}`] });
    return make("div", { class: "tilebox" }, one, check(part, String(head)));
  };
  const layerOf = (layer, stack, ...kinds) => make("div", { class: "layer", role: "group",
    "aria-label": `${stack} layer ${layer}` }, check(`${stack} ${layer}`, make("b", {}, capital(`${stack} layer ${layer}`))),
    ...kinds.map((kind) => make("div", { class: "tiles" }, make("span", {}, kind === "cross" ? kind : "self"),
      ...upTo(heads).map((head) => tileOf(stack, kind, layer, head + 1)))));
  const all = make("div", { class: "all", role: "group", "aria-label": "All attentions" },
    ...upTo(layers).map((layer) => layerOf(layer + 1, "encoder", "encoder")),
    ...upTo(layers).map((layer) => layerOf(layer + 1, "decoder", "decoder", "cross")));
  const restore = press("switch all on", () => change({ off: [] }));

  const words = make("p", { class: "plenary-summary", "aria-live": "polite" });
  let table = numbersTable("", [""], []);
  const root = make("div", { class: "plenary-live plenary-live-transformer", role: "group",
    "aria-label": "A tiny Transformer, alive" },
    make("label", { class: "source" }, make("span", { class: "side" }, "reads"), input),
    make("div", { class: "buttons offers", role: "group", "aria-label": "Sources" }, ...offers), warning,
    make("div", { class: "answer" }, legend, tape),
    make("div", { class: "buttons steps", role: "group", "aria-label": "Decoding" }, next, back, run, first),
    make("div", { class: "halves" },
      make("div", {}, barsTitle, bars, reading, clear), make("div", {}, title, board),
      make("div", {}, make("p", { class: "title" }, "All attentions: untick to switch off"), all, restore)),
    words, table,
    make("p", { class: "plenary-note" },
      `A Transformer of ${figures.parameters.toLocaleString("en")} parameters that ` +
      `${TASKS[facts.task]?.says ?? `has learned “${facts.task}”`}; of ${figures.tested.toLocaleString("en")} sources ` +
      `that it never saw, it answers ${(100 * figures.exact).toFixed(1)} % without a mistake. It runs in your ` +
      "browser, on the weights that PyTorch trained. A head that is off listens, and adds nothing; a layer that is off " +
      "passes on what it got. Each kind of attention has one mask, for all its layers and heads."));
  el.append(root);

  const drawTape = ({ own, right, step, done }) => {
    legend.lastChild.hidden = !right;
    tape.replaceChildren(...upTo(Math.max(right?.length ?? 0, step + !done)).map((at) => {
      const truth = right?.[at] ?? "–";
      const [said, mark] = at < step ? [own[at], own[at]] : at === step && !done ? ["next", "?"] : ["later", ""];
      const wrong = at < step && right && own[at] !== truth;
      return make("li", { class: wrong ? "wrong" : at < step ? "" : said },
        make("span", { class: "said" }, `${said}${wrong ? ", wrong" : ""}${right ? `, correct: ${truth}` : ""}`),
        make("b", UNSAID, mark), make("small", UNSAID, right ? truth : ""));
    }));
  };

  const drawBars = ({ chances, row }) => {
    barsTitle.textContent = `Token ${row + 1}: the five likeliest`;
    bars.replaceChildren(...chances.map((chance, id) => [chance, id]).sort(([a], [b]) => b - a).slice(0, 5)
      .map(([chance, id]) => make("li", {},
        make("span", {}, id === net.eos ? END : facts.symbols[id].replace(/^<(.*)>$/, "$1")),
        make("span", { class: "bar" }, make("span", { style: `width: ${100 * chance}%` })),
        make("span", {}, percent(chance)))));
  };

  const drawTiles = ({ seen, row, part, off, shut, own, source }) => {
    for (const { one, svg, paths, crosses, mark, kind, layer, head, names } of tiles) {
      const encoder = kind === "encoder";
      const [rows, cols] = [encoder ? source.length : own.length, kind === "decoder" ? own.length : source.length];
      put(svg, { viewBox: `0 0 ${cols} ${rows}` });
      shades(seen[kind][layer - 1][head - 1]).forEach((d, level) => put(paths[level], { d }));
      put(crosses, { d: shut.map((name) => name.split(" ")).filter(([of, t, s]) => of === kind && t <= rows && s <= cols)
        .map(([, t, s]) => `M${s - 1} ${t - 1}l1 1m-1 0l1 -1`).join("") });
      put(mark, { y: row, width: cols, height: encoder ? 0 : 1 });
      put(one, { "aria-pressed": names[0] === part, tabindex: names[0] === part ? 0 : -1,
        class: names.some((name) => off.includes(name)) ? "tile off" : "tile" });
    }
    for (const { box, name } of checks) box.checked = !off.includes(name);
  };

  // The cells stay the same elements while the sizes do: whoever has the focus or the pointer keeps it.
  let [built, cells, tops] = ["", [], []];
  const build = ({ kind, rows, cols }) => {
    const name = `${kind} ${rows.length} ${cols.length}`;
    if (name === built) return;
    built = name;
    here = [Math.min(here[0], rows.length - 1), Math.min(here[1], cols.length - 1)];
    if (kind === "decoder") here[1] = Math.min(here[1], Math.max(here[0], 0));
    tops = cols.map((_, col) => button({ "data-cell": `-1 ${col}`, class: "top" }));
    cells = rows.map((_, row) => cols.map((__, col) =>
      (kind === "decoder" && col > row ? null : button({ "data-cell": `${row} ${col}` }))));
    const grid = make("table", {},
      make("thead", {}, make("tr", {}, make("td", {}), ...tops.map((one) => make("th", { scope: "col" }, one)), make("td", {}))),
      make("tbody", {}, ...cells.map((line) => make("tr", {}, make("th", { scope: "row" }),
        ...line.map((one) => make("td", {}, one ?? "")), make("td", { class: "wrote" })))));
    grid.style.setProperty("--columns", cols.length);
    board.replaceChildren(grid);
  };

  const drawBoard = () => {
    build(now);
    const { kind, layer, weights, shut, own, off, rows, cols, step, part } = now;
    const closed = new Set(shut);
    const stack = `${kind === "encoder" ? kind : "decoder"} ${layer}`;
    title.textContent = capital(partName(part)) + (off.includes(part) || off.includes(stack) ? ": off" : "");
    const arrow = (name) => (name === END ? name : `→ ${name}`);
    const tab = (row, col) => (row === here[0] && col === here[1] ? 0 : -1);
    const lines = board.querySelectorAll("tbody tr");
    cells.forEach((line, row) => {
      const current = kind !== "encoder" && row === now.row;
      lines[row].className = current ? "current" : "";
      lines[row].firstChild.textContent = rows[row];
      lines[row].lastChild.textContent = kind === "encoder" ? "" : row < step ? arrow(own[row]) : current ? "→ ?" : "";
      line.forEach((cell, col) => {
        if (!cell) return;
        const barred = closed.has(nameOf(kind, row, col));
        const weight = row < weights.rows ? weights.data[row * weights.cols + col] : 0;
        const text = barred ? "×" : String(Math.round(100 * weight) || "");
        if (cell.textContent !== text) cell.textContent = text;
        put(cell, { style: `--share: ${weight.toFixed(3)}`, class: barred ? "shut" : row < weights.rows ? "" : "later",
          "aria-pressed": barred, "aria-label": inWords(now, row, col), tabindex: tab(row, col) });
      });
    });
    tops.forEach((top, col) => {
      top.textContent = cols[col] || "·";
      put(top, { class: cols[col].length > 2 ? "top long" : "top", "aria-pressed": isShut([-1, col]),
        "aria-label": `Shut the column of ${whom(now, col)}`, tabindex: tab(-1, col) });
    });
    tell();
  };

  const tell = () => {
    reading.textContent = told && cells[told[0]]?.[told[1]] ? `${inWords(now, ...told)}.`
      : "In per cent; a row listens to the columns. Click a cell to shut it, drag over several, or click a column’s name.";
  };

  const drawTable = () => {
    const { kind, part, weights, rows, cols } = now;
    table = renewTable(table, numbersTable(`Weights of ${partName(part)}, by row`,
      ["", ...cols.map((name, col) => `${col + (kind !== "decoder")}: ${name || "–"}`)],
      rowsOf(weights).map((line, row) => [`${row + 1}: ${rows[row]}`, ...cols.map((_, col) => line[col]?.toFixed(4) ?? "–")])));
  };

  function draw() {
    if (changing) return;
    now = stateOf(net, (name) => model.get(name));
    if (document.activeElement !== input && input.value !== now.text) input.value = now.text;
    for (const one of offers) put(one, { "aria-pressed": one.textContent === now.text });
    const empty = !now.source.length;
    root.classList.toggle("empty", empty);
    warning.textContent = (now.unknown.length ? `Left out: ${now.unknown.join(" ")}. This model knows ` +
      `${listed(symbols)}. ` : "") + (now.left ? `Only the first ${places} symbols are read: it has no more places.` : "");
    warning.hidden = !warning.textContent;
    if (empty) {
      words.textContent = `Type some symbols, such as ${offers[0].textContent}.`;
      return;
    }
    // Not `disabled`: a button that is disabled while it has the focus loses it.
    for (const [end, ...some] of [[now.done, next, run], [!now.step, back, first], [!now.off.length, restore],
      [!now.shut.length, clear]]) some.forEach((one) => put(one, { "aria-disabled": end }));
    run.textContent = running ? "pause" : "run to the end";
    drawTape(now);
    drawBars(now);
    drawBoard();
    drawTiles(now);
    drawTable();
    words.textContent = summary(now, Math.max(here[0], 0));
  }

  // Painting: the mouse draws with what the first cell became; a finger taps, so that the page can still be moved.
  let [brush, painted] = [null, false];
  const namesAt = ([row, col]) => cells.flatMap((line, at) =>
    (line[col] && (row < 0 || row === at) ? [nameOf(now.kind, at, col)] : []));
  const isShut = (at) => namesAt(at).every((name) => now.shut.includes(name));
  const paint = (at, on) => {
    [here, told] = [at, at];
    toggle("shut", namesAt(at), on);
  };
  const listen = (type, act) => board.addEventListener(type, (event) => {
    const at = event.target.closest("[data-cell]")?.dataset.cell.split(" ").map(Number);
    if (at) act(at, event);
  });
  listen("pointerdown", (at, event) => {
    painted = event.pointerType !== "touch" && event.button === 0;
    if (!painted) return;
    brush = !isShut(at);
    paint(at, brush);
  });
  listen("pointerover", (at, event) => {
    if (!event.buttons) brush = null;
    if (brush !== null && at[0] >= 0) paint(at, brush);
    told = at;
    tell();
  });
  board.addEventListener("pointerleave", () => { brush = null; });
  listen("click", (at) => {
    // Keys, screen readers and fingers click without having painted.
    if (!painted) paint(at, !isShut(at));
    painted = false;
  });
  listen("focusin", (at) => {
    [here, told] = [at, at];
    tell();
  });
  listen("keydown", ([row, col], event) => {
    painted = false;
    const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!by) return;
    event.preventDefault();
    const to = Math.min(Math.max(row + by[0], -1), cells.length - 1);
    const line = to < 0 ? tops : cells[to].filter(Boolean);
    here = [to, Math.min(Math.max(col + by[1], 0), line.length - 1)];
    draw();
    line[here[1]].focus();
  });

  // Arrow keys among the small maps, and among the ticks of the heads: one stop of the Tab key each.
  const [maps, ticks] = [tiles.map(({ one }) => one), tiles.map(({ one }) => one.parentNode.querySelector("input"))];
  ticks.forEach((box, at) => { box.tabIndex = at ? -1 : 0; });
  all.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -heads, ArrowDown: heads }[event.key];
    const among = [maps, ticks].find((some) => some.includes(event.target));
    if (!by || !among) return;
    event.preventDefault();
    const to = among.indexOf(event.target) + by;
    if (!among[to]) return;
    if (among === maps) among[to].click();
    else ticks.forEach((box, at) => { box.tabIndex = at === to ? 0 : -1; });
    among[to].focus();
  });

  const typed = () => {
    clearTimeout(waiting);
    if (input.value !== model.get("source")) begin(input.value);
  };
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(typed, TYPING);
  });
  input.addEventListener("change", typed);
  model.on("change", draw);
  draw();
  return () => {
    stop();
    clearTimeout(waiting);
    model.off("change", draw);
  };
}

export default { render };
