# kafka.sh: a real Apache Kafka on loopback: one broker in KRaft mode and Connect workers of one
# group, from Maven Central's jars, which are kept between runs. Source it with $here (this folder),
# $kelp (which asks the kernel for ports) and $work (a folder of this run's own) set.
# shellcheck shell=sh disable=SC2154

# Connect's herder answers its own REST calls, so a small heap and the first compiler are enough;
# the serial collector keeps other threads off the one or two cores.
KAFKA_JAVA="-Xmx256m -Xss512k -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto"
KAFKA_LOG="-Dorg.slf4j.simpleLogger.showDateTime=true
-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS
-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config=warn
-Dorg.slf4j.simpleLogger.log.org.apache.kafka.connect.runtime.rest.RestServer=info"
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
    elif [ ! -d "$(kafka_cache)" ] && ! command -v mvn >/dev/null; then
        echo "Kafka is not in $(kafka_cache), and there is no mvn to fetch it with"
    fi
}

# The folder of the jars that this pom.xml names.
kafka_cache() {
    key=$(sha256sum <"$here/pom.xml" | cut -c 1-16)
    echo "${XDG_CACHE_HOME:-$HOME/.cache}/kelp-tests/kafka-$key"
}

# Fetches the jars unless they are there. The folder appears when it is complete, so a run that was
# cut short leaves none that misses some.
kafka_fetch() {
    kafka_jars=$(kafka_cache)
    [ ! -d "$kafka_jars" ] || return 0
    mkdir -p "$(dirname "$kafka_jars")" || return
    echo "fetching Kafka from Maven Central into $kafka_jars" >&2
    # Maven's own plugins are needed this once only.
    new=$kafka_jars.$$
    mvn -B -q -f "$here/pom.xml" -Dmaven.repo.local="$work/maven" -DincludeScope=runtime \
        -DoutputDirectory="$new" \
        org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
        >"$work/maven.log" 2>&1 &&
        mv "$new" "$kafka_jars"
    code=$?
    rm -rf "$new" "$work/maven"
    [ -d "$kafka_jars" ] || return $((code == 0 ? 1 : code)) # or another run was quicker
}

# free_port: one that the kernel has just given and taken back.
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

# start_java LOG MAIN-CLASS ARGUMENT…: sets `process`.
start_java() {
    log=$1
    shift
    # shellcheck disable=SC2086
    $bound java $KAFKA_JAVA $KAFKA_LOG -cp "$kafka_jars/*" "$@" </dev/null >"$log" 2>&1 &
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
    for try in 1 2 3 4 5; do
        rm -rf "$work/data"
        controller=$(free_port)
        kafka_broker_config "$controller" >"$work/broker.properties"
        # 16 bytes in base64url; an id must not look like an option.
        id=A$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c 2-22)
        run_java "$work/format.log" kafka.tools.StorageTool format --standalone \
            -t "$id" -c "$work/broker.properties" || return
        start_java "$work/broker.log" kafka.Kafka "$work/broker.properties"
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
kafka_worker_config() {
    cat <<END_OF_CONFIG
bootstrap.servers=$kafka_address
group.id=connect
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
offset.storage.topic=connect-offsets
offset.storage.partitions=1
offset.storage.replication.factor=1
config.storage.topic=connect-configs
config.storage.replication.factor=1
status.storage.topic=connect-status
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

# Healthy: it has joined the group and read the whole config topic.
worker_is_ready() { # LOG
    url=$(worker_url "$1")
    [ -n "$url" ] && curl -q -sf -m 10 --noproxy '*' -o "$work/health" "$url/health"
}

# kafka_start_worker NAME: sets worker_process and worker_address.
kafka_start_worker() {
    kafka_worker_config >"$work/$1.properties"
    start_java "$work/$1.log" org.apache.kafka.connect.cli.ConnectDistributed "$work/$1.properties"
    worker_process=$process
    wait_until "$process" worker_is_ready "$work/$1.log" || return
    worker_address=$(worker_url "$work/$1.log")
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
