#!/bin/sh
# run.sh [BUILD] [ROW…]: scripts that try to get out of --restricted (rows.lua), each in a process
# of its own: it ends in an error, at a limit or by the watchdog, and no write that its manifest does
# not allow reaches the simulator. A line for each row, then the count. Talks to loopback only.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-$here/../../build}
[ $# -gt 0 ] && shift
kelp=$build/kelp
case $kelp in /*) ;; *) kelp=$PWD/$kelp ;; esac
if [ ! -x "$kelp" ]; then
    echo "restricted: there is no program $kelp" >&2
    exit 2
fi

folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

"$kelp" "$here/row.lua" >"$folder/rows" || exit 2
[ $# -eq 0 ] || printf '%s\n' "$@" >"$folder/rows"
xargs -P "${RESTRICTED_PARALLEL:-2}" -n 1 "$kelp" "$here/row.lua" <"$folder/rows" >"$folder/results"
cat "$folder/results"

rows=$(wc -l <"$folder/rows")
passed=$(grep -c '^ok ' "$folder/results")
echo "$passed passed, $((rows - passed)) failed"
[ "$rows" -gt 0 ] && [ "$passed" -eq "$rows" ]
