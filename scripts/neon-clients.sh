#!/bin/sh
# Installs the programs that the gateway's end-to-end tests run, from npm, into the cache folder, and
# prints their folder: Neon's driver in three versions, drizzle-orm, drizzle-kit, @vercel/postgres, pg, Prisma.
#
#   scripts/neon-clients.sh            install what is missing
#   scripts/neon-clients.sh --where    only print the folder
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
folder=$cache/neon-clients
if [ "${1:-}" = "--where" ]; then
    echo "$folder"
    exit 0
fi
command -v npm >/dev/null || { echo "neon-clients.sh: npm is not installed" >&2; exit 1; }
mkdir -p "$cache"

exec 9>"$cache/neon-clients.lock"
flock 9

# folder, packages
install_line() {
    dir=$folder/$1
    shift
    if [ "$(cat "$dir/.installed" 2>/dev/null || true)" = "$*" ]; then
        return
    fi
    echo "neon-clients.sh: installing $*" >&2
    rm -rf "$dir"
    mkdir -p "$dir"
    echo '{"name":"client","private":true}' >"$dir/package.json"
    (cd "$dir" && npm install --no-audit --no-fund --loglevel=error --save-exact "$@" >&2)
    echo "$*" >"$dir/.installed"
}

install_line driver-1.2 @neondatabase/serverless@1.2.0 ws@8.23.0 drizzle-orm@0.45.4 pg@8.16.3
install_line driver-0.10 @neondatabase/serverless@0.10.4 ws@8.23.0 drizzle-orm@0.36.4 pg@8.16.3
install_line driver-0.9 @neondatabase/serverless@0.9.5 ws@8.23.0 drizzle-orm@0.30.10 pg@8.16.3
install_line vercel @vercel/postgres@0.10.0
install_line kit drizzle-kit@0.31.11 drizzle-orm@0.45.4 @neondatabase/serverless@1.2.0
install_line node22 node@22
# Its scripts would fetch engines that are not on npm, and that a client with a driver's adapter does not use.
install_line prisma --ignore-scripts prisma@7.9.1 @prisma/client@7.9.1 @prisma/adapter-pg@7.9.1 pg@8.16.3
echo "$folder"
