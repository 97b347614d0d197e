// Code that every widget may use. A module at a data: URL cannot import another file, so Python puts this
// text in front of each widget's own module (plenary.widgets.base.module_source).

const SVG_TAGS = new Set(["svg", "g", "path", "line", "circle", "rect", "text", "tspan"]);

/** An HTML or SVG element. Children are elements or text: text is never read as markup. */
function make(tag, attributes = {}, ...children) {
  const node = SVG_TAGS.has(tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** An input that keeps its keys: Jupyter would take the arrows and the space bar as commands of the notebook. */
function control(attributes) {
  return make("input", { ...attributes, "data-lm-suppress-shortcuts": "true" });
}

/** A button that keeps its keys. */
function button(attributes, ...children) {
  return make("button", { type: "button", "data-lm-suppress-shortcuts": "true", ...attributes }, ...children);
}

/** An SVG picture of so many CSS pixels, drawn one to one, so that its text keeps its size on a phone. */
function picture(width, height, label, ...children) {
  const size = { width, height, viewBox: `0 0 ${width} ${height}` };
  return make("svg", { ...size, role: "img", "aria-label": label }, ...children);
}

/** A row of points [x, y] as the data of an SVG path, rounded to a hundredth of a pixel. */
function pathOf(points) {
  return "M" + points.map(([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`).join("L");
}

/** A straight map from [from, to] in data to [start, end] in pixels. */
function linear(from, to, start, end) {
  return (value) => start + ((value - from) / (to - from)) * (end - start);
}

/** Call draw(width) now and whenever the element's width changes; returns what stops it. */
function followWidth(element, draw) {
  let last = 0;
  const observer = new ResizeObserver(([entry]) => {
    const width = Math.floor(entry.contentRect.width);
    if (width === last || width === 0) return;
    last = width;
    // In the next frame: drawing inside the callback would make the observer report itself.
    requestAnimationFrame(() => draw(width));
  });
  observer.observe(element);
  return () => observer.disconnect();
}

/** mulberry32: 32 bits of state, uniform numbers in [0, 1). The same in every browser, and in Python. */
function uniforms(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** An even number of independent standard normal numbers, two for each pair of uniform ones (Box-Muller). */
function normals(seed, count) {
  const next = uniforms(seed);
  const drawn = new Float64Array(count);
  for (let i = 0; i < count; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - next()));
    const angle = 2 * Math.PI * next();
    drawn[i] = radius * Math.cos(angle);
    drawn[i + 1] = radius * Math.sin(angle);
  }
  return drawn;
}

/** The values of a figure as a table that a reader may open; the first cell of every row names the row. */
function numbersTable(caption, head, rows) {
  const line = (cells, tag) => cells.map((cell, at) =>
    make(at === 0 || tag === "th" ? "th" : "td", at === 0 || tag === "th"
      ? { scope: tag === "th" ? "col" : "row" } : {}, String(cell)));
  return make("details", { class: "plenary-numbers" },
    make("summary", {}, "The numbers as a table"),
    make("div", { class: "plenary-scroll", tabindex: 0, role: "region", "aria-label": caption },
      make("table", {}, make("caption", {}, caption),
        make("thead", {}, make("tr", {}, ...line(head, "th"))),
        make("tbody", {}, ...rows.map((row) => make("tr", {}, ...line(row, "td")))))));
}

/** Put a new table of numbers in place of the old one, open if that was open. */
function renewTable(old, table) {
  table.open = old.open;
  old.replaceWith(table);
  return table;
}

/** "a", "a and b", "a, b and c". */
function listed(items) {
  return items.length > 1 ? `${items.slice(0, -1).join(", ")} and ${items.at(-1)}` : items.join("");
}

/** A word in quotation marks. */
function quoted(word) {
  return `“${word}”`;
}

/** A number as text, with the minus sign that is as wide as a plus. */
function minus(number) {
  return String(number).replace("-", "−");
}
