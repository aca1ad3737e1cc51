#!/bin/sh
# Measures kelp beside raw libcurl and what people would write instead: the same
# exchanges with the same server in one run on one machine, in turns, medians.
#
#   run.sh [--check] [KELP [WORKLOAD...]]
#
# KELP is the program to measure (build/kelp; a Release build). Workloads, all
# unless some are named: update many slow long tls list startup journal. --check: exit 1
# when an aim is missed. Apart, because it takes minutes: kafka, a bulk job on 300
# connectors of a real worker, beside curl and jq and Python requests
# (tests/connect/bench.sh; KAFKA_CONNECTORS=N for another number). The Python clients run under $PYTHON (python3).
#
# CPU time is user and system time of the client's process from its start to its
# end, over the number of operations. All but raw libcurl encode the config and
# decode the answer of each operation; raw libcurl sends ready bytes and keeps
# the answer's bytes.
set -eu
LC_ALL=C
export LC_ALL

# What --check asks for: in WORKLOAD, the median FIGURE of CLIENT is at most MOST
# times that of OTHER.
aims='
update   cpu  kelp raw  1.6
many     cpu  kelp raw  1.6
many     cpu  kelp go   0.6
many     peak kelp raw  1.5
slow     wall kelp raw  1.05
list     cpu  kelp go   1.0
list     peak kelp go   1.0
journal  cpu  kelp go   1.0
startup  wall kelp curl 1.0
'

repeats=${BENCH_REPEATS:-3}
journals= # the folder of the workload that records
startups=50
not_offered=77 # what update.lua answers when this kelp has no kelp.each

here=$(cd "$(dirname "$0")" && pwd)
connector=00000000-0000-4000-8000-000000000000
config=$here/config.json

check=no
if [ "${1:-}" = --check ]; then
  check=yes
  shift
fi
kelp=${1:-$here/../../build/kelp}
[ $# -eq 0 ] || shift
workloads=${*:-update many slow long tls list startup journal}

fail() {
  echo "run.sh: $*" >&2
  exit 1
}

[ -x "$kelp" ] || fail "there is no program $kelp (build it first, or name it)"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

# The clients get the same credentials, no proxy, and a home that is nobody's.
UPSTASH_EMAIL=bench@example.com
UPSTASH_API_KEY=not-a-real-key
XDG_STATE_HOME=$work/state
XDG_CONFIG_HOME=$work/config
export UPSTASH_EMAIL UPSTASH_API_KEY XDG_STATE_HOME XDG_CONFIG_HOME
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY

# ---- the clients ----

build() {
  for part in server measure raw_client; do
    libraries=
    [ $part != raw_client ] || libraries=$(pkg-config --cflags --libs libcurl)
    # shellcheck disable=SC2086
    "${CC:-cc}" -std=gnu17 -O2 -D_GNU_SOURCE -o "$work/$part" "$here/$part.c" $libraries
  done
}

# A version manager's python3 is a shell script, whose time is not the client's.
find_python() {
  python=$("${PYTHON:-python3}" -c 'import sys; print(sys.executable)' 2>/dev/null) || python=
}

# Prints why a client cannot run here; nothing when it can.
why_not() {
  case $1 in
  go)
    if ! command -v go >/dev/null; then
      echo "not installed"
    elif [ ! -x "$work/go_client" ]; then
      go build -o "$work/go_client" "$here/go_client/main.go"
    fi ;;
  requests | aiohttp)
    if [ -z "$python" ] || ! "$python" -c "import $1" 2>/dev/null; then
      echo "not installed"
    fi ;;
  esac
}

title() {
  case $1 in
  raw) echo "raw libcurl" ;;
  go) echo "Go net/http" ;;
  requests | aiohttp) echo "Python $1" ;;
  curl) echo "curl --version" ;;
  *) echo "$1" ;;
  esac
}

# ---- the server ----

start_server() {
  rm -f "$work/in" "$work/out"
  mkfifo "$work/in" "$work/out"
  "$work/server" "$@" <"$work/in" >"$work/out" &
  server=$!
  exec 3>"$work/in" # it ends when this does
  read -r port <"$work/out" || fail "the server did not start"
  base=http://127.0.0.1:$port/v2/kafka
}

stop_server() {
  exec 3>&-
  wait "$server" || fail "the server failed"
}

# nginx in front of the server, with TLS and HTTP/2 and a certificate that only
# this run trusts. Its port is one that the kernel has just given and got again.
start_nginx() {
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
    -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null || fail "openssl failed"
  start_server --delay 0
  tls_port=$port
  stop_server
  start_server --delay 0
  cat >"$work/nginx.conf" <<END
worker_processes 1;
error_log $work/nginx.log warn;
pid $work/nginx.pid;
daemon off;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path $work/nginx-body;
  proxy_temp_path $work/nginx-proxy;
  fastcgi_temp_path $work/nginx-fastcgi;
  uwsgi_temp_path $work/nginx-uwsgi;
  scgi_temp_path $work/nginx-scgi;
  upstream server { server 127.0.0.1:$port; keepalive 64; }
  server {
    listen 127.0.0.1:$tls_port ssl http2;
    ssl_certificate $work/cert.pem;
    ssl_certificate_key $work/key.pem;
    keepalive_requests 1000000;
    location / {
      proxy_pass http://server;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
END
  nginx -p "$work" -c "$work/nginx.conf" 2>"$work/nginx.err" &
  nginx=$!
  base=https://localhost:$tls_port/v2/kafka
  BENCH_CA=$work/cert.pem
  SSL_CERT_FILE=$BENCH_CA REQUESTS_CA_BUNDLE=$BENCH_CA
  export BENCH_CA SSL_CERT_FILE REQUESTS_CA_BUNDLE
  until curl -fsS --cacert "$BENCH_CA" -o "$work/warm" "https://localhost:$tls_port/counts" 2>/dev/null; do
    kill -0 $nginx 2>/dev/null || fail "nginx did not start: $(cat "$work/nginx.err")"
  done
}

stop_nginx() {
  kill $nginx
  wait $nginx || true
  unset BENCH_CA SSL_CERT_FILE REQUESTS_CA_BUNDLE
  stop_server
}

# "UPDATES BYTES", as the server counted them.
counts() {
  curl -fsS "http://127.0.0.1:$port/counts"
}

# ---- measuring ----

# Runs a command once and notes its row: wall µs, CPU µs, peak KiB.
measure() {
  rows=$1
  shift
  "$work/measure" "$@" 3>&- >"$work/row" || fail "$rows: the client failed"
  cut -d ' ' -f 2- "$work/row" >>"$work/$rows"
}

# The server must have seen as many updates as there should be, each with the
# bytes of the config: a client that does less is not the faster one.
update() {
  client=$1 operations=$2 concurrency=$3 workload=$4
  set -- $(counts)
  updates=$1 bytes=$2
  case $client in
  raw) set -- "$work/raw_client" "$base/update-connector/$connector" "$operations" \
    "$concurrency" "$config" ;;
  kelp)
    # A journal of its own for each run, or none.
    journal=--no-journal
    [ -z "$journals" ] || journal=--journal=$journals/$(ls "$journals" | wc -l).db
    set -- "$kelp" "$journal" "$here/update.lua" "$base" "$operations" "$concurrency" "$config"
    ;;
  go) set -- "$work/go_client" update "$base" "$connector" "$operations" "$concurrency" \
    "$config" ;;
  *) set -- "$python" "$here/${client}_client.py" update "$base" "$connector" "$operations" \
    "$concurrency" "$config" ;;
  esac
  measure "$workload.$client" "$@"
  set -- $(counts)
  [ $(($1 - updates)) -eq "$operations" ] ||
    fail "$client sent $(($1 - updates)) updates instead of $operations"
  [ $(($2 - bytes)) -eq $((operations * config_size)) ] ||
    fail "$client sent $(($2 - bytes)) bytes instead of $operations times $config_size"
}

list() {
  client=$1 expected=$2 workload=$3
  case $client in
  raw) set -- "$work/raw_client" "$base/connectors/bench" 1 1 ;;
  kelp) set -- "$kelp" "$here/list.lua" "$base" "$expected" ;;
  go) set -- "$work/go_client" list "$base" "$expected" ;;
  *) set -- "$python" "$here/${client}_client.py" list "$base" "$expected" ;;
  esac
  measure "$workload.$client" "$@"
}

# ---- the tables ----

# The median of one figure of a client's rows in a workload: wall, cpu or peak.
median() {
  case $3 in wall) column=1 ;; cpu) column=2 ;; *) column=3 ;; esac
  sort -n -k "$column,$column" "$work/$1.$2" | awk -v c="$column" '
    { v[NR] = $c }
    END { print (NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2) }'
}

# The ratio of a figure between two clients; nothing when one was not measured.
ratio() {
  [ -s "$work/$1.$3" ] && [ -s "$work/$1.$4" ] || return 0
  awk -v a="$(median "$1" "$3" "$2")" -v b="$(median "$1" "$4" "$2")" \
    'BEGIN { printf "%.2f", a / b }'
}

table() {
  workload=$1 operations=$2
  shift 2
  printf '  %-16s %14s %12s %14s\n' '' 'CPU µs/op ' 'op/s' 'peak MiB'
  for client; do
    printf '  %-16s ' "$(title "$client")"
    if [ -f "$work/$workload.$client.skipped" ]; then
      echo "skipped: $(cat "$work/$workload.$client.skipped")"
    else
      awk -v wall="$(median "$workload" "$client" wall)" -v n="$operations" \
        -v cpu="$(median "$workload" "$client" cpu)" \
        -v peak="$(median "$workload" "$client" peak)" \
        'BEGIN { printf "%13.1f %12.1f %14.1f\n", cpu / n, n * 1e6 / wall, peak / 1024 }'
    fi
  done
  for other in raw go; do
    of=$(ratio "$workload" cpu kelp $other)
    [ -z "$of" ] || echo "  CPU kelp / $(title $other): $of"
  done
}

# Runs the clients of a workload in turns: times, then a function of the client,
# then its arguments after the client's name.
take_turns() {
  times=$1 workload=$2 clients=$3 action=$4
  shift 4
  runnable=
  for client in $clients; do
    why_not "$client" >"$work/why"
    if [ -s "$work/why" ]; then
      cp "$work/why" "$work/$workload.$client.skipped"
    else
      runnable="$runnable $client"
    fi
  done
  turn=0
  while [ $turn -lt "$times" ]; do
    for client in $runnable; do
      "$action" "$client" "$@" "$workload"
    done
    turn=$((turn + 1))
  done
}

# Updates at a concurrency: NAME TIMES OPERATIONS CONCURRENCY DELAY CLIENTS.
updates() {
  name=$1 times=$2 operations=$3 concurrency=$4 delay=$5 clients=$6
  printf '%s: %s updates of 20 keys, %s at a time' "$name" "$operations" "$concurrency"
  [ "$delay" -eq 0 ] || printf ', server answers after %s ms' "$delay"
  printf ' (median of %s)\n' "$times"
  start_server --delay "$delay"
  offered=0
  "$kelp" --no-journal "$here/update.lua" "$base" 0 "$concurrency" "$config" || offered=$?
  if [ "$offered" -eq "$not_offered" ]; then
    echo "  skipped: this kelp has no kelp.each"
  else
    [ "$offered" -eq 0 ] || fail "kelp cannot run update.lua"
    take_turns "$times" "$name" "$clients" update "$operations" "$concurrency"
    # shellcheck disable=SC2086
    table "$name" "$operations" $clients
  fi
  stop_server
  echo
}

# The workload many over TLS and HTTP/2.
updates_tls() {
  echo "tls: 5000 updates of 20 keys, 32 at a time, TLS and HTTP/2 (median of $repeats)"
  if ! command -v nginx >/dev/null || ! command -v openssl >/dev/null; then
    echo "  skipped: nginx or openssl is not installed"
    echo
    return
  fi
  start_nginx
  take_turns $repeats tls "raw kelp go" update 5000 32
  table tls 5000 raw kelp go
  stop_nginx
  echo
}

# The workload many with every update recorded on disk; Go records nothing.
updates_recorded() {
  journals=$work/journals
  mkdir "$journals"
  updates journal $repeats 5000 32 0 "kelp go"
  set -- "$journals"/*.db
  echo "journal: $(wc -c <"$1" | awk '{ printf "%.0f", $1 / 5000 }') bytes an operation"
  journals=
  echo
}

lists() {
  echo "list: 10000 connectors of 1.6 kB, pick the failed ones (median of $repeats; op: one list)"
  start_server --connectors 10000
  take_turns "$repeats" list "raw kelp go requests aiohttp" list 1000
  table list 1 raw kelp go requests aiohttp
  stop_server
  echo
}

startup() {
  echo "startup: from nothing to exit (median of $startups, in turns)"
  "$work/measure" -n "$startups" "$kelp" -e "" -- curl --version 3>&- >"$work/rows" ||
    fail "a program did not start"
  grep '^1 ' "$work/rows" | cut -d ' ' -f 2- >"$work/startup.kelp"
  grep '^2 ' "$work/rows" | cut -d ' ' -f 2- >"$work/startup.curl"
  printf '  %-16s %13s %12s %14s\n' '' 'wall ms' 'CPU ms' 'peak MiB'
  for program in kelp curl; do
    awk -v name="$(title $program)" -v wall="$(median startup $program wall)" \
      -v cpu="$(median startup $program cpu)" -v peak="$(median startup $program peak)" \
      'BEGIN { printf "  %-16s ", name
               printf "%13.2f %12.2f %14.1f\n", wall / 1000, cpu / 1000, peak / 1024 }'
  done
  echo "  wall kelp / curl: $(ratio startup wall kelp curl)"
  echo
}

# How much more memory twenty times as many operations need.
flatness() {
  [ -s "$work/long.kelp" ] && [ -s "$work/many.kelp" ] || return 0
  awk -v a="$(median long kelp peak)" -v b="$(median many kelp peak)" \
    'BEGIN { printf "memory: kelp'\''s peak is %.2f of that of the workload many\n\n", a / b }'
}

check_aims() {
  missed=0
  while read -r workload figure client other most; do
    # Of what was not asked for there is nothing to say.
    case " $workloads " in *" ${workload:-?} "*) ;; *) continue ;; esac
    of=$(ratio "$workload" "$figure" "$client" "$other")
    verdict=$(awk -v of="$of" -v most="$most" \
      'BEGIN { print (of == "" ? "not measured" : of <= most + 0 ? "met" : "MISSED") }')
    echo "aim: $workload, $figure $client / $other at most $most: ${of:--}, $verdict"
    [ "$verdict" = met ] || missed=1
  done <<END
$aims
END
  return $missed
}

build
find_python
config_size=$(($(wc -c <"$config") - 1)) # without its line's end
all="raw kelp go requests aiohttp"
for workload in $workloads; do
  case $workload in
  update) updates update $repeats 5000 1 0 "$all" ;;
  many) updates many $repeats 5000 32 0 "$all" ;;
  slow) updates slow $repeats 5000 64 20 "$all" ;;
  long) updates long 1 100000 32 0 "raw kelp go" ;;
  tls) updates_tls ;;
  list) lists ;;
  startup) startup ;;
  journal) updates_recorded ;;
  kafka) sh "$here/../connect/bench.sh" "$(dirname "$kelp")" "${KAFKA_CONNECTORS:-300}" ;;
  *) fail "there is no workload $workload" ;;
  esac
done
flatness
verdict=0
check_aims || verdict=1
[ $check = yes ] || verdict=0
exit $verdict
