#!/usr/bin/env bash
# The binary alone in a file system that is otherwise empty and read-only, as nobody, without any capability.
. "$(dirname "$0")/lib.sh"

mkdir -p "$work/root/logs"
cp "$binary" "$work/root/sidetail"
seq -f 'order %.0f' 5 > "$work/root/logs/app.log"

# Mounts of its own, so that the read-only root is gone with the process.
setpriv --no-new-privs --inh-caps=-all --clear-groups unshare --mount bash -euc '
    mount --bind "$0" "$0"
    mount -o remount,bind,ro "$0"
    ! touch "$0/x" 2>/dev/null
    exec unshare --root "$0" --setgid 65534 --setuid 65534 /sidetail --listen 127.0.0.1:0 /logs
' "$work/root" > "$work/address" 2> "$work/said" &
agent=$!
at_end 'kill -9 $agent'
eventually 'it says where it listens' grep -q / "$work/address"
url=$(head -n 1 "$work/address")

grep -Pzq 'Uid:\t65534\t65534\t65534\t65534\nGid:\t65534\t65534\t65534\t65534\n' "/proc/$agent/status" || fail 'it runs as another user'
grep -Pzq 'CapInh:\t0+\nCapPrm:\t0+\nCapEff:\t0+\n' "/proc/$agent/status" || fail 'it has capabilities'
grep -Pq 'NoNewPrivs:\t1' "/proc/$agent/status" || fail 'it could get capabilities'

curl -sSN "${url}tail?from=start&limit=7" > "$work/came" &
reader=$!
eventually 'the log comes' grep -q 'order 5$' "$work/came"
seq -f 'order %.0f' 6 7 >> "$work/root/logs/app.log"
wait "$reader"
expect_orders 7 "$work/came"
expect 'what lies in the root' "logs sidetail" "$(cd "$work/root" && echo *)"
kill "$agent"
wait "$agent" || fail "it ended with $? on SIGTERM"
