// The CPU's loops over windows, forward and backward, for any reducer of reducers.h: any strides, padding and dilation, one
// to three axes, contiguous and channels_last.
//
// The geometry alone decides how work is divided into tasks, and one task computes each output, in a fixed order:
// results do not depend on the number of threads. The loops treat both layouts alike: each position has `inner`
// adjacent numbers (1, or the channels), and a row of outputs is a vector of `out width * inner` numbers.
//
// There are four paths. The lanes path, in cpu_lanes.h, has a plane or a channel in each lane of a vector. It is for inputs
// with enough channels, for short rows of outputs, and for adaptive windows. The runs path, in cpu_runs.h, has elements of
// the same window in the lanes. It is for windows whose elements lie side by side, such as whole maps.
//
// The general path copies each input row once, in T and sorted by phase: position x of the padded row goes to phase
// x % stride, place x / stride, absent elements included. The elements of one tap for a whole row of outputs are then
// contiguous, and windows are reduced kVector outputs at a time without a mask. Rows are kept while windows need them.
// The pairs path needs no copy. It is for adjacent windows of width two that lie inside the input: registers are split
// into even and odd elements.
#pragma once
#include <algorithm>
#include <numeric>
#include <vector>

#include "cpu_call.h"
#include "cpu_lanes.h"
#include "cpu_layout.h"
#include "cpu_runs.h"

namespace poolzoo {

template <class Body>
inline void parallel_for(Parallel parallel, int64_t count, int64_t elements_a_task, Body& body) {
  auto call = [](int64_t first, int64_t last, void* context) { (*static_cast<Body*>(context))(first, last); };
  parallel(count, std::max<int64_t>(1, 32768 / std::max<int64_t>(1, elements_a_task)), call, &body);
}

// The general path -------------------------------------------------------------------------------------------------------

// The rows that windows still reach, each as planes `length` apart: one of each input, and two of a Split.
template <class R, class T>
class Rows {
 public:
  using V = VectorOf<T>;
  static constexpr int kPlanes = R::kInputs + 2 * R::kSplits;

  Rows(const R& reducer, const Layout<T>& layout, const Call& call) : reducer_(reducer), l_(layout), call_(call) {
    // Along y as many as a window spans. Where windows overlap along z, whole slices, unless they would leave the cache.
    const Geometry& g = call.g;
    slices_ = span(g, 0);
    rows_ = span(g, 1);
    if (overlaps(g, 0) && slices_ * g.in[1] * row_size() * int64_t(sizeof(T)) <= (1 << 20)) rows_ = std::max(rows_, g.in[1]);
    held_.assign(slices_ * rows_, {-1, false});
    data_ = Buffer<T>(slices_ * rows_ * row_size());
    for (int64_t i = 0; i < slices_ * rows_ * kPlanes; ++i)
      std::fill_n(data_.get() + i * l_.length, l_.length, fill(i % kPlanes));
  }

  struct Row {
    const T* data;
    bool splits;  // every element could be split
  };

  Row get(int64_t plane, int64_t z, int64_t y) {
    const Geometry& g = call_.g;
    int64_t slot = z % slices_ * rows_ + y % rows_, row = (plane * g.in[0] + z) * g.in[1] + y;
    T* data = data_.get() + slot * row_size();
    if (held_[slot].row != row) {
      for (int i = 0; i < R::kInputs; ++i)
        read_row(l_, call_.dtype, call_.in[i], row * l_.width, data + i * l_.length, reducer_.sign);
      held_[slot] = {row, split(data)};
    }
    return {data, held_[slot].splits};
  }

 private:
  struct Held {
    int64_t row;
    bool splits;
  };

  int64_t row_size() const { return kPlanes * l_.length; }

  static T fill(int plane) {
    if constexpr (R::kSplits)
      if (plane > 0) return plane == 1 ? R::absent().m : R::absent().n;
    return R::fill(plane);
  }

  bool split(T* data) const {
    V check{};
    if constexpr (R::kSplits)
      for (const auto& phase : l_.phases) {
        T* a = data + phase.offset + phase.first * l_.inner;
        for (int64_t i = 0, n = (phase.last - phase.first) * l_.inner; i < n; i += l_.kVector) {
          int64_t count = std::min(n - i, l_.kVector);
          auto e = reducer_.split(load_wide<V>(a + i, count));
          check += e.m;
          store_narrow(a + i + l_.length, e.m, count);
          store_narrow(a + i + 2 * l_.length, e.n, count);
        }
      }
    return !any(check != check);
  }

  const R& reducer_;
  const Layout<T>& l_;
  const Call& call_;
  int64_t slices_, rows_;
  std::vector<Held> held_;
  Buffer<T> data_;
};

// A row of windows: the input rows that they reach, and how to walk and reduce kVector of them.
template <class R, class T>
class WindowRow {
 public:
  using V = VectorOf<T>;
  using Window = typename R::template Window<V>;
  using Closed = typename R::template Closed<V>;

  struct Reached {
    const T* data;
    int64_t z, y, first;  // first: the number of its first tap
  };
  std::vector<Reached> rows;

  WindowRow(const R& reducer, const Layout<T>& layout, const Geometry& geometry) : r_(reducer), l_(layout), g_(geometry) {}

  void find(Rows<R, T>& source, int64_t plane, int64_t oz, int64_t oy) {
    rows.clear();
    splits_ = true;
    Range zs = taps_inside(g_, 0, oz), ys = taps_inside(g_, 1, oy);
    for (int64_t kz = zs.first; kz < zs.last; ++kz) {
      int64_t z = oz * g_.stride[0] - g_.padding[0] + kz * g_.dilation[0];
      for (int64_t ky = ys.first; ky < ys.last; ++ky) {
        int64_t y = oy * g_.stride[1] - g_.padding[1] + ky * g_.dilation[1];
        auto row = source.get(plane, z, y);
        rows.push_back({row.data, z, y, (kz * g_.kernel[1] + ky) * g_.kernel[2]});
        splits_ &= row.splits;
      }
    }
  }

  // Of the windows `at` to `at + kVector`.
  Window reduce(int64_t at) const {
    auto w = r_.template open<V>();
    each(at, [&](const Tap<V>& tap, const T*) { r_.seek(w, tap); });
    if constexpr (R::kPasses == 1) return w;
    else {
      r_.settle(w);
      if constexpr (R::kPasses == 3) {
        each(at, [&](const Tap<V>& tap, const T*) { r_.measure(w, tap); });
        r_.prepare(w);
      }
      if constexpr (!R::kSplits) each(at, [&](const Tap<V>& tap, const T*) { r_.add(w, tap); });
      else {
        auto other = w;
        each(at, [&](const Tap<V>& tap, const T* p) { r_.add(w, tap, split(p)); });
        if (!splits_ && any(w.sums.sum != w.sums.sum)) {
          each(at, [&](const Tap<V>& tap, const T*) { r_.add(other, tap); });
          r_.take_over(w, other);
        }
      }
      return w;
    }
  }

  // dy/da of one tap of those windows; with `second`, dy/db.
  V slope(const Window& w, const Closed& c, const Reached& row, int64_t tap, int64_t at, bool second) const {
    const T* p = row.data + l_.taps[tap] + at;
    Tap<V> e = element(p, row.first + tap, l_.taps[tap] + at);
    if constexpr (R::kInputs == 2)
      if (second) return r_.slope_second(c, e);
    if constexpr (R::kSplits) return r_.slope(w, c, e, split(p));
    else return r_.slope(c, e);
  }

 private:
  Tap<V> element(const T* p, int64_t number, int64_t place) const {
    return {load<V>(p), load<V>(p + (R::kInputs - 1) * l_.length), load<V>(l_.here.get() + place), every<V>(number)};
  }

  auto split(const T* p) const {
    return typename R::template Split<V>{load<V>(p + l_.length), load<V>(p + 2 * l_.length)};
  }

  template <class F>
  void each(int64_t at, F f) const {
    for (const Reached& row : rows)
      for (size_t tap = 0; tap < l_.taps.size(); ++tap) {
        int64_t place = l_.taps[tap] + at;
        f(element(row.data + place, row.first + tap, place), row.data + place);
      }
  }

  const R& r_;
  const Layout<T>& l_;
  const Geometry& g_;
  bool splits_;
};

// Tasks of the forward pass: bands of output rows of one plane, long enough that rows shared by two bands cost little.
struct Bands {
  int64_t rows, per_plane, count;
  Bands(const Geometry& g, int64_t planes, int64_t row_elements) {
    int64_t all = g.out[0] * g.out[1];
    rows = std::min(all, std::max<int64_t>({1, 16384 / std::max<int64_t>(1, row_elements), 8 * span(g, 1) / g.stride[1]}));
    per_plane = (all + rows - 1) / rows;
    count = planes * per_plane;
  }
};

template <class R, class T>
void forward_general(const Call& call, const R& r, Parallel parallel) {
  const Geometry& g = call.g;
  const Layout<T> l(g);
  const Bands bands(g, l.planes, l.width * g.stride[1] * g.stride[0]);
  auto body = [&](int64_t first, int64_t last) {
    Rows<R, T> source(r, l, call);
    WindowRow<R, T> windows(r, l, g);
    Buffer<T> y(l.out_width + l.kVector);
    for (int64_t task = first; task < last; ++task) {
      int64_t plane = task / bands.per_plane, begin = task % bands.per_plane * bands.rows;
      for (int64_t row = begin; row < std::min(begin + bands.rows, g.out[0] * g.out[1]); ++row) {
        windows.find(source, plane, row / g.out[1], row % g.out[1]);
        for (int64_t at = 0; at < l.out_width; at += l.kVector) store(y.get() + at, r.sign * r.value(windows.reduce(at)));
        narrow_row(call.dtype, y.get(), call.out, (plane * g.out[0] * g.out[1] + row) * l.out_width, l.out_width);
      }
    }
  };
  parallel_for(parallel, bands.count, bands.rows * l.width, body);
}

// Tasks of the backward pass: boxes of input rows of one plane, a whole number of strides along z and y, so that where
// windows do not overlap none is reduced twice.
struct Boxes {
  int64_t size[2], per_axis[2], per_plane, count;
  Boxes(const Geometry& g, int64_t planes, int64_t row_length) {
    for (int axis = 1; axis >= 0; --axis) {
      int64_t s = g.stride[axis], room = 32768 / (row_length * (axis ? 1 : size[1]));
      size[axis] = std::max<int64_t>(1, std::max<int64_t>(room, overlaps(g, axis) ? 4 * span(g, axis) : 1) / s) * s;
      per_axis[axis] = (g.in[axis] + g.padding[axis] + size[axis] - 1) / size[axis];
      size[axis] = std::min(size[axis], (g.in[axis] + g.padding[axis] + s - 1) / s * s);
    }
    per_plane = per_axis[0] * per_axis[1];
    count = planes * per_plane;
  }
  Range inputs(const Geometry& g, int axis, int64_t box) const {
    int64_t first = box * size[axis] - g.padding[axis];
    return {std::max<int64_t>(0, first), std::min(first + size[axis], g.in[axis])};
  }
  Range outputs(const Geometry& g, int axis, int64_t box) const {  // those that reach the box
    int64_t first = box * size[axis], s = g.stride[axis];
    return {std::max<int64_t>(0, (first - span(g, axis) + s) / s), std::min((first + size[axis] + s - 1) / s, g.out[axis])};
  }
};

template <class R, class T>
void backward_general(const Call& call, const R& r, Parallel parallel) {
  using V = VectorOf<T>;
  const Geometry& g = call.g;
  const Layout<T> l(g);
  const Boxes boxes(g, l.planes, l.length);
  std::vector<double> params(call.grad_param ? boxes.count : 0);
  auto body = [&](int64_t first, int64_t last) {
    Rows<R, T> source(r, l, call);
    WindowRow<R, T> windows(r, l, g);
    const int64_t box_length = boxes.size[0] * boxes.size[1] * l.length;
    Buffer<T> grad(l.out_width + l.kVector), sums(R::kInputs * box_length);
    std::fill_n(grad.get(), l.out_width + l.kVector, T(0));
    for (int64_t task = first; task < last; ++task) {
      int64_t plane = task / boxes.per_plane, box = task % boxes.per_plane;
      int64_t bz = box / boxes.per_axis[1], by = box % boxes.per_axis[1];
      Range zs = boxes.inputs(g, 0, bz), ys = boxes.inputs(g, 1, by);
      Range ozs = boxes.outputs(g, 0, bz), oys = boxes.outputs(g, 1, by);
      const auto box_row = [&](int input, int64_t z, int64_t y) {
        return sums.get() + input * box_length + ((z - zs.first) * boxes.size[1] + y - ys.first) * l.length;
      };
      std::fill_n(sums.get(), R::kInputs * box_length, T(0));
      double param = 0;
      for (int64_t oz = ozs.first; oz < ozs.last; ++oz) {
        for (int64_t oy = oys.first; oy < oys.last; ++oy) {
          windows.find(source, plane, oz, oy);
          widen_row(call.dtype, call.grad, ((plane * g.out[0] + oz) * g.out[1] + oy) * l.out_width, grad.get(), l.out_width);
          // A window's part of dL/dparam belongs to the box that holds its first place.
          bool own = call.grad_param && oz * g.stride[0] >= bz * boxes.size[0] && oy * g.stride[1] >= by * boxes.size[1];
          for (int64_t at = 0; at < l.out_width; at += l.kVector) {
            int64_t count = std::min(l.out_width - at, l.kVector);
            const auto w = windows.reduce(at);
            const auto closed = r.close(w);
            V dy = load<V>(grad.get() + at);
            if constexpr (R::kParam)
              if (own) param += total(dy * r.spread(w), count);
            for (const auto& row : windows.rows) {
              if (row.z < zs.first || row.z >= zs.last || row.y < ys.first || row.y >= ys.last) continue;
              for (int input = 0; input < R::kInputs; ++input) {
                T* sum = box_row(input, row.z, row.y) + at;
                for (size_t tap = 0; tap < l.taps.size(); ++tap) {
                  T* to = sum + l.taps[tap];
                  store_narrow(to, load<V>(to) + dy * windows.slope(w, closed, row, tap, at, input == 1), count);
                }
              }
            }
          }
        }
      }
      for (int input = 0; input < R::kInputs; ++input)
        for (int64_t z = zs.first; z < zs.last; ++z)
          for (int64_t y = ys.first; y < ys.last; ++y)
            write_row(l, call.dtype, box_row(input, z, y), call.grad_in[input], ((plane * g.in[0] + z) * g.in[1] + y) * l.width);
      if (call.grad_param) params[task] = param;
    }
  };
  parallel_for(parallel, boxes.count, boxes.size[0] * boxes.size[1] * l.width, body);
  if (call.grad_param) *call.grad_param = std::accumulate(params.begin(), params.end(), 0.0);
}

// The pairs path ---------------------------------------------------------------------------------------------------------

// Whether windows are two wide, side by side, wholly inside, and of 1, 2 or 4 rows.
inline bool in_pairs(const Geometry& g) {
  bool fits = g.kernel[2] == 2 && g.stride[2] == 2 && g.dilation[2] == 1;
  for (int axis = 0; axis < 3; ++axis)
    fits &= !g.padding[axis] && !overlaps(g, axis) && (g.out[axis] - 1) * g.stride[axis] + span(g, axis) <= g.in[axis];
  int64_t rows = g.kernel[0] * g.kernel[1];
  return fits && (rows == 1 || rows == 2 || rows == 4) && (!g.channels_last || g.channels >= 4);
}

// The elements of kVector windows, two from each of kRows rows.
template <class R, int kRows, class T>
struct Pairs {
  using V = VectorOf<T>;
  static constexpr int64_t kVector = Lanes<V>::kCount;
  V even[R::kInputs][kRows], odd[R::kInputs][kRows];

  Tap<V> tap(int row, int second) const {
    const auto& side = second ? odd : even;
    return {side[0][row], side[R::kInputs - 1][row], splat<V>(1), every<V>(2 * row + second)};
  }

  POOLZOO_HD auto reduce(const R& r) const {
    auto w = r.template open<V>();
    for (int i = 0; i < kRows; ++i) r.seek(w, tap(i, 0)), r.seek(w, tap(i, 1));
    if constexpr (R::kPasses > 1) r.settle(w);
    if constexpr (R::kPasses == 3) {
      for (int i = 0; i < kRows; ++i) r.measure(w, tap(i, 0)), r.measure(w, tap(i, 1));
      r.prepare(w);
    }
    if constexpr (R::kPasses > 1)
      for (int i = 0; i < kRows; ++i) r.add(w, tap(i, 0)), r.add(w, tap(i, 1));
    return w;
  }
};

// Where the rows of windows and their input rows lie.
template <int kRows>
struct PairRows {
  int64_t inner, width, out_width, planes, ahead[kRows];  // ahead: how far each row lies behind a window's first

  explicit PairRows(const Geometry& g) {
    inner = g.channels_last ? g.channels : 1;
    width = g.in[2] * inner;
    out_width = g.out[2] * inner;
    planes = g.channels_last ? g.batch : g.batch * g.channels;
    for (int i = 0; i < kRows; ++i)
      ahead[i] = (i / g.kernel[1] * g.dilation[0] * g.in[1] + i % g.kernel[1] * g.dilation[1]) * width;
  }

  int64_t input(const Geometry& g, int64_t plane, int64_t row) const {
    int64_t z = row / g.out[1], y = row % g.out[1];
    return ((plane * g.in[0] + z * g.stride[0]) * g.in[1] + y * g.stride[1]) * width;
  }
};

// Calls body(pairs, at, in_at, count) for each kVector windows of a row of them, of inputs from `in` on; `at` counts
// outputs, `in_at` inputs.
template <class R, int kRows, class In, class T, class Body>
inline void each_pairs(const In* const* in, const PairRows<kRows>& l, Body&& body) {
  using P = Pairs<R, kRows, T>;
  constexpr int64_t kAhead = 4096 / sizeof(In);
  P p;
  if (l.inner == 1) {
    for (int64_t at = 0; at < l.out_width; at += P::kVector) {
      int64_t count = std::min(l.out_width - at, P::kVector);
      for (int k = 0; k < R::kInputs; ++k)
        for (int i = 0; i < kRows; ++i) {
          const In* from = in[k] + l.ahead[i] + 2 * at;
          // Two short rows at a time are no pattern that the processor reads ahead of by itself: four times as fast so.
          for (int64_t line = 0; line < 2 * P::kVector; line += 64 / sizeof(In)) __builtin_prefetch(from + kAhead + line);
          load_pairs(from, count, p.even[k][i], p.odd[k][i]);
        }
      body(p, at, 2 * at, count);
    }
    return;
  }
  for (int64_t x = 0; x < l.out_width; x += l.inner) {
    for (int64_t c = 0; c < l.inner; c += P::kVector) {
      int64_t count = std::min(l.inner - c, P::kVector), at = 2 * x + c;
      for (int k = 0; k < R::kInputs; ++k)
        for (int i = 0; i < kRows; ++i) {
          const In* from = in[k] + l.ahead[i] + at;
          p.even[k][i] = load_wide<typename P::V>(from, count);
          p.odd[k][i] = load_wide<typename P::V>(from + l.inner, count);
        }
      body(p, x + c, at, count);
    }
  }
}

template <int kRows, class R, class In, class T>
void forward_pairs(const Call& call, const R& reducer, Parallel parallel) {
  const Geometry& g = call.g;
  const PairRows<kRows> l(g);
  const Bands bands(g, l.planes, l.width * kRows);
  auto body = [&](int64_t first, int64_t last) {
    const R r = reducer;
    for (int64_t task = first; task < last; ++task) {
      int64_t plane = task / bands.per_plane, begin = task % bands.per_plane * bands.rows;
      for (int64_t row = begin; row < std::min(begin + bands.rows, g.out[0] * g.out[1]); ++row) {
        const In* in[2];
        for (int k = 0; k < R::kInputs; ++k) in[k] = static_cast<const In*>(call.in[k]) + l.input(g, plane, row);
        In* y = static_cast<In*>(call.out) + (plane * g.out[0] * g.out[1] + row) * l.out_width;
        each_pairs<R, kRows, In, T>(in, l, [&](const auto& p, int64_t at, int64_t, int64_t count) {
          store_narrow(y + at, r.value(p.reduce(r)), count);
        });
      }
    }
  };
  parallel_for(parallel, bands.count, bands.rows * l.width * kRows, body);
}

template <int kRows, class R, class In, class T>
void backward_pairs(const Call& call, const R& reducer, Parallel parallel) {
  const Geometry& g = call.g;
  const PairRows<kRows> l(g);
  const Bands bands(g, l.planes, l.width * kRows);
  std::vector<double> params(call.grad_param ? bands.count : 0);
  auto body = [&](int64_t first, int64_t last) {
    const R r = reducer;
    for (int64_t task = first; task < last; ++task) {
      int64_t plane = task / bands.per_plane, begin = task % bands.per_plane * bands.rows;
      double param = 0;
      for (int64_t row = begin; row < std::min(begin + bands.rows, g.out[0] * g.out[1]); ++row) {
        const int64_t start = l.input(g, plane, row);
        const In* in[2];
        In* dx[2];
        for (int k = 0; k < R::kInputs; ++k) {
          in[k] = static_cast<const In*>(call.in[k]) + start;
          dx[k] = static_cast<In*>(call.grad_in[k]) + start;
          for (int64_t ahead : l.ahead) std::fill(dx[k] + ahead + 2 * l.out_width, dx[k] + ahead + l.width, In{});
        }
        const In* dy = static_cast<const In*>(call.grad) + (plane * g.out[0] * g.out[1] + row) * l.out_width;
        each_pairs<R, kRows, In, T>(in, l, [&](const auto& p, int64_t at, int64_t in_at, int64_t count) {
          using V = VectorOf<T>;
          const auto w = p.reduce(r);
          const auto closed = r.close(w);
          V d = load_wide<V>(dy + at, count);
          if constexpr (R::kParam)
            if (call.grad_param) param += total(d * r.spread(w), count);
          const auto put = [&](int k, int i, V even, V odd) {
            In* to = dx[k] + l.ahead[i] + in_at;
            if (l.inner == 1) return store_pairs(to, even, odd, count);
            store_narrow(to, even, count);
            store_narrow(to + l.inner, odd, count);
          };
          for (int i = 0; i < kRows; ++i) {
            const auto even = p.tap(i, 0), odd = p.tap(i, 1);
            put(0, i, d * r.slope(closed, even), d * r.slope(closed, odd));
            if constexpr (R::kInputs == 2) put(1, i, d * r.slope_second(closed, even), d * r.slope_second(closed, odd));
          }
        });
      }
      if (call.grad_param) params[task] = param;
    }
  };
  parallel_for(parallel, bands.count, bands.rows * l.width * kRows, body);
  if (call.grad_param) *call.grad_param = std::accumulate(params.begin(), params.end(), 0.0);
}

// Which path, which types --------------------------------------------------------------------------------------------------

// Zeros where a backward pass, which writes what windows reach, would leave grad_in as it is.
template <class T>
void clear_unreached(const Call& call, bool pairs, Parallel parallel) {
  const Geometry& g = call.g;
  const Layout<T> l(g);
  int64_t reached = 0;
  for (const auto& phase : l.phases) reached += phase.last - phase.first;
  const bool whole_rows = pairs || reached == g.in[2];
  const bool every_row = !pairs || (g.out[0] * g.kernel[0] == g.in[0] && g.out[1] * g.kernel[1] == g.in[1]);
  if (whole_rows && every_row) return;
  const int64_t bytes = l.width * (call.dtype == kFloat64 ? 8 : call.dtype == kFloat32 ? 4 : 2);
  auto body = [&](int64_t first, int64_t last) {
    for (void* grad : call.grad_in)
      if (grad) memset(static_cast<char*>(grad) + first * bytes, 0, (last - first) * bytes);
  };
  parallel_for(parallel, l.planes * g.in[0] * g.in[1], l.width, body);
}

template <int kRows, class R, class T>
void pool_pairs(const Call& call, const R& r, Parallel parallel) {
  with_dtype<T>(call.dtype, [&](auto* type) {
    using In = std::remove_pointer_t<decltype(type)>;
    if constexpr (sizeof(T) == 4 || sizeof(In) == 8) {  // so few elements never call for a wider T
      if (call.grad) backward_pairs<kRows, R, In, T>(call, r, parallel);
      else forward_pairs<kRows, R, In, T>(call, r, parallel);
    }
  });
}

// Whether the lanes path has fuller vectors than the others. It asks nothing of the batch, so that a sample's result does
// not depend on it.
template <class T>
bool in_lanes(const Call& call) {
  const Geometry& g = call.g;
  constexpr int64_t n = Lanes<VectorOf<T>>::kCount;
  if (g.adaptive) return true;
  if (in_pairs(g)) return !g.channels_last && g.out[2] <= n / 2;
  // Of volumes its bands are slices; where these overlap and are larger than the cache, too much would be done twice.
  const int64_t bytes = g.in[1] * g.in[2] * span(g, 0) * 2 * n * int64_t(sizeof(T));
  if (call.grad && overlaps(g, 0) && bytes > Blocks<T>::kMostBytes) return false;
  return g.channels >= n / 2 || (!g.channels_last && g.out[2] <= n);
}

template <class R, class T>
void pool_as(const Call& call, Parallel parallel) {
  const Geometry& g = call.g;
  const R r = R::make(call.param, taps(g));
  if (in_lanes<T>(call)) return pool_lanes<R, T>(call, r, parallel);
  const int64_t rows = in_pairs(g) && r.sign > 0 ? g.kernel[0] * g.kernel[1] : 0;  // the pairs path has no `sign`
  if (call.grad) clear_unreached<T>(call, rows > 0, parallel);
  if (rows == 1) pool_pairs<1, R, T>(call, r, parallel);
  else if (rows == 2) pool_pairs<2, R, T>(call, r, parallel);
  else if (rows == 4) pool_pairs<4, R, T>(call, r, parallel);
  else if (call.grad) backward_general<R, T>(call, r, parallel);
  else forward_general<R, T>(call, r, parallel);
}

// Pools as `call` says, backward where it has a gradient.
template <template <class> class R>
void pool(const Call& call, Parallel parallel) {
  if (in_runs<R<float>>(call)) return pool_runs<R<float>>(call, parallel);
  const bool in_parts = R<float>::kInParts && in_lanes<float>(call);
  if (call.dtype == kFloat64 || (taps(call.g) > kMostInFloat && !in_parts)) pool_as<R<double>, double>(call, parallel);
  else pool_as<R<float>, float>(call, parallel);
}

}  // namespace poolzoo
