// The CPU's loops for one reducer, POOLZOO_REDUCER; its own file, to compile in parallel with the glue.
#include "cpu_engine.h"

void poolzoo::pool_cpu(const Call& call, Parallel parallel) { pool<POOLZOO_REDUCER>(call, parallel); }
