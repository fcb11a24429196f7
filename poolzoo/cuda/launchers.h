// What the CUDA sources offer: plain pointers to device memory in, a cudaError_t out, nothing of torch.
//
// Tensors are dense, in the layout that the geometry names; an empty one launches nothing. `dtype` is a DType.
#pragma once
#include <cuda_runtime_api.h>

#include "geometry.h"

extern "C" {

cudaError_t poolzoo_softpool_forward(const void* x, void* y, const poolzoo::Geometry* g, int32_t dtype, double beta,
                                     cudaStream_t stream);

// Bytes of device memory that the backward pass needs beside its tensors: 0 where windows do not overlap.
int64_t poolzoo_softpool_workspace(const poolzoo::Geometry* g, int32_t dtype);

cudaError_t poolzoo_softpool_backward(const void* grad_y, const void* x, void* grad_x, void* workspace,
                                      const poolzoo::Geometry* g, int32_t dtype, double beta, cudaStream_t stream);

// Doubles that the gradient of beta needs room for; it is left in the first.
int64_t poolzoo_softpool_beta_sums(const poolzoo::Geometry* g);

cudaError_t poolzoo_softpool_beta_backward(const void* grad_y, const void* x, double* sums, const poolzoo::Geometry* g,
                                           int32_t dtype, double beta, cudaStream_t stream);

}  // extern "C"
