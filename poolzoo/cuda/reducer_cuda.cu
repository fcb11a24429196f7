// The launchers of one operator, POOLZOO_OPERATOR, with its reducer, POOLZOO_REDUCER; launchers.h lists their arguments.
#include "launchers.h"
#include "plans.cuh"

namespace poolzoo {
namespace {

template <int KY, int S, class T, class R>
void forward_strips(const Inputs<T>& x, T* y, const Geometry& g, const R& r, cudaStream_t stream) {
  const Strips s = strips_of<T, KY, S>(g, false, {x.of[0], x.of[1]}, {y});
  pool_strips<R, T, KY, S><<<blocks(s), kThreads, 0, stream>>>(x, y, s, r);
}

template <int KY, int S, class T, class R>
void backward_strips(const T* grad_y, const Inputs<T>& x, const Gradients<T>& grad, const Geometry& g, const R& r,
                     cudaStream_t stream) {
  const Strips s = strips_of<T, KY, S>(g, true, {x.of[0], x.of[1], grad.of[0], grad.of[1]}, {grad_y});
  pool_strips_backward<R, T, KY, S><<<blocks(s), kThreads, 0, stream>>>(grad_y, x, grad, s, r);
}

template <int K, int V, class T, class R>
void forward_small(const Inputs<T>& x, T* y, const Geometry& g, const R& r, cudaStream_t stream) {
  Windows<int32_t> windows(g);
  windows.inner /= V;
  const int count = static_cast<int>(outputs(g) / V);
  pool_small<R, T, K, V><<<blocks(count), kThreads, 0, stream>>>(x, y, windows, count, r);
}

template <int V, class T, class R>
void backward_quads(const T* grad_y, const Inputs<T>& x, const Gradients<T>& grad, const Geometry& g, const R& r,
                    cudaStream_t stream) {
  Windows<int32_t> windows(g);
  windows.inner /= V;
  const int count = static_cast<int>(outputs(g) / V);
  pool_quads_backward<R, T, V><<<blocks(count), kThreads, 0, stream>>>(grad_y, x, grad, windows, count, r);
}

template <class T, class R>
bool forward_tiles(const Inputs<T>& x, T* y, const Geometry& g, const R& r, cudaStream_t stream) {
  const Tiles t = tiles_of<R, T>(g, false);
  if (!t.count) return false;
  with_width<T>(g, [&](auto width) {
    const unsigned bytes = t.inputs * kInputs * sizeof(Number<R>);
    pool_tiles<R, T, width><<<t.count, kThreads, bytes, stream>>>(x, y, Windows<int32_t>(g), t, r);
  });
  return true;
}

template <class T, class R>
bool backward_tiles(const T* grad_y, const Inputs<T>& x, const Gradients<T>& grad, const Geometry& g, const R& r,
                    cudaStream_t stream) {
  const Tiles t = tiles_of<R, T>(g, true);
  if (!t.count) return false;
  with_width<T>(g, [&](auto width) {
    const unsigned bytes = t.inputs * kInputs * sizeof(Number<R>) + t.windows * sizeof(Share<R>);
    pool_tiles_backward<R, T, width>
        <<<t.count, kThreads, bytes, stream>>>(grad_y, x, grad, Windows<int32_t>(g), t, r);
  });
  return true;
}

// Returns the number of blocks.
template <Work kWork, class T, class R>
unsigned launch_teams(const Job<R, T>& job, const Geometry& g, const R& r, int64_t most_blocks, cudaStream_t stream) {
  const Teams t = teams_of<R, T>(g, kWork == Work::kCells);
  const auto n = static_cast<unsigned>(std::min((t.count + t.groups - 1) / t.groups, most_blocks));
  if constexpr (R::kJoins) pool_teams<R, T, kWork><<<n, kThreads, 0, stream>>>(job, Windows<int32_t>(g), t, r);
  return n;
}

template <class T, class R>
void forward(const Inputs<T>& x, T* y, const Geometry& g, const R& r, cudaStream_t stream) {
  if (in_teams(g)) {
    launch_teams<Work::kForward>(Job<R, T>{x, nullptr, y, {}, nullptr, nullptr}, g, r, kMaxBlocks, stream);
    return;
  }
  if constexpr (kOwn<R, T>) {
    if (pair_axes(g)) {
      const Windows<int32_t> windows(g);
      with_pairs<T>(g, {x.of[0], x.of[1]}, y, [&](auto kz, auto ky, auto v, auto aligned) {
        in_parts(g, [&](int64_t in, int64_t out, int64_t count) {
          const int packs = static_cast<int>(count / v);
          pool_pairs<R, T, kz, ky, v, aligned, int>
              <<<blocks(packs), kThreads, 0, stream>>>(moved(x, in), y + out, windows, packs, r);
        });
      });
      return;
    }
    if constexpr (sizeof(T) < 8)
      if (with_strips(g, [&](auto rows, auto stride) { forward_strips<rows, stride>(x, y, g, r, stream); })) return;
    if (forward_tiles(x, y, g, r, stream)) return;
    constexpr int V = sizeof(T) == 8 ? 2 : 4;
    const bool packs = g.channels_last && g.channels % V == 0 && is_aligned(V * sizeof(T), {x.of[0], x.of[1], y});
    if (packs && is_small(g, 2)) return forward_small<2, V>(x, y, g, r, stream);
    if constexpr (sizeof(T) < 8)
      if (is_small(g, 5)) return forward_small<5, 1>(x, y, g, r, stream);
  }
  with_index(g, [&](const auto& windows, auto index) {
    using I = decltype(index);
    pool_any<R, T, I><<<blocks(outputs(g)), kThreads, 0, stream>>>(x, y, windows, I(outputs(g)), r);
  });
}

template <class T, class R>
void backward(const T* grad_y, const Inputs<T>& x, const Gradients<T>& grad, void* workspace, const Geometry& g, const R& r,
              cudaStream_t stream) {
  auto* shares = static_cast<Share<R>*>(workspace);
  if (in_teams(g) && !gathers(g)) {
    launch_teams<Work::kCells>(Job<R, T>{x, grad_y, nullptr, grad, nullptr, nullptr}, g, r, kMaxBlocks, stream);
    return;
  }
  if constexpr (kOwn<R, T>)
    if (pair_axes(g)) {
      const Windows<int32_t> windows(g);
      with_pairs<T>(g, {x.of[0], x.of[1], grad.of[0], grad.of[1]}, grad_y, [&](auto kz, auto ky, auto v, auto aligned) {
        in_parts(g, [&](int64_t in, int64_t out, int64_t count) {
          const int packs = static_cast<int>(count / v);
          pool_pairs_backward<R, T, kz, ky, v, aligned, int><<<blocks(packs), kThreads, 0, stream>>>(
              grad_y + out, moved(x, in), moved(grad, in), windows, packs, r);
        });
      });
      return;
    }
  if constexpr (kOwn<R, T>) {
    constexpr int V = sizeof(T) == 8 ? 2 : 4;
    if (g.channels_last && g.channels % V == 0 && is_quads(g) &&
        is_aligned(V * sizeof(T), {x.of[0], x.of[1], grad.of[0], grad.of[1], grad_y}))
      return backward_quads<V>(grad_y, x, grad, g, r, stream);
  }
  if constexpr (kOwn<R, T> && sizeof(T) < 8)
    if (is_small(g, 5) && is_dense(g, 5)) {
      const int count = static_cast<int>(outputs(g));
      pool_small_backward<R, T, 5>
          <<<blocks(count), kThreads, 0, stream>>>(grad_y, x, grad, Windows<int32_t>(g), count, r);
      return;
    }
  if constexpr (kOwn<R, T> && sizeof(T) < 8)
    if (with_strips(g, [&](auto rows, auto stride) { backward_strips<rows, stride>(grad_y, x, grad, g, r, stream); }))
      return;
  if constexpr (kOwn<R, T>)
    if (backward_tiles(grad_y, x, grad, g, r, stream)) return;
  if (!gathers(g)) {
    with_index(g, [&](const auto& windows, auto index) {
      using I = decltype(index);
      pool_cells_backward<R, T, I>
          <<<blocks(outputs(g)), kThreads, 0, stream>>>(grad_y, x, grad, windows, I(outputs(g)), r);
    });
    return;
  }
  if (in_teams(g))
    launch_teams<Work::kShares>(Job<R, T>{x, grad_y, nullptr, grad, shares, nullptr}, g, r, kMaxBlocks, stream);
  with_index(g, [&](const auto& windows, auto index) {
    using I = decltype(index);
    if (!in_teams(g))
      pool_shares<R, T, I><<<blocks(outputs(g)), kThreads, 0, stream>>>(grad_y, x, shares, windows, I(outputs(g)), r);
    pool_gather_backward<R, T, I><<<blocks(inputs(g)), kThreads, 0, stream>>>(x, shares, grad, windows, I(inputs(g)), r);
  });
}

template <class T, class R>
void param_backward(const T* grad_y, const Inputs<T>& x, double* sums, const Geometry& g, const R& r, cudaStream_t stream) {
  if constexpr (kParam) {
    unsigned n = blocks(outputs(g), kMaxSums);
    if (in_teams(g)) {
      n = launch_teams<Work::kSpread>(Job<R, T>{x, grad_y, nullptr, {}, nullptr, sums}, g, r, kMaxSums, stream);
    } else {
      with_index(g, [&](const auto& windows, auto index) {
        using I = decltype(index);
        pool_param_backward<R, T, I><<<n, kThreads, 0, stream>>>(grad_y, x, sums, windows, I(outputs(g)), r);
      });
    }
    sum_blocks<<<1, kThreads, 0, stream>>>(sums, static_cast<int>(n));
  }
}

// Calls f with a null pointer of the type that the code names, and with the reducer for it.
template <class F>
cudaError_t with_dtype(int32_t dtype, const Geometry& g, double param, F f) {
  const auto call = [&](auto* type) {
    if constexpr (sizeof(*type) == 8 || kWidens)
      if (in_double(g, dtype)) return f(type, Reducer<double>::make(param, taps(g)));
    if constexpr (sizeof(*type) < 8) f(type, Reducer<float>::make(param, taps(g)));
  };
  switch (dtype) {
    case kFloat64: call(static_cast<double*>(nullptr)); break;
    case kFloat32: call(static_cast<float*>(nullptr)); break;
    case kBFloat16: call(static_cast<__nv_bfloat16*>(nullptr)); break;
    case kFloat16: call(static_cast<__half*>(nullptr)); break;
    default: return cudaErrorInvalidValue;
  }
  return cudaGetLastError();
}

}  // namespace
}  // namespace poolzoo

extern "C" {

cudaError_t POOLZOO_LAUNCHER(forward)(const void* x, const void* second, void* y, const poolzoo::Geometry* given,
                                      int32_t dtype, double param, cudaStream_t stream) {
  using namespace poolzoo;
  const Geometry g = plain(*given);
  if (outputs(g) == 0) return cudaSuccess;
  return with_dtype(dtype, g, param, [&](auto* type, const auto& r) {
    using T = std::remove_pointer_t<decltype(type)>;
    forward<T>({{static_cast<const T*>(x), static_cast<const T*>(second)}}, static_cast<T*>(y), g, r, stream);
  });
}

int64_t POOLZOO_LAUNCHER(workspace)(const poolzoo::Geometry* given, int32_t dtype) {
  using namespace poolzoo;
  const Geometry g = plain(*given);
  if (!gathers(g) || (dtype != kFloat64 && strip_stride(g))) return 0;
  const bool wide = in_double(g, dtype);
  const int64_t share = wide ? sizeof(Share<Reducer<double>>) : sizeof(Share<Reducer<float>>);
  const int64_t element = dtype == kFloat64 ? 8 : dtype == kFloat32 ? 4 : 2;
  return tiles_of(g, true, element, wide ? 8 : 4, share).count ? 0 : outputs(g) * share;
}

cudaError_t POOLZOO_LAUNCHER(backward)(const void* grad_y, const void* x, const void* second, void* grad_x,
                                       void* grad_second, void* workspace, const poolzoo::Geometry* given, int32_t dtype,
                                       double param, cudaStream_t stream) {
  using namespace poolzoo;
  const Geometry g = plain(*given);
  if (inputs(g) == 0) return cudaSuccess;
  if (POOLZOO_LAUNCHER(workspace)(given, dtype) && !workspace) return cudaErrorInvalidValue;
  return with_dtype(dtype, g, param, [&](auto* type, const auto& r) {
    using T = std::remove_pointer_t<decltype(type)>;
    backward<T>(static_cast<const T*>(grad_y), {{static_cast<const T*>(x), static_cast<const T*>(second)}},
                {{static_cast<T*>(grad_x), static_cast<T*>(grad_second)}}, workspace, g, r, stream);
  });
}

int64_t POOLZOO_LAUNCHER(param_sums)(const poolzoo::Geometry* given) {
  using namespace poolzoo;
  const Geometry g = plain(*given);
  return in_teams(g) ? kMaxSums : std::max(1u, blocks(outputs(g), kMaxSums));
}

cudaError_t POOLZOO_LAUNCHER(param_backward)(const void* grad_y, const void* x, const void* second, double* sums,
                                             const poolzoo::Geometry* given, int32_t dtype, double param,
                                             cudaStream_t stream) {
  using namespace poolzoo;
  const Geometry g = plain(*given);
  if (!kParam || outputs(g) == 0) return cudaMemsetAsync(sums, 0, sizeof(double), stream);
  return with_dtype(dtype, g, param, [&](auto* type, const auto& r) {
    using T = std::remove_pointer_t<decltype(type)>;
    param_backward<T>(static_cast<const T*>(grad_y), {{static_cast<const T*>(x), static_cast<const T*>(second)}}, sums, g,
                      r, stream);
  });
}

}  // extern "C"
