// The lanes path of the CPU's loops: the lanes of a vector are planes or channels, and each reduces the same window.
//
// A vector that runs along a row of outputs is nearly empty where the row is short: a global pool has one output. Here no
// lane is idle and none needs a mask, since only the elements inside the input are visited. Windows may have any place and
// size: those of adaptive pooling are here. A channels_last tensor of the reducer's own type is read where it is; else the
// positions that a band of outputs reaches are copied into a block (see cpu_blocks.h). Where windows overlap much, SoftPool's
// powers are made once for each element, and lie there too.
#pragma once
#include "cpu_blocks.h"

// Of lambdas: what is inlined first of all can be kept in registers.
#define POOLZOO_INLINE __attribute__((always_inline))

namespace poolzoo {

// Windows --------------------------------------------------------------------------------------------------------------

// Where a window's elements are read from: `step` numbers from one position to the next, lane 0 of the first position at
// `a`; `b` likewise of the second input; the elements' powers, where they are made before, `power` numbers after `a`.
template <class T>
struct Source {
  const T *a, *b;
  int64_t step, power;
};

// The sums of a window of more than kMostInFloat elements, made in parts of so many, so that a float keeps its digits: what
// the parts add up to, and the rounding errors of these additions.
template <class V, bool kSlopes>
struct Parts {
  V sum[3]{}, error[3]{};

  template <class R, class W>
  void take(const R& r, W& w) {
    int i = 0;
    each(r, w, [&](V& part) {
      const V before = sum[i], next = before + part, added = next - before;
      error[i] += (before - (next - added)) + (part - added);
      sum[i++] = next;
      part = V{};
    });
  }

  template <class R, class W>
  void give(const R& r, W& w) const {
    int i = 0;
    each(r, w, [&](V& part) {
      part = sum[i] - sum[i] == 0 ? sum[i] + error[i] : sum[i];  // an infinite sum has no error
      ++i;
    });
  }

 private:
  template <class R, class W, class F>
  static void each(const R& r, W& w, F f) {
    r.sums(w, f);
    if constexpr (kSlopes) r.spread_sums(w, f);
  }
};

// The elements of a window, as the loops walk through them: where the first lies, and where the others lie after it and
// what number each tap has: one by one in a window of at most kMostInFloat elements, else row by row.
struct Elements {
  int64_t first = 0, width = 0;  // positions; elements of a row
  bool small = true;
  std::vector<int64_t> ahead, number;

  void set(const Geometry& g, Reach z, Reach y, Reach x) {
    first = (z.first * g.in[1] + y.first) * g.in[2] + x.first;
    const int64_t shape[6] = {z.tap, z.count, y.tap, y.count, x.tap, x.count};
    if (std::equal(shape, shape + 6, shape_)) return;  // as the window before
    std::copy_n(shape, 6, shape_);
    small = z.count * y.count * x.count <= kMostInFloat;
    width = x.count;
    ahead.clear(), number.clear();
    for (int64_t kz = 0; kz < z.count; ++kz)
      for (int64_t ky = 0; ky < y.count; ++ky)
        for (int64_t kx = 0; kx < (small ? x.count : 1); ++kx) {
          ahead.push_back((kz * g.dilation[0] * g.in[1] + ky * g.dilation[1]) * g.in[2] + kx * g.dilation[2]);
          number.push_back(((z.tap + kz) * g.kernel[1] + y.tap + ky) * g.kernel[2] + x.tap + kx);
        }
  }

 private:
  int64_t shape_[6] = {};
};

// One window of kVectors vectors of lanes; of those of a single vector, only the first `lanes` need be there. kSlopes: for the
// backward pass. What only that needs must not even be mentioned else: it would change how the compiler rounds.
template <class R, class T, bool kPowers, bool kSlopes, int kVectors, bool kSmall>
struct LaneWindow {
  using V = VectorOf<T>;
  using Window = typename R::template Window<V>;
  using Windows = Window[kVectors];
  static constexpr int64_t n = Lanes<V>::kCount;
  const R& r;
  const Geometry& g;
  const Source<T>& source;
  const Elements& elements;
  int64_t lane, lanes;

  // Calls f(v) for each vector, its number a constant, so that the compiler keeps windows in registers.
  template <class F>
  static POOLZOO_HD void vectors(F f) {
    f(std::integral_constant<int, 0>{});
    if constexpr (kVectors == 2) f(std::integral_constant<int, 1>{});
  }

  // Calls f(tap, vector, its place in the source, its position) for each element, and part() between any kMostInFloat.
  template <class F, class Part>
  POOLZOO_HD void each(F f, Part part) const {
    const int64_t* ahead = elements.ahead.data();
    const int64_t* number = elements.number.data();
    if constexpr (kSmall) {
      for (int64_t i = 0, count = elements.ahead.size(); i < count; ++i) visit(f, elements.first + ahead[i], number[i]);
    } else {
      int64_t room = kMostInFloat;
      for (int64_t i = 0, count = elements.ahead.size(); i < count; ++i)
        for (int64_t kx = 0; kx < elements.width;) {
          if (!room) part(), room = kMostInFloat;
          const int64_t stop = std::min(elements.width, kx + room);
          room -= stop - kx;
          for (; kx < stop; ++kx) visit(f, elements.first + ahead[i] + kx * g.dilation[2], number[i] + kx);
        }
    }
  }

  template <class F>
  POOLZOO_HD void each(F f) const {
    each(f, [] {});
  }

  // Sets w[0] to w[kVectors - 1].
  POOLZOO_HD void reduce(Window* w, bool powers) const {
    vectors([&](auto v) POOLZOO_INLINE { w[v] = r.template open<V>(); });
    if constexpr (R::kPasses == 1) {
      in_parts(w, [&](const Tap<V>& tap, auto v, int64_t, int64_t) POOLZOO_INLINE { r.seek(w[v], tap); });
    } else if constexpr (kPowers) {
      const T* first = source.a + elements.first * source.step + lane;
      vectors([&](auto v) POOLZOO_INLINE { r.start(w[v], element(first + v * n)); });
      add_powers(w, powers);
    } else {
      each([&](const Tap<V>& tap, auto v, int64_t, int64_t) POOLZOO_INLINE { r.seek(w[v], tap); });
      vectors([&](auto v) POOLZOO_INLINE { r.settle(w[v]); });
      if constexpr (R::kPasses == 3) {
        each([&](const Tap<V>& tap, auto v, int64_t, int64_t) POOLZOO_INLINE { r.measure(w[v], tap); });
        vectors([&](auto v) POOLZOO_INLINE { r.prepare(w[v]); });
      }
      in_parts(w, [&](const Tap<V>& tap, auto v, int64_t, int64_t) POOLZOO_INLINE { r.add(w[v], tap); });
    }
  }

  // Adds dy[v] times the slopes to sums, which hold `width` lanes of each position.
  POOLZOO_HD void spread(const Window* w, const V* dy, T* const* sums, int64_t width) const {
    typename R::template Closed<V> closed[kVectors];
    vectors([&](auto v) POOLZOO_INLINE { closed[v] = r.close(w[v]); });
    each([&](const Tap<V>& tap, auto v, int64_t i, int64_t position) POOLZOO_INLINE {
      const int64_t place = position * width + lane + v * n;
      const auto put = [&](T* sum, V slope) { store(sum + place, load<V>(sum + place) + dy[v] * slope); };
      if constexpr (kPowers) put(sums[0], r.slope(w[v], closed[v], tap, power(i)));
      else put(sums[0], r.slope(closed[v], tap));
      if constexpr (R::kInputs == 2) put(sums[1], r.slope_second(closed[v], tap));
    });
  }

 private:
  POOLZOO_HD void add_powers(Window* w, bool powers) const {
    each([&](const Tap<V>& tap, auto v, int64_t i, int64_t) POOLZOO_INLINE { r.add(w[v], tap, power(i)); });
    if (powers) return;
    const LaneWindow<R, T, false, kSlopes, kVectors, kSmall> direct{r, g, source, elements, lane, lanes};
    Windows other;
    direct.reduce(other, true);
    vectors([&](auto v) POOLZOO_INLINE {
      if (any(w[v].sums.sum != w[v].sums.sum)) r.take_over(w[v], other[v]);
    });
  }

  // A pass whose sums need parts where the window is large.
  template <class F>
  POOLZOO_HD void in_parts(Window* w, F f) const {
    if constexpr (R::kInParts && !kSmall && sizeof(T) == 4) {
      Parts<V, kSlopes> parts[kVectors];
      bool any_parts = false;
      const auto take = [&] {
        any_parts = true;
        vectors([&](auto v) POOLZOO_INLINE { parts[v].take(r, w[v]); });
      };
      each(f, take);
      if (!any_parts) return;
      take();
      vectors([&](auto v) POOLZOO_INLINE { parts[v].give(r, w[v]); });
    } else {
      each(f);
    }
  }

  POOLZOO_HD V element(const T* p) const { return kVectors == 1 ? load_wide<V>(p, lanes) : load<V>(p); }

  template <class F>
  POOLZOO_HD void visit(F& f, int64_t position, int64_t number) const {
    vectors([&](auto v) POOLZOO_INLINE {
      const int64_t i = position * source.step + lane + v * n;
      const V a = element(source.a + i);
      V b = a;
      if constexpr (R::kInputs == 2) b = element(source.b + i);
      f(Tap<V>{a, b, splat<V>(1), every<V>(number)}, v, i, position);
    });
  }

  POOLZOO_HD V power(int64_t i) const { return element(source.a + i + source.power); }
};

// Tasks ----------------------------------------------------------------------------------------------------------------

// Reads what the windows of a task reach, from the tensor itself or, if kCopy, through a block.
template <class R, class T, bool kCopy, bool kPowers>
class LaneReader {
 public:
  using V = VectorOf<T>;
  static constexpr int64_t kPlanes = R::kInputs + kPowers;

  LaneReader(const R& reducer, const Call& call, const Blocks<T>& blocks, const Reaches& reaches, int64_t steps)
      : r_(reducer), call_(call), b_(blocks), reaches_(reaches), plane_(steps * blocks.in_unit * blocks.width) {
    if (kCopy) data_ = Buffer<T>(kPlanes * plane_);
  }

  Source<T> get(const typename Blocks<T>::Task& t, Range outputs) {
    const Geometry& g = call_.g;
    if constexpr (!kCopy) {
      const int64_t first = t.sample * b_.in_positions * b_.lanes + t.lane;
      const auto at = [&](int i) { return static_cast<const T*>(call_.in[i]) + first; };
      return {at(0), at(R::kInputs - 1), b_.lanes, 0};
    } else {
      const Range steps = b_.reached(reaches_, outputs);
      const int64_t first = steps.first * b_.in_unit, last = steps.last * b_.in_unit;
      powers = true;
      // In short pieces, whose powers are made before they leave the nearest cache.
      for (int64_t begin = first; begin < last; begin += kPiece) {
        const Range piece{begin, std::min(begin + kPiece, last)};
        T* const to = data_.get() + (begin - first) * b_.width;
        for (int i = 0; i < R::kInputs; ++i)
          with_dtype<T>(call_.dtype, [&](auto* type) {
            using In = std::remove_pointer_t<decltype(type)>;
            read_block(b_, t, static_cast<const In*>(call_.in[i]), b_.in_positions, piece, to + i * plane_, r_.sign);
          });
        if constexpr (kPowers) powers &= make_powers(to, (piece.last - piece.first) * b_.width);
      }
      const T* origin = data_.get() - first * b_.width;
      return {origin, origin + (R::kInputs - 1) * plane_, b_.width, plane_};
    }
  }

  bool powers = true;  // all elements have one

 private:
  static constexpr int64_t kPiece = 64;  // positions

  bool make_powers(T* data, int64_t count) {
    const R r = r_;
    V check{};
    for (int64_t i = 0; i < count; i += Blocks<T>::kVector) {
      const V power = r.power(load<V>(data + i));
      check += power;
      store(data + i + plane_, power);
    }
    return !any(check != check);
  }

  const R& r_;
  const Call& call_;
  const Blocks<T>& b_;
  const Reaches& reaches_;
  int64_t plane_;
  Buffer<T> data_;
};

// Calls body(window, place) for one or two vectors at a time of each window of `outputs`; `place` counts the windows.
template <bool kCopy, bool kPowers, bool kSlopes, class R, class T, class Body>
inline void each_window(const R& r, const Geometry& g, const Blocks<T>& b, const Reaches& reaches, const Source<T>& source,
                        Range outputs, int64_t lanes, Elements& elements, Body body) {
  constexpr int64_t n = Blocks<T>::kVector;
  if (kCopy) lanes = (lanes + n - 1) / n * n;  // a block has all lanes of its vectors
  const Range zs = b.axis ? Range{0, g.out[0]} : outputs, ys = b.axis ? outputs : Range{0, g.out[1]};
  int64_t place = 0;
  const auto walk = [&](auto small) {
    int64_t lane = 0;
    if constexpr (sizeof(T) == 4)
      for (; lane + 2 * n <= lanes; lane += 2 * n)
        body(LaneWindow<R, T, kPowers, kSlopes, 2, small>{r, g, source, elements, lane, n}, place);
    for (; lane < lanes; lane += n)
      body(LaneWindow<R, T, kPowers, kSlopes, 1, small>{r, g, source, elements, lane, std::min(lanes - lane, n)}, place);
  };
  for (int64_t oz = zs.first; oz < zs.last; ++oz)
    for (int64_t oy = ys.first; oy < ys.last; ++oy)
      for (int64_t ox = 0; ox < g.out[2]; ++ox, ++place) {
        elements.set(g, reaches.of[0][oz], reaches.of[1][oy], reaches.of[2][ox]);
        if (kPowers || elements.small) walk(std::true_type{});
        else if constexpr (!kPowers) walk(std::false_type{});
      }
}

template <bool kCopy, bool kPowers, class R, class T>
void forward_lanes(const Call& call, const R& reducer, Parallel parallel) {
  const Geometry& g = call.g;
  const Reaches reaches(g);
  const Blocks<T> b(g, reaches, kCopy ? LaneReader<R, T, kCopy, kPowers>::kPlanes : 0);
  auto body = [&](int64_t first, int64_t last) {
    const R r = reducer;
    Elements elements;
    LaneReader<R, T, kCopy, kPowers> reader(r, call, b, reaches, b.reached(g, reaches, b.rows));
    Buffer<T> y(b.rows * b.out_unit * b.width);
    for (int64_t number = first; number < last; ++number) {
      const auto t = b.task(g, number);
      const Source<T> source = reader.get(t, t.outputs);
      const auto reduce = [&](const auto& window, int64_t place) {
        typename std::decay_t<decltype(window)>::Windows w;
        window.reduce(w, reader.powers);
        T* const to = y.get() + place * b.width + window.lane;
        window.vectors([&](auto v) { store(to + v * b.kVector, r.sign * r.value(w[v])); });
      };
      each_window<kCopy, kPowers, false>(r, g, b, reaches, source, t.outputs, t.lanes, elements, reduce);
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
template <bool kCopy, bool kPowers, class R, class T>
void backward_lanes(const Call& call, const R& reducer, Parallel parallel) {
  using V = VectorOf<T>;
  const Geometry& g = call.g;
  const Reaches reaches(g);
  const Blocks<T> b(g, reaches, kCopy ? LaneReader<R, T, kCopy, kPowers>::kPlanes + R::kInputs : 0);
  std::vector<double> params(call.grad_param ? b.count : 0);
  auto body = [&](int64_t first, int64_t last) {
    const R r = reducer;
    int64_t outputs = 0, steps = 0;  // the most that reach a band, and that these touch
    for (int64_t band = 0; band < b.bands; ++band) {
      const auto s = b.slopes(g, reaches, b.task(g, band).outputs);
      outputs = std::max(outputs, s.reaching.last - s.reaching.first);
      steps = std::max(steps, s.touched.last - s.touched.first);
    }
    Elements elements;
    LaneReader<R, T, kCopy, kPowers> reader(r, call, b, reaches, steps);
    const int64_t plane = steps * b.in_unit * b.width;
    Buffer<T> dy(outputs * b.out_unit * b.width), dx(R::kInputs * plane);
    for (int64_t number = first; number < last; ++number) {
      const auto t = b.task(g, number);
      const auto s = b.slopes(g, reaches, t.outputs);
      const Source<T> source = reader.get(t, s.reaching);
      with_dtype<T>(call.dtype, [&](auto* type) {
        using In = std::remove_pointer_t<decltype(type)>;
        const Range all{s.reaching.first * b.out_unit, s.reaching.last * b.out_unit};
        read_block(b, t, static_cast<const In*>(call.grad), b.out_positions, all, dy.get(), T(1));
      });
      std::fill_n(dx.get(), R::kInputs * plane, T(0));
      const int64_t origin = s.touched.first * b.in_unit;
      T* const sums[2] = {dx.get() - origin * b.width, dx.get() + (R::kInputs - 1) * plane - origin * b.width};
      const int64_t own_first = (t.outputs.first - s.reaching.first) * b.out_unit;
      const int64_t own_last = (t.outputs.last - s.reaching.first) * b.out_unit;
      double param = 0;
      const auto spread = [&](const auto& window, int64_t place) {
        constexpr int64_t n = Blocks<T>::kVector;
        typename std::decay_t<decltype(window)>::Windows w;
        V d[std::size(w)];
        window.reduce(w, reader.powers);
        window.vectors([&](auto v) {
          const int64_t lane = window.lane + v * n;
          d[v] = load<V>(dy.get() + place * b.width + lane);
          if constexpr (R::kParam)
            if (call.grad_param && own_first <= place && place < own_last)
              param += total(d[v] * r.spread(w[v]), std::min(n, t.lanes - lane));
        });
        window.spread(w, d, sums, b.width);
      };
      each_window<kCopy, kPowers, true>(r, g, b, reaches, source, s.reaching, t.lanes, elements, spread);
      for (int i = 0; i < R::kInputs; ++i)
        with_dtype<T>(call.dtype, [&](auto* type) {
          using In = std::remove_pointer_t<decltype(type)>;
          const Range owned{s.owned.first * b.in_unit, s.owned.last * b.in_unit};
          write_block(b, t, static_cast<In*>(call.grad_in[i]), b.in_positions, owned, sums[i] + owned.first * b.width);
        });
      if (call.grad_param) params[number] = param;
    }
  };
  parallel_for(parallel, b.count, b.rows * b.out_unit * b.width * taps(g), body);
  if (call.grad_param) *call.grad_param = std::accumulate(params.begin(), params.end(), 0.0);
}

template <bool kCopy, bool kPowers, class R, class T>
void pool_lanes_as(const Call& call, const R& r, Parallel parallel) {
  if (call.grad) backward_lanes<kCopy, kPowers, R, T>(call, r, parallel);
  else forward_lanes<kCopy, kPowers, R, T>(call, r, parallel);
}

template <class R, class T>
void pool_lanes(const Call& call, const R& r, Parallel parallel) {
  [[maybe_unused]] const bool direct = sizeof(T) == 4 && call.g.channels_last && call.dtype == kFloat32 && r.sign > 0;
  if constexpr (R::kSplits && sizeof(T) == 4)
    if (r.makes_powers() && shared_much(call.g, !direct || call.grad)) return pool_lanes_as<true, true, R, T>(call, r, parallel);
  if constexpr (sizeof(T) == 4)
    if (direct) return pool_lanes_as<false, false, R, T>(call, r, parallel);
  pool_lanes_as<true, false, R, T>(call, r, parallel);
}

}  // namespace poolzoo
