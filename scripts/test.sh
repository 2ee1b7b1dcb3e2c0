#!/usr/bin/env bash
# Sets up what is missing and runs every check of this repository.
# The last line is `N passed, N failed` (and `, N skipped`): a static check counts as one, a test as
# one. Exit code 0 only if something ran and nothing failed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

passed=0 failed=0 skipped=0

# Everything the tests make is below this directory, and every process they start carries this mark:
# so what they leave behind can be told from what others do on this machine.
BYGONE_CHECK_RUN=$$-$(date +%s)
work=$(mktemp -d "${TMPDIR:-/tmp}/bygone-test.XXXXXX") || exit 1
chmod 1777 "$work" # tests also run as users other than ours
export BYGONE_CHECK_RUN TMPDIR=$work
reports=$(mktemp -d "$work/reports.XXXXXX")
# What is random follows from the code under test: a failure can be had again, with its test mended too, and other code
# is tried in other ways. Single suites draw new seeds.
tested=$(git ls-tree HEAD src native 2>/dev/null | git hash-object --stdin)
BYGONE_RUN_SEED=$((16#${tested:0:7}))
export BYGONE_RUN_SEED

. scripts/leftovers.sh

finish() {
  trap - EXIT INT TERM
  { kill -KILL $(jobs -p) && wait; } 2>/dev/null
  leftovers_remove
  rm -rf --one-file-system "$work"
  ((passed + failed > 0)) || failed=1
  if ((skipped > 0)); then
    echo "$passed passed, $failed failed, $skipped skipped"
  else
    echo "$passed passed, $failed failed"
  fi
  ((failed == 0)) && exit 0
  exit 1
}
trap finish EXIT
trap 'echo "interrupted"; failed=$((failed + 1)); finish' INT TERM

# All steps together must end within this, whatever each may take.
secondsMax=$((75 * 60))

# Runs a command with a deadline and its output in $reports/NAME.log. Into a file and not a pipe: a
# daemon that a test leaves behind would hold a pipe open. In the background, so that Ctrl-C is heard.
within() {
  local name=$1 seconds=$2 log="$reports/${1// /-}.log" code && shift 2
  local left=$((secondsMax - SECONDS))
  ((left < seconds)) && seconds=$left
  ((seconds > 0)) || { echo "$name: no time left" | tee "$log" && return 1; }
  timeout --kill-after=20 "$seconds" "$@" </dev/null >"$log" 2>&1 &
  wait $!
  code=$?
  ((code != 124 && code != 137)) || echo "$name: stopped after $seconds s" >>"$log"
  return "$code"
}

# The same, with its output on the terminal too, as it comes.
within_shown() {
  local log="$reports/${1// /-}.log" code reader
  : >"$log"
  tail -n +1 -f "$log" &
  reader=$!
  within "$@"
  code=$?
  sleep 1.2 # tail looks once a second
  kill "$reader" && wait "$reader" 2>/dev/null
  return "$code"
}

# A check that is one thing: passed or failed. Silent but for a line, unless it fails.
check() {
  local name=$1 seconds=$2 start=$SECONDS && shift 2
  if within "$name" "$seconds" "$@"; then
    passed=$((passed + 1))
    echo "ok      $name ($((SECONDS - start)) s)"
  else
    failed=$((failed + 1))
    tail -n 100 "$reports/${name// /-}.log"
    echo "FAILED  $name ($((SECONDS - start)) s): $*"
    return 1
  fi
}

fail() {
  failed=$((failed + 1))
  echo "FAILED  $*"
}

# --- what the tests need ---------------------------------------------------------------------------

within_shown setup 1500 scripts/setup.sh --for test packages modules || {
  fail "setup"
  exit
}
if [[ ! -c /dev/fuse ]]; then
  if [[ ${CI:-} == true ]]; then
    fail "/dev/fuse: this machine has none, so nothing can be mounted and little of this can be tested"
  else
    skipped=$((skipped + 1))
    echo "skipped /dev/fuse: this machine has none; tests that mount are skipped"
  fi
fi

# --- checks ----------------------------------------------------------------------------------------

check "types" 300 npm run --silent types
check "lint" 600 npm run --silent lint
check "format" 300 npm run --silent format
isBuilt=true
check "native build" 600 scripts/setup.sh native || isBuilt=false
check "build" 300 scripts/setup.sh dist || isBuilt=false

# --- native tests ------------------------------------------------------------------------------------

within_shown "native tests" 900 npm run --silent test:native
code=$?
summary='^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$'
if [[ $(tail -n 1 "$reports/native-tests.log") =~ $summary ]]; then
  passed=$((passed + BASH_REMATCH[1]))
  failed=$((failed + BASH_REMATCH[2]))
  skipped=$((skipped + ${BASH_REMATCH[4]:-0}))
  # A sanitizer's complaint ends the program with a failure that no test counts.
  ((code == 0 || BASH_REMATCH[2] > 0)) || fail "native tests: exit code $code"
  ((BASH_REMATCH[1] + BASH_REMATCH[2] > 0)) || fail "native tests: none ran"
else
  fail "native tests: no result line (exit code $code)"
fi

# Each target briefly and from one seed; `npm run fuzz` is the long run.
check "native fuzz targets" 600 native/test/fuzz/run.sh --seconds 3

# --- vitest ------------------------------------------------------------------------------------------

if $isBuilt; then
  within_shown vitest 3000 node_modules/.bin/vitest run --reporter=default \
    --reporter=json --outputFile.json="$reports/vitest.json"
  code=$?
  # A file that could not be loaded has no test that failed, so it counts as one failure itself.
  if counts=$(node -e '
      const report = JSON.parse(require("fs").readFileSync(process.argv[1], "utf8"))
      const isBroken = ({ status, assertionResults }) =>
        status === "failed" && !assertionResults.some((test) => test.status === "failed")
      const broken = report.testResults.filter(isBroken).length
      console.log(report.numPassedTests, report.numFailedTests + broken,
        report.numPendingTests + report.numTodoTests)' "$reports/vitest.json" 2>/dev/null); then
    read -r vitestPassed vitestFailed vitestSkipped <<<"$counts"
    passed=$((passed + vitestPassed))
    failed=$((failed + vitestFailed))
    skipped=$((skipped + vitestSkipped))
    ((code == 0 || vitestFailed > 0)) || fail "vitest: exit code $code though no test failed"
    ((vitestPassed + vitestFailed > 0)) || fail "vitest: no test ran"
  else
    fail "vitest: ended without a report (exit code $code)"
  fi
else
  fail "vitest: not run, since the build failed"
fi

# --- the long run ------------------------------------------------------------------------------------

if $isBuilt && [[ -c /dev/fuse ]]; then
  check "stress" 900 npm run --silent stress -- --minutes 5 --seed "$BYGONE_RUN_SEED"
fi

# --- nothing left behind -----------------------------------------------------------------------------

# A daemon may take a moment to end after its last unmount.
patienceEnds=$((SECONDS + 10))
while left=$(leftovers_list) && [[ -n $left ]] && ((SECONDS < patienceEnds)); do sleep 0.2; done
if [[ -z $left ]]; then
  passed=$((passed + 1))
  echo "ok      nothing left behind: mounts, daemons, loop devices"
else
  echo "$left"
  fail "nothing left behind"
fi
