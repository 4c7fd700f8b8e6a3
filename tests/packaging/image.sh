#!/usr/bin/env bash
# The image beside a program that writes and rotates its log: a shared volume, a read-only root, no capability, a network
# of which only one port is open.
. "$(dirname "$0")/lib.sh"

# What the stages that build from source get.
printf 'FROM scratch\nCOPY . /\n' > "$work/Containerfile"
podman build --quiet -t localhost/sidetail-test-context -f "$work/Containerfile" "$root" >/dev/null
at_end 'podman rmi --force localhost/sidetail-test-context'
context=$(podman image mount localhost/sidetail-test-context)
for part in Cargo.toml Cargo.lock src packaging; do
    diff -r "$root/$part" "$context/$part" > "$work/said" 2>&1 || fail "$part is not whole in the context of the image"
done
[[ ! -e $context/target && ! -e $context/.git ]] || fail 'the context of the image has what it should not'
podman image unmount localhost/sidetail-test-context >/dev/null

build_image
build_app
name=sidetail-test-$$
podman volume create "$name" >/dev/null
at_end "podman volume rm --force $name"
at_end "podman rm --force --time 0 $name-app $name"

hardened=(--read-only --read-only-tmpfs=false --cap-drop=ALL --security-opt no-new-privileges)
podman run --detach --name "$name-app" --network none --read-only --env LINES=400 --volume "$name:/var/log/app" \
    localhost/sidetail-test-app >/dev/null
podman run --detach --name "$name" --user 65534 "${hardened[@]}" --memory 32m --pids-limit 16 --publish 127.0.0.1::7878 \
    --volume "$name:/logs:ro" localhost/sidetail-test --insecure --grace 5s /logs >/dev/null
url=http://$(podman port "$name" 7878/tcp)
eventually 'it is ready' curl -fsS "$url/readyz"

# What comes from outside, while the program rotates under it.
curl -sSN "$url/tail?from=start" > "$work/came" &
reader=$!
eventually 'all comes' grep -q 'order 400$' "$work/came"
expect_orders 400 "$work/came"
curl -fsS "$url/tail?from=start&follow=false" > "$work/again"
expect_orders 400 "$work/again"
expect 'compressed files' 7 "$(podman exec "$name-app" ls /var/log/app | grep -c 'gz$')"

status() { grep -P "^$1:" "/proc/$(podman inspect --format '{{.State.Pid}}' "$name")/status" | cut -f 2; }
expect 'the user' 65534 "$(status Uid)"
expect 'capabilities' 0000000000000000 "$(status CapEff)"
expect 'no new privileges' 1 "$(status NoNewPrivs)"
expect 'seccomp' 2 "$(status Seccomp)"

podman healthcheck run "$name" || fail 'the health check of the image does not say that it is well'
expect 'the default user' 65532:65532 "$(podman image inspect --format '{{.Config.User}}' localhost/sidetail-test)"
expect 'the license label' 'MIT OR Apache-2.0' "$(podman image inspect --format '{{index .Labels "org.opencontainers.image.licenses"}}' localhost/sidetail-test)"
expect 'what is in the image' sidetail "$(ls -A "$(podman image mount localhost/sidetail-test)")"
podman image unmount localhost/sidetail-test >/dev/null

began=$SECONDS
podman stop --time 20 "$name" >/dev/null
wait "$reader" || fail "the stream did not end cleanly: curl says $?"
((SECONDS - began <= 6)) || fail "it took $((SECONDS - began)) s to stop"
expect 'the exit code' 0 "$(podman inspect --format '{{.State.ExitCode}}' "$name")"
