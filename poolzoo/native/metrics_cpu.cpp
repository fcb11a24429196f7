// SSIM (Wang et al. 2004) and plain errors of two images, in one pass over them.
//
// SSIM needs means, variances and the covariance under a Gaussian window at every pixel. The window is the product of a
// vertical and a horizontal one. For each column of 11 pixels, the means (m, n), the covariance (p) and the variance of
// the difference (d) around these means are computed; along a row, 11 columns give the window's (M, N, P, D):
//
//   M = sum w m,   P = sum w (p + (m - M)(n - N)),   D = sum w (d + ((m - M) - (n - N))^2)      (law of total covariance)
//   SSIM = (2 M N + C1)(2 P + C2) / ((2 M N + C1 + (M - N)^2)(2 P + C2 + D)),
//
// which is Wang's formula, because M^2 + N^2 = 2 M N + (M - N)^2 and var x + var y = 2 P + D. All squares are of
// deviations from a mean of the same window, so a small variance keeps its digits next to a large mean. Equal images
// give exactly 1, and the order of the two images does not matter.
//
// The size of the image alone decides how it is divided into bands of rows, and the bands' sums are added in order:
// results do not depend on the number of threads. A band is processed from left to right in tiles that fit into the cache, and each
// tile from top to bottom with a copy of its last 11 rows: with channels innermost, or one channel at a time for planar
// images. For the loops, taps are `inner` numbers apart, and a row is one vector of numbers.
#include "metrics.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "cpu_vectors.h"

namespace poolzoo {
namespace {

using V = DoubleVector;
constexpr int64_t kLanes = Lanes<V>::kCount;
constexpr int64_t kBand = 32;        // rows of results
constexpr int64_t kTileLanes = 192;  // numbers in a tile's row, about: two dozen of them are read again and again
constexpr int64_t kAhead = 2;        // rows: memory is asked for them early, since a tile's lie far apart
constexpr int64_t kLeastTile = 32;   // pixels: of many channels, most of a tile else were what its windows overhang
constexpr double kSmall = 2;         // data ranges: up to here, values are squared as they are

int64_t round_up(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

// How a pair is walked through: `planes` images of `width` pixels of `inner` numbers, in bands of `kBand` rows.
struct Walk {
  const Pair& pair;
  int64_t planes, inner, rows, columns, bands;

  // `margin`: how many rows and columns of results there are less than pixels.
  Walk(const Pair& given, int64_t margin) : pair(given) {
    bool planar = is_planar(pair);
    planes = planar ? pair.channels : 1;
    inner = planar ? 1 : pair.channels;
    rows = pair.height - margin;
    columns = pair.width - margin;
    bands = (rows + kBand - 1) / kBand;
  }

  int64_t tasks() const { return planes * bands; }
  int64_t tile() const { return std::max(kTileLanes / inner, kLeastTile); }

  const double* at(int which, int64_t plane, int64_t row, int64_t first) const {
    const int64_t* stride = pair.stride[which];
    return pair.data[which] + plane * stride[2] + row * stride[0] + first * stride[1];
  }

  // Whether the numbers of a row follow each other in memory.
  bool in_one_piece(int which) const {
    const int64_t* stride = pair.stride[which];
    return stride[1] == inner && (inner == 1 || stride[2] == 1);
  }

  // `count` pixels of a row, from column `first` on, into one piece.
  void read(int which, int64_t plane, int64_t row, int64_t first, int64_t count, double* to) const {
    const int64_t* stride = pair.stride[which];
    const double* from = at(which, plane, row, first);
    if (in_one_piece(which)) {
      const double* later = at(which, plane, std::min(row + kAhead, pair.height - 1), first);
      for (int64_t i = 0; i < count * inner; i += 64 / sizeof(double)) __builtin_prefetch(later + i);
      std::copy_n(from, count * inner, to);
      return;
    }
    for (int64_t c = 0; c < inner; ++c)
      for (int64_t x = 0; x < count; ++x) to[x * inner + c] = from[c * stride[2] + x * stride[1]];
  }
};

// At least `numbers` results to a thread: waking one takes as long as some work.
template <class Body>
void parallel_for(Parallel parallel, const Walk& walk, int64_t numbers, const Body& body) {
  auto call = [](int64_t first, int64_t last, void* context) {
    for (int64_t task = first; task < last; ++task) (*static_cast<const Body*>(context))(task);
  };
  const int64_t a_task = kBand * walk.columns * walk.inner;
  parallel(walk.tasks(), std::max<int64_t>(1, numbers / a_task), call, const_cast<Body*>(&body));
}

double sum(const double* values, int64_t count) {
  V lanes{};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) lanes += load<V>(values + i);
  double rest = 0;
  for (; i < count; ++i) rest += values[i];
  return total(lanes, kLanes) + rest;
}

struct Weights {
  double of[kTaps];

  Weights() {
    double all = 0;
    for (int64_t k = 0; k < kTaps; ++k) all += of[k] = std::exp(-double((k - 5) * (k - 5)) / (2 * 1.5 * 1.5));
    for (double& weight : of) weight /= all;
  }
};

// A tile on its way down: the last rows of both images, and what became of their columns.
class Tile {
 public:
  Tile(const Walk& walk, double data_range)
      : walk_(walk),
        room_(round_up((walk.tile() + kTaps - 1) * walk.inner) + kLanes),
        c1_(0.01 * data_range * (0.01 * data_range)),
        c2_(0.03 * data_range * (0.03 * data_range)),
        limit_(kSmall * data_range),
        data_(room_ * (2 * kTaps + 5)) {
    std::fill_n(data_.get(), room_ * (2 * kTaps + 5), 0.0);
  }

  void read(int64_t plane, int64_t row, int64_t first, int64_t count) {
    V largest{};
    for (int which : {0, 1}) {
      double* to = slot(which, row);
      walk_.read(which, plane, row, first, count, to);
      for (int64_t i = 0; i < count * walk_.inner; i += kLanes) largest = maximum(absolute(load<V>(to + i)), largest);
    }
    small_[row % kTaps] = !any(largest > limit_);
  }

  // SSIM of the windows that begin at `row`, which has been read with the ten rows after it; valid up to the next call.
  const double* score(int64_t row, int64_t columns) {
    Rows x, y;
    for (int64_t k = 0; k < kTaps; ++k) x[k] = slot(0, row + k), y[k] = slot(1, row + k);
    double* result = of(4);
    const bool plain = std::all_of(small_, small_ + kTaps, [](bool small) { return small; });
    const int64_t count = columns * walk_.inner, overhang = (kTaps - 1) * walk_.inner;
    if (plain) {
      for (int64_t i = 0; i < count + overhang; i += kLanes) plain_down(x, y, i);
      for (int64_t i = 0; i < count; i += kLanes) store(result + i, plain_across(i));
    } else {
      for (int64_t i = 0; i < count + overhang; i += kLanes) down(x, y, i);
      for (int64_t i = 0; i < count; i += kLanes) store(result + i, across(i));
    }
    return result;
  }

 private:
  typedef const double* Rows[kTaps];

  double* of(int64_t plane) const { return data_.get() + room_ * (2 * kTaps + plane); }
  double* slot(int which, int64_t row) const { return data_.get() + room_ * (which * kTaps + row % kTaps); }

  void down(const Rows& x, const Rows& y, int64_t i) const {
    V a[kTaps], b[kTaps], mean_a{}, mean_b{}, shared{}, apart{};
#pragma GCC unroll 11
    for (int64_t k = 0; k < kTaps; ++k) {
      a[k] = load<V>(x[k] + i), b[k] = load<V>(y[k] + i);
      mean_a += a[k] * weights_.of[k];
      mean_b += b[k] * weights_.of[k];
    }
#pragma GCC unroll 11
    for (int64_t k = 0; k < kTaps; ++k) {
      V s = a[k] - mean_a, t = b[k] - mean_b, e = s - t;
      shared += s * t * weights_.of[k];
      apart += e * e * weights_.of[k];
    }
    store(of(0) + i, mean_a), store(of(1) + i, mean_b), store(of(2) + i, shared), store(of(3) + i, apart);
  }

  V across(int64_t i) const {
    const double *m = of(0) + i, *n = of(1) + i, *p = of(2) + i, *d = of(3) + i;
    V a[kTaps], b[kTaps], mean_a{}, mean_b{}, shared{}, apart{};
#pragma GCC unroll 11
    for (int64_t k = 0; k < kTaps; ++k) {
      a[k] = load<V>(m + k * walk_.inner), b[k] = load<V>(n + k * walk_.inner);
      mean_a += a[k] * weights_.of[k];
      mean_b += b[k] * weights_.of[k];
    }
#pragma GCC unroll 11
    for (int64_t k = 0; k < kTaps; ++k) {
      V s = a[k] - mean_a, t = b[k] - mean_b, e = s - t;
      shared += (s * t + load<V>(p + k * walk_.inner)) * weights_.of[k];
      apart += (e * e + load<V>(d + k * walk_.inner)) * weights_.of[k];
    }
    V light = mean_a * mean_b * 2.0 + c1_, contrast = shared * 2.0 + c2_, step = mean_a - mean_b;
    return light * contrast / ((light + step * step) * (contrast + apart));
  }

  void plain_down(const Rows& x, const Rows& y, int64_t i) const {
    V sum{}, difference{}, squares{}, apart{};
#pragma GCC unroll 11
    for (int64_t k = 0; k < kTaps; ++k) {
      V a = load<V>(x[k] + i), b = load<V>(y[k] + i), s = a + b, t = a - b;
      V weighted_s = s * weights_.of[k], weighted_t = t * weights_.of[k];
      sum += weighted_s;
      difference += weighted_t;
      squares += weighted_s * s;
      apart += weighted_t * t;
    }
    store(of(0) + i, sum), store(of(1) + i, difference), store(of(2) + i, squares), store(of(3) + i, apart);
  }

  V plain_across(int64_t i) const {
    V sum{}, difference{}, squares{}, apart{};
#pragma GCC unroll 11
    for (int64_t k = 0; k < kTaps; ++k) {
      const int64_t at = i + k * walk_.inner;
      sum += load<V>(of(0) + at) * weights_.of[k];
      difference += load<V>(of(1) + at) * weights_.of[k];
      squares += load<V>(of(2) + at) * weights_.of[k];
      apart += load<V>(of(3) + at) * weights_.of[k];
    }
    V step = difference * difference;
    squares -= sum * sum;
    apart -= step;
    V light = (sum * sum - step) * 0.5 + c1_, contrast = (squares - apart) * 0.5 + c2_;
    return light * contrast / ((light + step) * (contrast + apart));
  }

  const Walk& walk_;
  Weights weights_;
  int64_t room_;
  double c1_, c2_, limit_;
  bool small_[kTaps] = {};  // of each row that is held: whether nothing in it is large
  Buffer<double> data_;
};

}  // namespace

bool is_planar(const Pair& pair) { return pair.stride[0][1] == 1 && pair.stride[1][1] == 1; }

double ssim(const Pair& pair, double data_range, double* map, Parallel parallel) {
  const Walk walk(pair, kTaps - 1);
  std::vector<double> sums(walk.tasks());
  parallel_for(parallel, walk, 1 << 16, [&](int64_t task) {
    const int64_t plane = task / walk.bands, top = task % walk.bands * kBand;
    const int64_t bottom = std::min(top + kBand, walk.rows);
    Tile tile(walk, data_range);
    double all = 0;
    for (int64_t left = 0; left < walk.columns; left += walk.tile()) {
      const int64_t columns = std::min(walk.tile(), walk.columns - left), count = columns * walk.inner;
      for (int64_t row = top; row < top + kTaps - 1; ++row) tile.read(plane, row, left, columns + kTaps - 1);
      for (int64_t row = top; row < bottom; ++row) {
        tile.read(plane, row + kTaps - 1, left, columns + kTaps - 1);
        const double* scores = tile.score(row, columns);
        all += sum(scores, count);
        if (map) std::copy_n(scores, count, map + ((plane * walk.rows + row) * walk.columns + left) * walk.inner);
      }
    }
    sums[task] = all;
  });
  return sum(sums.data(), walk.tasks()) / double(walk.rows * walk.columns * pair.channels);
}

void errors(const Pair& pair, double* squares, double* absolutes, Parallel parallel) {
  const Walk walk(pair, 0);
  const bool direct = walk.in_one_piece(0) && walk.in_one_piece(1);
  const int64_t piece = direct ? walk.columns : walk.tile();
  std::vector<double> square_sums(walk.tasks()), absolute_sums(walk.tasks());
  parallel_for(parallel, walk, 1 << 18, [&](int64_t task) {
    const int64_t plane = task / walk.bands, top = task % walk.bands * kBand;
    const int64_t room = direct ? 0 : round_up(piece * walk.inner);
    Buffer<double> rows(2 * room);
    V square{}, absolutely{};
    auto add = [&](V e) {
      square += e * e;
      absolutely += absolute(e);
    };
    for (int64_t row = top; row < std::min(top + kBand, walk.rows); ++row) {
      for (int64_t left = 0; left < walk.columns; left += piece) {
        const int64_t columns = std::min(piece, walk.columns - left), count = columns * walk.inner;
        const double* both[2];
        for (int which : {0, 1}) {
          double* copy = rows.get() + which * room;
          if (!direct) walk.read(which, plane, row, left, columns, copy);
          both[which] = direct ? walk.at(which, plane, row, left) : copy;
        }
        int64_t i = 0;
        for (; i + kLanes <= count; i += kLanes) add(load<V>(both[0] + i) - load<V>(both[1] + i));
        if (i < count) add(load_some<V>(both[0] + i, count - i) - load_some<V>(both[1] + i, count - i));
      }
    }
    square_sums[task] = total(square, kLanes);
    absolute_sums[task] = total(absolutely, kLanes);
  });
  const double count = double(walk.rows * walk.columns * pair.channels);
  *squares = sum(square_sums.data(), walk.tasks()) / count;
  *absolutes = sum(absolute_sums.data(), walk.tasks()) / count;
}

}  // namespace poolzoo
