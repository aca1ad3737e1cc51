#!/bin/sh
# run.sh: builds kelp and runs every test, on a fresh Debian or Ubuntu as well as on a developer's
# machine: what is missing is installed first, what is there is not fetched.
#
#   tests/run.sh [--quick] [--fuzz-seconds N]
#
# --quick: checks, unit tests and Lua tests only. --fuzz-seconds N: for the fuzzers, which run at the
# same time (90, or FUZZ_SECONDS). A line for each stage with its time; the first that fails ends the
# run with its output. The last line counts the single tests: "N passed, N failed", and what was
# skipped.
set -u

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit 2
. scripts/packages.sh

quick=false
fuzz_seconds=${FUZZ_SECONDS:-90}
while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=true ;;
    --fuzz-seconds)
        fuzz_seconds=${2:-}
        shift
        ;;
    *)
        echo "usage: tests/run.sh [--quick] [--fuzz-seconds N]" >&2
        exit 2
        ;;
    esac
    shift
done
case $fuzz_seconds in
'' | *[!0-9]*)
    echo "run.sh: --fuzz-seconds: '$fuzz_seconds' is not a whole number" >&2
    exit 2
    ;;
esac

exec </dev/null
jobs=$(nproc 2>/dev/null || echo 2)
logs=$root/build/logs
mkdir -p "$logs" || exit 2

# The user's own settings and accounts are not the tests' business; what was fetched once is kept.
export XDG_CACHE_HOME="${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}"
folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM
export HOME="$folder" XDG_CONFIG_HOME="$folder/config" XDG_STATE_HOME="$folder/state"
unset KELP_SCRIPTS KELP_TORTURE LUA_PATH LUA_CPATH LUA_INIT http_proxy https_proxy all_proxy
unset CONFLUENT_CLOUD_API_KEY CONFLUENT_CLOUD_API_SECRET CONFLUENT_CLOUD_REST_ENDPOINT
unset UPSTASH_EMAIL UPSTASH_API_KEY UPSTASH_API_URL KAFKA_CONNECT_URL
unset KAFKA_CONNECT_BASIC_AUTH_USERNAME KAFKA_CONNECT_BASIC_AUTH_PASSWORD KELP_SEED KELP_SEEDS
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1

passed=0 failed=0 skipped=0

# Adds to the totals what a log tells: cmocka's summaries, and "N passed, N failed[, N skipped]".
count() {
    set -- $(awk '
        function number(pattern) { return match($0, pattern) ? substr($0, RSTART) + 0 : 0 }
        /\[  (PASSED|FAILED) +\] [0-9]+ test|\[  SKIPPED \] [0-9]+ test/ {
            n = number("[0-9]+ test")
            if (/PASSED/) p += n; else if (/FAILED/) f += n; else s += n
        }
        /[0-9]+ passed, [0-9]+ failed/ {
            p += number("[0-9]+ passed"); f += number("[0-9]+ failed"); s += number("[0-9]+ skipped")
        }
        END { print p + 0, f + 0, s + 0 }' "$1")
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
    counted=$(($1 + $2 + $3))
}

finish() {
    line="$passed passed, $failed failed"
    [ "$skipped" -eq 0 ] || line="$line, $skipped skipped"
    echo "$line"
    [ "$failed" -eq 0 ]
    exit
}

# stage KIND NAME COMMAND…: runs it. KIND "tests": its tests count, and there must be some; "again":
# it is one test, of all those again in another way; "step": it is none.
stage() {
    kind=$1 name=$2
    shift 2
    log=$logs/$(echo "$name" | tr ' /' '--').log
    start=$(date +%s)
    "$@" >"$log" 2>&1
    code=$?
    seconds=$(($(date +%s) - start))
    before=$failed counted=1
    case $kind in
    tests) count "$log" ;;
    again) [ $code -ne 0 ] || passed=$((passed + 1)) ;;
    esac
    if [ $code -eq 0 ] && [ "$counted" -gt 0 ] && [ "$failed" -eq "$before" ]; then
        printf '%-34s ok      %4d s\n' "$name" "$seconds"
        return
    fi
    printf '%-34s FAILED  %4d s (exit %d)\n' "$name" "$seconds" "$code"
    [ "$counted" -gt 0 ] || echo "it ran no test"
    tail -n 200 "$log"
    echo "--- the failures in $name:"
    grep -nE '\[ +(ERROR|LINE|FAILED) +\]|(^|[ |])FAILED|: error: |\(Failed\)' "$log" | tail -n 30
    [ "$failed" -gt "$before" ] || failed=$((failed + 1))
    finish
}

# ---- what the stages do; each command that might hang has a time limit ----

# Debian keeps clang's run-time libraries in a package of their own, Ubuntu does not always.
install_clang_runtime() {
    try='int LLVMFuzzerTestOneInput(const char *d, long n); '
    try="$try int LLVMFuzzerTestOneInput(const char *d, long n) { return !d && n; }"
    echo "$try" | clang -fsanitize=fuzzer,address -x c -o "$folder/try" - 2>/dev/null ||
        install_packages libclang-rt-dev
}

install_all() {
    install_packages $KELP_PACKAGES libcmocka-dev lua-unit curl openssl libssl-dev gzip || return
    "$quick" || { install_packages clang valgrind && install_clang_runtime && install_kafka; }
}

# A real Kafka runs where Java and Maven can be had; its tests say so where they cannot.
install_kafka() {
    java=openjdk-17-jre-headless
    ! command -v java >/dev/null || java=
    install_packages $java maven nginx jq || echo "Java, Maven or nginx could not be installed"
    return 0
}

# build FOLDER OPTION…: warnings are errors.
build() {
    into=$1
    shift
    cmake -S . -B "$into" -DKELP_TESTS=ON "$@" && cmake --build "$into" -j "$jobs"
}

lua_suites() {
    timeout -k 10 900 "$1/kelp" --no-journal tests/lua/run.lua
}

unit_tests() {
    ctest --test-dir "$1" -V --timeout 600
}

# Everything in BUILD under ASan and UBSan: the unit tests, then the Lua suites.
sanitized() {
    unit_tests build/asan && lua_suites build/asan
}

# The suites whose scripts run with --sim, where the simulator has a thread beside the script's. Those
# that interrupt a loop are not among them: ThreadSanitizer holds signals back while one runs.
threads_checked() {
    build build/tsan -DKELP_TESTS=OFF -DCMAKE_BUILD_TYPE=Debug \
        "-DCMAKE_C_FLAGS=-O1 -Werror -fsanitize=thread" || return
    for suites in reports: runtime:TestE runtime:TestCom runtime:TestT api_targets: sim:; do
        TSAN_OPTIONS=exitcode=66 timeout -k 10 120 build/tsan/kelp --no-journal tests/lua/run.lua \
            "$suites" || return
    done
}

memory_checked() {
    timeout -k 10 900 valgrind --quiet --error-exitcode=99 --leak-check=full \
        --errors-for-leak-kinds=definite --suppressions=tests/checks/valgrind.supp "$@"
}

unit_tests_memory_checked() {
    for program in build/tests/unit/test_*; do
        [ -x "$program" ] || continue
        echo "$program"
        # A few of the points at which memory runs out: all of them are ASan's business.
        KELP_TORTURE=+499 memory_checked "$program" || return
    done
}

fuzz() {
    name=$(basename "$1")
    mkdir -p "build/fuzz/corpus/$name" || return
    seeds=tests/fuzz/corpus/$name
    [ -d "$seeds" ] || seeds=
    timeout -k 10 $((fuzz_seconds + 120)) "$1" -max_total_time="$fuzz_seconds" -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="build/fuzz/$name-" \
        "build/fuzz/corpus/$name" $seeds
}

# All at the same time: the machine has more than one core.
fuzz_all() {
    running=
    for fuzzer in build/fuzz/tests/fuzz/fuzz_*; do
        [ -x "$fuzzer" ] || continue
        fuzz "$fuzzer" >"$folder/$(basename "$fuzzer").log" 2>&1 &
        running="$running $!"
    done
    result=0
    for pid in $running; do
        wait "$pid" || result=1
    done
    cat "$folder"/fuzz_*.log
    return $result
}

# ---- the stages ----

stage step "packages" install_all
stage step "build" build build -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS=-Werror
stage tests "checks" timeout -k 10 120 build/kelp tests/checks/sources.lua .
stage tests "unit tests" unit_tests build
stage tests "Lua tests" lua_suites build
stage tests "a provider of the tests" timeout -k 10 120 build/kelp_with_acme --no-journal \
    tests/providers/lifecycle.lua
"$quick" && finish

stage tests "simulation" timeout -k 10 600 sh tests/simulation/run.sh build
stage tests "faults" timeout -k 10 600 sh tests/faults/run.sh build/kelp
stage tests "kill" timeout -k 10 900 sh tests/kill/run.sh build
stage tests "restricted" timeout -k 10 600 sh tests/restricted/run.sh build
stage tests "field" timeout -k 10 600 sh tests/field/run.sh build/kelp
stage tests "promises" timeout -k 10 600 sh tests/promises/run.sh build/kelp
stage tests "canaries" timeout -k 10 900 sh tests/canary/run.sh build lua faults kill
stage tests "connect" timeout -k 20 900 sh tests/connect/run.sh build
stage tests "limits" timeout -k 10 300 sh tests/limits/run.sh build/kelp
stage step "build with clang" build build/clang -DCMAKE_C_COMPILER=clang \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_FLAGS=-Werror
stage step "build with ASan and UBSan" build build/asan -DKELP_SANITIZE=ON \
    -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_C_FLAGS=-O1 -Werror"
stage again "ASan and UBSan" sanitized
stage again "ThreadSanitizer: Lua tests" threads_checked
stage again "valgrind: unit tests" unit_tests_memory_checked
stage again "valgrind: Lua tests" memory_checked build/kelp --no-journal tests/lua/run.lua

if ls tests/fuzz/fuzz_*.c >/dev/null 2>&1; then
    stage step "build the fuzzers" build build/fuzz -DCMAKE_C_COMPILER=clang -DKELP_FUZZ=ON \
        -DKELP_SANITIZE=ON -DCMAKE_BUILD_TYPE=Debug \
        "-DCMAKE_C_FLAGS=-O1 -Werror -fsanitize=fuzzer-no-link"
    stage again "fuzz" fuzz_all
fi

stage again "demo" timeout -k 10 600 sh scripts/demo.sh
stage step "benchmarks" env BENCH_REPEATS=1 timeout -k 10 600 sh tests/bench/run.sh build/kelp
sed 's/^/    /' "$log"
finish
