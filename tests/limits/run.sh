#!/bin/sh
# limits/run.sh [KELP]: a bulk job of 1,000 requests against a server that takes 50 a second and
# answers 429 above that, over real HTTP and in real time: it must be done within 1.15 times the
# ideal time, with fewer than 2 % of the requests answered 429; and so when the limit halves in the
# middle. Closes with 'N passed, N failed'.
set -u
here=$(cd "$(dirname "$0")" && pwd)
kelp=${1:-$here/../../build/kelp}
work=$(mktemp -d)
trap 'exec 3>&-; wait; rm -rf "$work"' EXIT
passed=0 failed=0

# limit NAME IDEAL: IDEAL in seconds; what is left of the first second's burst is not deducted.
limit() {
    name=$1 ideal=$2
    rm -f "$work/alive" "$work/address"
    mkfifo "$work/alive" "$work/address"
    "$kelp" sim --port 0 --rate 50/s --exit-on-eof <"$work/alive" >"$work/address" &
    simulator=$!
    exec 3>"$work/alive" 4<"$work/address"
    read -r address <&4 || { echo "the simulator did not start"; exit 1; }
    url=$(echo "$address" | sed -n 's/.*"confluent":"\([^"]*\)".*/\1/p')
    seconds=$("$kelp" "$here/job.lua" "$url" "$name") || seconds=none
    counts=$(curl -sf "${url%/confluent}/_simulator/requests")
    exec 3>&-
    wait "$simulator"
    done_=$(echo "$counts" | sed -n 's/.*pause":\([0-9]*\).*/\1/p')
    refused=$(echo "$counts" | sed -n 's/.*(rate limited)":\([0-9]*\).*/\1/p')
    verdict=$(awk -v s="$seconds" -v i="$ideal" -v d="${done_:-0}" -v r="${refused:-0}" 'BEGIN {
        good = s + 0 > 0 && s <= 1.15 * i && d == 1000 && r < 0.02 * (d + r)
        printf "%s s, ideal %s s (%.2f), %d done, %d answered 429 (%.1f %%)", s, i, s / i, d, r,
            100 * r / (d + r + (d + r == 0))
        exit !good }')
    if [ $? -eq 0 ]; then
        echo "ok      $name: $verdict"
        passed=$((passed + 1))
    else
        echo "FAILED  $name: $verdict"
        failed=$((failed + 1))
    fi
}

limit steady 20
limit halved 30
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
