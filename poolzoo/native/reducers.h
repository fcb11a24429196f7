// The reducers: small structs that reduce one window, the same for the CPU's vectors and for a CUDA thread.
//
// A reducer R<T>, with T float or double, has these functions, where V is T or a vector of T:
//   make(param, taps)   makes the reducer, once per call, on the host; taps is the number of elements of a whole window
//   fill(i)             the value of an absent element of input i; Tap::here is 0 for it
//   open()              returns a Window<V> without elements
//   seek(w, tap)        adds an element to the window
//   settle(w), add(w, tap)   if kPasses is 2 or more: after the first pass, and for each element of the last pass
//   measure(w, tap), prepare(w)   if kPasses is 3: for each element of the second pass, and after this pass
//   value(w)            returns y
//   close(w)            returns a Closed<V>: the few numbers that slope needs
//   slope(c, tap)       returns dy/da of one element; slope_second(c, tap) returns dy/db, if kInputs is 2
//   spread(w)           returns dy/dparam, if kParam is true
//   sums(w, f)          calls f with each sum over the elements that value needs; with kInParts: sums of more than
//                       kMostInFloat elements are then made in parts in float, and else in double
//   add(w, tap, kept), slope(c, tap, kept)   with kKeeps: likewise, where a Kept<V> of each element is at hand on CUDA
//   slope_sums(w, f), spread_sums(w, f)   likewise with those that only close or only spread needs
//
// With kJoins, several CUDA threads, or the lanes of a vector, can share a window, each with some of its elements; else one
// reduces a window:
//   join(w, team)             after the first pass of each member: makes of their windows the one that all of them go on with,
//                             by team.sum(x), team.most(x), team.least(x) and team.first(x), x of the window's first element
//   join_measures(w, team)    if kPasses is 3: likewise after the second pass. After the last one their `sums` are added
//   recentre(w, next)         with kStreams, which makes one pass of the first two: w's sums, as they are if its centre is
//                             that of `next`, a window that has been shown more elements; seek is then called only on `next`
//
// It may have a `sign`: the elements and the result are multiplied by it. The compiler removes unused values: sums that
// only slope needs are not computed in the forward pass.
//
// To add a reducer, add such a struct and name it where the operator is registered: native=Native("name", "Struct").
#pragma once
#include <cfloat>

#include "simd.h"

namespace poolzoo {

// One element of each of V's windows: of the input (a) and of the second input if there is one (b); `here` is 1 inside the
// input and 0 outside; `number` is the tap's place in the window, counted from 0 in row-major order.
template <class V>
struct Tap {
  V a, b, here;
  Index<V> number;
};

template <class T>
POOLZOO_HD T largest() {
  return sizeof(T) == 4 ? T(FLT_MAX) : T(DBL_MAX);
}

// What a reducer has unless it says otherwise.
template <class T>
struct Plain {
  using Number = T;
  static constexpr int kInputs = 1, kPasses = 2;
  static constexpr bool kParam = false;
  static constexpr bool kSplits = false;  // SoftPool alone: see there
  static constexpr bool kInParts = false, kJoins = false, kStreams = false, kKeeps = false;
  static constexpr T sign = 1;

  static POOLZOO_HD T fill(int) { return T(0); }

  template <class W, class F>
  POOLZOO_HD void slope_sums(W&, F) const {}

  template <class W, class F>
  POOLZOO_HD void spread_sums(W&, F) const {}
};

// Sums of weights and of weighted elements, with y = c + sum w (a - c) / sum w, c an element or a mean of the window: a
// constant window gives its constant, and what is subtracted is small where the window is nearly constant. Differences
// are taken at the scale q, a power of two so small that no sum of them overflows where the result does not.
template <class T>
struct Weighted {
  T q, unit;  // unit: half of 1 / q

  static Weighted make(int64_t taps) {
    T q = T(0.5);
    for (int64_t room = 1; room < taps; room *= 2) q *= T(0.5);
    return {q, T(0.5) / q};
  }

  template <class V>
  struct Sums {
    V low, sum, first;  // c at scale q; sums of w and of w (a - c) q
  };

  template <class V>
  POOLZOO_HD V difference(const Sums<V>& s, V a) const {
    return a * q - s.low;
  }

  template <class V>
  POOLZOO_HD void collect(Sums<V>& s, V weight, V difference) const {
    s.sum += weight;
    s.first += weight * difference;
  }

  template <class V>
  POOLZOO_HD void recentre(Sums<V>& s, V before, V after, V scale) const {  // c from before to after; weights times scale
    const V low = after * q;
    s.first = scale * (s.first + (before * q - low) * s.sum);
    s.sum *= scale;
    s.low = low;
  }

  template <class V>
  POOLZOO_HD V value(const Sums<V>& s, V centre) const {  // in halves: the difference may be more than the largest number
    V half = ratio(s.first, s.sum) * unit;
    return (centre + half) + half;
  }
};

// max: y = max a. The gradient goes to the first of the largest elements.
template <class T>
struct Max : Plain<T> {
  static constexpr int kPasses = 1;
  static constexpr bool kInParts = true, kJoins = true;

  template <class V>
  struct Window {
    V best;
    Index<V> at;
  };
  template <class V>
  using Closed = Index<V>;

  static Max make(double, int64_t) { return {}; }
  static POOLZOO_HD T fill(int) { return -T(INFINITY); }

  template <class V>
  POOLZOO_HD Window<V> open() const {
    return {splat<V>(-T(INFINITY)), Index<V>{} - 1};
  }

  template <class V>
  POOLZOO_HD void seek(Window<V>& w, const Tap<V>& e) const {  // a NaN wins, and nothing is larger than a NaN
    auto wins = (e.a > w.best) | (e.a != e.a), first = (w.at < 0) & (e.here > 0);
    w.best = wins ? e.a : w.best;
    w.at = (wins | first) ? e.number : w.at;
  }

  template <class V, class Team>
  POOLZOO_HD void join(Window<V>& w, Team& team) const {  // the first of the largest, or the last NaN
    const Index<V> none = every<V>(sizeof(Index<Scalar<V>>) == 4 ? INT32_MAX : INT64_MAX);
    const auto nan = w.best != w.best;
    const auto any_nan = team.most(nan ? splat<V>(1) : splat<V>(0)) > 0;
    const V best = any_nan ? splat<V>(NAN) : team.most(w.best);
    const auto mine = (w.at >= 0) & (nan | (w.best == best));  // none is equal to a NaN
    const Index<V> at = team.least(mine ? (any_nan ? -w.at : w.at) : none);
    w = {best, any_nan ? -at : at};
  }

  template <class V, class F>
  POOLZOO_HD void sums(Window<V>&, F) const {}

  template <class V>
  POOLZOO_HD V value(const Window<V>& w) const {
    return w.best;
  }

  template <class V>
  POOLZOO_HD Index<V> close(const Window<V>& w) const {
    return w.at;
  }

  template <class V>
  POOLZOO_HD V slope(const Index<V>& at, const Tap<V>& e) const {
    return e.number == at ? splat<V>(1) : splat<V>(0);
  }
};

// avg: y = mean a, of the elements that are there.
template <class T>
struct Avg : Plain<T> {
  static constexpr int kPasses = 1;
  static constexpr bool kInParts = true, kJoins = true;
  T q;

  template <class V>
  struct Window {
    V sum, count;
  };
  template <class V>
  using Closed = V;

  static Avg make(double, int64_t taps) { return {{}, Weighted<T>::make(taps).q}; }

  template <class V>
  POOLZOO_HD Window<V> open() const {
    Window<V> w{};
    return w;
  }

  template <class V>
  POOLZOO_HD void seek(Window<V>& w, const Tap<V>& e) const {
    w.sum += e.a * q;
    w.count += e.here;
  }

  template <class V, class Team>
  POOLZOO_HD void join(Window<V>& w, Team& team) const {
    w.count = team.sum(w.count);
  }

  template <class V, class F>
  POOLZOO_HD void sums(Window<V>& w, F f) const {
    f(w.sum);
  }

  template <class V>
  POOLZOO_HD V value(const Window<V>& w) const {
    return w.sum / (w.count * q);
  }

  template <class V>
  POOLZOO_HD V close(const Window<V>& w) const {
    return T(1) / w.count;
  }

  template <class V>
  POOLZOO_HD V slope(const V& share, const Tap<V>&) const {
    return share;
  }
};

// lp: y = (mean |a|^p)^(1/p), or with the sum instead of the mean; dy/da = y r^(p - 1) sgn(a) / (m sum r^p), with r = |a| / m
// and m the largest |a|. At 0 the gradient is 0. p of infinity, taken as the largest number, gives m. Of an infinite m
// slopes are the formula's limits, with 0 * inf NaN: those of p = 1 and p = inf are finite.
template <class T, bool kSum>
struct Lp : Plain<T> {
  static constexpr bool kParam = true, kJoins = true;
  T p, inverse;
  bool peak;  // p is infinite

  template <class V>
  struct Window {
    V most;                  // m; 1 where that is 0, and where it is infinite and p is not
    V sum, logs, count;      // of r^p and r^p log2 r
  };
  template <class V>
  struct Closed {
    V most, factor;
  };

  static Lp make(double p, int64_t) {
    Lp r;
    r.p = p < double(largest<T>()) ? T(p) : largest<T>();
    r.inverse = T(1) / r.p;
    r.peak = !(p < double(largest<T>()));
    return r;
  }

  template <class V>
  POOLZOO_HD Window<V> open() const {
    Window<V> w{};
    return w;
  }

  template <class V>
  POOLZOO_HD void seek(Window<V>& w, const Tap<V>& e) const {
    w.most = maximum(absolute(e.a), w.most);
  }

  template <class V>
  POOLZOO_HD void settle(Window<V>& w) const {
    w.most = ((w.most > 0) & (w.most <= (peak ? T(INFINITY) : largest<T>()))) ? w.most : splat<V>(1);
  }

  template <class V>
  POOLZOO_HD V share(V a, V most) const {  // r
    V r = absolute(a) / most;
    return peak ? absolute(a) == most ? splat<V>(1) : r : r;  // inf / inf is 1 here
  }

  // r^e for 0 <= r <= 1; 0 gives 0. Of larger ones, which infinite windows have, what matters: 1 for e = 0, and inf or 0.
  template <class V>
  static POOLZOO_HD V power(V r, T e) {
    V x = log2_positive(r == 0 ? splat<V>(1) : r) * e;  // a result near 0, which is dropped, would take long
    x = x < T(Exponential<T>::kBias) ? x : splat<V>(T(Exponential<T>::kBias));
    V beyond = e > 0 ? r : e < 0 ? T(1) / r : splat<V>(1);
    return r == 0 ? r : r <= 1 ? exp2_of(x) : beyond;
  }

  template <class V>
  POOLZOO_HD void add(Window<V>& w, const Tap<V>& e) const {
    V r = share(e.a, w.most), weight = p == 2 ? r * r : power(r, p);
    w.sum += weight;
    w.logs += r > 0 ? weight * log2_positive(r) : splat<V>(0);
    w.count += e.here;
  }

  template <class V, class Team>
  POOLZOO_HD void join(Window<V>& w, Team& team) const {
    w.most = team.most(w.most);
  }

  template <class V, class F>
  POOLZOO_HD void sums(Window<V>& w, F f) const {
    f(w.sum), f(w.count);
  }

  template <class V, class F>
  POOLZOO_HD void spread_sums(Window<V>& w, F f) const {
    f(w.logs);
  }

  template <class V>
  POOLZOO_HD V log_mean(const Window<V>& w) const {  // log2 of (y / m)^p
    return log2_positive(kSum ? w.sum : w.sum / w.count);
  }

  template <class V>
  POOLZOO_HD V ratio(const Window<V>& w) const {  // y / m
    V x = exp2_of(log_mean(w) * inverse);
    return (w.sum > 0) & (w.sum <= largest<T>()) ? x : w.sum;
  }

  template <class V>
  POOLZOO_HD V value(const Window<V>& w) const {
    return w.most * ratio(w);
  }

  template <class V>
  POOLZOO_HD Closed<V> close(const Window<V>& w) const {
    V infinite = p > 1 ? splat<V>(0) : p < 1 ? splat<V>(T(INFINITY)) : kSum ? splat<V>(1) : T(1) / w.count;
    V factor = w.sum > largest<T>() ? infinite : ratio(w) / w.sum;
    return {w.most, w.sum == 0 ? splat<V>(0) : factor};
  }

  template <class V>
  POOLZOO_HD V slope(const Closed<V>& c, const Tap<V>& e) const {
    V r = share(e.a, c.most);
    return e.a == 0 ? splat<V>(0) : c.factor * with_sign_of(e.a, p == 2 ? r : power(r, p - 1));
  }

  template <class V>
  POOLZOO_HD V spread(const Window<V>& w) const {
    V x = value(w) * inverse * (w.logs / w.sum - log_mean(w) * inverse) * T(0.693147180559945309417);
    return w.sum == 0 ? splat<V>(0) : x;
  }
};

template <class T>
using LpMean = Lp<T, false>;
template <class T>
using LpSum = Lp<T, true>;

// lip: y = sum w a, w = softmax(b), b the second input; dy/da = w, dy/db = w (a - y).
template <class T>
struct Lip : Plain<T> {
  static constexpr int kInputs = 2;
  static constexpr bool kInParts = true, kJoins = true, kStreams = true;
  Weighted<T> mean;

  template <class V>
  struct Window {
    V centre, top;  // the largest a and the largest b
    typename Weighted<T>::template Sums<V> sums;
  };
  template <class V>
  struct Closed {
    V low, top, inverse, first;
  };

  static Lip make(double, int64_t taps) { return {{}, Weighted<T>::make(taps)}; }
  static POOLZOO_HD T fill(int) { return -largest<T>(); }

  template <class V>
  POOLZOO_HD Window<V> open() const {
    Window<V> w{};
    w.centre = splat<V>(fill(0));
    w.top = splat<V>(fill(1));
    return w;
  }

  template <class V>
  POOLZOO_HD void seek(Window<V>& w, const Tap<V>& e) const {
    w.centre = maximum(e.a, w.centre);
    w.top = maximum(e.b, w.top);
  }

  template <class V>
  POOLZOO_HD void settle(Window<V>& w) const {
    w.sums.low = w.centre * mean.q;
  }

  template <class V, class Team>
  POOLZOO_HD void join(Window<V>& w, Team& team) const {
    w.centre = team.most(w.centre);
    w.top = team.most(w.top);
  }

  template <class V>
  POOLZOO_HD void recentre(Window<V>& w, const Window<V>& next) const {
    mean.recentre(w.sums, w.centre, next.centre, weight(w.top, next.top));
    w.centre = next.centre, w.top = next.top;
  }

  template <class V>
  static POOLZOO_HD V weight(V b, V top) {
    return exp2_of((b - top) * T(1.442695040888963407360));
  }

  template <class V>
  POOLZOO_HD void add(Window<V>& w, const Tap<V>& e) const {
    mean.collect(w.sums, e.here * weight(e.b, w.top), mean.difference(w.sums, e.a));
  }

  template <class V, class F>
  POOLZOO_HD void sums(Window<V>& w, F f) const {
    f(w.sums.sum), f(w.sums.first);
  }

  template <class V>
  POOLZOO_HD V value(const Window<V>& w) const {
    return mean.value(w.sums, w.centre);
  }

  template <class V>
  POOLZOO_HD Closed<V> close(const Window<V>& w) const {
    V inverse = T(1) / w.sums.sum;
    return {w.sums.low, w.top, inverse, w.sums.first * inverse};
  }

  template <class V>
  POOLZOO_HD V slope(const Closed<V>& c, const Tap<V>& e) const {
    return weight(e.b, c.top) * c.inverse;
  }

  template <class V>
  POOLZOO_HD V slope_second(const Closed<V>& c, const Tap<V>& e) const {
    return weight(e.b, c.top) * c.inverse * ((e.a * mean.q - c.low) - c.first) / mean.q;
  }
};

// softpool: y = sum w a, w = softmax(beta a); dy/da = w (1 + beta (a - y)); dy/dbeta = sum w (a - y)^2.
//
// beta >= 0 here; for a negative one `sign` turns elements and result, softpool(a; b) = -softpool(-a; -b). c is the maximum.
//
// Powers are of two: e^(beta a) = 2^(s a), s = beta log2(e). A weight is 2^(s (a - c)), an exponential for each element of
// each window. Where windows overlap, the CPU splits instead: 2^(s a) = m 2^n is made once for each element (`split`), and
// a window only aligns the powers, m 2^(n - n_c). This holds up to |s a| = kSplit, beyond which m is NaN and the window is
// done the first way. On the lanes path, powers stay as they are (`power`) up to |s a| = kMostPower. Which way a window is
// done depends on its own elements alone: so does its result, to the bit.
template <class T>
struct SoftPool : Plain<T> {
  static constexpr bool kParam = true, kSplits = true, kInParts = true, kJoins = true, kStreams = true;
  T sign;
  Weighted<T> mean;
  T sharp;             // s / q
  T s, s_high, s_low;  // s; half of its digits, whose product with half an element is exact; the rest and what s lost
  T s_lost;            // and this alone

  template <class V>
  struct Window {
    V centre, second;  // the maximum; the sum of w (a - c)^2 q^2
    typename Weighted<T>::template Sums<V> sums;
    V top;                          // of the split way: the maximum's power of two
    decltype(V{} != V{}) direct;    // and which windows go the other way all the same
    bool any_direct;
  };
  template <class V>
  struct Closed {
    V low, inverse, expected;  // c at scale q; 1 / sum w; s (y - c)
  };
  template <class V>
  struct Split {
    V m, n;
  };

  static SoftPool make(double beta, int64_t taps) {
    SoftPool r;
    const long double exact = (beta < 0 ? -beta : beta) * 1.442695040888963407359924681L, most = largest<T>();
    r.sign = beta < 0 ? T(-1) : T(1);
    r.mean = Weighted<T>::make(taps);
    r.sharp = T(exact / r.mean.q < most ? exact / r.mean.q : most);
    r.s = T(exact < most ? exact : most);
    r.s_high = high_half(r.s);
    r.s_low = T(exact - r.s_high);
    r.s_lost = T(exact - r.s);
    return r;
  }

  static POOLZOO_HD T fill(int) { return -largest<T>(); }

  template <class V>
  POOLZOO_HD Window<V> open() const {
    Window<V> w{};
    w.centre = splat<V>(fill(0));
    return w;
  }

  template <class V>
  POOLZOO_HD void seek(Window<V>& w, const Tap<V>& e) const {
    w.centre = maximum(e.a, w.centre);
  }

  template <class V>
  POOLZOO_HD void settle(Window<V>& w) const {
    w.sums.low = w.centre * mean.q;
    w.top = nearest(w.centre * s);
  }

  template <class V, class Team>
  POOLZOO_HD void join(Window<V>& w, Team& team) const {
    w.centre = team.most(w.centre);
  }

  template <class V>
  POOLZOO_HD void recentre(Window<V>& w, const Window<V>& next) const {
    const V step = w.centre * mean.q - next.centre * mean.q, scale = exp2_of(sharp * step);
    w.second = scale * (w.second + step * (2 * w.sums.first + step * w.sums.sum));
    mean.recentre(w.sums, w.centre, next.centre, scale);
    w.centre = next.centre;
  }

  template <class V>
  POOLZOO_HD void collect(Window<V>& w, V weight, V difference) const {
    mean.collect(w.sums, weight, difference);
    w.second += weight * difference * difference;
  }

  template <class V>
  POOLZOO_HD void add(Window<V>& w, const Tap<V>& e) const {
    V d = mean.difference(w.sums, e.a);
    collect(w, e.here * exp2_of(sharp * d), d);
  }

  template <class V, class F>
  POOLZOO_HD void sums(Window<V>& w, F f) const {
    f(w.sums.sum), f(w.sums.first);
  }

  template <class V, class F>
  POOLZOO_HD void spread_sums(Window<V>& w, F f) const {
    f(w.second);
  }

  template <class V>
  POOLZOO_HD V value(const Window<V>& w) const {
    return mean.value(w.sums, w.centre);
  }

  template <class V>
  POOLZOO_HD Closed<V> close(const Window<V>& w) const {
    V inverse = T(1) / w.sums.sum;
    return {w.sums.low, inverse, sharp * (w.sums.first * inverse)};
  }

  template <class V>
  POOLZOO_HD V spread(const Window<V>& w) const {
    V inverse = T(1) / w.sums.sum, shift = w.sums.first * inverse;
    return (w.second * inverse - shift * shift) / (mean.q * mean.q);
  }

  template <class V>
  POOLZOO_HD V exponent(const Closed<V>& c, V a) const {  // s (a - c), or what is as good as -inf
    return maximum(sharp * (a * mean.q - c.low), splat<V>(T(2) * Exponential<T>::kLeast));
  }

  template <class V>
  POOLZOO_HD V slope(const Closed<V>& c, V x, V weight) const {
    return weight * c.inverse * (T(1) + (x - c.expected) * T(0.693147180559945309417));
  }

  template <class V>
  POOLZOO_HD V slope(const Closed<V>& c, const Tap<V>& e) const {
    V x = exponent(c, e.a);
    return slope(c, x, exp2_of(x));
  }

  // The split way.

  template <class V>
  static POOLZOO_HD V high_half(V x) {
    return bit_cast<V>(bit_cast<Index<V>>(x) & Exponential<T>::kHighBits);
  }

  static POOLZOO_HD Split<T> absent() { return {T(0), T(-4 * Exponential<T>::kSplit)}; }

  template <class V>
  POOLZOO_HD V rounding_error(V a, V p) const {  // of p = s a
#if defined(POOLZOO_FMA)
    return product_less(a, splat<V>(s), p) + a * s_lost;
#else
    V high = high_half(a), low = a - high;
    return ((high * s_high - p) + high * s_low) + low * (s_high + s_low);
#endif
  }

  template <class V>
  POOLZOO_HD Split<V> split(V a) const {
    using E = Exponential<T>;
    // s a = p + error; so the fraction is as good as if s a had not been rounded, however large it is.
    V p = a * s, error = rounding_error(a, p);
    V n = nearest(p);
    V m = E::fraction((p - n) + error);
    return {absolute(p) <= E::kSplit ? m : splat<V>(T(NAN)), n};
  }

  // So that sums of 2^(s a) (a - c)^2 q^2 are finite, c any element.
  static constexpr int kMostPower = 40;
  POOLZOO_HD bool makes_powers() const { return s * T(1ll << 34) >= 1; }  // else |a| might be above 2^40

  template <class V>
  POOLZOO_HD V power(V a) const {  // 2^(s a), or NaN
    V p = a * s, n = nearest(p), m = Exponential<T>::fraction((p - n) + rounding_error(a, p));
    return absolute(p) <= kMostPower ? m * power_of_two(n) : splat<V>(T(NAN));
  }

  template <class V>
  POOLZOO_HD void start(Window<V>& w, V a) const {  // where powers are made, any element serves as c
    w.centre = a;
    settle(w);
  }

  template <class V>
  POOLZOO_HD V weight(const Window<V>&, const V& power) const {
    return power;
  }

  template <class V>
  POOLZOO_HD V weight(const Window<V>& w, const Split<V>& e) const {
    return scaled(e.m, e.n - w.top);
  }

  template <class V, class Made>
  POOLZOO_HD void add(Window<V>& w, const Tap<V>& e, const Made& made) const {  // a Split, or a power
    collect(w, weight(w, made), mean.difference(w.sums, e.a));
  }

  // Takes over from `other`, which went the direct way, the windows that could not be split.
  template <class V>
  POOLZOO_HD void take_over(Window<V>& w, const Window<V>& other) const {
    w.any_direct = true;
    w.direct = w.sums.sum != w.sums.sum;
    w.centre = w.direct ? other.centre : w.centre;
    w.sums.low = w.direct ? other.sums.low : w.sums.low;
    w.sums.sum = w.direct ? other.sums.sum : w.sums.sum;
    w.sums.first = w.direct ? other.sums.first : w.sums.first;
    w.second = w.direct ? other.second : w.second;
  }

  template <class V, class Made>
  POOLZOO_HD V slope(const Window<V>& w, const Closed<V>& c, const Tap<V>& e, const Made& made) const {
    V x = exponent(c, e.a), share = weight(w, made);
    if (w.any_direct) share = w.direct ? exp2_of(x) : share;
    return slope(c, x, share);
  }
};

}  // namespace poolzoo

#include "reducers_by_distance.h"
