// Learned positions, stretched to another grid: what torch's F.interpolate does, and three ways to get it wrong.
// stretch_positions.py repeats it all with torch.

const SIDE = 4;
const WIDTH = 48;
const WAYS = ["right", "axes exchanged", "class position included", "corners aligned"];
const ALPHA = -0.75;

/** The weight of a row at distance t, as in the chapter. */
function cubic(t) {
  if (t <= 1) return (ALPHA + 2) * t ** 3 - (ALPHA + 3) * t ** 2 + 1;
  return t < 2 ? ALPHA * (t ** 3 - 5 * t ** 2 + 8 * t - 4) : 0;
}

/** Where the middles of `size` new rows lie, counted in old rows. */
function middles(size, corners) {
  return Array.from({ length: size }, (_, at) =>
    corners ? (at * (SIDE - 1)) / (size - 1) : ((at + 0.5) * SIDE) / size - 0.5);
}

/** The weights of the four old rows at each of the places; rows beyond the edge repeat the last one. */
function weightsAt(places) {
  const table = zeros(places.length, SIDE);
  places.forEach((place, at) => {
    const first = Math.floor(place) - 1;
    for (let row = first; row < first + 4; row++) {
      const inside = Math.min(Math.max(row, 0), SIDE - 1);
      table.data[at * SIDE + inside] += cubic(Math.abs(place - row));
    }
  });
  return table;
}

/** Where the n-th of `count` samples of the whole list lies, between the tokens 0 to 16. */
const along = (n, count) => Math.max(0, ((n + 0.5) * (1 + SIDE * SIDE)) / count - 0.5);

/**
 * The positions on another grid, 1 + rows * columns of them, and for each patch the [row, column] of the old grid
 * from which it is taken (column -1 of row 0 stands for the class token, which comes before it in the list).
 */
export function stretch(positions, [rows, columns], way) {
  const out = zeros(1 + rows * columns, positions.cols);
  const places = [];
  if (way === "class position included") {
    for (let n = 0; n < out.rows; n++) {
      const at = along(n, out.rows);
      const low = Math.floor(at);
      const high = Math.min(low + 1, positions.rows - 1);
      for (let d = 0; d < out.cols; d++) {
        const [a, b] = [low, high].map((token) => positions.data[token * out.cols + d]);
        out.data[n * out.cols + d] = a + (at - low) * (b - a);
      }
      if (n === 0) continue;
      const [from, to] = [low, high].map((token) => [Math.floor((token - 1) / SIDE), (token - 1 + SIDE) % SIDE]);
      // Token 0 is no place: it stands before the first one.
      if (low === 0) from.splice(0, 2, 0, -1);
      places.push(from.map((one, axis) => one + (at - low) * (to[axis] - one)));
    }
    return { positions: out, places };
  }
  const corners = way === "corners aligned";
  const [down, across] = [middles(rows, corners), middles(columns, corners)];
  const [byRow, byColumn] = [weightsAt(down), weightsAt(across)];
  out.data.set(positions.data.subarray(0, out.cols));
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const start = (1 + i * columns + j) * out.cols;
      for (let r = 0; r < SIDE; r++) {
        for (let c = 0; c < SIDE; c++) {
          const weight = byRow.data[i * SIDE + r] * byColumn.data[j * SIDE + c];
          if (weight === 0) continue;
          const from = (1 + (way === "axes exchanged" ? c * SIDE + r : r * SIDE + c)) * out.cols;
          for (let d = 0; d < out.cols; d++) out.data[start + d] += weight * positions.data[from + d];
        }
      }
      places.push(way === "axes exchanged" ? [across[j], down[i]] : [down[i], across[j]]);
    }
  }
  return { positions: out, places };
}

const rowAt = ({ data, cols }, at) => data.subarray(at * cols, (at + 1) * cols);
const dot = (a, b) => a.reduce((sum, one, d) => sum + one * b[d], 0);
const cosine = (a, b) => dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
const distance = (a, b) => Math.sqrt(a.reduce((sum, one, d) => sum + (one - b[d]) ** 2, 0));
const largest = (a, b) => a.reduce((most, one, d) => Math.max(most, Math.abs(one - b[d])), 0);

/** What one setting shows: cosines with the chosen position, and how far each position is from the right one. */
export function compare(old, { height, width, way, board, row, column }) {
  const grid = [height, width];
  const found = stretch(old, grid, way);
  const right = stretch(old, grid, "right");
  const sides = board === "old" ? [SIDE, SIDE] : grid;
  const place = [row, column].map((one, axis) => Math.min(one, sides[axis] - 1));
  const chosen = rowAt(board === "old" ? old : found.positions, 1 + place[0] * sides[1] + place[1]);
  const similar = (table) => Array.from({ length: table.rows - 1 }, (_, at) => cosine(rowAt(table, at + 1), chosen));
  const off = Array.from({ length: found.positions.rows }, (_, at) => {
    const [own, wanted] = [found.positions, right.positions].map((table) => rowAt(table, at));
    return distance(own, wanted) / Math.sqrt(dot(wanted, wanted));
  });
  let kept = 0;
  for (let at = 1; at < found.positions.rows; at++) {
    const own = rowAt(found.positions, at);
    for (let other = 1; other < old.rows; other++) {
      if (largest(own, rowAt(old, other)) < 1e-9) {
        kept++;
        break;
      }
    }
  }
  return { old: similar(old), new: similar(found.positions), off: off.slice(1), classOff: off[0], kept, place,
    places: found.places, wanted: right.places };
}

const two = (number) => minus((Math.abs(number) < 0.005 ? 0 : number).toFixed(2));
const percent = (share) => `${(100 * share).toFixed(0)} %`;
const at = (index, columns) => `(${Math.floor(index / columns)}, ${index % columns})`;
const best = (values, but = -1) =>
  values.reduce((most, value, index) => (index !== but && (most < 0 || value > values[most]) ? index : most), -1);

/** What is seen, in words. */
function summary(setting, found) {
  const { height, width, way, board } = setting;
  const count = height * width;
  const said = [];
  const [row, column] = found.place;
  const own = row * (board === "old" ? SIDE : width) + column;
  if (board === "old") {
    const [near, like] = [best(found.old, own), best(found.new)];
    said.push(`Old patch (${row}, ${column}): of the other old positions, that of ${at(near, SIDE)} is most like its ` +
      `own (cosine ${two(found.old[near])}); of the new ones, that of ${at(like, width)} (${two(found.new[like])}).`);
  } else {
    const like = best(found.old);
    const [y, x] = found.places[own];
    const from = way === "class position included" ? "" :
      `, taken from row ${two(y)}, column ${two(x)} of the old grid`;
    said.push(`New patch (${row}, ${column})${from}: most like its position is the old one of ${at(like, SIDE)} ` +
      `(cosine ${two(found.old[like])}).`);
  }
  said.push(`Of the ${count} new patches, ${found.kept === count ? "all" : found.kept || "none"} ` +
    `${found.kept === 1 ? "has" : "have"} an old position exactly.`);
  if (way !== "right") {
    const mean = found.off.reduce((sum, one) => sum + one, 0) / count;
    const worst = best(found.off);
    said.push(mean < 1e-9 ? "At this size, this mistake changes no patch’s position."
      : `This way, a patch’s position is off the right one by ${percent(mean)} of its length on average, and by ` +
        `${percent(found.off[worst])} at ${at(worst, width)}.`);
    said.push(found.classOff < 1e-9 ? "The class token’s is kept." :
      `The class token’s is off by ${percent(found.classOff)}.`);
  }
  return said.join(" ");
}

/** Where the new patches are taken from, drawn over the old grid. */
function sources(size, setting, found) {
  const mistaken = setting.way !== "right";
  const top = 24;
  const cell = (size - 2) / SIDE;
  const x = (column) => 1 + (column + 0.5) * cell;
  const y = (row) => top + (row + 0.5) * cell;
  const radius = Math.max(setting.height, setting.width) > 5 ? 3 : 4;
  const parts = [];
  for (let line = 0; line <= SIDE; line++) {
    const [across, down] = [1 + line * cell, top + line * cell];
    parts.push(make("line", { x1: across, x2: across, y1: top, y2: top + SIDE * cell, class: "grid" }));
    parts.push(make("line", { x1: 1, x2: 1 + SIDE * cell, y1: down, y2: down, class: "grid" }));
  }
  for (let row = 0; row < SIDE; row++) {
    for (let column = 0; column < SIDE; column++) {
      parts.push(make("rect", { x: x(column) - 5, y: y(row) - 5, width: 10, height: 10, class: "middle" }));
    }
  }
  // The class token stands before the first place of the list, outside the grid.
  const spot = ([row, column]) => (row === 0 && column < -0.5 ? [x(column + 0.5), y(0) + (column + 0.5) * -cell * 0.2]
    : [x(column), y(row)]);
  if (mistaken) {
    found.places.forEach((place, index) => {
      const [[x1, y1], [x2, y2]] = [found.wanted[index], place].map(spot);
      if (Math.hypot(x2 - x1, y2 - y1) > 0.5) parts.push(make("line", { x1, y1, x2, y2, class: "astray" }));
    });
  }
  for (const place of found.places) {
    const [cx, cy] = spot(place);
    parts.push(make("circle", { cx, cy, r: radius, class: mistaken ? "sample wrong" : "sample" }));
  }
  parts.push(make("text", { x: 1, y: 14 }, mistaken ? "lines: how far off" : "squares: old middles"));
  const label = `Where the ${found.places.length} new patches are taken from on the old grid of ${SIDE} x ${SIDE}` +
    `${mistaken ? ", with a line to each from the right place" : ""}; ${found.kept} lie on an old middle.`;
  return picture(size, top + SIDE * cell + 2, label, ...parts);
}

/** A board of buttons, one for each patch; `choose` is called with a row and a column. */
function board(name, choose) {
  const box = make("div", { class: "plenary-cells", role: "group" });
  let [rows, columns, cells] = [0, 0, []];
  const paint = (grid, size, values, place) => {
    if (grid[0] !== rows || grid[1] !== columns) {
      [rows, columns] = grid;
      cells = values.map((_, index) => {
        const cell = button({});
        const here = [Math.floor(index / columns), index % columns];
        cell.addEventListener("click", () => choose(...here));
        cell.addEventListener("keydown", (event) => {
          const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
          if (!step) return;
          event.preventDefault();
          const [row, column] = here.map((one, axis) =>
            Math.min(Math.max(one + step[axis], 0), [rows, columns][axis] - 1));
          choose(row, column);
          cells[row * columns + column].focus();
        });
        return cell;
      });
      box.replaceChildren(...cells);
      box.setAttribute("aria-label", `${name} grid, ${rows} x ${columns}. The arrow keys choose a patch`);
    }
    const side = Math.floor(size / Math.max(...grid));
    box.style.setProperty("--side", `${side}px`);
    box.style.setProperty("--columns", columns);
    const own = place ? place[0] * columns + place[1] : -1;
    cells.forEach((cell, index) => {
      const value = values[index];
      cell.style.setProperty("--share", `${(45 * Math.min(1, Math.abs(value))).toFixed(1)}%`);
      cell.classList.toggle("negative", value < 0);
      cell.textContent = side >= 36 ? two(value) : value < -0.005 ? "−" : "";
      cell.setAttribute("aria-pressed", index === own);
      cell.setAttribute("aria-label",
        `${name} patch ${at(index, columns)}, cosine ${two(value)}`);
      // One stop for the whole board: the chosen patch, or the first.
      cell.tabIndex = index === Math.max(own, 0) ? 0 : -1;
    });
  };
  return { box, paint };
}

function render({ model, el }) {
  const old = { rows: 1 + SIDE * SIDE, cols: WIDTH, data: decodeFloat16(model.get("positions")) };
  const change = (values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  };
  const sliders = [["height", "rows h′", "Rows of the new grid"], ["width", "columns w′", "Columns of the new grid"]]
    .map(([name, short, label]) => {
      const slider = control({ type: "range", min: 2, max: 8, step: 1, "aria-label": label });
      const shown = make("output", {});
      slider.addEventListener("input", () => change({ [name]: Number(slider.value) }));
      return { name, slider, shown, row: make("label", {}, make("span", {}, `${short} = `, shown), slider) };
    });
  // A name of its own, or two widgets on a page would be one group.
  const group = `plenary-${Math.random().toString(36).slice(2)}`;
  const radios = WAYS.map((value) => control({ type: "radio", name: group, value }));
  radios.forEach((radio) => radio.addEventListener("change", () => change({ way: radio.value })));
  const boards = Object.fromEntries(["old", "new"].map((name) => [name, board(name === "old" ? "Old" : "New",
    (row, column) => change({ board: name, row, column }))]));
  const drawing = make("div", {});
  const title = make("p", { class: "plenary-heading" });
  const panel = (name, heading, content) => make("div", { class: `plenary-panel ${name}` }, heading, content);
  const stage = make("div", { class: "plenary-stage" },
    panel("old", make("p", { class: "plenary-heading" }, "Old grid, 4 × 4: cosine"), boards.old.box),
    panel("from", make("p", { class: "plenary-heading" }, "Taken from"), drawing),
    panel("new", title, boards.new.box));
  const words = make("p", { class: "plenary-summary", "aria-live": "polite" });
  let numbers = numbersTable("", [""], []);
  const root = make("div", { class: "plenary-live plenary-stretch", role: "group",
    "aria-label": "Learned positions, how alike they are, and what another grid makes of them" },
    make("div", { class: "plenary-controls" }, ...sliders.map(({ row }) => row)),
    make("fieldset", {}, make("legend", {}, "How it is done"), make("div", { class: "plenary-chips" },
      ...radios.map((radio) => make("label", {}, radio, make("span", {}, radio.value))))),
    stage, words, numbers,
    make("p", { class: "plenary-note" }, "Click a patch, or choose it with the arrow keys: both grids show the " +
      "cosine of every position with its own. Teal: above 0; amber with a minus: below. The positions are those " +
      "of the digits model, 48 numbers each."));
  el.append(root);

  let space = 0;
  const draw = () => {
    const setting = Object.fromEntries(["height", "width", "way", "board", "row", "column"].map(
      (name) => [name, model.get(name)]));
    const { height, width, way } = setting;
    const found = compare(old, setting);
    for (const { name, slider, shown } of sliders) {
      slider.value = setting[name];
      shown.textContent = setting[name];
      slider.setAttribute("aria-valuetext", `${setting[name]} ${name === "height" ? "rows" : "columns"}`);
    }
    radios.forEach((radio) => { radio.checked = radio.value === way; });
    words.textContent = summary(setting, found);
    title.textContent = `New grid, ${height} × ${width}: cosine`;
    numbers = renewTable(numbers, numbersTable(
      `Every new patch: cosine with ${setting.board} patch (${found.place.join(", ")}), and how far off the right ` +
      "position", ["patch", "cosine", "taken from row", "column", "off by"],
      found.new.map((value, index) => [at(index, width), two(value), ...found.places[index].map(two),
        percent(found.off[index])])));
    if (!space) return;
    const narrow = space < 480;
    const [small, large] = narrow ? [Math.floor((space - 14) / 2), space] : [184, space - 184 - 24];
    stage.classList.toggle("plenary-narrow", narrow);
    boards.old.paint([SIDE, SIDE], small, found.old, setting.board === "old" ? found.place : null);
    boards.new.paint([height, width], Math.min(large, 420), found.new,
      setting.board === "new" ? found.place : null);
    drawing.replaceChildren(sources(small, setting, found));
  };
  const names = ["height", "width", "way", "board", "row", "column"];
  names.forEach((name) => model.on(`change:${name}`, draw));
  const stop = followWidth(stage, (available) => {
    space = available;
    draw();
  });
  draw();
  return () => {
    stop();
    names.forEach((name) => model.off(`change:${name}`, draw));
  };
}

export default { render };
