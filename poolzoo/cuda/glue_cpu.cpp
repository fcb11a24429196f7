// The CPU operators as torch sees them, and their schemas: see glue.h. A line of POOLZOO_CPU_REDUCERS adds a reducer.
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "cpu_engine.h"
#include "glue.h"

#define POOLZOO_CPU_REDUCERS(_) _(softpool)

namespace poolzoo {

#define DECLARE(name) void name##_cpu(const Call&, DType, Parallel);
POOLZOO_CPU_REDUCERS(DECLARE)
#undef DECLARE

namespace {

using Engine = void (*)(const Call&, DType, Parallel);

void run_parallel(int64_t count, int64_t grain, void (*body)(int64_t, int64_t, void*), void* context) {
  STABLE_TORCH_ERROR_CODE_CHECK(torch_parallel_for(0, count, grain, body, context));
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
  const DType dtype = dtype_of(y);
  ask_for_huge_pages(y.mutable_data_ptr(), y.numel() * (dtype == kFloat64 ? 8 : dtype == kFloat32 ? 4 : 2));
  return y;
}

Call call_of(const Arguments& a) {
  STD_TORCH_CHECK(a.x.is_cpu(), "poolzoo: this operator takes CPU tensors");
  Call call{};
  call.g = a.g;
  call.in = a.x.const_data_ptr();
  call.param = a.param;
  return call;
}

template <Engine engine>
Tensor forward(const Tensor& x, std::optional<Tensor> param, double value, Ints window, bool ceil_mode) {
  Arguments a(x, param, value, window, ceil_mode);
  Call call = call_of(a);
  Tensor y = result(a, a.out_shape);
  call.out = y.mutable_data_ptr();
  if (y.numel()) engine(call, dtype_of(x), run_parallel);
  return y;
}

template <Engine engine>
std::tuple<Tensor, Tensor> backward(const Tensor& grad, const Tensor& x, std::optional<Tensor> param, double value,
                                    Ints window, bool ceil_mode) {
  Arguments a(x, param, value, window, ceil_mode);
  Call call = call_of(a);
  Tensor dy = a.dense(grad), dx = result(a, a.in_shape);
  Tensor dparam = a.empty(param ? Shape{} : Shape{0}, ScalarType::Double);
  if (!writes_all(call.g, call.param)) torch::stable::zero_(dx);
  call.grad = dy.const_data_ptr();
  call.grad_in = dx.mutable_data_ptr();
  if (param) *(call.grad_param = static_cast<double*>(dparam.mutable_data_ptr())) = 0;
  if (x.numel()) engine(call, dtype_of(x), run_parallel);
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
