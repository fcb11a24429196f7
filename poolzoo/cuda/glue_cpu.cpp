// The CPU operators as torch sees them: checks tensors, fills in the geometry, calls the engine. Stable ABI only.
//
// Each reducer is two operators, forward and backward, of one schema; a line of POOLZOO_CPU_REDUCERS adds both. `window`
// holds kernel_size, stride, padding and dilation, one after another. `param` overrides `value`: a float64 scalar tensor.
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/Exception.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "cpu_engine.h"

#define POOLZOO_CPU_REDUCERS(_) _(softpool)

namespace poolzoo {

#define DECLARE(name) void name##_cpu(const Call&, DType, Parallel);
POOLZOO_CPU_REDUCERS(DECLARE)
#undef DECLARE

namespace {

using torch::headeronly::MemoryFormat;
using torch::headeronly::ScalarType;
using torch::stable::Tensor;
using Ints = torch::headeronly::IntHeaderOnlyArrayRef;
using Engine = void (*)(const Call&, DType, Parallel);

void run_parallel(int64_t count, int64_t grain, void (*body)(int64_t, int64_t, void*), void* context) {
  STABLE_TORCH_ERROR_CODE_CHECK(torch_parallel_for(0, count, grain, body, context));
}

DType dtype_of(const Tensor& x) {
  switch (x.scalar_type()) {
    case ScalarType::Double: return kFloat64;
    case ScalarType::Float: return kFloat32;
    case ScalarType::BFloat16: return kBFloat16;
    case ScalarType::Half: return kFloat16;
    default: STD_TORCH_CHECK(false, "poolzoo: float64, float32, bfloat16 or float16 is allowed");
  }
}

int64_t element_size(ScalarType type) { return type == ScalarType::Double ? 8 : type == ScalarType::Float ? 4 : 2; }

// The same rule as poolzoo.windows.like, so that both backends give the same strides.
bool is_channels_last(const Tensor& x) {
  if ((x.dim() != 4 && x.dim() != 5) || x.size(1) == 1 || x.stride(1) != 1) return false;
  int64_t expected = x.size(1);
  for (int64_t axis = x.dim() - 1; axis > 1; --axis) {
    if (x.size(axis) != 1 && x.stride(axis) != expected) return false;
    expected *= x.size(axis);
  }
  return x.size(0) == 1 || x.stride(0) == expected;
}

int64_t output_size(int64_t n, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation, bool ceil_mode) {
  int64_t room = n + 2 * padding - dilation * (kernel - 1) - 1;
  int64_t size = (room + (ceil_mode ? stride - 1 : 0)) / stride + 1;
  if (ceil_mode && (size - 1) * stride >= n + padding) --size;
  STD_TORCH_CHECK(room + (ceil_mode ? stride - 1 : 0) >= 0 && size > 0 && n > 0 && !(padding && n < dilation),
                  "poolzoo: the input is too small for its windows");
  return size;
}

Geometry geometry_of(const Tensor& x, Ints window, bool ceil_mode, bool channels_last) {
  int64_t ndim = window.size() / 4, lead = x.dim() - ndim;
  STD_TORCH_CHECK(window.size() % 4 == 0 && ndim >= 1 && ndim <= 3 && (lead == 1 || lead == 2), "poolzoo: wrong number of axes");
  Geometry g{lead == 2 ? x.size(0) : 1, x.size(lead - 1), {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {1, 1, 1}, channels_last, 0};
  for (int64_t i = 0; i < ndim; ++i) {
    int64_t axis = 3 - ndim + i;
    int64_t kernel = window[i], stride = window[ndim + i], padding = window[2 * ndim + i], dilation = window[3 * ndim + i];
    STD_TORCH_CHECK(kernel > 0 && stride > 0 && dilation > 0 && padding >= 0 && padding <= (dilation * (kernel - 1) + 1) / 2,
                    "poolzoo: window out of range");
    g.in[axis] = x.size(lead + i);
    g.kernel[axis] = kernel;
    g.stride[axis] = stride;
    g.padding[axis] = padding;
    g.dilation[axis] = dilation;
    g.out[axis] = output_size(g.in[axis], kernel, stride, padding, dilation, ceil_mode);
  }
  return g;
}

// Memory fresh from the system costs a fault for each page at its first touch, more than pooling itself costs.
void ask_for_huge_pages(void* data, int64_t bytes) {
#if defined(__linux__)
  const uintptr_t page = 4096, first = (uintptr_t(data) + page - 1) / page * page, last = (uintptr_t(data) + bytes) / page * page;
  if (bytes >= 8 << 20) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#else
  (void)data, (void)bytes;
#endif
}

// A call's tensors in one layout, channels_last where x is that and else contiguous.
struct Arguments {
  Tensor x;
  MemoryFormat format;
  Call call;
  std::vector<int64_t> out_shape;

  Arguments(const Tensor& given, const std::optional<Tensor>& param, double value, Ints window, bool ceil_mode)
      : x(given), format(MemoryFormat::Contiguous), call{} {
    STD_TORCH_CHECK(x.is_cpu(), "poolzoo: this operator takes CPU tensors");
    bool channels_last = is_channels_last(x);
    if (channels_last) format = x.dim() == 4 ? MemoryFormat::ChannelsLast : MemoryFormat::ChannelsLast3d;
    else if (!x.is_contiguous()) x = torch::stable::contiguous(x);
    call.g = geometry_of(x, window, ceil_mode, channels_last);
    call.in = x.const_data_ptr();
    call.param = value;
    if (param) {
      STD_TORCH_CHECK(param->is_cpu() && param->numel() == 1 && param->scalar_type() == ScalarType::Double, "poolzoo: param: a float64 scalar on the CPU");
      call.param = *static_cast<const double*>(param->const_data_ptr());
    }
    int64_t ndim = window.size() / 4, lead = x.dim() - ndim;
    for (int64_t i = 0; i < lead; ++i) out_shape.push_back(x.size(i));
    for (int64_t i = 0; i < ndim; ++i) out_shape.push_back(call.g.out[3 - ndim + i]);
  }

  Tensor empty(const std::vector<int64_t>& shape) const {
    Tensor y = torch::stable::empty(Ints(shape.data(), shape.size()), x.scalar_type(), std::nullopt, std::nullopt, std::nullopt, format);
    ask_for_huge_pages(y.mutable_data_ptr(), y.numel() * element_size(x.scalar_type()));
    return y;
  }
};

template <Engine engine>
Tensor forward(const Tensor& x, std::optional<Tensor> param, double value, Ints window, bool ceil_mode) {
  Arguments a(x, param, value, window, ceil_mode);
  Tensor y = a.empty(a.out_shape);
  a.call.out = y.mutable_data_ptr();
  if (y.numel()) engine(a.call, dtype_of(x), run_parallel);
  return y;
}

template <Engine engine>
std::tuple<Tensor, Tensor> backward(const Tensor& grad, const Tensor& x, std::optional<Tensor> param, double value, Ints window, bool ceil_mode) {
  Arguments a(x, param, value, window, ceil_mode);
  STD_TORCH_CHECK(grad.is_cpu() && grad.scalar_type() == x.scalar_type() && grad.dim() == x.dim(), "poolzoo: grad does not match x");
  for (int64_t i = 0; i < grad.dim(); ++i) STD_TORCH_CHECK(grad.size(i) == a.out_shape[i], "poolzoo: grad has the wrong shape");
  std::vector<int64_t> shape;
  for (int64_t i = 0; i < x.dim(); ++i) shape.push_back(x.size(i));
  Tensor dy = torch::stable::contiguous(grad, a.format), dx = a.empty(shape), dparam = torch::stable::empty(Ints(nullptr, size_t(0)), ScalarType::Double);
  if (!writes_all(a.call.g, a.call.param)) torch::stable::zero_(dx);
  double& param_sum = *static_cast<double*>(dparam.mutable_data_ptr()) = 0;
  a.call.grad = dy.const_data_ptr();
  a.call.grad_in = dx.mutable_data_ptr();
  a.call.grad_param = param ? &param_sum : nullptr;
  if (x.numel()) engine(a.call, dtype_of(x), run_parallel);
  return {dx, dparam};
}

}  // namespace
}  // namespace poolzoo

#define ARGUMENTS "Tensor x, Tensor? param, float value, int[] window, bool ceil_mode"

STABLE_TORCH_LIBRARY(poolzoo, m) {
#define DEFINE(name)                          \
  m.def(#name "(" ARGUMENTS ") -> Tensor"); \
  m.def(#name "_backward(Tensor grad, " ARGUMENTS ") -> (Tensor, Tensor)");
  POOLZOO_CPU_REDUCERS(DEFINE)
}

STABLE_TORCH_LIBRARY_IMPL(poolzoo, CPU, m) {
#define IMPLEMENT(name)                                               \
  m.impl(#name, TORCH_BOX(&poolzoo::forward<poolzoo::name##_cpu>)); \
  m.impl(#name "_backward", TORCH_BOX(&poolzoo::backward<poolzoo::name##_cpu>));
  POOLZOO_CPU_REDUCERS(IMPLEMENT)
}
