// The torch operators of the metrics, for float64 CPU tensors of height x width x channels, of any strides. Stable ABI only.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/Exception.h>

#include <vector>

#include "metrics.h"

namespace poolzoo {
namespace {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

void run_parallel(int64_t count, int64_t grain, void (*body)(int64_t, int64_t, void*), void* context) {
  TORCH_ERROR_CODE_CHECK(torch_parallel_for(0, count, grain, body, context));
}

void run_here(int64_t count, int64_t, void (*body)(int64_t, int64_t, void*), void* context) { body(0, count, context); }

Pair pair_of(const Tensor& x, const Tensor& y, int64_t least) {
  Pair pair{};
  int which = 0;
  for (const Tensor* image : {&x, &y}) {
    STD_TORCH_CHECK(image->is_cpu() && image->scalar_type() == ScalarType::Double && image->dim() == 3,
                    "poolzoo: metrics take float64 CPU tensors of height x width x channels");
    for (int64_t axis = 0; axis < 3; ++axis) {
      STD_TORCH_CHECK(image->size(axis) == x.size(axis), "poolzoo: the images differ in size");
      pair.stride[which][axis] = image->stride(axis);
    }
    pair.data[which++] = static_cast<const double*>(image->const_data_ptr());
  }
  pair.height = x.size(0), pair.width = x.size(1), pair.channels = x.size(2);
  STD_TORCH_CHECK(pair.height >= least && pair.width >= least && pair.channels > 0, "poolzoo: the images are too small");
  return pair;
}

Tensor numbers(const std::vector<int64_t>& shape) {
  return torch::stable::empty(torch::headeronly::IntHeaderOnlyArrayRef(shape.data(), shape.size()), ScalarType::Double);
}

double* data(Tensor& tensor) { return static_cast<double*>(tensor.mutable_data_ptr()); }

Tensor mean_ssim(const Tensor& x, const Tensor& y, double data_range, bool parallel) {
  const Pair pair = pair_of(x, y, kTaps);
  Tensor mean = numbers({});
  *data(mean) = ssim(pair, data_range, nullptr, parallel ? run_parallel : run_here);
  return mean;
}

Tensor ssim_map(const Tensor& x, const Tensor& y, double data_range, bool parallel) {
  const Pair pair = pair_of(x, y, kTaps);
  const int64_t height = pair.height - (kTaps - 1), width = pair.width - (kTaps - 1);
  const bool planar = is_planar(pair);
  Tensor map = planar ? numbers({pair.channels, height, width}) : numbers({height, width, pair.channels});
  ssim(pair, data_range, data(map), parallel ? run_parallel : run_here);
  return planar ? torch::stable::transpose(torch::stable::transpose(map, 0, 1), 1, 2) : map;
}

Tensor errors_of(const Tensor& x, const Tensor& y, bool parallel) {
  const Pair pair = pair_of(x, y, 1);
  Tensor means = numbers({2});
  errors(pair, data(means), data(means) + 1, parallel ? run_parallel : run_here);
  return means;
}

}  // namespace
}  // namespace poolzoo

STABLE_TORCH_LIBRARY_FRAGMENT(poolzoo, m) {
  m.def("metric_ssim(Tensor x, Tensor y, float data_range, bool parallel) -> Tensor");
  m.def("metric_ssim_map(Tensor x, Tensor y, float data_range, bool parallel) -> Tensor");
  m.def("metric_errors(Tensor x, Tensor y, bool parallel) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(poolzoo, CPU, m) {
  m.impl("metric_ssim", TORCH_BOX(&poolzoo::mean_ssim));
  m.impl("metric_ssim_map", TORCH_BOX(&poolzoo::ssim_map));
  m.impl("metric_errors", TORCH_BOX(&poolzoo::errors_of));
}
