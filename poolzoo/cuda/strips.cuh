// Windows of 3x3 elements, or of 3 in a row, of stride 1 or 2 and without dilation: each element is read once.
//
// A thread owns a cell of two columns and walks down a strip of rows. It keeps the rows of its windows in
// registers: the one window of a cell at stride 2, the two at stride 1. The columns that these hold of the cells beside
// it come from those cells' threads, through shared memory. The threads of a row of cells are a group. Both layouts are
// alike: each position has `channels` elements, side by side, and a block takes `lanes` of them; 1 and 1 if contiguous.
//
// A group longer than a block is divided. The first or last cell of a part lacks a neighbour: another part computes it.
#pragma once
#include "kernels.cuh"

namespace poolzoo {

// How the host divides the work.
struct Strips {
  int32_t in_rows, in_columns, out_rows, out_columns;
  int32_t padded_rows, padded_columns;  // padding
  int32_t channels, lanes;
  int32_t group, groups;     // cells of a group; groups of a block
  int32_t before, useful;    // cells of a group that only serve the others on their right; those that count
  int32_t across, down;      // groups of a row of cells; strips of a plane
  int32_t rows, count;       // steps of a strip; groups
  bool pairs_in, pairs_out;  // whether two neighbours may be read or written as one
};

constexpr int kCellColumns = 2;
// At least, if there are as many. Each strip of 3x3 windows reads a few rows above it too.
template <int KY, int S> constexpr int kStripRows = KY == 1 ? 4 : 20 / S;

// `yes` or `no`, of numbers that both lie in registers.
__device__ __forceinline__ float either(bool which, float yes, float no) { return which ? yes : no; }

// The place of a thread in its group, its cell and its strip.
struct Worker {
  int32_t slot, lanes, group;  // slot: its cell within the group; an idle thread is in none
  int32_t cell, strip;
  int32_t in, out;  // where the plane begins in the input and in the output
  bool there, useful;  // useful: its cell is complete, and it is this group's to write

  __device__ __forceinline__ explicit Worker(const Strips& s) : lanes(s.lanes) {
    const int32_t thread = static_cast<int32_t>(threadIdx.x), place = thread / s.lanes;
    const int32_t number = static_cast<int32_t>(blockIdx.x) * s.groups + place / s.group;
    const int32_t chunks = (s.channels + s.lanes - 1) / s.lanes;
    const int32_t channel = number % chunks * s.lanes + thread % s.lanes;
    int32_t rest = number / chunks;
    slot = place % s.group, group = place < s.groups * s.group ? s.group : 0;
    there = group && number < s.count && channel < s.channels;
    cell = rest % s.across * s.useful - s.before + slot;
    rest /= s.across;
    strip = rest % s.down;
    const int32_t plane = rest / s.down;
    in = plane * s.in_rows * s.in_columns * s.channels + channel;
    out = plane * s.out_rows * s.out_columns * s.channels + channel;
    useful = there && slot >= s.before && slot < s.before + s.useful;
  }

  __device__ __forceinline__ bool has(int by) const { return slot + by >= 0 && slot + by < group; }
};

// Numbers that go to the thread of the cell that lies `by` cells further on; every thread of the block takes part.
template <int N>
struct Exchange {
  float* room;  // of 2 N kThreads numbers: in turns, so that one barrier is enough
  int turn;

  __device__ __forceinline__ void operator()(float (&x)[N], const int (&by)[N], const float (&none)[N], const Worker& at) {
    float* mine = room + turn * N * kThreads + threadIdx.x;
#pragma unroll
    for (int i = 0; i < N; ++i) mine[i * kThreads] = x[i];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < N; ++i) {
      const bool has = at.has(-by[i]);
      x[i] = either(has, mine[i * kThreads - (has ? by[i] * at.lanes : 0)], none[i]);
    }
    turn ^= 1;
  }
};

// The windows of a thread, on their way down.
template <class R, class T, int KY, int S>
struct Walk {
  static constexpr int K = 3, SY = KY == 1 ? 1 : S;  // SY: the rows of a step
  static constexpr int kWindows = kCellColumns / S, kWidth = (kWindows - 1) * S + K;
  static constexpr int kMost = kWidth - 1;  // columns but for the one that lies left with padding, and right without it
  static constexpr int kSent = R::kInputs * SY * (kMost - 1);  // numbers that are exchanged at a time
  using Pair = Pack<T, 2, 2 * sizeof(T)>;
  using Swap = Exchange<kSent>;

  const R& r;
  const Strips& s;
  const Worker at;
  const int32_t column;  // the cell's first
  const bool left;
  const bool own[2];   // whether its columns are inside
  float here[KY][kWidth], column_here[kWidth];
  float a[R::kInputs][KY][kWidth];
  T ahead[R::kInputs][SY][2];
  int32_t y_ahead, lowest;  // the first row read ahead; rows above `lowest` are not read

  __device__ __forceinline__ Walk(const R& reducer, const Strips& strips, const Worker& worker, int32_t first)
      : r(reducer), s(strips), at(worker), column(at.cell * kCellColumns), left(strips.padded_columns),
        own{at.there && inside(column), at.there && inside(column + 1)}, y_ahead(0), lowest(max(first, 0)) {
#pragma unroll
    for (int j = 0; j < kWidth; ++j) column_here[j] = inside(column - s.padded_columns + j) ? 1.f : 0.f;
#pragma unroll
    for (int i = 0; i < KY; ++i)
#pragma unroll
      for (int j = 0; j < kWidth; ++j) {
        here[i][j] = 0.f;
#pragma unroll
        for (int input = 0; input < R::kInputs; ++input) a[input][i][j] = R::fill(input);
      }
  }

  __device__ __forceinline__ bool inside(int32_t x) const { return x >= 0 && x < s.in_columns; }
  // Of row y of the input or of the output, where the thread's own elements begin.
  __device__ __forceinline__ int32_t input(int32_t y) const { return at.in + (y * s.in_columns + column) * s.channels; }
  __device__ __forceinline__ int32_t output(int32_t y) const {
    return at.out + (y * s.out_columns + at.cell * kWindows) * s.channels;
  }

  __device__ __forceinline__ bool is_ahead(int i) const {
    return static_cast<uint32_t>(y_ahead + i - lowest) < static_cast<uint32_t>(s.in_rows - lowest);
  }

  // Reads the cell's elements in rows y to y + SY - 1, as far as they are inside.
  __device__ __forceinline__ void read(const Inputs<T>& x, int32_t y) {
    y_ahead = y;
#pragma unroll
    for (int i = 0; i < SY; ++i) {
      const bool row = is_ahead(i);
#pragma unroll
      for (int k = 0; k < R::kInputs; ++k) {
        const T* from = x.of[k] + input(y + i);
        T* to = ahead[k][i];
        to[0] = to[1] = T(0.f);
        if (s.pairs_in) {
          if (row && own[0]) {
            const auto pair = take<Pair>(from);
            to[0] = pair.at[0], to[1] = pair.at[1];
          }
        } else {
          if (row && own[0]) to[0] = __ldg(from);
          if (row && own[1]) to[1] = __ldg(from + s.channels);
        }
      }
    }
  }

  // Moves the windows down by SY rows; the last ones become those read ahead.
  __device__ __forceinline__ void move_down(Swap& swap) {
#pragma unroll
    for (int i = 0; i < KY - SY; ++i)
#pragma unroll
      for (int j = 0; j < kWidth; ++j) {
        here[i][j] = here[i + SY][j];
#pragma unroll
        for (int k = 0; k < R::kInputs; ++k) a[k][i][j] = a[k][i + SY][j];
      }
    float e[R::kInputs][SY][kMost], sent[kSent], none[kSent];
    int by[kSent];
#pragma unroll
    for (int k = 0, n = 0; k < R::kInputs; ++k)
#pragma unroll
      for (int i = 0; i < SY; ++i) {
#pragma unroll
        for (int j = 0; j < 2; ++j)
          e[k][i][j] = either(is_ahead(i) && own[j], (k == 0 ? r.sign : 1.f) * static_cast<float>(ahead[k][i][j]),
                              R::fill(k));
        none[n] = R::fill(k), sent[n] = either(S == 1 || left, e[k][i][1], e[k][i][0]), by[n++] = left ? 1 : -1;
        if constexpr (S == 1) none[n] = R::fill(k), sent[n] = e[k][i][0], by[n++] = -1;
      }
    swap(sent, by, none, at);
#pragma unroll
    for (int k = 0, n = 0; k < R::kInputs; ++k)
#pragma unroll
      for (int i = 0; i < SY; ++i) {
        float (&to)[kWidth] = a[k][KY - SY + i], (&most)[kMost] = e[k][i];
        const float one = sent[n++];
        if constexpr (S == 1) most[2] = sent[n++];
        to[0] = either(left, one, most[0]);
        to[kMost] = either(left, most[kMost - 1], one);
#pragma unroll
        for (int j = 1; j < kMost; ++j) to[j] = either(left, most[j - 1], most[j]);
      }
#pragma unroll
    for (int i = 0; i < SY; ++i)
#pragma unroll
      for (int j = 0; j < kWidth; ++j) here[KY - SY + i][j] = either(is_ahead(i), column_here[j], 0.f);
  }

  __device__ __forceinline__ auto element(int window, int i) const {
    const int row = i / K, j = window * S + i % K;
    return Tap<float>{a[0][row][j], a[R::kInputs - 1][row][j], here[row][j], i};
  }

  // One window's taps, for reduce.
  __device__ __forceinline__ auto window(int number) const {
    return [this, number](auto f) {
#pragma unroll
      for (int i = 0; i < KY * K; ++i) f(element(number, i));
    };
  }

  __device__ __forceinline__ bool is_output(int window) const {
    const int32_t o = at.cell * kWindows + window;
    return at.there && o >= 0 && o < s.out_columns;
  }
};

template <class R, class T, int KY, int S>
__global__ void pool_strips(Inputs<T> x, T* __restrict__ y, Strips s, R r) {
  using W = Walk<R, T, KY, S>;
  __shared__ float room[2 * W::kSent * kThreads];
  typename W::Swap swap{room, 0};
  const Worker at(s);
  const int32_t first = at.strip * s.rows, top = first * W::SY - s.padded_rows, ready = KY - W::SY;
  constexpr int kBefore = (KY - 1) / W::SY;  // steps that only read
  W walk(r, s, at, top);
  walk.read(x, top + ready - kBefore * W::SY);
#pragma unroll 1
  for (int q = -kBefore; q < s.rows; ++q) {
    const int32_t row = top + ready + q * W::SY, o = first + q;
    walk.move_down(swap);
    if (q + 1 < s.rows) walk.read(x, row + W::SY);
    if (q < 0 || o >= s.out_rows || !walk.at.useful) continue;
    T out[W::kWindows];
#pragma unroll
    for (int v = 0; v < W::kWindows; ++v) out[v] = pooled<T>(r, walk.window(v));
    T* to = y + walk.output(o);
    if constexpr (W::kWindows == 2)
      if (s.pairs_out) {
        if (walk.is_output(0)) put(to, typename W::Pair{{out[0], out[1]}});
        continue;
      }
#pragma unroll
    for (int v = 0; v < W::kWindows; ++v)
      if (walk.is_output(v)) to[v * s.channels] = out[v];
  }
}

// The sums of a thread's windows, by columns, become those of its cell: what falls on a neighbour's column goes there.
template <class R, class T, int KY, int S>
__device__ __forceinline__ void sums_of_cells(const Walk<R, T, KY, S>& walk, typename Walk<R, T, KY, S>::Swap& swap,
                                              const float (&sums)[R::kInputs][KY][Walk<R, T, KY, S>::kWidth],
                                              float (&own)[R::kInputs][Walk<R, T, KY, S>::SY][2]) {
  using W = Walk<R, T, KY, S>;
  const bool left = walk.left;
  const float none[W::kSent] = {};
  float sent[W::kSent];
  int by[W::kSent];
#pragma unroll
  for (int k = 0, n = 0; k < R::kInputs; ++k)
#pragma unroll
    for (int i = 0; i < W::SY; ++i) {
      const auto& row = sums[k][i];
#pragma unroll
      for (int j = 0; j < 2; ++j) own[k][i][j] = either(left, row[j + 1], row[j]);
      sent[n] = either(left, row[0], row[W::kWidth - 1]);
      by[n++] = left ? -1 : 1;
      if constexpr (S == 1) sent[n] = either(left, row[3], row[2]), by[n++] = 1;
    }
  swap(sent, by, none, walk.at);
#pragma unroll
  for (int k = 0, n = 0; k < R::kInputs; ++k)
#pragma unroll
    for (int i = 0; i < W::SY; ++i) {
      own[k][i][0] += S == 2 && !left ? sent[n] : 0.f;
      own[k][i][1] += S == 1 || left ? sent[n] : 0.f;
      ++n;
      if constexpr (S == 1) own[k][i][0] += sent[n++];
    }
}

template <class R, class T, int KY, int S>
__global__ void pool_strips_backward(const T* __restrict__ grad_y, Inputs<T> x, Gradients<T> grad, Strips s, R r) {
  using W = Walk<R, T, KY, S>;
  __shared__ float room[2 * W::kSent * kThreads];
  typename W::Swap swap{room, 0};
  const Worker at(s);
  constexpr int kAbove = (KY - 1) / W::SY, kBefore = 2 * kAbove;  // rows of windows that reach into the strip from above
  const int32_t first = at.strip * s.rows, ready = KY - W::SY, top = (first - kAbove) * W::SY - s.padded_rows;
  W walk(r, s, at, top);
  float sums[R::kInputs][KY][W::kWidth] = {};
  walk.read(x, top + ready - kAbove * W::SY);
#pragma unroll 1
  for (int q = -kBefore; q < s.rows; ++q) {
    const int32_t o = first + q, row = o * W::SY - s.padded_rows;
    walk.move_down(swap);
    if (q + 1 < s.rows) walk.read(x, row + ready + W::SY);
    if (q < -kAbove) continue;
    if (o >= 0 && o < s.out_rows && walk.is_output(0)) {
      const T* from = grad_y + walk.output(o);
      T dy_of[2] = {T(0.f), T(0.f)};
      if (W::kWindows == 2 && s.pairs_out) {
        const auto pair = take<typename W::Pair>(from);
        dy_of[0] = pair.at[0], dy_of[1] = pair.at[1];
      } else {
        dy_of[0] = __ldg(from);
        if (W::kWindows == 2 && walk.is_output(1)) dy_of[1] = __ldg(from + s.channels);
      }
#pragma unroll
      for (int v = 0; v < W::kWindows; ++v)
        if (v == 0 || walk.is_output(v)) {
          const float dy = static_cast<float>(dy_of[v]);
          Kept<R, KY * W::K> kept;
          const auto closed = r.close(kept.reduce(r, walk.window(v)));
#pragma unroll
          for (int i = 0; i < KY * W::K; ++i)
#pragma unroll
            for (int k = 0; k < R::kInputs; ++k)
              sums[k][i / W::K][v * S + i % W::K] += dy * kept.slope(r, closed, walk.element(v, i), i, k);
        }
    }
    if (q >= 0) {
      float own[R::kInputs][W::SY][2];
      sums_of_cells(walk, swap, sums, own);
#pragma unroll
      for (int k = 0; k < R::kInputs; ++k)
#pragma unroll
        for (int i = 0; i < W::SY; ++i) {
          if (!walk.at.useful || row + i < 0 || row + i >= s.in_rows) continue;
          T* to = grad.of[k] + walk.input(row + i);
          const T both[2] = {static_cast<T>(own[k][i][0]), static_cast<T>(own[k][i][1])};
          if (s.pairs_in) {
            if (walk.own[0]) put(to, typename W::Pair{{both[0], both[1]}});
          } else {
            if (walk.own[0]) to[0] = both[0];
            if (walk.own[1]) to[s.channels] = both[1];
          }
        }
    }
#pragma unroll
    for (int k = 0; k < R::kInputs; ++k)
#pragma unroll
      for (int i = 0; i < KY; ++i)
#pragma unroll
        for (int j = 0; j < W::kWidth; ++j) sums[k][i][j] = i + W::SY < KY ? sums[k][i + W::SY < KY ? i + W::SY : 0][j] : 0.f;
  }
}

}  // namespace poolzoo
