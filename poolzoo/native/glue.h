// The common parts of the CPU's and the GPU's glue: the checks of tensors and the geometry. Stable ABI only.
//
// Each reducer has two torch operators, forward and backward, with the same schema for all reducers. `window` holds
// kernel_size, stride, padding and dilation, one after another, or only the output size of adaptive pooling. `param`, a float64 scalar tensor, overrides `value`.
// `second` is the second input of reducers that have two. Backward returns the gradients of x, second and param, on x's
// device; a gradient of an argument that is absent has no elements.
//
// A reducer's library for the CPU defines its operators. A library for another device adds its kernels and is loaded
// later. It is compiled with POOLZOO_OPERATOR, the operator's name, and POOLZOO_REDUCER, its struct in reducers.h.
#pragma once
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/Exception.h>

#include <initializer_list>
#include <optional>
#include <tuple>

#include "reducers.h"

#define POOLZOO_TEXT_(x) #x
#define POOLZOO_TEXT(x) POOLZOO_TEXT_(x)
#define POOLZOO_NAME POOLZOO_TEXT(POOLZOO_OPERATOR)

namespace poolzoo {

using torch::headeronly::MemoryFormat;
using torch::headeronly::ScalarType;
using torch::stable::Tensor;
using Ints = torch::headeronly::IntHeaderOnlyArrayRef;

// The sizes of a tensor; at most five, batch and channels included.
struct Shape {
  int64_t count = 0, sizes[5] = {};

  Shape() = default;
  Shape(std::initializer_list<int64_t> given) {
    for (int64_t size : given) push_back(size);
  }
  void push_back(int64_t size) { sizes[count++] = size; }
  int64_t operator[](int64_t axis) const { return sizes[axis]; }
};

using Reducer = POOLZOO_REDUCER<float>;
constexpr int kInputs = Reducer::kInputs;

inline DType dtype_of(const Tensor& x) {
  switch (x.scalar_type()) {
    case ScalarType::Double: return kFloat64;
    case ScalarType::Float: return kFloat32;
    case ScalarType::BFloat16: return kBFloat16;
    case ScalarType::Half: return kFloat16;
    default: STD_TORCH_CHECK(false, "poolzoo: float64, float32, bfloat16 or float16 is allowed");
  }
}

// The rule of poolzoo.geometry.is_channels_last, so that both backends give the same strides; but an unbatched volume,
// which has four axes as a batch of pictures has, is never that: its second axis holds no channels.
inline bool is_channels_last(const Tensor& x, int64_t ndim) {
  if (ndim < 2 || x.dim() != ndim + 2 || x.size(1) == 1 || x.stride(1) != 1) return false;
  int64_t expected = x.size(1);
  for (int64_t axis = x.dim() - 1; axis > 1; --axis) {
    if (x.size(axis) != 1 && x.stride(axis) != expected) return false;
    expected *= x.size(axis);
  }
  return true;
}

// Whether a window whose first tap lies at `start` holds one of `n` positions.
inline bool holds_an_element(int64_t start, int64_t kernel, int64_t dilation, int64_t n) {
  int64_t tap = start < 0 ? (dilation - 1 - start) / dilation : 0;
  return tap < kernel && start + tap * dilation < n;
}

// The rule of poolzoo.geometry.output_size.
inline int64_t output_size(int64_t n, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation,
                           bool ceil_mode) {
  int64_t room = n + 2 * padding - dilation * (kernel - 1) - 1;
  int64_t size = (room + (ceil_mode ? stride - 1 : 0)) / stride + 1;
  if (ceil_mode && (size - 1) * stride >= n + padding) --size;
  STD_TORCH_CHECK(room + (ceil_mode ? stride - 1 : 0) >= 0 && size > 0 && n > 0,
                  "poolzoo: the input is too small for its windows");
  for (int64_t i = 0; padding && n < dilation && i < size; ++i)
    STD_TORCH_CHECK(holds_an_element(i * stride - padding, kernel, dilation, n),
                    "poolzoo: the input is too small for its windows");
  return size;
}

inline bool is_adaptive(Ints window) { return window.size() < 4; }
inline int64_t axes(Ints window) { return is_adaptive(window) ? window.size() : window.size() / 4; }

inline Geometry geometry_of(const Tensor& x, Ints window, bool ceil_mode, bool channels_last) {
  int64_t ndim = axes(window), lead = x.dim() - ndim;
  STD_TORCH_CHECK((is_adaptive(window) || window.size() % 4 == 0) && ndim >= 1 && ndim <= 3 && (lead == 1 || lead == 2),
                  "poolzoo: wrong number of axes");
  Geometry g{lead == 2 ? x.size(0) : 1, x.size(lead - 1), {1, 1, 1}, {1, 1, 1}, {1, 1, 1},
             {1, 1, 1}, {0, 0, 0}, {1, 1, 1}, channels_last, is_adaptive(window)};
  for (int64_t i = 0; i < ndim; ++i) {
    int64_t axis = 3 - ndim + i;
    if (is_adaptive(window)) {
      g.in[axis] = x.size(lead + i);
      g.out[axis] = window[i];
      STD_TORCH_CHECK(g.in[axis] > 0 && g.out[axis] > 0, "poolzoo: an adaptive pool of no elements");
      for (int64_t o = 0; o < g.out[axis]; ++o) g.kernel[axis] = std::max(g.kernel[axis], bin(g, axis, o).count);
      continue;
    }
    int64_t kernel = window[i], stride = window[ndim + i];
    int64_t padding = window[2 * ndim + i], dilation = window[3 * ndim + i];
    STD_TORCH_CHECK(kernel > 0 && stride > 0 && dilation > 0 && padding >= 0 &&
                        padding <= (dilation * (kernel - 1) + 1) / 2,
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

// From a GPU it is fetched as Tensor.item() fetches it: after all work queued before, never while a graph is captured.
inline double number(const Tensor& param) {
  STD_TORCH_CHECK(param.numel() == 1 && param.scalar_type() == ScalarType::Double, "poolzoo: param: a float64 scalar");
  if (param.is_cpu()) return *static_cast<const double*>(param.const_data_ptr());
  double value = 0;
  TORCH_ERROR_CODE_CHECK(aoti_torch_item_float64(param.get(), &value));
  return value;
}

// A call's tensors in one layout, channels_last where x is that and else contiguous.
struct Arguments {
  Tensor x;
  std::optional<Tensor> second;
  MemoryFormat format;
  Geometry g;
  double param;
  Shape in_shape, out_shape;

  Arguments(const Tensor& given, const std::optional<Tensor>& beside, const std::optional<Tensor>& tensor, double value,
            Ints window, bool ceil_mode)
      : x(given), format(MemoryFormat::Contiguous), param(tensor ? number(*tensor) : value) {
    bool channels_last = is_channels_last(x, axes(window));
    if (channels_last) format = x.dim() == 4 ? MemoryFormat::ChannelsLast : MemoryFormat::ChannelsLast3d;
    // Asked before: a call that copies nothing costs as much as a small pool.
    bool dense = channels_last ? x.size(0) <= 1 || x.stride(0) == x.numel() / x.size(0) : x.is_contiguous();
    if (!dense) x = torch::stable::contiguous(x, format);
    g = geometry_of(x, window, ceil_mode, channels_last);
    int64_t ndim = axes(window), lead = x.dim() - ndim;
    for (int64_t i = 0; i < x.dim(); ++i) in_shape.push_back(x.size(i));
    for (int64_t i = 0; i < x.dim(); ++i) out_shape.push_back(i < lead ? x.size(i) : g.out[3 - x.dim() + i]);
    STD_TORCH_CHECK(beside.has_value() == (kInputs == 2), "poolzoo: the operator takes ", kInputs, " inputs");
    if (beside) second = like(*beside, in_shape, "second");
  }

  Tensor empty(const Shape& shape) const {
    int32_t type;
    TORCH_ERROR_CODE_CHECK(aoti_torch_get_dtype(x.get(), &type));
    return empty(shape, type, g.channels_last);
  }

  Tensor empty(const Shape& shape, ScalarType type) const {
    return empty(shape, torch::stable::detail::to<int32_t>(torch::stable::detail::from(type)), false);
  }

  // On x's device, and so from its caching allocator. torch::stable::empty takes twice as long.
  Tensor empty(const Shape& shape, int32_t type, bool channels_last) const {
    int64_t strides[5], step = channels_last ? shape[1] : 1;
    for (int64_t axis = shape.count - 1; axis >= 0; --axis) {
      bool channel = channels_last && axis == 1;
      strides[axis] = channel ? 1 : step;
      if (!channel) step *= shape[axis] > 0 ? shape[axis] : 1;
    }
    int32_t device, index;
    TORCH_ERROR_CODE_CHECK(aoti_torch_get_device_type(x.get(), &device));
    TORCH_ERROR_CODE_CHECK(aoti_torch_get_device_index(x.get(), &index));
    AtenTensorHandle made;
    TORCH_ERROR_CODE_CHECK(
        aoti_torch_empty_strided(shape.count, shape.sizes, strides, type, device, index, &made));
    return Tensor(made);
  }

  // Laid out as x is: the second input, or the gradient of the output.
  Tensor like(const Tensor& given, const Shape& shape, const char* name) const {
    STD_TORCH_CHECK(given.device() == x.device() && given.scalar_type() == x.scalar_type() && given.dim() == x.dim(),
                    "poolzoo: ", name, " does not match x");
    for (int64_t i = 0; i < given.dim(); ++i)
      STD_TORCH_CHECK(given.size(i) == shape[i], "poolzoo: ", name, " has the wrong shape");
    return torch::stable::contiguous(given, format);
  }

  const void* second_data() const { return second ? second->const_data_ptr() : nullptr; }
};

}  // namespace poolzoo
