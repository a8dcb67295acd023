#!/usr/bin/env bash
# Builds the control plane of the tests and the demo into .cache/bin: kube-apiserver, kubectl, etcd, helm.
# With --all also what only the tests need: helm3, promtool and prometheus, the CRDs of the Prometheus operator, gitops-check.
# Versions are pinned by hack/tools/*/go.mod. About six minutes the first time on two cores, nothing afterwards;
# --all takes two more. With --node what a node needs for hack/e2e.sh: kubelet, controllers, scheduler, proxy,
# containerd and CNI plugins, in five minutes more.
# A program that is already on the machine in the pinned version is used, and not built: from setup-envtest, or from the PATH.
# KUBEBUILDER_ASSETS=<dir> uses the programs in that directory, in whatever version, and builds only the missing ones.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
bin=$root/.cache/bin
assets=${KUBEBUILDER_ASSETS:-}
mkdir -p "$bin"

pinned() { sed -nE "s|^(require )?[[:space:]]*$2 (v[^ ]+).*|\2|p" "$root/hack/tools/$1/go.mod" | head -n 1; }
kube_version=$(pinned kube k8s.io/kubernetes)
etcd_version=$(pinned etcd go.etcd.io/etcd/server/v3)
helm_version=$(pinned helm helm.sh/helm/v4)
helm3_version=$(pinned helm3 helm.sh/helm/v3)

kube_ldflags="-s -w"
minor=${kube_version#v1.}
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  kube_ldflags+=" -X $package.gitVersion=$kube_version -X $package.gitMajor=1 -X $package.gitMinor=${minor%%.*}"
  kube_ldflags+=" -X $package.gitTreeState=clean -X $package.gitCommit=modcache -X $package.buildDate=1970-01-01T00:00:00Z"
done

# What setup-envtest has downloaded for this version, if it is installed. It downloads nothing now.
envtest=
if command -v setup-envtest >/dev/null; then
  envtest=$(setup-envtest use --installed-only --print path "${kube_version#v}" 2>/dev/null) || envtest=
fi

# ready NAME VERSION: prints the path of the program if the machine has it in this version.
ready() {
  local candidate arguments=--version
  case $1 in
  kubectl) arguments="version --client" ;;
  helm | helm3) arguments="version --short" ;;
  esac
  for candidate in ${envtest:+"$envtest/$1"} "$(command -v "$1")"; do
    [ -x "$candidate" ] && [ "$(realpath "$candidate")" != "$(realpath -m "$bin/$1")" ] || continue
    # shellcheck disable=SC2086
    if timeout 20 "$candidate" $arguments 2>/dev/null | grep -qE "(^|[^0-9.])${2#v}([^0-9]|\$)"; then
      echo "$candidate"
      return
    fi
  done
}

# Programs that `build` found missing, for `finish`.
names=() versions=() packages=() ldflags=()

# build NAME VERSION PACKAGE LDFLAGS: links the program if the machine has it; otherwise `finish` builds it.
build() {
  local name=$1 version=$2 package=$3 found
  if [ -n "$assets" ] && [ -x "$assets/$name" ]; then
    ln -sf "$assets/$name" "$bin/$name"
    rm -f "$bin/.$name.version"
    echo "tools: $name from KUBEBUILDER_ASSETS"
    return
  fi
  if [ -x "$bin/$name" ] && [ "$(cat "$bin/.$name.version" 2>/dev/null)" = "$version" ]; then
    return
  fi
  found=$(ready "$name" "$version")
  if [ -n "$found" ]; then
    ln -sf "$found" "$bin/$name"
    echo "$version" >"$bin/.$name.version"
    echo "tools: $name $version from $found"
    return
  fi
  names+=("$name") versions+=("$version") packages+=("$package") ldflags+=(-ldflags "$package=$4")
}

# finish MODULE: builds the missing programs by one command, so that both cores have work while one of them links.
finish() {
  local module=$1 started=$SECONDS i built
  [ "${#names[@]}" -gt 0 ] || return 0
  command -v go >/dev/null || {
    echo "tools: building ${names[*]} needs Go; install it, or set KUBEBUILDER_ASSETS to a directory that has them" >&2
    exit 1
  }
  echo "tools: building ${names[*]}"
  rm -rf "$bin/partial" && mkdir "$bin/partial"
  # Garbage collection and debug information are a third of a compiler's time, and -s drops the latter. Each compiler
  # may use 1 GiB before it collects. The tags leave service discovery out of Prometheus, and Btrfs out of containerd.
  CGO_ENABLED=0 GOGC=off GOMEMLIMIT=1GiB go build -C "$root/hack/tools/$module" -trimpath -gcflags=all=-dwarf=false \
    -tags remove_all_sd,no_btrfs "${ldflags[@]}" -o "$bin/partial/" "${packages[@]}" &
  local pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
      kill -0 "$pid" 2>/dev/null || break
      sleep 1
    done
    kill -0 "$pid" 2>/dev/null && echo "tools: ... $((SECONDS - started)) s"
  done
  wait "$pid"
  for i in "${!names[@]}"; do
    # Go names a program after the last part of its package that is no version.
    built=${packages[i]}
    [[ $built =~ /v[0-9]+$ ]] && built=${built%/*}
    mv "$bin/partial/${built##*/}" "$bin/${names[i]}"
    echo "${versions[i]}" >"$bin/.${names[i]}.version"
    echo "tools: ${names[i]} ${versions[i]} built"
  done
  rmdir "$bin/partial"
  echo "tools: built in $((SECONDS - started)) s"
  names=() versions=() packages=() ldflags=()
}

# All but a node's programs share one version of each package, by go.work. So each package is compiled once.
export GOWORK=$root/hack/tools/go.work
build etcd "$etcd_version" go.etcd.io/etcd/server/v3 "-s -w"
build kube-apiserver "$kube_version" k8s.io/kubernetes/cmd/kube-apiserver "$kube_ldflags"
build kubectl "$kube_version" k8s.io/kubernetes/cmd/kubectl "$kube_ldflags"
build helm "$helm_version" helm.sh/helm/v4/cmd/helm "-s -w -X helm.sh/helm/v4/internal/version.version=$helm_version"

if [ "${1:-}" = --node ]; then
  for name in kube-controller-manager kube-scheduler kubelet kube-proxy; do
    build $name "$kube_version" k8s.io/kubernetes/cmd/$name "$kube_ldflags"
  done
  finish kube
  export GOWORK=off
  containerd=github.com/containerd/containerd/v2
  containerd_version=$(pinned node "$containerd")
  for name in containerd containerd-shim-runc-v2 ctr; do
    build $name "$containerd_version" $containerd/cmd/$name "-s -w -X $containerd/version.Version=$containerd_version"
  done
  plugins=github.com/containernetworking/plugins
  plugins_version=$(pinned node "$plugins")
  for plugin in main/ptp main/loopback ipam/host-local meta/portmap; do
    build "${plugin#*/}" "$plugins_version" $plugins/plugins/$plugin "-s -w"
  done
  build pause "$(sha256sum "$root/hack/tools/node/pause/main.go" | cut -c -16)" groundlink.dev/hack/tools/node/pause "-s -w"
  finish node
fi
[ "${1:-}" = --all ] || {
  finish kube
  exit
}
# Without service discovery and without the pages of the web interface, which is a third of the time.
prometheus_version=$(pinned prometheus github.com/prometheus/prometheus)
prometheus_ldflags="-s -w -X github.com/prometheus/common/version.Version=$prometheus_version"
for name in promtool prometheus; do
  build $name "$prometheus_version" github.com/prometheus/prometheus/cmd/$name "$prometheus_ldflags"
done
# Its version is its text.
gitops_version=$(cat "$root"/hack/tools/gitops/* | sha256sum | cut -c -16)
build gitops-check "$gitops_version" groundlink.dev/hack/tools/gitops "-s -w"
finish kube
# By itself: it has the name of helm 4.
build helm3 "$helm3_version" helm.sh/helm/v3/cmd/helm "-s -w -X helm.sh/helm/v3/internal/version.version=$helm3_version"
finish kube

# The CRDs of the Prometheus operator, from its module.
operator=github.com/prometheus-operator/prometheus-operator
crds=$bin/../monitoring-crds
if [ "$(cat "$crds/.version" 2>/dev/null)" != "$(pinned monitors "$operator")" ]; then
  source=$(cd "$root/hack/tools/monitors" && GOWORK=off go mod download -json "$operator" | sed -nE 's/^\t"Dir": "(.*)",?$/\1/p')
  rm -rf "$crds" && mkdir -p "$crds"
  for kind in servicemonitors podmonitors prometheusrules; do
    install -m 0644 "$source/example/prometheus-operator-crd/monitoring.coreos.com_$kind.yaml" "$crds/"
  done
  pinned monitors "$operator" >"$crds/.version"
fi
