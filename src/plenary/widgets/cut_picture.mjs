// A picture cut into patches: the grid, one patch as a row of numbers, the sequence, and what a wrong cut does.
// A picture is a Uint8ClampedArray of 96 x 96 pixels with red, green and blue side by side. cut_picture.py cuts
// with torch; tests/browser/test_cut_picture_widget.py holds the two together.

const SIDE = 96;
const PIXELS = SIDE * SIDE;
const SIZES = [4, 6, 8, 12, 16, 24, 32, 48];
const CHANNELS = ["red", "green", "blue"];
const SEED = 12;
const CUTS = {
  right: "patchify: row, column, channel",
  "reshape alone": "reshape alone",
  strips: "split without the swap",
  "every n-th pixel": "both splits the other way round",
  "channel first": "channel, row, column",
  "pixels by columns": "column, row, channel",
  "patches by columns": "patches down the columns",
};
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const MEGABYTE = 1e6;
const HEAVIEST = 20 * MEGABYTE;
const MOST_PIXELS = 50e6;
const EXCERPT = 9;

const grouped = (number) => number.toLocaleString("en-US");

/** The picture that is there before the reader brings one. */
function read(base64) {
  const { about, palette, rows } = JSON.parse(atob(base64));
  const colours = palette.map((hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  const pixels = new Uint8ClampedArray(3 * PIXELS);
  [...rows.join("")].forEach((letter, at) => pixels.set(colours[LETTERS.indexOf(letter)], 3 * at));
  return { about, pixels };
}

/** Where the number of row y, column x and channel c goes: which token, and which place in it. */
export function placeOf(cut, size, y, x, c) {
  const across = SIDE / size;
  const length = 3 * size * size;
  // Two of the mistakes count off the numbers as they lie in memory.
  const run = (at) => ({ token: Math.floor(at / length), place: at % length });
  if (cut === "reshape alone") return run(c * PIXELS + y * SIDE + x);
  if (cut === "strips") return run(3 * (y * SIDE + x) + c);
  if (cut === "every n-th pixel") {
    const [r, i, s, j] = [y % across, Math.floor(y / across), x % across, Math.floor(x / across)];
    return { token: r * across + s, place: 3 * (i * size + j) + c };
  }
  const [r, i, s, j] = [Math.floor(y / size), y % size, Math.floor(x / size), x % size];
  const token = cut === "patches by columns" ? s * across + r : r * across + s;
  if (cut === "channel first") return { token, place: (c * size + i) * size + j };
  if (cut === "pixels by columns") return { token, place: 3 * (j * size + i) + c };
  return { token, place: 3 * (i * size + j) + c };
}

/** The patches of a picture, in the order of the cut: an array of numbers for each. */
export function cutUp(pixels, size, cut) {
  const rows = Array.from({ length: (SIDE / size) ** 2 }, () => new Uint8ClampedArray(3 * size * size));
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      for (let c = 0; c < 3; c++) {
        const { token, place } = placeOf(cut, size, y, x, c);
        rows[token][place] = pixels[3 * (y * SIDE + x) + c];
      }
    }
  }
  return rows;
}

/** Which patch stands at each place of the shuffled sequence: Fisher and Yates, from a seed. */
export function orderOf(count) {
  const order = Array.from({ length: count }, (_, at) => at);
  const next = uniforms(SEED);
  for (let last = count - 1; last > 0; last--) {
    const other = Math.floor(next() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

/** What the right way back makes of a sequence, however it was cut. */
export function putTogether(rows, size) {
  const pixels = new Uint8ClampedArray(3 * PIXELS);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      for (let c = 0; c < 3; c++) {
        const { token, place } = placeOf("right", size, y, x, c);
        pixels[3 * (y * SIDE + x) + c] = rows[token][place];
      }
    }
  }
  return pixels;
}

/** All that is drawn for these settings. */
function reading(pixels, { size, row, column, cut, shuffled }) {
  const across = SIDE / size;
  const count = across * across;
  const length = 3 * size * size;
  const patches = cutUp(pixels, size, cut);
  const order = shuffled ? orderOf(count) : Array.from({ length: count }, (_, at) => at);
  const rows = order.map((patch) => patches[patch]);
  const after = putTogether(rows, size);
  let same = 0;
  for (let at = 0; at < PIXELS; at++) {
    if ([0, 1, 2].every((c) => pixels[3 * at + c] === after[3 * at + c])) same++;
  }
  const [r, s, i, j] = [Math.floor(row / size), Math.floor(column / size), row % size, column % size];
  const places = CHANNELS.map((_, c) => {
    const { token, place } = placeOf(cut, size, row, column, c);
    return { token, place, at: order.indexOf(token), value: pixels[3 * (row * SIDE + column) + c] };
  });
  return { size, row, column, cut, shuffled, across, count, length, pixels, patches, order, rows, after, same,
    r, s, i, j, patch: r * across + s, places };
}

/** A picture of any size, its middle square brought to 96 x 96. Halving first: one great leap would skip pixels. */
function squared(bitmap) {
  let side = Math.min(bitmap.width, bitmap.height);
  let from = { image: bitmap, left: Math.floor((bitmap.width - side) / 2), top: Math.floor((bitmap.height - side) / 2) };
  let context;
  do {
    const next = side >= 4 * SIDE ? Math.floor(side / 2) : SIDE;
    const canvas = make("canvas", { width: next, height: next });
    context = canvas.getContext("2d", { willReadFrequently: true });
    context.imageSmoothingQuality = "high";
    context.fillStyle = "white"; // for what is transparent
    context.fillRect(0, 0, next, next);
    context.drawImage(from.image, from.left, from.top, side, side, 0, 0, next, next);
    from = { image: canvas, left: 0, top: 0 };
    side = next;
  } while (side > SIDE);
  const { data } = context.getImageData(0, 0, SIDE, SIDE);
  const pixels = new Uint8ClampedArray(3 * PIXELS);
  for (let at = 0; at < PIXELS; at++) pixels.set(data.subarray(4 * at, 4 * at + 3), 3 * at);
  return pixels;
}

/** The pixels of a file, or an error that says what is wrong with it. */
async function pixelsOf(file) {
  const name = quoted(file.name || "this");
  if (file.size > HEAVIEST) {
    throw new Error(`${name} has ${(file.size / MEGABYTE).toFixed(1)} MB; take a picture of at most ` +
      `${HEAVIEST / MEGABYTE} MB.`);
  }
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`${name} is no picture that this browser can read; take a PNG, JPEG, GIF or WebP file.`);
  }
  const { width, height } = bitmap;
  try {
    if (width * height > MOST_PIXELS) {
      throw new Error(`${name} has ${width} × ${height} pixels, more than ${MOST_PIXELS / 1e6} million; take a ` +
        "smaller picture.");
    }
    return { width, height, pixels: squared(bitmap) };
  } finally {
    bitmap.close();
  }
}

/** Pixels on a canvas of their own size, which CSS makes larger. */
function paint(canvas, pixels, side, left = 0, top = 0) {
  canvas.width = side;
  canvas.height = side;
  const context = canvas.getContext("2d");
  const image = context.createImageData(side, side);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const from = 3 * ((top + y) * SIDE + left + x);
      image.data.set([pixels[from], pixels[from + 1], pixels[from + 2], 255], 4 * (y * side + x));
    }
  }
  context.putImageData(image, 0, 0);
}

/** A frame that shows on any picture: light around dark. */
function framed(x, y, width, height) {
  const place = { x, y, width, height };
  return [make("rect", { ...place, class: "around" }), make("rect", { ...place, class: "frame" })];
}

/** The lines of a grid over a picture, and a frame. */
function gridOf(side, step, frame) {
  const lines = [];
  for (let at = step; at < side; at += step) lines.push(`M${at} 0V${side}M0 ${at}H${side}`);
  return [make("path", { d: lines.join(""), class: "lines" }), ...frame];
}

/** The whole of one token's numbers in a bar: where a pixel of the screen holds several, their colours are mixed. */
function bar(canvas, now, width) {
  const token = now.patches[now.places[0].token];
  // At least three numbers to a column: in the right order these are the colours of one pixel.
  const columns = Math.min(now.length / 3, width);
  canvas.width = columns;
  canvas.height = 1;
  const channelAt = new Uint8Array(now.length);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      for (let c = 0; c < 3; c++) {
        const { token: of, place } = placeOf(now.cut, now.size, y, x, c);
        if (of === now.places[0].token) channelAt[place] = c;
      }
    }
  }
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, 1);
  for (let column = 0; column < columns; column++) {
    const [from, to] = [column, column + 1].map((at) => Math.floor((at * now.length) / columns));
    const [sums, counts] = [[0, 0, 0], [0, 0, 0]];
    for (let at = from; at < to; at++) {
      sums[channelAt[at]] += token[at];
      counts[channelAt[at]]++;
    }
    image.data.set([...sums.map((sum, c) => (counts[c] ? sum / counts[c] : 0)), 255], 4 * column);
  }
  context.putImageData(image, 0, 0);
}

/** For one token: which pixel and channel each of some places holds. */
function holders(now, from, to) {
  const found = new Map();
  const { token } = now.places[0];
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      for (let c = 0; c < 3; c++) {
        const one = placeOf(now.cut, now.size, y, x, c);
        if (one.token === token && one.place >= from && one.place < to) found.set(one.place, { y, x, c });
      }
    }
  }
  return found;
}

/** A few numbers around the chosen one, each with its place and where it comes from. */
function excerpt(now) {
  const { token, place } = now.places[0];
  const from = Math.max(0, Math.min(place - 3, now.length - EXCERPT));
  const to = Math.min(now.length, from + EXCERPT);
  const found = holders(now, from, to);
  const chosen = now.places.filter((one) => one.token === token).map((one) => one.place);
  return Array.from({ length: to - from }, (_, step) => {
    const at = from + step;
    const { y, x, c } = found.get(at);
    return make("li", { class: chosen.includes(at) ? "chosen" : "" },
      make("small", {}, String(at)), make("b", {}, String(now.patches[token][at])),
      make("small", { class: CHANNELS[c] }, `${y},${x}`), make("small", { class: CHANNELS[c] }, CHANNELS[c]));
  });
}

/** The same in words, for the reader who cannot see it and for everybody else. */
function summary(now) {
  const { count, length, size, patch, r, s, i, j, places, cut, shuffled, same } = now;
  const values = listed(places.map(({ value }, c) => `${CHANNELS[c]} ${value}`));
  const together = places.every(({ token }) => token === places[0].token);
  const where = together
    ? `at places ${listed(places.map(({ place }) => place))} of token ${places[0].at}` +
      (shuffled ? ` (number ${places[0].token} before the shuffle)` : "")
    : listed(places.map(({ place, at }, c) => `${CHANNELS[c]} at place ${place} of token ${at}`));
  const parts = [
    `${count} patches of ${size} × ${size} pixels, ${grouped(length)} numbers each; a table of attention weights has ` +
    `${grouped(count ** 2)} entries. Patch ${patch} lies in row ${r} and column ${s} of the grid. Its pixel in row ${i}, ` +
    `column ${j} has ${values}: ${where}.`,
  ];
  if (same === PIXELS) parts.push(" unpatchify gives the picture back.");
  else if (cut === "right") {
    parts.push(` In this order unpatchify leaves ${grouped(same)} of ${grouped(PIXELS)} pixels as they were. The ` +
      "tokens are the same ones, so attention without positions gives each the same answer as before.");
  } else {
    parts.push(` The shape is the right one, (${count}, ${grouped(length)}), and unpatchify gives back ` +
      `${grouped(same)} of ${grouped(PIXELS)} pixels.`);
  }
  return parts.join("");
}

/** The line of the patch in which the chosen pixel lies, number by number. */
function numbers(now) {
  const { size, row, column, i, j, pixels, cut, order } = now;
  const rows = Array.from({ length: size }, (_, at) => {
    const x = column - j + at;
    return [at, ...CHANNELS.flatMap((_, c) => {
      const { token, place } = placeOf(cut, size, row, x, c);
      return [pixels[3 * (row * SIDE + x) + c], `${place} of token ${order.indexOf(token)}`];
    })];
  });
  return numbersTable(`Patch ${now.patch}, its row ${i}: what each pixel holds, and where it stands in the sequence`,
    ["column", ...CHANNELS.flatMap((name) => [name, "place"])], rows);
}

/** A canvas under a drawing, with the keys and the pointer of a thing that is moved in two directions. */
function board(label) {
  const canvas = make("canvas", { "aria-hidden": "true" });
  const over = make("svg", { "aria-hidden": "true", preserveAspectRatio: "none" });
  const own = label ? { tabindex: 0, role: "slider", "aria-label": label, "aria-valuemin": 0,
    "data-lm-suppress-shortcuts": "true" } : { role: "img" };
  return { canvas, over, root: make("div", { class: "plenary-board", ...own }, canvas, over) };
}

/** Call move(down, right) on arrow keys and touch(y, x), from 0 up to 1, where the pointer goes. */
function steered(element, move, touch) {
  element.addEventListener("keydown", (event) => {
    const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!by || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    move(...by);
  });
  const at = (event) => {
    const box = element.getBoundingClientRect();
    const part = (value, length) => Math.min(0.999999, Math.max(0, value / length));
    touch(part(event.clientY - box.top, box.height), part(event.clientX - box.left, box.width));
  };
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    at(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (element.hasPointerCapture(event.pointerId)) at(event);
  });
}

function render({ model, el }) {
  const first = read(model.get("picture"));
  let pixels = first.pixels;
  let width = 0;
  let now;
  const setting = () => ({ size: model.get("patch_size"), row: model.get("row"), column: model.get("column"),
    cut: model.get("cut"), shuffled: model.get("shuffled") });
  const change = (values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  };

  const file = control({ type: "file", accept: "image/*", "aria-label": "Choose a picture" });
  const back = button({}, "back to the temple");
  const welcome = "A temple of 96\u00a0×\u00a096 pixels, to begin with.";
  const news = make("p", { class: "plenary-news", role: "status" }, welcome);
  const slider = control({ type: "range", min: 0, max: SIZES.length - 1, step: 1, "aria-label": "Side of a patch, P" });
  const shown = make("output", {});
  const select = make("select", { "data-lm-suppress-shortcuts": "true", "aria-label": "How the picture is cut" },
    ...Object.entries(CUTS).map(([value, text]) => make("option", { value }, text)));
  const toggle = control({ type: "checkbox", role: "switch" });
  const counts = make("p", { class: "plenary-counts" });

  const whole = board("Chosen patch: arrow keys move to the next one");
  const one = board("Chosen pixel of the patch: arrow keys move to the next one");
  const again = board(null);
  whole.root.classList.add("plenary-whole-picture");
  const [ofWhole, ofOne, ofAgain] = ["", "", ""].map(() => make("p", { class: "plenary-heading" }));
  const strip = make("canvas", { class: "plenary-bar", "aria-hidden": "true" });
  const marks = make("div", { class: "plenary-marks", "aria-hidden": "true" });
  const list = make("ol", { class: "plenary-excerpt" });
  const ofRow = make("p", { class: "plenary-heading" });
  const tiles = make("canvas", {});
  const frames = make("svg", { "aria-hidden": "true" });
  const train = make("div", { class: "plenary-train", role: "img" }, tiles, frames);
  const ofTrain = make("p", { class: "plenary-heading" });
  const words = make("p", { class: "plenary-summary", "aria-live": "polite" });
  let details = make("details", {});
  const root = make("div", { class: "plenary-live plenary-cut-picture", role: "group",
    "aria-label": "Cut your own picture into patches" },
    make("div", { class: "plenary-bring" },
      make("label", { class: "plenary-file" }, file, make("span", {}, "Choose a picture")),
      make("span", { class: "plenary-or" }, "or drop one here, or paste it."), back),
    news,
    make("div", { class: "plenary-controls" },
      make("label", { class: "plenary-wide" }, make("span", {}, "side of a patch P = ", shown), slider),
      make("label", {}, make("span", {}, "cut by"), select),
      make("label", {}, toggle, make("span", {}, "shuffle the patches"))),
    counts,
    make("div", { class: "plenary-stage" },
      make("div", { class: "plenary-panel plenary-first" }, ofWhole, whole.root),
      make("div", { class: "plenary-panel" }, ofOne, one.root),
      make("div", { class: "plenary-panel" }, ofAgain, again.root)),
    ofRow, strip, marks, list,
    ofTrain, train,
    words, details,
    make("p", { class: "plenary-note" }, "Your picture stays on this page: your browser reads it, scales its middle " +
      "square to 96 × 96 pixels, sends it nowhere and forgets it with the page. Rows, columns and places count from 0. " +
      "In the row of numbers each has its place above it, and below it the row and column of the picture that it " +
      "comes from. ", first.about));
  el.append(root);

  function drawTrain() {
    const { count, across, rows, size, places } = now;
    const gap = 4;
    const room = width;
    const side = Math.max(8, Math.min(64, Math.floor(Math.sqrt((room * 110) / count)) - gap));
    const line = Math.max(1, Math.floor((room + gap) / (side + gap)));
    const lines = Math.ceil(count / line);
    const [wide, high] = [Math.min(line, count) * (side + gap) - gap, lines * (side + gap) - gap];
    const sharp = Math.ceil(globalThis.devicePixelRatio ?? 1);
    tiles.width = wide * sharp;
    tiles.height = high * sharp;
    tiles.style.width = frames.style.width = `${wide}px`;
    tiles.style.height = frames.style.height = `${high}px`;
    const context = tiles.getContext("2d");
    context.imageSmoothingEnabled = false;
    for (let at = 0; at < count; at++) {
      const [x, y] = [(at % line) * (side + gap), Math.floor(at / line) * (side + gap)];
      context.drawImage(again.canvas, (at % across) * size, Math.floor(at / across) * size, size, size,
        x * sharp, y * sharp, side * sharp, side * sharp);
    }
    frames.setAttribute("viewBox", `0 0 ${wide} ${high}`);
    const chosen = [...new Set(places.map(({ at }) => at))];
    frames.replaceChildren(...chosen.flatMap((at) =>
      framed((at % line) * (side + gap), Math.floor(at / line) * (side + gap), side, side)));
    train.dataset.line = line;
    train.dataset.pitch = side + gap;
    const said = chosen.length > 1 ? `tokens ${listed(chosen)} hold the chosen pixel`
      : `token ${chosen[0]} holds the chosen pixel`;
    ofTrain.replaceChildren(make("b", {}, "The sequence that the model gets"), ` ${rows.length} tokens; ${said}`);
    train.setAttribute("aria-label", `The ${count} patches one after the other, in the order of the sequence; ${said}`);
  }

  function draw() {
    now = reading(pixels, setting());
    const { size, across, count, length, patch, r, s, i, j, cut, shuffled, same, places } = now;
    root.classList.toggle("plenary-astray", same !== PIXELS);
    slider.value = SIZES.indexOf(size);
    slider.setAttribute("aria-valuetext", `P = ${size}, ${count} patches`);
    shown.textContent = size;
    select.value = cut;
    toggle.checked = shuffled;
    back.hidden = pixels === first.pixels;
    counts.replaceChildren(...[
      ["N", ` = ${across} · ${across} = `, grouped(count)],
      ["P²C", ` = ${size} · ${size} · 3 = `, grouped(length)],
      ["N²", " attention weights: ", grouped(count ** 2)],
    ].map(([name, text, value]) => make("span", {}, make("i", {}, name), text, make("b", {}, value))));

    paint(whole.canvas, pixels, SIDE);
    whole.over.setAttribute("viewBox", `0 0 ${SIDE} ${SIDE}`);
    whole.over.replaceChildren(...gridOf(SIDE, size, framed(s * size, r * size, size, size)));
    ofWhole.replaceChildren(make("b", {}, "The picture"), ` patch ${patch}`);
    whole.root.setAttribute("aria-valuemax", count - 1);
    whole.root.setAttribute("aria-valuenow", patch);
    whole.root.setAttribute("aria-valuetext", `patch ${patch}, row ${r} and column ${s} of the grid`);

    paint(one.canvas, pixels, size, s * size, r * size);
    one.over.setAttribute("viewBox", `0 0 ${size} ${size}`);
    one.over.replaceChildren(...framed(j, i, 1, 1));
    ofOne.replaceChildren(make("b", {}, `Patch ${patch}`), ` pixel ${i},${j}`);
    one.root.setAttribute("aria-valuemax", size * size - 1);
    one.root.setAttribute("aria-valuenow", i * size + j);
    one.root.setAttribute("aria-valuetext", `row ${i}, column ${j}: ` +
      listed(places.map(({ value }, c) => `${CHANNELS[c]} ${value}`)));

    paint(again.canvas, now.after, SIDE);
    again.over.setAttribute("viewBox", `0 0 ${SIDE} ${SIDE}`);
    const said = `${same === PIXELS ? 100 : Math.min(99, Math.round((100 * same) / PIXELS))}%\u00a0back`;
    ofAgain.replaceChildren(make("b", {}, "unpatchify"), make("span", { class: "plenary-said" }, ` ${said}`));
    again.root.setAttribute("aria-label", `What unpatchify makes of the sequence: ${said}, pixel by pixel`);

    const { token } = places[0];
    ofRow.replaceChildren(make("b", {}, `Token ${places[0].at}`), ` ${grouped(length)} numbers in one row`);
    if (width) bar(strip, now, width);
    marks.replaceChildren(...places.filter((place) => place.token === token).map(({ place }) => {
      const mark = make("i", {});
      mark.style.left = `${(100 * (place + 0.5)) / length}%`;
      return mark;
    }));
    list.setAttribute("aria-label", `Numbers around place ${places[0].place} of token ${places[0].at}`);
    list.replaceChildren(...excerpt(now));
    if (width) drawTrain();

    words.textContent = summary(now);
    const fresh = numbers(now);
    // Only the table is new: an open <details> that is replaced would lose the focus of its summary.
    if (details.firstChild) details.replaceChildren(details.firstChild, fresh.lastChild);
    else {
      details.replaceWith(fresh);
      details = fresh;
    }
  }

  const inside = (value, most) => Math.min(most, Math.max(0, value));
  steered(whole.root, (down, right) => {
    const last = now.across - 1;
    change({ row: inside(now.r + down, last) * now.size + now.i, column: inside(now.s + right, last) * now.size + now.j });
  }, (y, x) => change({ row: Math.floor(y * now.across) * now.size + now.i,
    column: Math.floor(x * now.across) * now.size + now.j }));
  steered(one.root, (down, right) => {
    const last = now.size - 1;
    change({ row: now.row - now.i + inside(now.i + down, last), column: now.column - now.j + inside(now.j + right, last) });
  }, (y, x) => change({ row: now.row - now.i + Math.floor(y * now.size),
    column: now.column - now.j + Math.floor(x * now.size) }));
  train.addEventListener("click", (event) => {
    const box = tiles.getBoundingClientRect();
    const { line, pitch } = train.dataset;
    const at = Math.floor((event.clientY - box.top) / pitch) * line + Math.floor((event.clientX - box.left) / pitch);
    if (!(at >= 0 && at < now.count)) return;
    const token = now.order[at];
    // The same place in the patch if that is in this token, or else the token's first number, whoever's it is.
    const rows = Array.from({ length: SIDE }, (_, y) => y).filter((y) => y % now.size === now.i);
    for (const y of rows) {
      for (let x = now.j; x < SIDE; x += now.size) {
        if (placeOf(now.cut, now.size, y, x, 0).token === token) return change({ row: y, column: x });
      }
    }
    for (let place = 0; place < PIXELS * 3; place++) {
      const [y, x, c] = [Math.floor(place / 3 / SIDE), Math.floor(place / 3) % SIDE, place % 3];
      if (placeOf(now.cut, now.size, y, x, c).token === token) return change({ row: y, column: x });
    }
  });

  slider.addEventListener("input", () => change({ patch_size: SIZES[slider.value] }));
  select.addEventListener("change", () => change({ cut: select.value }));
  toggle.addEventListener("change", () => change({ shuffled: toggle.checked }));

  let calls = 0;
  async function bring(files) {
    const call = ++calls;
    const [chosen] = files;
    if (!chosen) return;
    news.classList.remove("plenary-wrong");
    try {
      const found = await pixelsOf(chosen);
      if (call !== calls) return; // a later picture has come meanwhile
      pixels = found.pixels;
      const name = chosen.name ? quoted(chosen.name) : "Your picture";
      const scaled = found.width === SIDE && found.height === SIDE ? "taken as it is"
        : "its middle square scaled to 96 × 96";
      news.textContent = `${name}: ${found.width} × ${found.height} pixels, ${scaled}.`;
      draw();
    } catch (error) {
      if (call !== calls) return;
      news.classList.add("plenary-wrong");
      news.textContent = `${error.message} The picture below stays as it was.`;
    }
  }
  file.addEventListener("change", () => {
    bring([...file.files]);
    file.value = ""; // so that the same file can be chosen again
  });
  back.addEventListener("click", () => {
    calls++;
    pixels = first.pixels;
    news.textContent = welcome;
    news.classList.remove("plenary-wrong");
    draw();
    file.focus(); // this button is gone
  });
  const filesOf = (transfer) => [...(transfer?.files ?? [])];
  const brings = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  root.addEventListener("dragover", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    event.stopPropagation();
    root.classList.add("plenary-over");
  });
  root.addEventListener("dragleave", (event) => {
    if (!root.contains(event.relatedTarget)) root.classList.remove("plenary-over");
  });
  root.addEventListener("drop", (event) => {
    root.classList.remove("plenary-over");
    if (!brings(event)) return;
    event.preventDefault();
    event.stopPropagation();
    bring(filesOf(event.dataTransfer));
  });
  // Only where no other thing on the page was about to take it.
  const paste = (event) => {
    const files = filesOf(event.clipboardData);
    const nowhere = event.target === document.body || root.contains(event.target);
    if (!files.length || !nowhere || !document.contains(root)) return;
    event.preventDefault();
    bring(files);
  };
  document.addEventListener("paste", paste);

  const names = ["patch_size", "row", "column", "cut", "shuffled"];
  // Several settings change at once; one drawing is enough.
  let due = false;
  const soon = () => {
    if (due) return;
    due = true;
    queueMicrotask(() => {
      due = false;
      draw();
    });
  };
  for (const name of names) model.on(`change:${name}`, soon);
  const stop = followWidth(train, (available) => {
    width = available;
    draw();
  });
  draw();
  return () => {
    stop();
    document.removeEventListener("paste", paste);
    for (const name of names) model.off(`change:${name}`, soon);
  };
}

export default { render };
