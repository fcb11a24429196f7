// The call that the CPU's glue passes to the engine.
#pragma once
#include "geometry.h"

namespace poolzoo {

// A call as the engine takes it; `grad` and what comes after it are null in the forward pass.
struct Call {
  Geometry g;
  DType dtype;
  const void* in[2];    // the second is null but for reducers of two inputs
  void* out;            // forward: y
  const void* grad;     // backward: dL/dy
  void* grad_in[2];     // backward: dL/dx of each input, zero where no window reaches
  double* grad_param;   // backward: dL/dparam, or null
  double param;
};

// Runs body(first, last, context) over the tasks 0 to count in parallel, at least `grain` of them at a time.
using Parallel = void (*)(int64_t count, int64_t grain, void (*body)(int64_t, int64_t, void*), void* context);

// Pools as `call` says, backward where it has a gradient, with the reducer that the library is compiled for.
void pool_cpu(const Call& call, Parallel parallel);

}  // namespace poolzoo
