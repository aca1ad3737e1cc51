# compare.sh [KELP] [RUNS]: what becomes of a create whose answer is lost, cut or wrong, with kelp,
# with curl --retry and with Python's requests under urllib3's Retry, against the same simulator
# behind the same proxy; RUNS (10) of each fault. Prints Markdown tables. Takes some minutes, most
# of them curl's waits.
set -u
here=$(cd "$(dirname "$0")" && pwd)
kelp=${1:-$here/../../build/kelp}
runs=${2:-10}
case $kelp in /*) ;; *) kelp=$PWD/$kelp ;; esac

FAULTS_FOLDER=$(mktemp -d) || exit 2
export FAULTS_FOLDER
trap 'rm -rf "$FAULTS_FOLDER"' EXIT
trap 'exit 130' INT TERM
sh "$here/build.sh" "$FAULTS_FOLDER" || exit 2

"$kelp" "$here/compare.lua" >"$FAULTS_FOLDER/list" || exit 2
for needed in curl python3; do
    command -v $needed >/dev/null || echo "compare: $needed is missing; its row is left out" >&2
done
if ! python3 -c 'import requests' 2>/dev/null; then
    echo "compare: Python's requests is missing; its row is left out" >&2
    lacking=Python
fi
command -v curl >/dev/null || lacking="${lacking:-}curl"
paste -d '\t' - - - <"$FAULTS_FOLDER/list" | while IFS='	' read -r provider client fault; do
    case ${lacking:-} in *"${client%% *}"*) continue ;; esac
    printf '%s\n' "$provider" "$client" "$fault"
done | tr '\n' '\0' |
    xargs -0 -P 8 -n 3 "$kelp" "$here/compare.lua" "$runs" || exit 1
"$kelp" "$here/compare.lua" table
