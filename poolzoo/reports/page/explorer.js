// The picture explorer: rebuilds, subtracts, compares and transforms one cut-out of each image, on demand. What it
// shows of an operator is made from the operator's pooled values, which the page carries as bytes; explorer.py says how.
(() => {
  "use strict";
  const root = document.getElementById("explorer");
  const source = document.getElementById("explorer-data");
  // Without a way to inflate the bytes, the plain pictures stay.
  if (!root || !source || typeof DecompressionStream === "undefined") return;
  const book = JSON.parse(source.textContent);
  const find = (selector, from = root) => from.querySelector(selector);
  const controls = Object.fromEntries(["image", "a", "b", "swap", "out", "in", "fit", "most"].map((name) => [name, find(`[name=${name}]`)]));
  const panes = find(".x-panes");
  const readout = find(".x-readout");
  const { unpack, raster, grey, rebuild, difference, similarity, spectrum, clamp, closer, mostDifferent } = pixels(book.cubic);

  // --- colours -------------------------------------------------------------------------------------------------------

  // A function from [0, 1] to bytes, linear between the stops.
  const ramp = (stops) => (t) => {
    const at = clamp(t, 0, 1) * (stops.length - 1), below = Math.min(Math.floor(at), stops.length - 2);
    return [0, 1, 2].map((c) => stops[below][c] + (at - below) * (stops[below + 1][c] - stops[below][c]));
  };

  function paint(width, height, colour) {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d"), image = context.createImageData(width, height);
    for (let at = 0; at < width * height; at++) {
      const [r, g, b] = colour(at);
      image.data.set([Math.round(r), Math.round(g), Math.round(b), 255], 4 * at);
    }
    context.putImageData(image, 0, 0);
    return canvas;
  }

  const photo = ({ width, height, values }) =>
    paint(width, height, (at) => [0, 1, 2].map((c) => 255 * clamp(values[3 * at + c], 0, 1)));
  const mapped = ({ width, height, map }, scale) =>
    paint(width, height, (at) => scale.colour((map[at] - scale.low) / (scale.high - scale.low)));

  // --- the state -------------------------------------------------------------------------------------------------------

  const ZOOMS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32];
  const state = { image: 0, a: null, b: null, view: "rebuilt", layout: "columns", zoom: 2, x: 0, y: 0, share: 0.5, probe: null };
  let image = null, parts = new Map(), cache = new Map(), turn = 0, waiting = false, fitted = false, earlier = null;

  // Made once for each image, and forgotten with it.
  function once(key, make) {
    if (!cache.has(key)) cache.set(key, make());
    return cache.get(key);
  }

  const format = (value, digits = 3) => (Math.abs(value) < 0.5 * 10 ** -digits ? 0 : value).toFixed(digits).replace("-", "−");
  const signed = (value, digits = 3) => (value >= 0.5 * 10 ** -digits ? "+" : "") + format(value, digits);

  const bytesOf = (part) => once(`bytes ${part.number}`, () => unpack(part, part.reference === null ? null : bytesOf(parts.get(part.reference))));
  const originalOf = () => once("original", async () => raster(image.original, await bytesOf(image.original)));
  const pooledOf = (operator) => once(`pooled ${operator.rank}`, async () => raster(operator.pooled, await bytesOf(operator.pooled)));
  const weightsOf = (operator) => once(`weights ${operator.rank}`, async () => {
    const part = operator.weights, { width, height, values } = raster(part, await bytesOf(part));
    // Bytes need not hold 0 itself: what is nearer to it than they tell apart is 0.
    const least = 0.75 * (part.bounds[1] - part.bounds[0]) / 255;
    return { width, height, map: Float64Array.from({ length: width * height }, (_, at) => (Math.abs(values[3 * at]) < least ? 0 : values[3 * at])) };
  });

  // A choice is null for the original, or {operator, view}: one operator, rebuilt in one way.
  const keyOf = (choice) => (choice ? `${choice.operator.rank} ${choice.view.upsample}` : "original");
  function rebuiltOf(choice) {
    if (!choice) return originalOf();
    const { operator, view } = choice, { cut, size } = image; // the image may be another one when the bytes are there
    return once(`rebuilt ${keyOf(choice)}`, async () => {
      if (view.picture) return raster(view.picture, await bytesOf(view.picture));
      return rebuild(await pooledOf(operator), operator.pooled, cut, size, view.upsample);
    });
  }

  // The ends of the scales that depend on A and B: of their errors' difference, and of their gradients.
  let apart = 1, heaviest = 1;
  async function setScales() {
    if (state.view === "closer") {
      const map = closer(...await Promise.all([originalOf(), rebuiltOf(state.a), rebuiltOf(state.b)])).map;
      const sorted = Float64Array.from(map, Math.abs).sort(), most = sorted[Math.floor(0.98 * (sorted.length - 1))];
      apart = Number(Math.max(most, 0.002).toPrecision(1));
    } else if (state.view === "weights") {
      const found = await Promise.all([state.a, state.b].filter((choice) => choice && choice.operator.weights).map((choice) => weightsOf(choice.operator)));
      heaviest = Math.max(1e-6, ...found.map(({ map }) => map.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0)));
    }
  }

  const scales = {
    difference: () => ({ low: -image.scale, high: image.scale, colour: ramp(book.colours.diverging), ends: [`≤ −${image.scale}`, "0, equal", `≥ +${image.scale}`], text: "from blue, darker than the original, over white to red, brighter" }),
    ssim: () => ({ low: 0, high: 1, colour: ramp(book.colours.sequential), ends: ["≤ 0", "0.5", "1, alike"], text: "from dark blue to yellow" }),
    spectrum: () => ({ low: -5, high: -2, colour: ramp(book.colours.sequential), ends: ["≤ 0.00001", "amplitude, log scale", "≥ 0.01"], text: "from dark blue to yellow" }),
    closer: () => ({ low: -apart, high: apart, colour: ramp(book.colours.diverging), ends: [`≤ −${apart}, closer`, "0, equal", `≥ +${apart}, farther`], text: "from blue, closer to the original than the other, over white to red, farther" }),
    // The largest weight of A and B is the deepest colour, and small ones are seen: colours go with the root.
    weights: () => {
      const root = (t) => 0.5 + Math.sign(t - 0.5) * Math.sqrt(Math.abs(2 * t - 1)) / 2, colour = ramp(book.colours.weights);
      return { low: -heaviest, high: heaviest, colour: (t) => colour(root(clamp(t, 0, 1))), ends: [format(-heaviest, 3), "0", signed(heaviest, 3)], text: "from blue over white to red, by the square root" };
    },
  };

  // A layer is a canvas, the place [x, y] of its corner in the cut-out, how many of the cut-out's pixels one of its own
  // takes, how its zoom differs, the copies that stand side by side, and the text for a pixel. Where a view is `plain`,
  // it says nothing of the original, which is then shown as it is.
  const colours = (picture) => (at) => [0, 1, 2].map((c) => format(picture.values[3 * at + c])).join(" ");
  function flat(picture) {
    return { canvas: photo(picture), place: [0, 0], step: [1, 1], ratio: [1, 1], copies: 1, text: colours(picture) };
  }
  async function pooledLayer(choice, matched) {
    const part = choice.operator.pooled, { cut, size } = image;
    if (!part) return null;
    const picture = await pooledOf(choice.operator);
    const step = [size[1] / part.size[1], size[0] / part.size[0]];
    return {
      ...flat(picture), step, copies: part.submaps, text: colours(picture), ratio: matched ? [1, 1] : step.map((s) => 1 / s),
      place: [part.box[1] * step[0] - cut[1], part.box[0] * step[1] - cut[0]],
    };
  }
  const views = {
    original: { of: async () => flat(await originalOf()), about: "The original image, in every pane." },
    true: { of: async (choice) => (choice ? pooledLayer(choice, false) : flat(await originalOf())), about: "The pooled image at its own size: one pooled pixel is as large as one pixel of the original." },
    matched: { of: async (choice) => (choice ? pooledLayer(choice, true) : flat(await originalOf())), about: "The pooled image enlarged to the size of the original: each pooled pixel covers its cell, without smoothing." },
    rebuilt: { of: async (choice) => flat(await rebuiltOf(choice)), get about() { return image.low ? "The pooled image at its own size." : "The pooled image, upsampled to full size."; } },
    difference: {
      plain: true,
      scale: () => scales.difference(),
      get about() { return `${image.low ? "Pooled" : "Rebuilt"} minus original, the mean of the three channels, on one scale for all operators of this image.`; },
      of: async (choice) => {
        const scale = scales.difference();
        const found = difference(...await Promise.all([originalOf(), rebuiltOf(choice)]));
        return { ...flat({ width: 1, height: 1, values: [0, 0, 0] }), canvas: mapped(found, scale), text: (at) => signed(found.map[at]) };
      },
    },
    closer: {
      plain: true,
      both: true,
      scale: () => scales.closer(),
      get about() { return `|error A| − |error B| at A, and the reverse at B; an error is ${image.low ? "pooled" : "rebuilt"} minus original, the mean of the three channels. Blue: this operator is closer to the original than the other one; next to its name, in which share of the cut-out's pixels.`; },
      of: async (choice, other) => {
        const found = closer(...await Promise.all([originalOf(), rebuiltOf(choice), rebuiltOf(other)]));
        const share = found.map.filter((value) => value < 0).length / found.map.length;
        return { ...flat({ width: 1, height: 1, values: [0, 0, 0] }), canvas: mapped(found, scales.closer()), text: (at) => signed(found.map[at]), note: `closer in ${Math.round(100 * share)}%` };
      },
    },
    ssim: {
      plain: true,
      scale: () => scales.ssim(),
      get about() { return `Local SSIM of ${image.low ? "pooled" : "rebuilt"} and original (Wang et al. 2004, 11-tap Gaussian window, mean of the channels). It is not defined at the border, where the window would leave the cut-out.`; },
      of: async (choice) => {
        const found = similarity(...await Promise.all([originalOf(), rebuiltOf(choice)]));
        if (!found) return null;
        const mean = found.map.reduce((sum, value) => sum + value, 0) / found.map.length;
        return { ...flat({ width: 1, height: 1, values: [0, 0, 0] }), canvas: mapped(found, scales.ssim()), place: [5, 5], text: (at) => format(found.map[at], 4), note: `mean of this cut-out ${format(mean, 4)}` };
      },
    },
    spectrum: {
      scale: () => scales.spectrum(),
      get about() { return `Amplitude by frequency, in the whole cut-out: frequency 0 in the middle, half a cycle per pixel at the edges. ${image.low ? "Differences to the original's spectrum are errors." : "The frame marks the frequencies that the pooled grid can represent; amplitude outside it, and differences inside it, are errors."}`; },
      of: async (choice) => {
        const { cut, size } = image;
        const found = spectrum(await rebuiltOf(choice)), { width, height } = found;
        const frequency = (at) => [at % width / width - 0.5, Math.floor(at / width) / height - 0.5].map((f) => signed(f)).join(", ");
        return {
          ...flat({ width: 1, height: 1, values: [0, 0, 0] }), canvas: mapped(found, scales.spectrum()), step: [cut[3] / width, cut[2] / height],
          text: (at) => `${(10 ** found.map[at]).toExponential(2).replace("-", "−")} at ${frequency(at)} cycles per pixel`,
          frame: choice && choice.operator.pooled && !image.low ? [size[1], size[0]].map((many, n) => choice.operator.pooled.size[1 - n] / many) : null,
        };
      },
    },
    weights: {
      scale: (choice) => (choice ? scales.weights() : null),
      get about() { return `Gradients dy/da of single pooled pixels, so far apart that each is seen alone, for the grey image: what a small change of each pixel does to them. Of a linear operator, such as avg or lanczos, they are its weights. White is 0, red positive, blue negative.${image.draws ? " For a draw in training: the mean of the three channels, which draw independently." : ""}`; },
      of: async (choice) => {
        if (!choice) return flat(await originalOf());
        const part = choice.operator.weights, { cut } = image;
        if (!part) return null;
        const found = await weightsOf(choice.operator);
        return { ...flat({ width: 1, height: 1, values: [0, 0, 0] }), canvas: mapped(found, scales.weights()), place: [part.box[1] - cut[1], part.box[0] - cut[0]], text: (at) => signed(found.map[at], 4) };
      },
    },
  };

  // --- drawing -------------------------------------------------------------------------------------------------------

  const figures = { reference: find(".x-reference"), a: find(".x-a"), b: find(".x-b"), both: find(".x-both") };
  const canvasOf = (name) => find("canvas", figures[name]);
  const choiceOf = (name) => (name === "reference" ? null : state[name]);
  let layers = {};

  const dense = () => window.devicePixelRatio || 1;
  const shown = () => (state.layout === "slider" ? ["both"] : ["reference", "a", "b"]).filter((name) => figures[name].offsetParent !== null);

  function fitCanvas(canvas) {
    const width = canvas.clientWidth;
    const tallest = state.layout === "slider" ? Math.max(260, Math.min(560, 0.7 * window.innerHeight)) : Infinity;
    const height = Math.min(Math.round(width * image.cut[2] / image.cut[3]), 2 * width, tallest);
    canvas.style.aspectRatio = `${width} / ${height}`; // on paper, too, which has another width
    const [w, h] = [Math.round(width * dense()), Math.round(height * dense())];
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    return [w, h];
  }

  // Where the cut-out's corner lies on a canvas, in its own pixels.
  const corner = (canvas, ratio) => [Math.round(canvas.width / 2 - state.x * state.zoom * ratio[0]), Math.round(canvas.height / 2 - state.y * state.zoom * ratio[1])];

  function drawLayer(canvas, layer, from, to) {
    const context = canvas.getContext("2d");
    context.save();
    context.imageSmoothingEnabled = false;
    context.beginPath();
    context.rect(from, 0, to - from, canvas.height);
    context.clip();
    if (layer) {
      const [left, top] = corner(canvas, layer.ratio);
      const [zx, zy] = layer.ratio.map((ratio) => ratio * state.zoom);
      const [wide, tall] = [image.cut[3] * zx, image.cut[2] * zy], tile = layer.canvas.width / layer.copies;
      for (let copy = 0; copy < layer.copies; copy++) {
        context.save();
        context.beginPath();
        context.rect(left + copy * wide, top, wide, tall);
        context.clip();
        context.drawImage(layer.canvas, copy * tile, 0, tile, layer.canvas.height, left + copy * wide + layer.place[0] * zx, top + layer.place[1] * zy, tile * layer.step[0] * zx, layer.canvas.height * layer.step[1] * zy);
        context.restore();
      }
      if (layer.frame) {
        const [w, h] = [wide * layer.frame[0], tall * layer.frame[1]];
        outline(context, left + (wide - w) / 2, top + (tall - h) / 2, w, h, []);
      }
    }
    context.restore();
  }

  // Seen on any picture: white beneath black.
  function outline(context, x, y, w, h, dashes) {
    for (const [colour, width] of [["#fff", 3], ["#000", 1]]) {
      context.setLineDash(width === 1 ? dashes : []);
      [context.strokeStyle, context.lineWidth] = [colour, width];
      context.strokeRect(Math.round(x) - 0.5, Math.round(y) - 0.5, Math.round(w) + 1, Math.round(h) + 1);
    }
  }

  // The window whose corner is at or before a pixel, [x, y, width, height] in the cut-out.
  function windowAt(operator, [x, y]) {
    if (image.low || !operator.pooled || !operator.kernel || !operator.stride || !operator.padding || !operator.dilation) return null;
    const at = [y, x].map((pixel, axis) => {
      const step = operator.stride[axis], pad = operator.padding[axis], start = image.cut[axis];
      return Math.min(Math.floor((pixel + start + pad) / step), operator.pooled.size[axis] - 1) * step - pad - start;
    });
    const [h, w] = operator.kernel.map((taps, axis) => operator.dilation[axis] * (taps - 1) + 1);
    return [at[1], at[0], w, h];
  }

  function drawMarks(canvas, name, layer) {
    if (!state.probe || state.view === "spectrum" || !layer) return;
    const context = canvas.getContext("2d"), [left, top] = corner(canvas, layer.ratio);
    const put = ([x, y, w, h], dashes) => outline(context, left + x * state.zoom * layer.ratio[0], top + y * state.zoom * layer.ratio[1], w * state.zoom * layer.ratio[0], h * state.zoom * layer.ratio[1], dashes);
    const choice = choiceOf(name) || state.a || state.b;
    const part = choice && choice.operator.weights;
    if (part) put([part.box[1] - image.cut[1], part.box[0] - image.cut[0], part.box[3], part.box[2]], [4, 4]);
    const box = choice && windowAt(choice.operator, state.probe);
    if (box && state.zoom * layer.ratio[0] * box[2] >= 6) put(box, []);
    else put([...state.probe, 1, 1], []);
  }

  function draw() {
    waiting = false;
    if (!image) return;
    for (const name of shown()) {
      const canvas = canvasOf(name);
      const [w, h] = fitCanvas(canvas);
      canvas.getContext("2d").clearRect(0, 0, w, h);
      if (name === "both") {
        const split = Math.round(state.share * w);
        drawLayer(canvas, layers.a, 0, split);
        drawLayer(canvas, layers.b, split, w);
        drawMarks(canvas, "a", layers.a);
        const divider = find(".x-divider");
        divider.style.left = `${100 * state.share}%`;
        divider.setAttribute("aria-valuenow", Math.round(100 * state.share));
        divider.setAttribute("aria-valuetext", `${Math.round(100 * state.share)} percent A, the rest B`);
      } else {
        drawLayer(canvas, layers[name], 0, w);
        drawMarks(canvas, name, layers[name]);
      }
      [canvas.dataset.left, canvas.dataset.top] = corner(canvas, [1, 1]);
      canvas.dataset.zoom = state.zoom;
      canvas.dataset.turn = turn;
    }
    find(".x-factor").value = `${state.zoom}×`;
    controls.out.disabled = state.zoom === ZOOMS[0];
    controls.in.disabled = state.zoom === ZOOMS.at(-1);
    panes.classList.toggle("x-still-fits", fits());
    drawWhole();
    say();
  }
  function redraw() {
    if (!waiting) requestAnimationFrame(draw);
    waiting = true;
  }

  // --- words -------------------------------------------------------------------------------------------------------

  const titleOf = (choice) => (choice ? choice.operator.title : "the original");
  const several = () => new Set(image.operators.flatMap((operator) => operator.views.map((view) => view.upsample))).size > 1;
  const nameOf = (choice) => titleOf(choice) + (choice && !choice.operator.equal ? " †" : "") + (choice && several() ? `, ${choice.view.upsample}` : "");

  function valueAt(layer, [x, y]) {
    if (!layer) return "";
    const tile = layer.canvas.width / layer.copies;
    const [i, j] = [Math.floor((x - layer.place[0]) / layer.step[0] + 1e-9), Math.floor((y - layer.place[1]) / layer.step[1] + 1e-9)];
    return i >= 0 && j >= 0 && i < tile && j < layer.canvas.height ? layer.text(j * layer.canvas.width + i) : "none here";
  }

  let announced = 0;
  function say() {
    const probe = state.probe, values = [];
    for (const name of ["reference", "a", "b"]) {
      const text = probe ? valueAt(layers[name], probe) : "";
      find(".x-value", figures[name]).textContent = text;
      if (name !== "reference") drawWindow(name);
      if (text) values.push(`${name === "reference" ? "original" : `${name.toUpperCase()} ${nameOf(state[name])}`}: ${text}`);
    }
    window.clearTimeout(announced);
    // A reader that speaks hears where the pointer stays, not all that it passes.
    announced = window.setTimeout(() => {
      readout.textContent = probe ? `Pixel ${probe[0] + image.cut[1]}, ${probe[1] + image.cut[0]} of the image. ${values.join("; ")}.` : `Point at a picture, or move it with the arrow keys, to read values${image.low ? "" : "; gradients are available inside the dashed frame"}.`;
    }, probe ? 250 : 0);
  }

  // The window of the pooled pixel with gradients that is nearest to a pixel, [x, y, width, height] in the cut-out: of
  // `every` such pixels along an axis there is one, as the page's own program chose them.
  function gradedWindow(operator, part, at) {
    const box = windowAt(operator, at);
    if (!box) return null;
    const [rows, columns] = operator.every, [sh, sw] = operator.stride, [ph, pw] = operator.padding;
    const snap = (start, corner, step, every, pad, length) => {
      const first = Math.round(corner / step) + Math.floor(every / 2), last = first + every * Math.max(0, Math.floor((length / step - every / 2 - 1) / every));
      const index = (start + pad) / step;
      return clamp(first + every * Math.round((index - first) / every), first, last) * step - pad;
    };
    const left = snap(box[0] + image.cut[1], part.box[1], sw, columns, pw, part.box[3]) - image.cut[1];
    return [left, snap(box[1] + image.cut[0], part.box[0], sh, rows, ph, part.box[2]) - image.cut[0], box[2], box[3]];
  }

  // The gradient of one pooled pixel: of the nearest to the pointer, or of one in the middle.
  async function drawWindow(name) {
    const canvas = find(`.x-window-${name} canvas`), choice = state[name], part = choice && choice.operator.weights, mine = state.probe;
    const middle = part && [part.box[1] - image.cut[1] + (part.box[3] >> 1), part.box[0] - image.cut[0] + (part.box[2] >> 1)];
    const box = part && gradedWindow(choice.operator, part, state.probe || middle);
    const found = box && (await weightsOf(choice.operator));
    if (mine !== state.probe || choice !== state[name]) return;
    const context = canvas.getContext("2d"), inside = [];
    const around = (axis) => Math.max(0, Math.floor((choice.operator.every[axis] * choice.operator.stride[axis] - box[3 - axis]) / 2));
    const [mh, mw] = box ? [around(0), around(1)] : [0, 0], [columns, rows] = box ? [box[2] + 2 * mw, box[3] + 2 * mh] : [1, 1];
    const cell = Math.max(4, Math.floor(384 / Math.max(columns, rows)));
    [canvas.width, canvas.height] = [columns * cell, rows * cell];
    canvas.setAttribute("aria-label", "None");
    if (!box) return;
    const most = found.map.reduce((high, weight) => Math.max(high, Math.abs(weight)), 1e-9), scale = { ...scales.weights(), low: -most, high: most };
    const [x0, y0] = [box[0] - mw + image.cut[1] - part.box[1], box[1] - mh + image.cut[0] - part.box[0]];
    context.font = `${Math.floor(cell * 0.36)}px system-ui, sans-serif`;
    [context.textAlign, context.textBaseline] = ["center", "middle"];
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) {
        const [i, j] = [x0 + x, y0 + y], known = i >= 0 && j >= 0 && i < found.width && j < found.height;
        if (x >= mw && y >= mh && x < columns - mw && y < rows - mh) inside.push(known ? format(found.map[j * found.width + i]) : "unknown");
        if (!known) continue;
        const weight = found.map[j * found.width + i], [r, g, b] = scale.colour((weight - scale.low) / (scale.high - scale.low));
        context.fillStyle = `rgb(${r} ${g} ${b})`;
        context.fillRect(x * cell, y * cell, cell, cell);
        context.fillStyle = r + g + b > 330 ? "#000" : "#fff";
        if (canvas.clientWidth >= 20 * columns && Math.abs(weight) >= 0.005) context.fillText(format(weight, 2), (x + 0.5) * cell, (y + 0.5) * cell);
      }
    }
    if (inside.every((text) => text === "unknown")) {
      context.clearRect(0, 0, canvas.width, canvas.height);
      return;
    }
    outline(context, mw * cell, mh * cell, box[2] * cell, box[3] * cell, []);
    canvas.setAttribute("aria-label", `Gradient of one pixel pooled by ${titleOf(choice)}, in its window: ${inside.join(", ")}`);
  }

  const done = () => (image.low ? "pooled" : "rebuilt");
  const ABOUT = {
    original: () => "the original cut-out", true: (name) => `what ${name} keeps, at its true size`, matched: (name) => `what ${name} keeps, at the size of the original`,
    rebuilt: (name) => (image.low ? `what ${name} keeps` : `rebuilt from what ${name} kept`), difference: (name) => `where ${name} ${done()} differs from the original`,
    closer: (name) => `where ${name} ${done()} is closer to the original than the other`, ssim: (name) => `local similarity of ${name} ${done()} and the original`, spectrum: (name) => `spectrum of ${name} ${done()}`, weights: (name) => `gradients of pixels pooled by ${name}`,
  };

  function describe() {
    for (const name of ["reference", "a", "b"]) {
      const choice = choiceOf(name), layer = layers[name];
      const missing = layer ? "" : "not known for this operator";
      const scores = [choice ? choice.view.scores : `${image.size[1]} × ${image.size[0]} pixels`, layer && layer.note, missing].filter(Boolean).join(" · ");
      find(".x-scores", figures[name]).textContent = scores;
      if (choice || name !== "reference") find(".x-name", figures[name]).textContent = nameOf(choice);
      canvasOf(name).setAttribute("aria-label", `${image.name}: ${choice ? ABOUT[state.view](nameOf(choice)) : "the original"}${missing && `, ${missing}`}`);
    }
    for (const [name, side] of [["a", ".x-left"], ["b", ".x-right"]]) {
      find(`.x-name-${name}`).textContent = nameOf(state[name]);
      find(`${side} .x-scores`).textContent = find(".x-scores", figures[name]).textContent;
    }
    canvasOf("both").setAttribute("aria-label", `${image.name}, left ${ABOUT[state.view](nameOf(state.a))}, right ${ABOUT[state.view](nameOf(state.b))}`);
    const view = views[state.view], scale = view.scale && view.scale(state.a || state.b), legend = find(".x-legend");
    legend.hidden = !scale;
    if (scale) {
      const strip = find("canvas", legend);
      strip.getContext("2d").drawImage(paint(256, 1, (at) => scale.colour(at / 255)), 0, 0, 256, strip.height);
      strip.setAttribute("aria-label", `Colour scale ${scale.text}: ${scale.ends.join(", ")}`);
      legend.querySelectorAll("span").forEach((span, at) => { span.textContent = scale.ends[at]; });
    }
    find(".x-explains").textContent = view.about;
    const chosen = [state.a, state.b].filter(Boolean);
    const steps = chosen.map(({ operator }) => operator.pooled).filter((part) => part && part.bounds[1] - part.bounds[0] > 1).map((part) => `${format(part.bounds[0], 2)} to ${format(part.bounds[1], 2)}`);
    find(".x-exact").textContent = [
      `A cut-out of ${image.cut[3]} × ${image.cut[2]} pixels, stored without loss in steps of 1/255${steps.length ? ` (of the range ${[...new Set(steps)].join(" and ")} where values leave 0 to 1)` : ""}; the scores next to the names are of the whole image, before any rounding.`,
      chosen.some(({ operator }) => operator.clipped) ? "Values outside 0 to 1 were clipped when these pictures were saved." : "",
      chosen.some(({ operator }) => operator.pooled && operator.pooled.submaps > 1) ? "Submaps stand side by side." : "",
      chosen.some(({ operator }) => !operator.equal) ? "† keeps a different fraction of the values than a plain pool: not an equal comparison." : "",
    ].filter(Boolean).join(" ");
  }

  // The whole picture, from the plain figures, with the cut-out and what is seen of it.
  function drawWhole() {
    const canvas = find(".x-whole canvas"), small = document.querySelectorAll(".x-still")[state.image].querySelector("img");
    const width = small.width, height = small.height, context = canvas.getContext("2d");
    [canvas.width, canvas.height] = [width, height];
    if (small.naturalWidth) context.drawImage(small, 0, 0, width, height);
    else {
      small.loading = "eager";
      small.decode().then(redraw, () => {});
    }
    const scale = width / image.size[1], [top, left, tall, wide] = image.cut;
    outline(context, left * scale, top * scale, wide * scale, tall * scale, []);
  }

  // --- changes -------------------------------------------------------------------------------------------------------

  // The layers of all panes; what was asked for before is dropped when it comes late.
  async function load() {
    const mine = ++turn;
    const wanted = { reference: null, a: state.a, b: state.b };
    const made = {}, pair = views[state.view].both || state.view === "weights" ? ` ${keyOf(state.a)} ${keyOf(state.b)}` : "";
    await setScales();
    for (const [name, choice] of Object.entries(wanted)) {
      if (mine !== turn) return;
      const kind = name === "reference" && views[state.view].plain ? "original" : state.view;
      made[name] = await once(`layer ${kind} ${keyOf(choice)}${pair}`, () => views[kind].of(choice, name === "a" ? state.b : state.a));
    }
    if (mine !== turn) return;
    tell();
    layers = made;
    describe();
    redraw();
    root.dataset.ready = turn;
  }

  // Tells the plot what A and B are, once each.
  let told = "";
  function tell() {
    const said = (choice) => choice && { name: choice.operator.label, state: choice.operator.state };
    const detail = { a: said(state.a), b: said(state.b) };
    if (told !== JSON.stringify(detail)) document.dispatchEvent(new CustomEvent("poolzoo:chosen", { detail }));
    told = JSON.stringify(detail);
  }
  // The plot chose an operator: the same upsampler as before if it is there.
  document.addEventListener("poolzoo:choose", (event) => {
    const { side, name, state: asked } = event.detail;
    const operator = image && image.operators.find((other) => other.label === name && (!asked || other.state === asked) && other.views.length);
    if (!operator) return;
    const now = state[side] || state[side === "a" ? "b" : "a"];
    const view = operator.views.find((other) => now && other.upsample === now.view.upsample) || operator.views[0];
    state[side] = { operator, view };
    controls[side].value = keyOf(state[side]);
    event.preventDefault();
    load();
  });

  const fits = () => {
    const canvas = canvasOf(shown()[0] || "a");
    return state.zoom * image.cut[3] <= canvas.width && state.zoom * image.cut[2] <= canvas.height;
  };
  function limit() {
    state.x = clamp(state.x, 0, image.cut[3] * Math.max(1, ...Object.values(layers).map((layer) => (layer ? layer.copies : 1))));
    state.y = clamp(state.y, 0, image.cut[2]);
  }

  // One step in or out, so that the point [x, y] of the cut-out stays where it is.
  function zoomBy(steps, [x, y] = [state.x, state.y]) {
    const place = clamp(ZOOMS.indexOf(state.zoom) + steps, 0, ZOOMS.length - 1), before = state.zoom;
    state.zoom = ZOOMS[place];
    [state.x, state.y] = [x + (state.x - x) * before / state.zoom, y + (state.y - y) * before / state.zoom];
    limit();
    redraw();
    return state.zoom !== before;
  }
  // Shows [top, left, height, width] of the cut-out: as large as it fits in, or so large that nothing around is seen.
  function fit(cover = false, [top, left, tall, wide] = [0, 0, image.cut[2], image.cut[3]]) {
    const canvas = canvasOf(shown()[0] || "a"), [w, h] = fitCanvas(canvas);
    const whole = Math.min(w / wide, h / tall);
    fitted = w > 0;
    state.zoom = cover ? ZOOMS.find((zoom) => zoom >= whole) || ZOOMS.at(-1) : ZOOMS.filter((zoom) => zoom <= whole).at(-1) || 1;
    [state.x, state.y] = [left + wide / 2, top + tall / 2];
    redraw();
  }

  // Weights are known of a part, and a spectrum is of the whole: both move the picture, and what comes after moves it back.
  function see() {
    const part = state.view === "weights" && (state.a || state.b) && (state.a || state.b).operator.weights;
    const here = earlier || [state.zoom, state.x, state.y];
    earlier = part || state.view === "spectrum" ? here : null;
    if (part) fit(false, [part.box[0] - image.cut[0], part.box[1] - image.cut[1], part.box[2], part.box[3]]);
    else if (state.view === "spectrum") fit();
    else [state.zoom, state.x, state.y] = here;
  }

  function fill(select, chosen) {
    const groups = new Map([["", [new Option("original", "original")]]]);
    const choices = image.operators.flatMap((operator) => operator.views.map((view) => ({ operator, view })));
    for (const { operator, view } of choices.sort((one, other) => one.view.place - other.view.place)) {
      const title = image.low ? "Pooled" : `Rebuilt, ${view.upsample}`;
      if (!groups.has(title)) groups.set(title, []);
      groups.get(title).push(new Option(operator.title + (operator.equal ? "" : " †") + (operator.baseline ? " – baseline" : ""), keyOf({ operator, view })));
    }
    select.replaceChildren(...[...groups].map(([title, options]) => {
      if (!title) return options[0];
      const group = document.createElement("optgroup");
      group.label = title;
      group.append(...options);
      return group;
    }));
    select.value = keyOf(chosen);
  }

  function choose(value) {
    for (const operator of image.operators) for (const view of operator.views) if (keyOf({ operator, view }) === value) return { operator, view };
    return null;
  }
  // The same operator in another image, if it is there.
  function again(choice, otherwise) {
    const operator = choice && image.operators.find((other) => other.title === choice.operator.title);
    const view = operator && operator.views.find((other) => other.upsample === choice.view.upsample);
    return view ? { operator, view } : otherwise;
  }

  function open(number) {
    const chosen = image ? [state.a, state.b] : null;
    state.image = number;
    image = book.images[number];
    controls.image.value = String(number);
    [cache, layers, state.probe, earlier] = [new Map(), {}, null, null];
    const carried = image.operators.flatMap((operator) => [operator.pooled, operator.weights, ...operator.views.map((view) => view.picture)]);
    parts = new Map([image.original, ...carried].filter(Boolean).map((part) => [part.number, part]));
    const ranked = image.operators.filter((operator) => operator.views.length);
    const first = (operator) => operator && { operator, view: operator.views[0] };
    const base = ranked.find((operator) => operator.baseline) || ranked[1] || ranked[0];
    const others = ranked.filter((operator) => operator !== base);
    const best = first(others.find((operator) => operator.equal) || others[0] || base);
    state.a = chosen && !chosen[0] ? null : again(chosen && chosen[0], best);
    state.b = chosen && !chosen[1] ? null : again(chosen && chosen[1], first(base));
    fill(controls.a, state.a);
    fill(controls.b, state.b);
    // At low resolution the rebuilt picture is the pooled one, and no window lies on it.
    for (const name of ["true", "matched", "weights"]) {
      const radio = find(`[name=view][value=${name}]`);
      radio.parentNode.hidden = image.low;
      if (image.low && radio.checked) find("[name=view][value=rebuilt]").click();
    }
    find(".x-windows").hidden = image.low;
    find("[name=view][value=rebuilt] + span").textContent = image.low ? "Pooled" : "Rebuilt";
    find(".x-whole figcaption").textContent = `${image.name}, ${image.low ? "made small to " : ""}${image.size[1]} × ${image.size[0]} pixels. The frame is the cut-out, where there is most detail.`;
    fit(true);
    see();
    load();
    seek().then(() => { root.dataset.sought = number; });
  }

  // Shows where A and B differ most: the square of a part of the cut-out with the largest difference of their errors.
  async function seek() {
    const [a, b, number] = [state.a, state.b, state.image];
    const found = closer(...await Promise.all([originalOf(), rebuiltOf(a), rebuiltOf(b)]));
    if (number !== state.image || a !== state.a || b !== state.b || !found.map.some((value) => value)) return;
    const side = Math.max(32, Math.round(Math.min(image.cut[2], image.cut[3]) / 2));
    if (state.view === "spectrum" || state.view === "weights") return; // they have a place of their own
    earlier = null;
    fit(true, mostDifferent(found, side));
  }

  // --- hands -------------------------------------------------------------------------------------------------------

  // The place of a pointer in the cut-out, in its pixels.
  function placeOf(event) {
    const canvas = event.currentTarget, box = canvas.getBoundingClientRect();
    const name = Object.keys(figures).find((key) => figures[key].contains(canvas));
    const layer = layers[name === "both" ? "a" : name], ratio = layer ? layer.ratio : [1, 1], [left, top] = corner(canvas, ratio);
    const [x, y] = [(event.clientX - box.left) * canvas.width / box.width, (event.clientY - box.top) * canvas.height / box.height];
    return [(x - left) / (state.zoom * ratio[0]), (y - top) / (state.zoom * ratio[1])];
  }
  function probe([x, y]) {
    const [i, j] = [Math.floor(x), Math.floor(y)];
    state.probe = i >= 0 && j >= 0 && i < image.cut[3] && j < image.cut[2] ? [i, j] : null;
    redraw();
  }

  const fingers = new Map();
  let spread = 0;
  for (const name of Object.keys(figures)) {
    const canvas = canvasOf(name);
    canvas.addEventListener("pointerdown", (event) => {
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      canvas.setPointerCapture(event.pointerId);
      spread = 0;
      probe(placeOf(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      const last = fingers.get(event.pointerId);
      if (last) {
        fingers.set(event.pointerId, [event.clientX, event.clientY]);
        const scale = dense() / state.zoom / fingers.size;
        state.x -= (event.clientX - last[0]) * scale;
        state.y -= (event.clientY - last[1]) * scale;
        limit();
        if (fingers.size === 2) {
          const [one, other] = [...fingers.values()], now = Math.hypot(one[0] - other[0], one[1] - other[1]);
          spread = spread || now;
          if (now > 1.3 * spread || now < spread / 1.3) {
            zoomBy(now > spread ? 1 : -1);
            spread = now;
          }
        }
      }
      probe(placeOf(event));
    });
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) canvas.addEventListener(type, (event) => fingers.delete(event.pointerId));
    canvas.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse" && !fingers.size) {
        state.probe = null;
        redraw();
      }
    });
    canvas.addEventListener("wheel", (event) => {
      // At the last step the page scrolls on.
      if (event.deltaY && zoomBy(event.deltaY < 0 ? 1 : -1, placeOf(event))) event.preventDefault();
    }, { passive: false });
  }

  const divider = find(".x-divider");
  function share(value) {
    state.share = clamp(value, 0, 1);
    redraw();
  }
  divider.addEventListener("pointerdown", (event) => divider.setPointerCapture(event.pointerId));
  divider.addEventListener("pointermove", (event) => {
    const box = find(".x-stage").getBoundingClientRect();
    if (divider.hasPointerCapture(event.pointerId)) share((event.clientX - box.left) / box.width);
  });
  const SHARES = { ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02, PageDown: -0.1, PageUp: 0.1, Home: -1, End: 1 };
  divider.addEventListener("keydown", (event) => {
    if (!(event.key in SHARES)) return;
    share(state.share + SHARES[event.key]);
    event.preventDefault();
    event.stopPropagation();
  });

  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  panes.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in MOVES) {
      const canvas = canvasOf(shown()[0]), step = event.shiftKey ? 1 : Math.max(1, Math.round(canvas.width / state.zoom / 8));
      state.x = Math.floor(state.x + MOVES[event.key][0] * step) + 0.5;
      state.y = Math.floor(state.y + MOVES[event.key][1] * step) + 0.5;
      limit();
      probe([Math.min(state.x, image.cut[3] - 1), Math.min(state.y, image.cut[2] - 1)]);
    } else if (event.key === "+" || event.key === "=") zoomBy(1);
    else if (event.key === "-") zoomBy(-1);
    else if (event.key === "0") fit();
    else return;
    event.preventDefault();
  });

  controls.in.addEventListener("click", () => zoomBy(1));
  controls.out.addEventListener("click", () => zoomBy(-1));
  controls.fit.addEventListener("click", () => fit());
  controls.most.addEventListener("click", () => seek());
  controls.swap.addEventListener("click", () => {
    [state.a, state.b] = [state.b, state.a];
    [controls.a.value, controls.b.value] = [keyOf(state.a), keyOf(state.b)];
    load();
  });
  controls.image.addEventListener("change", () => open(Number(controls.image.value)));
  for (const name of ["a", "b"]) {
    controls[name].addEventListener("change", () => {
      state[name] = choose(controls[name].value);
      load();
    });
  }
  root.addEventListener("change", (event) => {
    if (event.target.name === "view") {
      state.view = event.target.value;
      see();
      load();
    } else if (event.target.name === "layout") {
      state.layout = event.target.value;
      for (const name of Object.keys(figures)) figures[name].hidden = (name === "both") !== (state.layout === "slider");
      panes.classList.toggle("x-one", state.layout === "slider");
      earlier = null;
      fit(true);
      see();
    }
  });

  root.hidden = false;
  document.getElementById("explorer-plain").hidden = true;
  // Inside of what is folded up there is no size to fit into yet.
  new ResizeObserver(() => (fitted ? redraw() : fit(true))).observe(panes);
  open(book.first);
})();
