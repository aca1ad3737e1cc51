# run.sh [--table] [KELP] [ROW…]: what kelp promises of each verb, at each provider, in each outcome
# (matrix.lua): a line for each cell that is red, then the count. A cell that pending.txt lists may
# be red, and must be. --table: the count by verb and provider, as a table, before it.
# PROMISES_VERBOSE=1: what happened in the cells that are pending, too.
# KELP_SCRIPTS=FOLDER is for the program under test only. Talks to loopback only.
set -u
here=$(cd "$(dirname "$0")" && pwd)
table=
if [ "${1:-}" = --table ]; then
    table=--table
    shift
fi
kelp=${1:-$here/../../build/kelp}
[ $# -gt 0 ] && shift
case $kelp in /*) ;; *) kelp=$PWD/$kelp ;; esac
if [ ! -x "$kelp" ]; then
    echo "promises: there is no program $kelp" >&2
    exit 2
fi
if [ -n "${KELP_SCRIPTS:-}" ]; then
    PROMISES_SCRIPTS=$KELP_SCRIPTS
    export PROMISES_SCRIPTS
fi
unset KELP_SCRIPTS

PROMISES_FOLDER=$(mktemp -d) || exit 2
export PROMISES_FOLDER
trap 'rm -rf "$PROMISES_FOLDER"' EXIT
trap 'exit 130' INT TERM

"$kelp" --no-journal "$here/row.lua" >"$PROMISES_FOLDER/rows" || exit 2
PROMISES_ROWS=$(wc -l <"$PROMISES_FOLDER/rows")
export PROMISES_ROWS
[ $# -eq 0 ] || printf '%s\n' "$@" >"$PROMISES_FOLDER/rows"
# A row that does not end leaves no result, which the report counts.
xargs -P "${PROMISES_PARALLEL:-4}" -n 1 timeout -k 5 120 "$kelp" --no-journal "$here/row.lua" \
    <"$PROMISES_FOLDER/rows"
"$kelp" --no-journal "$here/report.lua" $table
