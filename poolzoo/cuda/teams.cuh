// Windows that several threads share: large ones, such as whole maps, and bins of unequal size.
//
// The threads of a window are its team; each takes every n-th element, so that neighbours read neighbours in memory, and
// what they find is combined by shuffles, and in shared memory where a team is more than one warp. A thread holds up to
// kHeld elements of each input at a time in registers. A window that fits is read once, however many passes a reducer makes.
// Of a larger one, softmax reducers make one pass, in which sums are scaled anew where a larger maximum comes; the others
// read it in each pass. Both layouts are alike: a block takes `lanes` channels of each position, 1 if contiguous.
#pragma once
#include "kernels.cuh"

namespace poolzoo {

// How the host divides the work. Teams, with their lanes, are a power of two of threads.
struct Teams {
  int32_t lanes, members;  // channels side by side; threads of a window
  int32_t groups, chunks;  // windows of a block; lanes of a position, in groups of `lanes`
  bool fits;               // a thread holds all of its elements
  int64_t count;           // windows, `lanes` channels each
};

enum class Work { kForward, kCells, kShares, kSpread };  // kCells: gradients of windows that do not overlap

template <class R, class T>
struct Job {
  Inputs<T> x;
  const T* grad_y;
  T* y;
  Gradients<T> grad;
  Share<R>* shares;
  double* sums;
};

// What the threads of a window find, combined: the same for all of them, and whatever their timing.
template <class R>
class Team {
  using A = Number<R>;
  static constexpr uint32_t kAll = 0xffffffff;
  A* room_;  // of 2 kThreads numbers: in turns, so that one barrier is enough
  const int lanes_, threads_;
  int turn_ = 0;

  // Calls f with what each warp of the team has for this thread's channel, the first warp's first.
  template <class V, class F>
  __device__ __forceinline__ void warps(V x, F f) {
    A* mine = room_ + turn_ * kThreads;
    mine[threadIdx.x] = bit_cast<A>(x);
    __syncthreads();
    const int first = static_cast<int>(threadIdx.x) / threads_ * threads_ + static_cast<int>(threadIdx.x) % lanes_;
    for (int at = 0; at < threads_; at += 32) f(bit_cast<V>(mine[first + at]));
    turn_ ^= 1;
  }

  template <class V, class Op>
  __device__ __forceinline__ V all(V x, Op op) {
    for (int by = lanes_; by < min(threads_, 32); by *= 2) x = op(x, __shfl_xor_sync(kAll, x, by));
    if (threads_ > 32) {
      bool any = false;
      V sum = x;
      warps(x, [&](V other) { sum = any ? op(sum, other) : other, any = true; });
      x = sum;
    }
    return x;
  }

 public:
  __device__ __forceinline__ Team(A* room, const Teams& t) : room_(room), lanes_(t.lanes), threads_(t.lanes * t.members) {}

  template <class V>
  __device__ __forceinline__ V sum(V x) {
    return all(x, [](V a, V b) { return a + b; });
  }
  template <class V>
  __device__ __forceinline__ V most(V x) {  // but for NaN
    return all(x, [](V a, V b) { return maximum(a, b); });
  }
  template <class V>
  __device__ __forceinline__ V least(V x) {
    return all(x, [](V a, V b) { return b < a ? b : a; });
  }
  template <class V>
  __device__ __forceinline__ V first(V x) {  // the first member's, whose first element is the window's
    const int here = static_cast<int>(threadIdx.x) % 32, size = min(threads_, 32);
    x = __shfl_sync(kAll, x, here / size * size + here % lanes_);
    if (threads_ > 32) {
      bool any = false;
      V first = x;
      warps(x, [&](V other) { first = any ? first : other, any = true; });
      x = first;
    }
    return x;
  }
};

// A member's elements of one window; or of its cell, which is the input from the window's start to the next one's, its last
// elements held by no window.
template <class R, class T, bool kCell>
class Portion {
  using A = Number<R>;
  struct Cursor {
    int32_t at[3], count;
    int64_t offset;
  };

  const R& r_;
  const Inputs<T>& x_;
  int64_t step_[3];
  int32_t size_[3], taps_[3];    // of the cell, and of the window
  int32_t number_, numbers_[3];  // of the window's first tap inside the input; from tap to tap
  int32_t total_, members_, ahead_[3];  // ahead_: `members_` as digits of a place in the cell
  int64_t offset_ahead_, carry_[2];     // what it adds to an offset; and what a full row, or a full slice, adds in addition
  const bool fits_;
  bool straight_;  // whole slices, whose elements follow one another in memory
  Cursor begin_, next_;
  bool at_first_;

 public:
  static constexpr int kHeld = sizeof(A) == 8 ? 4 : 8;
  T a[R::kInputs][kHeld];
  int64_t offset[kHeld];
  int32_t number[kHeld];
  bool inside[kHeld], is_tap[kHeld];

  // `outer` and `channel` say which elements of a position; `there` is false for a team without a window.
  __device__ __forceinline__ Portion(const R& r, const Inputs<T>& x, const Windows<int32_t>& g, const Teams& t, bool there,
                                     const Place<int64_t>& o, int member)
      : r_(r), x_(x), number_(0), members_(t.members), fits_(t.fits) {
    int64_t size = g.inner;
    int32_t start[3], tap = 1;
    total_ = there;
#pragma unroll
    for (int axis = 2; axis >= 0; --axis) {
      const auto at = static_cast<int32_t>(o.at[axis]), hole = g.dilation[axis];
      int32_t taps = g.reach(axis, at);
      start[axis] = g.start(axis, at);
      if (start[axis] < 0) {
        const int32_t before = (hole - 1 - start[axis]) / hole;
        start[axis] += before * hole;
        taps -= before;
        number_ += before * tap;
      }
      const int32_t over = start[axis] + (taps - 1) * hole - g.in[axis];
      if (over >= 0) taps -= over / hole + 1;
      taps_[axis] = size_[axis] = taps;
      if (kCell)  // whose windows have no holes
        size_[axis] = (at == g.out[axis] - 1 ? g.in[axis] : g.start(axis, at + 1)) - start[axis];
      step_[axis] = size * hole;
      numbers_[axis] = tap;
      size *= g.in[axis];
      tap *= g.kernel[axis];
      total_ *= size_[axis];
    }
    int32_t place = member, ahead = members_;
#pragma unroll
    for (int axis = 2; axis > 0; --axis) {
      begin_.at[axis] = place % size_[axis], place /= size_[axis];
      ahead_[axis] = ahead % size_[axis], ahead /= size_[axis];
      carry_[axis - 1] = step_[axis - 1] - size_[axis] * step_[axis];
    }
    begin_.at[0] = place, ahead_[0] = ahead, begin_.count = member;
    straight_ = total_;
#pragma unroll
    for (int axis = 0; axis < 3; ++axis)
      straight_ = straight_ && taps_[axis] == size_[axis] && g.dilation[axis] == 1 &&
                  (axis == 0 || (size_[axis] == g.in[axis] && g.kernel[axis] == size_[axis]));
    offset_ahead_ = ahead_[0] * step_[0] + ahead_[1] * step_[1] + ahead_[2] * step_[2];
    begin_.offset = ((o.outer * g.in[0] + start[0]) * g.in[1] + start[1]) * g.in[2] + start[2];
    begin_.offset = begin_.offset * g.inner + o.inner + begin_.at[0] * step_[0] + begin_.at[1] * step_[1] +
                    begin_.at[2] * step_[2];
    next_ = begin_;
    load();
    at_first_ = true;
  }

  // Calls f(j) for each of its elements, j its place in the arrays, and between() between any kHeld.
  template <class F, class Between>
  __device__ __forceinline__ void each(F f, Between between) {
    if (!at_first_) {
      next_ = begin_;
      load();
    }
    for (;;) {
      at_first_ = fits_;
      f();
      if (next_.count >= total_) break;
      between();
      load();
    }
  }

  // Calls f(tap) for each element that the reducer is to see.
  template <class F>
  __device__ __forceinline__ void held(F f) const {
#pragma unroll
    for (int j = 0; j < kHeld; ++j)
      if (kCell ? is_tap[j] : inside[j]) f(tap(j));
  }

  template <class F>
  __device__ __forceinline__ void every(F f) {
    each([&] { held(f); }, [] {});
  }

  __device__ __forceinline__ auto tap(int j) const {
    return poolzoo::tap(r_, a[0][j], a[R::kInputs - 1][j], number[j]);
  }

 private:
  __device__ __forceinline__ void read(int j) {
#pragma unroll
    for (int k = 0; k < R::kInputs; ++k) {
      a[k][j] = T(0.f);
      if (kCell ? is_tap[j] : inside[j]) a[k][j] = __ldg(x_.of[k] + offset[j]);
    }
  }

  // The next elements, as many as there is room for.
  __device__ __forceinline__ void load() {
    Cursor& c = next_;
    if (straight_) {
#pragma unroll
      for (int j = 0; j < kHeld; ++j, c.count += members_, c.offset += offset_ahead_) {
        inside[j] = is_tap[j] = c.count < total_;
        offset[j] = c.offset;
        number[j] = number_ + c.count;
        read(j);
      }
      return;
    }
#pragma unroll
    for (int j = 0; j < kHeld; ++j) {
      inside[j] = c.count < total_;
      is_tap[j] = inside[j] && c.at[0] < taps_[0] && c.at[1] < taps_[1] && c.at[2] < taps_[2];
      offset[j] = c.offset;
      number[j] = number_ + c.at[0] * numbers_[0] + c.at[1] * numbers_[1] + c.at[2];
      read(j);
      c.count += members_, c.offset += offset_ahead_;
      c.at[2] += ahead_[2], c.at[1] += ahead_[1], c.at[0] += ahead_[0];
      if (c.at[2] >= size_[2]) c.at[2] -= size_[2], ++c.at[1], c.offset += carry_[1];
      if (c.at[1] >= size_[1]) c.at[1] -= size_[1], ++c.at[0], c.offset += carry_[0];
    }
  }
};

// The window of all members' elements; kSlopes and kSpread: what it is to have besides its value.
template <bool kSlopes, bool kSpread, class R, class P>
__device__ __forceinline__ auto reduce_together(const R& r, P& portion, Team<R>& team) {
  using A = Number<R>;
  using W = typename R::template Window<A>;
  W w = r.template open<A>();
  const auto sums = [&](W& of, auto f) {
    r.sums(of, f);
    if constexpr (kSlopes) r.slope_sums(of, f);
    if constexpr (kSpread) r.spread_sums(of, f);
  };
  if constexpr (R::kStreams || R::kPasses == 1) {
    W total = w;  // of all parts of kMostInFloat elements but for the last, so that a float keeps its digits
    int packs = 0;
    bool any = false;
    const auto add_total = [&] {
      if (!any) return;
      A parts[3];
      int i = 0, k = 0;
      if constexpr (R::kStreams) r.recentre(total, w);
      sums(total, [&](A& sum) { parts[i++] = sum; });
      sums(w, [&](A& sum) { sum += parts[k++]; });
    };
    const auto see = [&] {
      if constexpr (R::kStreams) {
        W next = w;
        portion.held([&](const auto& e) { r.seek(next, e); });
        r.recentre(w, next);
        portion.held([&](const auto& e) { r.add(w, e); });
      } else {
        portion.held([&](const auto& e) { r.seek(w, e); });
      }
    };
    const auto between = [&] {
      if (sizeof(A) == 8 || ++packs * P::kHeld < kMostInFloat) return;
      add_total();
      total = w, any = true, packs = 0;
      sums(w, [](A& sum) { sum = 0; });
    };
    portion.each(see, between);
    add_total();
    if constexpr (R::kStreams) {
      W all = w;
      r.join(all, team);
      r.recentre(w, all);
    } else {
      r.join(w, team);
    }
  } else {
    portion.every([&](const auto& e) { r.seek(w, e); });
    r.join(w, team);
    r.settle(w);
    if constexpr (R::kPasses > 2) {
      portion.every([&](const auto& e) { r.measure(w, e); });
      r.join_measures(w, team);
      r.prepare(w);
    }
    portion.every([&](const auto& e) { r.add(w, e); });
  }
  sums(w, [&](A& sum) { sum = team.sum(sum); });
  return w;
}

template <class R, class T, Work kWork>
__global__ void pool_teams(Job<R, T> job, Windows<int32_t> g, Teams t, R r) {
  using A = Number<R>;
  constexpr bool kCells = kWork == Work::kCells, kSpread = kWork == Work::kSpread;
  __shared__ A room[2 * kThreads];
  Team<R> team(room, t);
  const int thread = static_cast<int>(threadIdx.x), lane = thread % t.lanes, member = thread / t.lanes % t.members;
  double sum = 0;
  for (int64_t group = static_cast<int64_t>(blockIdx.x) * t.groups; group < t.count;
       group += static_cast<int64_t>(gridDim.x) * t.groups) {
    const int64_t mine = min(group + thread / (t.lanes * t.members), t.count - 1);
    const int64_t channel = mine % t.chunks * t.lanes + lane;
    const bool there = group + thread / (t.lanes * t.members) < t.count && channel < g.inner;
    const int64_t out[3] = {g.out[0], g.out[1], g.out[2]};
    Place<int64_t> o(mine / t.chunks, out, 1);
    o.inner = there ? channel : 0;
    const int64_t at = o.offset(out, g.inner, o.at[0], o.at[1], o.at[2]);
    Portion<R, T, kCells> portion(r, job.x, g, t, there, o, member);
    const auto w = reduce_together<kCells || kWork == Work::kShares, kSpread>(r, portion, team);
    if (!there || (!kCells && member)) continue;
    if constexpr (kWork == Work::kForward) {
      job.y[at] = static_cast<T>(r.sign * r.value(w));
    } else {
      const A dy = static_cast<A>(__ldg(job.grad_y + at));
      if constexpr (kSpread) sum += double{dy * r.spread(w)};
      if constexpr (kWork == Work::kShares) put(job.shares + at, Share<R>{{r.close(w), dy}});
      if constexpr (kCells) {
        const auto closed = r.close(w);
        portion.each(
            [&] {
#pragma unroll
              for (int j = 0; j < portion.kHeld; ++j)
                if (portion.inside[j])
#pragma unroll
                  for (int k = 0; k < R::kInputs; ++k)
                    job.grad.of[k][portion.offset[j]] =
                        static_cast<T>(portion.is_tap[j] ? dy * slope(r, closed, portion.tap(j), k) : A(0));
            },
            [] {});
      }
    }
  }
  if constexpr (kSpread) {
    sum = block_sum(sum);
    if (thread == 0) job.sums[blockIdx.x] = sum;
  }
}

}  // namespace poolzoo
