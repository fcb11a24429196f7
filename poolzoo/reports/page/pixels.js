// Pixels of the picture explorer: unpacks, rebuilds, subtracts, compares and transforms rasters. `cubic` is the
// parameter of bicubic interpolation.
const pixels = (cubic) => {
  "use strict";

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
      const first = Math.floor(where), t = where - first, a = cubic;
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

  // |A minus original| minus |B minus original|, the means of the channels: negative where A is closer.
  function closer(original, one, other) {
    const [first, second] = [difference(original, one).map, difference(original, other).map];
    return { width: original.width, height: original.height, map: first.map((error, at) => Math.abs(error) - Math.abs(second[at])) };
  }

  // The square of `side` pixels in which a map is largest, without its signs: [top, left, height, width].
  function mostDifferent({ width, height, map }, side) {
    const table = new Float64Array((width + 1) * (height + 1)), row = width + 1;
    for (let y = 0; y < height; y++) {
      for (let x = 0, sum = 0; x < width; x++) {
        sum += Math.abs(map[y * width + x]);
        table[(y + 1) * row + x + 1] = table[y * row + x + 1] + sum;
      }
    }
    const [tall, wide, step] = [Math.min(side, height), Math.min(side, width), Math.max(1, side >> 2)];
    let best = [-1, 0, 0];
    for (let y = 0; y + tall <= height; y += step) {
      for (let x = 0; x + wide <= width; x += step) {
        const sum = table[(y + tall) * row + x + wide] - table[y * row + x + wide] - table[(y + tall) * row + x] + table[y * row + x];
        if (sum > best[0] * (1 + 1e-9)) best = [sum, y, x];
      }
    }
    // Of squares with the same sum there are many: the middle goes to the middle of what differs.
    let [total, down, over] = [0, 0, 0];
    for (let y = best[1]; y < best[1] + tall; y++) {
      for (let x = best[2]; x < best[2] + wide; x++) {
        const size = Math.abs(map[y * width + x]);
        [total, down, over] = [total + size, down + size * (y + 0.5), over + size * (x + 0.5)];
      }
    }
    const start = (middle, length, most) => clamp(Math.round(middle / (total || 1) - length / 2), 0, most - length);
    return [start(down, tall, height), start(over, wide, width), tall, wide];
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

  return { unpack, raster, grey, rebuild, difference, similarity, spectrum, clamp, closer, mostDifferent };
};
