#!/bin/sh
# run.sh [--all | --sample] [--seed N] [BUILD] [PART…]: kelp killed with SIGKILL wherever it could
# matter, and resumed until its job is done (sweep.lua). A line for each part, then the count of
# parts and of kills. --all: a job of 200 at every single point too, which takes hours. --sample: at
# each kind of call, and some more, in less than a minute. Talks to loopback only.
#
# KELP_ARTEFACTS=FOLDER: logs at the highest level, and what kelp leaves behind is kept there.
set -u
here=$(cd "$(dirname "$0")" && pwd)
KILL_ALL=0 KILL_SAMPLE=0 KILL_SEED=1 promised=500
while :; do
    case ${1:-} in
    --all) KILL_ALL=1 ;;
    --sample) KILL_SAMPLE=1 promised=100 ;;
    --seed)
        shift
        KILL_SEED=${1:?}
        ;;
    *) break ;;
    esac
    shift
done
export KILL_ALL KILL_SAMPLE KILL_SEED
build=${1:-$here/../../build}
[ $# -gt 0 ] && shift
kelp=$build/kelp
case $kelp in /*) ;; *) kelp=$PWD/$kelp ;; esac
if [ ! -x "$kelp" ]; then
    echo "kill: there is no program $kelp" >&2
    exit 2
fi

FAULTS_FOLDER=$(mktemp -d) || exit 2
export FAULTS_FOLDER
trap 'rm -rf "$FAULTS_FOLDER"' EXIT
trap 'exit 130' INT TERM

if ! sh "$here/../faults/build.sh" "$FAULTS_FOLDER" small; then
    echo "kill: what it needs cannot be built" >&2
    exit 2
fi

"$kelp" "$here/sweep.lua" >"$FAULTS_FOLDER/parts" || exit 2
[ $# -eq 0 ] || printf '%s\n' "$@" >"$FAULTS_FOLDER/parts"
# Mostly it waits: for the disk, and for what is ambiguous to show.
xargs -P "${KILL_PARALLEL:-8}" -n 1 "$kelp" "$here/sweep.lua" <"$FAULTS_FOLDER/parts"

passed=0 failed=0 kills=0 resumed=0
while read -r part; do
    state=missing k=0 r=0
    [ ! -f "$FAULTS_FOLDER/$part.result" ] || read -r state k r <"$FAULTS_FOLDER/$part.result"
    case $state in
    ok) passed=$((passed + 1)) ;;
    FAILED) failed=$((failed + 1)) ;;
    *) failed=$((failed + 1)) && echo "$part did not end" ;;
    esac
    kills=$((kills + k)) resumed=$((resumed + r))
done <"$FAULTS_FOLDER/parts"
if [ $# -eq 0 ] && [ "$kills" -lt "$promised" ]; then
    failed=$((failed + 1)) && echo "only $kills kills: $promised are promised"
fi
echo "$kills kills, $resumed of them resumed"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
