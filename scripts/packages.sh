#!/bin/sh
# Installs by apt-get what homeport needs on Debian 12, and says what.
#
# usage: scripts/packages.sh build|test
#   build   to compile and run the program, and PostgreSQL 15 for the demo
#   test    that, and all that ./test uses
#
# Asks apt-get only for what is missing, so a second run takes no time and needs neither root nor
# network.
set -eu

build="gcc libc6-dev meson ninja-build pkg-config python3
 libpq-dev libcyaml-dev libyaml-dev libjansson-dev libsqlite3-dev libssl-dev libzstd-dev uthash-dev
 libevent-dev libwslay-dev node-llhttp
 postgresql-15 postgresql-client-15"
test="libcmocka-dev clang-14 llvm-14 libclang-rt-14-dev clang-format-14 clang-tidy-14 cppcheck pmccabe
 python3-pytest python3-pytest-timeout python3-pytest-xdist python3-psycopg2
 postgresql-plperl-15 pgbouncer debootstrap tmux util-linux openssl time libfaketime"

case "${1:-}" in
build) wanted=$build ;;
test)
    wanted="$build $test"
    # Another npm than Debian's is as good, and Debian's could not be installed beside it.
    command -v npm >/dev/null || wanted="$wanted nodejs npm"
    ;;
*)
    sed -n 's/^# \{0,1\}//; 4,6p' "$0" >&2
    exit 2
    ;;
esac

missing=
for package in $wanted; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=
    [ "$state" = installed ] || missing="$missing $package"
done
if [ -z "$missing" ]; then
    echo "packages: everything is installed"
    exit 0
fi

echo "packages: installing$missing"
if [ "$(id -u)" != 0 ]; then
    echo "packages: run as root:  apt-get install$missing" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The lists of a fresh machine are missing or old, and old lists name versions that are gone.
# shellcheck disable=SC2086
if ! { apt-get -q -o DPkg::Lock::Timeout=300 update &&
    apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends install $missing; } \
    </dev/null >"$log" 2>&1; then
    cat "$log" >&2
    echo "packages: apt-get failed" >&2
    exit 1
fi
