# run.sh [KELP] [ROW…]: kelp against everything that can go wrong between it and a provider: a line
# for each row of the table (rows.lua), then the count. Talks to loopback only.
set -u
here=$(cd "$(dirname "$0")" && pwd)
kelp=${1:-$here/../../build/kelp}
[ $# -gt 0 ] && shift
case $kelp in /*) ;; *) kelp=$PWD/$kelp ;; esac
if [ ! -x "$kelp" ]; then
    echo "faults: there is no program $kelp" >&2
    exit 2
fi

FAULTS_FOLDER=$(mktemp -d) || exit 2
export FAULTS_FOLDER
trap 'rm -rf "$FAULTS_FOLDER"' EXIT
trap 'exit 130' INT TERM

if ! sh "$here/build.sh" "$FAULTS_FOLDER"; then
    echo "faults: the proxy cannot be built" >&2
    exit 2
fi

"$kelp" "$here/row.lua" >"$FAULTS_FOLDER/rows" || exit 2
[ $# -eq 0 ] || printf '%s\n' "$@" >"$FAULTS_FOLDER/rows"
xargs -P "${FAULTS_PARALLEL:-4}" -n 1 "$kelp" "$here/row.lua" <"$FAULTS_FOLDER/rows"

passed=0 failed=0 skipped=0 missing=0
while read -r row; do
    case $(cat "$FAULTS_FOLDER/$row.result" 2>/dev/null) in
    ok) passed=$((passed + 1)) ;;
    FAILED) failed=$((failed + 1)) ;;
    skipped) skipped=$((skipped + 1)) ;;
    *) missing=$((missing + 1)) && echo "$row did not end" ;;
    esac
done <"$FAULTS_FOLDER/rows"
echo "$passed passed, $((failed + missing)) failed, $skipped skipped"
[ $((failed + missing)) -eq 0 ]
