// The arguments that the metrics' glue passes to their loops.
#pragma once
#include "cpu_call.h"

namespace poolzoo {

// Two images of one size, height x width x channels, each anywhere in memory: strides are in numbers.
struct Pair {
  const double* data[2];
  int64_t height, width, channels;
  int64_t stride[2][3];
};

constexpr int64_t kTaps = 11;  // of SSIM's window

// Whether both images hold one channel after the other, as torch does. They are then taken as so many grey ones.
bool is_planar(const Pair& pair);

// The mean of local SSIM where the window lies inside. `map`, where it is not null, receives all of it: height - 10 by
// width - 10, of each channel by itself where the images are planar, else with the channels innermost.
double ssim(const Pair& pair, double data_range, double* map, Parallel parallel);

// The mean of the squares and of the absolute values of the differences.
void errors(const Pair& pair, double* squares, double* absolutes, Parallel parallel);

}  // namespace poolzoo
