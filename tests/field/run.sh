#!/bin/sh
# run.sh [KELP [PATTERN]]: what somebody met in real life, a row for each, with the right value
# (rows/*.lua). Ids that match the shell pattern only, when there is one ("A*"). Rows that are listed
# in pending.txt (ID reason) are known to fail: they count as skipped, and one that passes is a
# failure, so that the list can only shrink. A line for each row, what was wrong below it, then the
# count. KELP_FIELD_VERBOSE=1 shows what is wrong with pending rows too. Talks to loopback only.
set -u
here=$(cd "$(dirname "$0")" && pwd)
kelp=${1:-$here/../../build/kelp}
pattern=${2:-*}
case $kelp in /*) ;; *) kelp=$PWD/$kelp ;; esac
if [ ! -x "$kelp" ]; then
    echo "field: there is no program $kelp" >&2
    exit 2
fi

FIELD_FOLDER=$(mktemp -d) || exit 2
export FIELD_FOLDER
trap 'rm -rf "$FIELD_FOLDER"' EXIT
trap 'exit 130' INT TERM
# What rows leave behind goes there as well.
TMPDIR=$FIELD_FOLDER XDG_STATE_HOME=$FIELD_FOLDER/state
export TMPDIR XDG_STATE_HOME

cc="${CC:-cc} -std=gnu17 -O1 -g -Wall -Wextra -Werror -pthread"
if ! $cc $(pkg-config --cflags lua5.4) -o "$FIELD_FOLDER/server" "$here/server.c" \
    "$here/../faults/wire.c" $(pkg-config --libs lua5.4) ||
    ! $cc $(pkg-config --cflags sqlite3) -o "$FIELD_FOLDER/columns" "$here/columns.c" \
        $(pkg-config --libs sqlite3) ||
    ! $cc -shared -fPIC -o "$FIELD_FOLDER/preload.so" "$here/../faults/preload.c" -ldl ||
    ! $cc -shared -fPIC -o "$FIELD_FOLDER/fast.so" "$here/fast.c"; then
    echo "field: the server and the libraries cannot be built" >&2
    exit 2
fi

"$kelp" --no-journal "$here/row.lua" >"$FIELD_FOLDER/all" || exit 2
while read -r id; do
    case $id in $pattern) echo "$id" ;; esac
done <"$FIELD_FOLDER/all" >"$FIELD_FOLDER/rows"

xargs -P "${FIELD_PARALLEL:-4}" -n 1 timeout -s KILL 60 "$kelp" --no-journal "$here/row.lua" \
    <"$FIELD_FOLDER/rows" >"$FIELD_FOLDER/noise" 2>&1

passed=0 failed=0 skipped=0
# Not failed, not passed: prints the row's line under another word.
count_pending() {
    skipped=$((skipped + 1))
    sed '1s/^FAILED /pending/' "$FIELD_FOLDER/$1.text" |
        if [ "${KELP_FIELD_VERBOSE:-}" ]; then cat; else head -n 1; fi
}
while read -r id; do
    result=$(cat "$FIELD_FOLDER/$id.result" 2>/dev/null)
    reason=$(sed -n "s/^$id  *//p" "$here/pending.txt")
    case $result,$reason in
    ok,) passed=$((passed + 1)) && cat "$FIELD_FOLDER/$id.text" ;;
    ok,*) failed=$((failed + 1)) && echo "FAILED  $id passes now: remove it from pending.txt" ;;
    skipped,*) skipped=$((skipped + 1)) && cat "$FIELD_FOLDER/$id.text" ;;
    FAILED,) failed=$((failed + 1)) && cat "$FIELD_FOLDER/$id.text" ;;
    FAILED,*) count_pending "$id" ;;
    *) failed=$((failed + 1)) && echo "FAILED  $id did not end" ;;
    esac
done <"$FIELD_FOLDER/rows"
# A listed id that is not in the table.
while read -r id _; do
    [ -z "$id" ] || grep -qxF "$id" "$FIELD_FOLDER/all" ||
        { failed=$((failed + 1)) && echo "FAILED  $id of pending.txt is no row"; }
done <"$here/pending.txt"
[ "$failed" -eq 0 ] || sed 's/^/field: /' "$FIELD_FOLDER/noise" >&2
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
