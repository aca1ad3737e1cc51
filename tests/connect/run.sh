#!/bin/sh
# run.sh [BUILD [PATTERN]]: kelp, as built in the folder BUILD (build), against a real Apache Kafka
# Connect, directly and through a gateway that looks like Confluent Cloud's. PATTERN: only tests
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
tests=
finish() {
    [ -z "$tests" ] || { kill "$tests" && wait "$tests"; }
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
gateway_start "$worker_address" || broken "nginx did not start"
echo "connect: up after $(($(date +%s) - start)) s:" $(
    for one in $kafka_processes; do
        ps -o rss= -p "$one"
    done | awk '{ printf "%d MB ", $1 / 1024 }')

mkdir "$work/files"
export CONNECT_FOLDER="$work" CONNECT_WORKERS="$worker_address" CONNECT_BROKER="$kafka_address"
export CONNECT_PID_1="$worker_process" GATEWAY_USER GATEWAY_PASSWORD
export GATEWAY_GOOD="$gateway_good" GATEWAY_WRONG_HOST="$gateway_wrong_host"
export GATEWAY_EXPIRED="$gateway_expired"
CONNECT_DEAD=http://127.0.0.1:$(free_port)
export CONNECT_DEAD

code=0
suites() {
    # Not in the foreground: a signal shall not have to wait for the tests.
    timeout -k 10 600 "$kelp" --log "${CONNECT_LOG:-notice}" "$here/run.lua" "$@" </dev/null >>"$work/results" 2>&1 &
    tests=$!
    wait $tests
    result=$?
    tests=
    case $result in
    0) ;;
    124 | 137)
        echo "connect: not done after 600 s: 0 passed, 1 failed" >>"$work/results"
        code=1
        ;;
    *) code=1 ;;
    esac
}
suites "lifecycle scenarios differential migration confluent" "$@"
kafka_start_worker worker-2 || broken "a second worker did not start"
export CONNECT_WORKERS="$CONNECT_WORKERS $worker_address" CONNECT_PID_2="$worker_process"
suites "bulk" "$@"
[ $code -eq 0 ] || kafka_show_logs
cat "$work/results"
[ $code -ne 0 ] || grep -q " passed, " "$work/results" || broken "no test matches $*"
exit $code
