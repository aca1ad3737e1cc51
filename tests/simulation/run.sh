#!/bin/sh
# Runs the simulation: sh tests/simulation/run.sh BUILD_DIR [SEEDS]
# All seeds on all cores, then each mutant, which must be caught, then the same faults over HTTP.
set -u
build=${1:?usage: run.sh BUILD_DIR [SEEDS]}
seeds=${2:-10000}
here=$(dirname "$0")
simulate=$build/tests/simulation/simulate
cores=$(nproc)
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

began=$(date +%s)
part=1
first=1
pids=
while [ "$part" -le "$cores" ]; do
  last=$((seeds * part / cores))
  if [ "$last" -ge "$first" ]; then
    "$simulate" --seeds "$first..$last" > "$work/part.$part" 2>&1 &
    pids="$pids $part:$!"
  fi
  first=$((last + 1))
  part=$((part + 1))
done
for entry in $pids; do
  part=${entry%%:*}
  wait "${entry#*:}"
  code=$?
  grep -v '^seeds ' "$work/part.$part"
  counts=$(sed -n 's/^seeds .*: \([0-9]*\) good, \([0-9]*\) wrong.*/\1 \2/p' "$work/part.$part")
  if [ "$code" -gt 1 ] || [ -z "$counts" ]; then
    echo "simulate ended with exit code $code"
    failed=$((failed + 1))
  else
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
  fi
done
took=$(($(date +%s) - began))
echo "$seeds seeds in $took s, $((seeds / (took > 0 ? took : 1))) seeds/s"

# A mutant that 1,000 seeds do not catch is a fault of the simulation.
mutant() {
  "$1" --mutant "$2" --seeds 1..1000 --twice 0 > "$work/mutant" 2>&1
  code=$?
  if [ "$code" -eq 1 ]; then
    echo "mutant $2: caught by $(sed -n 's/ is wrong:$//p' "$work/mutant" | head -n 1)"
    passed=$((passed + 1))
  else
    echo "mutant $2: not caught (exit code $code)"
    cat "$work/mutant"
    failed=$((failed + 1))
  fi
}
mutant "$simulate" no-settle
mutant "${simulate}_mutants" 500-not-sent
mutant "${simulate}_mutants" retry-post

for result in $(sh "$here/over_http.sh" "$build/kelp" 2> "$work/http"); do
  case $result in
    ok) passed=$((passed + 1)) ;;
    *) failed=$((failed + 1)) ;;
  esac
done
cat "$work/http"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
