// How the host divides the work of a call: which windows each kind of kernel takes, and the sizes of its parts.
//
// For one operator, with its reducer, POOLZOO_REDUCER.
#pragma once
#include <algorithm>
#include <type_traits>

#include "pairs.cuh"
#include "strips.cuh"
#include "teams.cuh"
#include "tiles.cuh"

namespace poolzoo {
namespace {

constexpr int64_t kMaxBlocks = 1 << 16;  // beyond it, the kernels' loops go round again
constexpr int64_t kMaxSums = 1 << 10;    // blocks that share the gradient of the parameter
constexpr int64_t kMostOfOne = 8;        // taps of a window that one thread reads for itself
constexpr int64_t kEnoughBlocks = 132;  // as many as a large GPU has multiprocessors
constexpr int64_t kTileOfForward = 24 << 10, kTileOfBackward = 48 << 10;  // bytes of shared memory, at most
constexpr int64_t kMaxOffset = INT32_MAX - kMaxBlocks * kThreads;  // of 32 bits, with room for every loop's last step

template <class A> using Reducer = POOLZOO_REDUCER<A>;
// Whether a reducer is that of the element type, and not the wider one of large windows, which the general kernels take.
template <class R, class T> constexpr bool kOwn = sizeof(T) == 8 || sizeof(Number<R>) == 4;
constexpr bool kParam = Reducer<float>::kParam;
constexpr int kInputs = Reducer<float>::kInputs;

unsigned blocks(int64_t count, int64_t most = kMaxBlocks) {
  return static_cast<unsigned>(std::min((count + kThreads - 1) / kThreads, most));
}

int64_t volume(const int64_t (&v)[3]) { return v[0] * v[1] * v[2]; }

int64_t outputs(const Geometry& g) { return g.batch * g.channels * volume(g.out); }
int64_t inputs(const Geometry& g) { return g.batch * g.channels * volume(g.in); }

// For adjacent windows of two elements along the last axes that lie inside the input: how many axes, or 0. Windows cut by an
// edge (ceil_mode) take the general kernel.
int pair_axes(const Geometry& g) {
  if ((g.channels_last && g.channels != 1) || volume(g.in) > kMaxOffset || g.adaptive) return 0;
  int axes = 0;
  for (int axis = 2; axis >= 0; --axis) {
    const bool one = g.kernel[axis] == 1 && g.stride[axis] == 1 && g.padding[axis] == 0;
    const bool two = g.kernel[axis] == 2 && g.stride[axis] == 2 && g.padding[axis] == 0 && g.dilation[axis] == 1 &&
                     2 * g.out[axis] <= g.in[axis];
    if (two && axes == 2 - axis) ++axes;
    else if (!one) return 0;
  }
  return axes;
}

bool overlaps(const Geometry& g) {
  bool any = g.adaptive;
  for (int axis = 0; axis < 3; ++axis)
    any = any || (g.stride[axis] <= g.dilation[axis] * (g.kernel[axis] - 1) && g.out[axis] > 1);
  return any;
}

// Whether several threads share a window.
bool in_teams(const Geometry& g) {
  bool narrow = true;
  for (int axis = 0; axis < 3; ++axis)
    narrow = narrow && std::max(g.in[axis], g.kernel[axis] * g.dilation[axis]) * (g.adaptive ? g.out[axis] + 1 : 2) < INT32_MAX;
  return Reducer<float>::kJoins && narrow && taps(g) > (volume(g.out) == 1 ? kMostOfOne : kMostInFloat);
}

// Whether the gradient of overlapping windows is gathered by the elements of the input.
bool gathers(const Geometry& g) {
  return overlaps(g) || (in_teams(g) && *std::max_element(g.dilation, g.dilation + 3) > 1);
}

// Whether sums of many elements of a narrower type are made in double; else teams make them in parts.
constexpr bool kWidens = !(Reducer<float>::kInParts && Reducer<float>::kJoins);

bool in_double(const Geometry& g, int32_t dtype) { return dtype == kFloat64 || (kWidens && taps(g) > kMostInFloat); }

// Whether 32-bit integers hold every offset.
bool is_narrow(const Geometry& g) {
  bool narrow = std::max(inputs(g), outputs(g)) <= kMaxOffset;
  for (int axis = 0; axis < 3; ++axis)
    for (int64_t n : {g.in[axis] + 2 * g.padding[axis] + g.stride[axis], g.kernel[axis] * g.dilation[axis]})
      narrow = narrow && n <= kMaxOffset / 2;
  for (int axis = 0; axis < 3 && g.adaptive; ++axis)
    narrow = narrow && (g.in[axis] + 1) * (g.out[axis] + 1) <= kMaxOffset;
  return narrow;
}

// Calls launch with the geometry in the narrowest integers.
template <class Launch>
void with_index(const Geometry& g, Launch launch) {
  if (is_narrow(g))
    launch(Windows<int32_t>(g), int32_t{});
  else
    launch(Windows<int64_t>(g), int64_t{});
}

// Windows that stay within one plane, which is all there is of them in 2D.
bool is_flat(const Geometry& g) {
  return is_narrow(g) && !g.adaptive && g.kernel[0] == 1 && g.padding[0] == 0 && g.stride[0] == 1;
}

bool is_small(const Geometry& g, int64_t size) { return is_flat(g) && g.kernel[1] == size && g.kernel[2] == size; }

// Flat windows without holes, as far apart in both directions.
bool is_dense(const Geometry& g, int64_t stride) {
  return is_flat(g) && g.dilation[1] == 1 && g.dilation[2] == 1 && g.stride[1] == stride && g.stride[2] == stride;
}

bool is_aligned(int64_t bytes, std::initializer_list<const void*> pointers) {
  return std::all_of(pointers.begin(), pointers.end(),
                     [&](const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) % bytes == 0; });
}

// Calls launch with where each part of the planes begins, in the input and in the output, and with its number of outputs:
// these windows have 32-bit offsets alone, so that they are compiled once. Slices or rows of windows that hold one of them
// are planes too.
template <class Launch>
void in_parts(const Geometry& g, Launch launch) {
  int64_t planes = g.batch * g.channels, in = g.in[2], out = g.out[2];
  for (int axis = 0; axis < 2; ++axis) {
    planes *= g.kernel[axis] == 1 ? g.in[axis] : 1;
    in *= g.kernel[axis] == 1 ? 1 : g.in[axis];
    out *= g.kernel[axis] == 1 ? 1 : g.out[axis];
  }
  const int64_t most = kMaxOffset / in;
  for (int64_t plane = 0; plane < planes; plane += most)
    launch(plane * in, plane * out, std::min(most, planes - plane) * out);
}

// Calls launch with the widest pack that rows and pointers allow: 16-byte loads, then pairs in 2D, then single elements.
template <class T, int Axes, class Launch>
void with_pack(const Geometry& g, std::initializer_list<const void*> wide, const void* narrow, Launch launch) {
  constexpr int V = 8 / sizeof(T);
  const std::integral_constant<int, Axes == 3 ? 2 : 1> kz{};
  const std::integral_constant<int, Axes == 1 ? 1 : 2> ky{};
  const auto aligned = [&](int v) {
    return g.in[2] % (2 * v) == 0 && is_aligned(2 * v * sizeof(T), wide) && is_aligned(v * sizeof(T), {narrow});
  };
  if (aligned(V)) return launch(kz, ky, std::integral_constant<int, V>{}, std::true_type{});
  if constexpr (V > 1 && Axes == 2)
    if (aligned(1)) return launch(kz, ky, std::integral_constant<int, 1>{}, std::true_type{});
  launch(kz, ky, std::integral_constant<int, 1>{}, std::false_type{});
}

// The same for any number of axes, which pair_axes tells.
template <class T, class Launch>
void with_pairs(const Geometry& g, std::initializer_list<const void*> wide, const void* narrow, Launch launch) {
  switch (pair_axes(g)) {
    case 1: return with_pack<T, 1>(g, wide, narrow, launch);
    case 2: return with_pack<T, 2>(g, wide, narrow, launch);
    case 3: return with_pack<T, 3>(g, wide, narrow, launch);
  }
}

// Pointers moved on by an offset; what is not there stays so.
template <class Pointers>
Pointers moved(Pointers p, int64_t offset) {
  for (auto& pointer : p.of) pointer = pointer ? pointer + offset : nullptr;
  return p;
}

bool is_channels_last(const Geometry& g) { return g.channels_last && g.channels > 1; }

// Whether windows are 3 elements in a row, of one plane.
bool is_row_of_3(const Geometry& g) {
  return is_flat(g) && g.kernel[1] == 1 && g.stride[1] == 1 && g.padding[1] == 0 && g.kernel[2] == 3 && g.dilation[2] == 1;
}

// The stride of windows that strips.cuh takes, or 0.
int strip_stride(const Geometry& g) {
  const int64_t cells = g.in[2] + g.out[2] + 64, rows = g.in[1] + g.out[1] + 64;
  const int64_t threads = g.batch * g.in[0] * cells * rows * ((g.channels + 63) / 64 * 64);
  if (threads > kMaxOffset * 4) return 0;
  if (is_row_of_3(g)) return g.stride[2] <= 2 ? static_cast<int>(g.stride[2]) : 0;
  return !is_small(g, 3) ? 0 : is_dense(g, 1) ? 1 : is_dense(g, 2) ? 2 : 0;
}

// Calls launch with the rows and the stride of windows that strips.cuh takes; whether it takes them.
template <class Launch>
bool with_strips(const Geometry& g, Launch launch) {
  const std::integral_constant<int, 1> one{};
  const std::integral_constant<int, 2> two{};
  const std::integral_constant<int, 3> three{};
  switch (strip_stride(g)) {
    case 1: g.kernel[1] == 1 ? launch(one, one) : launch(three, one); return true;
    case 2: g.kernel[1] == 1 ? launch(one, two) : launch(three, two); return true;
    default: return false;
  }
}

template <class T, int KY, int S>
Strips strips_of(const Geometry& g, bool backward, std::initializer_list<const void*> in,
                 std::initializer_list<const void*> out) {
  constexpr int windows = kCellColumns / S;
  const auto ceil_of = [](int64_t n, int64_t by) { return static_cast<int32_t>((n + by - 1) / by); };
  const Windows<int32_t> w(g);
  Strips s{};
  s.in_rows = w.in[1], s.in_columns = w.in[2], s.out_rows = w.out[1], s.out_columns = w.out[2];
  s.padded_rows = w.padding[1], s.padded_columns = w.padding[2];
  const int32_t cells = std::max(ceil_of(g.in[2], kCellColumns), ceil_of(g.out[2], windows));
  const bool last = is_channels_last(g);
  s.channels = last ? static_cast<int32_t>(g.channels) : 1, s.lanes = 1;
  if (last) {  // whole sectors of channels; more of them where so few cells leave room
    s.lanes = 32 / sizeof(T);
    while (s.lanes / 2 >= s.channels) s.lanes /= 2;
    while (kThreads / s.lanes / 2 >= cells && s.lanes < s.channels) s.lanes *= 2;
  }
  const int32_t room = kThreads / s.lanes;
  s.group = std::min(cells, room);
  s.groups = room / s.group;
  const bool whole = cells <= room;
  s.before = !whole && (backward || s.padded_columns);
  s.useful = s.group - s.before - (!whole && (backward || S == 1 || !s.padded_columns));
  s.across = ceil_of(cells, s.useful);
  int64_t planes = g.batch * (last ? 1 : g.channels) * g.in[0];
  if (KY == 1) {  // whose planes are as good as rows
    s.in_rows = s.out_rows = static_cast<int32_t>(planes * g.in[1]);
    planes = 1;
  }
  const int32_t rows = !backward ? s.out_rows : KY == 1 ? s.in_rows : ceil_of(g.in[1] + g.padding[1], S);
  s.down = std::max(1, rows / kStripRows<KY, S>);
  s.rows = ceil_of(rows, s.down);
  planes *= ceil_of(s.channels, s.lanes);
  s.count = static_cast<int32_t>(planes * s.across * s.down);
  s.pairs_in = !last && g.in[2] % 2 == 0 && is_aligned(2 * sizeof(T), in);
  s.pairs_out = !last && g.out[2] % 2 == 0 && is_aligned(2 * sizeof(T), out);
  return s;
}

unsigned blocks(const Strips& s) { return static_cast<unsigned>((s.count + s.groups - 1) / s.groups); }

// Windows of two elements along both axes of a plane, side by side and inside the input.
bool is_quads(const Geometry& g) {
  return is_small(g, 2) && is_dense(g, 2) && g.padding[1] == 0 && g.padding[2] == 0 && 2 * g.out[1] <= g.in[1] &&
         2 * g.out[2] <= g.in[2];
}

// The input that a window owns along an axis, at most.
int64_t cell(const Geometry& g, int axis) {
  const int64_t last = g.in[axis] + g.padding[axis] - (g.out[axis] - 1) * g.stride[axis];
  return g.out[axis] > 1 ? std::max(g.stride[axis], last) : g.in[axis];
}

template <class R, class T>
Teams teams_of(const Geometry& g, bool of_cells) {
  const int64_t elements = of_cells ? cell(g, 0) * cell(g, 1) * cell(g, 2) : taps(g);
  const int64_t channels = is_channels_last(g) ? g.channels : 1, held = Portion<R, T, false>::kHeld;
  Teams t{1, 1, 0, 0, false, 0};
  while (t.lanes < channels && t.lanes * sizeof(T) < 32) t.lanes *= 2;  // whole sectors
  while (t.members * held < elements && t.members * t.lanes < kThreads) t.members *= 2;
  while (t.lanes < channels && t.lanes < 32 && t.members * t.lanes < kThreads) t.lanes *= 2;
  t.groups = kThreads / (t.lanes * t.members);
  t.chunks = static_cast<int32_t>((channels + t.lanes - 1) / t.lanes);
  t.fits = t.members * held >= elements;
  t.count = outputs(g) / channels * t.chunks;
  return t;
}

// The tiles of small windows that overlap; none where one thread alone holds too much. `number` and `share` are the bytes of
// what a reducer computes in, and of what it keeps of a window for the gradient.
Tiles tiles_of(const Geometry& g, bool backward, int64_t element, int64_t number, int64_t share) {
  Tiles t{};
  if (!overlaps(g) || taps(g) > kMostInFloat || !is_narrow(g)) return t;
  const int64_t channels = is_channels_last(g) ? g.channels : 1;
  int64_t lanes = 1, own[3], windows = 0, in = 0, row = 0, planes = 1;
  while (lanes < channels && lanes * element < 32) lanes *= 2, ++t.lane_bits;  // whole sectors
  // What a tile needs room for.
  const auto bytes = [&] {
    windows = in = planes * lanes;
    for (int axis = 0; axis < 3; ++axis) {
      const int64_t reach = g.dilation[axis] * (g.kernel[axis] - 1);
      int64_t o = own[axis];
      if (g.adaptive) {
        if (backward) o = std::min((own[axis] * g.out[axis] - 1) / g.in[axis] + 2, g.out[axis]);
        row = std::min(o * g.in[axis] / g.out[axis] + 2, g.in[axis]);
      } else {
        if (backward) o = std::min((own[axis] - 1 + reach) / g.stride[axis] + 1, g.out[axis]);
        row = (o - 1) * g.stride[axis] + reach + 1;
        if (axis < 2) row = std::min(row, g.in[axis]);
      }
      windows *= o, in *= row;
    }
    in = (in + planes * lanes + 3) / 4 * 4;  // planes may be one longer each
    return in * kInputs * number + (backward ? windows * share : 0);
  };
  const auto tiles = [&](int axis) { return ((backward ? g.in : g.out)[axis] + own[axis] - 1) / own[axis]; };
  for (int axis = 0; axis < 3; ++axis) own[axis] = (backward ? g.in : g.out)[axis];
  while (bytes() > (backward ? kTileOfBackward : kTileOfForward)) {
    int most = -1;
    double best = 0;
    for (int axis = 0; axis < 3; ++axis) {  // where elements at edges are fewest
      const auto edge = static_cast<double>(g.dilation[axis] * (g.kernel[axis] - 1) + 1 - g.stride[axis]);
      const int64_t size = g.adaptive ? own[axis] * g.in[axis] / g.out[axis] : own[axis] * (backward ? 1 : g.stride[axis]);
      const double room = static_cast<double>(size) / std::max(g.adaptive ? 1 : edge, 0.125);
      if (own[axis] > 1 && room > best) most = axis, best = room;
    }
    if (most < 0) return t;
    const int64_t all = (backward ? g.in : g.out)[most], parts = tiles(most) + 1;
    own[most] = std::min(own[most] - 1, (all + parts - 1) / parts);
  }
  const int64_t outer = g.batch * g.channels / channels, whole = tiles(0) * tiles(1) * tiles(2);
  bytes();
  while (whole == 1 && planes < outer && std::min(windows, in / 4) < kThreads) {  // a thread each, of all planes together
    planes *= 2;
    if (bytes() > (backward ? kTileOfBackward : kTileOfForward) || outer * lanes / planes < kEnoughBlocks) {
      planes /= 2;
      break;
    }
  }
  bytes();
  for (int axis = 0; axis < 3; ++axis)
    t.own[axis] = static_cast<int32_t>(own[axis]), t.tiles[axis] = static_cast<int32_t>(tiles(axis));
  if (row == g.in[2] && g.padding[2] == 0) row = in;  // rows are read as one
  while (t.row_bits < 5 && 1 << t.row_bits < row * lanes) ++t.row_bits;
  t.chunks = static_cast<int32_t>((channels + lanes - 1) / lanes);
  t.planes = static_cast<int32_t>(planes), t.outer = static_cast<int32_t>(outer);
  t.windows = static_cast<int32_t>(windows), t.inputs = static_cast<int32_t>(in);
  const int64_t count = whole * t.chunks * ((outer + planes - 1) / planes);
  t.count = count <= INT32_MAX ? static_cast<int32_t>(count) : 0;
  return t;
}

template <class R, class T>
Tiles tiles_of(const Geometry& g, bool backward) {
  return tiles_of(g, backward, sizeof(T), sizeof(Number<R>), sizeof(Share<R>));
}

// Calls launch with the number of taps in a row of windows without holes, where a kernel is compiled for it; else with 0.
template <class T, class Launch>
void with_width(const Geometry& g, Launch launch) {
  if constexpr (sizeof(T) < 8) {
    const bool dense = !g.adaptive && *std::max_element(g.dilation, g.dilation + 3) == 1;
    if (dense && g.kernel[2] == 3) return launch(std::integral_constant<int, 3>{});
    if (dense && g.kernel[2] == 5) return launch(std::integral_constant<int, 5>{});
  }
  launch(std::integral_constant<int, 0>{});
}

// Bins that are all alike as windows that lie side by side.
Geometry plain(Geometry g) {
  bool alike = g.adaptive;
  for (int axis = 0; axis < 3; ++axis) alike = alike && g.in[axis] % g.out[axis] == 0;
  for (int axis = 0; axis < 3 && alike; ++axis) g.kernel[axis] = g.stride[axis] = g.in[axis] / g.out[axis];
  if (alike) g.adaptive = 0;
  return g;
}

}  // namespace
}  // namespace poolzoo
