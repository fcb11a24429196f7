// Loading and storing of elements and vectors on the CPU: half types are widened when loaded and rounded when stored;
// adjacent elements are split into even and odd ones and merged again.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#if defined(__AVX512F__) || defined(__F16C__)
#include <immintrin.h>
#endif

#include "simd.h"

namespace poolzoo {

template <class T>
using VectorOf = std::conditional_t<sizeof(T) == 4, FloatVector, DoubleVector>;

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

// Half types, as many as FloatVector has lanes. Their bits, where each stands in the lower half of a 32-bit lane:

typedef uint16_t HalfBits __attribute__((vector_size(kVectorBytes / 2)));
typedef float HalfFloats __attribute__((vector_size(kVectorBytes / 2)));  // as many as DoubleVector has lanes

// The lower halves of lanes, and back: an instruction or two, where the compiler makes more of a conversion of vectors.

inline FloatBits spread_out(HalfBits bits) {
#if defined(__AVX512F__)
  return (FloatBits)_mm512_cvtepu16_epi32((__m256i)bits);
#elif defined(__AVX2__)
  return (FloatBits)_mm256_cvtepu16_epi32((__m128i)bits);
#endif
  return __builtin_convertvector(bits, FloatBits);
}

inline HalfBits drawn_together(FloatBits low) {  // whose upper halves are 0
#if defined(__AVX512F__)
  return (HalfBits)_mm512_cvtepi32_epi16((__m512i)low);
#elif defined(__AVX2__)
  const __m256i pairs = _mm256_packus_epi32((__m256i)low, (__m256i)low);
  return (HalfBits)_mm256_castsi256_si128(_mm256_permute4x64_epi64(pairs, 0x08));
#endif
  return __builtin_convertvector(low, HalfBits);
}

template <class In>
inline FloatVector widened(HalfBits bits) {
  if constexpr (std::is_same_v<In, BFloat16>) return bit_cast<FloatVector>(spread_out(bits) << 16);
#if defined(__AVX512F__)
  return (FloatVector)_mm512_cvtph_ps((__m256i)bits);
#elif defined(__F16C__)
  return (FloatVector)_mm256_cvtph_ps((__m128i)bits);
#endif
  FloatVector wide;
  for (int i = 0; i < Lanes<FloatVector>::kCount; ++i) wide[i] = float(bit_cast<_Float16>(bits[i]));
  return wide;
}

template <class In>
inline FloatVector widened(FloatBits low) {
  if constexpr (std::is_same_v<In, BFloat16>) return bit_cast<FloatVector>(low << 16);
  return widened<In>(drawn_together(low));
}

template <class Out>
inline HalfBits narrowed(FloatVector x) {
  if constexpr (std::is_same_v<Out, BFloat16>) {
    FloatBits bits = bit_cast<FloatBits>(x), rounded = bits + 0x7fff + ((bits >> 16) & 1);  // to nearest, ties to even
    return drawn_together(((x != x ? bits | 0x400000 : rounded) >> 16) & 0xffff);
  }
#if defined(__AVX512F__)
  return (HalfBits)_mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT);
#elif defined(__F16C__)
  return (HalfBits)_mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT);
#endif
  HalfBits low;
  for (int i = 0; i < Lanes<FloatVector>::kCount; ++i) low[i] = bit_cast<uint16_t>(_Float16(x[i]));
  return low;
}

// `count` elements of any type from p on as a vector, zeros after them.
template <class V, class In>
inline V load_wide(const In* p, int64_t count) {
  if constexpr (std::is_same_v<In, Scalar<V>>) {
    return count == Lanes<V>::kCount ? load<V>(p) : load_some<V>(p, count);
  } else if constexpr (sizeof(Scalar<V>) == 8) {
    FloatVector wide = load_wide<FloatVector>(p, count);
    HalfFloats low;
    memcpy(&low, &wide, sizeof(low));
    return __builtin_convertvector(low, V);
  } else {
    HalfBits bits{};
    if (count == Lanes<V>::kCount) memcpy(&bits, p, sizeof(bits));
#if defined(__AVX512F__)
    else bits = (HalfBits)_mm256_maskz_loadu_epi16(__mmask16((1u << count) - 1), p);
#else
    else memcpy(&bits, p, 2 * count);
#endif
    return widened<In>(bits);
  }
}

template <class V, class Out>
inline void store_narrow(Out* p, V v, int64_t count) {
  if constexpr (std::is_same_v<Out, Scalar<V>>) {
    if (count == Lanes<V>::kCount) store(p, v);
    else store_some(p, v, count);
  } else if constexpr (sizeof(Scalar<V>) == 8) {
    HalfFloats low = __builtin_convertvector(v, HalfFloats);
    FloatVector wide{};
    memcpy(&wide, &low, sizeof(low));
    store_narrow(p, wide, count);
  } else {
    HalfBits bits = narrowed<Out>(v);
    if (count == Lanes<V>::kCount) memcpy(p, &bits, sizeof(bits));
#if defined(__AVX512F__)
    else _mm256_mask_storeu_epi16(p, __mmask16((1u << count) - 1), (__m256i)bits);
#else
    else memcpy(p, &bits, 2 * count);
#endif
  }
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

// `count` pairs of neighbours: the first of each, and the second of each.
template <class V, class In>
inline void load_pairs(const In* p, int64_t count, V& even, V& odd) {
  constexpr int64_t n = Lanes<V>::kCount;
  if constexpr (std::is_same_v<In, Scalar<V>>) {
    take_pairs_apart(load_wide<V>(p, std::min(2 * count, n)), load_wide<V>(p + n, std::max<int64_t>(0, 2 * count - n)),
                     even, odd, std::make_integer_sequence<int, n>{});
  } else {  // a pair is a 32-bit lane
    FloatBits pairs = bit_cast<FloatBits>(load_wide<V>(reinterpret_cast<const float*>(p), count));
    even = widened<In>(pairs & 0xffff);
    odd = widened<In>((pairs >> 16) & 0xffff);
  }
}

template <class V, class Out>
inline void store_pairs(Out* p, V even, V odd, int64_t count) {
  constexpr int64_t n = Lanes<V>::kCount;
  if constexpr (std::is_same_v<Out, Scalar<V>>) {
    V a, b;
    put_pairs_together(even, odd, a, b, std::make_integer_sequence<int, n>{});
    store_narrow(p, a, std::min(2 * count, n));
    store_narrow(p + n, b, std::max<int64_t>(0, 2 * count - n));
  } else {
    FloatBits pairs = spread_out(narrowed<Out>(even)) | (spread_out(narrowed<Out>(odd)) << 16);
    store_narrow(reinterpret_cast<float*>(p), bit_cast<V>(pairs), count);
  }
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

}  // namespace poolzoo
