#!/usr/bin/env bash
# Writes hack/tools/kube/go.mod for another Kubernetes version: hack/tools/pin-kube.sh 1.37.2
# k8s.io/kubernetes requires each of its staging modules at v0.0.0, a version that does not exist,
# so each one needs a replace to v0.X.Y, the same patch as v1.X.Y. Needs jq; a person runs it, the build does not.
set -euo pipefail
version=${1:?usage: pin-kube.sh 1.X.Y}
cd "$(dirname "$0")/kube"
rm -f go.mod go.sum
go mod init groundlink.dev/hack/tools/kube
go mod edit -go=1.26.0 -require="k8s.io/kubernetes@v$version"
# Outside the module: inside one whose requirements do not resolve yet, `go mod download` answers nothing useful.
mod=$(cd "$(mktemp -d)" && go mod download -json "k8s.io/kubernetes@v$version" | jq -r .GoMod)
go mod edit -json "$mod" |
  jq -r '(.Require[] | select(.Version == "v0.0.0").Path), ((.Replace // [])[].Old.Path)' | sort -u |
  while read -r module; do go mod edit -replace="$module=$module@v0.${version#1.}"; done
for command in kube-apiserver kube-controller-manager kube-proxy kube-scheduler kubectl kubelet; do
  go mod edit -tool="k8s.io/kubernetes/cmd/$command"
done
go mod tidy
# Completes go.work.sum, by which the programs of the tests are built together.
GOWORK=$PWD/../go.work go list -deps tool >/dev/null
