#!/usr/bin/env bash
# Builds a libFuzzer program for each *_fuzz.cc beside this file and tries each for a while, starting from its
# corpus. What it finds lies in native/test/build/fuzz. With --keep new inputs go to the corpus.
#
#   run.sh [--seconds N] [--seed N] [--keep] [TARGET...]     each target for N seconds; default 3, seed 1, all
#
# The last line is "N passed, N failed": a target is one.
set -euo pipefail

fuzz=$(cd "$(dirname "$0")" && pwd)
native=$(cd "$fuzz/../.." && pwd)
build=$native/test/build/fuzz
seconds=3 seed=1 keep=false
targets=()
while (($# > 0)); do
  case $1 in
    --seconds) seconds=$2 && shift 2 ;;
    --seed) seed=$2 && shift 2 ;;
    --keep) keep=true && shift ;;
    *) targets+=("$1") && shift ;;
  esac
done
if ((${#targets[@]} == 0)); then
  for file in "$fuzz"/*_fuzz.cc; do
    file=${file##*/}
    targets+=("${file%_fuzz.cc}")
  done
fi

compile() { # source object
  clang++ -std=c++20 -O1 -g1 -Wall -Wextra -Werror -fsanitize=fuzzer-no-link,address,undefined \
    -fno-sanitize-recover=all -I"$native" -c "$1" -o "$2"
}

mkdir -p "$build"
for file in "$native"/core/*.cc; do echo "#include \"core/${file##*/}\""; done >"$build/core.cc"
compile "$build/core.cc" "$build/core.o"

# An input may take as long as a busy machine makes it; a hang takes longer.
limits=(-max_len=4096 -timeout=20 -rss_limit_mb=1024)
passed=0 failed=0
for target in "${targets[@]}"; do
  compile "$fuzz/${target}_fuzz.cc" "$build/$target.o"
  clang++ -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all "$build/core.o" "$build/$target.o" \
    -o "$build/$target" -pthread
  found=$build/found/$target
  mkdir -p "$found" "$fuzz/corpus/$target"
  echo "== $target: $seconds s, seed $seed"
  if "$build/$target" -seed="$seed" -max_total_time="$seconds" "${limits[@]}" -artifact_prefix="$build/$target-" \
    "$found" "$fuzz/corpus/$target" >"$build/$target.log" 2>&1; then
    tail -n 1 "$build/$target.log"
    passed=$((passed + 1))
  else
    cat "$build/$target.log"
    failed=$((failed + 1))
  fi
  if $keep; then
    "$build/$target" -merge=1 -max_len=4096 "$fuzz/corpus/$target" "$found" >>"$build/$target.log" 2>&1
  fi
done

echo "$passed passed, $failed failed"
((failed == 0))
