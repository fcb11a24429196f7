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
  const controls = Object.fromEntries(["image", "a", "b", "swap", "out", "in", "fit"].map((name) => [name, find(`[name=${name}]`)]));
  const panes = find(".x-panes");
  const readout = find(".x-readout");

  // --- bytes to pictures -------------------------------------------------------------------------------------------

  const mod = (a) => a & 255;

  async function inflate(text) {
    const packed = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  // Undoes the median edge predictor of LOCO-I on one plane.
  function unpredict(plane, width) {
    for (let at = 0; at < plane.length; at++) {
      const left = at % width ? plane[at - 1] : 0;
      const up = at >= width ? plane[at - width] : 0;
      const corner = at % width && at >= width ? plane[at - width - 1] : 0;
      const low = Math.min(left, up);
      plane[at] += Math.max(low, Math.min(left + up - corner, left + up - low));
    }
  }

  // The bytes of a part, three a pixel. `reference` has, or will have, those of the part that it was packed against.
  async function unpack(part, reference) {
    const planes = await inflate(part.data);
    const width = part.box[3] * part.submaps;
    const count = planes.length / 3;
    const green = planes.subarray(0, count), red = planes.subarray(count, 2 * count), blue = planes.subarray(2 * count);
    if (part.coding === "spatial") for (const plane of [green, red, blue]) unpredict(plane, width);
    const known = await reference;
    const bytes = new Uint8ClampedArray(3 * count);
    for (let at = 0; at < count; at++) {
      const g = green[at];
      bytes[3 * at] = mod(red[at] + g + (known ? known[3 * at] : 0));
      bytes[3 * at + 1] = mod(g + (known ? known[3 * at + 1] : 0));
      bytes[3 * at + 2] = mod(blue[at] + g + (known ? known[3 * at + 2] : 0));
    }
    return bytes;
  }

  // A raster is {width, height, values}: three numbers a pixel in the picture's own units.
  function raster(part, bytes) {
    const [low, high] = part.bounds;
    const values = Float64Array.from(bytes, (byte) => low + byte / 255 * (high - low));
    return { width: part.box[3] * part.submaps, height: part.box[2], values };
  }

  // One number a pixel: the mean of the channels.
  function grey({ width, height, values }) {
    const mean = new Float64Array(width * height);
    for (let at = 0; at < mean.length; at++) mean[at] = (values[3 * at] + values[3 * at + 1] + values[3 * at + 2]) / 3;
    return mean;
  }

  // --- interpolation: torch.nn.functional.interpolate, align_corners=False -------------------------------------------

  // Of an axis: which of `few` samples the position `at` of `many` reads, and with which weights.
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const taps = {
    nearest(few, many, at) {
      return [[Math.min(Math.floor(Math.fround(at * Math.fround(few / many))), few - 1), 1]];
    },
    bilinear(few, many, at) {
      const where = Math.max((at + 0.5) * few / many - 0.5, 0);
      const first = Math.floor(where);
      return [[first, 1 - (where - first)], [Math.min(first + 1, few - 1), where - first]];
    },
    bicubic(few, many, at) {
      const where = (at + 0.5) * few / many - 0.5;
      const first = Math.floor(where), t = where - first, a = book.cubic;
      const near = (x) => (a + 2) * x ** 3 - (a + 3) * x ** 2 + 1;
      const far = (x) => a * (x ** 3 - 5 * x ** 2 + 8 * x - 4);
      return [far(1 + t), near(t), near(1 - t), far(2 - t)].map((weight, tap) => [clamp(first + tap - 1, 0, few - 1), weight]);
    },
    none: (few, many, at) => [[at, 1]],
  };

  // The cut-out [top, left, height, width] of a picture of `full` size, from the pooled raster of `part`.
  function rebuild(pooled, part, cut, full, upsample) {
    const axis = (n) => Array.from({ length: cut[2 + n] }, (_, at) =>
      taps[upsample](part.size[n], full[n], cut[n] + at).map(([index, weight]) => [index - part.box[n], weight]));
    const [height, width] = [cut[2], cut[3]];
    const tall = new Float64Array(height * pooled.width * 3);
    axis(0).forEach((row, y) => {
      for (const [index, weight] of row) {
        for (let x = 0; x < 3 * pooled.width; x++) tall[y * 3 * pooled.width + x] += weight * pooled.values[index * 3 * pooled.width + x];
      }
    });
    const values = new Float64Array(height * width * 3);
    axis(1).forEach((column, x) => {
      for (const [index, weight] of column) {
        for (let y = 0; y < height; y++) {
          for (let c = 0; c < 3; c++) values[3 * (y * width + x) + c] += weight * tall[3 * (y * pooled.width + index) + c];
        }
      }
    });
    return { width, height, values };
  }

  // --- what can be seen of a picture -----------------------------------------------------------------------------------

  // Rebuilt minus original, the mean of the channels.
  function difference(original, rebuilt) {
    const [before, after] = [grey(original), grey(rebuilt)];
    return { width: original.width, height: original.height, map: after.map((value, at) => value - before[at]) };
  }

  // Local SSIM of Wang et al. 2004, the mean of the channels: an 11-tap Gaussian of sigma 1.5, population covariance,
  // data range 1. Only where the window lies inside: 5 pixels are missing on each side.
  function similarity(original, rebuilt) {
    const reach = 5, { width, height } = original;
    const kernel = Array.from({ length: 2 * reach + 1 }, (_, at) => Math.exp(-((at - reach) ** 2) / (2 * 1.5 ** 2)));
    const total = kernel.reduce((sum, weight) => sum + weight);
    const [w, h] = [width - 2 * reach, height - 2 * reach];
    if (w < 1 || h < 1) return null;
    const blur = (plane) => {
      const across = new Float64Array(w * height), both = new Float64Array(w * h);
      for (let tap = 0; tap <= 2 * reach; tap++) {
        for (let y = 0; y < height; y++) for (let x = 0; x < w; x++) across[y * w + x] += kernel[tap] / total * plane[y * width + x + tap];
      }
      for (let tap = 0; tap <= 2 * reach; tap++) {
        for (let at = 0; at < w * h; at++) both[at] += kernel[tap] / total * across[at + tap * w];
      }
      return both;
    };
    const c1 = 0.01 ** 2, c2 = 0.03 ** 2, map = new Float64Array(w * h);
    for (let channel = 0; channel < 3; channel++) {
      const plane = (of) => Float64Array.from({ length: width * height }, (_, at) => of(3 * at + channel));
      const [a, b] = [original.values, rebuilt.values];
      const [ma, mb, aa, bb, ab] = [(i) => a[i], (i) => b[i], (i) => a[i] ** 2, (i) => b[i] ** 2, (i) => a[i] * b[i]].map((of) => blur(plane(of)));
      for (let at = 0; at < map.length; at++) {
        const va = aa[at] - ma[at] ** 2, vb = bb[at] - mb[at] ** 2, cov = ab[at] - ma[at] * mb[at];
        map[at] += (2 * ma[at] * mb[at] + c1) * (2 * cov + c2) / ((ma[at] ** 2 + mb[at] ** 2 + c1) * (va + vb + c2)) / 3;
      }
    }
    return { width: w, height: h, map };
  }

  // In place, on n = 2^k complex numbers `step` apart: Cooley and Tukey 1965.
  function transform(re, im, start, step, n) {
    for (let i = 1, j = 0; i < n; i++) {
      let bit = n >> 1;
      for (; j & bit; bit >>= 1) j ^= bit;
      j ^= bit;
      if (i < j) {
        const [p, q] = [start + i * step, start + j * step];
        [re[p], re[q], im[p], im[q]] = [re[q], re[p], im[q], im[p]];
      }
    }
    for (let size = 2; size <= n; size <<= 1) {
      for (let k = 0; k < size / 2; k++) {
        const [c, s] = [Math.cos(2 * Math.PI * k / size), -Math.sin(2 * Math.PI * k / size)];
        for (let i = k; i < n; i += size) {
          const p = start + i * step, q = p + size / 2 * step;
          const [x, y] = [re[q] * c - im[q] * s, re[q] * s + im[q] * c];
          [re[q], im[q], re[p], im[p]] = [re[p] - x, im[p] - y, re[p] + x, im[p] + y];
        }
      }
    }
  }

  // log10 of the amplitude by frequency, 0 in the middle: of the channels' mean without its average, under a Hann
  // window, padded to powers of two.
  function spectrum(picture) {
    const { width, height } = picture, values = grey(picture);
    const [w, h] = [width, height].map((length) => 2 ** Math.ceil(Math.log2(length)));
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const hann = (length) => Array.from({ length }, (_, at) => Math.sin(Math.PI * (at + 0.5) / length) ** 2);
    const [across, down] = [hann(width), hann(height)];
    const [re, im] = [new Float64Array(w * h), new Float64Array(w * h)];
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) re[y * w + x] = (values[y * width + x] - mean) * across[x] * down[y];
    for (let y = 0; y < height; y++) transform(re, im, y * w, 1, w);
    for (let x = 0; x < w; x++) transform(re, im, x, w, h);
    const gain = width * height / 4; // the window's sum
    const map = new Float64Array(w * h);
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        const at = (y + h / 2) % h * w + (x + w / 2) % w;
        map[y * w + x] = Math.log10(Math.max(Math.hypot(re[at], im[at]) / gain, 1e-12));
      }
    }
    return { width: w, height: h, map };
  }

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
    return { width, height, map: Float64Array.from({ length: width * height }, (_, at) => values[3 * at]) };
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

  const scales = {
    difference: () => ({ low: -image.scale, high: image.scale, colour: ramp(book.colours.diverging), ends: [`≤ −${image.scale}`, "0, equal", `≥ +${image.scale}`], text: "from blue, darker than the original, over white to red, brighter" }),
    ssim: () => ({ low: 0, high: 1, colour: ramp(book.colours.sequential), ends: ["≤ 0", "0.5", "1, alike"], text: "from dark blue to yellow" }),
    spectrum: () => ({ low: -5, high: -2, colour: ramp(book.colours.sequential), ends: ["≤ 0.00001", "amplitude, log scale", "≥ 0.01"], text: "from dark blue to yellow" }),
    weights: (operator) => {
      const most = book.colours.most / (operator.kernel[0] * operator.kernel[1]);
      return { low: -most, high: most, colour: ramp(book.colours.weights), ends: [`≤ ${format(-most, 2)}`, "0", `≥ ${signed(most, 2)}`], text: "from blue over white to red" };
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
      scale: (choice) => (choice ? scales.weights(choice.operator) : null),
      get about() { return `The weight of each pixel in the pooled image, dy/da, for the grey image; white is 0, red positive, blue negative.${image.draws ? " For a draw in training: the mean of the three channels, which draw independently." : ""}`; },
      of: async (choice) => {
        if (!choice) return flat(await originalOf());
        const part = choice.operator.weights, { cut } = image;
        if (!part) return null;
        const found = await weightsOf(choice.operator);
        return { ...flat({ width: 1, height: 1, values: [0, 0, 0] }), canvas: mapped(found, scales.weights(choice.operator)), place: [part.box[1] - cut[1], part.box[0] - cut[0]], text: (at) => signed(found.map[at], 4) };
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
      readout.textContent = probe ? `Pixel ${probe[0] + image.cut[1]}, ${probe[1] + image.cut[0]} of the image. ${values.join("; ")}.` : `Point at a picture, or move it with the arrow keys, to read values${image.low ? "" : "; weights are available inside the dashed frame"}.`;
    }, probe ? 250 : 0);
  }

  // The weights of the window under the pointer, and of what lies a stride around it.
  async function drawWindow(name) {
    const canvas = find(`.x-window-${name} canvas`), choice = state[name], part = choice && choice.operator.weights;
    const box = part && state.probe && windowAt(choice.operator, state.probe), mine = state.probe;
    const found = box && (await weightsOf(choice.operator));
    if (mine !== state.probe || choice !== state[name]) return;
    const context = canvas.getContext("2d"), inside = [];
    const [sh, sw] = box ? choice.operator.stride : [1, 1], [columns, rows] = box ? [box[2] + 2 * sw, box[3] + 2 * sh] : [1, 1];
    const cell = Math.max(4, Math.floor(336 / Math.max(columns, rows)));
    [canvas.width, canvas.height] = [columns * cell, rows * cell];
    canvas.setAttribute("aria-label", "None");
    if (!box) return;
    const scale = scales.weights(choice.operator);
    const [x0, y0] = [box[0] - sw + image.cut[1] - part.box[1], box[1] - sh + image.cut[0] - part.box[0]];
    context.font = `${Math.floor(cell * 0.36)}px system-ui, sans-serif`;
    [context.textAlign, context.textBaseline] = ["center", "middle"];
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) {
        const [i, j] = [x0 + x, y0 + y], known = i >= 0 && j >= 0 && i < found.width && j < found.height;
        if (x >= sw && y >= sh && x < columns - sw && y < rows - sh) inside.push(known ? format(found.map[j * found.width + i]) : "unknown");
        if (!known) continue;
        const weight = found.map[j * found.width + i], [r, g, b] = scale.colour((weight - scale.low) / (scale.high - scale.low));
        context.fillStyle = `rgb(${r} ${g} ${b})`;
        context.fillRect(x * cell, y * cell, cell, cell);
        context.fillStyle = r + g + b > 330 ? "#000" : "#fff";
        if (cell >= 30 && Math.abs(weight) >= 0.005) context.fillText(format(weight, 2), (x + 0.5) * cell, (y + 0.5) * cell);
      }
    }
    if (inside.every((text) => text === "unknown")) {
      context.clearRect(0, 0, canvas.width, canvas.height);
      return;
    }
    outline(context, sw * cell, sh * cell, box[2] * cell, box[3] * cell, []);
    canvas.setAttribute("aria-label", `Weights that ${titleOf(choice)} gives the pixels of this window: ${inside.join(", ")}`);
  }

  const done = () => (image.low ? "pooled" : "rebuilt");
  const ABOUT = {
    original: () => "the original cut-out", true: (name) => `what ${name} keeps, at its true size`, matched: (name) => `what ${name} keeps, at the size of the original`,
    rebuilt: (name) => (image.low ? `what ${name} keeps` : `rebuilt from what ${name} kept`), difference: (name) => `where ${name} ${done()} differs from the original`,
    ssim: (name) => `local similarity of ${name} ${done()} and the original`, spectrum: (name) => `spectrum of ${name} ${done()}`, weights: (name) => `weights that ${name} gives pixels`,
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
    const made = {};
    for (const [name, choice] of Object.entries(wanted)) {
      const kind = name === "reference" && views[state.view].plain ? "original" : state.view;
      made[name] = await once(`layer ${kind} ${keyOf(choice)}`, () => views[kind].of(choice));
      if (mine !== turn) return;
    }
    layers = made;
    describe();
    redraw();
    root.dataset.ready = turn;
  }

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
  open(0);
})();
