// The CUDA kernels of one reducer for the torch operators of glue.h; they run on torch's current stream.
#define USE_CUDA  // for the shim's declarations of streams and errors
#include "glue.h"

#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/macros.h>

#include "launchers.h"

namespace poolzoo {
namespace {

// Makes x's device the current one and knows its stream.
struct Place {
  torch::stable::accelerator::DeviceGuard guard;
  cudaStream_t stream;

  explicit Place(const Tensor& x) : guard(x.get_device_index()) {
    void* current = nullptr;
    TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(x.get_device_index(), &current));
    stream = static_cast<cudaStream_t>(current);
  }
};

// A CUDA param or grad is enough for the dispatcher to come here.
void check(const Tensor& x) {
  STD_TORCH_CHECK(x.is_cuda(), "poolzoo: x is on the CPU, another argument is on a GPU");
}

Tensor forward(const Tensor& x, std::optional<Tensor> second, std::optional<Tensor> param, double value, Ints window,
               bool ceil_mode) {
  check(x);
  Arguments a(x, second, param, value, window, ceil_mode);
  Tensor y = a.empty(a.out_shape);
  Place place(x);
  STD_CUDA_CHECK(POOLZOO_LAUNCHER(forward)(a.x.const_data_ptr(), a.second_data(), y.mutable_data_ptr(), &a.g, dtype_of(x),
                                           a.param, place.stream));
  return y;
}

std::tuple<Tensor, Tensor, Tensor> backward(const Tensor& grad, const Tensor& x, std::optional<Tensor> second,
                                            std::optional<Tensor> param, double value, Ints window, bool ceil_mode) {
  check(x);
  Arguments a(x, second, param, value, window, ceil_mode);
  DType dtype = dtype_of(x);
  Tensor dy = a.like(grad, a.out_shape, "grad"), dx = a.empty(a.in_shape);
  Tensor dsecond = second ? a.empty(a.in_shape) : a.empty({0}, x.scalar_type());
  Tensor workspace = a.empty({POOLZOO_LAUNCHER(workspace)(&a.g, dtype)}, ScalarType::Byte);
  Tensor sums = a.empty({param ? POOLZOO_LAUNCHER(param_sums)(&a.g) : 0}, ScalarType::Double);
  Place place(x);
  STD_CUDA_CHECK(POOLZOO_LAUNCHER(backward)(dy.const_data_ptr(), a.x.const_data_ptr(), a.second_data(),
                                            dx.mutable_data_ptr(), second ? dsecond.mutable_data_ptr() : nullptr,
                                            workspace.mutable_data_ptr(), &a.g, dtype, a.param, place.stream));
  if (!param) return {dx, dsecond, sums};
  STD_CUDA_CHECK(POOLZOO_LAUNCHER(param_backward)(dy.const_data_ptr(), a.x.const_data_ptr(), a.second_data(),
                                                  static_cast<double*>(sums.mutable_data_ptr()), &a.g, dtype, a.param,
                                                  place.stream));
  return {dx, dsecond, torch::stable::select(sums, 0, 0)};
}

}  // namespace
}  // namespace poolzoo

STABLE_TORCH_LIBRARY_IMPL(poolzoo, CUDA, m) {
  m.impl(POOLZOO_NAME, TORCH_BOX(&poolzoo::forward));
  m.impl(POOLZOO_NAME "_backward", TORCH_BOX(&poolzoo::backward));
}
