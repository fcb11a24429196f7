// One arithmetic for a single number and for a register full of them: `V` below is float, double or a vector of them.
//
// Vectors are those of the gcc and clang extension, as wide as the flags allow; device code sees numbers only. What is
// here beyond + - * / is the exponential, written from bits so that the compiler keeps it in registers. Nothing relies
// on -ffast-math: a NaN stays a NaN, and the two steps that must round as written say so.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

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
POOLZOO_HD V maximum(V a, V b) {  // b where a is NaN
  return a > b ? a : b;
}

template <class To, class From>
POOLZOO_HD To bit_cast(From x) {
  static_assert(sizeof(To) == sizeof(From), "a bit cast keeps the size");
  To to;
  memcpy(&to, &x, sizeof(to));
  return to;
}

// The constants of e^x = 2^n e^r, n a whole number and |r| <= ln(2)/2: ln 2 in two parts, the first with so few bits that
// n times it is exact; the number whose addition rounds to a whole one; and e^r = 1 + r + r^2 Q(r), fitted to the
// relative error over that interval (float32: 3e-9) or cut from its series (float64: 1e-17).
template <class T>
struct Exponential;

template <>
struct Exponential<float> {
  static constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f, kRound = 12582912.0f;
  static constexpr int kShift = 23, kBias = 127;
  static constexpr float kLeast = -88.0f;    // below it the result is 0
  static constexpr float kSplit = 4096.0f;   // up to it a number is split exactly
  static constexpr int32_t kHighBits = ~0xfff;  // half of the mantissa
  template <class V>
  static POOLZOO_HD V remainder(V r) {
    V q = r * Q4 + Q3;
    q = q * r + Q2;
    q = q * r + Q1;
    q = q * r + Q0;
    return (q * (r * r) + r) + 1.0f;
  }
  static constexpr float Q0 = 4.999999343e-01f, Q1 = 1.666652040e-01f, Q2 = 4.166839079e-02f, Q3 = 8.368745213e-03f, Q4 = 1.381454008e-03f;
};

template <>
struct Exponential<double> {
  static constexpr double kLn2High = 6.93145751953125e-1, kLn2Low = 1.42860682030941723212e-6, kRound = 6755399441055744.0;
  static constexpr int kShift = 52, kBias = 1023;
  static constexpr double kLeast = -709.0, kSplit = 1048576.0;
  static constexpr int64_t kHighBits = ~0x7ffffffll;
  template <class V>
  static POOLZOO_HD V remainder(V r) {
    V q = splat<V>(1.0 / 6227020800.0);
    q = q * r + 1.0 / 479001600.0;
    q = q * r + 1.0 / 39916800.0;
    q = q * r + 1.0 / 3628800.0;
    q = q * r + 1.0 / 362880.0;
    q = q * r + 1.0 / 40320.0;
    q = q * r + 1.0 / 5040.0;
    q = q * r + 1.0 / 720.0;
    q = q * r + 1.0 / 120.0;
    q = q * r + 1.0 / 24.0;
    q = q * r + 1.0 / 6.0;
    q = q * r + 0.5;
    return (q * (r * r) + r) + 1.0;
  }
};

template <class V>
POOLZOO_HD V power_of_two(V e) {  // e whole, from -bias, which gives 0
  using E = Exponential<Scalar<V>>;
  using Bits = typename Lanes<V>::Bits;
  return bit_cast<V>(bit_cast<Bits>(e + (E::kRound + E::kBias)) << E::kShift);
}

template <class V>
POOLZOO_HD V nearest_power(V x) {  // the n of e^x = 2^n e^r
  using E = Exponential<Scalar<V>>;
  return (x * Scalar<V>(1.44269504088896340736) + E::kRound) - E::kRound;
}

template <class V>
POOLZOO_HD V exp_negative(V x) {  // e^x for x <= 0; NaN stays
#if defined(__CUDA_ARCH__)
  return exp(x);
#else
  using E = Exponential<Scalar<V>>;
  x = x < E::kLeast ? splat<V>(E::kLeast) : x;
  V n = nearest_power(x);
  return E::remainder((x - n * E::kLn2High) - n * E::kLn2Low) * power_of_two(n);
#endif
}

}  // namespace poolzoo
