#!/usr/bin/env bash
# The example of docker compose, with podman, and images that need no registry.
. "$(dirname "$0")/lib.sh"

build_image
build_app
# The names that the example has for them.
podman tag localhost/sidetail-test localhost/sidetail:0.1.0
podman tag localhost/sidetail-test-app docker.io/library/busybox:1
at_end 'podman untag localhost/sidetail-test-app docker.io/library/busybox:1'
at_end 'podman untag localhost/sidetail-test localhost/sidetail:0.1.0'
mkdir "$work/compose"
cp "$root/examples/compose/"* "$work/compose/"
sed -i 's/127.0.0.1:7878:/127.0.0.1:17879:/' "$work/compose/compose.yaml"
compose() { podman-compose --project-name "sidetail-test-$$" --file "$work/compose/compose.yaml" "$@" > "$work/said" 2>&1; }
at_end 'compose down --volumes --timeout 5'
compose up --no-build --detach || fail 'it does not start'
eventually 'it is ready' curl -fsS http://127.0.0.1:17879/readyz
curl -sSN --max-time "$PATIENCE" 'http://127.0.0.1:17879/events?event=order&from=start&limit=3' > "$work/came"
expect 'the first orders' '{"number":1}{"number":2}{"number":3}' "$(sed -n 's/^data: \({"number.*\)/\1/p' "$work/came" | tr -d '\n')"
