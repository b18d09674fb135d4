#!/bin/sh
# Installs the real drizzle-kit and drizzle-orm, both lines, into the cache folder, and prints the folders'
# parent. The migrations tests run them before and after homeport.
#
#   scripts/drizzle-kits.sh            install what is missing
#   scripts/drizzle-kits.sh --where    only print the folder
#
# Safe to run twice, and by two at a time.
set -eu

# Where scripts/servers.sh keeps what it provides, too.
if [ -n "${HOMEPORT_CACHE:-}" ]; then
    cache=$HOMEPORT_CACHE
elif [ "$(id -u)" = 0 ]; then
    cache=/var/cache/homeport
else
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/homeport
fi
if [ "${1:-}" = "--where" ]; then
    echo "$cache"
    exit 0
fi
command -v npm >/dev/null || { echo "drizzle-kits.sh: npm is not installed" >&2; exit 1; }
mkdir -p "$cache"

exec 9>"$cache/drizzle-kits.lock"
flock 9

# name, version of drizzle-kit, version of drizzle-orm
install_line() {
    dir=$cache/$1
    stamp="drizzle-kit@$2 drizzle-orm@$3 pg@8.16.3"
    if [ "$(cat "$dir/.installed" 2>/dev/null || true)" = "$stamp" ]; then
        return
    fi
    echo "drizzle-kits.sh: installing $stamp" >&2
    rm -rf "$dir"
    mkdir -p "$dir"
    printf '{"name":"%s","private":true}\n' "$1" >"$dir/package.json"
    # shellcheck disable=SC2086
    (cd "$dir" && npm install --no-audit --no-fund --loglevel=error --save-exact $stamp >&2)
    echo "$stamp" >"$dir/.installed"
}

install_line drizzle-0.31 0.31.11 0.45.4
install_line drizzle-1.0 1.0.0-rc.5 1.0.0-rc.5
echo "$cache"
