#!/bin/sh
# Builds examples/gitgud as its image would be built (Next.js, standalone, on Node 22) in the cache folder, and
# prints the folder of its server.js. The build knows no database: what it is given as DATABASE_URL leads nowhere.
#
#   scripts/gitgud-app.sh            build it, unless it is built as it stands
#   scripts/gitgud-app.sh --where    only print the folder
#
# Safe to run twice, and by two at a time.
set -eu
# shellcheck source=scripts/cache.sh
. "$(dirname "$0")/cache.sh"

here=$(cd "$(dirname "$0")/.." && pwd)
folder=$(cache_folder)/gitgud-app
if [ "${1:-}" = "--where" ]; then
    echo "$folder/app"
    exit 0
fi
node=$("$here/scripts/neon-clients.sh")/node22/node_modules/.bin/node
cache_lock gitgud-app

cd "$here/examples/gitgud"
files=$(find . -type f -not -path './node_modules/*' -not -path './.next/*' -not -name README.md \
    -not -name next-env.d.ts -not -name '*.tsbuildinfo' | LC_ALL=C sort)
# shellcheck disable=SC2086
state=$("$node" --version; sha256sum $files "$here/scripts/gitgud-app.sh" | cut -d ' ' -f 1)
if [ "$(cat "$folder/app/.built" 2>/dev/null || true)" = "$state" ]; then
    echo "$folder/app"
    exit 0
fi

packages=$(sha256sum package-lock.json)
work=$folder/work
if [ "$(cat "$work/node_modules/.installed" 2>/dev/null || true)" != "$packages" ]; then
    echo "gitgud-app.sh: installing the packages of examples/gitgud" >&2
    rm -rf "$work"
    mkdir -p "$work"
    cp package.json package-lock.json "$work"
    (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
    echo "$packages" >"$work/node_modules/.installed"
fi

echo "gitgud-app.sh: building examples/gitgud" >&2
(cd "$work" && find . -mindepth 1 -maxdepth 1 -not -name node_modules -not -name .next -exec rm -rf {} +)
# shellcheck disable=SC2086
cp --parents $files "$work"
(
    cd "$work"
    DATABASE_URL=postgresql://build:build@ep-build.neon.invalid/gitgud NEXT_TELEMETRY_DISABLED=1 CI=1 \
        "$node" node_modules/next/dist/bin/next build >&2
)
rm -rf "$folder/app"
cp -r "$work/.next/standalone" "$folder/app"
cp -r "$work/.next/static" "$folder/app/.next/static"
echo "$state" >"$folder/app/.built"
echo "$folder/app"
