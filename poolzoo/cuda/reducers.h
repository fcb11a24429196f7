// What becomes of a window: small structs of arithmetic, the same for the CPU's vectors and for a CUDA thread.
//
// A reducer goes over a window twice: `seek` finds what the second pass needs to know of the whole window, `add` collects;
// then `value` is y and `slope` is dy/da of one element. T is float or double; V is T or a vector of T.
//
// An element may be prepared once for all windows that hold it: `prepare` makes an `Element` of it, which the CPU engine
// keeps as `kPlanes` planes. `absent()` is an element outside the input: it has no weight in `add` and never wins `seek`.
#pragma once
#include <cfloat>

#include "simd.h"

namespace poolzoo {

// SoftPool: y = sum w a, w = softmax(beta a); dy/da = w (1 + beta (a - y)); dy/dbeta = sum w (a - y)^2.
//
// beta >= 0 here; for a negative one the caller turns the signs of elements and result, softpool(a; b) = -softpool(-a; -b).
// As in the reference y = c + sum w (a - c) with c the maximum. Differences are taken at the scale q, a power of two so
// small that no sum of them overflows where the result does not.
//
// Powers are of two: e^(beta a) = 2^(s a), s = beta log2(e). Weights come by either of two ways. Directly: 2^(s (a - c)),
// an exponential for each element of each window. Or split: 2^(s a) = m 2^n is made once for each element, and a window
// only aligns the powers, m 2^(n - n_c); this holds up to |s a| = kSplit, beyond which m is NaN and the window is done
// directly.
// Whether it is depends on the window's own elements alone: so does its result, to the bit.
template <class T>
struct SoftPool {
  static constexpr int kPlanes = 3;
  T s, s_high, s_low;  // s; half of its digits, whose product with half an element is exact; the rest and what s lost
  T q, sharp, unit;    // the scale; s / q; half of 1 / q

  template <class V>
  struct Element {
    V a, m, n;
  };

  template <class V>
  struct Window {
    V centre, low, top;      // the maximum, the same at scale q, and its power of two
    V sum, first, second;    // of w, w d and w d^2, where d = (a - centre) q
    V inverse, mean, expected;  // 1 / sum; first / sum; s (y - centre)
    decltype(V{} != V{}) direct;  // which windows take the direct way
    bool any_direct;
  };

  static SoftPool make(double beta, int64_t taps) {
    SoftPool r;
    const long double most = absent().a * -1.0L, exact = (beta < 0 ? -beta : beta) * 1.442695040888963407359924681L;
    r.s = T(exact < most ? exact : most);
    r.s_high = high_half(r.s);
    r.s_low = T(exact - r.s_high);
    r.q = T(0.5);
    for (int64_t room = 1; room < taps; room *= 2) r.q *= T(0.5);
    r.sharp = T(exact / r.q < most ? exact / r.q : most);
    r.unit = T(0.5) / r.q;
    return r;
  }

  template <class V>
  static POOLZOO_HD V high_half(V x) {
    return bit_cast<V>(bit_cast<typename Lanes<V>::Bits>(x) & Exponential<T>::kHighBits);
  }

  static POOLZOO_HD Element<T> absent() { return {sizeof(T) == 4 ? T(-FLT_MAX) : T(-DBL_MAX), T(0), T(-4 * Exponential<T>::kSplit)}; }

  template <class V>
  POOLZOO_HD Element<V> prepare(V a) const {
    using E = Exponential<T>;
    // s a = p + error; so the fraction is as good as if s a had not been rounded, however large it is.
    V p = a * s, high = high_half(a), low = a - high;
    V error = ((high * s_high - p) + high * s_low) + low * (s_high + s_low);
    V n = nearest(p);
    V m = E::fraction((p - n) + error);
    V size = p < T(0) ? -p : p;
    return {a, size <= E::kSplit ? m : splat<V>(T(NAN)), n};
  }

  template <class V>
  POOLZOO_HD Window<V> open() const {
    Window<V> w{};
    w.centre = splat<V>(absent().a);
    return w;
  }

  template <class V>
  POOLZOO_HD void seek(Window<V>& w, V a) const {
    w.centre = maximum(a, w.centre);
  }

  template <class V>
  POOLZOO_HD void settle(Window<V>& w) const {
    w.low = w.centre * q;
    w.top = nearest(w.centre * s);
  }

  template <class V>
  POOLZOO_HD V split_weight(const Window<V>& w, const Element<V>& e) const {
    using E = Exponential<T>;
    return e.m * power_of_two(maximum(e.n - w.top, splat<V>(T(-E::kBias))));
  }

  template <class V>
  POOLZOO_HD V exponent(const Window<V>& w, V a) const {  // s (a - centre), or what is as good as -inf
    V x = sharp * (a * q - w.low);
    return maximum(splat<V>(T(2) * Exponential<T>::kLeast), x);
  }

  template <class V>
  POOLZOO_HD void collect(Window<V>& w, V weight, V a) const {
    V part = weight * (a * q - w.low);
    w.sum += weight;
    w.first += part;
    w.second += part * (a * q - w.low);
  }

  template <class V>
  POOLZOO_HD void add(Window<V>& w, const Element<V>& e) const {  // the split way
    collect(w, split_weight(w, e), e.a);
  }

  template <class V>
  POOLZOO_HD void add_direct(Window<V>& w, V a) const {
    collect(w, exp2_negative(sharp * (a * q - w.low)), a);
  }

  template <class V>
  POOLZOO_HD void add_direct(Window<V>& w, const Element<V>& e) const {  // where elements may be absent
    collect(w, e.m == T(0) ? splat<V>(T(0)) : exp2_negative(sharp * (e.a * q - w.low)), e.a);
  }

  template <class V>
  POOLZOO_HD V value(const Window<V>& w) const {
    V half = w.first / w.sum * unit;
    return (w.centre + half) + half;
  }

  // After which `slope`, and `spread` = dy/dbeta, may be asked for.
  template <class V>
  POOLZOO_HD void close(Window<V>& w) const {
    w.inverse = T(1) / w.sum;
    w.mean = w.first * w.inverse;
    w.expected = sharp * w.mean;
  }

  template <class V>
  POOLZOO_HD V spread(const Window<V>& w) const {
    return (w.second * w.inverse - w.mean * w.mean) / (q * q);
  }

  template <class V>
  POOLZOO_HD V slope(const Window<V>& w, V a) const {
    V x = exponent(w, a);
    return exp2_negative(x) * w.inverse * (T(1) + (x - w.expected) * T(0.693147180559945309417));
  }

  template <class V>
  POOLZOO_HD V slope(const Window<V>& w, const Element<V>& e) const {
    V x = exponent(w, e.a), weight = split_weight(w, e);
    if (w.any_direct) {
      V direct = e.m == T(0) ? splat<V>(T(0)) : exp2_negative(x);
      weight = w.direct ? direct : weight;
    }
    return weight * w.inverse * (T(1) + (x - w.expected) * T(0.693147180559945309417));
  }
};

}  // namespace poolzoo
