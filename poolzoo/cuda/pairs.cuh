// Adjacent windows of two elements along each axis, whose elements wait in registers: each is read once, several at a time.
//
// Contiguous planes: a thread reads 2V neighbours of each of its rows, one row in 1D, two in 2D, four in 3D, and writes V
// outputs. channels_last: a thread takes V channels of one 2x2 window. 5x5 windows, in either layout, are held in the same
// way, one per thread.
#pragma once
#include "kernels.cuh"

namespace poolzoo {

// ---------------------------------------------------------------- contiguous

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
      for (int row = 0; row < kRows; ++row)
        rows[i][row] = take<Row>(x.of[i] + at + (row / KY * g.in[1] + row % KY) * g.in[2]);
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
      Kept<R, 2 * P::kRows> kept;
      const auto closed = r.close(kept.reduce(r, pairs.window(r, v)));
#pragma unroll
      for (int number = 0; number < 2 * P::kRows; ++number)
#pragma unroll
        for (int input = 0; input < R::kInputs; ++input) {
          const auto slope = kept.slope(r, closed, pairs.tap(r, v, number), number, input);
          const auto dx = static_cast<Number<R>>(dy.at[v]) * slope;
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

// ---------------------------------------------------------------- channels_last, and 5x5

// The taps of a KxK window in one plane, without a branch: for an absent one the element next to it is read, and what stands
// for absent ones put in its place.
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

// Of KxK windows side by side, which may reach beyond the input: each output clears what follows the last windows.
template <class R, class T, int K>
__global__ void pool_small_backward(const T* __restrict__ grad_y, Inputs<T> x, Gradients<T> grad, Windows<int32_t> g,
                                    int32_t count, R r) {
  for (int32_t i = first_item<int32_t>(); i < count; i += items_apart<int32_t>()) {
    const Place<int32_t> o(i, g.out, g.inner);
    const SmallTaps<K> taps(g, o);
    const typename SmallTaps<K>::template Held<R, T, 1> held(taps, x);
    const auto dy = static_cast<Number<R>>(__ldg(grad_y + i));
    Kept<R, K * K> kept;
    const auto closed = r.close(kept.reduce(r, held.window(r, 0)));
#pragma unroll
    for (int n = 0; n < K * K; ++n)
      if (taps.row_inside[n / K] && taps.column_inside[n % K])
#pragma unroll
        for (int input = 0; input < R::kInputs; ++input)
          grad.of[input][taps.rows[n / K] + taps.columns[n % K]] =
              static_cast<T>(dy * kept.slope(r, closed, held.element(r, 0, n), n, input));
    const int32_t y = g.start(1, o.at[1]), below = o.at[1] == g.out[1] - 1 ? g.in[1] : y + K;
    const int32_t left = g.start(2, o.at[2]), beside = o.at[2] == g.out[2] - 1 ? g.in[2] : left + K;
    for (int32_t at_y = max(y, 0); at_y < below; ++at_y)
      for (int32_t at_x = at_y < y + K ? left + K : max(left, 0); at_x < beside; ++at_x)
#pragma unroll
        for (int input = 0; input < R::kInputs; ++input)
          grad.of[input][o.offset(g.in, g.inner, o.at[0], at_y, at_x)] = T(0.f);
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
      Kept<R, 4> kept;
      const auto closed = r.close(kept.reduce(r, held.window(r, v)));
#pragma unroll
      for (int n = 0; n < 4; ++n)
#pragma unroll
        for (int input = 0; input < R::kInputs; ++input) {
          const auto dx = static_cast<Number<R>>(dy.at[v]) * kept.slope(r, closed, held.element(r, v, n), n, input);
          out[input][n].at[v] = static_cast<T>(dx);
        }
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

}  // namespace poolzoo
