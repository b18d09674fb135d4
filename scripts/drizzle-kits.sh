#!/bin/sh
# Installs the real drizzle-kit and drizzle-orm, both lines, into the cache folder, and prints the folders'
# parent. The migrations tests run them before and after homeport.
#
#   scripts/drizzle-kits.sh            install what is missing
#   scripts/drizzle-kits.sh --where    only print the folder
#
# Safe to run twice, and by two at a time.
set -eu
# shellcheck source=scripts/cache.sh
. "$(dirname "$0")/cache.sh"

cache=$(cache_folder)
if [ "${1:-}" = "--where" ]; then
    echo "$cache"
    exit 0
fi
cache_lock drizzle-kits
npm_folder "$cache/drizzle-0.31" drizzle-kit@0.31.11 drizzle-orm@0.45.4 pg@8.16.3
npm_folder "$cache/drizzle-1.0" drizzle-kit@1.0.0-rc.5 drizzle-orm@1.0.0-rc.5 pg@8.16.3
echo "$cache"
