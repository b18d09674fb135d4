# shellcheck shell=sh
# Sourced by the scripts that provide what tests need: where it is kept, between runs and for several
# checkouts. That is $HOMEPORT_CACHE, else /var/cache/homeport for root (the server refuses to run as root,
# and its user cannot look into root's home), else ~/.cache/homeport.

cache_folder() {
    if [ -n "${HOMEPORT_CACHE:-}" ]; then
        echo "$HOMEPORT_CACHE"
    elif [ "$(id -u)" = 0 ]; then
        echo /var/cache/homeport
    else
        echo "${XDG_CACHE_HOME:-$HOME/.cache}/homeport"
    fi
}

# name: one process at a time goes on with this part of it, until it ends
cache_lock() {
    mkdir -p "$(cache_folder)"
    exec 9>"$(cache_folder)/$1.lock"
    flock 9
}

# folder, packages and options of npm: they are there, in these versions
npm_folder() {
    dir=$1
    shift
    if [ "$(cat "$dir/.installed" 2>/dev/null || true)" = "$*" ]; then
        return
    fi
    command -v npm >/dev/null || { echo "npm is not installed" >&2; exit 1; }
    echo "npm: installing $*" >&2
    rm -rf "$dir"
    mkdir -p "$dir"
    echo '{"name":"kept","private":true}' >"$dir/package.json"
    (cd "$dir" && npm install --no-audit --no-fund --loglevel=error --save-exact "$@" >&2)
    echo "$*" >"$dir/.installed"
}
