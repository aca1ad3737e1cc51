# kafka.sh: a real Apache Kafka on loopback: one broker in KRaft mode and Connect workers, of one
# group for each version, from Maven Central's jars, which are kept between runs. The broker is of
# the version in pom.xml; it still speaks to workers of 2.8. Source it with $here (this folder),
# $kelp (which asks the kernel for ports) and $work (a folder of this run's own) set.
# shellcheck shell=sh disable=SC2154

# Connect's herder answers its own REST calls, so a small heap and the first compiler are enough;
# the serial collector keeps other threads off the one or two cores.
KAFKA_JAVA="-Xmx256m -Xss512k -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto"
KAFKA_LOG="-Dorg.slf4j.simpleLogger.showDateTime=true
-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS
-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config=warn
-Dorg.slf4j.simpleLogger.log.org.apache.kafka.connect.runtime.rest.RestServer=info"
# Older workers that the tests ask too. What they lack: restart with tasks (3.0), stop and offsets
# (3.5, 3.6), a state in create (3.7).
KAFKA_OLD_VERSIONS="2.8.2 3.6.2"
KAFKA_PATIENCE=120 # seconds until what does not come up counts as broken

kafka_processes=

# Prints why there can be no Kafka here; nothing when there can.
kafka_why_not() {
    if ! command -v java >/dev/null; then
        echo "there is no java (17 or newer)"
        return
    fi
    version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p')
    if [ "${version:-0}" -lt 17 ]; then
        echo "java is of version ${version:-unknown}, and Kafka needs 17"
        return
    fi
    for release in $(kafka_current) $KAFKA_OLD_VERSIONS; do
        if [ ! -d "$(kafka_cache "$release")" ] && ! command -v mvn >/dev/null; then
            echo "Kafka is not in $(kafka_cache "$release"), and there is no mvn to fetch it with"
            return
        fi
    done
}

# The version that pom.xml names.
kafka_current() {
    sed -n 's|.*<kafka.version>\(.*\)</kafka.version>.*|\1|p' "$here/pom.xml"
}

# kafka_cache VERSION: the folder of the jars that this pom.xml names, in that version.
kafka_cache() {
    key=$(sha256sum <"$here/pom.xml" | cut -c 1-16)
    echo "${XDG_CACHE_HOME:-$HOME/.cache}/kelp-tests/kafka-$key-$1"
}

# Fetches the jars of all versions unless they are there.
kafka_fetch() {
    for release in $(kafka_current) $KAFKA_OLD_VERSIONS; do
        kafka_fetch_version "$release" || return
    done
    rm -rf "$work/maven" # Maven's own plugins are needed this once only
}

# The folder appears when it is complete, so a run that was cut short leaves none that misses some.
# The old versions bring a second binding of slf4j, which would be taken instead of ours.
kafka_fetch_version() { # VERSION
    jars=$(kafka_cache "$1")
    [ ! -d "$jars" ] || return 0
    mkdir -p "$(dirname "$jars")" || return
    echo "fetching Kafka $1 from Maven Central into $jars" >&2
    new=$jars.$$
    mvn -B -q -f "$here/pom.xml" -Dkafka.version="$1" -Dmaven.repo.local="$work/maven" \
        -DincludeScope=runtime -DexcludeArtifactIds=slf4j-log4j12,slf4j-reload4j \
        -DoutputDirectory="$new" \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
        >"$work/maven.log" 2>&1 &&
        mv "$new" "$jars"
    code=$?
    rm -rf "$new"
    [ -d "$jars" ] || return $((code == 0 ? 1 : code)) # or another run was quicker
}

# free_port: one that the kernel has just given and got again.
free_port() {
    "$kelp" sim --port 0 --exit-on-eof </dev/null |
        sed -n 's|.*"url":"http://127.0.0.1:\([0-9]*\)".*|\1|p'
}

# wait_until PROCESS CONDITION…: until the condition holds; fails when the process ends before, or
# after KAFKA_PATIENCE.
wait_until() {
    of=$1
    shift
    end=$(($(date +%s) + KAFKA_PATIENCE))
    until "$@"; do
        kill -0 "$of" 2>/dev/null || return 1
        [ "$(date +%s)" -lt $end ] || return 1
        sleep 0.05 # between two looks
    done
}

# What is started by this prefix dies with this shell, even if that is killed.
bound=
! command -v setpriv >/dev/null || bound="setpriv --pdeathsig KILL"

# start_java VERSION LOG MAIN-CLASS ARGUMENT…: with the jars of that version; sets `process`.
start_java() {
    jars=$(kafka_cache "$1") log=$2
    shift 2
    # shellcheck disable=SC2086
    $bound java $KAFKA_JAVA $KAFKA_LOG -cp "$jars/*" "$@" </dev/null >"$log" 2>&1 &
    process=$!
    kafka_processes="$kafka_processes $process"
}

# The same to its end.
run_java() {
    before=$kafka_processes
    start_java "$@"
    wait "$process" || return
    kafka_processes=$before # the number may soon be another's
}

kafka_broker_config() {
    cat <<END_OF_CONFIG
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:$1
listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:$1
controller.listener.names=CONTROLLER
log.dirs=$work/data
num.network.threads=1
num.io.threads=2
log.cleaner.dedupe.buffer.size=16777216
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
END_OF_CONFIG
}

# Starts the broker, and sets kafka_broker (its process) and kafka_address. Its own port is the
# kernel's; the controller's has to be known before, and somebody may be quicker to take it.
kafka_start_broker() {
    release=$(kafka_current)
    for try in 1 2 3 4 5; do
        rm -rf "$work/data"
        controller=$(free_port)
        kafka_broker_config "$controller" >"$work/broker.properties"
        # 16 bytes in base64url; an id must not look like an option.
        id=A$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c 2-22)
        run_java "$release" "$work/format.log" kafka.tools.StorageTool format --standalone \
            -t "$id" -c "$work/broker.properties" || return
        start_java "$release" "$work/broker.log" kafka.Kafka "$work/broker.properties"
        kafka_broker=$process
        wait_until "$process" grep -q "Kafka Server started" "$work/broker.log" && break
        grep -q "Address already in use" "$work/broker.log" && [ $try -lt 5 ] || return 1
    done
    port=$(sed -n 's/.*Awaiting socket connections on 127.0.0.1:\([0-9]*\)\..*/\1/p' \
        "$work/broker.log" | grep -vx "$controller")
    kafka_address=127.0.0.1:$port
}

# offset.flush.interval.ms: how soon what a sink has read is committed. The client's session is
# short, so that a killed worker is missed soon, and so is the time that its work waits for it.
kafka_worker_config() { # VERSION
    cat <<END_OF_CONFIG
bootstrap.servers=$kafka_address
group.id=connect-$1
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
offset.storage.topic=connect-offsets-$1
offset.storage.partitions=1
offset.storage.replication.factor=1
config.storage.topic=connect-configs-$1
config.storage.replication.factor=1
status.storage.topic=connect-status-$1
status.storage.partitions=1
status.storage.replication.factor=1
offset.flush.interval.ms=500
session.timeout.ms=6000
heartbeat.interval.ms=500
scheduled.rebalance.max.delay.ms=500
consumer.fetch.max.wait.ms=2000
consumer.metadata.max.age.ms=5000
connector.client.config.override.policy=All
plugin.discovery=service_load
listeners=http://127.0.0.1:0
END_OF_CONFIG
}

worker_url() { # LOG
    sed -n 's|.*advertising URL \(http://[^ ]*[0-9]\)/.*|\1|p' "$1" 2>/dev/null | head -n 1
}

# It has joined the group and read the whole config topic. Workers before 3.9 have no /health, and
# list nothing before that; the new ones list earlier.
worker_is_ready() { # VERSION LOG
    url=$(worker_url "$2")
    path=health
    case $1 in 2.* | 3.[0-8].*) path=connectors ;; esac
    [ -n "$url" ] && curl -q -sf -m 10 --noproxy '*' -o "$work/health" "$url/$path"
}

# kafka_launch_worker NAME [VERSION]: starts one and does not wait for it; sets worker_process.
kafka_launch_worker() {
    release=${2:-$(kafka_current)}
    kafka_worker_config "$release" >"$work/$1.properties"
    start_java "$release" "$work/$1.log" org.apache.kafka.connect.cli.ConnectDistributed \
        "$work/$1.properties"
    worker_process=$process
}

# kafka_await_worker NAME PROCESS [VERSION]: sets worker_address.
kafka_await_worker() {
    wait_until "$2" worker_is_ready "${3:-$(kafka_current)}" "$work/$1.log" || return
    worker_address=$(worker_url "$work/$1.log")
}

# kafka_start_worker NAME [VERSION]: sets worker_process and worker_address.
kafka_start_worker() {
    kafka_launch_worker "$@"
    kafka_await_worker "$1" "$worker_process" ${2:+"$2"}
}

# Ends what was started here, and nothing else. Nobody reads the data again, so there is nothing to
# shut down in order.
kafka_stop() {
    for one in $kafka_processes; do
        kill -KILL "$one" 2>/dev/null || : # it may have ended
    done
    for one in $kafka_processes; do
        wait "$one" 2>/dev/null || :
    done
    kafka_processes=
}

# What the processes complained of last, for the reader of a failure.
kafka_show_logs() {
    for log in "$work"/*.log; do
        grep -E 'WARN|ERROR|Exception|Error|\[(error|alert|emerg)\]' "$log" | cut -c 1-300 |
            tail -n 20 >"$work/complaints"
        [ -s "$work/complaints" ] || continue
        echo "---- $(basename "$log") ----"
        cat "$work/complaints"
    done
}
