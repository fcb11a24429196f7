// The layout of the input for the CPU's loops: rows in T, sorted by phase, so that the elements of one tap for a whole
// row of outputs are contiguous.
#pragma once
#include <algorithm>
#include <vector>

#include "cpu_vectors.h"
#include "reducers.h"

// Not inlined, so that it is compiled once.
#define POOLZOO_ONCE __attribute__((noinline))

namespace poolzoo {

// Geometry ---------------------------------------------------------------------------------------------------------------

struct Range {
  int64_t first, last;
};

// The taps along one axis of window `out` that lie inside the input.
inline Range taps_inside(const Geometry& g, int axis, int64_t out) {
  int64_t start = out * g.stride[axis] - g.padding[axis], d = g.dilation[axis];
  int64_t first = start < 0 ? (-start + d - 1) / d : 0;
  int64_t last = start < g.in[axis] ? (g.in[axis] - start + d - 1) / d : 0;
  return {std::min(first, g.kernel[axis]), std::min(last, g.kernel[axis])};
}

inline int64_t span(const Geometry& g, int axis) { return g.dilation[axis] * (g.kernel[axis] - 1) + 1; }

inline bool overlaps(const Geometry& g, int axis) { return g.kernel[axis] > 1 && span(g, axis) > g.stride[axis]; }

// How one row of padded input is laid out by phases, and where each tap along it starts.
template <class T>
struct Layout {
  struct Phase {
    int64_t first, last;   // the places whose elements are inside the input
    int64_t offset, begin; // of place 0 in the prepared row; the input position of place `first`
  };
  static constexpr int64_t kVector = Lanes<VectorOf<T>>::kCount;
  int64_t inner, planes, width, out_width, stride, length;  // length of a row laid out
  std::vector<Phase> phases;
  std::vector<int64_t> taps;
  // Every stride-th element of `stride` vectors, picked out vector by vector: for each the lanes to take from it, counted
  // on from those kept. Empty where elements are fetched one by one.
  using Bits = typename Lanes<VectorOf<T>>::Bits;
  std::vector<Bits> picks;
  Buffer<T> here;  // laid out as a row: 1 where there is an element, 0 elsewhere

  explicit Layout(const Geometry& g) {
    inner = g.channels_last ? g.channels : 1;
    planes = g.channels_last ? g.batch : g.batch * g.channels;
    width = g.in[2] * inner;
    out_width = g.out[2] * inner;
    stride = g.stride[2];
    int64_t k = g.kernel[2], d = g.dilation[2], pad = g.padding[2], places = g.out[2] + (k - 1) * d / stride;
    int64_t plane = (places * inner + 2 * kVector - 1) / kVector * kVector;
    // No tap lies in a phase beyond the window's span, however large the stride.
    std::vector<int64_t> offset(std::min(stride, (k - 1) * d + 1), -1);
    length = 0;
    for (int64_t tap = 0; tap < k; ++tap) {
      int64_t phase = tap * d % stride;
      if (offset[phase] < 0) {
        offset[phase] = length;
        length += plane;
        int64_t first = std::max<int64_t>(0, (pad - phase + stride - 1) / stride);
        int64_t last = std::min(places, (g.in[2] + pad - phase + stride - 1) / stride);
        phases.push_back({first, std::max(first, last), offset[phase], first * stride + phase - pad});
      }
      taps.push_back(offset[phase] + tap * d / stride * inner);
    }
    here = Buffer<T>(length);
    std::fill_n(here.get(), length, T(0));
    for (const Phase& phase : phases)
      std::fill_n(here.get() + phase.offset + phase.first * inner, (phase.last - phase.first) * inner, T(1));
#if !defined(__clang__)  // which has no permutation by numbers that are not constants
    if (inner == 1 && stride > 2 && stride <= kVector / 2) {
      picks.resize(stride);
      for (int64_t vector = 0; vector < stride; ++vector)
        for (int64_t lane = 0; lane < kVector; ++lane) {
          int64_t at = lane * stride - vector * kVector;
          picks[vector][lane] = 0 <= at && at < kVector ? kVector + at : lane;
        }
    }
#endif
  }
};

// Rows -------------------------------------------------------------------------------------------------------------------

template <int kStride, class In, class T>
inline void gather(const In* __restrict in, T* __restrict out, int64_t count, int64_t stride, T sign) {
  for (int64_t i = 0; i < count; ++i) out[i] = sign * widen(in[i * (kStride ? kStride : stride)]);
}

template <int kStride, class Out, class T>
inline void scatter(const T* __restrict in, Out* __restrict out, int64_t count, int64_t stride) {
  for (int64_t i = 0; i < count; ++i) out[i * (kStride ? kStride : stride)] = narrow<Out>(in[i]);
}

// gather by permutations; reads no further than the last element that it fetches.
template <class T>
inline void gather_picks(const Layout<T>& l, const T* in, T* out, int64_t count, T sign) {
#if !defined(__clang__)
  using V = VectorOf<T>;
  for (int64_t at = 0; at < count; at += l.kVector) {
    int64_t left = (count - at - 1) * l.stride + 1;  // elements from here to the last
    V v{};
    for (int64_t vector = 0; vector < l.stride && left > 0; ++vector, left -= l.kVector) {
      const T* p = in + at * l.stride + vector * l.kVector;
      v = __builtin_shuffle(v, left >= l.kVector ? load<V>(p) : load_some<V>(p, left), l.picks[vector]);
    }
    store_some(out + at, sign * v, std::min(count - at, l.kVector));
  }
#else
  (void)l, (void)in, (void)out, (void)count, (void)sign;
#endif
}

template <class In, class T>
inline void to_phases(const Layout<T>& l, const In* in, T* out, T sign) {
  for (const auto& phase : l.phases) {
    int64_t count = phase.last - phase.first;
    const In* from = in + phase.begin * l.inner;
    T* to = out + phase.offset + phase.first * l.inner;
    if (l.stride == 1) gather<1>(from, to, count * l.inner, 1, sign);
    else if (l.inner > 1) for (int64_t i = 0; i < count; ++i) gather<1>(from + i * l.stride * l.inner, to + i * l.inner, l.inner, 1, sign);
    else if (l.stride == 2) gather<2>(from, to, count, 2, sign);
    else if constexpr (std::is_same_v<In, T>) {
      if (l.picks.empty()) gather<0>(from, to, count, l.stride, sign);
      else gather_picks(l, from, to, count, sign);
    } else gather<0>(from, to, count, l.stride, sign);
  }
}

template <class Out, class T>
inline void from_phases(const Layout<T>& l, const T* in, Out* out) {
  for (const auto& phase : l.phases) {
    int64_t count = phase.last - phase.first;
    const T* from = in + phase.offset + phase.first * l.inner;
    Out* to = out + phase.begin * l.inner;
    if (l.stride == 1) scatter<1>(from, to, count * l.inner, 1);
    else if (l.inner > 1) for (int64_t i = 0; i < count; ++i) scatter<1>(from + i * l.inner, to + i * l.stride * l.inner, l.inner, 1);
    else if (l.stride == 2) scatter<2>(from, to, count, 2);
    else scatter<0>(from, to, count, l.stride);
  }
}

// The same from and to tensors of any type, from their element `offset` on.

template <class T, class F>
inline void with_dtype(DType dtype, F f) {  // f takes a null pointer of the type, which T is as wide as or wider than
  if constexpr (sizeof(T) == 8)
    if (dtype == kFloat64) return f(static_cast<double*>(nullptr));
  if (dtype == kBFloat16) return f(static_cast<BFloat16*>(nullptr));
  if (dtype == kFloat16) return f(static_cast<_Float16*>(nullptr));
  return f(static_cast<float*>(nullptr));
}

template <class T>
POOLZOO_ONCE void read_row(const Layout<T>& l, DType dtype, const void* in, int64_t offset, T* out, T sign) {
  with_dtype<T>(dtype, [&](auto* type) { to_phases(l, static_cast<const std::remove_pointer_t<decltype(type)>*>(in) + offset, out, sign); });
}

template <class T>
POOLZOO_ONCE void write_row(const Layout<T>& l, DType dtype, const T* in, void* out, int64_t offset) {
  with_dtype<T>(dtype, [&](auto* type) { from_phases(l, in, static_cast<decltype(type)>(out) + offset); });
}

template <class T>
POOLZOO_ONCE void widen_row(DType dtype, const void* in, int64_t offset, T* out, int64_t count) {
  with_dtype<T>(dtype, [&](auto* type) { gather<1>(static_cast<const std::remove_pointer_t<decltype(type)>*>(in) + offset, out, count, 1, T(1)); });
}

template <class T>
POOLZOO_ONCE void narrow_row(DType dtype, const T* in, void* out, int64_t offset, int64_t count) {
  with_dtype<T>(dtype, [&](auto* type) { scatter<1>(in, static_cast<decltype(type)>(out) + offset, count, 1); });
}

}  // namespace poolzoo
