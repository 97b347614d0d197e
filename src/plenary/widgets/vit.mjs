// A trained Vision Transformer that reads digits: what plenary.training.digit_reader computes in Python, in the page.
// Put behind maths.mjs and layers.mjs by the widgets that say so in `uses`. tests/browser/test_vit.py holds it to PyTorch.

const VIT_EPS = 1e-6;

/** The model of a file that digit_reader wrote: its tensors, and the sizes that its facts say. */
function readVit(base64) {
  const { tensors, facts } = readTensors(base64);
  const sizes = facts.architecture.arguments;
  const [height, width] = sizes.image_size;
  // Tensors with three axes come as plain lists: one row a token.
  const table = (data) => ({ rows: data.length / sizes.embed_dim, cols: sizes.embed_dim, data });
  return {
    tensors: { ...tensors, class_token: table(tensors.class_token), positions: table(tensors.positions) },
    facts,
    layers: sizes.num_layers,
    heads: sizes.num_heads,
    patch: sizes.patch_size,
    grid: [height / sizes.patch_size, width / sizes.patch_size],
    classes: sizes.num_classes,
    mean: facts.mean[0],
    std: facts.std[0],
  };
}

/** The patches of a grey picture, row by row, one row of the matrix each. */
function patchesOf(pixels, [rows, cols], patch) {
  return map(zeros(rows * cols, patch * patch), (_, token, at) => {
    const y = Math.floor(token / cols) * patch + Math.floor(at / patch);
    const x = (token % cols) * patch + (at % patch);
    return pixels[y * cols * patch + x];
  });
}

/**
 * Read a picture, and keep what is computed on the way. Pixels from 0 to 1, row by row. `off` lists heads that add
 * nothing, as [layer, head]; `skip` lists layers that pass on what they read.
 */
function lookAt(vit, pixels, { positions = true, off = [], skip = [] } = {}) {
  const { tensors } = vit;
  const seen = map(patchesOf(pixels, vit.grid, vit.patch), (ink) => (ink - vit.mean) / vit.std);
  const tokens = through(seen, tensors, "patch_embedding.projection");
  let x = zeros(tokens.rows + 1, tokens.cols);
  x.data.set(tensors.class_token.data);
  x.data.set(tokens.data, tokens.cols);
  if (positions) x = add(x, tensors.positions);
  const [states, weights] = [[x], []];
  for (let layer = 0; layer < vit.layers; layer++) {
    const silent = off.filter(([at]) => at === layer).map(([, head]) => head);
    const passed = encoderLayer(x, tensors, `layers.${layer}`, vit.heads,
      { off: silent, skip: skip.includes(layer), eps: VIT_EPS });
    x = passed.x;
    states.push(x);
    weights.push(passed.weights);
  }
  const logits = logitsOf(vit, x, 0);
  return { tokens, states, weights, logits, probabilities: softmax({ rows: 1, cols: logits.length, data: logits }).data };
}

/** What the head says when it reads one token of a state. */
function logitsOf(vit, state, token) {
  const row = { rows: 1, cols: state.cols, data: state.data.slice(token * state.cols, (token + 1) * state.cols) };
  return through(norm(row, vit.tensors, "norm", VIT_EPS), vit.tensors, "head").data;
}

/** The rollout of the weights of all layers, [layer][head]: the mean of the heads and the identity, half each, multiplied. */
function rolledOut(weights) {
  const size = weights[0][0].rows;
  let rollout = map(zeros(size, size), (_, row, col) => (row === col ? 1 : 0));
  for (const heads of weights) {
    const mixed = map(zeros(size, size), (_, row, col) => {
      const sum = heads.reduce((total, head) => total + head.data[row * size + col], 0);
      return (sum / heads.length + (row === col ? 1 : 0)) / 2;
    });
    rollout = matmul(mixed, rollout);
  }
  return rollout;
}

/** The class token's row of a rollout without its own entry: a number for each patch. */
function classMap(rollout) {
  return Array.from(rollout.data.slice(1, rollout.cols));
}
