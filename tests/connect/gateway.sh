# gateway.sh: nginx before a Connect worker, as nginx.conf.in describes it, with certificates made
# for this run. Source it after kafka.sh, with $here, $kelp and $work set; $openssl and $nginx are
# found here.
# shellcheck shell=sh disable=SC2154

# The account that the gateway knows; kelp gets it from the environment as from a user.
GATEWAY_USER=connect-test-user
GATEWAY_PASSWORD=connect-test-password
GATEWAY_RATE=200 GATEWAY_BURST=40 # requests a second, and above that at once

gateway_process=

# Debian keeps nginx where only root's PATH looks.
gateway_nginx() {
    PATH=$PATH:/usr/sbin:/usr/local/sbin command -v nginx
}

gateway_why_not() {
    if ! gateway_nginx >/dev/null; then
        echo "there is no nginx"
    elif ! command -v openssl >/dev/null; then
        echo "there is no openssl"
    fi
}

gateway_answers() {
    curl -q -sf -m 10 --noproxy '*' --cacert "$work/ca.pem" -u "$GATEWAY_USER:$GATEWAY_PASSWORD" \
        -o "$work/answer" "https://localhost:$gateway_good/connect/v1/environments/env-real/clusters/lkc-real/connectors"
}

# gateway_start WORKER-ADDRESS: sets gateway_good, gateway_wrong_host and gateway_expired, the ports
# of three servers that differ in their certificates.
gateway_start() {
    sh "$here/../faults/certificates.sh" "$work" || return
    rm "$work/openssl.log" # it is only noise beside the logs of a failure
    printf '%s:%s\n' "$GATEWAY_USER" \
        "$(printf '%s' "$GATEWAY_PASSWORD" | openssl passwd -apr1 -stdin)" >"$work/users"
    for try in 1 2 3 4 5; do
        gateway_good=$(free_port) gateway_wrong_host=$(free_port) gateway_expired=$(free_port)
        sed -e "s|%work%|$work|g" -e "s|%here%|$here|g" -e "s|%worker%|${1#http://}|" \
            -e "s|%rate%|$GATEWAY_RATE|" -e "s|%burst%|$GATEWAY_BURST|" \
            -e "s|%good%|$gateway_good|" -e "s|%wrong_host%|$gateway_wrong_host|" \
            -e "s|%expired%|$gateway_expired|" "$here/nginx.conf.in" >"$work/nginx.conf"
        $bound "$(gateway_nginx)" -p "$work" -c "$work/nginx.conf" 2>"$work/nginx-start.log" &
        gateway_process=$!
        wait_until "$gateway_process" gateway_answers && return
        gateway_stop
        # Somebody was quicker to take one of the ports, or two of them are the same.
        grep -qE "Address already in use|duplicate listen" "$work/nginx-start.log" "$work/nginx.log" ||
            return 1
    done
    return 1
}

gateway_stop() {
    [ -n "$gateway_process" ] || return 0
    kill -TERM "$gateway_process" 2>/dev/null
    wait "$gateway_process" 2>/dev/null
    gateway_process=
}
