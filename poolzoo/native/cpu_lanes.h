// The lanes path of the CPU's loops: the lanes of a vector are planes or channels, and each reduces the same window.
//
// A vector that runs along a row of outputs is nearly empty where the row is short: a global pool has one output. Here no
// lane is idle and none needs a mask, since only the elements inside the input are visited. Windows may have any place and
// size: those of adaptive pooling are here. A channels_last tensor of the reducer's own type is read where it is; else the
// positions that a band of outputs reaches are copied into a block (see cpu_blocks.h), and where windows overlap much, a
// reducer that can split its elements does so once for each.
#pragma once
#include "cpu_blocks.h"

namespace poolzoo {

// Windows --------------------------------------------------------------------------------------------------------------

// Where a window's elements are read from: `step` numbers from one position to the next, lane 0 of the first position at
// `a`; `b` likewise of the second input; where elements are split, `m` and `n` numbers after `a`.
template <class In>
struct Source {
  const In *a, *b;
  int64_t step, m, n;
};

// One window of kVector lanes. kWidth: how many elements it has along x, or 0 for any number; kPart: of a vector's lanes
// only the first `lanes` are there.
template <class R, class T, class In, bool kSplit, int kWidth, bool kPart>
struct LaneWindow {
  using V = VectorOf<T>;
  const R& r;
  const Geometry& g;
  const Source<In>& source;
  Reach z, y, x;
  int64_t lane, lanes;

  // Calls f(tap, its place in the source, its position) for each element.
  template <class F>
  void each(F f) const {
    const int64_t dx = g.dilation[2];
    for (int64_t kz = 0; kz < z.count; ++kz)
      for (int64_t ky = 0; ky < y.count; ++ky) {
        const int64_t row = (z.first + kz * g.dilation[0]) * g.in[1] + y.first + ky * g.dilation[1];
        const int64_t at = row * g.in[2] + x.first;
        const int64_t number = ((z.tap + kz) * g.kernel[1] + y.tap + ky) * g.kernel[2] + x.tap;
        if constexpr (kWidth > 0) {
#pragma GCC unroll 4
          for (int kx = 0; kx < kWidth; ++kx) visit(f, at + kx * dx, number + kx);
        } else {
          for (int64_t kx = 0; kx < x.count; ++kx) visit(f, at + kx * dx, number + kx);
        }
      }
  }

  auto reduce(bool splits) const {
    auto w = r.template open<V>();
    each([&](const Tap<V>& tap, int64_t, int64_t) { r.seek(w, tap); });
    if constexpr (R::kPasses > 1) {
      r.settle(w);
      if constexpr (R::kPasses == 3) {
        each([&](const Tap<V>& tap, int64_t, int64_t) { r.measure(w, tap); });
        r.prepare(w);
      }
      if constexpr (kSplit) {
        auto other = w;
        each([&](const Tap<V>& tap, int64_t i, int64_t) { r.add(w, tap, split(i)); });
        if (!splits && any(w.sums.sum != w.sums.sum)) {
          each([&](const Tap<V>& tap, int64_t, int64_t) { r.add(other, tap); });
          r.take_over(w, other);
        }
      } else {
        each([&](const Tap<V>& tap, int64_t, int64_t) { r.add(w, tap); });
      }
    }
    return w;
  }

  // Adds dy times the slopes to sums, which hold the positions of `range`, `width` lanes each.
  template <class W>
  void spread(const W& w, V dy, T* const* sums, int64_t width, Range range) const {
    const auto closed = r.close(w);
    each([&](const Tap<V>& tap, int64_t i, int64_t position) {
      if (position < range.first || position >= range.last) return;
      const int64_t place = (position - range.first) * width + lane;
      const auto put = [&](T* sum, V slope) { store(sum + place, load<V>(sum + place) + dy * slope); };
      if constexpr (kSplit) put(sums[0], r.slope(w, closed, tap, split(i)));
      else put(sums[0], r.slope(closed, tap));
      if constexpr (R::kInputs == 2) put(sums[1], r.slope_second(closed, tap));
    });
  }

 private:
  V element(const In* p) const {
    if constexpr (kPart) return load_wide<V>(p, lanes);
    else return load<V>(p);
  }

  template <class F>
  void visit(F& f, int64_t position, int64_t number) const {
    const int64_t i = position * source.step + lane;
    const V a = r.sign * element(source.a + i);
    V b = a;
    if constexpr (R::kInputs == 2) b = r.sign * element(source.b + i);
    f(Tap<V>{a, b, splat<V>(1), every<V>(number)}, i, position);
  }

  auto split(int64_t i) const {
    const In* p = source.a + i;
    return typename R::template Split<V>{element(p + source.m), element(p + source.n)};
  }
};

// Tasks ----------------------------------------------------------------------------------------------------------------

// Reads what the windows of a task reach, from the tensor itself or, if kCopy, through a block.
template <class R, class T, bool kCopy, bool kSplit>
class LaneReader {
 public:
  using V = VectorOf<T>;
  static constexpr int64_t kPlanes = R::kInputs + 2 * kSplit;

  LaneReader(const R& reducer, const Call& call, const Blocks<T>& blocks, const Reaches& reaches, int64_t steps)
      : r_(reducer), call_(call), b_(blocks), reaches_(reaches), plane_(steps * blocks.in_unit * blocks.width) {
    if (kCopy) data_ = Buffer<T>(kPlanes * plane_);
  }

  Source<T> get(const typename Blocks<T>::Task& t, Range outputs) {
    const Geometry& g = call_.g;
    if constexpr (!kCopy) {
      const int64_t first = t.sample * b_.in_positions * b_.lanes + t.lane;
      const auto at = [&](int i) { return static_cast<const T*>(call_.in[i]) + first; };
      return {at(0), at(R::kInputs - 1), b_.lanes, 0, 0};
    } else {
      const Range steps = b_.reached(g, reaches_, outputs);
      const Range range{steps.first * b_.in_unit, steps.last * b_.in_unit};
      for (int i = 0; i < R::kInputs; ++i)
        with_dtype<T>(call_.dtype, [&](auto* type) {
          using In = std::remove_pointer_t<decltype(type)>;
          read_block(b_, t, static_cast<const In*>(call_.in[i]), b_.in_positions, range, data_.get() + i * plane_);
        });
      if constexpr (kSplit) split((range.last - range.first) * b_.width);
      const T* origin = data_.get() - range.first * b_.width;
      return {origin, origin + (R::kInputs - 1) * plane_, b_.width, plane_, 2 * plane_};
    }
  }

  bool splits = true;  // all elements could be split

 private:
  void split(int64_t count) {
    V check{};
    for (int64_t i = 0; i < count; i += Blocks<T>::kVector) {
      T* p = data_.get() + i;
      const auto e = r_.split(r_.sign * load<V>(p));
      check += e.m;
      store(p + plane_, e.m);
      store(p + 2 * plane_, e.n);
    }
    splits = !any(check != check);
  }

  const R& r_;
  const Call& call_;
  const Blocks<T>& b_;
  const Reaches& reaches_;
  int64_t plane_;
  Buffer<T> data_;
};

// Calls body(window, place) for kVector lanes at a time of each window of `outputs`; `place` counts these windows.
template <bool kCopy, bool kSplit, class R, class T, class Body>
inline void each_window(const R& r, const Geometry& g, const Blocks<T>& b, const Reaches& reaches, const Source<T>& source,
                        Range outputs, int64_t lanes, Body body) {
  constexpr int64_t n = Blocks<T>::kVector;
  const Range zs = b.axis ? Range{0, g.out[0]} : outputs, ys = b.axis ? outputs : Range{0, g.out[1]};
  int64_t place = 0;
  for (int64_t oz = zs.first; oz < zs.last; ++oz)
    for (int64_t oy = ys.first; oy < ys.last; ++oy)
      for (int64_t ox = 0; ox < g.out[2]; ++ox, ++place) {
        const Reach z = reaches.of[0][oz], y = reaches.of[1][oy], x = reaches.of[2][ox];
        int64_t lane = 0;
        for (; kCopy ? lane < lanes : lane + n <= lanes; lane += n) {
          if (x.count == 3) body(LaneWindow<R, T, T, kSplit, 3, false>{r, g, source, z, y, x, lane, n}, place);
          else body(LaneWindow<R, T, T, kSplit, 0, false>{r, g, source, z, y, x, lane, n}, place);
        }
        if constexpr (!kCopy)
          if (lane < lanes) body(LaneWindow<R, T, T, kSplit, 0, true>{r, g, source, z, y, x, lane, lanes - lane}, place);
      }
}

template <bool kCopy, bool kSplit, class R, class T>
void forward_lanes(const Call& call, const R& reducer, Parallel parallel) {
  const Geometry& g = call.g;
  const Reaches reaches(g);
  const Blocks<T> b(g, reaches, kCopy ? LaneReader<R, T, kCopy, kSplit>::kPlanes : 1);
  auto body = [&](int64_t first, int64_t last) {
    const R r = reducer;
    LaneReader<R, T, kCopy, kSplit> reader(r, call, b, reaches, b.reached(g, reaches, b.rows));
    Buffer<T> y(b.rows * b.out_unit * b.width);
    for (int64_t number = first; number < last; ++number) {
      const auto t = b.task(g, number);
      const Source<T> source = reader.get(t, t.outputs);
      each_window<kCopy, kSplit>(r, g, b, reaches, source, t.outputs, t.lanes, [&](const auto& window, int64_t place) {
        store(y.get() + place * b.width + window.lane, r.sign * r.value(window.reduce(reader.splits)));
      });
      with_dtype<T>(call.dtype, [&](auto* type) {
        using Out = std::remove_pointer_t<decltype(type)>;
        const Range range{t.outputs.first * b.out_unit, t.outputs.last * b.out_unit};
        write_block(b, t, static_cast<Out*>(call.out), b.out_positions, range, y.get());
      });
    }
  };
  parallel_for(parallel, b.count, b.rows * b.out_unit * b.width * taps(g), body);
}

// A band of the backward pass owns the inputs from its first window's to the next band's first window's; the windows of
// other bands that reach them are reduced again.
template <bool kCopy, bool kSplit, class R, class T>
void backward_lanes(const Call& call, const R& reducer, Parallel parallel) {
  using V = VectorOf<T>;
  const Geometry& g = call.g;
  const Reaches reaches(g);
  const Blocks<T> b(g, reaches, (kCopy ? LaneReader<R, T, kCopy, kSplit>::kPlanes : 0) + R::kInputs);
  std::vector<double> params(call.grad_param ? b.count : 0);
  auto body = [&](int64_t first, int64_t last) {
    const R r = reducer;
    int64_t steps = 0, outputs = 0;  // the most that a band owns, and that reach it
    for (int64_t band = 0; band < b.bands; ++band) {
      const Range owned = b.owned(g, reaches, b.task(g, band).outputs), reaching = b.reaching(g, reaches, owned);
      steps = std::max(steps, owned.last - owned.first);
      outputs = std::max(outputs, reaching.last - reaching.first);
    }
    LaneReader<R, T, kCopy, kSplit> reader(r, call, b, reaches, b.reached(g, reaches, outputs));
    Buffer<T> dy(outputs * b.out_unit * b.width), data(R::kInputs * steps * b.in_unit * b.width);
    T* const sums[2] = {data.get(), data.get() + (R::kInputs - 1) * steps * b.in_unit * b.width};
    for (int64_t number = first; number < last; ++number) {
      const auto t = b.task(g, number);
      const Range owned = b.owned(g, reaches, t.outputs), reaching = b.reaching(g, reaches, owned);
      const Range range{owned.first * b.in_unit, owned.last * b.in_unit};
      const Source<T> source = reader.get(t, reaching);
      with_dtype<T>(call.dtype, [&](auto* type) {
        using In = std::remove_pointer_t<decltype(type)>;
        const Range all{reaching.first * b.out_unit, reaching.last * b.out_unit};
        read_block(b, t, static_cast<const In*>(call.grad), b.out_positions, all, dy.get());
      });
      std::fill_n(data.get(), R::kInputs * steps * b.in_unit * b.width, T(0));
      double param = 0;
      const int64_t own_first = (t.outputs.first - reaching.first) * b.out_unit;
      const int64_t own_last = (t.outputs.last - reaching.first) * b.out_unit;
      each_window<kCopy, kSplit>(r, g, b, reaches, source, reaching, t.lanes, [&](const auto& window, int64_t place) {
        const auto w = window.reduce(reader.splits);
        const V d = load<V>(dy.get() + place * b.width + window.lane);
        if constexpr (R::kParam)
          if (call.grad_param && own_first <= place && place < own_last)
            param += total(d * r.spread(w), std::min(window.lanes, t.lanes - window.lane));
        window.spread(w, d, sums, b.width, range);
      });
      for (int i = 0; i < R::kInputs; ++i)
        with_dtype<T>(call.dtype, [&](auto* type) {
          using In = std::remove_pointer_t<decltype(type)>;
          write_block(b, t, static_cast<In*>(call.grad_in[i]), b.in_positions, range, sums[i]);
        });
      if (call.grad_param) params[number] = param;
    }
  };
  parallel_for(parallel, b.count, b.rows * b.out_unit * b.width * taps(g), body);
  if (call.grad_param) *call.grad_param = std::accumulate(params.begin(), params.end(), 0.0);
}

template <bool kCopy, class R, class T>
void pool_lanes_as(const Call& call, const R& r, Parallel parallel) {
  if constexpr (R::kSplits && kCopy)
    if (shared_much(call.g)) {
      if (call.grad) return backward_lanes<kCopy, true, R, T>(call, r, parallel);
      return forward_lanes<kCopy, true, R, T>(call, r, parallel);
    }
  if (call.grad) backward_lanes<kCopy, false, R, T>(call, r, parallel);
  else forward_lanes<kCopy, false, R, T>(call, r, parallel);
}

template <class R, class T>
void pool_lanes(const Call& call, const R& r, Parallel parallel) {
  if constexpr (sizeof(T) == 4)
    if (call.g.channels_last && call.dtype == kFloat32 && !(R::kSplits && shared_much(call.g)))
      return pool_lanes_as<false, R, T>(call, r, parallel);
  pool_lanes_as<true, R, T>(call, r, parallel);
}

}  // namespace poolzoo
