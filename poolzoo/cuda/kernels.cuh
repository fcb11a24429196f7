// Pooling on CUDA with any reducer of reducers.h.
//
// There are two kinds of kernel here: for any window, one thread per output; and for the gradient of overlapping windows,
// one thread per input element. Elements outside the input are skipped. pairs.cuh and strips.cuh have those for the windows
// that networks use most, teams.cuh those for large windows and for bins of unequal size. There are no atomics; each element
// of a result is stored once.
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
  bool adaptive;  // the windows are bins of unequal size

  explicit Windows(const Geometry& g) : inner(static_cast<I>(g.channels_last ? g.channels : 1)), adaptive(g.adaptive) {
    for (int axis = 0; axis < 3; ++axis) {
      in[axis] = static_cast<I>(g.in[axis]);
      out[axis] = static_cast<I>(g.out[axis]);
      kernel[axis] = static_cast<I>(g.kernel[axis]);
      stride[axis] = static_cast<I>(g.stride[axis]);
      padding[axis] = static_cast<I>(g.padding[axis]);
      dilation[axis] = static_cast<I>(g.dilation[axis]);
    }
  }

  // Where the first tap of window o lies along an axis: before the input, if it is padded.
  __device__ __forceinline__ I start(int axis, I o) const {
    return adaptive ? o * in[axis] / out[axis] : o * stride[axis] - padding[axis];
  }

  // How many taps it has along that axis.
  __device__ __forceinline__ I reach(int axis, I o) const {
    return adaptive ? ((o + 1) * in[axis] + out[axis] - 1) / out[axis] - start(axis, o) : kernel[axis];
  }

  // The first and the last of the windows whose span covers position p along an axis.
  __device__ __forceinline__ I first_over(int axis, I p) const {
    if (adaptive) return p * out[axis] / in[axis];
    const I before = p + padding[axis] - dilation[axis] * (kernel[axis] - 1);
    return before <= 0 ? 0 : (before + stride[axis] - 1) / stride[axis];
  }
  __device__ __forceinline__ I last_over(int axis, I p) const {
    if (adaptive) return ((p + 1) * out[axis] - 1) / in[axis];
    const I last = (p + padding[axis]) / stride[axis];
    return last < out[axis] ? last : out[axis] - 1;
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

// What the last pass keeps of each of N elements, so that their slopes need not compute it again.
template <class R, int N, bool = R::kKeeps>
struct Kept {
  template <class Each>
  __device__ __forceinline__ auto reduce(const R& r, const Each& each) {
    return poolzoo::reduce(r, each);
  }
  template <class Closed, class A>
  __device__ __forceinline__ A slope(const R& r, const Closed& c, const Tap<A>& e, int, int input) const;
};

template <class R, int N>
struct Kept<R, N, true> {
  typename R::template Kept<Number<R>> of[N];

  template <class Each>
  __device__ __forceinline__ auto reduce(const R& r, const Each& each) {  // of two passes and one input
    auto w = r.template open<Number<R>>();
    each([&](const Tap<Number<R>>& e) { r.seek(w, e); });
    r.settle(w);
    int i = 0;
    each([&](const Tap<Number<R>>& e) { r.add(w, e, of[i++]); });
    return w;
  }
  template <class Closed, class A>
  __device__ __forceinline__ A slope(const R& r, const Closed& c, const Tap<A>& e, int i, int) const {
    return r.slope(c, e, of[i]);
  }
};

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

template <class R, int N, bool kKeeps>
template <class Closed, class A>
__device__ __forceinline__ A Kept<R, N, kKeeps>::slope(const R& r, const Closed& c, const Tap<A>& e, int, int input) const {
  return poolzoo::slope(r, c, e, input);
}

// ---------------------------------------------------------------- packs

// N neighbours in memory.
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
      I taps = g.reach(axis, o.at[axis]);
      start[axis] = g.start(axis, o.at[axis]);
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
      first[axis] = g.first_over(axis, p.at[axis]);
      last[axis] = g.last_over(axis, p.at[axis]);
    }
    const auto reach = [&](int axis, I o) { return p.at[axis] - g.start(axis, o); };
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
