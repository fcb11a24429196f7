// Launchers of SoftPool: launchers.h says what each takes.
#include <algorithm>
#include <type_traits>

#include "launchers.h"
#include "softpool_kernel.cuh"

namespace poolzoo {
namespace {

constexpr int64_t kMaxBlocks = 1 << 16;  // beyond it, the kernels' loops go round again
constexpr int64_t kMaxSums = 1 << 10;    // blocks that share the gradient of beta

unsigned blocks(int64_t count, int64_t most = kMaxBlocks) {
  return static_cast<unsigned>(std::min((count + kThreads - 1) / kThreads, most));
}

int64_t volume(const int64_t (&v)[3]) { return v[0] * v[1] * v[2]; }

// 2x2 windows side by side, none of them cut by an edge: what rounding the output size up leaves goes the general way.
bool is_2x2(const Geometry& g) {
  bool fits = (!g.channels_last || g.channels == 1) && g.kernel[0] == 1 && g.stride[0] == 1 && g.padding[0] == 0;
  for (int axis = 1; axis < 3; ++axis)
    fits = fits && g.kernel[axis] == 2 && g.stride[axis] == 2 && g.padding[axis] == 0 && g.dilation[axis] == 1 &&
           2 * g.out[axis] <= g.in[axis];
  return fits;
}

bool overlaps(const Geometry& g) {
  bool any = false;
  for (int axis = 0; axis < 3; ++axis)
    any = any || (g.stride[axis] <= g.dilation[axis] * (g.kernel[axis] - 1) && g.out[axis] > 1);
  return any;
}

// Calls launch with the geometry in the narrowest integers that hold every offset and every loop's last step.
template <class Launch>
void with_index(const Geometry& g, Launch launch) {
  constexpr int64_t most = INT32_MAX - kMaxBlocks * kThreads;
  bool narrow = g.batch * g.channels * std::max(volume(g.in), volume(g.out)) <= most;
  for (int axis = 0; axis < 3; ++axis)
    for (int64_t n : {g.in[axis] + 2 * g.padding[axis] + g.stride[axis], g.kernel[axis] * g.dilation[axis]})
      narrow = narrow && n <= most / 2;
  if (narrow)
    launch(Windows<int32_t>(g), int32_t{});
  else
    launch(Windows<int64_t>(g), int64_t{});
}

// Calls launch with the widest pack that rows and pointers allow: 16-byte loads, then pairs, then single elements.
template <class T, class Launch>
void with_pack(const Geometry& g, const void* wide, const void* also_wide, const void* narrow, Launch launch) {
  constexpr int V = 8 / sizeof(T);
  const auto address = [](const void* pointer) { return reinterpret_cast<uintptr_t>(pointer); };
  const auto aligned = [&](int v) {
    const auto bits = address(wide) | address(also_wide) | 2 * address(narrow);
    return g.in[2] % (2 * v) == 0 && bits % (2 * v * sizeof(T)) == 0;
  };
  if (aligned(V))
    launch(std::integral_constant<int, V>{}, std::true_type{});
  else if (V > 1 && aligned(1))
    launch(std::integral_constant<int, 1>{}, std::true_type{});
  else
    launch(std::integral_constant<int, 1>{}, std::false_type{});
}

template <class T>
void forward(const T* x, T* y, const Geometry& g, const SoftPool<Acc<T>>& pool, cudaStream_t stream) {
  const int64_t outputs = g.batch * g.channels * volume(g.out);
  with_index(g, [&](const auto& windows, auto index) {
    using I = decltype(index);
    if (is_2x2(g))
      with_pack<T>(g, x, nullptr, y, [&](auto v, auto aligned) {
        const int64_t packs = outputs / v;
        softpool_2x2<T, v, aligned, I><<<blocks(packs), kThreads, 0, stream>>>(x, y, windows, I(packs), pool);
      });
    else
      softpool_any<T, I><<<blocks(outputs), kThreads, 0, stream>>>(x, y, windows, I(outputs), pool);
  });
}

template <class T>
void backward(const T* grad_y, const T* x, T* grad_x, void* workspace, const Geometry& g, const SoftPool<Acc<T>>& pool,
              cudaStream_t stream) {
  const int64_t outputs = g.batch * g.channels * volume(g.out), inputs = g.batch * g.channels * volume(g.in);
  with_index(g, [&](const auto& windows, auto index) {
    using I = decltype(index);
    if (is_2x2(g)) {
      with_pack<T>(g, x, grad_x, grad_y, [&](auto v, auto aligned) {
        const int64_t packs = outputs / v;
        softpool_2x2_backward<T, v, aligned, I>
            <<<blocks(packs), kThreads, 0, stream>>>(grad_y, x, grad_x, windows, I(packs), pool);
      });
    } else if (!overlaps(g)) {
      softpool_cells_backward<T, I>
          <<<blocks(outputs), kThreads, 0, stream>>>(grad_y, x, grad_x, windows, I(outputs), pool);
    } else {
      auto* shares = static_cast<Share<Acc<T>>*>(workspace);
      softpool_shares<T, I><<<blocks(outputs), kThreads, 0, stream>>>(grad_y, x, shares, windows, I(outputs), pool);
      softpool_gather_backward<T, I>
          <<<blocks(inputs), kThreads, 0, stream>>>(x, shares, grad_x, windows, I(inputs), pool);
    }
  });
}

template <class T>
void beta_backward(const T* grad_y, const T* x, double* sums, const Geometry& g, const SoftPool<Acc<T>>& pool,
                   cudaStream_t stream) {
  const int64_t outputs = g.batch * g.channels * volume(g.out);
  const unsigned n = blocks(outputs, kMaxSums);
  with_index(g, [&](const auto& windows, auto index) {
    using I = decltype(index);
    softpool_beta_backward<T, I><<<n, kThreads, 0, stream>>>(grad_y, x, sums, windows, I(outputs), pool);
  });
  sum_blocks<<<1, kThreads, 0, stream>>>(sums, static_cast<int>(n));
}

// Calls f with a null pointer of the type that the code names.
template <class F>
cudaError_t with_dtype(int32_t dtype, F f) {
  switch (dtype) {
    case kFloat64: f(static_cast<double*>(nullptr)); break;
    case kFloat32: f(static_cast<float*>(nullptr)); break;
    case kBFloat16: f(static_cast<__nv_bfloat16*>(nullptr)); break;
    case kFloat16: f(static_cast<__half*>(nullptr)); break;
    default: return cudaErrorInvalidValue;
  }
  return cudaGetLastError();
}

}  // namespace
}  // namespace poolzoo

extern "C" {

cudaError_t poolzoo_softpool_forward(const void* x, void* y, const poolzoo::Geometry* g, int32_t dtype, double beta,
                                     cudaStream_t stream) {
  using namespace poolzoo;
  if (g->batch * g->channels * volume(g->out) == 0) return cudaSuccess;
  return with_dtype(dtype, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    forward<T>(static_cast<const T*>(x), static_cast<T*>(y), *g, SoftPool<Acc<T>>(beta, volume(g->kernel)), stream);
  });
}

int64_t poolzoo_softpool_workspace(const poolzoo::Geometry* g, int32_t dtype) {
  using namespace poolzoo;
  if (!overlaps(*g)) return 0;
  const int64_t share = dtype == kFloat64 ? sizeof(Share<double>) : sizeof(Share<float>);
  return g->batch * g->channels * volume(g->out) * share;
}

cudaError_t poolzoo_softpool_backward(const void* grad_y, const void* x, void* grad_x, void* workspace,
                                      const poolzoo::Geometry* g, int32_t dtype, double beta, cudaStream_t stream) {
  using namespace poolzoo;
  if (g->batch * g->channels * volume(g->in) == 0) return cudaSuccess;
  if (overlaps(*g) && !workspace) return cudaErrorInvalidValue;
  return with_dtype(dtype, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    backward<T>(static_cast<const T*>(grad_y), static_cast<const T*>(x), static_cast<T*>(grad_x), workspace, *g,
                SoftPool<Acc<T>>(beta, volume(g->kernel)), stream);
  });
}

int64_t poolzoo_softpool_beta_sums(const poolzoo::Geometry* g) {
  using namespace poolzoo;
  return std::max(1u, blocks(g->batch * g->channels * volume(g->out), kMaxSums));
}

cudaError_t poolzoo_softpool_beta_backward(const void* grad_y, const void* x, double* sums, const poolzoo::Geometry* g,
                                           int32_t dtype, double beta, cudaStream_t stream) {
  using namespace poolzoo;
  if (g->batch * g->channels * volume(g->out) == 0) return cudaMemsetAsync(sums, 0, sizeof(double), stream);
  return with_dtype(dtype, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    beta_backward<T>(static_cast<const T*>(grad_y), static_cast<const T*>(x), sums, *g,
                     SoftPool<Acc<T>>(beta, volume(g->kernel)), stream);
  });
}

}  // extern "C"
