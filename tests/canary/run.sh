#!/bin/sh
# run.sh [BUILD [SUITE…]]: nothing that kelp leaves behind holds a secret. Runs a job with secrets in
# every place where one can be (job.lua), the commands, and the suites (lua, faults, kill; only lua
# unless some are named, none for "none") at the highest log level, and searches (search.lua) what
# came of it: output, log, journals with their WAL, history, /proc, a core file, what a second server
# got. What is expected to be found is searched for as well.
#
# KELP_CANARY_KEEP=FOLDER: leaves the artefacts there.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${1:-$root/build}
case $build in /*) ;; *) build=$PWD/$build ;; esac
[ $# -eq 0 ] || shift
suites=${*:-lua}
kelp=$build/kelp
[ -x "$kelp" ] || {
    echo "canary: there is no program $kelp" >&2
    exit 2
}

work=$(mktemp -d) || exit 2
artefacts=${KELP_CANARY_KEEP:-$work/artefacts}
outside=$work/outside # where secrets come from: not searched
mkdir -p "$artefacts/abort" "$outside"
trap 'exec 3>&- 4>&- 5>&-; wait; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

fail() {
    echo "canary: $*" >&2
    exit 2
}

# ---- the secrets ----

CANARY_1='heRon 1 wAdes/bog+"quill\x '
CANARY_2='otTer-2-slIdes&mud=weir'
CANARY_3='stOat_3_huNts~at~dusk'
CANARY_4='wrEn4siNgsByTheGate'
CANARY_5='plOver5niGht.tide'
CANARY_6='swIft6%2FguLl%40shore'
CANARY_7='piKe7luRks-' # takes the place of "not-a-real-" in what tests and simulators hold
CANARY_FOLDER=$outside
export CANARY_1 CANARY_2 CANARY_3 CANARY_4 CANARY_5 CANARY_FOLDER
printf '%s' "$CANARY_3" >"$outside/third"
printf '%s' "$CANARY_6" >"$outside/sixth"

# A tree in which they are what was "not-a-real-…": the scripts, with the simulator's example, the
# tests and their fixtures.
tree=$work/tree
mkdir -p "$tree"
cp -r "$root/scripts" "$root/tests" "$root/README.md" "$tree" || fail "the tree cannot be copied"
grep -rl 'not-a-real-' "$tree" | xargs sed -i "s/not-a-real-/$CANARY_7/g"
# As one test has it in Base64; there are no "/" in these.
encoded() { printf 'NAME:%s' "${1%-}" | base64; }
grep -rlF "$(encoded not-a-real-)" "$tree" |
    xargs sed -i "s/$(encoded not-a-real-)/$(encoded "$CANARY_7")/g"
KELP_SCRIPTS=$tree/scripts
export KELP_SCRIPTS

# ---- servers ----

# serve NUMBER SCRIPTS OPTION…: a simulator that ends when descriptor NUMBER is closed; $address is
# its first line.
serve() {
    number=$1 scripts=$2
    shift 2
    mkfifo "$work/in$number" "$work/out$number"
    KELP_SCRIPTS=$scripts "$kelp" sim --port 0 --exit-on-eof "$@" <"$work/in$number" \
        >"$work/out$number" 2>>"$artefacts/servers.err" &
    eval "exec $number>\"\$work/in$number\""
    read -r address <"$work/out$number" || fail "a simulator did not start"
}
part() { printf '%s\n' "$address" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
ask() { curl -q -sS --noproxy '*' "$@" || fail "curl failed"; }

serve 3 "$tree/scripts" --provisioning 0
CONFLUENT_CLOUD_REST_ENDPOINT=$(part confluent) UPSTASH_API_URL=$(part upstash)
serve 4 "$root/tests/lua/scripted"
second=$(part url)
serve 5 "$root/tests/lua/scripted"
redirects=$(part url) CANARY_REDIRECTS=$(part url)
reply="{\"status\":307,\"headers\":{\"Location\":\"$second/stolen\"},\"body\":\"\"}"
reset_servers() {
    ask -X PUT --data-binary "[$reply,$reply,$reply,$reply]" "$redirects/_scripted/replies"
    ask -X PUT --data-binary '[]' "$second/_scripted/replies"
}

# ---- what is run ----

HOME=$work/home XDG_CONFIG_HOME=$outside/config XDG_STATE_HOME=$artefacts/state
CONFLUENT_CLOUD_API_KEY=NOTAREALKEY00003
UPSTASH_EMAIL=somebody@example.com
CONFLUENT_ENVIRONMENT_ID=env-sim KAFKA_CLUSTER_ID=lkc-sim
UPSTASH_KAFKA_CLUSTER_ID=7568431c-88d5-4409-a808-2167f22a7133
CONFLUENT_CLOUD_API_SECRET=$CANARY_4 UPSTASH_API_KEY=$CANARY_5
export HOME XDG_CONFIG_HOME XDG_STATE_HOME CONFLUENT_CLOUD_API_KEY UPSTASH_EMAIL CANARY_REDIRECTS
export CONFLUENT_ENVIRONMENT_ID KAFKA_CLUSTER_ID UPSTASH_KAFKA_CLUSTER_ID
export CONFLUENT_CLOUD_API_SECRET UPSTASH_API_KEY CONFLUENT_CLOUD_REST_ENDPOINT UPSTASH_API_URL
unset http_proxy https_proxy all_proxy LUA_INIT
mkdir -p "$HOME" "$XDG_CONFIG_HOME/kelp"

# The targets file has secrets too, and is where they may be.
cat >"$XDG_CONFIG_HOME/kelp/targets.lua" <<END
return { two = { provider = "confluent", environment = "env-sim", cluster = "lkc-sim",
                 api_key = "NOTAREALKEY00004", api_secret = env "CANARY_2",
                 base_url = "$CONFLUENT_CLOUD_REST_ENDPOINT" } }
END
chmod 600 "$XDG_CONFIG_HOME/kelp/targets.lua"

# run NAME ARGUMENT…: with its output in files of that name. How it ends is not the question here.
run() {
    name=$1
    shift
    timeout -k 10 300 "$kelp" --log trace "$@" >"$artefacts/$name.out" 2>"$artefacts/$name.err" </dev/null
    code=$?
    [ $code -lt 124 ] || [ $code -eq 130 ] || [ "$name" = abort ] || fail "$name ended with $code"
}

job=$here/job.lua
reset_servers
run job "$job" "$artefacts"
reset_servers
run job-json --log-format json --output json "$job" "$artefacts"
run job-plan --plan "$job" "$artefacts"
saved=$tree/tests/fixtures/upstash-connectors.json
for output in text json; do
    run "list-$output" --output $output list confluent
    run "list-two-$output" --output $output list two
    run "list-upstash-$output" --output $output list upstash
    run "list-saved-$output" --output $output list --file "$saved"
    run "migrate-$output" --output $output migrate --from "$saved" --to two --notes \
        --set kafka.api.key=env:CANARY_1 --set "kafka.api.secret=file:$outside/secret"
    run "runs-$output" --output $output runs
    run "show-$output" --output $output runs show last
    run "undo-$output" --output $output undo last --plan
done
run argv list --api-secret="$CANARY_2"
run argv-set migrate --from "$saved" --to two --set kafka.api.secret="$CANARY_2"
printf '%s\n' 'x = os.getenv "CANARY_1"; s = kelp.secret "CANARY_1"' 's' 'x' '{ x, a = x }' \
    'error(x)' 'y = "'"$CANARY_4"'"' 'print(x, s, y)' 'return "control-repl"' >"$outside/repl"
"$kelp" --log trace -i -e '' <"$outside/repl" >"$artefacts/repl.out" 2>"$artefacts/repl.err"

# In a folder of its own, with a core file asked for.
reset_servers
(
    cd "$artefacts/abort" || exit 2
    ulimit -c unlimited 2>/dev/null
    timeout -k 10 300 "$kelp" --log trace "$job" "$artefacts/abort" abort >abort.out 2>abort.err </dev/null
    echo "control-abort $?" >code
)

ask "$second/_scripted/requests" >"$artefacts/second-server"
exec 3>&- 4>&- 5>&-
wait

# The suites: what the runner says is not searched, since it shows what tests expected. What the
# programs left behind counts. Some tests look at the log, or know the Base64 of what is replaced
# here, and fail; when more do than one in twenty, the suite has not left behind what it should.
for suite in $suites; do
    case $suite in
    lua) set -- "$kelp" --no-journal tests/lua/run.lua ;;
    faults) set -- sh tests/faults/run.sh "$kelp" ;;
    kill) set -- sh tests/kill/run.sh --sample "$build" ;;
    none) continue ;;
    *) fail "there is no suite $suite" ;;
    esac
    mkdir -p "$artefacts/$suite" "$work/runner"
    (
        unset CONFLUENT_CLOUD_REST_ENDPOINT UPSTASH_API_URL KAFKA_CLUSTER_ID CONFLUENT_ENVIRONMENT_ID
        cd "$tree" || exit 2
        KELP_ARTEFACTS=$artefacts/$suite XDG_STATE_HOME=$work/runner timeout -k 10 900 "$@" \
            >"$work/$suite.log" 2>&1
    )
    result=$(tail -n 1 "$work/$suite.log")
    passed=$(echo "$result" | sed -n 's/^[^0-9]*\([0-9]*\) passed, [0-9]* failed.*/\1/p')
    failed=$(echo "$result" | sed -n 's/^[^0-9]*[0-9]* passed, \([0-9]*\) failed.*/\1/p')
    # In other words than those of a suite's own summary, which whoever runs this counts.
    echo "$suite: $(find "$artefacts/$suite" -type f | wc -l) files of ${passed:-no} tests that" \
        "held and ${failed:-some} that did not:"
    grep -E '^(FAILED|[0-9]+\) )' "$work/$suite.log" | sed 's/^/    /'
    if [ "${passed:-0}" -gt 0 ] && [ $((failed * 20)) -le "$passed" ]; then
        echo "control-suite-$suite" >>"$artefacts/suites"
    else
        tail -n 50 "$work/$suite.log"
    fi
done

# ---- the search ----

spec=$outside/spec.json
CANARY_6=$CANARY_6 CANARY_7=$CANARY_7 SUITES=$suites "$kelp" --no-journal -e '
  local file = assert(io.open("'"$spec"'", "w"))
  local secrets = {}
  for i = 1, 7 do secrets[i] = os.getenv("CANARY_" .. i) end
  secrets[9] = "not-a-real-" -- still so in what is compiled into kelp, that of the example too
  secrets[8] = secrets[6]:gsub("%%(%x%x)", function(x) return string.char(tonumber(x, 16)) end)
  local controls = {}
  local function control(token, path, least)
    controls[#controls + 1] = { token = token, path = path, least = least }
  end
  for _, name in ipairs { "^job%.", "^job%-json%.", "^abort/abort%." } do
    for _, word in ipairs { "print", "write", "show", "json", "error", "q", "hex", "HEX", "url", "form",
                         "number", "base64", "verb" } do
      control("control-" .. word, name .. "out$", 8)
    end
    for _, word in ipairs { "stderr", "log" } do control("control-" .. word, name .. "err$", 16) end
    control("<secret CANARY_1>", name .. "out$", 20)
    control("<secret CANARY_1>", name .. "err$", 20)
    control("<secret connection.uri>", name .. "out$", 1)
  end
  control("control-report", "^job%.out$", 1)
  control("control-end", "^job%.err$", 1)
  control("control-topic", "^state/.*%.db", 1)
  control("control-repl", "^repl%.", 1)
  control("control-abort 134", "^abort/code$", 1)
  control("[]", "^second%-server$", 1)
  control("CANARY_FOLDER=", "^child%-env$", 1)
  control("CANARY_FOLDER=", "^proc%-environ$", 1)
  control("job.lua", "^proc%-cmdline$", 1)
  control("orders", "^list%-text%.out$", 1)
  for suite in os.getenv "SUITES":gmatch "%w+" do
    if suite ~= "none" then
      control("control-suite-" .. suite, "^suites$", 1)
      control("\n", "^" .. suite .. "/", 1000)
      control("kelp: debug: ", "^" .. suite .. "/.*err", 200)
      if suite ~= "kill" then control("<secret", "^" .. suite .. "/", 100) end
      if suite ~= "lua" then
        control("$secret", "^" .. suite .. "/.*%.db$", 500)
        control("$secret", "^" .. suite .. "/.*%.db%-wal$", 500)
      end
    end
  end
  file:write(kelp.json.encode { secrets = secrets, controls = controls })
  file:close()' || fail "the list of what to search for cannot be written"
if find "$artefacts" -name 'core*' | grep -q .; then
    echo "FAILED: there is a core file"
    echo "canary: 0 passed, 1 failed"
    exit 1
fi
"$kelp" --no-journal "$here/search.lua" "$artefacts" "$spec"
