// The field to draw on: with mouse, pen, finger or keyboard. Put behind strokes.mjs by the widgets that say so in `uses`.

const NEAR = 1.6; // units of the field: how close the eraser must come
const WRITING = 1100; // milliseconds to write an example
const PAUSE = 350; // milliseconds without a key before the pen's place is spoken
const UNSAID = { "aria-hidden": "true" };

/** Set the attributes that change: the others are not laid out again. */
const put = (node, attributes) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
  }
};

/** Ink as paths, one for each shade, in a box of 8 x 8: a `node`, and draw(64 numbers from 0 to 1). */
function inked(levels) {
  const paths = upTo(levels).map((level) => make("path", { "fill-opacity": (level + 1) / levels }));
  return { node: make("g", { class: "ink" }, ...paths), draw(pixels) {
    const lines = Array(levels).fill("");
    pixels.forEach((ink, at) => {
      const level = Math.round(ink * levels);
      if (level) lines[level - 1] += `M${at % PIXELS} ${Math.floor(at / PIXELS)}h1v1h-1z`;
    });
    lines.forEach((line, level) => put(paths[level], { d: line }));
  } };
}

/**
 * A field that keeps strokes, or a picture that came as pixels. changed(pixels, settled) is called with 8 lists of 8
 * numbers at every movement, and `settled` when the pen is lifted.
 */
function drawingField(changed) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  // `strokes` is null where the picture came as pixels.
  let [strokes, pixels, past] = [[], null, []];
  let [frame, moving, drawing, erasing, cursor, down] = [0, 0, null, false, [10, 8], false];

  const [blocks, lines] = [inked(16), make("g", { class: "lines" })];
  blocks.node.setAttribute("transform", "scale(4)");
  const cross = make("g", { class: "cross" }, make("path", { d: "M-2 0h4M0 -2v4" }), make("circle", { r: 1.1 }));
  const field = make("div", { class: "field", role: "application", tabindex: 0, "data-lm-suppress-shortcuts": "true",
    "aria-label": "Field to draw on, 32 by 32. Arrow keys move the pen, Space puts it down or lifts it, Backspace undoes." },
  make("svg", { viewBox: "0 0 32 32", ...UNSAID }, blocks.node, lines, cross), make("span", { class: "hint", ...UNSAID },
    "draw a digit"));
  const heard = make("p", { class: "said", "aria-live": "polite" });
  const say = (text, wait = 0) => {
    clearTimeout(moving);
    moving = setTimeout(() => { heard.textContent = text; }, wait);
  };
  const drawField = () => {
    blocks.draw(strokes ? [] : pixels.flat());
    const own = strokes ?? [];
    while (lines.childElementCount > own.length) lines.lastChild.remove();
    while (lines.childElementCount < own.length) lines.append(make("path"));
    own.forEach((points, at) => put(lines.children[at], { d: pathOf(points.length > 1 ? points : [points[0], points[0]]) }));
    put(cross, { transform: `translate(${cursor})` });
  };
  const write = (settled = false) => {
    cancelAnimationFrame(frame);
    frame = 0;
    if (strokes) pixels = nested(pixelsOf(strokes));
    drawField();
    changed(pixels, settled);
  };
  const later = () => { frame ||= requestAnimationFrame(() => write()); };
  const stop = () => {
    cancelAnimationFrame(frame);
    frame = 0;
  };
  const remember = () => {
    stop();
    past.push({ strokes: strokes && [...strokes], pixels });
  };
  const settle = () => write(true);
  const rub = ([x, y]) => {
    strokes = (strokes ?? []).filter((points) =>
      !resampled([points], 1)[0].some((one) => Math.hypot(one[0] - x, one[1] - y) < NEAR));
  };
  const begin = (point) => {
    remember();
    if (erasing) rub(point);
    else strokes = [...(strokes ?? []), [point]];
    later();
  };
  const extend = (point) => {
    if (erasing) return rub(point) ?? later();
    const line = strokes.at(-1);
    const [x, y] = line.at(-1);
    if (Math.hypot(point[0] - x, point[1] - y) < 0.1) return;
    line.push(point);
    later();
  };
  /** Put strokes into the field, as a hand would write them. */
  const play = (all) => {
    stop();
    const [total, start] = [resampled(all, 0.5).flat().length, performance.now()];
    const go = (time) => {
      let left = calm.matches ? total : Math.ceil((total * (time - start)) / WRITING);
      strokes = resampled(all, 0.5).flatMap((points) => {
        const part = points.slice(0, Math.max(left, 0));
        left -= points.length;
        return part.length ? [part] : [];
      });
      if (left < 0) {
        write();
        frame = requestAnimationFrame(go);
      } else {
        strokes = all;
        settle();
      }
    };
    go(start + 16);
  };
  const at = ({ clientX, clientY }) => {
    const box = field.getBoundingClientRect();
    return [[clientX, box.left, box.width], [clientY, box.top, box.height]].map(([value, from, size]) =>
      Math.min(Math.max(((value - from) / size) * FIELD, 0), FIELD));
  };
  const lift = () => {
    if (down) say("Pen up.");
    down = false;
    drawing = null;
    field.classList.remove("down");
    settle();
  };
  field.addEventListener("pointerdown", (event) => {
    if (drawing !== null || event.button !== 0) return;
    if (down) lift();
    drawing = event.pointerId;
    field.setPointerCapture(drawing);
    begin(at(event));
  });
  field.addEventListener("pointermove", (event) => {
    if (event.pointerId !== drawing) return;
    const all = event.getCoalescedEvents?.() ?? [];
    for (const one of all.length ? all : [event]) extend(at(one));
  });
  for (const type of ["pointerup", "pointercancel"]) {
    field.addEventListener(type, (event) => { if (event.pointerId === drawing) lift(); });
  }
  field.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const by = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (!by && ![" ", "Backspace", "Escape"].includes(event.key)) return;
    event.preventDefault();
    if (by) {
      cursor = cursor.map((one, axis) => Math.min(Math.max(one + by[axis] * (event.shiftKey ? 1 : 2), 1), FIELD - 1));
      if (down) extend(cursor);
      else drawField();
      say(`Column ${cursor[0]}, row ${cursor[1]}${down ? ", drawing" : ""}.`, PAUSE);
    } else if (down) lift();
    else if (event.key === "Backspace") undo.click();
    else if (event.key === " ") {
      down = true;
      field.classList.add("down");
      begin(cursor);
      say(`Pen down at column ${cursor[0]}, row ${cursor[1]}.`);
    }
  });
  field.addEventListener("blur", () => { if (down) lift(); });

  const tool = (name, act) => {
    const one = button({}, name);
    one.addEventListener("click", act);
    return one;
  };
  const undo = tool("undo", () => {
    const last = past.pop();
    if (!last) return;
    stop();
    [strokes, pixels] = [last.strokes, last.pixels];
    settle();
  });
  const clear = tool("clear", () => {
    remember();
    strokes = [];
    settle();
  });
  const replay = tool("replay", () => { if (strokes?.length) play(strokes); });
  const eraser = tool("eraser", () => {
    erasing = !erasing;
    put(eraser, { "aria-pressed": erasing });
  });
  put(eraser, { "aria-pressed": false });

  return {
    node: make("div", { class: "draws" }, field, make("div", { class: "tools" }, undo, clear, eraser, replay), heard),
    strokes: () => strokes,
    /** Write strokes into the field; undone in one step. */
    write(all) {
      remember();
      play(all);
    },
    /** Show pixels; undone in one step. */
    show(picture) {
      remember();
      [strokes, pixels] = [null, picture];
      settle();
    },
    /** Take over what was set from outside, with its strokes where they are known. */
    take(picture, own) {
      stop();
      [strokes, pixels] = [own, picture];
      drawField();
    },
    /** Grey the tools that would do nothing. Not `disabled`: a button that has the focus would lose it. */
    refresh() {
      const empty = strokes && !strokes.length;
      for (const [end, one] of [[!past.length, undo], [empty, clear], [!strokes?.length, replay]]) {
        put(one, { "aria-disabled": Boolean(end) });
      }
      field.classList.toggle("empty", Boolean(empty));
    },
    stop() {
      stop();
      clearTimeout(moving);
    },
  };
}
