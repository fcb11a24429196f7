// SoftPool on CUDA: y = sum w_i a_i, w = softmax(beta a) over the elements of a window that lie inside the input.
//
// Everything is computed relative to the window's extreme c, as y = c + sum w_i (a_i - c): exponents are never
// positive, a constant window gives its constant exactly, and the gradient w_i (1 + beta (a_i - y)) subtracts small
// numbers only. Three kinds of kernel: 2x2 windows side by side, from registers; any window, one thread an output; and
// the gradient of overlapping windows, one thread an input element. No atomics; each output element is stored once.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cfloat>
#include <cmath>
#include <cstring>

#include "geometry.h"

namespace poolzoo {

constexpr int kThreads = 256;  // of every block

template <class T> struct Accumulator { using type = float; };
template <> struct Accumulator<double> { using type = double; };
template <class T> using Acc = typename Accumulator<T>::type;

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

// One instruction, to 2 units in the last place, where exp takes eleven; 0 below float's smallest normal number.
__device__ __forceinline__ float power_of_2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
__device__ __forceinline__ double power_of_2(double x) { return exp2(x); }

template <class A>
struct SoftPool {
  A sign;    // -1 where beta < 0: that is minus the pool of -a with -beta, so that the extreme is always a maximum
  A scale;   // a power of two, at most 1 / (2 taps): sums of differences scaled by it overflow at no magnitude
  A half;    // 1 / (2 scale)
  A sharp;   // |beta| / scale
  A sharp2;  // the same to base 2

  struct Window {
    A top;    // max sign a
    A sum;    // sum e_i, e_i = exp(|beta| (sign a_i - top)); at least 1
    A shift;  // sum w_i (sign a_i - top), times scale
  };

  SoftPool(double beta, int64_t taps) {
    const double unit = std::ldexp(1.0, -1 - static_cast<int>(std::ceil(std::log2(static_cast<double>(taps)))));
    const double most = sizeof(A) == sizeof(float) ? FLT_MAX : DBL_MAX;  // infinity would turn 0 * sharp into NaN
    const double log2e = 1.4426950408889634;
    sign = beta < 0 ? A(-1) : A(1);
    scale = static_cast<A>(unit);
    half = static_cast<A>(0.5 / unit);
    sharp = static_cast<A>(std::fmin(std::fabs(beta) / unit, most));
    sharp2 = static_cast<A>(std::fmin(std::fabs(beta) / unit * log2e, most));
  }

  __device__ __forceinline__ A difference(A a, A top) const { return fma(sign * a, scale, -top * scale); }
  __device__ __forceinline__ A weight(A difference) const { return power_of_2(sharp2 * difference); }

  // `taps(f)` calls f(a) for every element, and is called twice. A NaN goes into the sums though fmax passes it over.
  template <class Taps>
  __device__ __forceinline__ Window window(Taps taps) const {
    A top = -INFINITY, sum = 0, moment = 0;
    taps([&](A a) { top = fmax(top, sign * a); });
    taps([&](A a) {
      const A d = difference(a, top), e = weight(d);
      sum += e;
      moment = fma(e, d, moment);
    });
    return {top, sum, moment / sum};
  }

  // In two halves: the difference of two finite numbers can overflow, half of it cannot.
  __device__ __forceinline__ A value(const Window& w) const {
    return sign * fma(w.shift, half, fma(w.shift, half, w.top));
  }

  // sum * dy / da_i = e_i (1 + beta (a_i - y)). e_i multiplies the difference first: their product is small wherever
  // sharp is large, so that no magnitude overflows.
  __device__ __forceinline__ A slope(A a, A top, A shift) const {
    const A d = difference(a, top), e = weight(d);
    return fma(e * (d - shift), sharp, e);
  }

  // sum * a term of dy / dbeta: e_i (a_i - y)^2
  __device__ __forceinline__ A spread(A a, A top, A shift) const {
    const A d = difference(a, top), far = d - shift;
    return weight(d) * far * far * (2 * half) * (2 * half);
  }
};

// ---------------------------------------------------------------- 2x2 windows, contiguous

// N neighbours in memory. A thread reads 2V of each of two rows and writes V outputs.
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

// The place of a pack of V outputs, and of the first of its 2V inputs in the upper of two rows.
template <int V, class I>
struct PackPlace {
  I row, column, input;

  __device__ __forceinline__ PackPlace(const Windows<I>& g, I pack) {
    const I packs = g.out[2] / V, line = pack / packs, plane = line / g.out[1];
    column = (pack - line * packs) * V;
    row = line - plane * g.out[1];
    input = (plane * g.in[1] + 2 * row) * g.in[2] + 2 * column;
  }
};

// The v-th 2x2 window of two rows, as taps.
template <class T, class Row>
__device__ __forceinline__ auto square(const Row& upper, const Row& lower, int v) {
  return [&upper, &lower, v](auto f) {
    f(static_cast<Acc<T>>(upper.at[2 * v]));
    f(static_cast<Acc<T>>(upper.at[2 * v + 1]));
    f(static_cast<Acc<T>>(lower.at[2 * v]));
    f(static_cast<Acc<T>>(lower.at[2 * v + 1]));
  };
}

template <class T, int V, bool Aligned, class I>
__global__ void softpool_2x2(const T* __restrict__ x, T* __restrict__ y, Windows<I> g, I count, SoftPool<Acc<T>> pool) {
  using In = Pack<T, 2 * V, Aligned ? 2 * V * sizeof(T) : sizeof(T)>;
  using Out = Pack<T, V, Aligned ? V * sizeof(T) : sizeof(T)>;
  for (I i = first_item<I>(); i < count; i += items_apart<I>()) {
    const PackPlace<V, I> place(g, i);
    const In upper = take<In>(x + place.input);
    const In lower = take<In>(x + place.input + g.in[2]);
    Out out;
#pragma unroll
    for (int v = 0; v < V; ++v) out.at[v] = static_cast<T>(pool.value(pool.window(square<T>(upper, lower, v))));
    put(y + i * V, out);
  }
}

template <class T, int V, bool Aligned, class I>
__global__ void softpool_2x2_backward(const T* __restrict__ grad_y, const T* __restrict__ x, T* __restrict__ grad_x,
                                      Windows<I> g, I count, SoftPool<Acc<T>> pool) {
  using A = Acc<T>;
  using In = Pack<T, 2 * V, Aligned ? 2 * V * sizeof(T) : sizeof(T)>;
  using Out = Pack<T, V, Aligned ? V * sizeof(T) : sizeof(T)>;
  for (I i = first_item<I>(); i < count; i += items_apart<I>()) {
    const PackPlace<V, I> place(g, i);
    const In upper = take<In>(x + place.input);
    const In lower = take<In>(x + place.input + g.in[2]);
    In grad_upper, grad_lower;
    const Out grad = take<Out>(grad_y + i * V);
#pragma unroll
    for (int v = 0; v < V; ++v) {
      const auto w = pool.window(square<T>(upper, lower, v));
      const A scaled = static_cast<A>(grad.at[v]) / w.sum;
#pragma unroll
      for (int j = 2 * v; j < 2 * v + 2; ++j) {
        grad_upper.at[j] = static_cast<T>(scaled * pool.slope(static_cast<A>(upper.at[j]), w.top, w.shift));
        grad_lower.at[j] = static_cast<T>(scaled * pool.slope(static_cast<A>(lower.at[j]), w.top, w.shift));
      }
    }
    T* out = grad_x + place.input;
    put(out, grad_upper);
    put(out + g.in[2], grad_lower);
    // What no window holds is the neighbour's to clear: a last row below the last windows, a last column beside them.
    const bool below = place.row == g.out[1] - 1 && g.in[1] % 2;
    if (below) put(out + 2 * g.in[2], In{});
    if (!Aligned && place.column == g.out[2] - 1 && g.in[2] % 2)
      for (int r = 0; r < 2 + below; ++r) out[r * g.in[2] + 2] = T(0.f);
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

// The elements of the window of output `o` that lie inside the input, clipped beforehand: no test is left in the loops.
template <class T, class I>
struct Taps {
  const T* first;
  int count[3];
  I step[3];  // from tap to tap, in elements

  __device__ __forceinline__ Taps(const T* x, const Windows<I>& g, const Place<I>& o) {
    I start[3], size = g.inner;
#pragma unroll
    for (int axis = 2; axis >= 0; --axis) {
      const I hole = g.dilation[axis];
      I taps = g.kernel[axis];
      start[axis] = o.at[axis] * g.stride[axis] - g.padding[axis];
      if (start[axis] < 0) {
        const I before = (hole - 1 - start[axis]) / hole;
        start[axis] += before * hole;
        taps -= before;
      }
      const I over = start[axis] + (taps - 1) * hole - g.in[axis];
      if (over >= 0) taps -= over / hole + 1;
      count[axis] = static_cast<int>(taps);
      step[axis] = size * hole;
      size *= g.in[axis];
    }
    first = x + o.offset(g.in, g.inner, start[0], start[1], start[2]);
  }

  template <class F>
  __device__ __forceinline__ void operator()(F f) const {
    for (int z = 0; z < count[0]; ++z)
      for (int y = 0; y < count[1]; ++y) {
        const T* row = first + z * step[0] + y * step[1];
#pragma unroll 1  // windows are small: an unrolled loop's preparations cost more than they save
        for (int i = 0; i < count[2]; ++i, row += step[2]) f(static_cast<Acc<T>>(*row));
      }
  }
};

// The second walk over a window finds it in the L1 cache.
template <class T, class I>
__global__ void softpool_any(const T* __restrict__ x, T* __restrict__ y, Windows<I> g, I count, SoftPool<Acc<T>> pool) {
  for (I i = first_item<I>(); i < count; i += items_apart<I>()) {
    const Place<I> o(i, g.out, g.inner);
    y[i] = static_cast<T>(pool.value(pool.window(Taps<T, I>(x, g, o))));
  }
}

// Windows that do not overlap (stride >= span): each output owns the cell of input positions from its window's start to
// the next one's, the last one up to the edge, and writes all of it: gradients where its taps lie, zeros elsewhere.
template <class T, class I>
__global__ void softpool_cells_backward(const T* __restrict__ grad_y, const T* __restrict__ x, T* __restrict__ grad_x,
                                        Windows<I> g, I count, SoftPool<Acc<T>> pool) {
  using A = Acc<T>;
  for (I i = first_item<I>(); i < count; i += items_apart<I>()) {
    const Place<I> o(i, g.out, g.inner);
    const auto w = pool.window(Taps<T, I>(x, g, o));
    const A scaled = static_cast<A>(grad_y[i]) / w.sum;
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
    for (I at_z = first[0]; at_z < last[0]; ++at_z)
      for (I at_y = first[1]; at_y < last[1]; ++at_y)
#pragma unroll 1
        for (I at_x = first[2]; at_x < last[2]; ++at_x) {
          const I j = o.offset(g.in, g.inner, at_z, at_y, at_x);
          const bool tap = held(0, at_z) && held(1, at_y) && held(2, at_x);
          grad_x[j] = static_cast<T>(tap ? scaled * pool.slope(static_cast<A>(x[j]), w.top, w.shift) : A(0));
        }
  }
}

// Overlapping windows, in two steps. Gathering alone would compute every window anew for each of its elements;
// scattering needs atomics, whose order changes the sum. So the first kernel leaves three numbers a window in a
// workspace that lives only during the call (the forward pass saves nothing but x), and the second adds, for each input
// element, the windows that hold it, always in the same order.
template <class A>
struct Share {
  A top, shift, scaled;  // scaled: grad_y / sum
};

template <class T, class I>
__global__ void softpool_shares(const T* __restrict__ grad_y, const T* __restrict__ x,
                                Share<Acc<T>>* __restrict__ shares, Windows<I> g, I count, SoftPool<Acc<T>> pool) {
  for (I i = first_item<I>(); i < count; i += items_apart<I>()) {
    const Place<I> o(i, g.out, g.inner);
    const auto w = pool.window(Taps<T, I>(x, g, o));
    shares[i] = {w.top, w.shift, static_cast<Acc<T>>(grad_y[i]) / w.sum};
  }
}

template <class T, class I>
__global__ void softpool_gather_backward(const T* __restrict__ x, const Share<Acc<T>>* __restrict__ shares,
                                         T* __restrict__ grad_x, Windows<I> g, I count, SoftPool<Acc<T>> pool) {
  using A = Acc<T>;
  for (I i = first_item<I>(); i < count; i += items_apart<I>()) {
    const Place<I> p(i, g.in, g.inner);
    I first[3], last[3];  // windows whose span covers the element
#pragma unroll
    for (int axis = 0; axis < 3; ++axis) {
      const I at = p.at[axis] + g.padding[axis], before = at - g.dilation[axis] * (g.kernel[axis] - 1);
      first[axis] = before <= 0 ? 0 : (before + g.stride[axis] - 1) / g.stride[axis];
      last[axis] = at / g.stride[axis] < g.out[axis] ? at / g.stride[axis] : g.out[axis] - 1;
    }
    const auto held = [&](int axis, I o) {  // by a tap, not by a hole of the dilation
      return g.dilation[axis] == 1 || (p.at[axis] + g.padding[axis] - o * g.stride[axis]) % g.dilation[axis] == 0;
    };
    const A a = static_cast<A>(x[i]);
    A grad = 0;
    for (I oz = first[0]; oz <= last[0]; ++oz) {
      if (!held(0, oz)) continue;
      for (I oy = first[1]; oy <= last[1]; ++oy) {
        if (!held(1, oy)) continue;
#pragma unroll 1
        for (I ox = first[2]; ox <= last[2]; ++ox) {
          if (!held(2, ox)) continue;
          const Share<A> s = shares[p.offset(g.out, g.inner, oz, oy, ox)];
          grad += s.scaled * pool.slope(a, s.top, s.shift);
        }
      }
    }
    grad_x[i] = static_cast<T>(grad);
  }
}

// ---------------------------------------------------------------- the gradient of beta

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

// dy / dbeta = sum w_i (a_i - y)^2. One sum a block; sum_blocks adds them up.
template <class T, class I>
__global__ void softpool_beta_backward(const T* __restrict__ grad_y, const T* __restrict__ x, double* __restrict__ sums,
                                       Windows<I> g, I count, SoftPool<Acc<T>> pool) {
  using A = Acc<T>;
  double sum = 0;
  for (I i = first_item<I>(); i < count; i += items_apart<I>()) {
    const Place<I> o(i, g.out, g.inner);
    const Taps<T, I> taps(x, g, o);
    const auto w = pool.window(taps);
    A sum_spread = 0;
    taps([&](A a) { sum_spread += pool.spread(a, w.top, w.shift); });
    sum += double{static_cast<A>(grad_y[i]) * (sum_spread / w.sum)};
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
