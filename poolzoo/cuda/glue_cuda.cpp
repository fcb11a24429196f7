// The CUDA operators as torch sees them: kernels of glue.h's operators, run on torch's current stream.
#define USE_CUDA  // for the shim's declarations of streams and errors
#include "glue.h"

#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/macros.h>

#include "launchers.h"

namespace poolzoo {
namespace {

// A reducer's launchers; a further reducer is one more of these and a line at the end.
struct SoftPoolLaunchers {
  static constexpr auto forward = poolzoo_softpool_forward;
  static constexpr auto workspace = poolzoo_softpool_workspace;
  static constexpr auto backward = poolzoo_softpool_backward;
  static constexpr auto param_sums = poolzoo_softpool_beta_sums;
  static constexpr auto param_backward = poolzoo_softpool_beta_backward;
};

// Makes x's device the current one and knows its stream.
struct Place {
  torch::stable::accelerator::DeviceGuard guard;
  cudaStream_t stream;

  explicit Place(const Tensor& x) : guard(x.get_device_index()) {
    void* current = nullptr;
    STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(x.get_device_index(), &current));
    stream = static_cast<cudaStream_t>(current);
  }
};

// A CUDA param or grad is enough for the dispatcher to come here.
void check_device(const Tensor& x) {
  STD_TORCH_CHECK(x.is_cuda(), "poolzoo: x is on the CPU, another argument is on a GPU");
}

template <class Launchers>
Tensor forward(const Tensor& x, std::optional<Tensor> param, double value, Ints window, bool ceil_mode) {
  check_device(x);
  Arguments a(x, param, value, window, ceil_mode);
  Tensor y = a.empty(a.out_shape);
  Place place(x);
  STD_CUDA_CHECK(
      Launchers::forward(a.x.const_data_ptr(), y.mutable_data_ptr(), &a.g, dtype_of(x), a.param, place.stream));
  return y;
}

template <class Launchers>
std::tuple<Tensor, Tensor> backward(const Tensor& grad, const Tensor& x, std::optional<Tensor> param, double value,
                                    Ints window, bool ceil_mode) {
  check_device(x);
  Arguments a(x, param, value, window, ceil_mode);
  DType dtype = dtype_of(x);
  Tensor dy = a.dense(grad), dx = a.empty(a.in_shape);
  Tensor workspace = a.empty({Launchers::workspace(&a.g, dtype)}, ScalarType::Byte);
  Tensor sums = a.empty({param ? Launchers::param_sums(&a.g) : 0}, ScalarType::Double);
  Place place(x);
  STD_CUDA_CHECK(Launchers::backward(dy.const_data_ptr(), a.x.const_data_ptr(), dx.mutable_data_ptr(),
                                     workspace.mutable_data_ptr(), &a.g, dtype, a.param, place.stream));
  if (!param) return {dx, sums};
  STD_CUDA_CHECK(Launchers::param_backward(dy.const_data_ptr(), a.x.const_data_ptr(),
                                           static_cast<double*>(sums.mutable_data_ptr()), &a.g, dtype, a.param,
                                           place.stream));
  return {dx, torch::stable::select(sums, 0, 0)};
}

}  // namespace
}  // namespace poolzoo

STABLE_TORCH_LIBRARY_IMPL(poolzoo, CUDA, m) {
#define IMPLEMENT(name, Launchers)                           \
  m.impl(name, TORCH_BOX(&poolzoo::forward<poolzoo::Launchers>)); \
  m.impl(name "_backward", TORCH_BOX(&poolzoo::backward<poolzoo::Launchers>));
  IMPLEMENT("softpool", SoftPoolLaunchers)
}
