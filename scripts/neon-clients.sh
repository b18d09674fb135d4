#!/bin/sh
# Installs the programs that the gateway's end-to-end tests run, from npm, into the cache folder, and
# prints their folder: Neon's driver in three versions, drizzle-orm, drizzle-kit, @vercel/postgres, pg, Prisma.
#
#   scripts/neon-clients.sh            install what is missing
#   scripts/neon-clients.sh --where    only print the folder
#
# Safe to run twice, and by two at a time.
set -eu
# shellcheck source=scripts/cache.sh
. "$(dirname "$0")/cache.sh"

folder=$(cache_folder)/neon-clients
if [ "${1:-}" = "--where" ]; then
    echo "$folder"
    exit 0
fi
cache_lock neon-clients
npm_folder "$folder/driver-1.2" @neondatabase/serverless@1.2.0 ws@8.23.0 drizzle-orm@0.45.4 pg@8.16.3
npm_folder "$folder/driver-0.10" @neondatabase/serverless@0.10.4 ws@8.23.0 drizzle-orm@0.36.4 pg@8.16.3
npm_folder "$folder/driver-0.9" @neondatabase/serverless@0.9.5 ws@8.23.0 drizzle-orm@0.30.10 pg@8.16.3
npm_folder "$folder/vercel" @vercel/postgres@0.10.0
npm_folder "$folder/kit" drizzle-kit@0.31.11 drizzle-orm@0.45.4 @neondatabase/serverless@1.2.0
npm_folder "$folder/node22" node@22
# Its scripts would fetch engines that are not on npm, and that a client with a driver's adapter does not use.
npm_folder "$folder/prisma" --ignore-scripts prisma@7.9.1 @prisma/client@7.9.1 @prisma/adapter-pg@7.9.1 pg@8.16.3
echo "$folder"
