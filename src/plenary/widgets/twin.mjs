// Bring a widget to life on a page with no kernel. Python writes the call mount("...") behind this text.

/** What a widget needs of the model that Jupyter would give it: a state in memory, and who listens to it. */
function standIn(state) {
  const listeners = new Map();
  const of = (event) => listeners.get(event) ?? new Set();
  return {
    get: (name) => state[name],
    set(name, value) {
      if (state[name] === value) return;
      state[name] = value;
      for (const event of [`change:${name}`, "change"]) for (const listener of of(event)) listener();
    },
    on: (event, listener) => listeners.set(event, of(event).add(listener)),
    off: (event, listener) => of(event).delete(listener),
    save_changes() {},
    send() {},
  };
}

/** Replace the still picture in the element of this id by the live widget, once. */
async function mount(id) {
  const host = document.getElementById(id);
  if (host.dataset.state) return;
  host.dataset.state = "loading";
  const { name, module, css, state } = JSON.parse(document.getElementById(`${id}-data`).textContent);
  // The same text is the same URL, so two widgets of a kind on a page share one module and what it computed.
  const { default: widget } = await import("data:text/javascript;charset=utf-8," + encodeURIComponent(module));
  if (!document.querySelector(`style[data-plenary-widget="${name}"]`)) {
    const style = document.createElement("style");
    style.dataset.plenaryWidget = name;
    style.textContent = css;
    document.head.append(style);
  }
  // The still picture stays until the live one is complete, and for good if something fails on the way.
  const live = document.createElement("div");
  await widget.render({ model: standIn(state), el: live });
  host.replaceChildren(live);
  host.dataset.state = "live";
}
