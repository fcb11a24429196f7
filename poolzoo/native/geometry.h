// The positions of the windows: one plain struct for the CPU loops, the CUDA kernels and the glue that fills it.
//
// One or two spatial axes are stored as three, with leading sizes of 1. Sizes are those of torch (see
// poolzoo/windows.py): the glue computes `out`, these files only read it. Offsets are 64-bit: a tensor may have more
// than 2^31 elements.
#pragma once
#include <cstdint>

#if defined(__CUDACC__)
#define POOLZOO_HD __host__ __device__ __forceinline__
#else
#define POOLZOO_HD inline __attribute__((always_inline))
#endif

namespace poolzoo {

enum DType : int32_t { kFloat64 = 0, kFloat32 = 1, kBFloat16 = 2, kFloat16 = 3 };

struct Geometry {
  int64_t batch;         // N
  int64_t channels;      // C
  int64_t in[3];         // depth, height, width of the input
  int64_t out[3];        // of the output
  int64_t kernel[3];
  int64_t stride[3];
  int64_t padding[3];
  int64_t dilation[3];
  int32_t channels_last; // elements of one position lie side by side: offset = ((n * D + z) * H + y) * W + x) * C + c
  int32_t adaptive;      // window i of m over n positions is the bin from floor(i n / m) to ceil((i + 1) n / m), as in
                         // torch's adaptive pools; then kernel is the largest bin, and the other arguments are 1 and 0
};

inline int64_t taps(const Geometry& g) { return g.kernel[0] * g.kernel[1] * g.kernel[2]; }

// The elements of one window along one axis that lie inside the input: `count` of them from position `first` on. The
// first is the window's tap number `tap`.
struct Reach {
  int64_t first, tap, count;
};

POOLZOO_HD Reach bin(const Geometry& g, int axis, int64_t o) {  // window o of an adaptive pool
  const int64_t n = g.in[axis], m = g.out[axis], first = o * n / m;
  return {first, 0, ((o + 1) * n + m - 1) / m - first};
}

// Sums of more elements than these are made in double: a float sum of n numbers may be off by n / 2^26 of itself.
constexpr int64_t kMostInFloat = 64;

}  // namespace poolzoo
