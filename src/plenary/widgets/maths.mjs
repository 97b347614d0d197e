// The computing of attention, once for all widgets. Put in front of each by Python, behind shared.mjs.
// A matrix is { rows, cols, data }, data a Float64Array, row after row. Nothing here changes what it is given.
// tests/browser/test_maths.py holds every function to PyTorch.

/** A matrix from a list of rows. */
function matrix(rows) {
  return { rows: rows.length, cols: rows[0].length, data: Float64Array.from(rows.flat(), Number) };
}

/** A matrix of zeros. */
function zeros(rows, cols) {
  return { rows, cols, data: new Float64Array(rows * cols) };
}

/** The rows of a matrix as plain lists of numbers. */
function rowsOf({ rows, cols, data }) {
  return Array.from({ length: rows }, (_, row) => Array.from(data.subarray(row * cols, (row + 1) * cols)));
}

/** The product a b. */
function matmul(a, b) {
  const out = zeros(a.rows, b.cols);
  for (let i = 0; i < a.rows; i++) {
    for (let k = 0; k < a.cols; k++) {
      // Row by row of b, so that memory is read in order.
      const factor = a.data[i * a.cols + k];
      if (factor === 0) continue;
      for (let j = 0; j < b.cols; j++) out.data[i * b.cols + j] += factor * b.data[k * b.cols + j];
    }
  }
  return out;
}

/** The product a bᵀ: every row of a with every row of b. */
function matmulT(a, b) {
  const out = zeros(a.rows, b.rows);
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0; j < b.rows; j++) {
      let sum = 0;
      for (let k = 0; k < a.cols; k++) sum += a.data[i * a.cols + k] * b.data[j * b.cols + k];
      out.data[i * b.rows + j] = sum;
    }
  }
  return out;
}

/** Rows and columns exchanged. */
function transpose({ rows, cols, data }) {
  const out = zeros(cols, rows);
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) out.data[j * rows + i] = data[i * cols + j];
  return out;
}

/** f(entry, row, column) of every entry. */
function map({ rows, cols, data }, f) {
  return { rows, cols, data: data.map((value, at) => f(value, Math.floor(at / cols), at % cols)) };
}

/** f(entry of a, entry of b) for two matrices of one shape. */
function combine(a, b, f) {
  return { rows: a.rows, cols: a.cols, data: a.data.map((value, at) => f(value, b.data[at])) };
}

/** The shares along each row of the scores; a mask says with 1 what may be attended to. An empty row is zero. */
function softmax(scores, mask = null) {
  const { rows, cols } = scores;
  const out = zeros(rows, cols);
  for (let row = 0; row < rows; row++) {
    let largest = -Infinity;
    for (let at = row * cols; at < (row + 1) * cols; at++) {
      if (!mask || mask.data[at]) largest = Math.max(largest, scores.data[at]);
    }
    if (largest === -Infinity) continue;
    let total = 0;
    for (let at = row * cols; at < (row + 1) * cols; at++) {
      if (mask && !mask.data[at]) continue;
      out.data[at] = Math.exp(scores.data[at] - largest);
      total += out.data[at];
    }
    for (let at = row * cols; at < (row + 1) * cols; at++) out.data[at] /= total;
  }
  return out;
}

/** Scaled dot-product attention of T queries over S keys. */
function attention(query, key, value, mask = null) {
  const scores = map(matmulT(query, key), (score) => score / Math.sqrt(query.cols));
  const weights = softmax(scores, mask);
  return { scores, weights, output: matmul(weights, value) };
}

/** The gradient at the scores from the one at the weights: A ⊙ (dA − rowsum(A ⊙ dA)). */
function softmaxBackward(weights, grad) {
  const { rows, cols } = weights;
  const out = zeros(rows, cols);
  for (let row = 0; row < rows; row++) {
    let mean = 0;
    for (let at = row * cols; at < (row + 1) * cols; at++) mean += weights.data[at] * grad.data[at];
    for (let at = row * cols; at < (row + 1) * cols; at++) out.data[at] = weights.data[at] * (grad.data[at] - mean);
  }
  return out;
}

/** The gradients of attention, and those on the way, from the one at its output. */
function attentionBackward(gradOutput, query, key, value, mask = null) {
  const { weights } = attention(query, key, value, mask);
  const gradWeights = matmulT(gradOutput, value);
  const gradScores = softmaxBackward(weights, gradWeights);
  const scaled = map(gradScores, (entry) => entry / Math.sqrt(query.cols));
  return {
    query: matmul(scaled, key),
    key: matmul(transpose(scaled), query),
    value: matmul(transpose(weights), gradOutput),
    weights, gradWeights, gradScores,
  };
}

/** x Wᵀ + b for a weight of shape (out, in), as nn.Linear keeps it; the bias is a list of numbers or null. */
function project(x, weight, bias = null) {
  const out = matmulT(x, weight);
  return bias ? map(out, (entry, row, col) => entry + bias[col]) : out;
}

/** Each row less its mean, over its standard deviation (of n, not n − 1), times weight, plus bias. */
function layerNorm(x, weight, bias, eps = 1e-5) {
  const out = zeros(x.rows, x.cols);
  for (let row = 0; row < x.rows; row++) {
    const own = x.data.subarray(row * x.cols, (row + 1) * x.cols);
    const mean = own.reduce((sum, entry) => sum + entry, 0) / x.cols;
    const variance = own.reduce((sum, entry) => sum + (entry - mean) ** 2, 0) / x.cols;
    own.forEach((entry, col) => {
      out.data[row * x.cols + col] = ((entry - mean) / Math.sqrt(variance + eps)) * weight[col] + bias[col];
    });
  }
  return out;
}

/** The error function, from its series near zero and Lentz's continued fraction of its tail: about 15 digits. */
function erf(x) {
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size < 2.5) {
    let term = size;
    let sum = size;
    for (let n = 1; Math.abs(term) > 1e-17 * sum; n++) {
      term *= -(size * size) / n;
      sum += term / (2 * n + 1);
      if (n > 100) break;
    }
    return (Math.sign(x) * 2 * sum) / Math.sqrt(Math.PI);
  }
  let fraction = size;
  for (let n = 60; n > 0; n--) fraction = size + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-size * size) / (fraction * Math.sqrt(Math.PI)));
}

/** GELU of a number: x times the share of a standard normal below x. */
function gelu(x) {
  return 0.5 * x * (1 + erf(x / Math.SQRT2));
}

/** Position t may attend to the positions up to t: 1 on and below the diagonal. */
function causalMask(length) {
  return map(zeros(length, length), (_, row, col) => (col <= row ? 1 : 0));
}

/** The entropy of shares, in nats; 0 log 0 counts as 0. */
function entropy(shares) {
  return Array.from(shares).reduce((sum, p) => (p > 0 ? sum - p * Math.log(p) : sum), 0);
}

/** The bytes of a base64 text. */
function decodeBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** Little-endian float16 numbers, from base64 text or bytes. */
function decodeFloat16(source) {
  const bytes = typeof source === "string" ? decodeBase64(source) : source;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Float64Array.from({ length: bytes.byteLength / 2 }, (_, at) => {
    const bits = view.getUint16(2 * at, true);
    const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
    const sign = bits & 0x8000 ? -1 : 1;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}
