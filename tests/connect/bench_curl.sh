#!/bin/sh
# The bulk job of bench.sh as a shell loop: bench_curl.sh URL. A change is a read and a write, since
# not every worker has PATCH, and what a busy worker refuses (409, 500) is sent again.
set -eu
url=$1

ask() { curl -q -sf --noproxy '*' --retry 20 --retry-all-errors --retry-delay 1 "$@"; }

names() { ask "$url/connectors" | jq -r '.[] | @uri'; }

for name in $(names); do
    ask "$url/connectors/$name/config" | jq -c '. + {"errors.tolerance": "all"}' |
        ask -X PUT -H 'Content-Type: application/json' --data-binary @- \
            "$url/connectors/$name/config" >/dev/null
done
for name in $(names); do
    ask -X POST "$url/connectors/$name/restart" >/dev/null
done
ask "$url/connectors?expand=info&expand=status" |
    jq -e 'all(.info.config["errors.tolerance"] == "all")' >/dev/null
for name in $(names); do
    ask -X DELETE "$url/connectors/$name" >/dev/null
done
