// What each head listens to. A trained model with two layers of four heads fills in a blank; any head can be switched
// off, and the guesses with and without it stand side by side. heads.py repeats it all with PyTorch.

const DEMONSTRATIONS = [
  { name: "the guitarist", sentence: "A man with a beard is playing his guitar on a stage.", word: 6 },
  { name: "the dog", sentence: "A brown dog with a red collar is running through the grass.", word: 2 },
  { name: "two women", sentence: "Two women in front of a red car are smiling.", word: 8 },
];
const FRAME = 250; // milliseconds without a key before a typed sentence is read
const TILE = 104; // pixels of a small table

/** The heads that are off, as a list for each layer, from names such as "1.2". */
function silent(model, off) {
  const heads = Array.from({ length: model.layers }, () => []);
  for (const name of off) {
    const [layer, head] = name.split(".").map(Number);
    heads[layer - 1].push(head - 1);
  }
  return heads;
}

/** A word hidden: the weights of each layer's heads as matrices, and the five best guesses. */
export function guess(base64, sentence, place, off) {
  const model = modelOf(base64);
  const words = wordsOf(sentence).slice(0, MOST_WORDS);
  const ids = idsOf(model, words);
  const { weights, chances } = fill(model, ids, place, silent(model, off));
  return {
    words, known: ids.map((id) => id !== UNKNOWN), weights, guesses: guessesOf(model, chances),
    truth: ids[place] === UNKNOWN ? null : chances[ids[place] - FIRST_WORD],
  };
}

/** A table of weights as a small picture, the blank's row in a frame. */
function tile(weights, word) {
  const side = TILE / weights.rows;
  const most = Math.max(...weights.data);
  const cells = [];
  weights.data.forEach((weight, at) => {
    if (weight < most / 50) return;
    const [row, col] = [Math.floor(at / weights.cols), at % weights.cols];
    cells.push(make("rect", { x: (col * side).toFixed(2), y: (row * side).toFixed(2), width: side.toFixed(2),
      height: side.toFixed(2), class: "cell", "fill-opacity": (weight / most).toFixed(2) }));
  });
  const frame = make("rect", { x: 1, y: (word * side).toFixed(2), width: TILE - 2, height: side.toFixed(2),
    class: "row" });
  const svg = picture(TILE, TILE, "", ...cells, frame);
  svg.removeAttribute("aria-label");
  svg.setAttribute("role", "presentation");
  return svg;
}

/** A list of guesses with their chances as bars; the hidden word is marked. */
function guessList(title, guesses, hidden) {
  return make("div", {}, make("p", { class: "plenary-heading" }, title),
    make("ol", {}, ...guesses.map(([word, chance]) => {
      const right = word === hidden;
      const bar = make("span", {});
      bar.style.width = `${100 * chance}%`;
      const mark = make("span", { role: "img", "aria-label": "the hidden word" }, "✓");
      return make("li", { class: right ? "right" : "" }, make("span", { class: "guess" }, word),
        make("span", { class: "chance" }, bar), make("span", { class: "share" }, percent(chance)),
        ...(right ? [mark] : []));
    })));
}

/** The heads that are off, in words: "layer 1, heads 1 and 3, and layer 2, all heads". */
function spelt(off, layers, heads) {
  return Array.from({ length: layers }, (_, at) => {
    const own = off.filter((name) => name.startsWith(`${at + 1}.`)).map((name) => name.split(".")[1]);
    const which = own.length === heads ? "all heads" : `head${own.length > 1 ? "s" : ""} ${listed(own)}`;
    return own.length ? `layer ${at + 1}, ${which}` : "";
  }).filter(Boolean).join(", and ");
}

/** What is seen in two sentences. */
function summary({ whole, without }, word, chosen, off, silenced) {
  const hidden = whole.words[word];
  const [layer, head] = chosen.split(".").map(Number);
  const row = rowsOf(without.weights[layer - 1][head - 1])[word];
  const at = row.indexOf(Math.max(...row));
  const heard = `Head ${head} of layer ${layer} lets the blank listen most to ` +
    `${at === word ? "itself" : quoted(whole.words[at])} (${percent(row[at])}).`;
  const [[first, chance], [now, later]] = [whole.guesses[0], without.guesses[0]];
  const best = `With ${quoted(hidden)} hidden, the best guess is ${quoted(first)} (${percent(chance)})`;
  if (!off.length) return `${best}. ${heard}`;
  const changed = first === now ? `it is the same word, with ${percent(later)}`
    : `it is ${quoted(now)} (${percent(later)})`;
  return `${best}; without ${silenced}, ${changed}. ${heard}`;
}

function render({ model, el }) {
  const asset = model.get("weights");
  const { facts, layers, heads } = modelOf(asset);
  const { figures } = facts;
  const count = (number) => number.toLocaleString("en");
  const names = Array.from({ length: layers * heads }, (_, at) =>
    `${1 + Math.floor(at / heads)}.${1 + (at % heads)}`);

  const offers = DEMONSTRATIONS.map(({ name, sentence, word }) => {
    const one = button({}, name);
    one.addEventListener("click", () => change({ word, sentence }));
    return one;
  });
  const input = control({ type: "text", maxlength: LONGEST, autocomplete: "off", spellcheck: "false",
    enterkeyhint: "done", "aria-label": "Sentence: change it, or type your own" });
  const spoken = make("div", { class: "plenary-spoken", role: "radiogroup", "aria-label": "The word to hide" });
  const warning = make("p", { class: "plenary-warning", hidden: "" });
  const all = button({}, "all heads on");
  all.addEventListener("click", () => change({ off: [] }));

  /** A head: its small table, which shows the large one, and its switch. */
  const tiles = names.map((name) => {
    const [layer, head] = name.split(".");
    const choose = button({ class: "tile" });
    choose.addEventListener("click", () => change({ chosen: name }));
    const toggle = button({ class: "toggle", role: "switch", "aria-label": `Head ${head} of layer ${layer}` });
    toggle.addEventListener("click", () => {
      const off = model.get("off");
      change({ off: names.filter((one) => (one === name ? !off.includes(name) : off.includes(one))) });
    });
    const score = figures.without.find((one) => `${one.layer}.${one.head}` === name).accuracy;
    const box = make("div", { class: "head" }, choose,
      make("div", { class: "under" }, make("span", {}, `head ${head}`), toggle));
    return { name, layer, head, choose, toggle, box, score };
  });
  const grid = make("div", { class: "plenary-grid" }, ...Array.from({ length: layers }, (_, at) =>
    make("div", { class: "layer", role: "group", "aria-label": `Layer ${at + 1}` },
      make("p", { class: "plenary-heading" }, `layer ${at + 1}`),
      make("div", { class: "heads" }, ...tiles.slice(at * heads, (at + 1) * heads).map(({ box }) => box)))));
  const guesses = make("div", { class: "plenary-guesses" });
  const words = make("p", { class: "plenary-summary", "aria-live": "polite" });
  const large = make("div", { class: "plenary-whole" });
  let numbers = numbersTable("", [""], []);
  const root = make("div", { class: "plenary-live plenary-heads", role: "group",
    "aria-label": "Eight heads of a trained model that fills in a blank" },
    make("div", { class: "plenary-controls" },
      make("div", { class: "plenary-buttons", role: "group", "aria-label": "Sentences" }, ...offers),
      make("label", { class: "plenary-own" }, make("span", {}, "or your own:"), input)),
    spoken, warning, grid, make("div", { class: "plenary-buttons" }, all), words, guesses, large, numbers,
    make("p", { class: "plenary-note" },
      "A small table has a row for each word that listens and a column for each word that is listened to; the frame " +
      "is around the blank’s row. Shades are scaled to the largest weight of each table. A head that is off " +
      "still listens, but what it heard is not passed on. " +
      `The model (${count(figures.parameters)} parameters) learned from ${count(figures.captions)} captions of ` +
      `photographs. In captions it never saw it fills ${percent(figures.accuracy)} of the blanks with the hidden ` +
      `word; with one head off, between ${percent(Math.min(...tiles.map(({ score }) => score)))} and ` +
      `${percent(Math.max(...tiles.map(({ score }) => score)))}, depending on the head.`));
  el.append(root);

  const change = (values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  };
  const wordsNow = () => wordsOf(model.get("sentence")).slice(0, MOST_WORDS);
  const placeNow = () => Math.min(model.get("word"), wordsNow().length - 1);

  let drawn = "";
  const chips = (whole, sentence) => {
    if (sentence === drawn) return;
    drawn = sentence;
    spoken.replaceChildren(...whole.words.map((word, at) => {
      const one = button({ role: "radio", class: whole.known[at] ? "" : "unknown" }, word);
      one.addEventListener("click", () => change({ word: at }));
      return one;
    }));
    const text = warnings(whole, sentence, count(figures.vocabulary));
    warning.textContent = text;
    warning.hidden = !text;
  };

  const table = (weights, word, said, name) => {
    const most = Math.max(...weights.data);
    const [layer, head] = name.split(".");
    large.replaceChildren(
      make("p", { class: "plenary-heading" }, `Head ${head} of layer ${layer}, in per cent: `,
        make("b", { class: "query" }, "rows listen"), "; ", make("b", { class: "key" }, "columns are listened to"), "."),
      make("div", { class: "plenary-scroll", role: "region", tabindex: 0, "aria-label": "Table of attention weights" },
        make("table", {},
          make("thead", {}, make("tr", {}, make("td", {}),
            ...said.map((one) => make("th", { scope: "col" }, make("span", {}, one))))),
          make("tbody", {}, ...rowsOf(weights).map((row, at) =>
            make("tr", { class: at === word ? "chosen" : "" }, make("th", { scope: "row" }, said[at]),
              ...row.map((weight) => {
                const cell = make("td", {}, String(Math.round(100 * weight)));
                cell.style.setProperty("--share", (weight / most).toFixed(3));
                return cell;
              })))))));
  };

  const draw = () => {
    const [sentence, off, chosen] = ["sentence", "off", "chosen"].map((name) => model.get(name));
    if (document.activeElement !== input && input.value !== sentence) input.value = sentence;
    offers.forEach((one, at) => one.setAttribute("aria-pressed", DEMONSTRATIONS[at].sentence === sentence));
    all.disabled = !off.length;
    const silenced = spelt(off, layers, heads);
    const word = placeNow();
    const empty = word < 0;
    for (const part of [spoken, grid, all, guesses, large, numbers]) part.hidden = empty;
    if (empty) {
      warning.hidden = true;
      words.textContent = "Type a sentence in English, such as one that describes a photograph.";
      return;
    }
    const whole = guess(asset, sentence, word, []);
    const without = off.length ? guess(asset, sentence, word, off) : whole;
    chips(whole, sentence);
    [...spoken.children].forEach((one, at) => {
      one.setAttribute("aria-checked", at === word);
      one.tabIndex = at === word ? 0 : -1;
    });
    const said = whole.words.map((one, at) => (at === word ? "[blank]" : one));
    tiles.forEach(({ name, layer, head, choose, toggle, box }) => {
      const weights = without.weights[layer - 1][head - 1];
      const on = !off.includes(name);
      choose.replaceChildren(tile(weights, word));
      choose.setAttribute("aria-pressed", name === chosen);
      const row = rowsOf(weights)[word];
      const at = row.indexOf(Math.max(...row));
      choose.setAttribute("aria-label", `Show head ${head} of layer ${layer}: the blank listens most to ` +
        `${at === word ? "itself" : said[at]}, ${percent(row[at])}`);
      toggle.setAttribute("aria-checked", on);
      toggle.textContent = on ? "on" : "off";
      box.classList.toggle("off", !on);
    });
    const hidden = whole.words[word];
    guesses.replaceChildren(guessList("All heads on (✓ the hidden word)", whole.guesses, hidden),
      ...(off.length ? [guessList(`Without ${silenced}`, without.guesses, hidden)] : []));
    const [layer, head] = chosen.split(".");
    table(without.weights[layer - 1][head - 1], word, said, chosen);
    numbers = renewTable(numbers, numbersTable(
      `With “${hidden}” hidden: to whom the blank listens, head by head` +
      (off.length ? `, without ${listed(off)}` : ""), ["head", ...said],
      names.map((name) => {
        const [one, other] = name.split(".");
        return [name, ...rowsOf(without.weights[one - 1][other - 1])[word].map((weight) => weight.toFixed(4))];
      })));
    // No line begins with a per cent sign.
    words.textContent = summary({ whole, without }, word, chosen, off, silenced).replaceAll(" %", "\u00a0%");
  };

  // Arrow keys move through the sentence; the focus goes along.
  spoken.addEventListener("keydown", (event) => {
    const [word, last] = [placeNow(), wordsNow().length - 1];
    const [back, on] = [Math.max(0, word - 1), Math.min(last, word + 1)];
    const to = { ArrowLeft: back, ArrowUp: back, ArrowRight: on, ArrowDown: on, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    change({ word: to });
    spoken.children[to].focus();
  });
  let waiting = 0;
  const typed = () => {
    clearTimeout(waiting);
    if (input.value !== model.get("sentence")) change({ sentence: input.value });
  };
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(typed, FRAME);
  });
  input.addEventListener("change", typed);
  const settings = ["sentence", "word", "chosen", "off"];
  settings.forEach((name) => model.on(`change:${name}`, draw));
  draw();
  return () => {
    clearTimeout(waiting);
    settings.forEach((name) => model.off(`change:${name}`, draw));
  };
}

export default { render };
