// Who listens to whom. A trained model of two layers runs here: each word of a sentence in turn becomes a blank,
// and the row of that word says to whom the blank listens. listening.py repeats it all with PyTorch.

const DEMONSTRATIONS = [
  { name: "the guitarist", sentence: "A man with a beard is playing his guitar on a stage.", word: 6 },
  { name: "the dog", sentence: "A brown dog with a red collar is running through the grass.", word: 2 },
  { name: "two women", sentence: "Two women in front of a red car are smiling.", word: 8 },
];
const FRAME = 250; // milliseconds without a key before a typed sentence is spoken of
const runs = new Map(); // what was heard in a sentence

/**
 * Every word hidden in turn: the words, whether each is known, for each layer the table of weights, and for each
 * hidden word its five best guesses, its own chance and the place of that.
 */
export function listen(base64, sentence) {
  const model = modelOf(base64);
  const words = wordsOf(sentence).slice(0, MOST_WORDS);
  const name = words.join(" ");
  if (runs.has(name)) return runs.get(name);
  const ids = idsOf(model, words);
  const filled = ids.map((_, place) => fill(model, ids, place));
  const result = {
    words,
    known: ids.map((id) => id !== UNKNOWN),
    weights: Array.from({ length: model.layers }, (_, number) =>
      filled.map(({ weights }, place) => rowsOf(weights[number][0])[place])),
    guesses: filled.map(({ chances }) => guessesOf(model, chances)),
    truth: filled.map(({ chances }, place) => {
      if (ids[place] === UNKNOWN) return null;
      const chance = chances[ids[place] - FIRST_WORD];
      return { chance, rank: 1 + chances.reduce((better, other) => better + (other > chance), 0) };
    }),
  };
  if (runs.size > 50) runs.clear();
  runs.set(name, result);
  return result;
}

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
  return `With ${quoted(own)} hidden, the blank listens most to ${listed(named)} in layer ${layer}. ` +
    `The model’s best guess is ${quoted(guess)} (${percent(chance)}): ${verdict}.`;
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
