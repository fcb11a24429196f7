// The CPU's loops for one reducer, POOLZOO_REDUCER; apart from the glue, so that both compile at once.
#include "cpu_engine.h"

void poolzoo::pool_cpu(const Call& call, Parallel parallel) { pool<POOLZOO_REDUCER>(call, parallel); }
