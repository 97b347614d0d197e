// The layers of a Transformer, for trained models that run in the page: encoder, decoder and their heads, pre-norm and
// with GELU, as plenary.encoder and plenary.decoder have them. Put behind maths.mjs by the widgets that say so in `uses`.
// A model is the tensors of its file by name; a layer is named by the beginning of its tensors' names.
// tests/browser/test_layers.py holds every function to PyTorch.

/**
 * A safetensors file of float16 numbers: eight bytes with the length of its head, the head as JSON, then the numbers.
 * Gives the tensors (matrices, and lists of numbers where there is one axis) and the facts that stand in the file.
 */
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

/** The sines (even columns) and cosines (odd ones) of `length` positions from `offset` on. */
function sinusoids(length, width, offset = 0) {
  return map(zeros(length, width), (_, row, col) => {
    const angle = (row + offset) / 10000 ** ((col - (col % 2)) / width);
    return col % 2 ? Math.cos(angle) : Math.sin(angle);
  });
}

/** The tokens' rows of a table, times the root of the width, plus their positions. */
function embed(tokens, table) {
  const [width, root] = [table.cols, Math.sqrt(table.cols)];
  return map(sinusoids(tokens.length, width), (position, row, col) =>
    table.data[tokens[row] * width + col] * root + position);
}

/** Some columns of a matrix. */
function columns(x, from, to) {
  const out = zeros(x.rows, to - from);
  for (let row = 0; row < x.rows; row++) {
    out.data.set(x.data.subarray(row * x.cols + from, row * x.cols + to), row * out.cols);
  }
  return out;
}

/** The sum of two matrices. */
function add(a, b) {
  return combine(a, b, (one, other) => one + other);
}

/** A linear layer, by its name. */
function through(x, tensors, name) {
  return project(x, tensors[`${name}.weight`], tensors[`${name}.bias`]);
}

/** A layer norm, by its name. */
function norm(x, tensors, name, eps = 1e-5) {
  return layerNorm(x, tensors[`${name}.weight`], tensors[`${name}.bias`], eps);
}

/**
 * Attention with many heads: `query` asks, `source` answers, both normed before. A mask says with 1 what may be
 * attended to: one for all heads, or a list with one (or null) for each. A head in `off` adds nothing.
 * Gives the output and each head's weights.
 */
function multiHead(query, source, tensors, prefix, heads, { mask = null, off = [] } = {}) {
  const [q, k, v] = [[query, "q"], [source, "k"], [source, "v"]].map(([x, name]) =>
    through(x, tensors, `${prefix}.${name}_proj`));
  const size = q.cols / heads;
  const merged = zeros(q.rows, q.cols);
  const weights = Array.from({ length: heads }, (_, head) => {
    const own = [q, k, v].map((x) => columns(x, head * size, (head + 1) * size));
    const heard = attention(...own, Array.isArray(mask) ? mask[head] : mask);
    if (!off.includes(head)) {
      for (let row = 0; row < q.rows; row++) {
        merged.data.set(heard.output.data.subarray(row * size, (row + 1) * size), row * q.cols + head * size);
      }
    }
    return heard.weights;
  });
  return { output: through(merged, tensors, `${prefix}.out_proj`), weights };
}

/** What the feed-forward network of a layer adds. */
function feedForward(x, tensors, prefix) {
  return through(map(through(x, tensors, `${prefix}.linear1`), gelu), tensors, `${prefix}.linear2`);
}

/** An encoder layer; with `skip` its input comes out as it went in. Gives x and each head's weights. */
function encoderLayer(x, tensors, prefix, heads, { mask = null, off = [], skip = false, eps = 1e-5 } = {}) {
  const normed = norm(x, tensors, `${prefix}.norm1`, eps);
  const { output, weights } = multiHead(normed, normed, tensors, `${prefix}.attention`, heads, { mask, off });
  if (skip) return { x, weights };
  const heard = add(x, output);
  const thought = feedForward(norm(heard, tensors, `${prefix}.norm2`, eps), tensors, `${prefix}.feed_forward`);
  return { x: add(heard, thought), weights };
}

/**
 * A decoder layer over what is written and the encoder's memory; with `skip` its input comes out as it went in.
 * Gives x, and the weights of each head of the self-attention (`self`) and of the cross-attention (`cross`).
 */
function decoderLayer(x, memory, tensors, prefix, heads, options = {}) {
  const { selfMask = null, memoryMask = null, offSelf = [], offCross = [], skip = false } = options;
  const own = norm(x, tensors, `${prefix}.norm1`);
  const listened = multiHead(own, own, tensors, `${prefix}.self_attention`, heads, { mask: selfMask, off: offSelf });
  const heard = add(x, listened.output);
  const asked = multiHead(norm(heard, tensors, `${prefix}.norm2`), memory, tensors, `${prefix}.cross_attention`, heads,
    { mask: memoryMask, off: offCross });
  const weights = { self: listened.weights, cross: asked.weights };
  if (skip) return { x, ...weights };
  const told = add(heard, asked.output);
  const thought = feedForward(norm(told, tensors, `${prefix}.norm3`), tensors, `${prefix}.feed_forward`);
  return { x: add(told, thought), ...weights };
}
