// Small windows that overlap, such as 5x5, of any stride, padding and dilation, in 1D, 2D and 3D, and small bins of unequal
// size: each element is read once, but for those at the edges of a tile.
//
// A block copies the part of the input that the windows of a tile hold into shared memory and reduces them there, one thread
// per window. For the gradient, a tile is a part of the input: its block reduces all windows that reach it, keeps a few
// numbers of each in shared memory, and adds them up for each element, always in the same order. Both layouts are alike: a
// block takes `lanes` channels of each position, 1 if contiguous, and small planes are taken several at a time.
#pragma once
#include "kernels.cuh"

namespace poolzoo {

// How the host divides the work.
struct Tiles {
  int32_t own[3], tiles[3];   // outputs of a tile, or inputs for the gradient, along each axis; tiles along it
  int32_t lane_bits, chunks;  // 2^lane_bits channels side by side; of those chunks in a position
  int32_t planes, outer;      // of a tile; of all
  int32_t row_bits;           // 2^row_bits threads read a row
  int32_t windows, inputs;    // room for so many windows and input elements of a tile
  int32_t count;              // tiles
};

// A range of positions along an axis.
struct Span {
  int32_t first, count;
};

// One tile.
template <bool kBackward>
struct Tile {
  const Windows<int32_t>& g;
  int32_t lane_bits, plane, planes, channel, channels;
  int32_t plane_pitch;  // odd, so that the banks of several planes are not the same
  Span own[3], windows[3], in[3];

  __device__ __forceinline__ Tile(const Windows<int32_t>& geometry, const Tiles& t, int32_t number)
      : g(geometry), lane_bits(t.lane_bits) {
    channel = number % t.chunks << lane_bits;
    channels = min(1 << lane_bits, g.inner - channel);
    int32_t rest = number / t.chunks;
#pragma unroll
    for (int axis = 2; axis >= 0; --axis) {
      const int32_t size = kBackward ? g.in[axis] : g.out[axis], first = rest % t.tiles[axis] * t.own[axis];
      rest /= t.tiles[axis];
      own[axis] = {first, min(t.own[axis], size - first)};
      windows[axis] = own[axis];
      if (kBackward) {
        const int32_t begin = g.first_over(axis, first);
        windows[axis] = {begin, max(g.last_over(axis, first + own[axis].count - 1) + 1 - begin, 0)};
      }
      const int32_t last = windows[axis].first + windows[axis].count - 1, start = g.start(axis, windows[axis].first);
      const int32_t end = g.start(axis, last) + g.dilation[axis] * (g.reach(axis, last) - 1) + 1;
      // Along rows also what lies outside the input, so that no thread must ask for it.
      const int32_t begin = axis == 2 ? start : max(start, 0);
      in[axis] = {begin, windows[axis].count ? (axis == 2 ? end : min(end, g.in[axis])) - begin : 0};
    }
    plane_pitch = in[0].count * in[1].count * in[2].count | 1;
    plane = rest * t.planes;
    planes = min(t.planes, t.outer - plane);
  }

  // Where a position lies among those of a span of each axis.
  static __device__ __forceinline__ int32_t among(const Span (&of)[3], int32_t z, int32_t y, int32_t x) {
    return ((z - of[0].first) * of[1].count + y - of[1].first) * of[2].count + x - of[2].first;
  }

  // Where an element of the input lies in shared memory.
  __device__ __forceinline__ int32_t place(int32_t at_plane, int32_t z, int32_t y, int32_t x, int32_t lane) const {
    return (at_plane * plane_pitch + among(in, z, y, x) << lane_bits) + lane;
  }

  __device__ __forceinline__ int32_t count(const Span (&of)[3]) const {
    return planes * of[0].count * of[1].count * of[2].count << lane_bits;
  }
};

// A place of a span of each axis, by its number among them.
struct Spot {
  int32_t lane, plane, at[3];

  __device__ __forceinline__ Spot(const Span (&of)[3], int32_t lane_bits, int32_t i) {
    lane = i & ((1 << lane_bits) - 1), i >>= lane_bits;
#pragma unroll
    for (int axis = 2; axis >= 0; --axis) {
      const int32_t rest = i / of[axis].count;
      at[axis] = of[axis].first + (i - rest * of[axis].count), i = rest;
    }
    plane = i;
  }

  template <class Tile>
  __device__ __forceinline__ int32_t offset(const Tile& t, const int32_t (&size)[3]) const {
    return ((((t.plane + plane) * size[0] + at[0]) * size[1] + at[1]) * size[2] + at[2]) * t.g.inner + t.channel + lane;
  }
};

// Copies the inputs of a tile, with the reducer's sign; outside the input, what stands for absent elements.
template <class R, class T, bool kBackward>
__device__ __forceinline__ void copy_tile(const R& r, const Inputs<T>& x, const Tile<kBackward>& tile, const Tiles& t,
                                          Number<R>* to) {
  using A = Number<R>;
  const auto& g = tile.g;
  const int32_t bits = tile.lane_bits, thread = static_cast<int32_t>(threadIdx.x), threads = 1 << t.row_bits;
  const int32_t mine = thread & (threads - 1), lane = mine & ((1 << bits) - 1), apart = threads >> bits;
  int32_t lines = tile.in[1].count, width = tile.in[2].count, columns = g.in[2];
  if (tile.in[2].first == 0 && width == columns) width *= lines, columns *= lines, lines = 1;  // as one row
  const int32_t rows = lane < tile.channels ? tile.planes * tile.in[0].count * lines : 0;
  for (int32_t row = thread >> t.row_bits; row < rows; row += kThreads >> t.row_bits) {
    const int32_t slices = row / lines, y = tile.in[1].first + (row - slices * lines);
    const int32_t plane = slices / tile.in[0].count, z = tile.in[0].first + (slices - plane * tile.in[0].count);
    int32_t at_x = tile.in[2].first + (mine >> bits), place = tile.place(plane, z, y, at_x, lane);
    const int32_t line = ((tile.plane + plane) * g.in[0] + z) * g.in[1] + y, end = tile.in[2].first + width;
    int32_t at = (line * g.in[2] + at_x) * g.inner + tile.channel + lane;
    for (; at_x < end; at_x += apart, at += apart * g.inner, place += threads) {
      const bool inside = static_cast<uint32_t>(at_x) < static_cast<uint32_t>(columns);
#pragma unroll
      for (int k = 0; k < R::kInputs; ++k) {
        A e = R::fill(k);
        if (inside) e = (k == 0 ? r.sign : A(1)) * static_cast<A>(__ldg(x.of[k] + at));
        to[k * t.inputs + place] = e;
      }
    }
  }
}

// What lies at an address in shared memory, in one instruction.
__device__ __forceinline__ float shared_number(uint32_t at, float) {
  float x;
  asm volatile("ld.shared.f32 %0, [%1];" : "=f"(x) : "r"(at) : "memory");
  return x;
}
__device__ __forceinline__ double shared_number(uint32_t at, double) {
  double x;
  asm volatile("ld.shared.f64 %0, [%1];" : "=d"(x) : "r"(at) : "memory");
  return x;
}

// The same of a struct, 16 bytes at a time and then the rest.
template <class P>
__device__ __forceinline__ P shared_struct(uint32_t at) {
  constexpr int n = sizeof(P) / 4;
  uint32_t words[n];
#pragma unroll
  for (int i = 0; i + 4 <= n; i += 4)
    asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(words[i]), "=r"(words[i + 1]), "=r"(words[i + 2]), "=r"(words[i + 3])
                 : "r"(at + 4 * i)
                 : "memory");
  if constexpr (n % 4 >= 2)
    asm volatile("ld.shared.v2.u32 {%0, %1}, [%2];"
                 : "=r"(words[n / 4 * 4]), "=r"(words[n / 4 * 4 + 1])
                 : "r"(at + 16 * (n / 4))
                 : "memory");
  if constexpr (n % 2) asm volatile("ld.shared.u32 %0, [%1];" : "=r"(words[n - 1]) : "r"(at + 4 * (n - 1)) : "memory");
  P result;
  memcpy(&result, words, sizeof(P));
  return result;
}

// The taps of a window whose elements lie in shared memory. kWidth: how many there are in a row, without holes, or 0 for any
// window.
template <class R, int kWidth>
struct TileTaps {
  using A = Number<R>;
  uint32_t first, second;  // addresses of the first tap's element; from it to the second input's
  int32_t begin[3], end[3], step[3], numbers[2];  // the taps that lie inside, along each axis
  A here[kWidth ? kWidth : 1];

  template <class Tile>
  __device__ __forceinline__ TileTaps(const Tile& tile, const Spot& o, const A* x, int32_t inputs)
      : second(inputs * static_cast<int32_t>(sizeof(A))) {
    const auto& g = tile.g;
    int32_t start[3], size = static_cast<int32_t>(sizeof(A)) << tile.lane_bits;
#pragma unroll
    for (int axis = 2; axis >= 0; --axis) {
      const int32_t hole = g.dilation[axis], taps = g.reach(axis, o.at[axis]);
      start[axis] = g.start(axis, o.at[axis]);
      begin[axis] = start[axis] < 0 ? (hole - 1 - start[axis]) / hole : 0;
      const int32_t over = start[axis] + (taps - 1) * hole - g.in[axis];
      end[axis] = taps - (over >= 0 ? over / hole + 1 : 0);
      step[axis] = size * hole;
      size *= tile.in[axis].count;
    }
    first = static_cast<uint32_t>(__cvta_generic_to_shared(x + tile.place(o.plane, start[0], start[1], start[2], o.lane)));
    numbers[1] = g.kernel[2], numbers[0] = g.kernel[1] * g.kernel[2];
#pragma unroll
    for (int kx = 0; kx < kWidth; ++kx) here[kx] = kx >= begin[2] && kx < end[2] ? A(1) : A(0);
  }

  // Calls f with each tap, in the order of their numbers.
  template <class F>
  __device__ __forceinline__ void operator()(F f) const {
    for (int32_t z = begin[0]; z < end[0]; ++z) {
      uint32_t row = first + z * step[0] + begin[1] * step[1];
      int32_t number = z * numbers[0] + begin[1] * numbers[1];
#pragma unroll 1
      for (int32_t y = begin[1]; y < end[1]; ++y, row += step[1], number += numbers[1]) {
        uint32_t at = row;
        const auto see = [&](int32_t kx, A is_here) {
          const A a = shared_number(at, A());
          A b = 0;
          if constexpr (R::kInputs == 2) b = shared_number(at + second, A());
          f(Tap<A>{a, b, is_here, static_cast<Index<A>>(number + kx)});
          at += step[2];
        };
        if constexpr (kWidth > 0) {
#pragma unroll
          for (int kx = 0; kx < kWidth; ++kx) see(kx, here[kx]);
        } else {
          at += begin[2] * step[2];
#pragma unroll 1
          for (int32_t kx = begin[2]; kx < end[2]; ++kx) see(kx, A(1));
        }
      }
    }
  }
};

extern __shared__ uint4 poolzoo_tile[];  // of any tile: its inputs, then its windows

template <class R, class T, int kWidth>
__global__ void pool_tiles(Inputs<T> x, T* __restrict__ y, Windows<int32_t> g, Tiles t, R r) {
  if (kWidth) g.adaptive = false;  // which the compiler is to know
  auto* const inputs = reinterpret_cast<Number<R>*>(poolzoo_tile);
  const Tile<false> tile(g, t, static_cast<int32_t>(blockIdx.x));
  copy_tile(r, x, tile, t, inputs);
  __syncthreads();
  const int32_t count = tile.count(tile.own);
  for (int32_t i = static_cast<int32_t>(threadIdx.x); i < count; i += kThreads) {
    const Spot o(tile.own, tile.lane_bits, i);
    if (o.lane >= tile.channels) continue;
    y[o.offset(tile, g.out)] = pooled<T>(r, TileTaps<R, kWidth>(tile, o, inputs, t.inputs));
  }
}

template <class R, class T, int kWidth>
__global__ void pool_tiles_backward(const T* __restrict__ grad_y, Inputs<T> x, Gradients<T> grad, Windows<int32_t> g, Tiles t,
                                    R r) {
  using A = Number<R>;
  if (kWidth) g.adaptive = false;
  auto* const inputs = reinterpret_cast<A*>(poolzoo_tile);
  auto* const shares = reinterpret_cast<Share<R>*>(inputs + R::kInputs * t.inputs);
  const Tile<true> tile(g, t, static_cast<int32_t>(blockIdx.x));
  copy_tile(r, x, tile, t, inputs);
  __syncthreads();
  const int32_t windows = tile.count(tile.windows), count = tile.count(tile.own);
  for (int32_t i = static_cast<int32_t>(threadIdx.x); i < windows; i += kThreads) {
    const Spot o(tile.windows, tile.lane_bits, i);
    if (o.lane >= tile.channels) continue;
    const A dy = static_cast<A>(__ldg(grad_y + o.offset(tile, g.out)));
    shares[i] = Share<R>{{r.close(reduce(r, TileTaps<R, kWidth>(tile, o, inputs, t.inputs))), dy}};
  }
  __syncthreads();
  for (int32_t i = static_cast<int32_t>(threadIdx.x); i < count; i += kThreads) {
    const Spot p(tile.own, tile.lane_bits, i);
    if (p.lane >= tile.channels) continue;
    int32_t first[3], last[3];
    bool any = true;
#pragma unroll
    for (int axis = 0; axis < 3; ++axis) {
      first[axis] = g.first_over(axis, p.at[axis]);
      last[axis] = g.last_over(axis, p.at[axis]);
      any = any && first[axis] <= last[axis];
    }
    A sum[R::kInputs] = {};
    if (any) {
      const A* element = inputs + tile.place(p.plane, p.at[0], p.at[1], p.at[2], p.lane);
      Tap<A> e{element[0], element[R::kInputs == 2 ? t.inputs : 0], A(1), 0};
      const auto reach = [&](int axis, int32_t o) { return p.at[axis] - g.start(axis, o); };
      const auto held = [&](int axis, int32_t o) {  // by a tap, not by a hole of the dilation
        return kWidth || g.dilation[axis] == 1 || reach(axis, o) % g.dilation[axis] == 0;
      };
      const auto number = [&](int axis, int32_t o) { return kWidth ? reach(axis, o) : reach(axis, o) / g.dilation[axis]; };
      const int32_t apart = static_cast<int32_t>(sizeof(Share<R>)) << tile.lane_bits;
      const int32_t windows_of_plane = tile.windows[0].count * tile.windows[1].count * tile.windows[2].count;
      for (int32_t oz = first[0]; oz <= last[0]; ++oz) {
        if (!held(0, oz)) continue;
#pragma unroll 1
        for (int32_t oy = first[1]; oy <= last[1]; ++oy) {
          if (!held(1, oy)) continue;
          const int32_t place = p.plane * windows_of_plane + Tile<true>::among(tile.windows, oz, oy, first[2]);
          auto from = static_cast<uint32_t>(__cvta_generic_to_shared(shares + (place << tile.lane_bits) + p.lane));
#pragma unroll 1
          for (int32_t ox = first[2]; ox <= last[2]; ++ox, from += apart) {
            if (!held(2, ox)) continue;
            const auto share = shared_struct<ShareOf<R>>(from);
            e.number = (number(0, oz) * g.kernel[1] + number(1, oy)) * g.kernel[2] + number(2, ox);
#pragma unroll
            for (int k = 0; k < R::kInputs; ++k) sum[k] += share.dy * slope(r, share.closed, e, k);
          }
        }
      }
    }
    const int32_t at = p.offset(tile, g.in);
#pragma unroll
    for (int k = 0; k < R::kInputs; ++k) grad.of[k][at] = static_cast<T>(sum[k]);
  }
}

}  // namespace poolzoo
