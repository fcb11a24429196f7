// The interactive plot: every point is a row of a table of the page, from which it takes its numbers and their words.
// Pointing at a point names it, a click puts it into A or B of the explorer, buttons, keys, Ctrl with the wheel and a
// dragged rectangle zoom.
(() => {
  "use strict";
  const root = document.getElementById("map");
  const tables = [...document.querySelectorAll("table.grid[data-up]")].filter((table) => table.tBodies[0].rows.length > 1);
  if (!root || !tables.length) return;
  const find = (name) => root.querySelector(name);
  const controls = Object.fromEntries(["table", "up", "across", "less", "more", "whole"].map((name) => [name, find(`[name=${name}]`)]));
  const [stage, svg, tip, said, legend, pair] = [".m-stage", "svg", ".m-tip", ".m-said", ".m-legend", ".m-pair"].map(find);
  const SVG = svg.namespaceURI, ORDER = "order of the table";

  // --- the tables --------------------------------------------------------------------------------------------------

  const words = (cell) => {
    const own = [...cell.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE || node.localName === "bdi");
    const plus = cell.querySelector("small");
    return own.map((node) => node.textContent).join("").trim() + (plus ? ` ${plus.textContent.trim()}` : "");
  };
  function read(table) {
    const heads = [...table.tHead.rows[0].cells];
    const columns = heads.map((head, place) => ({
      place, title: head.dataset.of && "relative" in head.dataset ? `${head.dataset.of}: ${head.textContent.trim()}` : head.textContent.trim(),
      better: head.dataset.better || "", relative: "relative" in head.dataset, scaled: "scaled" in head.dataset, number: head.classList.contains("n"),
    }));
    const rows = [...table.tBodies[0].rows].map((row, order) => ({
      order, name: row.cells[0].dataset.name, family: row.dataset.family || "", state: row.dataset.state || "",
      role: row.className, cells: [...row.cells].map((cell) => ({ text: words(cell), value: cell.dataset.v === undefined ? null : Number(cell.dataset.v) })),
    }));
    const known = columns.filter((column) => column.number && rows.some((row) => row.cells[column.place].value !== null));
    return {
      table, title: table.dataset.title, columns, rows, known, families: [...new Set(rows.map((row) => row.family))].sort(),
      up: Number(table.dataset.up), across: table.dataset.across === undefined ? -1 : Number(table.dataset.across),
    };
  }
  const data = tables.map(read);
  const state = { data: data[0], up: 0, across: 0, hidden: new Set(), box: null, at: null, a: null, b: null };
  const titleOf = (row) => (row.state && row.state !== "fixed" ? `${row.name} (${row.state})` : row.name);
  const isPlain = (row) => row.role !== "unequal" && row.role !== "failed" && row.state !== "train";

  // --- axes --------------------------------------------------------------------------------------------------------

  function axisOf(place) {
    const { rows, columns } = state.data;
    if (place < 0) return { title: ORDER, better: "", log: false, of: (row) => row.order + 1, text: (row) => `row ${row.order + 1}`, scaled: false };
    const column = columns[place];
    const values = rows.map((row) => row.cells[place].value).filter((value) => value !== null && Number.isFinite(value));
    const log = column.scaled && Math.min(...values) > 0 && Math.max(...values) > 10 * Math.min(...values);
    return { ...column, log, of: (row) => row.cells[place].value, text: (row) => row.cells[place].text };
  }
  const along = (axis, value) => (axis.log ? Math.log10(value) : value);

  // The ends of an axis: all values of operators that can be compared, but for those far worse than the rest.
  function ends(axis) {
    const rows = state.data.rows.filter((row) => isPlain(row) || !state.data.rows.some(isPlain));
    const values = rows.map(axis.of).filter((value) => value !== null && Number.isFinite(value)).map((value) => along(axis, value)).sort((p, q) => p - q);
    if (!values.length) return [0, 1];
    const quarter = (part) => values[Math.floor(part * values.length / 4)] ?? values.at(-1);
    const [first, third] = [quarter(1), quarter(3)], reach = 3 * (third - first);
    const kept = values.filter((value) => axis.log || !(reach > 0) || !axis.better || (axis.better === "high" ? value >= first - reach : value <= third + reach));
    const [low, high] = [kept[0], kept.at(-1)], pad = high > low ? 0.05 * (high - low) : Math.abs(low) * 0.05 || 1;
    return [low - pad, high + pad];
  }
  function ticksOf(axis, [low, high], most) {
    if (axis.log) {
      const found = [], subs = high - low > 2.2 ? [1] : [1, 2, 5];
      for (let power = Math.floor(low); power <= high; power++) for (const sub of subs) found.push(sub * 10 ** power);
      const inside = found.filter((value) => Math.log10(value) >= low && Math.log10(value) <= high);
      if (inside.length > 1) return inside.map((value) => [Math.log10(value), `${Number(value.toPrecision(1))}`]);
    }
    const [from, to] = axis.log ? [10 ** low, 10 ** high] : [low, high];
    const rough = (to - from) / most, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].find((times) => times * power >= rough) * power;
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9)), found = [];
    for (let at = Math.ceil(from / step) * step; at <= to + 1e-9 * step; at += step) found.push([along(axis, at), (Math.abs(at) < step / 2 ? 0 : at).toFixed(digits).replace("-", "−")]);
    return found;
  }

  // --- drawing -----------------------------------------------------------------------------------------------------

  function put(parent, tag, attributes = {}, text = "") {
    const element = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text) element.textContent = text;
    parent.append(element);
    return element;
  }
  const corners = (count, turn = 0, inner = 0) => Array.from({ length: inner ? 2 * count : count }, (_, at) => {
    const angle = 2 * Math.PI * at / (inner ? 2 * count : count) + turn - Math.PI / 2, reach = inner && at % 2 ? inner : 1;
    return [reach * Math.cos(angle), reach * Math.sin(angle)];
  });
  const cross = (turn) => [[-1, 3], [1, 3], [1, 1], [3, 1], [3, -1], [1, -1], [1, -3], [-1, -3], [-1, -1], [-3, -1], [-3, 1], [-1, 1]].map(([x, y]) =>
    [(x * Math.cos(turn) - y * Math.sin(turn)) / 2.8, (x * Math.sin(turn) + y * Math.cos(turn)) / 2.8]);
  // In the order of the families' names: as many shapes as families; colours repeat, so that both together tell.
  const SHAPES = [
    corners(24), corners(4), corners(4, Math.PI / 4), corners(3), corners(3, Math.PI), cross(0), cross(Math.PI / 4), corners(3, Math.PI / 2), corners(3, -Math.PI / 2),
    corners(5), corners(5, 0, 0.42), corners(4).map(([x, y]) => [0.6 * x, y]), corners(6), corners(8, Math.PI / 8), corners(6, Math.PI / 6),
  ];
  const COLOURS = 7;
  const outline = (number, size) => `M${SHAPES[number % SHAPES.length].map(([x, y]) => `${(size * x).toFixed(2)} ${(size * y).toFixed(2)}`).join("L")}Z`;

  let points = [], frame = null, home = null;
  function layout() {
    const width = stage.clientWidth, height = width < 560 ? 300 : 340;
    return { width, height, left: 58, top: 12, right: width - 14, bottom: height - 46 };
  }
  function place() {
    const [x, y] = [axisOf(state.across), axisOf(state.up)];
    home = [ends(x), ends(y)];
    const [[x0, x1], [y0, y1]] = state.box || home;
    frame = { ...layout(), x, y, x0, x1, y0, y1 };
    const { left, right, top, bottom } = frame;
    points = [];
    for (const row of state.data.rows) {
      if (state.hidden.has(row.family) || x.of(row) === null || y.of(row) === null) continue;
      const [u, v] = [along(x, x.of(row)), along(y, y.of(row))];
      if (Number.isNaN(u) || Number.isNaN(v)) continue;
      const [s, t] = [(u - x0) / (x1 - x0), (v - y0) / (y1 - y0)], off = s < 0 || s > 1 || t < 0 || t > 1;
      // On the whole plot what lies beyond the axes stands at the edge; zoomed in, it is out of sight.
      if (off && state.box) continue;
      const clip = (share) => Math.min(Math.max(share, 0), 1);
      points.push({ row, off, left: left + clip(s) * (right - left), top: bottom - clip(t) * (bottom - top) });
    }
  }

  // The best trade-offs: operators that no other one beats on both axes, by rising cost.
  function front() {
    const { x, y } = frame;
    if (!x.better || !y.better) return [];
    const [p, q] = [x, y].map((axis) => (axis.better === "high" ? -1 : 1));
    const rivals = state.data.rows.filter((row) => isPlain(row) && x.of(row) !== null && y.of(row) !== null)
      .map((row) => ({ row, cost: p * x.of(row), loss: q * Number(y.of(row).toPrecision(10)) })).sort((one, other) => one.cost - other.cost || one.loss - other.loss);
    const found = [];
    for (const rival of rivals) {
      const last = found.at(-1);
      if (!last || rival.loss < last.loss || (rival.loss === last.loss && rival.cost === last.cost)) found.push(rival);
    }
    return found.map(({ row }) => row);
  }
  const pointOf = (row) => points.find((point) => point.row === row);

  function drawAxes() {
    const { x, y, x0, x1, y0, y1, left, right, top, bottom, width } = frame;
    const arrow = (axis) => (axis.better ? `, ${axis.better === "high" ? "more" : "less"} is better` : "");
    for (const [at, text] of ticksOf(y, [y0, y1], 6)) {
      const level = bottom - (at - y0) / (y1 - y0) * (bottom - top);
      put(svg, "line", { class: "m-grid", x1: left, x2: right, y1: level, y2: level });
      put(svg, "text", { class: "m-tick", x: left - 8, y: level + 4, "text-anchor": "end" }, text);
    }
    for (const [at, text] of ticksOf(x, [x0, x1], width < 560 ? 4 : 8)) {
      const over = left + (at - x0) / (x1 - x0) * (right - left);
      put(svg, "line", { class: "m-grid", x1: over, x2: over, y1: top, y2: bottom });
      put(svg, "text", { class: "m-tick", x: over, y: bottom + 17, "text-anchor": "middle" }, text);
    }
    put(svg, "text", { class: "m-title", x: (left + right) / 2, y: bottom + 37, "text-anchor": "middle" }, `${x.title}${x.log ? ", logarithmic" : ""}${arrow(x)}`);
    put(svg, "text", { class: "m-title", x: 0, y: 0, "text-anchor": "middle", transform: `translate(13 ${(top + bottom) / 2}) rotate(-90)` }, `${y.title}${arrow(y)}`);
  }

  function drawFront(rows) {
    const { x, y, x0, x1, y0, y1, left, right, top, bottom } = frame;
    const at = (row) => [left + (along(x, x.of(row)) - x0) / (x1 - x0) * (right - left), bottom - (along(y, y.of(row)) - y0) / (y1 - y0) * (bottom - top)];
    const steps = rows.map(at).map(([u, v], step, all) => (step ? `H${u.toFixed(1)}V${v.toFixed(1)}` : `M${u.toFixed(1)} ${v.toFixed(1)}`) + (step === all.length - 1 ? "" : "")).join("");
    const clip = put(svg, "clipPath", { id: "m-clip" });
    put(clip, "rect", { x: left - 6, y: top - 6, width: right - left + 12, height: bottom - top + 12 });
    if (rows.length > 1 && rows.every((row) => Number.isFinite(along(x, x.of(row))) && Number.isFinite(y.of(row)))) put(svg, "path", { class: "m-front", d: steps, "clip-path": "url(#m-clip)" });
  }

  // Names stand where they cover nothing; the most important ones choose first.
  function drawNames(rows) {
    const { left, right, top, bottom } = frame, taken = points.map((point) => [point.left - 5, point.top - 5, point.left + 5, point.top + 5]);
    for (const [row, strong] of rows) {
      const point = pointOf(row);
      if (!point) continue;
      const text = titleOf(row).length > 26 ? `${titleOf(row).slice(0, 25)}…` : titleOf(row), wide = 6.7 * text.length;
      const places = [[9, 4, 0], [-9 - wide, 4, 0], [-wide / 2, -10, 0], [-wide / 2, 18, 0], [8, -9, 0], [8, 17, 0], [-8 - wide, -9, 0], [-8 - wide, 17, 0], [-wide / 2, -24, 0], [-wide / 2, 32, 0]];
      const free = places.map(([dx, dy]) => [point.left + dx, point.top + dy]).find(([u, v]) => {
        const box = [u, v - 11, u + wide, v + 3];
        return u >= left && u + wide <= right + 10 && v - 11 >= top - 8 && v <= bottom && !taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1]);
      });
      if (!free) continue;
      taken.push([free[0], free[1] - 11, free[0] + wide, free[1] + 3]);
      put(svg, "text", { class: strong ? "m-name m-strong" : "m-name", x: free[0], y: free[1] }, text);
    }
  }

  function draw() {
    if (!stage.clientWidth) return;
    place();
    const { width, height } = frame, { families } = state.data, best = front();
    for (const [name, value] of Object.entries({ viewBox: `0 0 ${width} ${height}`, width, height })) svg.setAttribute(name, value);
    svg.replaceChildren();
    drawAxes();
    drawFront(best);
    for (const { row, off, left, top } of points) {
      const number = families.indexOf(row.family);
      const kind = ["m-point", `m-c${number % COLOURS}`, row.role === "unequal" ? "m-hollow" : "", off ? "m-off" : "", best.includes(row) ? "m-best" : ""].filter(Boolean).join(" ");
      put(svg, "path", { class: kind, d: outline(number, best.includes(row) ? 6.5 : 5), transform: `translate(${left.toFixed(1)} ${top.toFixed(1)})`, "data-name": row.name, "data-state": row.state });
    }
    const base = state.data.rows.find((row) => row.role === "baseline"), marks = [["a", state.a], ["b", state.b]];
    for (const [side, row] of marks) {
      const point = row && pointOf(row);
      if (!point) continue;
      put(svg, "circle", { class: "m-ring", cx: point.left, cy: point.top, r: side === "a" ? 11 : 13 });
      put(svg, "text", { class: "m-letter", x: point.left + (side === "a" ? -17 : 17), y: point.top - 9, "text-anchor": "middle" }, side.toUpperCase());
    }
    const shown = state.at && pointOf(state.at);
    if (shown) put(svg, "circle", { class: "m-at", cx: shown.left, cy: shown.top, r: 9 });
    const important = [...marks.map(([, row]) => row), base, ...best].filter(Boolean);
    drawNames([...new Set(important)].map((row) => [row, true]));
    svg.setAttribute("aria-label", describe(best));
    controls.whole.disabled = controls.less.disabled = !state.box;
    stage.dataset.zoom = state.box ? ((home[0][1] - home[0][0]) / (state.box[0][1] - state.box[0][0])).toFixed(2) : "1.00";
    showTip();
  }
  let waiting = false;
  function redraw() {
    if (!waiting) requestAnimationFrame(() => { waiting = false; draw(); });
    waiting = true;
  }

  // --- words -------------------------------------------------------------------------------------------------------

  const valueOf = (axis, row) => `${axis.title} ${axis.text(row)}`;
  function describe(best) {
    const { x, y } = frame;
    const front_ = best.length > 1 ? ` Best trade-offs: ${best.map((row) => `${titleOf(row)} (${axisText(y, row)}, ${axisText(x, row)})`).join(", ")}.` : "";
    return `${y.title} against ${x.title}, ${points.length} rows of the table as points.${front_}`;
  }
  const axisText = (axis, row) => axis.text(row);
  function showTip() {
    const point = state.at && pointOf(state.at);
    tip.hidden = !point;
    if (!point) return;
    const { x, y, width } = frame, { row } = point;
    const line = (text, kind) => Object.assign(document.createElement("span"), { textContent: text, className: kind });
    const same = points.filter((other) => other.row !== row && Math.hypot(other.left - point.left, other.top - point.top) < 3).map((other) => titleOf(other.row));
    const more = state.data.columns.filter((column) => column.relative && y.title && column.title.startsWith(`${y.title}:`) && row.cells[column.place].value !== null);
    tip.replaceChildren(...[
      [titleOf(row), "m-tip-name"], [row.family, "m-tip-family"], [valueOf(y, row), ""], ...more.map((column) => [`${column.title.slice(y.title.length + 2)} ${row.cells[column.place].text}`, ""]), [valueOf(x, row), ""],
      [row.role === "unequal" ? "keeps a different fraction of the values" : "", "m-tip-family"], [point.off ? "beyond the axis" : "", "m-tip-family"], [same.length ? `also here: ${same.slice(0, 4).join(", ")}${same.length > 4 ? ` and ${same.length - 4} more` : ""}` : "", "m-tip-family"],
    ].filter(([text]) => text).map(([text, kind]) => line(text, kind)));
    const right = point.left > width / 2;
    tip.style.left = right ? "auto" : `${point.left + 14}px`;
    tip.style.right = right ? `${width - point.left + 14}px` : "auto";
    tip.style.top = `${Math.max(0, point.top - 20)}px`;
  }
  let announced = 0;
  function say(text, soon = false) {
    window.clearTimeout(announced);
    // A reader that speaks hears where the pointer stays, not all that it passes.
    announced = window.setTimeout(() => { said.textContent = text; }, soon ? 0 : 250);
  }
  function sayPoint() {
    const { x, y } = frame, row = state.at;
    say(row ? `${titleOf(row)}: ${valueOf(y, row)}, ${valueOf(x, row)}${row.family ? `, ${row.family}` : ""}.` : "");
  }
  const decimals = (text) => (text.split(" ")[0].replace("%", "").split(".")[1] || "").length;
  function apart(axis, one, other) {
    const [p, q] = [axis.of(one), axis.of(other)];
    if (p === null || q === null || !Number.isFinite(p) || !Number.isFinite(q)) return "";
    if (axis.scaled && p > 0 && q > 0) return `${axis.title}: A / B ${(p / q).toPrecision(3)}`;
    const text = (p - q).toFixed(Math.max(decimals(axis.text(one)), decimals(axis.text(other))));
    return `${axis.title}: A − B ${(/[1-9]/.test(text) && p > q ? "+" : "") + (/[1-9]/.test(text) ? text : text.replace("-", "")).replace("-", "−")}`;
  }
  function sayPair() {
    const { a, b } = state;
    if (!frame) return;
    const { x, y } = frame, part = (side, row) => `${side} ${titleOf(row)}: ${y.text(row)}, ${x.text(row)}`;
    const known = [a && part("A", a), b && part("B", b), a && b && state.up >= 0 && apart(y, a, b), a && b && state.across >= 0 && apart(x, a, b)];
    pair.textContent = known.filter(Boolean).join(" · ") || "Each point is a row of the table below. Point at one to read it; a click puts it into A or B.";
  }

  // --- hands -------------------------------------------------------------------------------------------------------

  function look(row) {
    if (row === state.at) return;
    state.at = row;
    redraw();
    if (frame) sayPoint();
  }
  const place_ = (event) => {
    const box = svg.getBoundingClientRect();
    return [(event.clientX - box.left) * frame.width / box.width, (event.clientY - box.top) * frame.height / box.height];
  };
  function nearest([u, v], reach = 26) {
    const found = points.map((point) => [Math.hypot(point.left - u, point.top - v), point]).sort((one, other) => one[0] - other[0])[0];
    return found && found[0] <= reach ? found[1].row : null;
  }
  function choose(side, row) {
    state[side] = row;
    const taken = !document.dispatchEvent(new CustomEvent("poolzoo:choose", { cancelable: true, detail: { side, name: row.name, state: row.state } }));
    say(`${titleOf(row)} is ${side.toUpperCase()}${taken ? " of the pictures too" : ""}.`, true);
    sayPair();
    redraw();
  }
  const side = () => root.querySelector("[name=side]:checked").value;

  // By a factor around a place: smaller shows more of the plot.
  function zoom(factor, [u, v] = middle()) {
    const { left, right, top, bottom, x0, x1, y0, y1 } = frame;
    const [s, t] = [(u - left) / (right - left), (bottom - v) / (bottom - top)];
    const part = (low, high, share) => { const at = low + share * (high - low), span = (high - low) / factor; return [at - share * span, at + (1 - share) * span]; };
    show([part(x0, x1, s), part(y0, y1, t)]);
  }
  function middle() {
    const point = state.at && pointOf(state.at);
    return point ? [point.left, point.top] : [(frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2];
  }
  function show(box) {
    const wide = (number) => box[number][1] - box[number][0] >= (home[number][1] - home[number][0]) * 0.999;
    const fine = (number) => box[number][1] - box[number][0] > (home[number][1] - home[number][0]) * 1e-4;
    if (!fine(0) || !fine(1)) return;
    state.box = wide(0) && wide(1) ? null : box;
    redraw();
  }

  let drag = null;
  stage.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    drag = { from: place_(event), moved: false, mouse: event.pointerType === "mouse" };
    if (drag.mouse) stage.setPointerCapture(event.pointerId);
    if (!drag.mouse) look(nearest(drag.from, 32));
  });
  stage.addEventListener("pointermove", (event) => {
    const here = place_(event);
    if (drag && drag.mouse && Math.hypot(here[0] - drag.from[0], here[1] - drag.from[1]) > 6) drag.moved = true;
    if (!drag || !drag.moved) { look(nearest(here)); return; }
    svg.querySelector(".m-band")?.remove();
    const [u, v] = [0, 1].map((axis) => Math.min(here[axis], drag.from[axis]));
    put(svg, "rect", { class: "m-band", x: u, y: v, width: Math.abs(here[0] - drag.from[0]), height: Math.abs(here[1] - drag.from[1]) });
    drag.to = here;
  });
  stage.addEventListener("pointerup", (event) => {
    const done = drag;
    drag = null;
    if (!done) return;
    svg.querySelector(".m-band")?.remove();
    if (!done.moved) {
      const row = nearest(place_(event));
      if (row) choose(event.shiftKey ? (side() === "a" ? "b" : "a") : side(), row);
      return;
    }
    const { left, right, top, bottom, x0, x1, y0, y1 } = frame, [p, q] = [done.from, done.to];
    const at = (u, v) => [x0 + (u - left) / (right - left) * (x1 - x0), y0 + (bottom - v) / (bottom - top) * (y1 - y0)];
    const [low, high] = [at(Math.min(p[0], q[0]), Math.max(p[1], q[1])), at(Math.max(p[0], q[0]), Math.min(p[1], q[1]))];
    if (Math.abs(p[0] - q[0]) > 8 && Math.abs(p[1] - q[1]) > 8) show([[low[0], high[0]], [low[1], high[1]]]);
  });
  stage.addEventListener("pointercancel", () => { drag = null; redraw(); });
  stage.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse" && !drag) look(null); });
  stage.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(event.deltaY < 0 ? 1.25 : 0.8, place_(event));
  }, { passive: false });

  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  function step([across, up]) {
    const key = across ? (point) => point.left : (point) => -point.top, tie = across ? (point) => point.top : (point) => point.left;
    const sorted = [...points].sort((one, other) => key(one) - key(other) || tie(one) - tie(other) || one.row.order - other.row.order);
    const now = sorted.findIndex((point) => point.row === state.at);
    const next = now < 0 ? (across + up > 0 ? 0 : sorted.length - 1) : Math.min(Math.max(now + across + up, 0), sorted.length - 1);
    if (sorted.length) look(sorted[next].row);
  }
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !frame) return;
    const key = event.key.toLowerCase();
    if (event.key in MOVES && event.shiftKey) {
      const [du, dv] = MOVES[event.key], { x0, x1, y0, y1 } = frame;
      if (state.box) show([[x0 + du * (x1 - x0) / 8, x1 + du * (x1 - x0) / 8], [y0 + dv * (y1 - y0) / 8, y1 + dv * (y1 - y0) / 8]]);
    } else if (event.key in MOVES) step(MOVES[event.key]);
    else if (event.key === "Enter" || event.key === " ") { if (state.at) choose(side(), state.at); }
    else if (key === "a" || key === "b") { if (state.at) choose(key, state.at); }
    else if (key === "+" || key === "=") zoom(1.6);
    else if (key === "-") zoom(1 / 1.6);
    else if (key === "0") { state.box = null; redraw(); }
    else if (event.key === "Escape") look(null);
    else return;
    event.preventDefault();
  });
  controls.more.addEventListener("click", () => zoom(1.6));
  controls.less.addEventListener("click", () => zoom(1 / 1.6));
  controls.whole.addEventListener("click", () => { state.box = null; redraw(); });

  // --- choices -----------------------------------------------------------------------------------------------------

  function fillLegend() {
    const { families, rows } = state.data;
    legend.replaceChildren(...families.map((family, number) => {
      const button = document.createElement("button");
      const mark = put(button, "svg", { viewBox: "-7 -7 14 14", width: 13, height: 13, "aria-hidden": "true" });
      put(mark, "path", { class: `m-point m-c${number % COLOURS}`, d: outline(number, 5.6) });
      button.type = "button";
      button.append(` ${family || "other"}`);
      button.title = `${rows.filter((row) => row.family === family).length} rows`;
      button.setAttribute("aria-pressed", "true");
      button.addEventListener("click", () => {
        if (state.hidden.delete(family)) button.setAttribute("aria-pressed", "true");
        else { state.hidden.add(family); button.setAttribute("aria-pressed", "false"); }
        redraw();
      });
      return button;
    }));
    legend.hidden = families.length < 2;
  }
  function open(number) {
    state.data = data[number];
    Object.assign(state, { up: state.data.up, across: state.data.across, box: null, at: null, hidden: new Set() });
    const same = (row) => row && state.data.rows.find((other) => other.name === row.name && other.state === row.state);
    [state.a, state.b] = [same(state.a) || null, same(state.b) || null];
    for (const [name, more] of [["up", []], ["across", [new Option(ORDER, -1)]]]) {
      controls[name].replaceChildren(...state.data.known.map((column) => new Option(column.title, column.place)), ...more);
      controls[name].value = String(state[name]);
    }
    fillLegend();
    place();
    sayPair();
    redraw();
  }
  controls.table.replaceChildren(...data.map(({ title }, number) => new Option(title, number)));
  controls.table.addEventListener("change", () => open(Number(controls.table.value)));
  for (const name of ["up", "across"]) {
    controls[name].addEventListener("change", () => {
      Object.assign(state, { [name]: Number(controls[name].value), box: null });
      place();
      sayPair();
      redraw();
    });
  }
  // The explorer says what its A and B are.
  document.addEventListener("poolzoo:chosen", (event) => {
    for (const name of ["a", "b"]) {
      const asked = event.detail[name];
      state[name] = (asked && state.data.rows.find((row) => row.name === asked.name && (!row.state || row.state === asked.state))) || null;
    }
    sayPair();
    redraw();
  });

  root.hidden = false;
  open(0);
  new ResizeObserver(redraw).observe(stage);
})();
