#!/usr/bin/env bash
# The Debian package: lintian finds nothing; installed in a Debian whose systemd is PID 1 of a container it runs, hardened,
# is reloaded, watched, started by its socket, upgraded; purged it leaves nothing.
. "$(dirname "$0")/lib.sh"

mkdir "$work/one" "$work/two"
package=$("$root/packaging/debian/build" "$binary" "$work/one")
cmp "$package" "$("$root/packaging/debian/build" "$binary" "$work/two")" || fail 'built twice it is not the same'
mkdir "$work/early" "$work/three"
cp -r "$root/packaging" "$root/Cargo.toml" "$root/README.md" "$root/CHANGELOG.md" "$work/early"
sed -i '0,/^version = .*/s//version = "9.0.0-rc.1"/' "$work/early/Cargo.toml"
early=$("$work/early/packaging/debian/build" "$binary" "$work/three")
dpkg --compare-versions "$(dpkg-deb --field "$early" Version)" lt 9.0.0-1 || fail 'a version before the final one is newer than that'
expect 'what lintian says' '' "$(lintian --allow-root "$package" 2>&1)"
install -m 644 "$root/packaging/debian/logrotate" "$work/logrotate"
logrotate --debug --state "$work/state" "$work/logrotate" > "$work/said" 2>&1 || fail 'logrotate does not understand the example'
! grep -i error "$work/said" || fail 'logrotate does not understand the example'

image=localhost/sidetail-test-debian
if ! podman image exists $image; then
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Codename: bookworm' | awk 'NR == 1')
    debootstrap --variant=minbase --include=systemd,systemd-sysv,procps bookworm "$work/debian" "$mirror" > "$work/said" || fail 'no Debian can be made'
    tar -C "$work/debian" -c . | podman import --quiet - $image >/dev/null
    rm -rf "$work/debian"
fi
name=sidetail-test-$$-systemd
at_end "podman rm --force --time 0 $name"
# The sandbox of the unit makes namespaces in the container.
podman run --detach --name "$name" --ulimit "nofile=$(ulimit -Hn):$(ulimit -Hn)" --ulimit nproc=4096:4096 --systemd=always --network none --privileged $image /sbin/init >/dev/null
inside() { podman exec "$name" "$@"; }
booted() { [[ $(inside systemctl is-system-running 2>/dev/null) == @(running|degraded) ]]; }
eventually 'the system is up' booted
pid=$(podman inspect --format '{{.State.Pid}}' "$name")
get() { nsenter --target "$pid" --net curl -fsSN "http://127.0.0.1:7878$1"; }
property() { inside systemctl show --value --property "$1" sidetail.service; }
has_state() { [[ $(property ActiveState) == "$1" ]]; }

podman cp "$package" "$name:/sidetail.deb"
inside dpkg --install /sidetail.deb > "$work/said" 2>&1 || fail 'it can not be installed'
# Type=notify: active means that it accepts connections.
expect 'the unit' active "$(property ActiveState)"
get '/tail?from=start&limit=1' | grep -q . || fail 'the log of the default config does not come'
expect 'verified' '' "$(inside systemd-analyze --man=no verify sidetail.service sidetail.socket 2>&1)"
inside systemd-analyze security --no-pager --threshold=12 sidetail.service > "$work/exposure" || fail 'the unit is more exposed than it says'
get /metrics | grep -q '^process_resident_memory_bytes' || fail 'the sandbox hides the process from its own metrics'
main=$(property MainPID)
inside grep -Pzq 'CapPrm:\t0+\nCapEff:\t0+\nCapBnd:\t0+\n' "/proc/$main/status" || fail 'it has capabilities'
inside grep -Pzq 'NoNewPrivs:\t1\nSeccomp:\t2\n' "/proc/$main/status" || fail 'it is not confined'
! inside journalctl --unit sidetail --quiet --no-pager | grep WARN || fail 'it warns of something'

# A changed config is taken up by a reload; a stream that is open stays so.
get '/events' > "$work/stream" &
reader=$!
eventually 'the stream is open' grep -q hello "$work/stream"
inside sh -c 'echo "order 1" > /var/log/app.log; printf "\n[[log]]\nname = \"app\"\npath = \"/var/log/app.log\"\n" >> /etc/sidetail/sidetail.toml'
inside systemctl reload sidetail
eventually 'the new log is followed' get '/tail?log=app&from=start&limit=1'
expect 'the process after a reload' "$main" "$(property MainPID)"
kill -0 "$reader" || fail 'the reload ended a stream'
kill "$reader"

# One that hangs is started again.
inside sh -c 'mkdir -p /run/systemd/system/sidetail.service.d; printf "[Service]\nWatchdogSec=1s\nTimeoutAbortSec=1s\n" > /run/systemd/system/sidetail.service.d/quick.conf'
inside systemctl daemon-reload
inside systemctl restart sidetail
main=$(property MainPID)
inside kill -STOP "$main"
started_again() { [[ $(property MainPID) != @(0|"$main") ]] && has_state active; }
eventually 'the watchdog starts it again' started_again

# The socket holds the address while it is away.
inside systemctl stop sidetail
expect 'the result of a stop' success "$(property Result)"
inside systemctl enable --now sidetail.socket 2>/dev/null
! has_state active || fail 'the socket alone starts it'
get '/healthz' >/dev/null || fail 'the socket does not start it'
has_state active || fail 'the socket did not start it'

# An upgrade keeps the config and runs again; a purge leaves nothing.
inside dpkg --install /sidetail.deb > "$work/said" 2>&1 || fail 'it can not be upgraded'
eventually 'it is active after an upgrade' has_state active
get '/tail?log=app&from=start&limit=1' | grep -qx 'order 1' || fail 'an upgrade loses the config'
inside dpkg --purge sidetail > "$work/said" 2>&1 || fail 'it can not be purged'
! get /healthz 2>/dev/null || fail 'it runs on after the purge'
expect 'what is left' '' "$(inside find / -xdev -name '*sidetail*' ! -path '/proc/*' ! -path '/sys/*' ! -path /sidetail.deb ! -path '/run/systemd/*' ! -path '/var/log/journal/*' ! -path '/run/log/*')"
