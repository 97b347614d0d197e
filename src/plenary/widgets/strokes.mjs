// From strokes to the 8 x 8 numbers that the model reads, prepared as NIST prepared the digits of the data: scaled to a
// box, straightened, as much ink for all, then counted. Put behind maths.mjs by the widgets that say so in `uses`.
// A stroke is a list of points [x, y] in units of the field, 32 on a side. tests/browser/test_draw_digit_widget.py
// measures the data and holds this to it.

const FIELD = 32;
const [BOX_WIDTH, BOX_HEIGHT] = [20, 32]; // every digit of the data filled it
const BLOCK = 4; // the ink in blocks of 4 x 4 pixels is counted
const MARGIN = 2.5; // from the box to the middle of a stroke
const INK = 285; // inked pixels of 1024: about what the data have, whatever the digit
const [FINEST, BROADEST] = [1.8, 4]; // half the width of a stroke
const STRETCH = 1.6; // one direction is scaled at most so many times as much as the other
const LEAST = 5; // what is smaller than this is scaled as if it had this size: a dot stays one
const PIXELS = FIELD / BLOCK; // on a side of what the model reads

/** The numbers from 0 to count - 1. */
const upTo = (count) => [...Array(count).keys()];

/** The strokes as many short steps, so that rows of the field can be read off them. */
function resampled(strokes, step) {
  return strokes.map((points) => points.flatMap((to, at) => {
    const from = points[Math.max(at - 1, 0)];
    const count = Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / step) || 1;
    return Array.from({ length: count }, (_, k) => [0, 1].map((axis) =>
      from[axis] + ((to[axis] - from[axis]) * (k + 1)) / count));
  }));
}

/** The strokes in their place: the box filled, and as upright as its top and bottom say. */
function placed(strokes) {
  const all = strokes.flat();
  const [left, top] = [0, 1].map((axis) => Math.min(...all.map((one) => one[axis])));
  const [right, bottom] = [0, 1].map((axis) => Math.max(...all.map((one) => one[axis])));
  const across = (BOX_WIDTH - 2 * MARGIN) / Math.max(right - left, LEAST / 2);
  const down = (BOX_HEIGHT - 2 * MARGIN) / Math.max(bottom - top, LEAST);
  const [sx, sy] = [Math.min(across, STRETCH * down), Math.min(down, STRETCH * across)];
  const scaled = resampled(strokes.map((points) => points.map(([x, y]) =>
    [(x - (left + right) / 2) * sx, (y - (top + bottom) / 2) * sy])), 0.7);
  // The data's digits were sheared until the leftmost ink of the first and of the last row stood above one another.
  const end = ((bottom - top) / 2) * sy;
  const first = (near) => Math.min(...scaled.flat().filter(([, y]) => near * y > end - 1).map(([x]) => x));
  const shear = end > 4 ? (first(-1) - first(1)) / (2 * end) : 0;
  const upright = scaled.map((points) => points.map(([x, y]) => [x + shear * y, y]));
  const xs = upright.flat().map(([x]) => x);
  const middle = (Math.min(...xs) + Math.max(...xs)) / 2;
  return upright.map((points) => points.map(([x, y]) => [x - middle + FIELD / 2, y + FIELD / 2]));
}

/** Of every pixel of the field, how far its middle is from the nearest stroke, or Infinity where that is far. */
function distances(strokes) {
  const out = new Float64Array(FIELD * FIELD).fill(Infinity);
  const within = (value) => Math.min(Math.max(value, 0), FIELD - 1);
  for (const points of strokes) {
    points.forEach(([x, y], at) => {
      const [fromX, fromY] = points[Math.max(at - 1, 0)];
      const [dx, dy] = [x - fromX, y - fromY];
      const square = dx * dx + dy * dy;
      const lastRow = within(Math.ceil(Math.max(y, fromY) + BROADEST));
      const lastCol = within(Math.ceil(Math.max(x, fromX) + BROADEST));
      for (let row = within(Math.floor(Math.min(y, fromY) - BROADEST)); row <= lastRow; row++) {
        for (let col = within(Math.floor(Math.min(x, fromX) - BROADEST)); col <= lastCol; col++) {
          const [px, py] = [col + 0.5 - fromX, row + 0.5 - fromY];
          const along = square ? Math.min(Math.max((px * dx + py * dy) / square, 0), 1) : 0;
          const far = Math.hypot(px - along * dx, py - along * dy);
          if (far < out[row * FIELD + col]) out[row * FIELD + col] = far;
        }
      }
    });
  }
  return out;
}

/** The 32 x 32 bitmap, 1 for ink: of a pen that is as broad as gives the data's amount of ink, within limits. */
function bitmapOf(strokes) {
  if (!strokes.flat().length) return new Float64Array(FIELD * FIELD);
  const far = distances(placed(strokes));
  const pen = Math.min(Math.max(far.slice().sort()[INK], FINEST), BROADEST);
  return far.map((one) => Number(one <= pen));
}

/** The share of ink in each block, row by row: 64 numbers in sixteenths. */
function counted(bitmap) {
  const out = Array(PIXELS * PIXELS).fill(0);
  bitmap.forEach((ink, at) => {
    out[Math.floor(at / FIELD / BLOCK) * PIXELS + Math.floor((at % FIELD) / BLOCK)] += ink / BLOCK ** 2;
  });
  return out;
}

/** What the model reads of strokes. */
const pixelsOf = (strokes) => counted(bitmapOf(strokes));

/** The 64 numbers as 8 lists of 8. */
const nested = (pixels) => upTo(PIXELS).map((row) => pixels.slice(row * PIXELS, (row + 1) * PIXELS));

/** Digits written by hand, to begin with: strokes apart by semicolons, points by spaces. */
const WRITTEN = {
  3: "9.8,6.9 12.2,4.9 13.4,4.2 14.1,4 15.5,4 17.2,4.2 18.7,4.7 19.3,5 19.8,5.4 20.2,5.9 20.5,6.5 20.9,7.9" +
    " 20.9,9.4 20.8,10.7 20.4,11.8 19.7,12.9 18.4,14.2 17.4,14.8 15.6,15.3 13.6,15.5 17.1,15.8 18.7,16.2 " +
    "19.4,16.5 20.5,17.4 21.6,18.6 22.4,20 22.6,20.6 22.7,21.3 22.7,21.9 22.2,23.4 21.4,24.8 20.4,26.1 " +
    "19.3,27 17.8,27.6 16.3,27.9 14.8,28.1 14.1,28 13.4,27.8 12,27.1 9.3,25.1",
  8: "21.3,7.4 21,6.8 20.5,6.2 19.1,5.1 17.5,4.3 16.7,4.1 16,4 15.3,4.1 14.6,4.3 13.2,5.1 11.9,6.2 " +
    "11.5,6.8 11.2,7.4 11.1,7.9 11.1,8.6 11.5,9.9 12.2,11.3 13.1,12.6 13.7,13.3 17.9,16.2 18.7,16.8 " +
    "20.5,18.8 21.6,20.3 21.9,21.1 22.2,21.8 22.3,22.5 22.2,23.2 21.9,23.9 21.4,24.7 20.8,25.5 20,26.2 " +
    "19.1,26.9 18.2,27.5 17.3,27.8 16.5,28 15.6,27.9 14.6,27.6 13.6,27.1 12.6,26.5 11.6,25.8 10.8,25.1 " +
    "10.1,24.4 9.8,23.7 9.6,23 9.7,22.3 10,21.6 10.9,20.1 12.6,17.9 13.3,17.2 17.9,13.9 18.7,13.3 19.9,12" +
    " 20.7,10.6 21.3,9.2 21.4,8.5 21.4,7.9 21.3,7.4",
  4: "12.6,4 9.3,18.4 23.2,18.4; 19.8,10.2 19.8,28",
  7: "9.3,5 22.2,4.5 15,28; 11.7,16 22.2,15",
  2: "9.8,9.3 11.3,6.5 12.1,5.3 12.6,5 13.8,4.5 15.2,4.2 16.6,4.2 17.9,4.5 19.1,5.2 20.3,6.2 21.2,7.5 " +
    "21.6,8.1 21.8,8.8 21.8,9.5 21.6,11 21.1,12.5 19.8,15 18.6,16.8 9.3,28 23.2,28",
};

/** Pictures of the test split by their place in it: what the writer meant, and sixteenths of ink, g for 16. */
const TESTED = {
  13: [4, "0001e500000bb000009c100005f102400e700da00fgggg500388fa000003f200"],
  0: [7, "002dg90000cc7g3001e30g400004ag60000dgg900005d100000b9000001g4000"],
  35: [2, "005ge20001deg80009f3g5000ad3g300033bd000000da000002ggga0006gec90"],
  152: [9, "01ad920002c4ca0000e5bb0000288f2000000c50000004c0004108b000bgge30"],
};

/** The strokes of a text of `WRITTEN`. */
const strokesOf = (text) => text.split("; ").map((one) => one.split(" ").map((point) => point.split(",").map(Number)));

/** The pixels of a text of `TESTED`. */
const inkOf = (text) => [...text].map((sixteenths) => parseInt(sixteenths, 17) / 16);
