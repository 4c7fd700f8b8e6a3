#!/usr/bin/env bash
# A release: what it has, that its parts work, that nothing of the machine that made it is in the binary.
. "$(dirname "$0")/lib.sh"

dist=$work/dist
"$root/packaging/release" "$dist" > "$work/said" 2>&1 || fail 'no release can be made'
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1)
name=sidetail-$version-$(uname -m)-linux
(cd "$dist" && sha256sum --quiet --check SHA256SUMS) || fail 'the checksums are wrong'
expect 'how many files have a checksum' 4 "$(wc -l < "$dist/SHA256SUMS")"

tar -C "$work" -xzf "$dist/$name.tar.gz"
expect 'the version' "sidetail $version" "$("$work/$name/sidetail" --version)"
expect 'what is in the archive' 'CHANGELOG.md LICENSE-APACHE LICENSE-MIT README.md sidetail sidetail.1 sidetail.bash sidetail.fish sidetail.service sidetail.socket sidetail.zsh' "$(ls "$work/$name" | xargs)"
[[ $(file -b "$work/$name/sidetail") == *static-pie\ linked*stripped* ]] || fail 'the binary is not static and stripped'
! grep -qaF -e "${CARGO_HOME:-$HOME/.cargo}" -e "$root" "$work/$name/sidetail" || fail 'the binary names folders of this machine'

sbom=$dist/sidetail-$version.cdx.json
tools=$root/target/packaging
if [[ ! -e $tools/venv/bin/sbom ]]; then
    python3 -m venv "$tools/venv"
    "$tools/venv/bin/pip" install --quiet 'cyclonedx-python-lib[json-validation]==11.12.0'
    touch "$tools/venv/bin/sbom"
fi
"$tools/venv/bin/python" -c 'import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
sys.exit(JsonStrictValidator(SchemaVersion.V1_5).validate_str(open(sys.argv[1]).read()))' "$sbom" || fail 'the SBOM is not valid'
jq --exit-status '[.components[] | select(.licenses == null or .hashes == null)] == []' "$sbom" >/dev/null || fail 'a crate has no license or checksum'
jq --exit-status '[.components[].name] | contains(["tokio", "regex", "rustls"]) and (contains(["proptest"]) | not)' "$sbom" >/dev/null || fail 'the SBOM does not have what the binary is made of'

at_end "podman rmi localhost/sidetail:$version"
podman rmi "localhost/sidetail:$version" >/dev/null
podman load --quiet --input "$dist/sidetail-$version-image.tar" >/dev/null
expect 'the version of the image' "sidetail $version" "$(podman run --rm --network none "localhost/sidetail:$version" --version)"
expect 'the labels' "$version $(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)" "$(podman image inspect --format '{{index .Labels "org.opencontainers.image.version"}} {{index .Labels "org.opencontainers.image.revision"}}' "localhost/sidetail:$version")"
