// The functions of one operator, POOLZOO_OPERATOR, in CUDA: they take plain pointers to device memory, return a
// cudaError_t and use nothing of torch.
//
// Tensors are dense, in the layout that the geometry states; an empty one launches nothing. `second` and `grad_second`
// are null unless the reducer has two inputs. `dtype` is a DType.
#pragma once
#include <cuda_runtime_api.h>

#include "geometry.h"

#define POOLZOO_JOIN_(a, b) poolzoo_##a##_##b
#define POOLZOO_JOIN(a, b) POOLZOO_JOIN_(a, b)
#define POOLZOO_LAUNCHER(name) POOLZOO_JOIN(POOLZOO_OPERATOR, name)  // poolzoo_softpool_forward

extern "C" {

cudaError_t POOLZOO_LAUNCHER(forward)(const void* x, const void* second, void* y, const poolzoo::Geometry* g,
                                      int32_t dtype, double param, cudaStream_t stream);

// Bytes of device memory that the backward pass needs in addition to its tensors: 0 if windows do not overlap.
int64_t POOLZOO_LAUNCHER(workspace)(const poolzoo::Geometry* g, int32_t dtype);

cudaError_t POOLZOO_LAUNCHER(backward)(const void* grad_y, const void* x, const void* second, void* grad_x,
                                       void* grad_second, void* workspace, const poolzoo::Geometry* g, int32_t dtype,
                                       double param, cudaStream_t stream);

// Doubles that the gradient of the parameter needs room for; it is left in the first.
int64_t POOLZOO_LAUNCHER(param_sums)(const poolzoo::Geometry* g);

// Of a reducer that has no parameter, it is 0.
cudaError_t POOLZOO_LAUNCHER(param_backward)(const void* grad_y, const void* x, const void* second, double* sums,
                                             const poolzoo::Geometry* g, int32_t dtype, double param,
                                             cudaStream_t stream);

}  // extern "C"
