// The runs path of the CPU's loops: vectors run along a window's own elements, which follow one another in memory.
//
// Whole maps of a contiguous tensor are such windows: the lanes path would transpose them. Each lane reduces every n-th
// element, and the lanes are combined as the threads of a team are on CUDA (see `join` in reducers.h). A lane's sums have 1 of
// n elements, and are made in parts of kMostInFloat of these.
#pragma once
#include "cpu_lanes.h"

namespace poolzoo {

// The windows, side by side along one axis whose later axes they cover; the axes before it, which have windows of one
// element, count as planes.
struct Runs {
  int64_t planes, size;          // of the input: how many planes, and the elements of each
  int64_t windows, step, count;  // of a plane; the elements from window to window, and of a window
  bool fit = true;               // whether windows are such

  explicit Runs(const Geometry& g) : planes(g.batch * g.channels), size(1), windows(1), step(1), count(1) {
    fit = !g.channels_last || g.channels == 1;
    bool inner = true;  // the later axes are covered
    for (int axis = 2; axis >= 0; --axis) {
      const int64_t n = g.in[axis], m = g.out[axis];
      const int64_t kernel = g.kernel[axis], stride = g.adaptive || m == 1 ? n / m : g.stride[axis];
      fit &= !g.padding[axis] && g.dilation[axis] == 1 && (!g.adaptive || n % m == 0);
      if (inner) {
        fit &= kernel <= stride && (m - 1) * stride + kernel <= n;
        size *= n, count *= kernel, step *= stride, windows = m;
        inner = m == 1 && kernel == n;
      } else {
        fit &= kernel == 1 && stride == 1 && n == m;
        planes *= n;
      }
    }
  }
};

// The lanes of a vector as a team: each result is the same in all lanes.
template <class V>
class LaneTeam {
  static constexpr int n = Lanes<V>::kCount;

  template <int kBy, class X, int... I>
  static POOLZOO_HD X exchanged(X x, std::integer_sequence<int, I...>) {
    return __builtin_shufflevector(x, x, (I ^ kBy)...);
  }

  template <int kBy, class X, class Op>
  static POOLZOO_HD X all(X x, Op op) {
    x = op(x, exchanged<kBy>(x, std::make_integer_sequence<int, n>{}));
    if constexpr (kBy > 1) return all<kBy / 2>(x, op);
    else return x;
  }

 public:
  template <class X>
  POOLZOO_HD X sum(X x) const {
    return all<n / 2>(x, [](X a, X b) POOLZOO_INLINE { return a + b; });
  }
  template <class X>
  POOLZOO_HD X most(X x) const {
    return all<n / 2>(x, [](X a, X b) POOLZOO_INLINE { return maximum(a, b); });
  }
  template <class X>
  POOLZOO_HD X least(X x) const {
    return all<n / 2>(x, [](X a, X b) POOLZOO_INLINE { return b < a ? b : a; });
  }
  template <class X>
  POOLZOO_HD X first(X x) const {
    return X{} + x[0];
  }
};

// kWindows windows of at least n elements each, reduced in turns, so that additions need not wait for one another. kSlopes:
// for the backward pass.
template <class R, bool kSlopes>
struct RunWindows {
  using V = FloatVector;
  using Window = typename R::template Window<V>;
  static constexpr int64_t n = Lanes<V>::kCount;
  static constexpr int kWindows = kSlopes ? 1 : 2;
  const R& r;
  int64_t count;
  Index<V> lanes;  // their numbers
  const float* in[kWindows][R::kInputs];

  RunWindows(const R& reducer, int64_t elements) : r(reducer), count(elements) {
    for (int64_t i = 0; i < n; ++i) lanes[i] = i;
  }

  // Calls f(v) for each window, its number a constant, so that the compiler keeps windows in registers.
  template <class F>
  static POOLZOO_HD void windows(F f) {
    f(std::integral_constant<int, 0>{});
    if constexpr (kWindows == 2) f(std::integral_constant<int, 1>{});
  }

  POOLZOO_HD Tap<V> tap(int v, int64_t i) const {
    return {load<V>(in[v][0] + i), load<V>(in[v][R::kInputs - 1] + i), splat<V>(1), every<V>(i) + lanes};
  }

  // Calls f(tap, window) for n elements at a time, and part() between any kMostInFloat of these. The last n may have been
  // seen in part; these are then absent.
  template <class F, class Part>
  POOLZOO_HD void each(F f, Part part) const {
    const int64_t whole = count / n * n;
    for (int64_t i = 0; i < whole;) {
      for (const int64_t end = std::min(whole, i + kMostInFloat * n); i < end; i += n)
        windows([&](auto v) POOLZOO_INLINE { f(tap(v, i), v); });
      if (i < whole) part();
    }
    if (whole == count) return;
    const auto left = lanes >= every<V>(n - (count - whole));
    windows([&](auto v) POOLZOO_INLINE {
      Tap<V> e = tap(v, count - n);
      e.a = left ? e.a : splat<V>(r.fill(0));
      e.b = left ? e.b : splat<V>(r.fill(R::kInputs - 1));
      e.here = left ? e.here : V{};
      f(e, v);
    });
  }

  // Sets w[0] to w[kWindows - 1].
  POOLZOO_HD void reduce(Window* w) const {
    LaneTeam<V> team;
    windows([&](auto v) POOLZOO_INLINE { w[v] = r.template open<V>(); });
    const auto seek = [&](const Tap<V>& e, auto v) POOLZOO_INLINE { r.seek(w[v], e); };
    if constexpr (R::kPasses == 1) {
      in_parts(w, seek);
      windows([&](auto v) POOLZOO_INLINE { r.join(w[v], team); });
    } else {
      each(seek, [] {});
      windows([&](auto v) POOLZOO_INLINE { r.join(w[v], team), r.settle(w[v]); });
      if constexpr (R::kPasses == 3) {
        each([&](const Tap<V>& e, auto v) POOLZOO_INLINE { r.measure(w[v], e); }, [] {});
        windows([&](auto v) POOLZOO_INLINE { r.join_measures(w[v], team), r.prepare(w[v]); });
      }
      in_parts(w, [&](const Tap<V>& e, auto v) POOLZOO_INLINE { r.add(w[v], e); });
    }
    windows([&](auto v) POOLZOO_INLINE {
      const auto add = [&](V& sum) POOLZOO_INLINE { sum = team.sum(sum); };
      r.sums(w[v], add);
      if constexpr (kSlopes) r.slope_sums(w[v], add), r.spread_sums(w[v], add);
    });
  }

  // Writes dy times the slopes of window v to `to`, for each input.
  POOLZOO_HD void spread(const Window& w, int v, float dy, float* const* to) const {
    const auto closed = r.close(w);
    for (int64_t next = 0; next < count; next += n) {
      const int64_t i = std::min(next, count - n);
      const Tap<V> e = tap(v, i);
      store(to[0] + i, dy * r.slope(closed, e));
      if constexpr (R::kInputs == 2) store(to[1] + i, dy * r.slope_second(closed, e));
    }
  }

 private:
  template <class F>
  POOLZOO_HD void in_parts(Window* w, F f) const {
    if constexpr (R::kInParts) {
      Parts<V, kSlopes> parts[kWindows];
      const auto take = [&] { windows([&](auto v) POOLZOO_INLINE { parts[v].take(r, w[v]); }); };
      each(f, take);
      if (count / n <= kMostInFloat) return;
      take();
      windows([&](auto v) POOLZOO_INLINE { parts[v].give(r, w[v]); });
    } else {
      each(f, [] {});
    }
  }
};

// Between a tensor, from its element `at` on, and floats that lie side by side.

POOLZOO_ONCE inline void read_run(DType dtype, const void* in, int64_t at, int64_t count, float* to, float sign) {
  constexpr int64_t n = Lanes<FloatVector>::kCount;
  with_dtype<float>(dtype, [&](auto* type) {
    const auto* from = static_cast<const std::remove_pointer_t<decltype(type)>*>(in) + at;
    for (int64_t i = 0; i < count; i += n) store(to + i, sign * load_wide<FloatVector>(from + i, std::min(count - i, n)));
  });
}

POOLZOO_ONCE inline void write_run(DType dtype, const float* from, int64_t count, void* out, int64_t at) {
  constexpr int64_t n = Lanes<FloatVector>::kCount;
  with_dtype<float>(dtype, [&](auto* type) {
    auto* to = static_cast<decltype(type)>(out) + at;
    for (int64_t i = 0; i < count; i += n) store_narrow(to + i, load<FloatVector>(from + i), std::min(count - i, n));
  });
}

// Where the elements of a window are read, and where its slopes are written: in the tensors where these are of float, else
// through a buffer.
template <class R>
class RunMemory {
 public:
  static constexpr int kWindows = 2;

  RunMemory(const Call& call, const Runs& runs, float sign) : call_(call), runs_(runs), sign_(sign) {
    const int64_t n = Lanes<FloatVector>::kCount;
    room_ = (runs.count + n - 1) / n * n;
    if (call.dtype != kFloat32 || sign < 0) elements_ = Buffer<float>(kWindows * R::kInputs * room_);
    if (call.grad && call.dtype != kFloat32) slopes_ = Buffer<float>(R::kInputs * room_);
  }

  const float* read(int64_t window, int v, int input) const {
    if (call_.dtype == kFloat32 && sign_ > 0) return static_cast<const float*>(call_.in[input]) + first(window);
    float* to = elements_.get() + (v * R::kInputs + input) * room_;
    read_run(call_.dtype, call_.in[input], first(window), runs_.count, to, sign_);
    return to;
  }

  float* slopes(int64_t window, int input) const {
    const bool own = call_.dtype == kFloat32;
    return own ? static_cast<float*>(call_.grad_in[input]) + first(window) : slopes_.get() + input * room_;
  }

  void write(int64_t window, int input) const {  // what slopes() returned; zeros up to the next window
    const int64_t at = first(window), end = at + runs_.count, bytes = call_.dtype == kFloat32 ? 4 : 2;
    if (bytes == 2) write_run(call_.dtype, slopes_.get() + input * room_, runs_.count, call_.grad_in[input], at);
    const bool last = (window + 1) % runs_.windows == 0;
    const int64_t next = last ? (window / runs_.windows + 1) * runs_.size : at + runs_.step;
    if (end < next) memset(static_cast<char*>(call_.grad_in[input]) + end * bytes, 0, (next - end) * bytes);
  }

 private:
  int64_t first(int64_t window) const {
    return window / runs_.windows * runs_.size + window % runs_.windows * runs_.step;
  }

  const Call& call_;
  const Runs& runs_;
  const float sign_;
  int64_t room_;
  Buffer<float> elements_, slopes_;
};

template <bool kSlopes, class R>
void pool_runs_as(const Call& call, const R& reducer, Parallel parallel) {
  constexpr int64_t kMost = 16;
  const Runs runs(call.g);
  const int64_t size = runs.count < 2048 ? kMost : 2;  // windows of a task
  const int64_t all = runs.planes * runs.windows, tasks = (all + size - 1) / size;
  std::vector<double> params(call.grad_param ? tasks : 0);
  auto body = [&](int64_t first, int64_t last) {
    const R r = reducer;
    const RunMemory<R> memory(call, runs, r.sign);
    RunWindows<R, kSlopes> windows(r, runs.count);
    float y[kMost];  // or the gradient by it
    for (int64_t task = first; task < last; ++task) {
      const int64_t begin = task * size, end = std::min(begin + size, all);
      double param = 0;
      if constexpr (kSlopes) widen_row(call.dtype, call.grad, begin, y, end - begin);
      for (int64_t at = begin; at < end; at += windows.kWindows) {
        typename RunWindows<R, kSlopes>::Window w[windows.kWindows];
        const auto number = [&](int v) { return std::min(at + v, end - 1); };  // where there is none, the last one again
        for (int v = 0; v < windows.kWindows; ++v)
          for (int i = 0; i < R::kInputs; ++i) windows.in[v][i] = memory.read(number(v), v, i);
        windows.reduce(w);
        windows.windows([&](auto v) POOLZOO_INLINE {
          float& of = y[number(v) - begin];
          if constexpr (!kSlopes) {
            of = r.sign * r.value(w[v])[0];
          } else if (at + v < end) {
            if constexpr (R::kParam)
              if (call.grad_param) param += of * r.spread(w[v])[0];
            float* to[R::kInputs];
            for (int i = 0; i < R::kInputs; ++i) to[i] = memory.slopes(at + v, i);
            windows.spread(w[v], v, of, to);
            for (int i = 0; i < R::kInputs; ++i) memory.write(at + v, i);
          }
        });
      }
      if constexpr (!kSlopes) narrow_row(call.dtype, y, call.out, begin, end - begin);
      if (call.grad_param) params[task] = param;
    }
  };
  parallel_for(parallel, tasks, size * runs.count, body);
  if (call.grad_param) *call.grad_param = std::accumulate(params.begin(), params.end(), 0.0);
}

// Whether to take this path, by measurement: to combine lanes takes as long as several vectors of elements do. As
// elsewhere, a sample's result must not depend on the batch.
template <class R>
bool in_runs(const Call& call) {
  if (!R::kJoins || call.dtype == kFloat64) return false;
  const Runs runs(call.g);
  const int64_t n = Lanes<FloatVector>::kCount;
  return runs.fit && runs.count >= (R::kPasses == 1 ? 2 : 4) * n && (R::kInParts || runs.count <= kMostInFloat * n);
}

template <class R>
void pool_runs(const Call& call, Parallel parallel) {
  if constexpr (R::kJoins) {
    const R r = R::make(call.param, taps(call.g));
    if (call.grad) pool_runs_as<true>(call, r, parallel);
    else pool_runs_as<false>(call, r, parallel);
  }
}

}  // namespace poolzoo
