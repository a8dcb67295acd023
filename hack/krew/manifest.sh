#!/usr/bin/env bash
# hack/krew/manifest.sh TAG REPOSITORY DIR: prints the krew manifest of a release. REPOSITORY is its URL, and DIR has the archives that
# hack/krew/archive.sh made, each of which the manifest names with its sha256.
set -euo pipefail
tag=$1 repository=$2 directory=$3

cat <<EOF
apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: groundlink
spec:
  version: $tag
  homepage: $repository
  shortDescription: Follow and manage Icinga 2 objects of Groundlink
  description: |
    Shows where each MonitoringObject of Groundlink is: published on the hub, delivered to
    each satellite, loaded by its Icinga 2. Waits until an object has arrived or is gone,
    compares its versions, and joins, checks, rotates and removes satellites.
  caveats: |
    To complete words after "kubectl groundlink":
      kubectl groundlink completion kubectl >~/.local/bin/kubectl_complete-groundlink
      chmod +x ~/.local/bin/kubectl_complete-groundlink
  platforms:
EOF
for archive in "$directory"/kubectl-groundlink-*-*.tar.gz; do
  name=$(basename "$archive")
  platform=${name#kubectl-groundlink-}
  platform=${platform%.tar.gz}
  cat <<EOF
    - selector:
        matchLabels:
          os: ${platform%-*}
          arch: ${platform##*-}
      uri: $repository/releases/download/$tag/$name
      sha256: $(sha256sum "$archive" | cut -d ' ' -f 1)
      bin: kubectl-groundlink
EOF
done
