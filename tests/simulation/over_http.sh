#!/bin/sh
# What --faults, --lag and --seed do over real HTTP: sh over_http.sh KELP
# Prints a word for each check, and on standard error what was wrong.
set -u
kelp=$1
work=$(mktemp -d) || exit 2
trap 'exec 3>&-; rm -rf "$work"' EXIT
place=upstash/v2/kafka
cluster=7568431c-88d5-4409-a808-2167f22a7133
connector=431ec970-b59d-4b00-95fe-5f3abcc52c2f

# start OPTION…: a simulator of its own, which ends when descriptor 3 is closed.
start() {
  rm -f "$work/in" "$work/out"
  mkfifo "$work/in" "$work/out"
  "$kelp" sim --port 0 --exit-on-eof "$@" < "$work/in" > "$work/out" &
  simulator=$!
  exec 3> "$work/in"
  read -r line < "$work/out"
  url=$(echo "$line" | sed 's/.*"url":"\([^"]*\)".*/\1/')
}

stop() {
  exec 3>&-
  wait "$simulator"
}

# ask METHOD PATH: the status, and curl's exit code.
ask() {
  curl -s -m 10 -u a:b -o "$work/body" -w '%{http_code}' -X "$1" "$url/$2"
  printf ' %s' $?
}

effects() { curl -s -m 10 "$url/_simulator/effects" | grep -c '"verb"'; }

check() {
  if [ "$2" = "$3" ]; then
    echo ok
  else
    echo wrong
    echo "over HTTP: $1: expected '$3', got '$2'" >&2
  fi
}

start --faults write/drop=1
check "drop: closed" "$(ask POST $place/connector/$connector/pause)" "000 52"
check "drop: done" "$(effects)" 1
stop

start --faults write/lose=1
check "lose: closed" "$(ask POST $place/connector/$connector/pause)" "000 52"
check "lose: not done" "$(effects)" 0
stop

cat > "$work/faults.json" <<'END'
{"script": [{"method": "GET", "path": "connectors", "after": 1, "fault": "cut"},
            {"method": "POST", "fault": "500+"}, {"method": "POST", "fault": "429:7"}]}
END
start --faults "$work/faults.json"
check "script: spared" "$(ask GET $place/connectors/$cluster)" "200 0"
check "script: cut" "$(ask GET $place/connectors/$cluster)" "200 18"
check "script: once" "$(ask GET $place/connectors/$cluster)" "200 0"
check "script: 500 after" "$(ask POST $place/connector/$connector/pause)" "500 0"
check "script: done all the same" "$(effects)" 1
check "script: 429" "$(ask POST $place/connector/$connector/pause)" "429 0"
stop

start --faults late:0.2=1
check "late: 504" "$(ask POST $place/connector/$connector/pause)" "504 0"
check "late: not yet" "$(effects)" 0
tries=0
while [ "$(effects)" = 0 ] && [ $tries -lt 1000 ]; do tries=$((tries + 1)); done
check "late: then done" "$(effects)" 1
stop

start --lag 3600
check "lag: written" "$(ask POST $place/connector/$connector/pause)" "200 0"
ask GET $place/connector/$connector > "$work/status"
check "lag: not shown" "$(grep -c '"state":"running"' "$work/body")" 1
check "lag: true" "$(effects)" 1
stop

for run in 1 2; do
  start --seed 17 --faults 503=0.5
  for n in 1 2 3 4 5 6 7 8; do ask GET $place/connectors/$cluster; done > "$work/run.$run"
  stop
done
check "seed: the same again" "$(cat "$work/run.2")" "$(cat "$work/run.1")"
check "seed: of both kinds" "$(grep -c 503 "$work/run.1")$(grep -c 200 "$work/run.1")" 11
