#!/usr/bin/env bash
# Feeds hostile input to whatever reads any, for longer than the tests do, from new seeds: half of the time to
# the native code (libFuzzer), half to the rest (fast-check).
#
#   npm run fuzz -- [--minutes N]      default 10
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

minutes=10
while (($# > 0)); do
  case $1 in
    --minutes) minutes=$2 && shift 2 ;;
    *) echo "fuzz: unknown argument '$1': expected --minutes N" >&2 && exit 64 ;;
  esac
done
[[ $minutes =~ ^[1-9][0-9]*$ ]] || { echo "fuzz: --minutes takes a whole number" >&2 && exit 64; }

scripts/setup.sh --for test packages modules native
targets=$(find native/test/fuzz -name '*_fuzz.cc' | wc -l)
properties=$(grep -c '    fuzz($' test/model/hostile-*.test.ts | awk -F: '{sum += $2} END {print sum}')
status=0
native/test/fuzz/run.sh --seconds $((minutes * 30 / targets)) --seed $((RANDOM * RANDOM + 1)) || status=1
# The catalog, the sessions and the marker are one property in three places.
BYGONE_FUZZ_MS=$((minutes * 30000 / (properties + 2))) node_modules/.bin/vitest run --testTimeout=0 \
  --fileParallelism=false test/model/hostile- || status=1
exit $status
