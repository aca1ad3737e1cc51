#!/bin/sh
# bench.sh [BUILD [COUNT]]: a bulk job on COUNT (300) connectors of a real worker, a FileStreamSink
# with one task each: update all, restart all, list, delete all; with kelp, with curl and jq in a
# shell loop, and with Python requests. Wall time, CPU time of the client with its children, and the
# most memory of one of its processes. Python runs under $PYTHON (python3).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
kelp=$(cd "${1:-$here/../../build}" && pwd)/kelp
count=${2:-300}
. "$here/kafka.sh"
KAFKA_OLD_VERSIONS= # it measures the current one

work=$(mktemp -d)
trap 'kafka_stop; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

fail() {
    kafka_show_logs >&2
    echo "bench: $*" >&2
    exit 1
}

reason=$(kafka_why_not)
if [ -n "$reason" ]; then
    echo "bench: skipped: $reason"
    exit 0
fi
kafka_fetch || fail "Kafka cannot be fetched from Maven Central"
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
export XDG_STATE_HOME="$work/state" XDG_CONFIG_HOME="$work/config"
"${CC:-cc}" -std=gnu17 -O2 -D_GNU_SOURCE -o "$work/measure" "$here/../bench/measure.c"
kafka_start_broker || fail "the broker did not start"
kafka_start_worker worker-1 || fail "the worker did not start"
mkdir "$work/files"

running() {
    curl -q -sf --noproxy '*' "$worker_address/connectors?expand=status" >"$work/list" &&
        [ "$(grep -o '"id":0,"state":"RUNNING"' "$work/list" | wc -l)" -eq "$count" ]
}

none() {
    [ "$(curl -q -sf --noproxy '*' "$worker_address/connectors")" = "[]" ]
}

# Makes the connectors; which way is the same for all clients, and is not measured.
make_all() {
    cat >"$work/make.lua" <<'LUA'
local kelp = require "kelp"
local url, folder, count = arg[1], arg[2], tonumber(arg[3])
local target, names = kelp.connect { url = url }, {}
for i = 1, count do names[i] = ("bulk-%03d"):format(i) end
local report = kelp.each(names, function(name)
  target:create(name, { ["connector.class"] = "org.apache.kafka.connect.file.FileStreamSinkConnector",
    topics = "bulk", file = folder .. "/" .. name, ["tasks.max"] = 1 })
end, { progress = false })
assert(report.done == count, tostring(report))
LUA
    "$kelp" --no-journal "$work/make.lua" "$worker_address" "$work/files" "$count" || fail "make.lua"
    wait_until "$worker_process" running || fail "not all connectors run"
}

# row TITLE PROGRAM ARGUMENT…
row() {
    title=$1
    shift
    make_all
    "$work/measure" "$@" "$worker_address" >"$work/row" || fail "$title failed"
    none || fail "$title has left connectors"
    awk -v title="$title" '{ printf "  %-22s %10.1f %10.2f %12.1f\n", title, $2 / 1e6, $3 / 1e6, $4 / 1024 }' \
        "$work/row"
}

echo "bulk: update, restart, list and delete $count connectors of a real Kafka Connect worker"
printf '  %-22s %10s %10s %12s\n' '' 'wall s' 'CPU s' 'peak MiB'
row kelp "$kelp" "$here/bench.lua"
if command -v jq >/dev/null; then
    row "curl and jq, a loop" sh "$here/bench_curl.sh"
else
    echo "  curl and jq: skipped, there is no jq"
fi
# A version manager's python3 is a shell script, whose time is not the client's.
python=$("${PYTHON:-python3}" -c 'import requests, sys; print(sys.executable)' 2>/dev/null) || python=
if [ -n "$python" ]; then
    row "Python requests" "$python" "$here/bench_requests.py"
else
    echo "  Python requests: skipped, not installed"
fi
