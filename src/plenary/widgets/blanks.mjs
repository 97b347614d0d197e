// A model that fills in the blank, run in the page: one word of a sentence is hidden, and guessed from the others.
// Put behind layers.mjs by the widgets that show one. plenary.training.blanks is the same in PyTorch.

const [BLANK, UNKNOWN, FIRST_WORD] = [1, 2, 3];
const MOST_WORDS = 16;
const LONGEST = 120;
const GUESSES = 5;

/** The words of a text as Python's caption_words gives them: lower case, no punctuation. */
export function wordsOf(text) {
  const run = "[\\p{L}\\p{N}_]+";
  return text.normalize("NFC").toLowerCase().match(new RegExp(`${run}(?:['’-]${run})*`, "gu")) ?? [];
}

const models = new Map();

/** The model in a file, read once: its tensors by name, its sizes, its words and their ids. */
function modelOf(base64) {
  if (models.has(base64)) return models.get(base64);
  const { tensors, facts } = readTensors(base64);
  const { num_layers: layers, num_heads: heads } = facts.architecture.arguments;
  const ids = new Map(facts.words.map((word, at) => [word, FIRST_WORD + at]));
  const model = { tensors, facts, layers, heads, ids, words: facts.words };
  models.set(base64, model);
  return model;
}

/** Words as ids; those that the model does not know are all one. */
function idsOf(model, words) {
  return words.map((word) => model.ids.get(word) ?? UNKNOWN);
}

/**
 * The word at a place hidden: each layer's list of the heads' weights, and the chances of every word behind the
 * blank. `off` holds for each layer the heads that keep silent.
 */
function fill(model, ids, place, off = []) {
  const tokens = ids.map((id, at) => (at === place ? BLANK : id));
  let x = embed(tokens, model.tensors["embedding.weight"]);
  const weights = [];
  for (let number = 0; number < model.layers; number++) {
    const after = encoderLayer(x, model.tensors, `encoder.layers.${number}`, model.heads, { off: off[number] ?? [] });
    x = after.x;
    weights.push(after.weights);
  }
  const blank = norm(matrix([rowsOf(x)[place]]), model.tensors, "encoder.norm");
  const table = model.tensors["embedding.weight"];
  const words = { ...table, rows: table.rows - FIRST_WORD, data: table.data.subarray(FIRST_WORD * table.cols) };
  return { weights, chances: softmax(project(blank, words, model.tensors.bias)).data };
}

/** The five likeliest words, each with its chance. */
function guessesOf(model, chances) {
  return Array.from(chances, (chance, at) => [model.words[at], chance])
    .sort(([, a], [, b]) => b - a).slice(0, GUESSES);
}

const percent = (share) => `${Math.round(100 * share)} %`;

/** Which words are read as unknown, and how many are not read at all. */
function warnings(heard, sentence, vocabulary) {
  const unknown = [...new Set(heard.words.filter((_, at) => !heard.known[at]))].map(quoted);
  const left = wordsOf(sentence).length - heard.words.length;
  const parts = [];
  if (unknown.length) {
    parts.push(`${listed(unknown)} ${unknown.length > 1 ? "are" : "is"} not among the ${vocabulary} words of the model: ` +
      `it hears only that a word stands there, not which.`);
  }
  if (left > 0) parts.push(`Only the first ${MOST_WORDS} words are read.`);
  return parts.join(" ");
}
