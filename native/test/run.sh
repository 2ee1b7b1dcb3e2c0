#!/usr/bin/env bash
# Builds and runs the unit tests of native/core: plain, under ASan + UBSan, and under TSan.
# Arguments: variants to run (plain, address, thread), default all; FILTER=text runs a part.
# The last line is "N passed, N failed" over all of them (", N skipped" if any).
set -euo pipefail

native=$(cd "$(dirname "$0")/.." && pwd)
build=$native/test/build
variants=("${@:-plain}")
[ $# -gt 0 ] || variants=(plain address thread)

flags_of() {
  case $1 in
    plain) echo -O1 ;;
    address) echo -O1 -fsanitize=address,undefined -fno-sanitize-recover=all ;;
    thread) echo -O1 -fsanitize=thread ;;
    *) echo "unknown variant: $1" >&2 && return 2 ;;
  esac
}

# One translation unit for core and one for the tests: much faster than a file at a time.
mkdir -p "$build"
for part in core test; do
  for file in "$native/$part"/*.cc; do echo "#include \"$part/${file##*/}\""; done >"$build/$part.cc"
done

compile() { # variant part
  # shellcheck disable=SC2046
  "${CXX:-g++}" -std=c++20 -g1 -Wall -Wextra -Werror $(flags_of "$1") -I"$native" \
    -c "$build/$2.cc" -o "$build/$2.$1.o"
}

passed=0 failed=0 skipped=0
for variant in "${variants[@]}"; do
  program=$build/test.$variant
  compile "$variant" core &
  core_job=$!
  compile "$variant" test
  wait "$core_job"
  # shellcheck disable=SC2046
  "${CXX:-g++}" $(flags_of "$variant") "$build"/{core,test}."$variant".o -o "$program" -pthread -Wl,-z,now
  echo "== $variant"
  status=0
  ASAN_OPTIONS=detect_leaks=1 TSAN_OPTIONS=halt_on_error=1 \
    "$program" "${FILTER:-}" >"$build/output.$variant" || status=$?
  cat "$build/output.$variant"
  if [[ $(tail -n 1 "$build/output.$variant") =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+) ]]; then
    passed=$((passed + BASH_REMATCH[1]))
    failed=$((failed + BASH_REMATCH[2]))
    skipped=$((skipped + BASH_REMATCH[3]))
    # A sanitizer may complain when all tests have passed.
    if [ "$status" -ne 0 ] && [ "${BASH_REMATCH[2]}" -eq 0 ]; then failed=$((failed + 1)); fi
  else
    echo "the $variant tests ended with status $status before their end"
    failed=$((failed + 1))
  fi
done

summary="$passed passed, $failed failed"
[ "$skipped" -eq 0 ] || summary+=", $skipped skipped"
echo "$summary"
[ "$failed" -eq 0 ]
