# What the tests of packaging share. Sourced; sets $binary, $work (removed at the end) and $root.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export CONTAINERS_CONF=$root/tests/packaging/containers.conf
# Unchanged where they are in it: the build of ring depends on PATH.
[[ :$PATH: == *:/usr/sbin:* ]] || PATH=$PATH:/usr/sbin:/sbin
binary=${SIDETAIL_STATIC:?"tests/packaging/run sets it"}
work=$(mktemp -d)
chmod 755 "$work"

# How long anything is waited for, in seconds; only fails.
PATIENCE=${PATIENCE:-60}

cleanups=('rm -rf "$work"')
at_end() { cleanups=("$1" "${cleanups[@]}"); }
# After a failure what was said is shown; each cleanup is tried, whatever becomes of the others.
leave() {
    (($1 == 0)) || tail -n 30 "$work"/said* >&2 2>/dev/null || true
    for cleanup in "${cleanups[@]}"; do eval "$cleanup" >/dev/null 2>&1 || true; done
}
trap 'leave $?' EXIT
trap 'exit 130' INT TERM

# What podman says where systemd and syslog are not does not matter.
podman() { command podman "$@" 2> >(grep -v 'unable to get systemd connection\|failed to connect to syslog' >&2); }

fail() {
    printf 'FAILED: %s\n' "$*" >&2
    exit 1
}

# eventually WHAT COMMAND...: runs it again and again until it succeeds.
eventually() {
    local what=$1 deadline=$((SECONDS + PATIENCE))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || fail "waited in vain: $what ($*)"
        sleep 0.05
    done
}

# expect WHAT WANTED FOUND
expect() { [[ $2 == "$3" ]] || fail "$1: not '$3' but '$2' was expected"; }

# expect_orders LAST FILE: the file has "order 1" to "order LAST", each once and in this order.
expect_orders() {
    local orders
    orders=$(grep -o 'order [0-9]*$' "$2" || true)
    [[ $orders == "$(seq -f 'order %.0f' "$1")" ]] || fail "$2 has not every order once and in order: $(diff <(seq -f 'order %.0f' "$1") <(echo "$orders") | head -n 5)"
}

# Builds the image of the program that writes and rotates a log.
build_app() {
    mkdir -p "$work/app"
    cp /bin/busybox "$root/tests/packaging/app/"* "$work/app/"
    podman build --quiet -t localhost/sidetail-test-app "$work/app" >/dev/null
}

# Builds the image from the binary that is there.
build_image() {
    mkdir -p "$work/context/dist"
    cp "$binary" "$work/context/dist/sidetail"
    podman build --quiet --format docker --build-arg BINARY=prebuilt -t localhost/sidetail-test -f "$root/Containerfile" "$work/context" >/dev/null
}
