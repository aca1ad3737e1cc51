# packages.sh: what kelp is built from on Debian and Ubuntu, and how to get what is missing.
# Source it; it defines a variable and two functions and does nothing by itself.
# shellcheck shell=sh

KELP_PACKAGES="build-essential cmake pkg-config liblua5.4-dev lua-cjson-dev libcurl4-openssl-dev
libmicrohttpd-dev libedit-dev libsqlite3-dev nettle-dev lua-argparse"

# missing_packages NAME…: those that are not installed.
missing_packages() {
    for package in "$@"; do
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=
        [ "$status" = installed ] || printf '%s\n' "$package"
    done
}

# install_packages NAME…: installs what is missing, with apt-get, through sudo when not root.
# Nothing is fetched when all is there.
install_packages() {
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "not Debian or Ubuntu: the build needs what is called there" "$@" >&2
        return 0
    fi
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    run=
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "not root, and there is no sudo; please install:" $missing >&2
            return 1
        fi
        run=sudo
    fi
    echo "installing:" $missing >&2
    # The lists may be absent or old, as in a fresh container.
    $run apt-get update -qq >&2 &&
        $run env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            $missing >&2
}
