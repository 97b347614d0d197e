// Six boxes that claim to be attention. Which are wrong, and how, is for the reader to find out; black_boxes.py
// says it, and tests hold each box here to the one of the lab that it stands for.

const LETTERS = ["A", "B", "C", "D", "E", "F"];
const LIMIT = 5000;

const X = [[1, 0], [0.5, -1], [-1.5, 0.5]];
const Q = [[1, 0.5], [-0.5, 2], [1.5, -1]];
const K = [[1, -1], [0.5, 1], [2, 0], [-1, 0.5]];
const V = [[2, 0], [0, 2], [4, -2], [-2, 1]];
const ALL = [true, true, true, true];

/** What can be handed in without typing; black_boxes.py has the same. */
export const PROBES = {
  square: { label: "a square, Q = K = V", query: X, key: X, value: X, mask: null },
  sizes: {
    label: "random, all sizes different",
    query: [[0.8, -1.2, 0.4], [-0.6, 0.9, 1.7]],
    key: [[1.1, 0.3, -0.7], [-0.4, 1.6, 0.2], [0.9, -0.8, 1.3], [-1.5, 0.5, 0.6]],
    value: [[2], [-1], [0.5], [3]],
    mask: null,
  },
  large: {
    label: "large scores", query: Q.map((row) => row.map((x) => 1000 * x)), key: K.slice(0, 3),
    value: V.slice(0, 3), mask: null,
  },
  mask: {
    label: "with a mask", query: Q, key: K, value: V,
    mask: [[true, true, false, true], [false, true, true, false], [true, false, true, true]],
  },
  empty: {
    label: "a mask with an empty row", query: Q, key: K, value: V,
    mask: [ALL, ALL.map(() => false), ALL],
  },
  wide: {
    label: "wide keys, d_k = 6",
    query: [[1, -0.5, 1.5, 0, 1, -1], [0.5, 1, -1, 1.5, 0, 0.5]],
    key: [[1, 0, 1, -1, 0.5, -1], [-0.5, 1, 0.5, 1, 0, 1], [0.5, 0.5, -1, 1, -0.5, 0]],
    value: [[4, 0], [0, 4], [-2, 2]],
    mask: null,
  },
};

const over = (a, divisor) => map(a, (x) => x / divisor);
const barred = (scores, mask, fill) => (mask ? combine(scores, mask, (x, open) => (open ? x : fill)) : scores);

/** Exponentials along each row over their sum, the row's own shift taken off first. */
function exponentials(scores, shiftOf) {
  const rows = rowsOf(scores).map((row) => {
    const shift = shiftOf(row);
    const powers = row.map((x) => Math.exp(x - shift));
    const total = powers.reduce((sum, x) => sum + x, 0);
    return powers.map((x) => x / (total === 0 ? 1 : total));
  });
  return matrix(rows);
}

const WEIGHTS = [
  (q, k, v, mask) => exponentials(barred(over(matmulT(q, k), Math.sqrt(q.cols)), mask, -Infinity), (row) => {
    const top = Math.max(...row);
    return top === -Infinity ? 0 : top;
  }),
  (q, k, v, mask) => softmax(over(matmulT(q, k), Math.sqrt(v.cols)), mask),
  (q, k, v, mask) => softmax(barred(over(matmulT(q, k), Math.sqrt(q.cols)), mask, -1e30)),
  (q, k, v, mask) => softmax(matmulT(over(q, q.cols ** 0.25), over(k, k.cols ** 0.25)), mask),
  (q, k, v, mask) => exponentials(barred(over(matmulT(q, k), Math.sqrt(q.cols)), mask, -Infinity), () => 0),
  (q, k, v, mask) => {
    const weights = softmax(over(matmulT(q, k), Math.sqrt(q.cols)));
    return mask ? combine(weights, mask, (x, open) => x * open) : weights;
  },
];

/** What a box returns for lists of rows: `{ output, weights }`, lists of rows too. The mask is one or null. */
export function answer(letter, query, key, value, mask = null) {
  const v = matrix(value);
  const weights = WEIGHTS[LETTERS.indexOf(letter)](matrix(query), matrix(key), v, mask && matrix(mask));
  return { output: rowsOf(matmul(weights, v)), weights: rowsOf(weights) };
}

const near = (a, b) => Math.abs(a - b) <= 1e-6 * (1 + Math.abs(b)) || (Number.isNaN(a) && Number.isNaN(b));
const same = (a, b) => a.flat().every((x, at) => near(x, b.flat()[at]));
const sumOf = (row) => row.reduce((sum, x) => sum + x, 0);
const short = (x) => (Number.isNaN(x) ? "NaN" : minus(x.toFixed(3).replace(/^-(0\.0+)$/, "$1")));

/** What can be checked without knowing the right answer: [whether it holds, in words]. */
function properties({ output, weights }, input) {
  const sums = weights.map(sumOf);
  const wanted = (row) => (!input.mask || input.mask[row].some(Boolean) ? 1 : 0);
  const blend = rowsOf(matmul(matrix(weights), matrix(input.value)));
  const found = [
    [sums.every((sum, row) => Math.abs(sum - wanted(row)) <= 1e-6),
      input.mask ? "every row of weights sums to one, or to zero if it is empty" : "every row of weights sums to one"],
    [output.flat().every((x, at) => Math.abs(x - blend.flat()[at]) <= 1e-6), "the output is the weights times V"],
  ];
  if (input.mask) {
    const none = weights.every((row, t) => row.every((x, s) => input.mask[t][s] || x === 0));
    found.push([none, "every forbidden key has weight zero"]);
  }
  return found;
}

/** For each letter [whether it is right, what it is, what shows it, a remark]. Not to be read by accident. */
export function told() {
  return JSON.parse(atob(
    "eyJBIjogW3RydWUsICJvbmUgd2l0aCBleHBvbmVudGlhbHMsIHRoZSBtYXhpbXVtIHN1YnRyYWN0ZWQiLCAiIiwgIkl0IGRpZmZlcnMg" +
    "ZnJvbSB0aGUgZm9ybXVsYSBpbiB0aGUgbGFzdCBkaWdpdHMgYXQgbW9zdC4iXSwgIkIiOiBbZmFsc2UsICJ0aGUgcm9vdCBvZiBkX3Yg" +
    "aW4gcGxhY2Ugb2YgZF9rIiwgInNpemVzIHRoYXQgYWxsIGRpZmZlciwgb3Igd2lkZSBrZXlzIiwgIldoZXJlIHZhbHVlcyBhcmUgYXMg" +
    "d2lkZSBhcyBrZXlzLCB0aGUgd3Jvbmcgcm9vdCBpcyB0aGUgcmlnaHQgbnVtYmVyOiBzZWUgU2l6ZXMgdGhhdCBubyB0d28gc2hhcmUu" +
    "Il0sICJDIjogW2ZhbHNlLCAiZXF1YWwgd2VpZ2h0cyBmb3IgYSBxdWVyeSB0aGF0IG1heSBhdHRlbmQgdG8gbm90aGluZyIsICJhIG1h" +
    "c2sgd2l0aCBhbiBlbXB0eSByb3ciLCAiTWludXMgaW5maW5pdHkgYmVjYW1lIGEgbGFyZ2UgZmluaXRlIG51bWJlciwgYW5kIGEgcm93" +
    "IG9mIGVxdWFsIG51bWJlcnMgaXMgdW5pZm9ybTogc2VlIFdoZXJlIGJ1Z3MgbGl2ZS4iXSwgIkQiOiBbdHJ1ZSwgIm9uZSB3aXRoIGVp" +
    "bnN1bSwgcXVlcnkgYW5kIGtleSBzY2FsZWQgZmlyc3QiLCAiIiwgIkEgcXVhcnRlciBvZiB0aGUgcG93ZXIgaGVyZSBhbmQgYSBxdWFy" +
    "dGVyIHRoZXJlIG1ha2UgdGhlIHJvb3Q6IHRoZSBzYW1lIGZ1bmN0aW9uIGluIGFub3RoZXIgb3JkZXIuIl0sICJFIjogW2ZhbHNlLCAi" +
    "YW4gb3ZlcmZsb3cgd2hlcmUgc2NvcmVzIGFyZSBsYXJnZSIsICJsYXJnZSBzY29yZXMiLCAiVGhlIGV4cG9uZW50aWFsIG9mIDcxMCBp" +
    "cyBpbmZpbml0ZSwgYW5kIGluZmluaXR5IG92ZXIgaW5maW5pdHkgaXMgTmFOOiBzZWUgV2hlcmUgYnVncyBsaXZlLiJdLCAiRiI6IFtm" +
    "YWxzZSwgImEgbWFzayBhcHBsaWVkIGFmdGVyIHRoZSBzb2Z0bWF4IiwgImEgbWFzayB3aXRoIHNvbWUga2V5cyBmb3JiaWRkZW4iLCAi" +
    "V2hvZXZlciBpcyBmb3JiaWRkZW4ga2VlcHMgYSBzaGFyZSBvZiB0aGUgZGVub21pbmF0b3IsIHNvIHRoZSByb3dzIHN1bSB0byBsZXNz" +
    "IHRoYW4gb25lOyBhIHJvdyB0aGF0IGlzIGFsbCBmb3JiaWRkZW4gaGlkZXMgaXQ6IHNlZSBBZ2FpbnN0IHdoYXQ/Il19" +
    ""));
}

/** The share of the wrong boxes that is accused, less the share of the right ones: the lab's score. */
export function scoreOf(accused) {
  const truth = told();
  const of = (right) => LETTERS.filter((letter) => truth[letter][0] === right);
  const count = (right) => of(right).filter((letter) => accused.includes(letter)).length;
  const [hits, wrong, alarms, right] = [count(false), of(false).length, count(true), of(true).length];
  return { hits, wrong, alarms, right, score: hits / wrong - alarms / right };
}

let made = 0;

/** Inputs of one kind that belong together, one of which can be chosen; arrows move between them. */
function radios(name, values, choose) {
  return values.map((value) => {
    const input = control({ type: "radio", name, value });
    input.addEventListener("change", () => choose(value));
    return input;
  });
}

function symbol(name) {
  return make("i", {}, name);
}

/** A matrix whose numbers can be changed, one input for each. */
function editable(name, rows, what, change) {
  const body = rows.map((row, t) => make("tr", {}, make("th", { scope: "row" }, String(t + 1)),
    ...row.map((value, column) => {
      const input = control({ type: "number", step: "0.1", min: -LIMIT, max: LIMIT, value,
        "aria-label": `${name}, ${what} ${t + 1}, component ${column + 1}` });
      input.addEventListener("input", () => {
        const typed = input.valueAsNumber;
        const good = Number.isFinite(typed) && Math.abs(typed) <= LIMIT;
        // What is not a number yet stays on the screen, and the last one that was stays in force.
        input.setAttribute("aria-invalid", String(!good));
        if (good) change(t, column, typed);
      });
      return make("td", {}, input);
    })));
  return make("div", { class: "part" },
    make("p", { class: "name", "aria-hidden": "true" }, symbol(name),
      make("span", {}, ` ${rows.length} × ${rows[0].length}`)),
    make("table", { class: "edit", "aria-label": `${name}, one ${what} to a row` }, make("tbody", {}, ...body)));
}

function render({ model, el }) {
  const own = `plenary-boxes-${(made += 1)}`;
  let input = null;
  let edited = false;
  let typing = false;
  let verdicts = {};
  let checked = false;
  const change = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };

  const chooser = make("select", { "data-lm-suppress-shortcuts": "true" },
    ...Object.entries(PROBES).map(([name, { label }]) => make("option", { value: name }, label)));
  const back = make("button", { type: "button", "data-lm-suppress-shortcuts": "true" }, "Undo my changes");
  const masked = control({ type: "checkbox", role: "switch" });
  const tables = make("div", { class: "parts" });
  const letters = radios(`${own}-box`, LETTERS, (letter) => change("box", letter));
  const returned = make("div", { class: "returned" });
  const checks = make("ul", { class: "checks" });
  const words = make("p", { class: "plenary-summary", "aria-live": "polite" });
  let numbers = numbersTable("", [""], []);
  const judge = LETTERS.map((letter) => radios(`${own}-${letter}`, ["right", "wrong"], (verdict) => {
    verdicts = { ...verdicts, [letter]: verdict };
    change("accused", LETTERS.filter((one) => verdicts[one] === "wrong"));
    drawVerdicts();
  }));
  const check = make("button", { type: "button", "data-lm-suppress-shortcuts": "true" }, "Check my verdicts");
  const again = make("button", { type: "button", "data-lm-suppress-shortcuts": "true" }, "Start again");
  const given = make("span", { class: "plenary-note" });
  const outcome = make("div", { class: "outcome", "aria-live": "polite" });
  const section = (heading, ...children) =>
    make("section", {}, make("p", { class: "heading" }, heading), ...children);

  const root = make("div", { class: "plenary-live plenary-black-boxes", role: "group",
    "aria-label": "Six black boxes: choose an input, see what a box returns, and say which boxes are wrong" },
    section("1. What you hand in",
      make("div", { class: "plenary-controls" },
        make("label", { class: "choose" }, make("span", {}, "Input"), chooser),
        make("label", {}, masked, make("span", {}, "with a mask")), back),
      tables),
    section("2. What comes back",
      make("fieldset", { class: "letters" }, make("legend", {}, "Box"),
        ...LETTERS.map((letter, at) => make("label", {}, letters[at], make("span", {}, letter)))),
      returned, checks),
    words, numbers,
    section("3. Your verdicts",
      make("div", { class: "verdicts" }, ...LETTERS.map((letter, at) =>
        make("fieldset", {}, make("legend", {}, `Box ${letter}`),
          ...["right", "wrong"].map((verdict, i) => make("label", {}, judge[at][i], make("span", {}, verdict)))))),
      make("div", { class: "plenary-controls" }, check, again, given)),
    outcome,
    make("p", { class: "plenary-note" }, "The boxes compute in float64. “The same answer” allows for rounding. " +
      "That boxes agree is evidence and no proof: they may share a mistake."));
  el.append(root);

  const copied = ({ query, key, value, mask }) => {
    const copy = (rows) => rows.map((row) => [...row]);
    return { query: copy(query), key: copy(key), value: copy(value), mask: mask && copy(mask) };
  };

  /** Tell the model what was typed; the tables stay as they are, with the reader's cursor in them. */
  function edit() {
    edited = true;
    typing = true;
    change("edits", copied(input));
    typing = false;
    draw();
  }

  function load() {
    if (typing) return;
    const edits = model.get("edits");
    edited = Object.keys(edits).length > 0;
    input = copied(edited ? edits : PROBES[model.get("probe")]);
    drawInputs();
  }

  function drawInputs() {
    chooser.value = model.get("probe");
    masked.checked = input.mask !== null;
    const part = (name, field, what) => editable(name, input[field], what, (row, column, typed) => {
      input[field][row][column] = typed;
      edit();
    });
    const parts = [part("Q", "query", "query"), part("K", "key", "key"), part("V", "value", "value")];
    if (input.mask) {
      const body = input.mask.map((row, t) => make("tr", {}, make("th", { scope: "row" }, String(t + 1)),
        ...row.map((open, s) => {
          const box = control({ type: "checkbox", "aria-label": `Query ${t + 1} may attend to key ${s + 1}` });
          box.checked = open;
          box.addEventListener("change", () => {
            input.mask[t][s] = box.checked;
            edit();
          });
          return make("td", {}, box);
        })));
      parts.push(make("div", { class: "part" },
        make("p", { class: "name", "aria-hidden": "true" }, "mask", make("span", {}, " ticked: may attend")),
        make("table", { class: "edit", "aria-label": "Mask: rows are queries, columns are keys" },
          make("tbody", {}, ...body))));
    }
    tables.replaceChildren(...parts);
    draw();
  }

  function draw() {
    const letter = model.get("box");
    const all = Object.fromEntries(LETTERS.map((one) =>
      [one, answer(one, input.query, input.key, input.value, input.mask)]));
    const { output, weights } = all[letter];
    const sums = weights.map(sumOf);
    back.hidden = !edited;
    letters.forEach((radio) => {
      radio.checked = radio.value === letter;
    });
    const number = (x, bar = false) => {
      const cell = make("td", Number.isNaN(x) ? { class: "nan" } : {}, short(x));
      if (bar && x > 0) cell.style.setProperty("--share", `${(100 * Math.min(1, x)).toFixed(1)}%`);
      return cell;
    };
    const column = (text, extra = {}) => make("th", { scope: "col", ...extra }, text);
    const grid = (label, head, rows) => make("table", { "aria-label": label },
      make("thead", {}, make("tr", {}, make("td", {}), ...head)),
      make("tbody", {}, ...rows.map((cells, t) =>
        make("tr", {}, make("th", { scope: "row" }, `query ${t + 1}`), ...cells))));
    returned.replaceChildren(
      make("div", { class: "part" }, make("p", { class: "name", "aria-hidden": "true" }, "weights"),
        grid(`Weights that box ${letter} returns`,
          [...weights[0].map((_, s) => column(`key ${s + 1}`)), column("sum", { class: "sum" })],
          weights.map((row, t) => {
            const total = number(sums[t]);
            total.classList.add("sum");
            return [...row.map((x) => {
              const cell = number(x, true);
              cell.classList.add("weight");
              return cell;
            }), total];
          }))),
      make("div", { class: "part" }, make("p", { class: "name", "aria-hidden": "true" }, "output"),
        grid(`Output that box ${letter} returns`, output[0].map((_, j) => column(String(j + 1))),
          output.map((row) => row.map((x) => number(x))))));
    // Long numbers make a table wider than a phone; then it scrolls, for the keyboard too.
    for (const part of returned.children) if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
    const held = properties(all[letter], input);
    checks.replaceChildren(...held.map(([holds, text]) =>
      make("li", { class: holds ? "holds" : "fails" }, make("b", {}, holds ? "holds: " : "broken: "), text)));
    const agree = (one, other) => same(all[one].weights, all[other].weights) && same(all[one].output, all[other].output);
    const friends = LETTERS.filter((one) => one !== letter && agree(letter, one));
    const others = LETTERS.filter((one) => one !== letter && !friends.includes(one));
    const broken = held.filter(([holds]) => !holds).length;
    const name = PROBES[model.get("probe")].label + (edited ? ", changed" : "");
    words.textContent = `Input: ${name}. Box ${letter} has rows of weights that sum to ` +
      `${listed(sums.map(short))}; of ${held.length} properties it breaks ${broken || "none"}. ` +
      (friends.length === 5 ? "The other five boxes all give the same answer."
        : friends.length ? `${listed(friends)} ${friends.length > 1 ? "give" : "gives"} the same answer; ${listed(others)} ` +
          `${others.length > 1 ? "do" : "does"} not.`
          : "No other box gives the same answer.");
    const outputs = (one) => all[one].output.map((row) => `(${row.map(short).join(", ")})`).join(" ");
    numbers = renewTable(numbers, numbersTable(`All six boxes on this input: ${name}`,
      ["box", "same answer as", "sums of the rows", "output, row by row"],
      LETTERS.map((one) => [one, listed(LETTERS.filter((other) => other !== one && agree(one, other))) || "no other",
        all[one].weights.map((row) => short(sumOf(row))).join(" "), outputs(one)])));
  }

  function drawVerdicts() {
    const count = LETTERS.filter((letter) => verdicts[letter]).length;
    judge.forEach((pair, at) => pair.forEach((radio) => {
      radio.checked = verdicts[LETTERS[at]] === radio.value;
      radio.disabled = checked;
    }));
    check.setAttribute("aria-disabled", String(count < 6));
    check.hidden = checked;
    again.hidden = !checked;
    given.textContent = checked ? "" : count < 6 ? `${count} of 6 given` : "all six given";
    if (!checked) {
      outcome.replaceChildren();
      return;
    }
    const truth = told();
    const { hits, wrong, alarms, right, score } = scoreOf(LETTERS.filter((one) => verdicts[one] === "wrong"));
    outcome.replaceChildren(
      make("p", { class: "score" }, `You found ${hits} of the ${wrong} wrong boxes and accused ${alarms} of the ` +
        `${right} right ones: ${hits}/${wrong} − ${alarms}/${right} = ${minus(score.toFixed(2))}.` +
        (score < 0 ? " (In the lab, less than nothing counts as nothing.)" : "")),
      make("ul", {}, ...LETTERS.map((letter) => {
        const [isRight, what, shownBy, remark] = truth[letter];
        const hit = (verdicts[letter] === "right") === isRight;
        return make("li", { class: hit ? "holds" : "fails" },
          make("b", {}, `Box ${letter} is ${isRight ? "right" : "wrong"}`),
          `, and you said ${verdicts[letter]}. It is ${isRight ? what : `the one with ${what}`}. ` +
          `${shownBy ? `Shown by: ${shownBy}. ` : ""}${remark}`);
      })));
  }

  /** Accused in Python, or by another view of this widget: those are called wrong, and nobody else is. */
  function hear() {
    const accused = model.get("accused");
    LETTERS.forEach((letter) => {
      if (accused.includes(letter)) verdicts = { ...verdicts, [letter]: "wrong" };
      else if (verdicts[letter] === "wrong") verdicts = { ...verdicts, [letter]: undefined };
    });
    if (LETTERS.some((letter) => !verdicts[letter])) checked = false;
    drawVerdicts();
  }

  chooser.addEventListener("change", () => {
    model.set("probe", chooser.value);
    change("edits", {});
  });
  back.addEventListener("click", () => {
    change("edits", {});
    chooser.focus();
  });
  masked.addEventListener("change", () => {
    input.mask = masked.checked ? input.query.map(() => input.key.map(() => true)) : null;
    edit();
    drawInputs();
  });
  check.addEventListener("click", () => {
    if (LETTERS.some((letter) => !verdicts[letter])) {
      const missing = LETTERS.filter((letter) => !verdicts[letter]);
      given.textContent = `Still to judge: ${listed(missing)}.`;
      return;
    }
    checked = true;
    drawVerdicts();
    again.focus();
  });
  again.addEventListener("click", () => {
    checked = false;
    verdicts = {};
    change("accused", []);
    drawVerdicts();
    judge[0][0].focus();
  });
  model.on("change:probe", load);
  model.on("change:edits", load);
  model.on("change:box", draw);
  model.on("change:accused", hear);
  load();
  hear();
  return () => {
    model.off("change:probe", load);
    model.off("change:edits", load);
    model.off("change:box", draw);
    model.off("change:accused", hear);
  };
}

export default { render };
