// Is my run normal? Bands of five right runs, the curves of a planted bug, and a log that the reader brings. The
// reference was trained beforehand (plenary.training.reference). A log is read here and goes nowhere else.

const VIEWS = ["whole run", "the end"];
const CURVES = [
  { name: "loss", title: "Training loss", unit: "nats", better: -1 },
  { name: "validation_loss", title: "Validation loss", unit: "nats", better: -1 },
  { name: "validation_accuracy", title: "Accuracy", unit: "%", better: 1 },
];
const COLUMNS = ["epoch", "loss", "validation_loss", "validation_accuracy"];
const MOST_BYTES = 2e6;
const AGAINST = { below: "below all five", above: "above all five", inside: "inside the band", part: "overlapping the band" };
// What a curve off the band may mean: a place to look first, and no verdict.
const MEANS = {
  loss: {
    worse: "It learns more slowly than the recipe does: compare learning rate, batch size and augmentation first",
    better: "Its training pictures are easier: is augmentation or label smoothing left out, or does an answer leak?",
  },
  validation_loss: {
    worse: "On the test pictures it is further off than right runs are: are they normalised as in training, and is " +
      "the model in eval mode?",
    better: "Suspect test pictures among the training pictures, or another test set, before you are pleased",
  },
  validation_accuracy: {
    worse: "More digits are misread than by right runs. Which part is to blame a curve does not say; a check does",
    better: "Suspect test pictures among the training pictures, or another test set, before you are pleased",
  },
};

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const short = (name, value) => (name === "validation_accuracy" ? percent(value) : value.toFixed(3));
const middleOf = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const plural = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

/** The numbers of the page in nats and shares, with the band of every curve. */
function unpack(text) {
  const data = JSON.parse(new TextDecoder().decode(decodeBase64(text)));
  const real = (run) => {
    for (const { name } of CURVES) {
      const unit = name === "validation_accuracy" ? data.tested : 1000;
      run[name] = run[name].map((one) => one.map((value) => value / unit));
    }
    return run;
  };
  real(data.reference);
  data.bugs.forEach(real);
  data.bands = Object.fromEntries(CURVES.map(({ name }) => [name, bandOf(data.reference[name])]));
  return data;
}

/** Lowest and highest at every epoch. */
function bandOf(runs) {
  return runs[0].map((_, at) => [Math.min(...runs.map((one) => one[at])), Math.max(...runs.map((one) => one[at]))]);
}

/** Where a bug's runs end; of those that are not caught, some lie wholly in the band and some in part. */
function placed(data, { caught, end }) {
  const [low, high] = [Math.min(...data.reference.end), Math.max(...data.reference.end)];
  return caught === "inside" && (Math.min(...end) < low || Math.max(...end) > high) ? "part" : caught;
}

/** The rows of a log.csv, or in words why it is none: { rows, notes } or { error }. */
function readLog(text) {
  const lines = text.replace(/^\uFEFF/, "").split("\n");
  // A process that was killed leaves a line that does not end.
  const cut = lines.pop();
  const cells = (line) => line.replace(/\r$/, "").split(",").map((cell) => cell.trim());
  const header = lines.length ? cells(lines[0]) : cells(cut);
  if (header.join("") === "") return { error: "The file is empty. A run writes its log.csv into its folder, a row an epoch." };
  const missing = COLUMNS.filter((name) => !header.includes(name));
  if (missing.length) {
    return { error: `This is no log of a run: its first line has no ${listed(missing.map(quoted))}. Expected is the ` +
      "log.csv that “plenary train digits” writes into the run’s folder." };
  }
  const notes = [];
  if (cut.trim() && lines.length) {
    if (cells(cut).length === header.length) lines.push(cut);
    else notes.push("The last line is cut off and left out");
  }
  const rows = [];
  for (let at = 1; at < lines.length; at++) {
    if (!lines[at].trim()) continue;
    const line = cells(lines[at]);
    if (line.length !== header.length) {
      return { error: `Line ${at + 1} has ${line.length} of the ${header.length} entries that the first line names.` };
    }
    const row = {};
    for (const name of header.filter((one) => [...COLUMNS, "step", "learning_rate"].includes(one))) {
      const cell = line[header.indexOf(name)];
      row[name] = cell === "" ? NaN : Number(cell);
      if (!Number.isFinite(row[name])) {
        return { error: `Line ${at + 1}: ${name} is ${quoted(cell)}, and not a finite number. ` +
          (/nan|inf/i.test(cell) ? "A run whose loss is no number has ended there: try a lower learning rate." :
            "Is the file complete?") };
      }
    }
    const before = rows.at(-1)?.epoch ?? 0;
    if (!Number.isInteger(row.epoch) || row.epoch <= before) {
      return { error: `Line ${at + 1}: the epoch is ${row.epoch}; expected a whole number above ${before}.` };
    }
    const accuracy = row.validation_accuracy;
    if (accuracy < 0 || accuracy > 1) {
      return { error: `Line ${at + 1}: validation_accuracy is ${accuracy}; expected a share from 0 to 1` +
        `${accuracy > 1 && accuracy <= 100 ? ". Is it in per cent?" : "."}` };
    }
    rows.push(row);
  }
  if (!rows.length) return { error: "The log has its first line and no row yet: wait for the end of the first epoch." };
  return { rows, notes };
}

/** Of some epochs, at which a run is worse than the band, inside it, or better. */
function against(band, values, better, tolerance) {
  const sides = values.map(([epoch, value]) => {
    const [low, high] = band[epoch - 1];
    const off = value > high + tolerance ? 1 : value < low - tolerance ? -1 : 0;
    return off * better;
  });
  const count = (side) => sides.filter((one) => one === side).length;
  const first = sides.findIndex((one) => one !== 0);
  return { inside: count(0), worse: count(-1), better: count(1), all: sides.length,
    first: first < 0 ? null : values[first][0] };
}

/** One curve of a log against the band, and how right runs fare against one another at the same epochs. */
function judge(data, rows, { name, better }) {
  // Half of the last digit that the page has.
  const tolerance = name === "validation_accuracy" ? 0.5 / data.tested : 0.00051;
  const shared = rows.filter(({ epoch }) => epoch <= data.epochs);
  const own = against(data.bands[name], shared.map((row) => [row.epoch, row[name]]), better, tolerance);
  const runs = data.reference[name];
  const shares = runs.map((one, at) => {
    const others = bandOf(runs.filter((_, other) => other !== at));
    return against(others, shared.map(({ epoch }) => [epoch, one[epoch - 1]]), better, tolerance).inside / shared.length;
  });
  const share = own.inside / own.all;
  const kind = share >= Math.min(...shares) ? "normal" : own.worse >= own.better ? "worse" : "better";
  return { ...own, share, kind, lowest: Math.min(...shares), highest: Math.max(...shares) };
}

/** The verdict of one curve in a sentence or two. */
function verdict(curve, { inside, all, first, kind, lowest, highest }, otherRate) {
  const whole = (share) => Math.round(100 * share);
  const range = whole(lowest) === whole(highest) ? `${whole(lowest)} %` : `${whole(lowest)} to ${whole(highest)} %`;
  const said = `inside the band at ${inside} of ${plural(all, "epoch")} (${whole(inside / all)} %)` +
    (first === null ? ". " : `, first outside at epoch ${first}. `) +
    `Each of the five, held against the other four, is inside at ${range}. `;
  if (kind === "normal") return `${said}Nothing to see in this curve.`;
  const means = otherRate ? "Another learning rate alone can do that" : MEANS[curve.name][kind];
  return `${said}Oftener ${kind} than right runs are. ${means}${means.endsWith("?") ? "" : "."}`;
}

/** The first row whose learning rate is not that of the reference at this epoch, by more than a hundredth. */
function otherRate(data, rows) {
  return rows.find(({ epoch, learning_rate: rate }) => rate !== undefined && epoch <= data.epochs &&
    Math.abs(rate - data.rates[epoch - 1]) > 0.01 * data.rates[epoch - 1]);
}

/** Round numbers from one end of an axis to the other. */
function ticksOf(from, to, logarithmic) {
  if (logarithmic) {
    const found = [];
    for (let power = -4; power < 4; power++) {
      for (const digit of [1, 2, 5]) found.push(digit * 10 ** power);
    }
    const inside = found.filter((tick) => tick >= from && tick <= to);
    if (inside.length > 1) return inside;
  }
  const rough = (to - from) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const first = Math.ceil(from / step - 1e-9);
  const count = Math.floor(to / step + 1e-9) - first + 1;
  return Array.from({ length: Math.max(count, 0) }, (_, at) => Number(((first + at) * step).toPrecision(12)));
}

/** One curve: the band with its lines, the planted bug, and the reader's log. */
function panel(width, data, curve, { bug, rows, view, logScale }, height) {
  const { name } = curve;
  const accuracy = name === "validation_accuracy";
  const last = Math.max(data.epochs, rows?.at(-1).epoch ?? 0);
  const start = view === "the end" ? Math.round(0.8 * data.epochs) : 1;
  const [left, right, top, floor] = [44, width - 10, 8, height];
  const of = (values, every) => values.map((value, at) => [(at + 1) * every, value]).filter(([epoch]) => epoch >= start);
  const lines = [
    ...data.reference[name].map((one) => ({ kind: "right", points: of(one, 1) })),
    ...(bug ? bug[name].map((one) => ({ kind: "planted", points: of(one, data.every) })) : []),
    ...(rows ? [{ kind: "own", points: rows.filter(({ epoch }) => epoch >= start).map((row) => [row.epoch, row[name]]) }] : []),
  ].filter(({ points }) => points.length);
  const values = lines.flatMap(({ points }) => points.map(([, value]) => value));
  let [from, to] = [Math.min(...values), Math.max(...values)];
  const logarithmic = logScale && !accuracy && from > 0;
  if (view === "whole run" && accuracy) [from, to] = [0, 1];
  else if (logarithmic) [from, to] = [from / 1.1, to * 1.1];
  else {
    const margin = Math.max(0.08 * (to - from), accuracy ? 0.004 : 0.01);
    [from, to] = [view === "whole run" ? 0 : from - margin, to + margin];
    if (accuracy) to = Math.min(to, 1.002);
  }
  const scale = logarithmic ? Math.log : (value) => value;
  const upright = linear(scale(from), scale(to), floor, top);
  const y = (value) => upright(scale(value));
  const x = linear(start, last, left + 6, right - 4);

  const ticks = ticksOf(from, to, logarithmic);
  const digits = Math.max(0, ...ticks.map((tick) => (String(tick * (accuracy ? 100 : 1)).split(".")[1] ?? "").length));
  const parts = ticks.flatMap((tick) => [
    make("line", { x1: left, x2: right, y1: y(tick), y2: y(tick), class: "grid" }),
    make("text", { x: left - 7, y: y(tick) + 4, "text-anchor": "end" },
      accuracy ? `${(100 * tick).toFixed(Math.min(digits, 1))}` : logarithmic ? String(tick) : tick.toFixed(Math.min(digits, 3))),
  ]);
  const marks = start === 1 ? [1, ...ticksOf(10, last)] : ticksOf(start, last);
  const shownMarks = marks.filter((tick) => Number.isInteger(tick) && x(tick) <= right);
  parts.push(...shownMarks.map((tick) =>
    make("text", { x: x(tick), y: floor + 18, "text-anchor": "middle" }, String(tick))));
  parts.push(make("text", { x: (left + right) / 2, y: floor + 36, "text-anchor": "middle" }, "epoch"));
  const band = data.bands[name].map(([low, high], at) => [at + 1, low, high]).filter(([epoch]) => epoch >= start);
  const around = [...band.map(([epoch, , high]) => [x(epoch), y(high)]),
    ...band.map(([epoch, low]) => [x(epoch), y(low)]).reverse()];
  parts.push(make("path", { d: `${pathOf(around)}Z`, class: "band" }));
  for (const { kind, points } of lines) {
    parts.push(make("path", { d: pathOf(points.map(([epoch, value]) => [x(epoch), y(value)])), class: `line ${kind}` }));
    if (kind !== "own") continue;
    // Few points make a line too short to see.
    const dots = points.length <= 12 ? points : points.slice(-1);
    parts.push(...dots.map(([epoch, value]) => make("circle", { cx: x(epoch), cy: y(value), r: 3.5, class: "dot" })));
  }
  const [low, high] = data.bands[name].at(-1);
  const end = (runs) => short(name, middleOf(runs.map((one) => one.at(-1))));
  return picture(width, floor + 42, `${curve.title}. Reference at the last epoch: ${short(name, low)} to ` +
    `${short(name, high)}.` + (bug ? ` Planted bug: ${end(bug[name])}, the middle of three runs.` : "") +
    (rows ? ` Your log at epoch ${rows.at(-1).epoch}: ${short(name, rows.at(-1)[name])}.` : ""), ...parts);
}

function panels(width, data, setting) {
  const narrow = width < 520;
  const half = narrow ? width : Math.floor((width - 28) / 2);
  return make("div", { class: narrow ? "panels narrow" : "panels" }, ...CURVES.map((curve, at) =>
    make("div", at === 2 ? { class: "whole" } : {},
      make("p", { class: "heading" }, `${curve.title}, ${curve.unit}`),
      panel(at === 2 ? width : half, data, curve, setting, at === 2 ? 190 : 170))));
}

function legend(bug, rows) {
  const key = (kind, words) => make("span", {},
    make("svg", { width: 30, height: 14, viewBox: "0 0 30 14", "aria-hidden": "true" },
      ...(kind === "right" ? [make("rect", { x: 0, y: 1, width: 30, height: 12, class: "band" })] : []),
      make("line", { x1: 0, x2: 30, y1: 7, y2: 7, class: `line ${kind}` })), words);
  return make("div", { class: "legend" }, key("right", "five right runs, and their band"),
    ...(bug ? [key("planted", "planted bug, three runs")] : []), ...(rows ? [key("own", "your log")] : []));
}

/** Where the chosen bug ends, and who would name it. */
function summary(data, bug) {
  const reach = ({ end }) => {
    const [low, high] = [Math.min(...end), Math.max(...end)].map(percent);
    return low === high ? low : `${low.replace(" %", "")} to ${high}`;
  };
  const right = `five right runs end at ${reach(data.reference)} accuracy (mean of the last ${data.last} epochs)`;
  if (!bug) return `No bug is planted. The ${right}.`;
  const name = bug.check ? `The check of ${bug.check} names it: “${bug.says}”` :
    "No exercise asks for this part, so no check names it: read the code, and look at what goes in.";
  return `Planted: ${bug.text}. Its three runs end at ${reach(bug)}, ${AGAINST[placed(data, bug)]}; ${right}. ` +
    `${bug.caught === "inside" ? "The accuracy alone does not give it away. " : ""}${name}`;
}

/** The curves in rows: every tenth of the run. */
function table(data, bug, rows) {
  const step = Math.max(data.every, Math.round(data.epochs / 10));
  const epochs = [data.every];
  for (let epoch = step; epoch <= data.epochs; epoch += step) if (epoch > epochs.at(-1)) epochs.push(epoch);
  const head = ["epoch", ...CURVES.flatMap(({ title }) =>
    [`${title}: band`, ...(bug ? ["planted, middle"] : []), ...(rows ? ["yours"] : [])])];
  return numbersTable("The band from the lowest to the highest of five runs, and what is chosen", head,
    epochs.map((epoch) => [epoch, ...CURVES.flatMap(({ name }) => {
      const [low, high] = data.bands[name][epoch - 1];
      const own = rows?.find((row) => row.epoch === epoch);
      const planted = bug && middleOf(bug[name].map((one) => one[Math.floor(epoch / data.every) - 1]));
      return [`${short(name, low).replace(" %", "")} to ${short(name, high)}`, ...(bug ? [short(name, planted)] : []),
        ...(rows ? [own ? short(name, own[name]) : "none"] : [])];
    })]));
}

function render({ model, el }) {
  const data = unpack(model.get("measured"));
  const keep = { "data-lm-suppress-shortcuts": "true" };
  const change = (name, value) => {
    model.set(name, value);
    model.save_changes();
  };

  const chooser = make("select", { ...keep, "aria-label": "Planted bug" },
    make("option", { value: "none" }, "no bug planted"),
    ...data.bugs.map(({ name, text }) => make("option", { value: name }, text)));
  const end = control({ type: "checkbox", role: "switch" });
  const logs = control({ type: "checkbox", role: "switch" });
  const file = control({ type: "file", accept: ".csv,text/csv,text/plain", "aria-label": "Your own log.csv" });
  const away = button({ hidden: "" }, "Take my log away");
  const stage = make("div", { class: "plenary-stage" });
  const keys = make("div");
  const words = make("p", { class: "plenary-summary", "aria-live": "polite" });
  const verdicts = make("div", { class: "verdicts", "aria-live": "polite" });
  let numbers = make("details");
  const root = make("div", { class: "plenary-live plenary-normal-run", role: "group",
    "aria-label": "Is my run normal? Five right runs, a planted bug and your own log on the same axes" },
    make("div", { class: "plenary-controls" },
      make("label", { class: "plenary-wide" }, chooser),
      make("label", {}, end, make("span", {}, "the end only")),
      make("label", {}, logs, make("span", {}, "losses on a log scale")),
      make("div", { class: "drop" },
        make("label", {}, make("span", {}, "Your own log.csv: choose it, or drop it here"), file), away)),
    keys, stage, words, verdicts, numbers,
    make("p", { class: "plenary-note" }, "Measured beforehand with “plenary train digits” from five seeds, and with " +
      "each bug from three. The training loss is taken on augmented pictures with smoothed labels, and so lies above " +
      "the validation loss. Your file is read by this page alone and sent nowhere."));
  el.append(root);

  let rows = null;
  let width = 0;
  const draw = () => {
    const name = model.get("bug");
    const bug = data.bugs.find((one) => one.name === name) ?? null;
    chooser.value = name;
    end.checked = model.get("view") === "the end";
    logs.checked = model.get("log_scale");
    words.textContent = summary(data, bug);
    keys.replaceChildren(legend(bug, rows));
    numbers = renewTable(numbers, table(data, bug, rows));
    if (width) {
      stage.replaceChildren(panels(width, data, { bug, rows, view: model.get("view"), logScale: logs.checked }));
    }
  };

  /** Judge the log, or say why it is none; a log that cannot be read leaves no old one behind. */
  const take = (name, text) => {
    const found = readLog(text);
    rows = found.rows ?? null;
    away.hidden = false;
    if (found.error) {
      verdicts.replaceChildren(make("p", { class: "error" }, make("b", {}, `${name}: `), found.error));
      return draw();
    }
    const { epoch, step } = rows.at(-1);
    const notes = [...found.notes];
    if (epoch < data.epochs) {
      notes.push(`The log has ${plural(epoch, "epoch")}, the reference ${data.epochs}: it is drawn as far as it goes`);
    } else if (epoch > data.epochs) {
      notes.push(`The log has ${epoch} epochs, the reference ${data.epochs}: what comes after is drawn and not judged`);
    }
    const other = otherRate(data, rows);
    if (other) {
      const rate = (number) => Number(number.toPrecision(2));
      notes.push(`The learning rate is not the reference’s: after epoch ${other.epoch} it is ${rate(other.learning_rate)}, ` +
        `and should be ${rate(data.rates[other.epoch - 1])}. A run that is planned for another length comes down at another ` +
        "time, and that alone moves the curves");
    }
    if (step && Math.abs(step / epoch - data.steps) > 0.01) {
      notes.push(`The log has ${Number((step / epoch).toFixed(1))} steps in an epoch, the reference ${data.steps}: ` +
        "the batch size or the data are others");
    }
    if (!rows.some((row) => row.epoch <= data.epochs)) {
      verdicts.replaceChildren(make("p", { class: "error" }, make("b", {}, `${name}: `),
        `the log starts at epoch ${rows[0].epoch}, and the reference has ${data.epochs}: there is nothing to compare.`));
      return draw();
    }
    const judged = CURVES.map((curve) => [curve, judge(data, rows, curve)]);
    const odd = judged.filter(([, { kind }]) => kind !== "normal");
    verdicts.replaceChildren(
      make("p", {}, make("b", {}, `${name}: `), odd.length
        ? `${odd.length} of 3 curves ${odd.length === 1 ? "is" : "are"} not as in right runs.`
        : "in all three curves a run like the five. Many planted bugs look like this, too."),
      make("ul", {}, ...judged.map(([curve, one]) =>
        make("li", {}, make("b", {}, `${curve.title}: `), verdict(curve, one, other)))),
      ...notes.map((note) => make("p", { class: "plenary-note" }, `${note}.`)));
    draw();
  };
  const read = async (chosen) => {
    if (!chosen) return;
    if (chosen.size > MOST_BYTES) {
      take(chosen.name, "");
      verdicts.replaceChildren(make("p", { class: "error" }, make("b", {}, `${chosen.name}: `),
        `the file has ${(chosen.size / 1e6).toFixed(0)} MB; the log of a run has some kilobytes. Is it another file?`));
      return;
    }
    take(chosen.name, await chosen.text());
  };
  const forget = () => {
    rows = null;
    file.value = "";
    away.hidden = true;
    verdicts.replaceChildren();
    draw();
  };

  chooser.addEventListener("change", () => change("bug", chooser.value));
  end.addEventListener("change", () => change("view", VIEWS[Number(end.checked)]));
  logs.addEventListener("change", () => change("log_scale", logs.checked));
  file.addEventListener("change", () => read(file.files[0]));
  away.addEventListener("click", () => {
    forget();
    file.focus();
  });
  const over = (event, on) => {
    event.preventDefault();
    event.stopPropagation();
    root.classList.toggle("over", on);
  };
  root.addEventListener("dragover", (event) => over(event, true));
  root.addEventListener("dragleave", (event) => over(event, false));
  root.addEventListener("drop", (event) => {
    over(event, false);
    file.value = "";
    read(event.dataTransfer.files[0]);
  });
  const names = ["bug", "view", "log_scale"];
  for (const name of names) model.on(`change:${name}`, draw);
  const stop = followWidth(stage, (available) => {
    width = available;
    draw();
  });
  draw();
  return () => {
    stop();
    for (const name of names) model.off(`change:${name}`, draw);
  };
}

export default { render };
