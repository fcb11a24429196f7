// Pooling on CUDA with any reducer of reducers.h.
//
// There are three kinds of kernel here: for adjacent windows of two elements along each axis, from registers; for any window, one thread per output;
// and for the gradient of overlapping windows, one thread per input element. strips.cuh has those of 3x3 windows and of 3 in a row. Elements
// outside the input are skipped. There are no atomics; each element of a result is stored once.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include "reducers.h"

namespace poolzoo {

constexpr int kThreads = 256;  // of every block

// What a reducer computes in, whatever the type of the elements.
template <class R> using Number = typename R::Number;

// Geometry as the kernels read it. I is int32_t where every offset fits: it halves the arithmetic of indices.
template <class I>
struct Windows {
  I in[3], out[3], kernel[3], stride[3], padding[3], dilation[3];
  I inner;  // both layouts are (outer, depth, height, width, inner): N C and 1, or N and C

  explicit Windows(const Geometry& g) : inner(static_cast<I>(g.channels_last ? g.channels : 1)) {
    for (int axis = 0; axis < 3; ++axis) {
      in[axis] = static_cast<I>(g.in[axis]);
      out[axis] = static_cast<I>(g.out[axis]);
      kernel[axis] = static_cast<I>(g.kernel[axis]);
      stride[axis] = static_cast<I>(g.stride[axis]);
      padding[axis] = static_cast<I>(g.padding[axis]);
      dilation[axis] = static_cast<I>(g.dilation[axis]);
    }
  }
};

// The items of a thread: its own number, then on by the number of all threads.
template <class I>
__device__ __forceinline__ I first_item() {
  return static_cast<I>(blockIdx.x) * kThreads + static_cast<I>(threadIdx.x);
}
template <class I>
__device__ __forceinline__ I items_apart() {
  return static_cast<I>(gridDim.x) * kThreads;
}

// ---------------------------------------------------------------- one window

// x and the second input of a reducer that has two; and the gradients of both.
template <class T>
struct Inputs {
  const T* of[2];
};
template <class T>
struct Gradients {
  T* of[2];
};

// `number` is the tap's. A reducer of one input never looks at b.
template <class R, class T>
__device__ __forceinline__ auto tap(const R& r, T a, T b, int64_t number) {
  using A = Number<R>;
  return Tap<A>{r.sign * static_cast<A>(a), static_cast<A>(b), A(1), static_cast<Index<A>>(number)};
}

template <class R, class T, class I>
__device__ __forceinline__ auto tap(const R& r, const Inputs<T>& x, I at, int64_t number) {
  const T a = __ldg(x.of[0] + at);
  return tap(r, a, R::kInputs == 2 ? __ldg(x.of[1] + at) : a, number);
}

// `each(f)` calls f with every tap of the window, in the order of their numbers, and may be called again.
template <class R, class Each>
__device__ __forceinline__ auto reduce(const R& r, const Each& each) {
  auto w = r.template open<Number<R>>();
  each([&](const Tap<Number<R>>& e) { r.seek(w, e); });
  if constexpr (R::kPasses > 1) {
    r.settle(w);
    if constexpr (R::kPasses > 2) {
      each([&](const Tap<Number<R>>& e) { r.measure(w, e); });
      r.prepare(w);
    }
    each([&](const Tap<Number<R>>& e) { r.add(w, e); });
  }
  return w;
}

template <class T, class R, class Each>
__device__ __forceinline__ T pooled(const R& r, const Each& each) {
  return static_cast<T>(r.sign * r.value(reduce(r, each)));
}

// The derivative by one of the inputs.
template <class R, class Closed, class A>
__device__ __forceinline__ A slope(const R& r, const Closed& c, const Tap<A>& e, int input) {
  if constexpr (R::kInputs == 2)
    if (input == 1) return r.slope_second(c, e);
  return r.slope(c, e);
}

// ---------------------------------------------------------------- windows of width 2 side by side, contiguous

// N neighbours in memory. A thread reads 2V of each of its rows and writes V outputs: one row in 1D, two in 2D, four in 3D.
template <class T, int N, int Align>
struct alignas(Align) Pack {
  T at[N];
};

template <int Bytes> struct Word;
template <> struct Word<2> { using type = ushort; };
template <> struct Word<4> { using type = uint; };
template <> struct Word<8> { using type = uint2; };
template <> struct Word<16> { using type = uint4; };

// One instruction for as many bytes as Pack is aligned to: left to itself, the compiler splits some of the stores.
template <class Pack>
__device__ __forceinline__ Pack take(const void* from) {
  using W = typename Word<alignof(Pack)>::type;
  constexpr int n = sizeof(Pack) / sizeof(W);
  W words[n];
#pragma unroll
  for (int i = 0; i < n; ++i) words[i] = __ldg(static_cast<const W*>(from) + i);
  Pack pack;
  memcpy(&pack, words, sizeof(Pack));
  return pack;
}

template <class Pack>
__device__ __forceinline__ void put(void* to, const Pack& pack) {
  using W = typename Word<alignof(Pack)>::type;
  constexpr int n = sizeof(Pack) / sizeof(W);
  W words[n];
  memcpy(words, &pack, sizeof(Pack));
#pragma unroll
  for (int i = 0; i < n; ++i) __stwb(static_cast<W*>(to) + i, words[i]);
}

// The place of a pack of V outputs, and of the first of its 2V inputs. Windows are KZ slices deep and KY rows high, 2 or 1:
// where it is 1, the geometry counts slices or rows as planes.
template <int KZ, int KY, int V, class I>
struct PackPlace {
  I slice, row, column, input;

  __device__ __forceinline__ PackPlace(const Windows<I>& g, I pack) : slice(0), row(0) {
    const I packs = g.out[2] / V;
    I plane = pack / packs;
    column = (pack - plane * packs) * V;
    if constexpr (KY == 2) {
      const I line = plane;
      plane = line / g.out[1];
      row = line - plane * g.out[1];
    }
    if constexpr (KZ == 2) {
      const I line = plane;
      plane = line / g.out[0];
      slice = line - plane * g.out[0];
    }
    input = ((plane * (KZ == 2 ? g.in[0] : 1) + KZ * slice) * (KY == 2 ? g.in[1] : 1) + KY * row) * g.in[2] + 2 * column;
  }
};

// V windows side by side, in KZ KY rows of each input.
template <class R, class T, int KZ, int KY, int V, bool Aligned>
struct Pairs {
  static constexpr int kRows = KZ * KY;
  using Row = Pack<T, 2 * V, Aligned ? 2 * V * sizeof(T) : sizeof(T)>;
  using Out = Pack<T, V, Aligned ? V * sizeof(T) : sizeof(T)>;
  Row rows[R::kInputs][kRows];

  template <class I>
  __device__ __forceinline__ Pairs(const Inputs<T>& x, I at, const Windows<I>& g) {
#pragma unroll
    for (int i = 0; i < R::kInputs; ++i)
#pragma unroll
      for (int row = 0; row < kRows; ++row) rows[i][row] = take<Row>(x.of[i] + at + (row / KY * g.in[1] + row % KY) * g.in[2]);
  }

  __device__ __forceinline__ auto tap(const R& r, int window, int number) const {
    const int row = number / 2, column = 2 * window + number % 2;
    return poolzoo::tap(r, rows[0][row].at[column], rows[R::kInputs - 1][row].at[column], number);
  }

  // The taps of one window, for reduce.
  __device__ __forceinline__ auto window(const R& r, int window) const {
    return [this, &r, window](auto f) {
#pragma unroll
      for (int number = 0; number < 2 * kRows; ++number) f(tap(r, window, number));
    };
  }
};

template <class R, class T, int KZ, int KY, int V, bool Aligned, class I>
__global__ void pool_pairs(Inputs<T> x, T* __restrict__ y, Windows<I> g, I count, R r) {
  using P = Pairs<R, T, KZ, KY, V, Aligned>;
  for (I i = first_item<I>(); i < count; i += items_apart<I>()) {
    const P pairs(x, PackPlace<KZ, KY, V, I>(g, i).input, g);
    typename P::Out out;
#pragma unroll
    for (int v = 0; v < V; ++v) out.at[v] = pooled<T>(r, pairs.window(r, v));
    put(y + i * V, out);
  }
}

template <class R, class T, int KZ, int KY, int V, bool Aligned, class I>
__global__ void pool_pairs_backward(const T* __restrict__ grad_y, Inputs<T> x, Gradients<T> grad, Windows<I> g, I count,
                                    R r) {
  using P = Pairs<R, T, KZ, KY, V, Aligned>;
  using Row = typename P::Row;
  for (I i = first_item<I>(); i < count; i += items_apart<I>()) {
    const PackPlace<KZ, KY, V, I> place(g, i);
    const P pairs(x, place.input, g);
    const auto dy = take<typename P::Out>(grad_y + i * V);
    Row rows[R::kInputs][P::kRows];
#pragma unroll
    for (int v = 0; v < V; ++v) {
      const auto closed = r.close(reduce(r, pairs.window(r, v)));
#pragma unroll
      for (int number = 0; number < 2 * P::kRows; ++number)
#pragma unroll
        for (int input = 0; input < R::kInputs; ++input) {
          const auto dx = static_cast<Number<R>>(dy.at[v]) * slope(r, closed, pairs.tap(r, v, number), input);
          rows[input][number / 2].at[2 * v + number % 2] = static_cast<T>(dx);
        }
    }
    // What no window holds is the neighbour's to clear: a last slice or row below the last windows, a last column.
    const int slices = KZ + (KZ == 2 && place.slice == g.out[0] - 1 && g.in[0] % 2);
    const int lines = KY + (KY == 2 && place.row == g.out[1] - 1 && g.in[1] % 2);
    const bool beside = !Aligned && place.column == g.out[2] - 1 && g.in[2] % 2;
#pragma unroll
    for (int input = 0; input < R::kInputs; ++input)
#pragma unroll
      for (int z = 0; z < (KZ == 2 ? 3 : 1); ++z)
#pragma unroll
        for (int row = 0; row < (KY == 2 ? 3 : 1); ++row) {
          if (z >= slices || row >= lines) continue;
          T* out = grad.of[input] + place.input + (z * g.in[1] + row) * g.in[2];
          put(out, z < KZ && row < KY ? rows[input][z < KZ && row < KY ? z * KY + row : 0] : Row{});
          if (beside) out[2] = T(0.f);
        }
  }
}

// ---------------------------------------------------------------- any window, any layout

// Neighbouring threads take neighbouring elements in memory: along the row, or along the channels.
template <class I>
struct Place {
  I outer, at[3], inner;

  __device__ __forceinline__ Place(I i, const I (&size)[3], I inner_size) {
    inner = 0;
    if (inner_size != 1) {
      inner = i % inner_size;
      i /= inner_size;
    }
#pragma unroll
    for (int axis = 2; axis >= 0; --axis) {
      at[axis] = i % size[axis];
      i /= size[axis];
    }
    outer = i;
  }

  // Of the element at (z, y, x) of the same channel, in a tensor of that size.
  __device__ __forceinline__ I offset(const I (&size)[3], I inner_size, I z, I y, I x) const {
    return (((outer * size[0] + z) * size[1] + y) * size[2] + x) * inner_size + inner;
  }
};

// The taps of output `o` that lie inside the input, clipped beforehand: no test is left in the loops.
template <class Integer>
struct Taps {
  using I = Integer;
  I first, number;  // of the first: where it lies, and which of the window's taps it is
  int count[3];
  I step[3], numbers[3];  // from tap to tap

  __device__ __forceinline__ Taps(const Windows<I>& g, const Place<I>& o) : number(0) {
    I start[3], size = g.inner, tap = 1;
#pragma unroll
    for (int axis = 2; axis >= 0; --axis) {
      const I hole = g.dilation[axis];
      I taps = g.kernel[axis];
      start[axis] = o.at[axis] * g.stride[axis] - g.padding[axis];
      if (start[axis] < 0) {
        const I before = (hole - 1 - start[axis]) / hole;
        start[axis] += before * hole;
        taps -= before;
        number += before * tap;
      }
      const I over = start[axis] + (taps - 1) * hole - g.in[axis];
      if (over >= 0) taps -= over / hole + 1;
      count[axis] = static_cast<int>(taps);
      step[axis] = size * hole;
      numbers[axis] = tap;
      size *= g.in[axis];
      tap *= g.kernel[axis];
    }
    first = o.offset(g.in, g.inner, start[0], start[1], start[2]);
  }

  // The taps as reduce wants them. Its second walk over them finds them in the L1 cache.
  template <class R, class T>
  __device__ __forceinline__ auto of(const R& r, const Inputs<T>& inputs) const {
    return [this, &r, &inputs](auto f) {
      for (int z = 0; z < count[0]; ++z)
        for (int y = 0; y < count[1]; ++y) {
          I at = first + z * step[0] + y * step[1], which = number + z * numbers[0] + y * numbers[1];
#pragma unroll 1  // windows are small: an unrolled loop's preparations cost more than they save
          for (int x = 0; x < count[2]; ++x, at += step[2], ++which) f(tap(r, inputs, at, which));
        }
    };
  }
};

// The same for KxK windows in one plane: all loads at once, each element read once. Without a branch: for an absent tap the
// element next to it is read, and what stands for absent ones put in its place.
template <int K>
struct SmallTaps {
  using I = int32_t;
  I rows[K], columns[K];
  bool row_inside[K], column_inside[K];

  __device__ __forceinline__ SmallTaps(const Windows<I>& g, const Place<I>& o) {
    const I plane = o.offset(g.in, g.inner, o.at[0], 0, 0), width = g.in[2] * g.inner;
#pragma unroll
    for (int i = 0; i < K; ++i) {
      const I y = o.at[1] * g.stride[1] - g.padding[1] + i * g.dilation[1];
      const I x = o.at[2] * g.stride[2] - g.padding[2] + i * g.dilation[2];
      const I near_y = min(max(y, 0), g.in[1] - 1), near_x = min(max(x, 0), g.in[2] - 1);
      rows[i] = plane + near_y * width;
      columns[i] = near_x * g.inner;
      row_inside[i] = y == near_y;
      column_inside[i] = x == near_x;
    }
  }

  // The elements of V windows that lie side by side along the channels; the geometry then counts packs of V channels.
  template <class R, class T, int V>
  struct Held {
    using E = Pack<T, V, V * sizeof(T)>;
    SmallTaps taps;
    E elements[R::kInputs][K * K];

    __device__ __forceinline__ Held(const SmallTaps& where, const Inputs<T>& x) : taps(where) {
#pragma unroll
      for (int input = 0; input < R::kInputs; ++input)
#pragma unroll
        for (int i = 0; i < K * K; ++i)
          elements[input][i] = take<E>(x.of[input] + (where.rows[i / K] + where.columns[i % K]) * V);
    }

    __device__ __forceinline__ auto element(const R& r, int v, int i) const {
      const bool inside = taps.row_inside[i / K] && taps.column_inside[i % K];
      auto e = tap(r, elements[0][i].at[v], elements[R::kInputs - 1][i].at[v], i);
      e.a = inside ? e.a : R::fill(0);
      e.b = inside ? e.b : R::fill(1);
      e.here = inside;
      return e;
    }

    // One window's taps, for reduce.
    __device__ __forceinline__ auto window(const R& r, int v) const {
      return [this, &r, v](auto f) {
#pragma unroll
        for (int i = 0; i < K * K; ++i) f(element(r, v, i));
      };
    }
  };
};

template <class R, class T, int K, int V>
__global__ void pool_small(Inputs<T> x, T* __restrict__ y, Windows<int32_t> g, int32_t count, R r) {
  for (int32_t i = first_item<int32_t>(); i < count; i += items_apart<int32_t>()) {
    const typename SmallTaps<K>::template Held<R, T, V> held(SmallTaps<K>(g, Place<int32_t>(i, g.out, g.inner)), x);
    Pack<T, V, V * sizeof(T)> out;
#pragma unroll
    for (int v = 0; v < V; ++v) out.at[v] = pooled<T>(r, held.window(r, v));
    put(y + i * V, out);
  }
}

// Of 2x2 windows side by side, V channels at a time.
template <class R, class T, int V>
__global__ void pool_quads_backward(const T* __restrict__ grad_y, Inputs<T> x, Gradients<T> grad, Windows<int32_t> g,
                                    int32_t count, R r) {
  using E = Pack<T, V, V * sizeof(T)>;
  for (int32_t i = first_item<int32_t>(); i < count; i += items_apart<int32_t>()) {
    const Place<int32_t> o(i, g.out, g.inner);
    const SmallTaps<2> taps(g, o);
    const typename SmallTaps<2>::template Held<R, T, V> held(taps, x);
    const auto dy = take<E>(grad_y + i * V);
    E out[R::kInputs][4];
#pragma unroll
    for (int v = 0; v < V; ++v) {
      const auto closed = r.close(reduce(r, held.window(r, v)));
#pragma unroll
      for (int n = 0; n < 4; ++n)
#pragma unroll
        for (int input = 0; input < R::kInputs; ++input)
          out[input][n].at[v] = static_cast<T>(static_cast<Number<R>>(dy.at[v]) * slope(r, closed, held.element(r, v, n), input));
    }
    // What no window holds is the neighbour's to clear: a last row below the last windows, a last column beside them.
    const bool below = o.at[1] == g.out[1] - 1 && g.in[1] % 2, beside = o.at[2] == g.out[2] - 1 && g.in[2] % 2;
    const int32_t row = g.in[2] * g.inner, column = g.inner;
#pragma unroll
    for (int input = 0; input < R::kInputs; ++input) {
      T* to = grad.of[input] + (taps.rows[0] + taps.columns[0]) * V;
#pragma unroll
      for (int n = 0; n < 4; ++n) put(to + (n / 2 * row + n % 2 * column) * V, out[input][n]);
      for (int n = 0; n < 2 + beside; ++n)
        if (below) put(to + (2 * row + n * column) * V, E{});
      for (int n = 0; n < 2; ++n)
        if (beside) put(to + (n * row + 2 * column) * V, E{});
    }
  }
}

template <class R, class T, class I>
__global__ void pool_any(Inputs<T> x, T* __restrict__ y, Windows<I> g, I count, R r) {
  for (I i = first_item<I>(); i < count; i += items_apart<I>()) {
    const Taps<I> taps(g, Place<I>(i, g.out, g.inner));
    y[i] = pooled<T>(r, taps.of(r, x));
  }
}

// Windows that do not overlap (stride >= span): each output owns the cell of input positions from its window's start to
// the next one's, the last one up to the edge, and writes all of it: gradients where its taps lie, zeros elsewhere.
template <class R, class T, class I>
__global__ void pool_cells_backward(const T* __restrict__ grad_y, Inputs<T> x, Gradients<T> grad, Windows<I> g, I count,
                                    R r) {
  for (I i = first_item<I>(); i < count; i += items_apart<I>()) {
    const Place<I> o(i, g.out, g.inner);
    const Taps<I> taps(g, o);
    const auto closed = r.close(reduce(r, taps.of(r, x)));
    const auto dy = static_cast<Number<R>>(grad_y[i]);
    I start[3], first[3], last[3];
#pragma unroll
    for (int axis = 0; axis < 3; ++axis) {
      start[axis] = o.at[axis] * g.stride[axis] - g.padding[axis];
      first[axis] = start[axis] < 0 ? 0 : start[axis];
      last[axis] = o.at[axis] == g.out[axis] - 1 ? g.in[axis] : start[axis] + g.stride[axis];
    }
    const auto held = [&](int axis, I at) {
      const I reach = at - start[axis];
      return reach <= g.dilation[axis] * (g.kernel[axis] - 1) && reach % g.dilation[axis] == 0;
    };
    const auto number = [&](int axis, I at) { return (at - start[axis]) / g.dilation[axis] * taps.numbers[axis]; };
    for (I at_z = first[0]; at_z < last[0]; ++at_z)
      for (I at_y = first[1]; at_y < last[1]; ++at_y)
#pragma unroll 1
        for (I at_x = first[2]; at_x < last[2]; ++at_x) {
          const I j = o.offset(g.in, g.inner, at_z, at_y, at_x);
          Number<R> dx[R::kInputs] = {};
          if (held(0, at_z) && held(1, at_y) && held(2, at_x)) {
            const auto e = tap(r, x, j, number(0, at_z) + number(1, at_y) + number(2, at_x));
#pragma unroll
            for (int input = 0; input < R::kInputs; ++input) dx[input] = dy * slope(r, closed, e, input);
          }
#pragma unroll
          for (int input = 0; input < R::kInputs; ++input) grad.of[input][j] = static_cast<T>(dx[input]);
        }
  }
}

// Overlapping windows, in two steps. Gathering alone would compute every window anew for each of its elements;
// scattering needs atomics, whose order changes the sum. So the first kernel leaves a few numbers a window in a
// workspace that lives only during the call (the forward pass saves nothing but its inputs), and the second adds, for each
// input element, the windows that hold it, always in the same order.
template <class R>
struct ShareOf {
  typename R::template Closed<Number<R>> closed;
  Number<R> dy;
};

// Padded, so that it moves in few instructions, 16 bytes each where it is larger than 8.
template <class R>
struct alignas(sizeof(ShareOf<R>) > 8 ? 16 : 8) Share : ShareOf<R> {};

template <class R, class T, class I>
__global__ void pool_shares(const T* __restrict__ grad_y, Inputs<T> x, Share<R>* __restrict__ shares, Windows<I> g,
                            I count, R r) {
  for (I i = first_item<I>(); i < count; i += items_apart<I>()) {
    const Taps<I> taps(g, Place<I>(i, g.out, g.inner));
    put(shares + i, Share<R>{{r.close(reduce(r, taps.of(r, x))), static_cast<Number<R>>(grad_y[i])}});
  }
}

template <class R, class T, class I>
__global__ void pool_gather_backward(Inputs<T> x, const Share<R>* __restrict__ shares, Gradients<T> grad,
                                     Windows<I> g, I count, R r) {
  using A = Number<R>;
  for (I i = first_item<I>(); i < count; i += items_apart<I>()) {
    const Place<I> p(i, g.in, g.inner);
    I first[3], last[3];  // windows whose span covers the element
#pragma unroll
    for (int axis = 0; axis < 3; ++axis) {
      const I at = p.at[axis] + g.padding[axis], before = at - g.dilation[axis] * (g.kernel[axis] - 1);
      first[axis] = before <= 0 ? 0 : (before + g.stride[axis] - 1) / g.stride[axis];
      last[axis] = at / g.stride[axis] < g.out[axis] ? at / g.stride[axis] : g.out[axis] - 1;
    }
    const auto reach = [&](int axis, I o) { return p.at[axis] + g.padding[axis] - o * g.stride[axis]; };
    const auto held = [&](int axis, I o) {  // by a tap, not by a hole of the dilation
      return g.dilation[axis] == 1 || reach(axis, o) % g.dilation[axis] == 0;
    };
    const auto number = [&](int axis, I o) { return reach(axis, o) / g.dilation[axis]; };
    auto e = tap(r, x, i, 0);
    A sum[R::kInputs] = {};
    for (I oz = first[0]; oz <= last[0]; ++oz) {
      if (!held(0, oz)) continue;
      for (I oy = first[1]; oy <= last[1]; ++oy) {
        if (!held(1, oy)) continue;
#pragma unroll 1
        for (I ox = first[2]; ox <= last[2]; ++ox) {
          if (!held(2, ox)) continue;
          const auto share = take<Share<R>>(shares + p.offset(g.out, g.inner, oz, oy, ox));
          e.number = (number(0, oz) * g.kernel[1] + number(1, oy)) * g.kernel[2] + number(2, ox);
#pragma unroll
          for (int input = 0; input < R::kInputs; ++input) sum[input] += share.dy * slope(r, share.closed, e, input);
        }
      }
    }
#pragma unroll
    for (int input = 0; input < R::kInputs; ++input) grad.of[input][i] = static_cast<T>(sum[input]);
  }
}

// ---------------------------------------------------------------- the gradient of the parameter

// The block's sum in its first thread, added in the order of the threads' numbers whatever their timing.
__device__ __forceinline__ double block_sum(double mine) {
  __shared__ double sums[kThreads];
  sums[threadIdx.x] = mine;
  for (int n = kThreads / 2; n > 0; n /= 2) {
    __syncthreads();
    if (threadIdx.x < n) sums[threadIdx.x] += sums[threadIdx.x + n];
  }
  return sums[0];
}

// One sum a block; sum_blocks adds them up.
template <class R, class T, class I>
__global__ void pool_param_backward(const T* __restrict__ grad_y, Inputs<T> x, double* __restrict__ sums, Windows<I> g,
                                    I count, R r) {
  double sum = 0;
  for (I i = first_item<I>(); i < count; i += items_apart<I>()) {
    const Taps<I> taps(g, Place<I>(i, g.out, g.inner));
    sum += double{static_cast<Number<R>>(grad_y[i]) * r.spread(reduce(r, taps.of(r, x)))};
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

static __global__ void sum_blocks(double* sums, int count) {
  double sum = 0;
  for (int i = threadIdx.x; i < count; i += kThreads) sum += sums[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) sums[0] = sum;
}

}  // namespace poolzoo
