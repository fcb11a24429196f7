// The CPU's loops over windows, forward and backward, for any reducer of reducers.h: any strides, padding and dilation, one
// to three axes, contiguous and channels_last.
//
// Work is cut into tasks by the geometry alone, and each output is made by one task in one order: results do not depend on
// the number of threads. Both layouts are one to these loops: `inner` numbers lie side by side at each position (1, or the
// channels), and a row of outputs is a vector of `out width * inner` numbers.
//
// The general way. An input row is prepared once: converted to T and laid out by phases, position x of the padded row at
// phase x % stride, place x / stride, absent elements included. A tap of a whole row of outputs then lies in one piece, and
// windows are reduced kVector outputs at a time without a mask. Prepared rows are kept while windows reach them.
// The pairs way. Windows two wide, side by side and wholly inside need no such copy: even and odd elements are taken apart
// in registers.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <type_traits>
#include <vector>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "reducers.h"

namespace poolzoo {

template <class T>
using VectorOf = std::conditional_t<sizeof(T) == 4, FloatVector, DoubleVector>;

// A call as the engine takes it; `grad` and `grad_in` are null in the forward pass.
struct Call {
  Geometry g;
  const void* in;
  void* out;            // forward: y
  const void* grad;     // backward: dL/dy
  void* grad_in;        // backward: dL/dx, zero where no window reaches
  double* grad_param;   // backward: dL/dparam, or null
  double param;
};

// Runs body(first, last, context) over the tasks 0 to count in parallel, at least `grain` of them at a time.
using Parallel = void (*)(int64_t count, int64_t grain, void (*body)(int64_t, int64_t, void*), void* context);

template <class Body>
inline void parallel_for(Parallel parallel, int64_t count, int64_t elements_a_task, Body& body) {
  auto call = [](int64_t first, int64_t last, void* context) { (*static_cast<Body*>(context))(first, last); };
  parallel(count, std::max<int64_t>(1, 32768 / std::max<int64_t>(1, elements_a_task)), call, &body);
}

// Types of elements ----------------------------------------------------------------------------------------------------

struct BFloat16 {
  uint16_t bits;
};

inline float widen(BFloat16 x) { return bit_cast<float>(uint32_t(x.bits) << 16); }
inline float widen(_Float16 x) { return float(x); }
inline float widen(float x) { return x; }
inline double widen(double x) { return x; }

template <class Out, class T>
inline Out narrow(T x) {
  if constexpr (std::is_same_v<Out, BFloat16>) {
    uint32_t bits = bit_cast<uint32_t>(float(x));
    uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;  // to nearest, ties to even
    return {uint16_t((bits & 0x7fffffff) > 0x7f800000 ? (bits >> 16) | 0x40 : rounded)};
  } else {
    return Out(x);
  }
}

// Vectors in memory ----------------------------------------------------------------------------------------------------

template <class V>
inline V load(const Scalar<V>* p) {
  V v;
  memcpy(&v, p, sizeof(V));
  return v;
}

template <class V>
inline V load_some(const Scalar<V>* p, int64_t count) {
#if defined(__AVX512F__)  // by a mask: put together in memory, a vector waits for its parts
  if constexpr (std::is_same_v<V, FloatVector>) return (V)_mm512_maskz_loadu_ps(__mmask16((1u << count) - 1), p);
  else return (V)_mm512_maskz_loadu_pd(__mmask8((1u << count) - 1), p);
#endif
  V v{};
  memcpy(&v, p, count * sizeof(Scalar<V>));
  return v;
}

template <class V>
inline void store(Scalar<V>* p, V v) {
  memcpy(p, &v, sizeof(V));
}

template <class V>
inline void store_some(Scalar<V>* p, V v, int64_t count) {
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<V, FloatVector>) return _mm512_mask_storeu_ps(p, __mmask16((1u << count) - 1), (__m512)v);
  else return _mm512_mask_storeu_pd(p, __mmask8((1u << count) - 1), (__m512d)v);
#endif
  memcpy(p, &v, count * sizeof(Scalar<V>));
}

template <class Mask>
inline bool any(Mask mask) {
  // One wide word at a time, which is what the registers can be tested by.
  int64_t words[sizeof(Mask) / 8], all = 0;
  memcpy(words, &mask, sizeof(mask));
  for (int64_t word : words) all |= word;
  return all != 0;
}

template <class V>
inline Scalar<V> total(V v, int64_t count) {
  Scalar<V> sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += v[i];
  return sum;
}

template <class V, int... I>
inline void take_pairs_apart(V a, V b, V& even, V& odd, std::integer_sequence<int, I...>) {
  even = __builtin_shufflevector(a, b, (2 * I)...);
  odd = __builtin_shufflevector(a, b, (2 * I + 1)...);
}

template <class V, int... I>
inline void put_pairs_together(V even, V odd, V& a, V& b, std::integer_sequence<int, I...>) {
  constexpr int n = sizeof...(I);
  a = __builtin_shufflevector(even, odd, (I / 2 + n * (I % 2))...);
  b = __builtin_shufflevector(even, odd, (n / 2 + I / 2 + n * (I % 2))...);
}

template <class T>
struct Buffer {  // aligned to a cache line, not initialised
  std::unique_ptr<T, void (*)(void*)> data{nullptr, std::free};
  Buffer() = default;
  explicit Buffer(int64_t count)
      : data(static_cast<T*>(std::aligned_alloc(64, (count * sizeof(T) / 64 + 2) * 64)), std::free) {
    if (!data) throw std::bad_alloc();
  }
  T* get() const { return data.get(); }
};

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
  int64_t inner, planes, width, out_width, stride, length;  // length of one plane of a prepared row
  std::vector<Phase> phases;
  std::vector<int64_t> taps;
  // Every stride-th element of `stride` vectors, picked out vector by vector: for each the lanes to take from it, counted
  // on from those kept. Empty where elements are fetched one by one.
  using Bits = typename Lanes<VectorOf<T>>::Bits;
  std::vector<Bits> picks;

  explicit Layout(const Geometry& g) {
    inner = g.channels_last ? g.channels : 1;
    planes = g.channels_last ? g.batch : g.batch * g.channels;
    width = g.in[2] * inner;
    out_width = g.out[2] * inner;
    stride = g.stride[2];
    int64_t k = g.kernel[2], d = g.dilation[2], pad = g.padding[2], places = g.out[2] + (k - 1) * d / stride;
    int64_t plane = (places * inner + 2 * kVector - 1) / kVector * kVector;
    std::vector<int64_t> offset(stride, -1);
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

template <class In, class T>
inline void widen_row(const In* __restrict in, T* __restrict out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = widen(in[i]);
}

template <class Out, class T>
inline void narrow_row(const T* __restrict in, Out* __restrict out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = narrow<Out>(in[i]);
}

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

// One prepared input row: the planes of the reducer's element, `length` apart.
template <class T>
struct Prepared {
  const T* data;
  bool split;  // every element could be split
};

// The prepared rows that windows still reach.
template <class R, class In, class T>
class Rows {
 public:
  Rows(const R& reducer, const Layout<T>& layout, const Geometry& g, const In* in, T sign)
      : reducer_(reducer), l_(layout), g_(g), in_(in), sign_(sign) {
    // Along y as many as a window spans. Where windows overlap along z, whole slices, unless they would leave the cache.
    slices_ = span(g, 0);
    rows_ = span(g, 1);
    if (overlaps(g, 0) && slices_ * g.in[1] * row_size() * int64_t(sizeof(T)) <= (1 << 20)) rows_ = std::max(rows_, g.in[1]);
    held_.assign(slices_ * rows_, {-1, false});
    data_ = Buffer<T>(slices_ * rows_ * row_size());
    auto absent = R::absent();
    const T planes[] = {absent.a, absent.m, absent.n};
    for (int64_t i = 0; i < slices_ * rows_ * R::kPlanes; ++i)
      std::fill_n(data_.get() + i * l_.length, l_.length, planes[i % R::kPlanes]);
  }

  Prepared<T> get(int64_t plane, int64_t z, int64_t y) {
    int64_t slot = z % slices_ * rows_ + y % rows_, row = (plane * g_.in[0] + z) * g_.in[1] + y;
    T* data = data_.get() + slot * row_size();
    if (held_[slot].row != row) held_[slot] = {row, prepare(in_ + row * l_.width, data)};
    return {data, held_[slot].split};
  }

 private:
  struct Held {
    int64_t row;
    bool split;
  };

  int64_t row_size() const { return R::kPlanes * l_.length; }

  bool prepare(const In* in, T* data) const {
    using V = VectorOf<T>;
    to_phases(l_, in, data, sign_);
    V check{};
    for (const auto& phase : l_.phases) {
      T* a = data + phase.offset + phase.first * l_.inner;
      for (int64_t i = 0, n = (phase.last - phase.first) * l_.inner; i < n; i += l_.kVector) {
        int64_t count = std::min(n - i, l_.kVector);
        auto e = reducer_.prepare(count == l_.kVector ? load<V>(a + i) : load_some<V>(a + i, count));
        check += e.m;
        if (count == l_.kVector) {
          store(a + i + l_.length, e.m);
          store(a + i + 2 * l_.length, e.n);
        } else {
          store_some(a + i + l_.length, e.m, count);
          store_some(a + i + 2 * l_.length, e.n, count);
        }
      }
    }
    return !any(check != check);
  }

  const R& reducer_;
  const Layout<T>& l_;
  const Geometry& g_;
  const In* in_;
  T sign_;
  int64_t slices_, rows_;
  std::vector<Held> held_;
  Buffer<T> data_;
};

// Windows ----------------------------------------------------------------------------------------------------------------

// The input rows of one row of windows.
template <class T>
struct Reach {
  std::vector<const T*> rows;
  std::vector<int64_t> index;  // each one's z * height + y
  bool split;

  template <class Source>
  void find(const Geometry& g, Source& source, int64_t plane, int64_t oz, int64_t oy) {
    rows.clear();
    index.clear();
    split = true;
    Range zs = taps_inside(g, 0, oz), ys = taps_inside(g, 1, oy);
    for (int64_t kz = zs.first; kz < zs.last; ++kz) {
      int64_t z = oz * g.stride[0] - g.padding[0] + kz * g.dilation[0];
      for (int64_t ky = ys.first; ky < ys.last; ++ky) {
        int64_t y = oy * g.stride[1] - g.padding[1] + ky * g.dilation[1];
        auto row = source.get(plane, z, y);
        rows.push_back(row.data);
        index.push_back(z * g.in[1] + y);
        split &= row.split;
      }
    }
  }
};

template <class R, class V, class T>
inline typename R::template Element<V> element(const T* p, int64_t length) {
  return {load<V>(p), load<V>(p + length), load<V>(p + 2 * length)};
}

// Reduces the windows `at` to `at + kVector` of a row of windows.
template <class V, class R, class T>
inline typename R::template Window<V> reduce(const R& r, const Layout<T>& l, const Reach<T>& reach, int64_t at) {
  auto w = r.template open<V>();
  for (const T* row : reach.rows)
    for (int64_t tap : l.taps) r.seek(w, load<V>(row + tap + at));
  r.settle(w);
  auto direct = w;
  for (const T* row : reach.rows)
    for (int64_t tap : l.taps) r.add(w, element<R, V>(row + tap + at, l.length));
  if (!reach.split && any(w.sum != w.sum)) {
    for (const T* row : reach.rows)
      for (int64_t tap : l.taps) r.add_direct(direct, element<R, V>(row + tap + at, l.length));
    w.any_direct = true;
    w.direct = w.sum != w.sum;
    w.sum = w.direct ? direct.sum : w.sum;
    w.first = w.direct ? direct.first : w.first;
    w.second = w.direct ? direct.second : w.second;
  }
  return w;
}

// The general way --------------------------------------------------------------------------------------------------------

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

template <class R, class In, class T>
void forward_general(const Call& call, const R& r, T sign, Parallel parallel) {
  using V = VectorOf<T>;
  const Geometry& g = call.g;
  const Layout<T> l(g);
  const Bands bands(g, l.planes, l.width * g.stride[1] * g.stride[0]);
  auto body = [&](int64_t first, int64_t last) {
    Rows<R, In, T> source(r, l, g, static_cast<const In*>(call.in), sign);
    Reach<T> reach;
    Buffer<T> y(l.out_width + l.kVector);
    for (int64_t task = first; task < last; ++task) {
      int64_t plane = task / bands.per_plane, begin = task % bands.per_plane * bands.rows;
      for (int64_t row = begin; row < std::min(begin + bands.rows, g.out[0] * g.out[1]); ++row) {
        reach.find(g, source, plane, row / g.out[1], row % g.out[1]);
        for (int64_t at = 0; at < l.out_width; at += l.kVector) store(y.get() + at, sign * r.value(reduce<V>(r, l, reach, at)));
        narrow_row(y.get(), static_cast<In*>(call.out) + (plane * g.out[0] * g.out[1] + row) * l.out_width, l.out_width);
      }
    }
  };
  parallel_for(parallel, bands.count, bands.rows * l.width, body);
}

// Tasks of the backward pass: boxes of input rows of one plane, a whole number of strides along z and y, so that where
// windows do not overlap none is reduced twice. `low` turns a box into the output rows that reach it.
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
  Range outputs(const Geometry& g, int axis, int64_t box) const {
    int64_t first = box * size[axis], s = g.stride[axis];
    return {std::max<int64_t>(0, (first - span(g, axis) + s) / s), std::min((first + size[axis] + s - 1) / s, g.out[axis])};
  }
};

template <class R, class In, class T>
void backward_general(const Call& call, const R& r, T sign, Parallel parallel) {
  using V = VectorOf<T>;
  const Geometry& g = call.g;
  const Layout<T> l(g);
  const Boxes boxes(g, l.planes, l.length);
  std::vector<double> params(call.grad_param ? boxes.count : 0);
  auto body = [&](int64_t first, int64_t last) {
    Rows<R, In, T> source(r, l, g, static_cast<const In*>(call.in), sign);
    Reach<T> reach;
    Buffer<T> grad(l.out_width + l.kVector), sums(boxes.size[0] * boxes.size[1] * l.length);
    std::fill_n(grad.get(), l.out_width + l.kVector, T(0));
    for (int64_t task = first; task < last; ++task) {
      int64_t plane = task / boxes.per_plane, box = task % boxes.per_plane;
      int64_t bz = box / boxes.per_axis[1], by = box % boxes.per_axis[1];
      Range zs = boxes.inputs(g, 0, bz), ys = boxes.inputs(g, 1, by);
      Range ozs = boxes.outputs(g, 0, bz), oys = boxes.outputs(g, 1, by);
      std::fill_n(sums.get(), boxes.size[0] * boxes.size[1] * l.length, T(0));
      double param = 0;
      for (int64_t oz = ozs.first; oz < ozs.last; ++oz) {
        for (int64_t oy = oys.first; oy < oys.last; ++oy) {
          reach.find(g, source, plane, oz, oy);
          widen_row(static_cast<const In*>(call.grad) + ((plane * g.out[0] + oz) * g.out[1] + oy) * l.out_width, grad.get(), l.out_width);
          // A window's part of dL/dparam belongs to the box that holds its first place.
          bool own = call.grad_param && oz * g.stride[0] >= bz * boxes.size[0] && oy * g.stride[1] >= by * boxes.size[1];
          for (int64_t at = 0; at < l.out_width; at += l.kVector) {
            int64_t count = std::min(l.out_width - at, l.kVector);
            auto w = reduce<V>(r, l, reach, at);
            r.close(w);
            V dy = load<V>(grad.get() + at);
            if (own) param += total(dy * r.spread(w), count);
            for (size_t i = 0; i < reach.rows.size(); ++i) {
              int64_t z = reach.index[i] / g.in[1], y = reach.index[i] % g.in[1];
              if (z < zs.first || z >= zs.last || y < ys.first || y >= ys.last) continue;
              T* sum = sums.get() + ((z - zs.first) * boxes.size[1] + y - ys.first) * l.length + at;
              for (int64_t tap : l.taps) {
                V part = dy * r.slope(w, element<R, V>(reach.rows[i] + tap + at, l.length));
                if (count == l.kVector) store(sum + tap, load<V>(sum + tap) + part);
                else store_some(sum + tap, load<V>(sum + tap) + part, count);
              }
            }
          }
        }
      }
      for (int64_t z = zs.first; z < zs.last; ++z)
        for (int64_t y = ys.first; y < ys.last; ++y)
          from_phases(l, sums.get() + ((z - zs.first) * boxes.size[1] + y - ys.first) * l.length,
                      static_cast<In*>(call.grad_in) + ((plane * g.in[0] + z) * g.in[1] + y) * l.width);
      if (call.grad_param) params[task] = param;
    }
  };
  parallel_for(parallel, boxes.count, boxes.size[0] * boxes.size[1] * l.width, body);
  if (call.grad_param) *call.grad_param = std::accumulate(params.begin(), params.end(), 0.0);
}

// The pairs way ----------------------------------------------------------------------------------------------------------

// Whether windows are two wide, side by side, wholly inside, and of 1, 2 or 4 rows.
inline bool in_pairs(const Geometry& g) {
  bool fits = g.kernel[2] == 2 && g.stride[2] == 2 && g.dilation[2] == 1;
  for (int axis = 0; axis < 3; ++axis)
    fits &= !g.padding[axis] && !overlaps(g, axis) && (g.out[axis] - 1) * g.stride[axis] + span(g, axis) <= g.in[axis];
  int64_t rows = g.kernel[0] * g.kernel[1];
  return fits && (rows == 1 || rows == 2 || rows == 4) && (!g.channels_last || g.channels >= 4);
}

// The elements of kVector windows, two from each of kRows rows.
template <int kRows, class T>
struct Pairs {
  using V = VectorOf<T>;
  static constexpr int64_t kVector = Lanes<V>::kCount;
  static constexpr auto kOrder = std::make_integer_sequence<int, kVector>{};
  static constexpr int64_t kAhead = 4096 / sizeof(T);
  V even[kRows], odd[kRows];

  // Contiguous rows: pairs lie side by side from 2 * at on.
  void load_row(int row, const T* p, int64_t count) {
    // Two short rows at a time are no pattern that the processor reads ahead of by itself: four times as fast with this.
    __builtin_prefetch(p + kAhead);
    __builtin_prefetch(p + kAhead + kVector);
    if (count == kVector) take_pairs_apart(load<V>(p), load<V>(p + kVector), even[row], odd[row], kOrder);
    else take_pairs_apart(load_some<V>(p, std::min(2 * count, kVector)), load_some<V>(p + kVector, std::max<int64_t>(0, 2 * count - kVector)),
                          even[row], odd[row], kOrder);
  }

  static void store_row(T* p, V even, V odd, int64_t count) {
    V a, b;
    put_pairs_together(even, odd, a, b, kOrder);
    if (count == kVector) {
      store(p, a);
      store(p + kVector, b);
    } else {
      store_some(p, a, std::min(2 * count, kVector));
      store_some(p + kVector, b, std::max<int64_t>(0, 2 * count - kVector));
    }
  }

  template <class R>
  typename R::template Window<V> reduce(const R& r) const {
    auto w = r.template open<V>();
    for (int i = 0; i < kRows; ++i) r.seek(w, even[i]), r.seek(w, odd[i]);
    r.settle(w);
    for (int i = 0; i < kRows; ++i) r.add_direct(w, even[i]), r.add_direct(w, odd[i]);
    return w;
  }
};

// Calls body(pairs, at, count) for each kVector windows of a row of them; `at` counts outputs.
template <int kRows, class T, class Body>
inline void each_pairs(const T* const* rows, int64_t out_positions, int64_t inner, Body&& body) {
  using P = Pairs<kRows, T>;
  P p;
  if (inner == 1) {
    for (int64_t at = 0; at < out_positions; at += P::kVector) {
      int64_t count = std::min(out_positions - at, P::kVector);
      for (int i = 0; i < kRows; ++i) p.load_row(i, rows[i] + 2 * at, count);
      body(p, at, 2 * at, count);
    }
    return;
  }
  for (int64_t x = 0; x < out_positions; ++x) {
    for (int64_t c = 0; c < inner; c += P::kVector) {
      int64_t count = std::min(inner - c, P::kVector), at = 2 * x * inner + c;
      for (int i = 0; i < kRows; ++i) {
        p.even[i] = count == P::kVector ? load<typename P::V>(rows[i] + at) : load_some<typename P::V>(rows[i] + at, count);
        p.odd[i] = count == P::kVector ? load<typename P::V>(rows[i] + at + inner) : load_some<typename P::V>(rows[i] + at + inner, count);
      }
      body(p, x * inner + c, at, count);
    }
  }
}

// The rows of one row of windows in T: where they lie, or converted.
template <int kRows, class In, class T>
struct PairRows {
  const T* rows[kRows];
  int64_t index[kRows];
  Buffer<T> converted;
  int64_t ahead[kRows];  // how far each row lies behind the first
  int64_t z, y;

  PairRows(const Geometry& g, int64_t width) {
    if (!std::is_same_v<In, T>) converted = Buffer<T>(kRows * width);
    for (int i = 0; i < kRows; ++i)
      ahead[i] = i / g.kernel[1] * g.dilation[0] * g.in[1] + i % g.kernel[1] * g.dilation[1];
  }

  void start(const Geometry& g, int64_t row) {
    z = row / g.out[1];
    y = row % g.out[1] - 1;
  }

  void next(const Geometry& g, int64_t width, const In* in, int64_t plane) {
    if (++y == g.out[1]) y = 0, ++z;
    int64_t first = (plane * g.in[0] + z * g.stride[0]) * g.in[1] + y * g.stride[1];
    for (int i = 0; i < kRows; ++i) {
      index[i] = first + ahead[i];
      if constexpr (std::is_same_v<In, T>) {
        rows[i] = in + index[i] * width;
      } else {
        widen_row(in + index[i] * width, converted.get() + i * width, width);
        rows[i] = converted.get() + i * width;
      }
    }
  }
};

template <int kRows, class R, class In, class T>
void forward_pairs(const Call& call, const R& reducer, Parallel parallel) {
  const Geometry& g = call.g;
  int64_t inner = g.channels_last ? g.channels : 1, width = g.in[2] * inner, out_width = g.out[2] * inner;
  const Bands bands(g, g.channels_last ? g.batch : g.batch * g.channels, width * kRows);
  auto body = [&](int64_t first, int64_t last) {
    PairRows<kRows, In, T> in(g, width);
    const R r = reducer;
    Buffer<T> converted;
    if (!std::is_same_v<In, T>) converted = Buffer<T>(out_width);
    for (int64_t task = first; task < last; ++task) {
      int64_t plane = task / bands.per_plane, begin = task % bands.per_plane * bands.rows;
      in.start(g, begin);
      for (int64_t row = begin; row < std::min(begin + bands.rows, g.out[0] * g.out[1]); ++row) {
        in.next(g, width, static_cast<const In*>(call.in), plane);
        In* out = static_cast<In*>(call.out) + (plane * g.out[0] * g.out[1] + row) * out_width;
        T* y = std::is_same_v<In, T> ? reinterpret_cast<T*>(out) : converted.get();
        each_pairs<kRows>(in.rows, g.out[2], inner, [&](const auto& p, int64_t at, int64_t, int64_t count) {
          auto value = r.value(p.reduce(r));
          if (count == p.kVector) store(y + at, value);
          else store_some(y + at, value, count);
        });
        if constexpr (!std::is_same_v<In, T>) narrow_row(y, out, out_width);
      }
    }
  };
  parallel_for(parallel, bands.count, bands.rows * width * kRows, body);
}

template <int kRows, class R, class In, class T>
void backward_pairs(const Call& call, const R& reducer, Parallel parallel) {
  const Geometry& g = call.g;
  int64_t inner = g.channels_last ? g.channels : 1, width = g.in[2] * inner, out_width = g.out[2] * inner;
  const Bands bands(g, g.channels_last ? g.batch : g.batch * g.channels, width * kRows);
  std::vector<double> params(call.grad_param ? bands.count : 0);
  auto body = [&](int64_t first, int64_t last) {
    constexpr bool same = std::is_same_v<In, T>;
    PairRows<kRows, In, T> in(g, width);
    const R r = reducer;
    Buffer<T> converted, grads(out_width);
    if (!same) converted = Buffer<T>(kRows * width);
    for (int64_t task = first; task < last; ++task) {
      int64_t plane = task / bands.per_plane, begin = task % bands.per_plane * bands.rows;
      in.start(g, begin);
      double param = 0;
      for (int64_t row = begin; row < std::min(begin + bands.rows, g.out[0] * g.out[1]); ++row) {
        in.next(g, width, static_cast<const In*>(call.in), plane);
        const In* grad = static_cast<const In*>(call.grad) + (plane * g.out[0] * g.out[1] + row) * out_width;
        if (!same) widen_row(grad, grads.get(), out_width);
        const T* dy = same ? reinterpret_cast<const T*>(grad) : grads.get();
        T* dx[kRows];
        for (int i = 0; i < kRows; ++i) {
          dx[i] = same ? static_cast<T*>(call.grad_in) + in.index[i] * width : converted.get() + i * width;
          std::fill(dx[i] + g.out[2] * 2 * inner, dx[i] + width, T(0));
        }
        each_pairs<kRows>(in.rows, g.out[2], inner, [&](const auto& p, int64_t at, int64_t in_at, int64_t count) {
          using P = std::decay_t<decltype(p)>;
          using V = typename P::V;
          auto w = p.reduce(r);
          r.close(w);
          V d = count == P::kVector ? load<V>(dy + at) : load_some<V>(dy + at, count);
          if (call.grad_param) param += total(d * r.spread(w), count);
          for (int i = 0; i < kRows; ++i) {
            V even = d * r.slope(w, p.even[i]), odd = d * r.slope(w, p.odd[i]);
            if (inner == 1) {
              P::store_row(dx[i] + in_at, even, odd, count);
            } else if (count == P::kVector) {
              store(dx[i] + in_at, even);
              store(dx[i] + in_at + inner, odd);
            } else {
              store_some(dx[i] + in_at, even, count);
              store_some(dx[i] + in_at + inner, odd, count);
            }
          }
        });
        if constexpr (!same)
          for (int i = 0; i < kRows; ++i) narrow_row(dx[i], static_cast<In*>(call.grad_in) + in.index[i] * width, width);
      }
      if (call.grad_param) params[task] = param;
    }
  };
  parallel_for(parallel, bands.count, bands.rows * width * kRows, body);
  if (call.grad_param) *call.grad_param = std::accumulate(params.begin(), params.end(), 0.0);
}

// Which way, which types ---------------------------------------------------------------------------------------------------

// The pairs way does not turn signs.
inline bool in_pairs(const Geometry& g, double param) { return param >= 0 && in_pairs(g); }

// Whether the backward pass writes every element of grad_in; else the caller fills it with zeros first.
inline bool writes_all(const Geometry& g, double param) {
  if (in_pairs(g, param)) return g.out[0] * g.stride[0] == g.in[0] && g.out[1] * g.stride[1] == g.in[1];
  const Layout<float> l(g);
  int64_t written = 0;
  for (const auto& phase : l.phases) written += phase.last - phase.first;
  return written == g.in[2];
}

template <class R, class In, class T>
void run(const Call& call, Parallel parallel) {
  const Geometry& g = call.g;
  const R r = R::make(call.param, g.kernel[0] * g.kernel[1] * g.kernel[2]);
  const int64_t rows = in_pairs(g, call.param) ? g.kernel[0] * g.kernel[1] : 0;
  const T sign = call.param < 0 ? T(-1) : T(1);
  if (call.grad) {
    if (rows == 1) backward_pairs<1, R, In, T>(call, r, parallel);
    else if (rows == 2) backward_pairs<2, R, In, T>(call, r, parallel);
    else if (rows == 4) backward_pairs<4, R, In, T>(call, r, parallel);
    else backward_general<R, In, T>(call, r, sign, parallel);
  } else {
    if (rows == 1) forward_pairs<1, R, In, T>(call, r, parallel);
    else if (rows == 2) forward_pairs<2, R, In, T>(call, r, parallel);
    else if (rows == 4) forward_pairs<4, R, In, T>(call, r, parallel);
    else forward_general<R, In, T>(call, r, sign, parallel);
  }
}

// Pools as `call` says, with the reducer R<float> or R<double>; backward where it has a gradient.
template <template <class> class R>
void pool(const Call& call, DType dtype, Parallel parallel) {
  switch (dtype) {
    case kFloat64: return run<R<double>, double, double>(call, parallel);
    case kFloat32: return run<R<float>, float, float>(call, parallel);
    case kBFloat16: return run<R<float>, BFloat16, float>(call, parallel);
    case kFloat16: return run<R<float>, _Float16, float>(call, parallel);
  }
}

}  // namespace poolzoo
