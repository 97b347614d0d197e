// Who listens to whom. A trained model of two layers runs here: each word of a sentence in turn becomes a blank,
// and the row of that word says to whom the blank listens. listening.py repeats it all with PyTorch.

const DEMONSTRATIONS = [
  { name: "the guitarist", sentence: "A man with a beard is playing his guitar on a stage.", word: 6 },
  { name: "the dog", sentence: "A brown dog with a red collar is running through the grass.", word: 2 },
  { name: "two women", sentence: "Two women in front of a red car are smiling.", word: 8 },
];
const [BLANK, UNKNOWN, FIRST_WORD] = [1, 2, 3];
const MOST_WORDS = 16;
const LONGEST = 120;
const GUESSES = 5;
const FRAME = 250; // milliseconds without a key before a typed sentence is spoken of

/** The words of a text as Python's caption_words gives them: lower case, no punctuation. */
export function wordsOf(text) {
  const run = "[\\p{L}\\p{N}_]+";
  return text.normalize("NFC").toLowerCase().match(new RegExp(`${run}(?:['’-]${run})*`, "gu")) ?? [];
}

/** A safetensors file: eight bytes with the length of its head, the head as JSON, then the numbers, in float16. */
function readTensors(base64) {
  const bytes = decodeBase64(base64);
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const tensors = {};
  for (const [name, { shape, data_offsets }] of Object.entries(head)) {
    if (name === "__metadata__") continue;
    const [from, to] = data_offsets;
    const data = decodeFloat16(bytes.subarray(8 + length + from, 8 + length + to));
    tensors[name] = shape.length === 2 ? { rows: shape[0], cols: shape[1], data } : data;
  }
  return { tensors, facts: JSON.parse(head.__metadata__.plenary).facts };
}

const models = new Map();

/** The model in a file, read once: its tensors by name, its sizes, its words and their ids. */
function modelOf(base64) {
  if (models.has(base64)) return models.get(base64);
  const { tensors, facts } = readTensors(base64);
  const { embed_dim: width, num_layers: layers, num_heads: heads } = facts.architecture.arguments;
  const ids = new Map(facts.words.map((word, at) => [word, FIRST_WORD + at]));
  const model = { tensors, facts, width, layers, heads, ids, words: facts.words, heard: new Map() };
  models.set(base64, model);
  return model;
}

/** Some columns of a matrix. */
function columns(x, from, to) {
  const rows = Array.from({ length: x.rows }, (_, row) => x.data.subarray(row * x.cols + from, row * x.cols + to));
  const out = zeros(x.rows, to - from);
  rows.forEach((row, at) => out.data.set(row, at * out.cols));
  return out;
}

/** The word of each place times the root of the width, plus the sines and cosines of the place. */
function embed(model, tokens) {
  const { width } = model;
  const table = model.tensors["embedding.weight"].data;
  const x = zeros(tokens.length, width);
  tokens.forEach((token, place) => {
    for (let i = 0; i < width; i++) {
      const angle = place / 10000 ** ((i - (i % 2)) / width);
      const position = i % 2 ? Math.cos(angle) : Math.sin(angle);
      x.data[place * width + i] = table[token * width + i] * Math.sqrt(width) + position;
    }
  });
  return x;
}

/** One layer, pre-norm: everybody listens, then thinks. Gives x and the weights of the first head. */
function layer(model, number, x) {
  const own = (name) => model.tensors[`encoder.layers.${number}.${name}`];
  const through = (name, input) => project(input, own(`${name}.weight`), own(`${name}.bias`));
  const norm = (name, input) => layerNorm(input, own(`${name}.weight`), own(`${name}.bias`));
  const add = (a, b) => combine(a, b, (one, other) => one + other);
  const normed = norm("norm1", x);
  const [query, key, value] = ["q", "k", "v"].map((one) => through(`attention.${one}_proj`, normed));
  const size = model.width / model.heads;
  const heads = Array.from({ length: model.heads }, (_, head) =>
    attention(...[query, key, value].map((one) => columns(one, head * size, (head + 1) * size))));
  const merged = zeros(x.rows, model.width);
  heads.forEach(({ output }, head) => rowsOf(output).forEach((row, at) =>
    merged.data.set(row, at * model.width + head * size)));
  const heard = add(x, through("attention.out_proj", merged));
  const thought = map(through("feed_forward.linear1", norm("norm2", heard)), gelu);
  return { x: add(heard, through("feed_forward.linear2", thought)), weights: heads[0].weights };
}

/** The chances of every word of the vocabulary behind the blank at a place, and each layer's weights there. */
function fill(model, tokens, place) {
  let x = embed(model, tokens);
  const rows = [];
  for (let number = 0; number < model.layers; number++) {
    const after = layer(model, number, x);
    x = after.x;
    rows.push(rowsOf(after.weights)[place]);
  }
  const blank = matrix([rowsOf(x)[place]]);
  const normed = layerNorm(blank, model.tensors["encoder.norm.weight"], model.tensors["encoder.norm.bias"]);
  const table = model.tensors["embedding.weight"];
  const words = { ...table, rows: table.rows - FIRST_WORD, data: table.data.subarray(FIRST_WORD * table.cols) };
  return { rows, chances: softmax(project(normed, words, model.tensors.bias)).data };
}

/**
 * Every word hidden in turn: the words, whether each is known, for each layer the table of weights, and for each
 * hidden word its five best guesses, its own chance and the place of that.
 */
export function listen(base64, sentence) {
  const model = modelOf(base64);
  const words = wordsOf(sentence).slice(0, MOST_WORDS);
  const name = words.join(" ");
  if (model.heard.has(name)) return model.heard.get(name);
  const ids = words.map((word) => model.ids.get(word) ?? UNKNOWN);
  const runs = ids.map((_, place) => fill(model, ids.map((id, at) => (at === place ? BLANK : id)), place));
  const result = {
    words,
    known: ids.map((id) => id !== UNKNOWN),
    weights: Array.from({ length: model.layers }, (_, number) => runs.map(({ rows }) => rows[number])),
    guesses: runs.map(({ chances }) => Array.from(chances, (chance, at) => [model.words[at], chance])
      .sort(([, a], [, b]) => b - a).slice(0, GUESSES)),
    truth: runs.map(({ chances }, place) => {
      if (ids[place] === UNKNOWN) return null;
      const chance = chances[ids[place] - FIRST_WORD];
      return { chance, rank: 1 + chances.reduce((better, other) => better + (other > chance), 0) };
    }),
  };
  if (model.heard.size > 50) model.heard.clear();
  model.heard.set(name, result);
  return result;
}

const percent = (share) => `${Math.round(100 * share)} %`;
const quoted = (word) => `“${word}”`;
const list = (items) => (items.length > 1 ? `${items.slice(0, -1).join(", ")} and ${items.at(-1)}` : items.join(""));
const button = (attributes, ...children) =>
  make("button", { type: "button", "data-lm-suppress-shortcuts": "true", ...attributes }, ...children);

/** What is seen in a sentence or two. */
function summary(heard, word, layer) {
  const own = heard.words[word];
  const row = heard.weights[layer - 1][word];
  const most = row.map((weight, at) => [weight, at]).sort(([a], [b]) => b - a).slice(0, 3);
  const named = most.map(([weight, at]) =>
    `${at === word ? "itself" : quoted(heard.words[at])} (${percent(weight)})`);
  const [guess, chance] = heard.guesses[word][0];
  const truth = heard.truth[word];
  const verdict = !truth ? "the hidden word is not in its vocabulary, so it could not be right"
    : truth.rank === 1 ? "the hidden word"
      : `the hidden word comes at place ${truth.rank} with ${percent(truth.chance)}`;
  return `With ${quoted(own)} hidden, the blank listens most to ${list(named)} in layer ${layer}. ` +
    `The model’s best guess is ${quoted(guess)} (${percent(chance)}): ${verdict}.`;
}

/** Which words are read as unknown, and how many are not read at all. */
function warnings(heard, sentence, vocabulary) {
  const unknown = [...new Set(heard.words.filter((_, at) => !heard.known[at]))].map(quoted);
  const left = wordsOf(sentence).length - heard.words.length;
  const parts = [];
  if (unknown.length) {
    parts.push(`${list(unknown)} ${unknown.length > 1 ? "are" : "is"} not among the ${vocabulary} words of the model: ` +
      `it hears only that a word stands there, not which.`);
  }
  if (left > 0) parts.push(`Only the first ${MOST_WORDS} words are read.`);
  return parts.join(" ");
}

function render({ model, el }) {
  const asset = model.get("weights");
  const { facts, layers } = modelOf(asset);
  const { figures } = facts;
  const count = (number) => number.toLocaleString("en");

  const offers = DEMONSTRATIONS.map(({ name, sentence, word }) => {
    const one = button({}, name);
    one.addEventListener("click", () => change({ word, sentence }));
    return one;
  });
  const input = control({ type: "text", maxlength: LONGEST, autocomplete: "off", spellcheck: "false",
    enterkeyhint: "done", "aria-label": "Sentence: change it, or type your own" });
  const layerButtons = Array.from({ length: layers }, (_, at) => {
    const one = button({}, String(at + 1));
    one.addEventListener("click", () => change({ layer: at + 1 }));
    return one;
  });
  const spoken = make("div", { class: "plenary-spoken", role: "radiogroup",
    "aria-label": "The word to hide" });
  const warning = make("p", { class: "plenary-warning", hidden: "" });
  const guesses = make("div", { class: "plenary-guesses" });
  const words = make("p", { class: "plenary-summary", "aria-live": "polite" });
  const whole = make("div", { class: "plenary-whole" });
  let numbers = numbersTable("", [""], []);
  const root = make("div", { class: "plenary-live plenary-listening", role: "group",
    "aria-label": "Who listens to whom: attention weights of a model that fills in a blank" },
    make("div", { class: "plenary-controls" },
      make("div", { class: "plenary-buttons", role: "group", "aria-label": "Sentences" }, ...offers),
      make("div", { class: "plenary-buttons", role: "group", "aria-label": "Layer" },
        make("span", {}, "layer"), ...layerButtons),
      make("label", { class: "plenary-own" }, make("span", {}, "or your own:"), input)),
    spoken, warning, guesses, words, whole, numbers,
    make("p", { class: "plenary-note" },
      "Every row is a run of its own: its word is replaced by a blank, which is how the model was trained, and the " +
      "row shows to whom the blank listens. A row sums to 100 %, up to rounding. In layer 1 each place still holds " +
      "its own word alone; in layer 2 it also holds what it heard in layer 1, mostly from its neighbours. " +
      `The model is small (${count(figures.parameters)} parameters, ${count(figures.vocabulary)} words, one head a ` +
      `layer) and learned from ${count(figures.captions)} captions of photographs. In captions it never saw it ` +
      `fills ${percent(figures.accuracy)} of the blanks with the hidden word; always guessing ` +
      `${quoted(figures.commonest)} would fill ${percent(figures.baseline)}.`));
  el.append(root);

  const change = (values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  };
  const state = () => {
    const sentence = model.get("sentence");
    const heard = listen(asset, sentence);
    return { sentence, heard, layer: model.get("layer"),
      word: Math.min(model.get("word"), heard.words.length - 1) };
  };
  const choose = (word) => change({ word });

  /** The buttons and the table of a sentence and a layer; which row is chosen comes after. */
  let drawn = "";
  const build = ({ sentence, heard, layer }) => {
    const table = heard.weights[layer - 1];
    const most = Math.max(...table.flat());
    spoken.replaceChildren(...heard.words.map((word, at) => {
      const one = button({ role: "radio", class: heard.known[at] ? "" : "unknown" },
        make("span", { class: "room", "aria-hidden": "true" }, make("span", { class: "bar" })),
        make("span", { class: "share" }),
        make("span", { class: "word" }, word),
        make("span", { class: "truth" }));
      one.addEventListener("click", () => choose(at));
      return one;
    }));
    const head = heard.words.map((word) => make("th", { scope: "col" }, make("span", {}, word)));
    const rows = heard.words.map((word, at) => {
      const pick = button({ tabindex: -1 }, word);
      const row = make("tr", {}, make("th", { scope: "row" }, pick), ...table[at].map((weight) => {
        const cell = make("td", {}, String(Math.round(100 * weight)));
        cell.style.setProperty("--share", (weight / most).toFixed(3));
        return cell;
      }));
      row.addEventListener("click", () => choose(at));
      return row;
    });
    whole.replaceChildren(...(rows.length ? [
      make("p", { class: "plenary-heading" }, "The whole table, in per cent: ",
        make("b", { class: "query" }, "rows listen"), ", each as the blank; ",
        make("b", { class: "key" }, "columns are listened to"), "."),
      make("div", { class: "plenary-scroll", role: "region", "aria-label": "Table of attention weights" },
        make("table", {}, make("thead", {}, make("tr", {}, make("td", {}), ...head)),
          make("tbody", {}, ...rows)))] : []));
    const text = warnings(heard, sentence, count(figures.vocabulary));
    warning.textContent = text;
    warning.hidden = !text;
  };

  const point = ({ heard, layer, word }) => {
    const table = heard.weights[layer - 1];
    const most = Math.max(...table.flat());
    [...spoken.children].forEach((one, at) => {
      const own = at === word;
      const weight = table[word][at];
      one.setAttribute("aria-checked", own);
      one.tabIndex = own ? 0 : -1;
      one.querySelector(".bar").style.height = `${(100 * weight) / most}%`;
      one.querySelector(".share").textContent = percent(weight);
      one.querySelector(".word").textContent = own ? "[blank]" : heard.words[at];
      one.querySelector(".truth").textContent = own ? heard.words[at] : heard.known[at] ? "" : "unknown";
      one.setAttribute("aria-label", own ? `${heard.words[at]}, hidden: the blank listens to itself, ${percent(weight)}`
        : `${heard.words[at]}${heard.known[at] ? "" : ", unknown"}: ${percent(weight)}`);
    });
    whole.querySelectorAll("tbody tr").forEach((row, at) => {
      row.classList.toggle("chosen", at === word);
      const pick = row.querySelector("button");
      pick.tabIndex = at === word ? 0 : -1;
      pick.setAttribute("aria-pressed", at === word);
    });
    guesses.replaceChildren(
      make("p", { class: "plenary-heading" }, "Its five best guesses for the blank (✓ the hidden word)"),
      make("ol", {}, ...heard.guesses[word].map(([guess, chance]) => {
        const right = guess === heard.words[word];
        const mark = make("span", { role: "img", "aria-label": "the hidden word" }, "✓");
        const item = make("li", { class: right ? "right" : "" }, make("span", { class: "guess" }, guess),
          make("span", { class: "chance" }, make("span", {})),
          make("span", { class: "share" }, percent(chance)), ...(right ? [mark] : []));
        item.querySelector(".chance span").style.width = `${100 * chance}%`;
        return item;
      })));
    numbers = renewTable(numbers, numbersTable(
      `With “${heard.words[word]}” hidden: weights of layer ${layer}, and chances of the guesses`,
      ["word", "weight", "guess", "chance"],
      Array.from({ length: Math.max(heard.words.length, GUESSES) }, (_, at) => [
        heard.words[at] ?? "–", at in heard.words ? table[word][at].toFixed(4) : "–",
        heard.guesses[word][at]?.[0] ?? "–", heard.guesses[word][at]?.[1].toFixed(4) ?? "–"])));
    // No line begins with a per cent sign.
    words.textContent = summary(heard, word, layer).replaceAll(" %", "\u00a0%");
  };

  const draw = () => {
    const now = state();
    if (document.activeElement !== input && input.value !== now.sentence) input.value = now.sentence;
    offers.forEach((one, at) => one.setAttribute("aria-pressed", DEMONSTRATIONS[at].sentence === now.sentence));
    layerButtons.forEach((one, at) => one.setAttribute("aria-pressed", at + 1 === now.layer));
    const empty = !now.heard.words.length;
    for (const part of [guesses, whole, spoken]) part.hidden = empty;
    numbers.hidden = empty;
    const name = `${now.layer} ${now.sentence}`;
    if (name !== drawn) build(now);
    drawn = name;
    if (empty) words.textContent = "Type a sentence in English, such as one that describes a photograph.";
    else point(now);
  };

  // Arrow keys move through the sentence and down the table; the focus goes along.
  const arrows = (focusable) => (event) => {
    const { heard, word } = state();
    const last = heard.words.length - 1;
    const [back, on] = [Math.max(0, word - 1), Math.min(last, word + 1)];
    const to = { ArrowLeft: back, ArrowUp: back, ArrowRight: on, ArrowDown: on, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    choose(to);
    focusable()[to].focus();
  };
  spoken.addEventListener("keydown", arrows(() => spoken.children));
  whole.addEventListener("keydown", arrows(() => whole.querySelectorAll("tbody button")));
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
  const names = ["sentence", "word", "layer"];
  names.forEach((name) => model.on(`change:${name}`, draw));
  draw();
  return () => {
    clearTimeout(waiting);
    names.forEach((name) => model.off(`change:${name}`, draw));
  };
}

export default { render };
