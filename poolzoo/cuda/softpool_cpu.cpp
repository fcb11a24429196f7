// SoftPool on the CPU.
#include "cpu_engine.h"

namespace poolzoo {
void softpool_cpu(const Call& call, DType dtype, Parallel parallel) { pool<SoftPool>(call, dtype, parallel); }
}  // namespace poolzoo
