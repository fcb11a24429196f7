#!/usr/bin/env bash
# Test and time everything on a CUDA GPU, in at most 8 minutes:
#
#     benchmarks/gpu_session.sh [FOLDER]
#
# Builds the CUDA operators, runs `pytest -m gpu`, then bench_operators.py, with the windows that have kernels on a GPU alone
# (5x5, overlapping 3D, global), and bench_models.py, with adaptive and global pools. FOLDER, by default
# benchmarks/results, gets gpu-tests-CARD.txt, operators-CARD.json and models-CARD.json; CARD is the GPU's name. A step that
# takes longer than its share is stopped and named, and the next one goes ahead; the exit status is then 1.
# PYTHON names the interpreter; it needs poolzoo with its test requirements, a CUDA build of torch, and nvcc.
set -uo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python}
folder=${1:-benchmarks/results}
card=$("$python" -c 'import re, torch; print(re.sub(r"\W+", "-", torch.cuda.get_device_name()).strip("-"))' 2>/dev/null) || {
  echo "no CUDA GPU that torch can use" >&2
  exit 2
}
mkdir -p "$folder" || exit 2
failed=0

step() {  # SECONDS NAME COMMAND...
  local seconds=$1 name=$2
  shift 2
  local began=$SECONDS
  timeout "$seconds" "$@"
  local status=$?
  echo "$name: exit status $status after $((SECONDS - began)) s"
  if [ "$status" -ne 0 ]; then failed=1; fi
}

step 100 build "$python" -m poolzoo build --cuda
step 115 tests "$python" -m pytest -m gpu -q -p no:cacheprovider tests/cuda 2>&1 | tee "$folder/gpu-tests-$card.txt"
if ! grep -q "^tests: exit status 0 " "$folder/gpu-tests-$card.txt"; then failed=1; fi
step 150 operators "$python" benchmarks/bench_operators.py --device cuda --rounds 9 --only softpool \
  --output "$folder/operators-$card.json"
step 105 models "$python" benchmarks/bench_models.py --device cuda --batch 4 --dtype float32 --operator softpool \
  --rounds 5 --no-compile --output "$folder/models-$card.json"
exit $failed
