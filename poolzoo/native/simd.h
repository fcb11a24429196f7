// The same arithmetic for single numbers and for vectors: `V` below is float, double or a vector of them.
//
// Vectors are those of the gcc and clang extension, as wide as the compiler flags allow; device code uses only numbers.
// The exponential and the logarithm are computed from bits, so that the compiler keeps them in registers. Nothing relies
// on -ffast-math: a NaN stays a NaN, and `nearest` and `power_of_two` need the rounding of IEEE 754.
#pragma once
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__AVX512F__) || defined(__FMA__)
#include <immintrin.h>
#endif

#include "geometry.h"

namespace poolzoo {

template <class V>
struct Lanes;

template <>
struct Lanes<float> {
  using Scalar = float;
  using Bits = int32_t;
  static constexpr int kCount = 1;
};

template <>
struct Lanes<double> {
  using Scalar = double;
  using Bits = int64_t;
  static constexpr int kCount = 1;
};

#if !defined(__CUDACC__)
#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

typedef float FloatVector __attribute__((vector_size(kVectorBytes)));
typedef double DoubleVector __attribute__((vector_size(kVectorBytes)));
typedef int32_t FloatBits __attribute__((vector_size(kVectorBytes)));
typedef int64_t DoubleBits __attribute__((vector_size(kVectorBytes)));

template <>
struct Lanes<FloatVector> {
  using Scalar = float;
  using Bits = FloatBits;
  static constexpr int kCount = kVectorBytes / 4;
};

template <>
struct Lanes<DoubleVector> {
  using Scalar = double;
  using Bits = DoubleBits;
  static constexpr int kCount = kVectorBytes / 8;
};
#endif

template <class V>
using Scalar = typename Lanes<V>::Scalar;

template <class V>
POOLZOO_HD V splat(Scalar<V> x) {
  return V{} + x;  // -0 becomes 0, which nothing here tells apart
}

template <class V>
using Index = typename Lanes<V>::Bits;  // a whole number for each of V's numbers

template <class V>
POOLZOO_HD Index<V> every(int64_t n) {
  return Index<V>{} + static_cast<Index<Scalar<V>>>(n);
}

template <class V>
POOLZOO_HD V maximum(V a, V b) {  // b where a is NaN
#if defined(__CUDA_ARCH__)
  return fmax(a, b);  // and a where b is; one instruction
#else
#if defined(__AVX512F__)  // left to itself, the compiler sometimes takes two
  if constexpr (std::is_same_v<V, FloatVector>) return (V)_mm512_max_ps((__m512)a, (__m512)b);
  if constexpr (std::is_same_v<V, DoubleVector>) return (V)_mm512_max_pd((__m512d)a, (__m512d)b);
#endif
  return a > b ? a : b;
#endif
}

template <class V>
POOLZOO_HD V absolute(V x) {
#if defined(__CUDA_ARCH__)
  return fabs(x);  // one instruction
#else
  return x < 0 ? -x : x;
#endif
}

template <class V>
POOLZOO_HD V with_sign_of(V sign, V x) {  // sgn(sign) x
  return sign < 0 ? -x : sign > 0 ? x : V{};
}

template <class To, class From>
POOLZOO_HD To bit_cast(From x) {
  static_assert(sizeof(To) == sizeof(From), "a bit cast keeps the size");
  To to;
  memcpy(&to, &x, sizeof(to));
  return to;
}

// The constants of 2^x = 2^n 2^f, n whole and |f| <= 1/2: the number whose addition rounds to a whole one, and
// 2^f = 1 + f Q(f), fitted to the relative error (float32: 2e-9) or cut from its series (float64: 1e-17).
template <class T>
struct Exponential;

template <>
struct Exponential<float> {
  static constexpr float kRound = 12582912.0f, kEpsilon = FLT_EPSILON;
  static constexpr int kShift = 23, kBias = 127;
  static constexpr float kLeast = -127.0f;      // from here on the result is 0
  static constexpr float kSplit = 4096.0f;      // up to it a number is split exactly
  static constexpr int32_t kHighBits = ~0xfff;  // half of the mantissa
  // For the logarithm: the bits of sqrt(1/2), the smallest normal number and a power of two to lift smaller ones by.
  static constexpr int32_t kRootHalf = 0x3f3504f3;
  static constexpr float kLeastNormal = 1.17549435e-38f, kScaleUp = 16777216.0f, kScaledBy = 24;
  static constexpr int kLogTerms = 5;
  template <class V>
  static POOLZOO_HD V fraction(V f) {
    // In pairs, so that no step waits for more than three others.
    V square = f * f, low = f * 2.402264790e-01f + 6.931472030e-01f, middle = f * 9.618438601e-03f + 5.550332163e-02f;
    V high = f * 1.535325812e-04f + 1.339900357e-03f;
    return ((high * square + middle) * square + low) * f + 1.0f;
  }
  template <class V>
  static POOLZOO_HD V fraction_from_0(V f) {  // the same for 0 <= f <= 1
    V square = f * f, low = f * 2.402293056e-01f + 6.931470444e-01f, middle = f * 9.675451574e-03f + 5.548528061e-02f;
    V high = f * 2.161291512e-04f + 1.246784639e-03f;
    return ((high * square + middle) * square + low) * f + 1.0f;
  }
};

template <>
struct Exponential<double> {
  static constexpr double kRound = 6755399441055744.0, kEpsilon = DBL_EPSILON;
  static constexpr int kShift = 52, kBias = 1023;
  static constexpr double kLeast = -1023.0, kSplit = 65536.0;
  static constexpr int64_t kHighBits = ~0x7ffffffll;
  static constexpr int64_t kRootHalf = 0x3fe6a09e667f3bcdll;
  static constexpr double kLeastNormal = 2.2250738585072014e-308, kScaleUp = 18014398509481984.0, kScaledBy = 54;
  static constexpr int kLogTerms = 11;
  template <class V>
  static POOLZOO_HD V fraction(V f) {
    V q = f * 1.36914888539041241e-12 + 2.56784359934881958e-11;
    q = q * f + 4.44553827187081007e-10;
    q = q * f + 7.05491162080112088e-09;
    q = q * f + 1.01780860092396960e-07;
    q = q * f + 1.32154867901443053e-06;
    q = q * f + 1.52527338040598377e-05;
    q = q * f + 1.54035303933816061e-04;
    q = q * f + 1.33335581464284411e-03;
    q = q * f + 9.61812910762847688e-03;
    q = q * f + 5.55041086648215762e-02;
    q = q * f + 2.40226506959100694e-01;
    q = q * f + 6.93147180559945286e-01;
    return q * f + 1.0;
  }
};

template <class V>
POOLZOO_HD V nearest(V x) {  // the whole number next to x, where |x| is below half of kRound
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<V, FloatVector>) return (V)_mm512_roundscale_ps((__m512)x, 0);
  if constexpr (std::is_same_v<V, DoubleVector>) return (V)_mm512_roundscale_pd((__m512d)x, 0);
#endif
  using E = Exponential<Scalar<V>>;
  return (x + E::kRound) - E::kRound;
}

#if defined(__FMA__) && !defined(__CUDACC__)
#define POOLZOO_FMA 1
template <class V>
POOLZOO_HD V product_less(V a, V b, V c) {  // a b - c, rounded once: what the compiler makes of it may be 0 where c is a b
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<V, FloatVector>) return (V)_mm512_fmsub_ps((__m512)a, (__m512)b, (__m512)c);
  else return (V)_mm512_fmsub_pd((__m512d)a, (__m512d)b, (__m512d)c);
#else
  if constexpr (std::is_same_v<V, FloatVector>) return (V)_mm256_fmsub_ps((__m256)a, (__m256)b, (__m256)c);
  else return (V)_mm256_fmsub_pd((__m256d)a, (__m256d)b, (__m256d)c);
#endif
}
#endif

template <class V>
POOLZOO_HD V power_of_two(V n) {  // n whole, from kLeast, which gives 0
  using E = Exponential<Scalar<V>>;
  using Bits = typename Lanes<V>::Bits;
  return bit_cast<V>(bit_cast<Bits>(n + (E::kRound + E::kBias)) << E::kShift);
}

#if defined(__AVX512F__) && !defined(__CUDACC__)
// m 2^floor(n), 0.5 < m <= 2; 0 for n up to 2 - kBias: numbers that are no normal ones take the processor 100 times as long.
POOLZOO_HD FloatVector scaled_down(FloatVector m, FloatVector n) {
  const auto normal = _mm512_cmp_ps_mask((__m512)n, _mm512_set1_ps(2 - Exponential<float>::kBias), _CMP_NLE_UQ);
  return (FloatVector)_mm512_maskz_scalef_ps(normal, (__m512)m, (__m512)n);
}
POOLZOO_HD DoubleVector scaled_down(DoubleVector m, DoubleVector n) {
  const auto normal = _mm512_cmp_pd_mask((__m512d)n, _mm512_set1_pd(2 - Exponential<double>::kBias), _CMP_NLE_UQ);
  return (DoubleVector)_mm512_maskz_scalef_pd(normal, (__m512d)m, (__m512d)n);
}
#endif

template <class V>
POOLZOO_HD V scaled(V m, V n) {  // m 2^n, n whole and at most 0; nothing is left of it from -kBias on
#if defined(__AVX512F__) && !defined(__CUDACC__)
  if constexpr (sizeof(V) == kVectorBytes) return scaled_down(m, n);
#endif
  return m * power_of_two(maximum(n, splat<V>(Scalar<V>(-Exponential<Scalar<V>>::kBias))));
}

template <class V>
POOLZOO_HD V ratio(V a, V b) {  // a / b, b neither 0 nor infinite nor so small or large that 1 / b is
#if defined(__AVX512F__) && !defined(__CUDACC__)
  if constexpr (std::is_same_v<V, FloatVector>) {  // a quarter of a division's time: 1 / b to 14 bits, then to all but 1
    V guess = (V)_mm512_rcp14_ps((__m512)b);
    return a * (guess + guess * (1 - b * guess));
  }
#endif
  return a / b;
}

#if defined(__CUDACC__)
// One instruction, to 2 units in the last place, where exp2 takes several; 0 below float's smallest normal number.
__device__ __forceinline__ float exp2_device(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
__device__ __forceinline__ double exp2_device(double x) { return exp2(x); }
#endif

template <class V>
POOLZOO_HD V exp2_of(V x) {  // 2^x for x up to kBias, 0 from kLeast down; NaN stays
#if defined(__CUDA_ARCH__)
  return exp2_device(x);
#else
  using E = Exponential<Scalar<V>>;
#if defined(__AVX512F__)
  // x less its floor, 0 for an infinite x, and m times two to the floor of x: an instruction each.
  if constexpr (std::is_same_v<V, FloatVector>)
    return scaled_down(E::fraction_from_0((V)_mm512_reduce_ps((__m512)x, 1)), x);
  x = maximum(splat<V>(4 * E::kLeast), x);  // what scaled_down makes 0
  V n = nearest(x), m = E::fraction(x - n);
  if constexpr (std::is_same_v<V, DoubleVector>) return scaled_down(m, n);
#else
  x = maximum(splat<V>(E::kLeast), x);
  V n = nearest(x), m = E::fraction(x - n);
#endif
  return m * power_of_two(n);
#endif
}

// log2(x) for 0 < x < inf, to a few units in the last place of its larger part.
template <class V>
POOLZOO_HD V log2_positive(V x) {
#if defined(__CUDA_ARCH__)
  return log2(x);
#else
  using T = Scalar<V>;
  using E = Exponential<T>;
  using Bits = typename Lanes<V>::Bits;
  auto small = x < E::kLeastNormal;
  x = small ? x * E::kScaleUp : x;
  // x = 2^n m, m from sqrt(1/2) to sqrt(2).
  Bits bits = bit_cast<Bits>(x) - E::kRootHalf;
  Bits whole = bits >> E::kShift;
  V m = bit_cast<V>(bits - (whole << E::kShift) + E::kRootHalf);
  // By its bits, kRound plus a whole number is that many units more.
  V n = (bit_cast<V>(whole + bit_cast<Index<T>>(E::kRound)) - E::kRound) - (small ? splat<V>(E::kScaledBy) : splat<V>(0));
  // log m = 2 atanh(s) = 2 s (1 + s^2 / 3 + s^4 / 5 + ...), |s| < 0.172
  V s = (m - T(1)) / (m + T(1)), z = s * s, series = splat<V>(T(1) / (2 * E::kLogTerms + 1));
  for (int k = E::kLogTerms - 1; k >= 0; --k) series = series * z + T(1) / (2 * k + 1);
  return n + s * series * T(2.885390081777926814720);
#endif
}

}  // namespace poolzoo
