// Who may hear whom, three times over. One batch of two sentence pairs, three boards, three mistakes; three_masks.py
// holds the same sentences and makes the same masks with PyTorch.

const PAIRS = [
  { source: ["der", "Hund", "hat", "gebellt"], target: ["the", "dog", "barked", "EOS", "pad", "pad"] },
  { source: ["er", "schwimmt", "gern", "pad"], target: ["he", "likes", "to", "go", "swimming", "EOS"] },
].map((pair) => ({ ...pair, reads: ["BOS", ...pair.target.slice(0, -1)] }));
const BOARDS = ["source", "target", "memory"];
const MISTAKES = ["no causal mask", "causal in the cross-attention", "padding forgotten"];
const TITLES = {
  source: ["source mask", "source hears source"],
  target: ["target mask", "target hears target"],
  memory: ["memory mask", "target hears source"],
};
const MARKS = { open: "✓", padding: "∅", future: "▸", triangle: "▸" };

const rowsOfBoard = (pair, board) => (board === "source" ? PAIRS[pair].source : PAIRS[pair].reads);
const columnsOfBoard = (pair, board) => (board === "target" ? PAIRS[pair].reads : PAIRS[pair].source);

/** Why a cell is as it is: "open", or what shuts it. Padding first, since it shuts a whole column. */
function state(pair, mistakes, board, row, column) {
  if (columnsOfBoard(pair, board)[column] === "pad" && !mistakes.includes("padding forgotten")) return "padding";
  if (board === "target" && column > row && !mistakes.includes("no causal mask")) return "future";
  if (board === "memory" && column > row && mistakes.includes("causal in the cross-attention")) return "triangle";
  return "open";
}

/** The masks of a pair: for each board, rows of booleans. */
export function masks(pair, mistakes = []) {
  return Object.fromEntries(BOARDS.map((board) => [board, rowsOfBoard(pair, board).map((_, row) =>
    columnsOfBoard(pair, board).map((_, column) => state(pair, mistakes, board, row, column) === "open"))]));
}

/** May this row read the very word that it has to write? */
const readsAnswer = (pair, mistakes, row, column) => column === row + 1 && PAIRS[pair].target[row] !== "pad" &&
  state(pair, mistakes, "target", row, column) === "open";

/** For each board: cells that are open, wrongly open, wrongly shut, and rows that may read their answer. */
export function tally(pair, mistakes = []) {
  const [made, right] = [masks(pair, mistakes), masks(pair)];
  return Object.fromEntries(BOARDS.map((board) => {
    const count = { open: 0, wronglyOpen: 0, wronglyShut: 0, answers: 0 };
    made[board].forEach((line, row) => line.forEach((may, column) => {
      count.open += may;
      count.wronglyOpen += may && !right[board][row][column];
      count.wronglyShut += !may && right[board][row][column];
      count.answers += board === "target" && readsAnswer(pair, mistakes, row, column);
    }));
    return [board, count];
  }));
}

const many = (count, one, more = `${one}s`) => `${count} ${count === 1 ? one : more}`;
const word = (text) => make("i", {}, text);
const spoken = (text) => (text === "pad" ? "padding" : text);

/** What one cell says: who would hear whom, whether it may, and why. Pieces of text and elements. */
function explain(pair, mistakes, board, row, column) {
  const here = state(pair, mistakes, board, row, column);
  const wrong = (here === "open") !== (state(pair, [], board, row, column) === "open");
  const [listener, heard] = [rowsOfBoard(pair, board)[row], columnsOfBoard(pair, board)[column]];
  const written = PAIRS[pair].target[row];
  const may = here === "open" ? "may listen to " : "may not listen to ";
  const whom = heard === "pad" ? "this padding"
    : board !== "memory" && row === column ? (board === "source" ? "itself" : "what it reads there, ") : "";
  const object = heard === "pad" || whom === "itself" ? [whom] : [whom, word(heard)];
  const subject = board === "source"
    ? (listener === "pad" ? ["The source’s padding "] : ["In the encoder, ", word(listener), " "])
    : written === "pad" ? ["At a position of padding, the decoder "]
      : ["While writing ", word(written), ", the decoder "];
  let why = "";
  if (here === "padding") why = "padding means nothing, and its column is shut for every row";
  else if (here === "future") {
    why = written !== "pad" && column === row + 1 ? "that is the very word it has to write"
      : "it comes later, and when the decoder writes on its own it will not be there yet";
  } else if (here === "triangle") why = "a triangle stands where none belongs; the whole source is known from the start";
  else if (wrong && heard === "pad") why = "padding is no word, and now takes its share of the attention";
  else if (wrong) {
    why = readsAnswer(pair, mistakes, row, column) ? "it may read the answer"
      : "it comes later, and is not there when the decoder writes on its own";
  } else if (board === "source") {
    why = listener === "pad" ? "its row follows the same rule, and nobody hears what it makes of it"
      : row === column ? "it may always" : "the source is finished, so it is read in both directions";
  } else if (written === "pad") why = "the rule is the same for every row, and the loss skips this one";
  else if (board === "memory") why = "the whole source is known before the first word is written";
  else why = row === column ? "it is the last word before the one to be written" : "it has been written already";
  return [make("b", {}, wrong ? (here === "open" ? "Wrongly open. " : "Wrongly shut. ")
    : here === "open" ? "Open. " : "Shut. "), ...subject, may, ...object, `: ${why}.`];
}

/** What the switched-on mistakes do to the three boards, in a sentence. */
function consequences(pair, mistakes) {
  const counts = tally(pair, mistakes);
  if (!mistakes.length) {
    const open = BOARDS.map((board) => `${counts[board].open} of the ${TITLES[board][0]}’s ` +
      `${rowsOfBoard(pair, board).length * columnsOfBoard(pair, board).length}`);
    return `No mistake is switched on. Open cells: ${open.join(", ")}.`;
  }
  const parts = BOARDS.flatMap((board) => {
    const { wronglyOpen, wronglyShut, answers } = counts[board];
    const said = [];
    if (wronglyOpen) said.push(`${many(wronglyOpen, "cell")} wrongly open`);
    if (wronglyShut) said.push(`${many(wronglyShut, "cell")} wrongly shut`);
    if (answers) said.push(`in ${many(answers, "row")} the decoder may read the answer`);
    return said.length ? [`${TITLES[board][0]}: ${said.join(", ")}`] : [];
  });
  return parts.length ? `${parts.join("; ")}.`.replace(/^./, (first) => first.toUpperCase())
    : "This sentence shows nothing of it: no cell is wrong.";
}

function numbers(pair, mistakes) {
  const [made, right] = [masks(pair, mistakes), masks(pair)];
  const rows = BOARDS.flatMap((board) => rowsOfBoard(pair, board).map((listener, row) => {
    const columns = columnsOfBoard(pair, board);
    const pick = (test) => columns.filter((_, column) => test(column)).map(spoken).join(", ") || "–";
    const here = (column) => state(pair, mistakes, board, row, column);
    return [`${TITLES[board][1]}: ${spoken(listener)}`, pick((column) => made[board][row][column]),
      pick((column) => here(column) === "padding"), pick((column) => ["future", "triangle"].includes(here(column))),
      pick((column) => made[board][row][column] !== right[board][row][column])];
  }));
  return numbersTable("Who may hear whom", ["listener", "may hear", "shut: padding", "shut: a triangle", "wrong"], rows);
}

function render({ model, el }) {
  const here = () => {
    const [board, row, column] = model.get("cell").split(" ");
    return { board, row: Number(row), column: Number(column) };
  };
  // Where each board was left, so that the tabulator key comes back to the same cell.
  const left = { source: [0, 0], target: [0, 0], memory: [1, 1] };
  let width = 0;

  const change = (name, value) => {
    if (model.get(name) === value) return;
    model.set(name, value);
    model.save_changes();
  };

  // One name for the group, or two widgets on a page would be one.
  const group = `plenary-${Math.random().toString(36).slice(2)}`;
  const radios = (legend, values, names, name, choose) => {
    const inputs = values.map((value) => control({ type: "radio", name: `${group}-${name}`, value }));
    inputs.forEach((input, at) => input.addEventListener("change", () => choose(values[at])));
    return { inputs, fieldset: make("fieldset", {}, make("legend", {}, legend), make("div", { class: "plenary-chips" },
      ...inputs.map((input, at) => make("label", {}, input, make("span", {}, names[at]))))) };
  };
  const sentence = radios("Sentence of the batch", [0, 1], PAIRS.map(({ source, target }) =>
    [source, target].map((words) => words.filter((one) => one !== "pad" && one !== "EOS").join(" ")).join(" → ")),
  "pair", (pair) => change("pair", pair));
  const chosen = radios("Board", BOARDS, BOARDS.map((board) => TITLES[board][0].replace(" mask", "")), "board",
    (board) => change("cell", [board, ...left[board]].join(" ")));
  const switches = MISTAKES.map((name) => {
    const input = control({ type: "checkbox", role: "switch" });
    input.addEventListener("change", () => change("mistakes",
      MISTAKES.filter((one) => (one === name ? input.checked : model.get("mistakes").includes(one)))));
    return input;
  });
  const mistakes = make("fieldset", { class: "plenary-mistakes" }, make("legend", {}, "Make a mistake"),
    ...switches.map((input, at) => make("label", {}, input, make("span", {}, MISTAKES[at]))));

  // The cells stay the same elements for good: whoever has the focus or the pointer keeps it.
  const boards = Object.fromEntries(BOARDS.map((board) => {
    const [rows, columns] = [rowsOfBoard(0, board), columnsOfBoard(0, board)];
    const cells = rows.map((_, row) => columns.map((_, column) => {
      const cell = make("button", { type: "button", "data-lm-suppress-shortcuts": "true",
        "data-cell": `${board} ${row} ${column}` });
      const choose = () => change("cell", cell.dataset.cell);
      cell.addEventListener("focus", choose);
      cell.addEventListener("click", choose); // not every browser gives a pressed button the focus
      cell.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && choose());
      cell.addEventListener("keydown", (event) => {
        const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
        if (!by) return;
        event.preventDefault();
        const to = [row + by[0], column + by[1]].map((at, axis) =>
          Math.min(Math.max(at, 0), (axis ? columns : rows).length - 1));
        cells[to[0]][to[1]].focus();
      });
      return cell;
    }));
    const heads = { rows: rows.map(() => make("th", { scope: "row" })), columns: columns.map(() => make("th", { scope: "col" })) };
    const verdict = make("p", { class: "plenary-verdict" });
    const node = make("div", { class: `plenary-board ${board}` },
      make("p", { class: "plenary-heading" }, make("b", {}, TITLES[board][0]), ` ${TITLES[board][1]}`),
      make("table", { "aria-label": `${TITLES[board][0]}: ${TITLES[board][1]}` },
        make("thead", {}, make("tr", {}, make("td", {}), ...heads.columns)),
        make("tbody", {}, ...cells.map((line, row) =>
          make("tr", {}, heads.rows[row], ...line.map((cell) => make("td", {}, cell)))))), verdict);
    return [board, { cells, heads, verdict, node }];
  }));

  const words = make("p", { class: "plenary-summary", "aria-live": "polite" });
  const effect = make("p", { class: "plenary-effect" });
  let details = make("details", {});
  const reading = make("div", { class: "plenary-reading" }, words, effect);
  const root = make("div", { class: "plenary-live plenary-three-masks", role: "group",
    "aria-label": "The three masks of an encoder and decoder, cell by cell" },
    make("div", { class: "plenary-choices" }, sentence.fieldset, mistakes, chosen.fieldset),
    make("div", { class: "plenary-boards" }, boards.source.node, reading, boards.memory.node, boards.target.node),
    details,
    make("p", { class: "plenary-note" }, "Rows listen, columns are heard. A row of the decoder reads one word and writes " +
      "the next (→). ✓ may be heard; ∅ shut: padding; ▸ shut by a triangle: future; red frame and !: wrong. Point at a " +
      "cell, tap it, or walk with the arrow keys."));
  el.append(root);

  function draw() {
    const [pair, made] = [model.get("pair"), model.get("mistakes")];
    const at = here();
    left[at.board] = [at.row, at.column];
    sentence.inputs.forEach((input, value) => { input.checked = value === pair; });
    chosen.inputs.forEach((input, index) => { input.checked = BOARDS[index] === at.board; });
    switches.forEach((input, index) => { input.checked = made.includes(MISTAKES[index]); });
    const counts = tally(pair, made);
    for (const board of BOARDS) {
      const { cells, heads, verdict } = boards[board];
      const [rows, columns] = [rowsOfBoard(pair, board), columnsOfBoard(pair, board)];
      rows.forEach((name, row) => {
        heads.rows[row].replaceChildren(name, ...(board === "source" ? []
          : [make("small", {}, `→ ${PAIRS[pair].target[row]}`)]));
        heads.rows[row].classList.toggle("here", at.board === board && at.row === row);
      });
      columns.forEach((name, column) => {
        heads.columns[column].replaceChildren(make("span", {}, name));
        heads.columns[column].classList.toggle("here", at.board === board && at.column === column);
      });
      cells.forEach((line, row) => line.forEach((cell, column) => {
        const now = state(pair, made, board, row, column);
        const wrong = (now === "open") !== (state(pair, [], board, row, column) === "open");
        const current = at.board === board && at.row === row && at.column === column;
        cell.className = `${now}${wrong ? " wrong" : ""}`;
        cell.textContent = wrong ? `${MARKS[now]}!` : MARKS[now];
        cell.setAttribute("aria-pressed", current);
        cell.setAttribute("aria-label", `${spoken(rows[row])} hears ${spoken(columns[column])}: ` +
          `${now === "open" ? "open" : "shut"}${wrong ? ", wrongly" : ""}`);
        cell.tabIndex = left[board][0] === row && left[board][1] === column ? 0 : -1;
      }));
      const { wronglyOpen, wronglyShut } = counts[board];
      verdict.textContent = wronglyOpen + wronglyShut === 0 ? "as it should be"
        : [wronglyOpen && `${wronglyOpen} wrongly open`, wronglyShut && `${wronglyShut} wrongly shut`].filter(Boolean).join(", ");
      verdict.classList.toggle("wrong", wronglyOpen + wronglyShut > 0);
    }
    words.replaceChildren(...explain(pair, made, at.board, at.row, at.column));
    effect.textContent = consequences(pair, made);
    const fresh = numbers(pair, made);
    // Only the table is new: an open <details> that is replaced would lose the focus of its summary.
    if (details.firstChild) details.replaceChildren(details.firstChild, fresh.lastChild);
    else {
      details.replaceWith(fresh);
      details = fresh;
    }
    if (!width) return;
    const narrow = width < 520;
    root.classList.toggle("plenary-narrow", narrow);
    chosen.fieldset.hidden = !narrow;
    for (const board of BOARDS) boards[board].node.hidden = narrow && board !== at.board;
  }
  for (const name of ["pair", "mistakes", "cell"]) model.on(`change:${name}`, draw);
  const stop = followWidth(root, (available) => {
    width = available;
    draw();
  });
  draw();
  return () => {
    stop();
    for (const name of ["pair", "mistakes", "cell"]) model.off(`change:${name}`, draw);
  };
}

export default { render };
