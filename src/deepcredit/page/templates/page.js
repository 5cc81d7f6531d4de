"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector, within = document) => within.querySelector(selector);
  root.classList.add("script");

  // --- light and dark ---------------------------------------------------------------------------------------------
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const remembered = () => { try { return localStorage.getItem("deepcredit-theme"); } catch { return null; } };
  const remember = (theme) => { try { localStorage.setItem("deepcredit-theme", theme); } catch { /* not allowed here */ } };
  const paint = (theme) => {
    root.dataset.theme = theme;
    one("#theme").setAttribute("aria-pressed", String(theme === "dark"));
  };
  const preferred = () => remembered() || (dark.matches ? "dark" : "light");
  dark.addEventListener("change", () => paint(preferred()));
  one("#theme").addEventListener("click", () => {
    const theme = root.dataset.theme === "dark" ? "light" : "dark";
    remember(theme);
    paint(theme);
  });
  paint(preferred());

  // --- search and filters -----------------------------------------------------------------------------------------
  const cards = all("article.card");
  const texts = new Map(cards.map((card) => {
    const said = all("header, figcaption, .said, .note, details", card).map((part) => part.textContent);
    const settings = all("tbody th a", card).map((a) => one(`#experiment-${a.textContent} table`)?.textContent ?? "");
    return [card, [...said, ...settings].join(" ").toLowerCase()];
  }));
  const form = one("#filters");
  const search = one("#search");
  const chosen = (name) => all(`input[name="${name}"]:checked`, form).map((box) => box.value);
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const studies = chosen("study");
    const verdicts = chosen("verdict");
    const fits = (card) => (!studies.length || studies.includes(card.dataset.study))
      && (!verdicts.length || card.dataset.verdicts.split(" ").some((v) => verdicts.includes(v)))
      && words.every((word) => texts.get(card).includes(word));
    cards.forEach((card) => { card.hidden = !fits(card); });
    const shown = cards.filter((card) => !card.hidden);
    const ids = new Set(shown.map((card) => card.id));
    const shownStudies = new Set(shown.map((card) => card.dataset.study));
    all("section.group:not(.experiments)").forEach((s) => { s.hidden = !shownStudies.has(s.id.slice("study-".length)); });
    all("[data-of]").forEach((item) => { item.hidden = !ids.has(item.dataset.of); });
    all("[data-of-study]").forEach((item) => { item.hidden = !shownStudies.has(item.dataset.ofStudy); });
    one("#found").textContent = `${shown.length} of ${cards.length} figures`;
    one("#nothing").hidden = shown.length > 0;
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  one("#all").addEventListener("click", () => { form.reset(); search.focus(); });
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName) && document.activeElement.type !== "checkbox"
      && document.activeElement.type !== "range";
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !one("#full").open) {
      event.preventDefault();
      search.focus();
      search.select();
    }
    if (event.key === "Escape" && document.activeElement === search) {
      search.value = "";
      filter();
    }
  });
  filter();

  // --- pictures in full size --------------------------------------------------------------------------------------
  const dialog = one("#full");
  let current = null;
  const show = (card) => {
    current = card;
    const image = one(".picture img", card);
    Object.assign(one("img", dialog), { src: image.src, alt: image.alt });
    one("#full-title").textContent = image.alt;
    one(".files", dialog).replaceChildren(...all("figure .files a", card).map((a) => a.cloneNode(true)));
  };
  const pictured = () => cards.filter((card) => !card.hidden && one(".picture", card));
  const step = (by) => {
    const list = pictured();
    show(list[(list.indexOf(current) + by + list.length) % list.length]);
  };
  all(".picture").forEach((link) => link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(link.closest("article"));
    dialog.showModal();
  }));
  all("[data-step]", dialog).forEach((button) => button.addEventListener("click", () => step(Number(button.dataset.step))));
  one("[data-close]", dialog).addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  // on the document: the links of the bar are replaced, and one of them may have had the focus
  document.addEventListener("keydown", (event) => {
    if (!dialog.open) return;
    if (event.key === "ArrowRight") step(1);
    if (event.key === "ArrowLeft") step(-1);
  });
  dialog.addEventListener("close", () => one(".picture", current).focus());

  // --- small things -----------------------------------------------------------------------------------------------
  all(".copy").forEach((button) => button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(button.previousElementSibling);
      button.textContent = "selected";
    }
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  }));
  const open = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target?.tagName === "DETAILS") target.open = true;
    if (target?.closest("[hidden]")) { form.reset(); setTimeout(() => target.scrollIntoView()); }
  };
  addEventListener("hashchange", open);
  open();

  // --- explorers: arrays over time, unpacked and drawn -------------------------------------------------------------
  const unpack = async ({ shape, low, high, bits, data }) => {
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const planes = new Uint8Array(await new Response(stream).arrayBuffer());
    const count = shape.reduce((a, b) => a * b);
    const length = shape.at(-1);
    const top = 2 ** bits - 1;
    const values = new Float32Array(count);
    let sum = 0;
    for (let k = 0; k < count; k += 1) {
      const difference = bits === 8 ? planes[k] : planes[k] + 256 * planes[count + k];
      sum = ((k % length ? sum : 0) + difference) & top;
      values[k] = low + ((high - low) * sum) / top;
    }
    // the run of values along the last axis, for the indices of the axes before it
    return (...indices) => {
      const offset = indices.reduce((total, index, axis) => total * shape[axis] + index, 0) * length;
      return values.subarray(offset, offset + length);
    };
  };

  const svg = (name, attributes = {}, ...children) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
    element.append(...children);
    return element;
  };
  const html = (name, attributes = {}, ...children) => {
    const element = document.createElement(name);
    Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
    element.append(...children);
    return element;
  };
  const ramp = (stops) => (share) => {
    const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
    const k = Math.min(Math.floor(place), stops.length - 2);
    const mix = stops[k].map((a, i) => Math.round(a + (stops[k + 1][i] - a) * (place - k)));
    return `rgb(${mix.join(" ")})`;
  };
  const purples = ramp([[252, 251, 253], [218, 218, 235], [158, 154, 200], [106, 81, 163], [63, 0, 125]]);
  const viridis = ramp([[68, 1, 84], [71, 45, 123], [59, 82, 139], [44, 114, 142], [33, 145, 140], [40, 174, 128], [94, 201, 98], [173, 220, 48], [253, 231, 37]]);
  // singular values, the largest first: colours that are seen on a light and on a dark ground
  const ranks = ramp([[74, 98, 194], [33, 140, 170], [62, 160, 96], [176, 146, 26]]);
  const written = (value) => {
    if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5)) {
      const [mantissa, exponent] = value.toExponential(1).split("e");
      return `${mantissa.replace(/\.0$/, "")}e${Number(exponent)}`.replace("-", "−");
    }
    return String(Number(value.toPrecision(3)));
  };

  // an svg with axes; returns it with the scales from values to pixels
  const frame = (label, epochs, top) => {
    const box = { left: 40, right: 510, top: 12, bottom: 226 };
    const x = (epoch) => box.left + ((box.right - box.left) * (epoch - epochs[0])) / (epochs.at(-1) - epochs[0]);
    const y = (value) => box.bottom - ((box.bottom - box.top) * Math.min(value, top)) / top;
    const picture = svg("svg", { viewBox: "0 0 520 262", role: "img", "aria-label": label, class: "pick chart" });
    for (const value of [0, 0.25, 0.5, 0.75, 1]) {
      picture.append(svg("line", { x1: box.left, x2: box.right, y1: y(value), y2: y(value), class: "grid-line" }));
      picture.append(svg("text", { x: box.left - 6, y: y(value) + 4, "text-anchor": "end" }, String(value)));
    }
    const every = Math.max(1, Math.round(epochs.length / 5 / 10) * 10);
    epochs.filter((e, k) => k % every === 0).forEach((e) => picture.append(svg("text", { x: x(e), y: box.bottom + 16, "text-anchor": "middle" }, String(e))));
    picture.append(svg("text", { x: (box.left + box.right) / 2, y: box.bottom + 33, "text-anchor": "middle" }, "epoch"));
    const curves = svg("g");
    const cursor = svg("line", { y1: box.top, y2: box.bottom, class: "cursor" });
    const dot = svg("circle", { r: 4.5, class: "dot" });
    picture.append(curves, cursor, dot);
    const path = (values, attributes) => svg("path", {
      ...attributes,
      d: `M${Array.from(values, (value, k) => `${x(epochs[k]).toFixed(1)},${y(value).toFixed(1)}`).join("L")}`,
    });
    const epochAt = (event) => {
      const area = picture.getBoundingClientRect();
      const place = ((event.clientX - area.left) / area.width) * 520;
      const share = (place - box.left) / (box.right - box.left);
      return Math.round(Math.min(Math.max(share, 0), 1) * (epochs.length - 1));
    };
    return { picture, curves, cursor, dot, path, x, y, epochAt };
  };

  const sliders = (entries, state, changed) => {
    const box = html("div", { class: "sliders" });
    const updates = entries.map(({ name, title, values, text }) => {
      const id = `${state.id}-${name}`;
      const input = html("input", { type: "range", id, min: 0, max: values.length - 1, step: 1 });
      const output = html("output", { for: id });
      input.addEventListener("input", () => { state[name] = Number(input.value); changed(); });
      box.append(html("label", { for: id }, title), input, output);
      return () => {
        input.value = state[name];
        output.textContent = text(values[state[name]]);
        input.setAttribute("aria-valuetext", `${title} ${text(values[state[name]])}`);
      };
    });
    return { box, update: () => updates.forEach((update) => update()) };
  };

  const player = (state, last, changed) => {
    const button = html("button", { type: "button" }, "Play");
    let timer = 0;
    const stop = () => { clearInterval(timer); timer = 0; button.textContent = "Play"; };
    button.addEventListener("click", () => {
      if (timer) { stop(); return; }
      if (state.epoch >= last) state.epoch = 0;
      button.textContent = "Pause";
      timer = setInterval(() => {
        if (state.epoch >= last) { stop(); return; }
        state.epoch += 1;
        changed();
      }, 40);
    });
    return button;
  };

  const dragged = (picture, choose) => {
    picture.addEventListener("pointerdown", (event) => { event.preventDefault(); picture.setPointerCapture(event.pointerId); choose(event); });
    picture.addEventListener("pointermove", (event) => { if (event.buttons) choose(event); });
  };

  const gridSliders = (data) => [
    { name: "epoch", title: "epoch", values: data.epoch, text: String },
    ...(data.gamma.length > 1 ? [{ name: "gamma", title: "initial scale γ", values: data.gamma, text: written }] : []),
    ...(data.rate.length > 1 ? [{ name: "rate", title: "learning rate η", values: data.rate, text: written }] : []),
  ];
  const where = (data, state) => `epoch ${data.epoch[state.epoch]}, γ = ${written(data.gamma[state.gamma])}, η = ${written(data.rate[state.rate])}`;

  const explorers = {
    // similarity of the items beside the curves of loss and singular values, at one γ and learning rate
    representations: async (place, data, state) => {
      const [rsm, modes, logLoss] = await Promise.all([data.rsm, data.modes, data.loss].map(unpack));
      const n = data.items.length;
      const size = 224 / n;
      const matrix = svg("svg", { viewBox: "0 0 300 300", role: "img" });
      const cells = [];
      for (let i = 0; i < n; i += 1) {
        for (let j = i; j < n; j += 1) {
          const at = (r, c) => svg("rect", { x: 66 + c * size, y: 66 + r * size, width: size + 0.4, height: size + 0.4 });
          const pair = i === j ? [at(i, j)] : [at(i, j), at(j, i)];
          cells.push(pair);
          matrix.append(...pair);
        }
        const middle = 66 + (i + 0.5) * size;
        matrix.append(svg("text", { x: 60, y: middle + 4, "text-anchor": "end" }, data.items[i]));
        matrix.append(svg("text", { x: middle + 4, y: 60, transform: `rotate(-90 ${middle + 4} 60)` }, data.items[i]));
      }
      const chart = frame("Loss and singular values over the epochs", data.epoch, 1.08);
      const readout = html("p", { "aria-live": "off" });
      let drawn = "";
      const draw = () => {
        const { gamma, rate, epoch } = state;
        const loss = Array.from(logLoss(gamma, rate), (value) => 10 ** value);
        if (drawn !== `${gamma},${rate}`) {
          const count = data.modes.shape[2];
          const lines = Array.from({ length: count }, (_, m) => chart.path(modes(gamma, rate, m), { class: "curve", stroke: ranks(m / Math.max(count - 1, 1)) }));
          chart.curves.replaceChildren(...lines, chart.path(loss, { class: "curve loss" }));
          drawn = `${gamma},${rate}`;
        }
        cells.forEach((pair, k) => pair.forEach((cell) => cell.setAttribute("fill", purples(rsm(gamma, rate, k)[epoch]))));
        const at = chart.x(data.epoch[epoch]);
        chart.cursor.setAttribute("x1", at);
        chart.cursor.setAttribute("x2", at);
        chart.dot.setAttribute("cx", at);
        chart.dot.setAttribute("cy", chart.y(loss[epoch]));
        matrix.setAttribute("aria-label", `Similarity of the items at ${where(data, state)}`);
        readout.textContent = `${where(data, state)}: loss ${written(loss[epoch])}`;
        controls.update();
      };
      const controls = sliders(gridSliders(data), state, draw);
      dragged(chart.picture, (event) => { state.epoch = chart.epochAt(event); draw(); });
      const key = html("p", { class: "quiet" }, "Left: similarity of the items, white none, dark the largest of the training. Right: mean squared error (thick) and relative singular values; drag to move the cursor.");
      place.append(
        html("h4", {}, "Every epoch, every γ and learning rate"),
        html("div", { class: "plots" }, html("div", {}, matrix), html("div", {}, chart.picture, controls.box, html("div", { class: "line" }, player(state, data.epoch.length - 1, draw), readout))),
        key,
      );
      draw();
    },

    // the loss of every γ and learning rate at one epoch, beside the curve of one of them
    loss_grid: async (place, data, state) => {
      const logLoss = await unpack(data.loss);
      const { low, high } = data.loss;
      const [rows, columns] = [data.gamma.length, data.rate.length];
      const [width, height] = [240 / columns, 220 / rows];
      const map = svg("svg", { viewBox: "0 0 310 262", role: "img", class: "pick" });
      const cells = [];
      for (let g = 0; g < rows; g += 1) {
        for (let r = 0; r < columns; r += 1) {
          cells.push(svg("rect", { x: 56 + r * width, y: 8 + (rows - 1 - g) * height, width: width + 0.4, height: height + 0.4 }));
        }
      }
      map.append(...cells);
      const every = Math.ceil(rows / 9);
      data.gamma.forEach((value, g) => { if (g % every === 0) map.append(svg("text", { x: 50, y: 12 + (rows - 0.5 - g) * height, "text-anchor": "end" }, written(value))); });
      const everyColumn = Math.ceil(columns / 6);
      data.rate.forEach((value, r) => { if (r % everyColumn === 0) map.append(svg("text", { x: 56 + (r + 0.5) * width, y: 243, "text-anchor": "middle" }, written(value))); });
      map.append(svg("text", { x: 176, y: 259, "text-anchor": "middle" }, "learning rate η"));
      map.append(svg("text", { x: 10, y: 118, transform: "rotate(-90 10 118)", "text-anchor": "middle" }, "initial scale γ"));
      const inner = svg("rect", { class: "inner", width: width - 3, height: height - 3 });
      const outer = svg("rect", { class: "chosen", width, height });
      map.append(outer, inner);
      const chart = frame("Loss over the epochs at the chosen γ and learning rate", data.epoch, 1.08);
      const readout = html("p", {});
      const draw = () => {
        const { gamma, rate, epoch } = state;
        const loss = Array.from(logLoss(gamma, rate), (value) => 10 ** value);
        cells.forEach((cell, k) => {
          const value = logLoss(Math.floor(k / columns), k % columns)[epoch];
          cell.setAttribute("fill", viridis((value - low) / (high - low)));
        });
        const corner = { x: 56 + rate * width, y: 8 + (rows - 1 - gamma) * height };
        outer.setAttribute("x", corner.x);
        outer.setAttribute("y", corner.y);
        inner.setAttribute("x", corner.x + 1.5);
        inner.setAttribute("y", corner.y + 1.5);
        chart.curves.replaceChildren(chart.path(loss, { class: "curve loss" }));
        const at = chart.x(data.epoch[epoch]);
        chart.cursor.setAttribute("x1", at);
        chart.cursor.setAttribute("x2", at);
        chart.dot.setAttribute("cx", at);
        chart.dot.setAttribute("cy", chart.y(loss[epoch]));
        map.setAttribute("aria-label", `Loss over γ and learning rate at epoch ${data.epoch[epoch]}`);
        readout.textContent = `${where(data, state)}: loss ${logLoss(gamma, rate)[epoch] <= low ? "at most " : ""}${written(loss[epoch])}`;
        controls.update();
      };
      const controls = sliders(gridSliders(data), state, draw);
      dragged(chart.picture, (event) => { state.epoch = chart.epochAt(event); draw(); });
      dragged(map, (event) => {
        const area = map.getBoundingClientRect();
        const column = Math.floor((((event.clientX - area.left) / area.width) * 310 - 56) / width);
        const row = rows - 1 - Math.floor((((event.clientY - area.top) / area.height) * 262 - 8) / height);
        state.rate = Math.min(Math.max(column, 0), columns - 1);
        state.gamma = Math.min(Math.max(row, 0), rows - 1);
        draw();
      });
      const key = html("p", { class: "quiet" }, `Left: loss at this epoch, from ${written(10 ** low)} or less (dark) to ${written(10 ** high)} (bright); choose a run in it. Right: that run's mean squared error; drag to move the cursor.`);
      place.append(
        html("h4", {}, "Every epoch, every γ and learning rate"),
        html("div", { class: "plots" }, html("div", {}, map), html("div", {}, chart.picture, controls.box, html("div", { class: "line" }, player(state, data.epoch.length - 1, draw), readout))),
        key,
      );
      draw();
    },
  };

  all("[data-explorer]").forEach((place) => {
    const id = place.dataset.explorer;
    const data = JSON.parse(one(`#data-${CSS.escape(id)}`).textContent);
    explorers[data.kind](place, data, { id, ...data.start }).then(() => place.setAttribute("data-ready", ""), (error) => {
      place.textContent = "This browser cannot unpack the arrays; the figure above shows a part of them.";
      console.warn(error);
    });
  });
})();
