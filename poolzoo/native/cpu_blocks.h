// Blocks of lanes: `width` channels of a channels_last tensor, or as many planes of a contiguous one, transposed, lie side
// by side at each position. Also which windows there are, of any place and size, and how work is divided into tasks.
#pragma once
#include <algorithm>
#include <numeric>
#include <vector>

#include "cpu_call.h"
#include "cpu_layout.h"

namespace poolzoo {

// All windows, axis by axis.
struct Reaches {
  std::vector<Reach> of[3];
  // The first position that a window or a later one reaches, and one past the last that it or an earlier one does: where
  // windows are dilated, a later one may start further in front.
  std::vector<int64_t> from[3], to[3];

  explicit Reaches(const Geometry& g) {
    for (int axis = 0; axis < 3; ++axis) {
      for (int64_t o = 0; o < g.out[axis]; ++o) {
        if (g.adaptive) {
          of[axis].push_back(bin(g, axis, o));
        } else {
          const Range inside = taps_inside(g, axis, o);
          const int64_t start = o * g.stride[axis] - g.padding[axis];
          of[axis].push_back({start + inside.first * g.dilation[axis], inside.first, inside.last - inside.first});
        }
      }
      for (const Reach& r : of[axis]) {
        from[axis].push_back(r.first);
        to[axis].push_back(r.first + (r.count - 1) * g.dilation[axis] + 1);
      }
      for (int64_t o = g.out[axis] - 2; o >= 0; --o) from[axis][o] = std::min(from[axis][o], from[axis][o + 1]);
      for (int64_t o = 1; o < g.out[axis]; ++o) to[axis][o] = std::max(to[axis][o], to[axis][o - 1]);
    }
  }
};

// Blocks ---------------------------------------------------------------------------------------------------------------

// Which lanes and which outputs one task has: block by block of lanes, and of each block bands of outputs along z, or along
// y where there is one z. The positions of a band are adjacent in memory.
template <class T>
struct Blocks {
  static constexpr int64_t kVector = Lanes<VectorOf<T>>::kCount;
  static constexpr int64_t kMostBytes = 1 << 20, kNearBytes = 1 << 15;  // of one band: parts of a core's own caches

  bool channels_last;
  int axis;                                   // of the bands
  int64_t in_unit, out_unit;                  // positions of one step along it
  int64_t in_positions, out_positions;        // of a plane
  int64_t lanes, width, per_sample;           // lanes of a sample, and of a block; blocks of a sample
  int64_t rows, bands, count;                 // outputs of a band along the axis; how many bands; how many tasks

  // `copies`: how many numbers a band holds for each element of the input; 0 where it is read where it is.
  Blocks(const Geometry& g, const Reaches& reaches, int64_t copies) : channels_last(g.channels_last) {
    axis = g.in[0] > 1 || g.out[0] > 1 ? 0 : 1;
    in_unit = axis ? g.in[2] : g.in[1] * g.in[2];
    out_unit = axis ? g.out[2] : g.out[1] * g.out[2];
    in_positions = in_unit * (axis ? g.in[0] * g.in[1] : g.in[0]);
    out_positions = out_unit * (axis ? g.out[0] * g.out[1] : g.out[0]);
    lanes = channels_last ? g.channels : g.batch * g.channels;
    const int64_t whole = (lanes + kVector - 1) / kVector * kVector;
    // Two vectors, which are reduced at a time; more where they lie side by side, unless a window's rows would leave the
    // nearest cache.
    width = std::min(whole, (copies == 0 ? 64 : copies <= 2 && channels_last ? 8 : 2) * kVector);
    // So that a large window stays in the cache from one pass over it to the next.
    while (copies == 0 && width > 8 * kVector && taps(g) * width * int64_t(sizeof(T)) > kMostBytes) width /= 2;
    // And copied ones in the nearest cache.
    while (copies > 0 && width > 2 * kVector && taps(g) * width * copies * int64_t(sizeof(T)) > kNearBytes)
      width = (width / kVector + 1) / 2 * kVector;
    const auto bytes = [&](int64_t outputs) {
      return reached(g, reaches, outputs) * in_unit * width * std::max<int64_t>(1, copies) * int64_t(sizeof(T));
    };
    per_sample = (lanes + width - 1) / width;
    rows = g.out[axis];
    while (rows > 1 && bytes(rows) > kMostBytes) rows = (rows + 1) / 2;
    bands = (g.out[axis] + rows - 1) / rows;
    count = (channels_last ? g.batch : 1) * per_sample * bands;
  }

  struct Task {
    int64_t sample, lane, lanes;  // the first lane, and how many
    Range outputs;                // along the axis of the bands
  };

  Task task(const Geometry& g, int64_t number) const {
    const int64_t block = number / bands, band = number % bands * rows, lane = block % per_sample * width;
    return {block / per_sample, lane, std::min(width, lanes - lane), {band, std::min(band + rows, g.out[axis])}};
  }

  // Steps of the input that the windows of some outputs reach, and the most that those of so many together reach.
  Range reached(const Reaches& reaches, Range outputs) const {
    return {reaches.from[axis][outputs.first], reaches.to[axis][outputs.last - 1]};
  }
  int64_t reached(const Geometry& g, const Reaches& reaches, int64_t outputs) const {
    int64_t most = 0;
    for (int64_t o = 0; o < g.out[axis]; ++o) {
      const Range r = reached(reaches, Range{o, std::min(o + outputs, g.out[axis])});
      most = std::max(most, r.last - r.first);
    }
    return most;
  }

  // What the backward pass has to do for a band.
  struct Slopes {
    Range owned;     // steps of the input whose gradients it writes: from its windows' start to that of the next band's
    Range reaching;  // the outputs whose windows reach them
    Range touched;   // steps that these windows reach, and the owned ones
  };

  Slopes slopes(const Geometry& g, const Reaches& reaches, Range outputs) const {
    const auto& from = reaches.from[axis];
    const bool ends = outputs.last == g.out[axis];
    Slopes s{{outputs.first == 0 ? 0 : from[outputs.first], ends ? g.in[axis] : from[outputs.last]}, {0, g.out[axis]}, {}};
    Range& r = s.reaching;
    while (r.first + 1 < r.last && reaches.to[axis][r.first] <= s.owned.first) ++r.first;
    while (r.last - 1 > r.first && from[r.last - 1] >= s.owned.last) --r.last;
    const Range all = reached(reaches, r);
    s.touched = {std::min(all.first, s.owned.first), std::max(all.last, s.owned.last)};
    return s;
  }
};

// Whether an element is in so many windows that it pays to prepare it once for all of them, where it is copied anyway, or
// where it would have to be copied for this.
inline bool shared_much(const Geometry& g, bool copied) {
  const int64_t shared = taps(g) / (g.stride[0] * g.stride[1] * g.stride[2]);
  return !g.adaptive && taps(g) <= kMostInFloat && shared >= (copied ? 4 : 9);
}

template <class V>
inline void transpose(V* rows) {  // kCount vectors, each as one row of a matrix
  constexpr int n = Lanes<V>::kCount;
  V other[n];
  for (int step = 1; step < n; step *= 2) {
    for (int i = 0; i < n / 2; ++i)
      put_pairs_together(rows[i], rows[i + n / 2], other[2 * i], other[2 * i + 1], std::make_integer_sequence<int, n>{});
    std::copy_n(other, n, rows);
  }
}

// From a tensor's positions [range.first, range.last) of one task's lanes, of `positions` that each plane has, to a block,
// and back. Lanes that the tensor does not have become 0 in the block.

template <class In, class T>
POOLZOO_ONCE void read_block(const Blocks<T>& b, const typename Blocks<T>::Task& t, const In* in, int64_t positions,
                             Range range, T* to, T sign) {
  using V = VectorOf<T>;
  constexpr int64_t n = Blocks<T>::kVector;
  if (b.channels_last) {
    const In* from = in + (t.sample * positions + range.first) * b.lanes + t.lane;
    const int64_t whole = t.lanes / n * n;  // in vectors, of which nothing need be asked
    for (int64_t i = range.first; i < range.last; ++i, from += b.lanes, to += b.width) {
      for (int64_t c = 0; c < whole; c += n) store(to + c, sign * load_wide<V>(from + c, n));
      for (int64_t c = whole; c < b.width; c += n)
        store(to + c, c < t.lanes ? sign * load_wide<V>(from + c, t.lanes - c) : V{});
    }
    return;
  }
  for (int64_t base = 0; base < b.width; base += n) {
    const In* from = in + (t.lane + base) * positions;
    for (int64_t i = range.first; i < range.last; i += n) {
      const int64_t count = std::min(range.last - i, n);
      V rows[n];
      for (int64_t lane = 0; lane < n; ++lane)
        rows[lane] = base + lane < t.lanes ? sign * load_wide<V>(from + lane * positions + i, count) : V{};
      transpose(rows);
      for (int64_t k = 0; k < count; ++k) store(to + (i - range.first + k) * b.width + base, rows[k]);
    }
  }
}

template <class Out, class T>
POOLZOO_ONCE void write_block(const Blocks<T>& b, const typename Blocks<T>::Task& t, Out* out, int64_t positions,
                              Range range, const T* from) {
  using V = VectorOf<T>;
  constexpr int64_t n = Blocks<T>::kVector;
  if (b.channels_last) {
    Out* to = out + (t.sample * positions + range.first) * b.lanes + t.lane;
    const int64_t whole = t.lanes / n * n;
    for (int64_t i = range.first; i < range.last; ++i, to += b.lanes, from += b.width) {
      for (int64_t c = 0; c < whole; c += n) store_narrow(to + c, load<V>(from + c), n);
      if (whole < t.lanes) store_narrow(to + whole, load<V>(from + whole), t.lanes - whole);
    }
    return;
  }
  Out* to = out + t.lane * positions;
  for (int64_t base = 0; base < t.lanes; base += n, to += n * positions) {
    const int64_t lanes = std::min(n, t.lanes - base);
    if (positions == 1) {
      store_narrow(to, load<V>(from + base), lanes);
      continue;
    }
    for (int64_t i = range.first; i < range.last; i += n) {
      const int64_t count = std::min(range.last - i, n);
      V rows[n];
      for (int64_t k = 0; k < n; ++k) rows[k] = k < count ? load<V>(from + (i - range.first + k) * b.width + base) : V{};
      transpose(rows);
      for (int64_t lane = 0; lane < lanes; ++lane) store_narrow(to + lane * positions + i, rows[lane], count);
    }
  }
}

}  // namespace poolzoo
