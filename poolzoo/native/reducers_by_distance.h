// The reducers whose weights depend on how far elements lie from the window's mean: edscw, idw, and adapool, which has the
// first of them in it. reducers.h says what a reducer is, and includes this file.
#pragma once
#include "reducers.h"

namespace poolzoo {

// The arithmetic of the Dice-Sorensen coefficient D(a, m) = 2 |a m| / (a^2 + m^2), 0 where both are 0, in t, the smaller
// magnitude over the larger one: nothing overflows, whatever the scale. Where neither is above `floor`, the rounding error
// of the window's largest number, D is a constant.
template <class V>
struct Dice {
  V t, inverse, larger, steep;  // inverse: 1 / (1 + t^2); steep: 2 (1 - t^2) / (1 + t^2)^2, 0 where D is a constant; there,
                                // larger is 1
  decltype(V{} < V{}) outside;  // |a| > |m|

  POOLZOO_HD Dice(V a, V m, V floor) {
    a = absolute(a), m = absolute(m);
    outside = a > m;
    larger = outside ? a : m;
    auto known = larger > floor;
    t = (outside ? m : a) / (larger == 0 ? splat<V>(1) : larger);
    larger = known ? larger : splat<V>(1);
    inverse = Scalar<V>(1) / (t * t + 1);
    steep = known ? 2 * (1 - t * t) * (inverse * inverse) : splat<V>(0);
  }

  POOLZOO_HD V weight() const { return exp2_of((2 * t * inverse - 1) * Scalar<V>(1.442695040888963407360)); }  // e^(D - 1)
  // dD/d|a| times `larger`, and dD/d|m| times |m|
  POOLZOO_HD V of_a() const { return outside ? -t * steep : steep; }
  POOLZOO_HD V of_m() const { return outside ? t * steep : -t * steep; }
};

// edscw: y = sum w a, w = softmax(D(a, m)), m the mean; c is the first element. With d_i = D(a_i, m), of n elements,
// dy/da_j = w_j (1 + (a_j - y) dd_j/da_j) + 1/n sum_i w_i (a_i - y) dd_i/dm.
template <class T>
struct Edscw : Plain<T> {
  static constexpr bool kJoins = true, kKeeps = true;
  Weighted<T> mean;

  template <class V>
  struct Window {
    V first, total, count, size, centre;  // c; the sum of a q; how many; the largest |a|, then its rounding error; m
    typename Weighted<T>::template Sums<V> sums;
    V tilt, moment;  // sums of w h and w h (a - c) q, h = |m| dD/d|m|
  };
  template <class V>
  struct Closed {
    V centre, low, floor, inverse, shift, shared;
  };

  static Edscw make(double, int64_t taps) { return {{}, Weighted<T>::make(taps)}; }

  template <class V>
  POOLZOO_HD Window<V> open() const {
    Window<V> w{};
    return w;
  }

  template <class V>
  POOLZOO_HD void seek(Window<V>& w, const Tap<V>& e) const {
    w.first = w.count > 0 ? w.first : e.a;
    w.total += e.a * mean.q;
    w.count += e.here;
    w.size = maximum(absolute(e.a), w.size);
  }

  template <class V, class Team>
  POOLZOO_HD void join(Window<V>& w, Team& team) const {
    w.first = team.first(w.first);
    w.total = team.sum(w.total);
    w.count = team.sum(w.count);
    w.size = team.most(w.size);
  }

  template <class V, class F>
  POOLZOO_HD void sums(Window<V>& w, F f) const {
    f(w.sums.sum), f(w.sums.first);
  }

  template <class V, class F>
  POOLZOO_HD void slope_sums(Window<V>& w, F f) const {
    f(w.tilt), f(w.moment);
  }

  template <class V>
  POOLZOO_HD void settle(Window<V>& w) const {
    w.sums.low = w.first * mean.q;
    w.centre = w.total / w.count * (mean.unit + mean.unit);
    w.size = w.size * Exponential<T>::kEpsilon;
  }

  template <class V>
  struct Kept {
    V weight, bend;  // e^(D - 1), and dD/da times the larger magnitude: without it, it may overflow
  };

  template <class V>
  POOLZOO_HD Kept<V> kept(const Dice<V>& dice, V a) const {
    return {dice.weight(), with_sign_of(a, dice.of_a())};
  }

  template <class V>
  POOLZOO_HD void add(Window<V>& w, const Tap<V>& e) const {
    Kept<V> unused;
    add(w, e, unused);
  }

  template <class V>
  POOLZOO_HD void add(Window<V>& w, const Tap<V>& e, Kept<V>& k) const {
    Dice<V> dice(e.a, w.centre, w.size);
    k = kept(dice, e.a);
    V d = mean.difference(w.sums, e.a), share = e.here * k.weight, bent = share * dice.of_m();
    mean.collect(w.sums, share, d);
    w.tilt += bent;
    w.moment += bent * d;
  }

  template <class V>
  POOLZOO_HD V value(const Window<V>& w) const {
    return mean.value(w.sums, w.first);
  }

  template <class V>
  POOLZOO_HD Closed<V> close(const Window<V>& w) const {
    V inverse = T(1) / w.sums.sum, shift = w.sums.first * inverse, m = w.centre * mean.q;
    V shared = (w.moment - shift * w.tilt) * inverse / m / w.count;
    return {w.centre, w.sums.low, w.size, inverse, shift, m == 0 ? splat<V>(0) : shared};
  }

  template <class V>
  POOLZOO_HD V slope(const Closed<V>& c, const Tap<V>& e) const {
    return slope(c, e, kept(Dice<V>(e.a, c.centre, c.floor), e.a));
  }

  template <class V>
  POOLZOO_HD V slope(const Closed<V>& c, const Tap<V>& e, const Kept<V>& k) const {
    V larger = maximum(absolute(e.a), absolute(c.centre));
    larger = larger > c.floor ? larger : splat<V>(1);
    V far = ((e.a * mean.q - c.low) - c.shift) / larger * (mean.unit + mean.unit);
    return k.weight * c.inverse * (1 + far * k.bend) + c.shared;
  }
};

// idw: y = sum w a / sum w, w = 1 / D, D = d / s + eps, d = |a - m|, m the mean, s the mean of d or 1 where that is 0;
// c is the first element. With p = w / sum w, g = -(a - y) p / (s D) and z = sgn(a - m), of n elements,
// dy/da_j = p_j + (g_j + eps G / n) z_j - (H + eps G Z / n) / n, G, H and Z the sums of g, g z and z.
// m too is measured from c: its rounding error is then that of the distances, and not that of what they have in common.
template <class T>
struct Idw : Plain<T> {
  static constexpr int kPasses = 3;
  static constexpr bool kJoins = true;
  Weighted<T> mean;
  T eps;

  template <class V>
  struct Window {
    V first, total, count;      // c, the sum of (a - c) q and how many there are
    V middle, spread, nearest;  // (m - c) q, s q and the smallest d q, which then becomes D
    typename Weighted<T>::template Sums<V> sums;
    V shift;  // the sum of w (a - m) q: where an element lies at the mean, y does nearly, and slopes are steep
    V steep, moment, signs, steep_signs, moment_signs;  // sums of w / D and w / D (a - m) / s; of z and of both times z
  };
  template <class V>
  struct Closed {
    V low, middle, spread, nearest, inverse, shift, shared, other;
  };

  static Idw make(double eps, int64_t taps) { return {{}, Weighted<T>::make(taps), T(eps)}; }

  template <class V>
  POOLZOO_HD Window<V> open() const {
    Window<V> w{};
    w.nearest = splat<V>(largest<T>());
    return w;
  }

  template <class V>
  POOLZOO_HD void seek(Window<V>& w, const Tap<V>& e) const {
    w.first = w.count > 0 ? w.first : e.a;
    w.sums.low = w.first * mean.q;
    w.total += e.here > 0 ? mean.difference(w.sums, e.a) : splat<V>(0);
    w.count += e.here;
  }

  template <class V, class Team>
  POOLZOO_HD void join(Window<V>& w, Team& team) const {
    const V own = w.sums.low;
    w.first = team.first(w.first);
    w.sums.low = w.first * mean.q;
    w.total = team.sum(w.count > 0 ? w.total + w.count * (own - w.sums.low) : splat<V>(0));
    w.count = team.sum(w.count);
  }

  template <class V, class Team>
  POOLZOO_HD void join_measures(Window<V>& w, Team& team) const {
    w.spread = team.sum(w.spread);
    w.nearest = team.least(w.nearest);
  }

  template <class V, class F>
  POOLZOO_HD void sums(Window<V>& w, F f) const {
    f(w.sums.sum), f(w.sums.first);
  }

  template <class V, class F>
  POOLZOO_HD void slope_sums(Window<V>& w, F f) const {
    f(w.shift), f(w.steep), f(w.moment), f(w.signs), f(w.steep_signs), f(w.moment_signs);
  }

  template <class V>
  POOLZOO_HD void settle(Window<V>& w) const {
    w.middle = w.total / w.count;
  }

  template <class V>
  POOLZOO_HD void measure(Window<V>& w, const Tap<V>& e) const {
    V d = absolute(mean.difference(w.sums, e.a) - w.middle);
    w.spread += e.here * d;
    w.nearest = ((e.here > 0) & (d < w.nearest)) ? d : w.nearest;
  }

  template <class V>
  POOLZOO_HD void prepare(Window<V>& w) const {
    w.spread = w.spread / w.count;
    w.spread = w.spread == 0 ? splat<V>(1) : w.spread;
    w.nearest = w.nearest / w.spread + eps;
  }

  template <class V>
  POOLZOO_HD void add(Window<V>& w, const Tap<V>& e) const {
    V step = mean.difference(w.sums, e.a), far = step - w.middle, d = absolute(far) / w.spread + eps;
    V weight = e.here * (w.nearest / d), steep = weight / d, z = with_sign_of(far, e.here);
    mean.collect(w.sums, weight, step);
    V moment = steep * (far / w.spread);
    w.shift += weight * far;
    w.steep += steep;
    w.moment += moment;
    w.signs += z;
    w.steep_signs += z * steep;
    w.moment_signs += z * moment;
  }

  template <class V>
  POOLZOO_HD V value(const Window<V>& w) const {
    return mean.value(w.sums, w.first);
  }

  template <class V>
  POOLZOO_HD Closed<V> close(const Window<V>& w) const {
    V inverse = T(1) / w.sums.sum, shift = w.shift / w.spread * inverse;  // (y - m) / s
    V all = (shift * w.steep - w.moment) * inverse, signed_all = (shift * w.steep_signs - w.moment_signs) * inverse;
    V shared = eps * all / w.count, other = (signed_all + shared * w.signs) / w.count;
    return {w.sums.low, w.middle, w.spread, w.nearest, inverse, shift, shared, other};
  }

  template <class V>
  POOLZOO_HD V slope(const Closed<V>& c, const Tap<V>& e) const {
    V far = ((e.a * mean.q - c.low) - c.middle) / c.spread, d = absolute(far) + eps;
    V p = c.nearest / d * c.inverse, g = (c.shift - far) * (p / d);
    return p + with_sign_of(far, g + c.shared) - c.other;
  }
};

// adapool: y = beta edscw + (1 - beta) softpool.
template <class T>
struct AdaPool : Plain<T> {
  static constexpr bool kParam = true, kJoins = true, kKeeps = true;
  Edscw<T> edscw;
  SoftPool<T> softpool;
  T beta;

  template <class V>
  struct Window {
    typename Edscw<T>::template Window<V> edscw;
    typename SoftPool<T>::template Window<V> softpool;
  };
  template <class V>
  struct Closed {
    typename Edscw<T>::template Closed<V> edscw;
    typename SoftPool<T>::template Closed<V> softpool;
  };

  static AdaPool make(double beta, int64_t taps) {
    return {{}, Edscw<T>::make(0, taps), SoftPool<T>::make(1, taps), T(beta)};
  }

  template <class V>
  POOLZOO_HD Window<V> open() const {
    return {edscw.template open<V>(), softpool.template open<V>()};
  }

  template <class V>
  POOLZOO_HD void seek(Window<V>& w, const Tap<V>& e) const {
    edscw.seek(w.edscw, e);
    softpool.seek(w.softpool, with_least(e));
  }

  template <class V>
  POOLZOO_HD void settle(Window<V>& w) const {
    edscw.settle(w.edscw);
    softpool.settle(w.softpool);
  }

  template <class V>
  using Kept = typename Edscw<T>::template Kept<V>;

  template <class V>
  POOLZOO_HD void add(Window<V>& w, const Tap<V>& e) const {
    edscw.add(w.edscw, e);
    softpool.add(w.softpool, with_least(e));
  }

  template <class V>
  POOLZOO_HD void add(Window<V>& w, const Tap<V>& e, Kept<V>& k) const {
    edscw.add(w.edscw, e, k);
    softpool.add(w.softpool, with_least(e));
  }

  template <class V, class Team>
  POOLZOO_HD void join(Window<V>& w, Team& team) const {
    edscw.join(w.edscw, team);
    softpool.join(w.softpool, team);
  }

  template <class V, class F>
  POOLZOO_HD void sums(Window<V>& w, F f) const {
    edscw.sums(w.edscw, f);
    softpool.sums(w.softpool, f);
  }

  template <class V, class F>
  POOLZOO_HD void slope_sums(Window<V>& w, F f) const {
    edscw.slope_sums(w.edscw, f);
  }

  template <class V>
  POOLZOO_HD V step(const Window<V>& w) const {  // half of edscw - softpool
    return edscw.value(w.edscw) * T(0.5) - softpool.value(w.softpool) * T(0.5);
  }

  template <class V>
  POOLZOO_HD V value(const Window<V>& w) const {
    V part = beta * step(w);
    return softpool.value(w.softpool) + part + part;
  }

  template <class V>
  POOLZOO_HD Closed<V> close(const Window<V>& w) const {
    return {edscw.close(w.edscw), softpool.close(w.softpool)};
  }

  template <class V>
  POOLZOO_HD V slope(const Closed<V>& c, const Tap<V>& e) const {
    return beta * edscw.slope(c.edscw, e) + (T(1) - beta) * softpool.slope(c.softpool, e);
  }

  template <class V>
  POOLZOO_HD V slope(const Closed<V>& c, const Tap<V>& e, const Kept<V>& k) const {
    return beta * edscw.slope(c.edscw, e, k) + (T(1) - beta) * softpool.slope(c.softpool, e);
  }

  template <class V>
  POOLZOO_HD V spread(const Window<V>& w) const {
    return T(2) * step(w);
  }

 private:
  template <class V>
  static POOLZOO_HD Tap<V> with_least(Tap<V> e) {  // what SoftPool wants for an absent element, where edscw wants 0
    e.a = e.here > 0 ? e.a : splat<V>(SoftPool<T>::fill(0));
    return e;
  }
};

}  // namespace poolzoo

