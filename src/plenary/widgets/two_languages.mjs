// German to English. What a trained Transformer wrote, and to which German words each English one listened meanwhile:
// the cross-attention of every layer and head, computed beforehand (two_languages.py) and only read here.

const DECODINGS = ["greedy", "beam 4"];
const MEAN = 0; // as a head: the mean of all of them
const END = "<eos>";
const UNKNOWN = "<unk>";
const ROW = 42; // pixels for an English word, which a finger must hit
const LEAST = 27; // pixels for a German word, which is only looked at
const THINNEST = 0.05; // lighter lines of the words that are not chosen would be a haze

const files = new Map();

/** The file of the page, read once. */
function fileOf(base64) {
  if (!files.has(base64)) files.set(base64, readTensors(base64));
  return files.get(base64);
}

/**
 * One translation: the words on both sides, the probability of each written word, the text, and the weights as a list
 * of rows, one for each written word.
 */
export function look(base64, sentence, decoding, layer, head) {
  const { tensors, facts } = fileOf(base64);
  const about = facts.sentences[sentence];
  const made = about[decoding];
  const all = tensors[`${sentence} ${decoding}`];
  const [written, heads] = [made.words.length, facts.heads];
  const of = (one, row) => {
    const at = (((layer - 1) * heads + one) * written + row) * all.cols;
    return Array.from(all.data.subarray(at, at + all.cols));
  };
  const rows = made.words.map((_, row) => {
    if (head !== MEAN) return of(head - 1, row);
    const each = Array.from({ length: heads }, (_, one) => of(one, row));
    return each[0].map((_, col) => each.reduce((sum, one) => sum + one[col], 0) / heads);
  });
  return { about, made, rows, source: about.source, words: made.words, facts };
}

const percent = (share) => `${Math.floor(100 * share + 0.5)} %`;
/** The probability of a whole sentence, which is small: two digits of it. */
const chance = (log) => `${(100 * Math.exp(log)).toPrecision(2)} %`;
const count = (number) => number.toLocaleString("en-US");
const shown = (word) => (word === END ? "[end]" : word);
const which = (layer, head) => `layer ${layer}, ${head === MEAN ? "the mean of its heads" : `head ${head}`}`;

/** Places in the order of their weights. */
const loudest = (row) => row.map((_, at) => at).sort((a, b) => row[b] - row[a]);

/** What is seen in a sentence. */
function summary({ made, rows, source, words }, word, layer, head) {
  const heard = loudest(rows[word]).slice(0, 3).map((at) => `${quoted(source[at])} (${percent(rows[word][at])})`);
  const own = words[word] === END ? "The end of the sentence" : quoted(words[word]);
  return `${own} was written with a probability of ${percent(made.probabilities[word])}, and listens most to ` +
    `${listed(heard)} in ${which(layer, head)}.`;
}

/** Which German words the model does not know, and what stands in place of those that it could not write. */
function remarks({ about, made, source, words, facts }) {
  const strange = [...new Set(source.filter((_, at) => !about.known[at]))].map(quoted);
  const put = made.spoken.filter((_, at) => words[at] === UNKNOWN).map(quoted);
  const parts = [];
  if (strange.length) {
    parts.push(`${listed(strange)} ${strange.length > 1 ? "are" : "is"} not among the ${count(facts.figures.german_words)} ` +
      `German words of the model: it reads ${UNKNOWN}.`);
  }
  if (put.length) {
    parts.push(`In place of ${put.length > 1 ? "each" : "the"} ${UNKNOWN} that it wrote stands the German word to ` +
      `which it listened most in layer ${facts.aligned}: ${listed(put)}.`);
  }
  return parts.join(" ");
}

/** Two columns of words with a line between two of them for each weight. */
function lines(width, height, rows, chosen) {
  const step = [height / rows[0].length, height / rows.length];
  const [from, to] = [(at) => (at + 0.5) * step[0], (at) => (at + 0.5) * step[1]];
  const start = 40; // after the per cents
  const line = (at, row, attributes) => {
    const middle = (start + width) / 2;
    const [a, b] = [from(at).toFixed(1), to(row).toFixed(1)];
    return make("path", { d: `M${start} ${a}C${middle} ${a} ${middle} ${b} ${width} ${b}`, fill: "none", ...attributes });
  };
  const others = rows.flatMap((row, at) => (at === chosen ? [] : row.flatMap((weight, source) =>
    (weight < THINNEST ? [] : [line(source, at, { class: "other", "stroke-width": (5 * weight).toFixed(2) })]))));
  const own = rows[chosen].map((weight, source) =>
    line(source, chosen, { class: "own", "stroke-width": Math.max(0.3, 9 * weight).toFixed(2) }));
  const shares = rows[chosen].map((weight, source) => make("text",
    { x: start - 4, y: (from(source) + 4.5).toFixed(1), "text-anchor": "end", class: weight >= THINNEST ? "loud" : "" },
    percent(weight)));
  return make("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
    ...others, ...own, ...shares);
}

function render({ model, el }) {
  const asset = model.get("shown");
  const { facts } = fileOf(asset);
  const { figures } = facts;

  const select = make("select", { "data-lm-suppress-shortcuts": "true", "aria-label": "German sentence" },
    ...facts.sentences.map(({ shows, german }, at) => make("option", { value: at }, `${shows}: ${german}`)));
  const group = (name, setting, values, names = values) => {
    const buttons = values.map((value, at) => {
      const one = button({}, String(names[at]));
      one.addEventListener("click", () => change({ [setting]: value }));
      return one;
    });
    return { setting, values, buttons,
      element: make("div", { class: "plenary-buttons", role: "group", "aria-label": name },
        make("span", { "aria-hidden": "true" }, name), ...buttons) };
  };
  const upTo = (number) => Array.from({ length: number }, (_, at) => at + 1);
  const groups = [
    group("written", "decoding", DECODINGS),
    group("layer", "layer", upTo(facts.layers)),
    group("head", "head", [MEAN, ...upTo(facts.heads)], ["mean", ...upTo(facts.heads)]),
  ];

  const texts = make("dl", { class: "plenary-texts" });
  const remark = make("p", { class: "plenary-warning" });
  const german = make("div", { class: "german", "aria-hidden": "true" });
  const between = make("div", { class: "between" });
  const english = make("div", { class: "english", role: "radiogroup", "aria-label": "English words, as they were written" });
  const whole = make("div", { class: "plenary-whole" });
  const words = make("p", { class: "plenary-summary", "aria-live": "polite" });
  let numbers = make("details");
  el.append(make("div", { class: "plenary-live plenary-two-languages", role: "group",
    "aria-label": "German to English: attention between the words of two languages" },
    make("div", { class: "plenary-controls" }, make("label", { class: "plenary-which" }, select),
      ...groups.map(({ element }) => element)),
    texts, remark,
    make("div", {},
      make("div", { class: "plenary-lines" },
        make("p", { class: "plenary-heading" }, "Choose an ", make("b", { class: "query" }, "English word"),
          ": to which ", make("b", { class: "key" }, "German words"), " did it listen?"),
        make("div", { class: "columns" }, german, between, english)),
      words, whole),
    numbers,
    make("p", { class: "plenary-note" },
      "Under each English word: the probability with which it was written, given the words before it. It listens " +
      "while it is about to be written, so its own word is not yet among those that the decoder has read. A row of " +
      "weights sums to 100 %, up to rounding. These are numbers of the real model, computed by PyTorch beforehand: " +
      `its ${count(figures.parameters)} parameters, trained on ${count(figures.pairs)} pairs of captions, are not in ` +
      `this page. On 1,000 captions that it never saw it reaches a BLEU of ${figures.bleu["1"].toFixed(1)} greedily ` +
      `and ${figures.bleu["4"].toFixed(1)} with a beam of four. The sentences on offer were written for this page.`)));

  const change = (values) => {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  };
  const state = () => {
    const [sentence, decoding, layer, head] = ["sentence", "decoding", "layer", "head"].map((name) => model.get(name));
    const seen = look(asset, sentence, decoding, layer, head);
    return { seen, layer, head, name: [sentence, decoding, layer, head].join(" "),
      word: Math.min(model.get("word"), seen.words.length - 1) };
  };

  /** Everything that does not depend on which word is chosen. */
  const build = ({ seen }) => {
    const { about, made, rows, source } = seen;
    const both = DECODINGS.map((one) => [`the model, ${one}`, about[one]]);
    texts.replaceChildren(...[["German", about.german], ...both, ["a person", about.english]].flatMap(([name, text]) => {
      const own = text === made;
      const parts = typeof text === "string" ? [text]
        : [text.text, make("span", { class: "chance" }, ` probability ${chance(text.log_probability)}`)];
      return [make("dt", own ? { class: "own" } : {}, name), make("dd", own ? { class: "own" } : {}, ...parts)];
    }));
    const text = remarks(seen);
    remark.textContent = text;
    remark.hidden = !text;

    const height = Math.max(ROW * rows.length, LEAST * source.length);
    for (const one of [german, between, english]) one.style.height = `${height}px`;
    german.replaceChildren(...source.map((word, at) =>
      make("div", {}, make("span", { class: about.known[at] ? "" : "unknown" }, word))));
    const preview = (row, at) => {
      row.addEventListener("pointerenter", (event) => event.pointerType === "mouse" && point(state(), at));
      row.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && point(state()));
      row.addEventListener("click", () => change({ word: at }));
    };
    english.replaceChildren(...made.words.map((word, at) => {
      const p = percent(made.probabilities[at]);
      const one = button({ role: "radio", "aria-label": `${shown(word)}, written with ${p}` },
        make("span", { class: "word" }, shown(word)), make("span", { class: "sure" }, make("span", {})),
        make("span", { class: "share" }, p));
      one.querySelector(".sure span").style.width = `${100 * made.probabilities[at]}%`;
      preview(one, at);
      return make("div", {}, one);
    }));
    const most = Math.max(...rows.flat());
    const head = source.map((word) => make("th", { scope: "col" }, make("span", {}, word)));
    whole.replaceChildren(
      make("p", { class: "plenary-heading" }, "All of them, in per cent: ", make("b", { class: "query" }, "rows listen"),
        ", ", make("b", { class: "key" }, "columns are listened to"), "."),
      make("div", { class: "plenary-scroll", tabindex: 0, role: "region", "aria-label": "Table of attention weights" },
        make("table", {}, make("thead", {}, make("tr", {}, make("td", {}), ...head)),
          make("tbody", {}, ...rows.map((row, at) => {
            const line = make("tr", {}, make("th", { scope: "row" }, shown(made.words[at])), ...row.map((weight) => {
              const cell = make("td", {}, String(Math.floor(100 * weight + 0.5)));
              cell.style.setProperty("--share", (weight / most).toFixed(3));
              return cell;
            }));
            preview(line, at);
            return line;
          })))));
  };

  /** The chosen word, or the one that the mouse is on: its lines, its German words, its row. */
  const point = ({ seen, word: chosen }, word = chosen) => {
    const { rows } = seen;
    const width = Math.floor(between.clientWidth);
    if (width > 0) between.replaceChildren(lines(width, parseFloat(between.style.height), rows, word));
    const most = Math.max(...rows[word]);
    [...german.children].forEach((one, at) =>
      one.firstChild.style.setProperty("--share", (rows[word][at] / most).toFixed(3)));
    [...english.children].forEach(({ firstChild: one }, at) => {
      one.classList.toggle("shown", at === word);
      one.setAttribute("aria-checked", at === chosen);
      one.tabIndex = at === chosen ? 0 : -1;
    });
    whole.querySelectorAll("tbody tr").forEach((row, at) => row.classList.toggle("shown", at === word));
  };

  const tell = ({ seen, layer, head, word }) => {
    const { made, rows, source } = seen;
    numbers = renewTable(numbers, numbersTable(
      `Weights while “${shown(made.words[word])}” is written, in ${which(layer, head)}; and all probabilities`,
      ["German", "weight", "English", "probability"],
      Array.from({ length: Math.max(source.length, made.words.length) }, (_, at) => [
        source[at] ?? "–", rows[word][at]?.toFixed(3) ?? "–",
        at in made.words ? shown(made.words[at]) : "–", made.probabilities[at]?.toFixed(3) ?? "–"])));
    // No line begins with a per cent sign.
    words.textContent = summary(seen, word, layer, head).replaceAll(" %", "\u00a0%");
  };

  let drawn = "";
  const draw = () => {
    const now = state();
    select.value = model.get("sentence");
    for (const { setting, values, buttons } of groups) {
      buttons.forEach((one, at) => one.setAttribute("aria-pressed", values[at] === model.get(setting)));
    }
    if (now.name !== drawn) build(now);
    drawn = now.name;
    point(now);
    tell(now);
  };

  select.addEventListener("change", () => change({ sentence: Number(select.value) }));
  // Arrow keys go up and down the English words; the focus goes along.
  english.addEventListener("keydown", (event) => {
    const { seen, word } = state();
    const last = seen.words.length - 1;
    const [back, on] = [Math.max(0, word - 1), Math.min(last, word + 1)];
    const to = { ArrowLeft: back, ArrowUp: back, ArrowRight: on, ArrowDown: on, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    change({ word: to });
    english.children[to].firstChild.focus();
  });
  const names = ["sentence", "decoding", "layer", "head", "word"];
  names.forEach((name) => model.on(`change:${name}`, draw));
  draw();
  const stop = followWidth(between, () => point(state()));
  return () => {
    stop();
    names.forEach((name) => model.off(`change:${name}`, draw));
  };
}

export default { render };
