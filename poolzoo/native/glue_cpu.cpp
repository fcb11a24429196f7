// The torch operators of one reducer on the CPU, and their schemas: see glue.h.
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "cpu_call.h"
#include "glue.h"

namespace poolzoo {
namespace {

void run_parallel(int64_t count, int64_t grain, void (*body)(int64_t, int64_t, void*), void* context) {
  TORCH_ERROR_CODE_CHECK(torch_parallel_for(0, count, grain, body, context));
}

// Memory fresh from the system costs a fault for each page at its first touch, more than pooling itself costs.
void ask_for_huge_pages(void* data, int64_t bytes) {
#if defined(__linux__)
  const uintptr_t page = 4096, start = uintptr_t(data), first = (start + page - 1) / page * page;
  const uintptr_t last = (start + bytes) / page * page;
  if (bytes >= 8 << 20) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#else
  (void)data, (void)bytes;
#endif
}

Tensor result(const Arguments& a, const Shape& shape) {
  Tensor y = a.empty(shape);
  ask_for_huge_pages(y.mutable_data_ptr(), y.numel() * y.element_size());
  return y;
}

Call call_of(const Arguments& a) {
  STD_TORCH_CHECK(a.x.is_cpu(), "poolzoo: this operator takes CPU tensors");
  Call call{};
  call.g = a.g;
  call.dtype = dtype_of(a.x);
  call.in[0] = a.x.const_data_ptr();
  call.in[1] = a.second_data();
  call.param = a.param;
  return call;
}

Tensor forward(const Tensor& x, std::optional<Tensor> second, std::optional<Tensor> param, double value, Ints window,
               bool ceil_mode) {
  Arguments a(x, second, param, value, window, ceil_mode);
  Call call = call_of(a);
  Tensor y = result(a, a.out_shape);
  call.out = y.mutable_data_ptr();
  if (y.numel()) pool_cpu(call, run_parallel);
  return y;
}

std::tuple<Tensor, Tensor, Tensor> backward(const Tensor& grad, const Tensor& x, std::optional<Tensor> second,
                                            std::optional<Tensor> param, double value, Ints window, bool ceil_mode) {
  Arguments a(x, second, param, value, window, ceil_mode);
  Call call = call_of(a);
  Tensor dy = a.like(grad, a.out_shape, "grad"), dx = result(a, a.in_shape);
  Tensor dsecond = second ? result(a, a.in_shape) : a.empty({0}, x.scalar_type());
  Tensor dparam = a.empty(param ? Shape{} : Shape{0}, ScalarType::Double);
  call.grad = dy.const_data_ptr();
  call.grad_in[0] = dx.mutable_data_ptr();
  if (second) call.grad_in[1] = dsecond.mutable_data_ptr();
  if (param) *(call.grad_param = static_cast<double*>(dparam.mutable_data_ptr())) = 0;
  if (x.numel()) pool_cpu(call, run_parallel);
  return {dx, dsecond, dparam};
}

// What `window` and `ceil_mode` are, one after the other in a tensor: made once, it is passed faster than a list.
struct Windows {
  Ints window;
  bool ceil_mode;

  explicit Windows(const Tensor& numbers)
      : window(static_cast<const int64_t*>(numbers.const_data_ptr()), numbers.numel() - 1),
        ceil_mode(static_cast<const int64_t*>(numbers.const_data_ptr())[numbers.numel() - 1]) {}
};

Tensor eager(const Tensor& x, std::optional<Tensor> second, std::optional<Tensor> param, double value,
             const Tensor& windows) {
  STD_TORCH_CHECK(x.numel() > 0, "poolzoo: the input has no elements");
  Windows w(windows);
  return forward(x, second, param, value, w.window, w.ceil_mode);
}

std::tuple<Tensor, Tensor, Tensor> eager_backward(const Tensor& grad, const Tensor& x, std::optional<Tensor> second,
                                                  std::optional<Tensor> param, double value, const Tensor& windows) {
  Windows w(windows);
  return backward(grad, x, second, param, value, w.window, w.ceil_mode);
}

}  // namespace
}  // namespace poolzoo

#define INPUTS "Tensor x, Tensor? second, Tensor? param, float value, "
#define GRADIENTS " -> (Tensor, Tensor, Tensor)"

STABLE_TORCH_LIBRARY_FRAGMENT(poolzoo, m) {
  m.def(POOLZOO_NAME "(" INPUTS "int[] window, bool ceil_mode) -> Tensor");
  m.def(POOLZOO_NAME "_backward(Tensor grad, " INPUTS "int[] window, bool ceil_mode)" GRADIENTS);
  m.def(POOLZOO_NAME ".eager(" INPUTS "Tensor windows) -> Tensor");
  m.def(POOLZOO_NAME "_backward.eager(Tensor grad, " INPUTS "Tensor windows)" GRADIENTS);
}

STABLE_TORCH_LIBRARY_IMPL(poolzoo, CPU, m) {
  m.impl(POOLZOO_NAME, TORCH_BOX(&poolzoo::forward));
  m.impl(POOLZOO_NAME "_backward", TORCH_BOX(&poolzoo::backward));
  m.impl(POOLZOO_NAME ".eager", TORCH_BOX(&poolzoo::eager));
  m.impl(POOLZOO_NAME "_backward.eager", TORCH_BOX(&poolzoo::eager_backward));
}
