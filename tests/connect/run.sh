#!/bin/sh
# run.sh [BUILD [PATTERN]]: kelp, as built in the folder BUILD (build), against a real Apache Kafka
# Connect of the current and of older versions, directly and through a gateway that looks like
# Confluent Cloud's. What is known to fail is listed in pending.txt. PATTERN: only tests
# whose name (suite:Class.test) matches this Lua pattern. Where there can be no Kafka it says why,
# and that is no failure. CONNECT_KEEP=1: the folder with all logs stays; CONNECT_LOG: kelp's level.
# Talks to loopback only, but for the first run, which fetches Kafka.
set -u
here=$(cd "$(dirname "$0")" && pwd)
build=${1:-$here/../../build}
[ $# -eq 0 ] || shift
kelp=$(cd "$build" 2>/dev/null && pwd)/kelp
if [ ! -x "$kelp" ]; then
    echo "connect: there is no program $build/kelp" >&2
    exit 2
fi
. "$here/kafka.sh"
. "$here/gateway.sh"

work=$(mktemp -d) || exit 2
tests= running=
finish() {
    for one in $tests; do
        kill "$one" && wait "$one"
    done
    gateway_stop
    kafka_stop
    if [ -n "${CONNECT_KEEP:-}" ]; then
        echo "connect: kept $work"
    else
        rm -rf "$work"
    fi
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

skip() {
    echo "connect: skipped: $1"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
}

# broken WHAT: what should have worked did not.
broken() {
    kafka_show_logs
    echo "connect: $1"
    echo "0 passed, 1 failed"
    exit 1
}

reason=$(kafka_why_not)
[ -z "$reason" ] || skip "$reason"
reason=$(gateway_why_not)
[ -z "$reason" ] || skip "$reason"
if ! kafka_fetch; then
    kafka_show_logs >&2
    skip "Kafka cannot be fetched from Maven Central"
fi

# The user's own settings and accounts are not the tests' business.
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
unset KAFKA_CONNECT_URL KAFKA_CONNECT_BASIC_AUTH_USERNAME KAFKA_CONNECT_BASIC_AUTH_PASSWORD
unset CONFLUENT_CLOUD_API_KEY CONFLUENT_CLOUD_API_SECRET CONFLUENT_CLOUD_REST_ENDPOINT
# Runs are recorded; not where the user's own are.
export XDG_STATE_HOME="$work/state" XDG_CONFIG_HOME="$work/config"
start=$(date +%s)
kafka_start_broker || broken "the broker did not start"
kafka_start_worker worker-1 || broken "the worker did not start"
first_process=$worker_process
gateway_start "$worker_address" || broken "nginx did not start"
echo "connect: up after $(($(date +%s) - start)) s:" $(
    for one in $kafka_processes; do
        ps -o rss= -p "$one"
    done | awk '{ printf "%d MB ", $1 / 1024 }')

# The old workers come up while the first suites run.
old_workers=
for release in $KAFKA_OLD_VERSIONS; do
    kafka_launch_worker "worker-$release" "$release"
    old_workers="$old_workers $release,$worker_process"
done

mkdir "$work/files"
export CONNECT_FOLDER="$work" CONNECT_WORKERS="$worker_address" CONNECT_BROKER="$kafka_address"
export CONNECT_PID_1="$first_process" GATEWAY_USER GATEWAY_PASSWORD
export GATEWAY_GOOD="$gateway_good" GATEWAY_WRONG_HOST="$gateway_wrong_host"
export GATEWAY_EXPIRED="$gateway_expired"
CONNECT_DEAD=http://127.0.0.1:$(free_port)
export CONNECT_DEAD

code=0
# start_suites RESULTS OPTION "SUITE…" [PATTERN [CLASS]]: run.lua in the background, with an option of
# kelp ("": none); a signal shall not have to wait for the tests.
start_suites() {
    into=$1 option=$2
    shift 2
    timeout -k 10 600 "$kelp" ${option:+"$option"} --log "${CONNECT_LOG:-notice}" "$here/run.lua" "$@" \
        </dev/null >"$work/$into.results" 2>&1 &
    tests="$tests $!"
    running="$running $into"
}

# Waits for what start_suites has started.
await_suites() {
    while [ -n "$tests" ]; do
        set -- $tests
        wait "$1"
        result=$?
        shift
        tests="$*"
        set -- $running
        cat "$work/$1.results" >>"$work/results"
        case $result in
        0) ;;
        124 | 137)
            echo "connect: $1: not done after 600 s: 0 passed, 1 failed" >>"$work/results"
            code=1
            ;;
        *) code=1 ;;
        esac
        shift
        running="$*"
    done
}

# suites "SUITE…" [PATTERN]: to their end.
suites() {
    start_suites suites "" "$@"
    await_suites
}

suites "lifecycle scenarios differential migration confluent" "$@"
# VERSION,NAME,ADDRESS of each: its log is NAME.log.
CONNECT_VERSIONS=$(kafka_current),worker-1,$CONNECT_WORKERS
for old in $old_workers; do
    release=${old%%,*}
    kafka_await_worker "worker-$release" "${old##*,}" "$release" ||
        broken "the worker of version $release did not start"
    CONNECT_VERSIONS="$CONNECT_VERSIONS $release,worker-$release,$worker_address"
done
export CONNECT_VERSIONS
# At the same time, for they wait most of theirs. Without a journal: what is known to fail may leave
# an outcome that nobody knows, which is no failure of the run.
start_suites current --no-journal versions "${1:-}" Test_current
for release in $KAFKA_OLD_VERSIONS; do
    start_suites "$release" --no-journal versions "${1:-}" \
        "Test_$(echo "$release" | sed 's/^\([0-9]*\)\.\([0-9]*\).*/\1_\2/')"
done
await_suites
kafka_start_worker worker-2 || broken "a second worker did not start"
export CONNECT_WORKERS="$CONNECT_WORKERS $worker_address" CONNECT_PID_2="$worker_process"
suites "bulk" "$@"
[ $code -eq 0 ] || kafka_show_logs
cat "$work/results"
[ $code -ne 0 ] || grep -q " passed, " "$work/results" || broken "no test matches $*"
exit $code
