#!/usr/bin/env bash
# End to end on two real clusters: a hub and an edge, each with a kubelet, containerd and Pods. make e2e
# The chart and the examples are installed as a user does it, with the image of the Dockerfile and an Icinga 2 in Pods on both
# sides. Each step waits for what it claims, and fails with what is there instead.
# Needs root, 4 GiB of memory, and Debian's runc, buildah and musl-tools, which it installs. Everything runs in namespaces of its
# own that have no way out; when it ends, however it ends, nothing is left but .cache. KEEP=1 keeps the logs.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd -P)
cd "$root"

say() { echo "e2e: $1"; }

if [ "${1:-}" != --inside ]; then
  [ "$(id -u)" = 0 ] || {
    echo "e2e: needs root, for namespaces, mounts and cgroups" >&2
    exit 3
  }
  mountpoint -q /sys/fs/cgroup/memory || {
    echo "e2e: needs the hierarchies of cgroup v1 (legacy or hybrid), and /sys/fs/cgroup/memory is none" >&2
    exit 3
  }
  packages=()
  for package in runc:runc buildah:buildah nftables:nft musl-tools:musl-gcc dumb-init:dumb-init debootstrap:debootstrap; do
    command -v "${package#*:}" >/dev/null || packages+=("${package%:*}")
  done
  if [ "${#packages[@]}" -gt 0 ]; then
    say "installing ${packages[*]}"
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}"; } >/dev/null
  fi
  hack/tools/build.sh --node
  hack/icinga-generations.sh
  hack/e2e/images.sh
  work=$(mktemp -d "${TMPDIR:-/tmp}/groundlink-e2e.XXXXXX")
  export work
  # shellcheck source=hack/e2e/cluster.sh
  . hack/e2e/cluster.sh
  finish() {
    local status=$?
    # The processes end with process 1 of their namespace, and leave their cgroups behind.
    [ -z "${inside:-}" ] || kill -KILL "$inside" 2>/dev/null || true
    wait 2>/dev/null || true
    cgroups_remove
    if [ "$status" != 0 ] || [ -n "${KEEP:-}" ]; then
      rm -rf "$root/.cache/e2e/logs"
      mkdir -p "$root/.cache/e2e/logs"
      for cluster in hub edge; do
        [ ! -d "$work/$cluster/log" ] || cp -r "$work/$cluster/log" "$root/.cache/e2e/logs/$cluster"
      done
      cp "$work"/*.txt "$root/.cache/e2e/logs/" 2>/dev/null || true
      say "the logs are in .cache/e2e/logs"
    fi
    rm -rf --one-file-system "$work"
  }
  trap finish EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  mkdir "$work/images"
  ln "$root"/.cache/e2e/images/*.tar "$work/images/" 2>/dev/null || cp "$root"/.cache/e2e/images/*.tar "$work/images/"
  unshare --mount --net --pid --fork --mount-proc --kill-child "$root/hack/e2e.sh" --inside &
  inside=$!
  wait "$inside"
  exit
fi

export PATH=$root/.cache/bin:$root/.cache/e2e/images:$PATH
# shellcheck source=hack/e2e/cluster.sh
. hack/e2e/cluster.sh
not() { ! "$@"; }
fail() {
  echo "e2e: FAILED: $1" >&2
  exit 1
}
# until_true SECONDS WHAT COMMAND...
until_true() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >"$work/last.txt" 2>&1; do
    if [ "$SECONDS" -ge "$end" ]; then
      echo "$* said:" >&2
      tail -n 20 "$work/last.txt" >&2
      fail "not within the time: $what"
    fi
    sleep 0.2
  done
}
hub() { kubectl --kubeconfig "$work/hub/admin.kubeconfig" "$@"; }
edge() { kubectl --kubeconfig "$work/edge/admin.kubeconfig" "$@"; }
trap 'describe >"$work/describe.txt" 2>&1' ERR EXIT
describe() {
  local cluster
  for cluster in hub edge; do
    echo "== $cluster"
    "$cluster" get pods,pv,pvc,events -A -o wide || true
    "$cluster" get monitoringobjects,satelliteclusters -A -o yaml || true
    "$cluster" logs -A -l app.kubernetes.io/name --all-containers --prefix --tail=100 || true
    "$cluster" -n groundlink logs deployment/groundlink --all-containers --prefix --tail=200 || true
    "$cluster" -n icinga logs statefulset/icinga-1 --all-containers --prefix --tail=200 || true
  done
}
steps=() began=$SECONDS
# step WHAT: the one before is done.
step() {
  [ -z "${current:-}" ] || steps+=("$(printf '%5d s  %s' $((SECONDS - began)) "$current")")
  current=$1 began=$SECONDS
  say "$1"
}

# query HOST_OR_POD_IP TYPE: names of Icinga's objects of a type, by its API.
password=e2e-$RANDOM$RANDOM
icinga() {
  curl -sS --insecure --max-time 10 --user "e2e:$password" -H "Accept: application/json" "https://$1:5665/v1/$2"
}
pod_ip() { "$1" -n "$2" get pods -l "$3" -o "jsonpath={.items[0].status.podIP}"; }
hub_icinga() { icinga "$(pod_ip hub groundlink app.kubernetes.io/name=groundlink)" "$@"; }
edge_icinga() { icinga "$(pod_ip edge icinga app.kubernetes.io/instance=icinga-1)" "$@"; }
# has hub|edge NAME: its Icinga has this host.
has() { "$1_icinga" "objects/hosts?attrs=name" | grep -qF "\"name\":\"$2\""; }
# lacks hub|edge NAME: its Icinga answers, and does not have this host.
lacks() {
  local answer
  answer=$("$1_icinga" "objects/hosts?attrs=name") && grep -qF '"results":' <<<"$answer" && ! grep -qF "\"name\":\"$2\"" <<<"$answer"
}
value() { "$1_icinga" "objects/hosts/$2?attrs=address" | grep -qF "\"address\":\"$3\""; }

# volume CLUSTER NAMESPACE CLAIM SIZE: a directory of the node for a claim.
volume() {
  local path=$work/$1/volumes/$3
  mkdir -p "$path"
  "$1" apply -f - >/dev/null <<EOF
apiVersion: v1
kind: PersistentVolume
metadata: {name: $3}
spec:
  capacity: {storage: $4}
  accessModes: [ReadWriteOncePod]
  persistentVolumeReclaimPolicy: Retain
  claimRef: {namespace: $2, name: $3}
  local: {path: $path}
  nodeAffinity:
    required:
      nodeSelectorTerms:
        - matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [$1]}]
EOF
}
# with_images GENERATION FILE: the example with the images of this machine, and an API user of Icinga for these checks.
with_images() {
  sed -e "s|icinga/icinga2:[0-9.]*|localhost/icinga2:$1|" -e "s|image: groundlink:|image: localhost/groundlink:|" \
    -e "s|^    object ApiListener \"api\" { }|&\n    object ApiUser \"e2e\" { password = \"$password\", permissions = [ \"*\" ] }|" "$2"
}

step "two clusters"
network_create
cluster_create hub 0
cluster_create edge 1
cluster_start hub 0 &
hub_start=$!
cluster_start edge 1
wait "$hub_start"
groundlink --version
KUBECONFIG=$work/hub/admin.kubeconfig:$work/edge/admin.kubeconfig kubectl config view --flatten >"$work/kubeconfig"
export KUBECONFIG=$work/kubeconfig

step "helm install on the hub, with an Icinga 2 and its agent in the Pod"
hub create namespace groundlink >/dev/null
volume hub groundlink groundlink 1Gi
volume hub groundlink icinga-hub 2Gi
volume hub groundlink icinga-hub-agent 1Gi
with_images 2.14 examples/agent/hub.yaml | hub apply -f - >/dev/null
with_images 2.14 examples/agent/hub-values.yaml >"$work/hub-values.yaml"
helm_install() {
  helm --kube-context hub upgrade --install groundlink charts/groundlink -n groundlink -f "$work/hub-values.yaml" \
    --set image.registry=localhost --set settings.icingaVersion=2.14 --set 'settings.privilegedNamespaces={ops}' --wait --timeout 3m "$@"
}
helm_install >/dev/null

step "join the edge, with an Icinga 2 and its agent in a Pod"
edge create namespace icinga >/dev/null
volume edge icinga data-icinga-1-0 2Gi
volume edge icinga groundlink-icinga-1-0 1Gi
groundlink satellite add edge --context edge --hub-context hub --agent icinga-1
with_images 2.16 examples/agent/satellite.yaml >"$work/satellite.yaml"
# A host that somebody wrote by hand, for what Icinga on the edge refuses and the hub does not.
sed -i 's|^    object CheckerComponent|    object Host "by-hand" { check_command = "dummy" }\n&|' "$work/satellite.yaml"
edge apply -f "$work/satellite.yaml" >/dev/null
hub -n groundlink wait satellitecluster/edge --for=condition=Loaded --timeout=3m
hub -n groundlink patch satellitecluster edge --type=merge -p '{"spec":{"ackLevel":"Loaded"}}' >/dev/null

step "kubectl apply, loaded on both"
hub create namespace team-a >/dev/null
object() {
  cat <<EOF
apiVersion: groundlink.dev/v1alpha1
kind: MonitoringObject
metadata: {name: $1, namespace: team-a}
spec:
  host: {checkCommand: dummy, address: $2}
EOF
}
{ for i in 1 2 3 4 5; do
  object "web-$i" "192.0.2.$i"
  echo ---
done; } | hub apply -f - >/dev/null
hub -n team-a wait monitoringobject --all --for=condition=Synced --timeout=2m
for i in 1 2 3 4 5; do
  until_true 60 "web-$i in the hub's Icinga" has hub "web-$i"
  until_true 5 "web-$i in the edge's Icinga" has edge "web-$i"
done
until_true 10 "groundlink wait" groundlink wait mo/web-1 --hub-context hub -n team-a --for=loaded --timeout=10s
until_true 120 "nothing to say in groundlink status" groundlink status --hub-context hub

step "a change and a deletion arrive"
object web-1 192.0.2.99 | hub apply -f - >/dev/null
until_true 60 "the new address on the edge" value edge web-1 192.0.2.99
until_true 60 "the new address on the hub" value hub web-1 192.0.2.99
hub -n team-a delete monitoringobject web-5 >/dev/null
until_true 60 "web-5 gone from the edge" lacks edge web-5
until_true 60 "web-5 gone from the hub" lacks hub web-5

step "helm test: one object end to end"
helm --kube-context hub test groundlink -n groundlink --timeout 3m >/dev/null

step "what the edge's Icinga refuses holds back nobody else"
{ object by-hand 192.0.2.50 && echo --- && object web-6 192.0.2.6; } | hub apply -f - >/dev/null
until_true 90 "web-6 on the edge" has edge web-6
until_true 90 "the refusal on the object" sh -c "kubectl --context hub -n team-a get mo by-hand -o yaml | grep -A8 'type: Synced' ; kubectl --context hub -n team-a get mo by-hand -o jsonpath='{.status.conditions[?(@.type==\"Synced\")].reason}' | grep -qx Rejected"
hub -n team-a delete monitoringobject by-hand >/dev/null
until_true 90 "the edge is clean again" sh -c "[ \"\$(kubectl --context hub -n groundlink get satellitecluster edge -o jsonpath='{.status.conditions[?(@.type==\"Loaded\")].status}')\" = True ]"

step "helm upgrade and rollback: nothing is rewritten, no Icinga on the edge reloads"
configmaps() { edge -n icinga get configmaps -o jsonpath='{range .items[*]}{.metadata.name}={.metadata.resourceVersion} {end}'; }
statuses() { hub -n team-a get monitoringobjects -o jsonpath='{range .items[*]}{.metadata.name}={.metadata.resourceVersion} {end}'; }
started() { edge_icinga status/IcingaApplication | grep -oE '"program_start":[0-9.]*'; }
everything() {
  local delivered objects start
  delivered=$(configmaps) && objects=$(statuses) && start=$(started) && [ -n "$delivered" ] && [ -n "$objects" ] && [ -n "$start" ]
  echo "$delivered $objects $start"
}
until_true 60 "nothing to say before the upgrade" groundlink status --hub-context hub
before=$(everything)
helm_install --set podAnnotations.upgraded=yes >/dev/null
until_true 60 "nothing to say after the upgrade" groundlink status --hub-context hub
helm --kube-context hub rollback groundlink 1 -n groundlink --wait --timeout 3m >/dev/null
until_true 60 "nothing to say after the rollback" groundlink status --hub-context hub
after=$(everything)
[ "$before" = "$after" ] || fail "something was rewritten: before $before, after $after"

step "helm upgrade and rollback while objects come, change and go"
quiet=$(statuses)
# load: until the file is there; the last line of the log is the last round that was applied whole. Slow enough that fewer than
# 20 objects leave within ten minutes, beyond which the operator would ask a person.
load() {
  local round=0
  until [ -e "$work/load.stop" ]; do
    round=$((round + 1))
    { object load-a "198.51.100.$((round % 250 + 1))" && echo --- && object "load-$round" 198.51.100.1; } | hub apply -f - >/dev/null
    [ "$round" -le 2 ] || hub -n team-a delete monitoringobject "load-$((round - 2))" --wait=false >/dev/null
    echo "$round" >>"$work/load.log"
    sleep 2
  done
}
load &
loading=$!
until_true 60 "the load has begun" grep -qx 3 "$work/load.log"
helm_install --set podAnnotations.upgraded=again >/dev/null
helm --kube-context hub rollback groundlink 1 -n groundlink --wait --timeout 3m >/dev/null
touch "$work/load.stop"
wait "$loading" || fail "the load did not run to its end"
rounds=$(tail -n 1 "$work/load.log")
until_true 120 "the last change under load, on the edge" value edge load-a "198.51.100.$((rounds % 250 + 1))"
hosts() { edge_icinga "objects/hosts?attrs=name" | grep -oE '"name":"load-[^"]*"' | sort -u | tr -d '\n'; }
expected=$(printf '"name":"%s"\n' load-a "load-$((rounds - 1))" "load-$rounds" | sort -u | tr -d '\n')
is_expected() { echo "$(hosts) instead of $expected" && [ "$(hosts)" = "$expected" ]; }
until_true 60 "exactly the objects that are left, on the edge" is_expected
until_true 60 "nothing to say after the load" groundlink status --hub-context hub
now=$(hub -n team-a get monitoringobjects web-1 web-2 web-3 web-4 web-6 -o jsonpath='{range .items[*]}{.metadata.name}={.metadata.resourceVersion} {end}')
[ "$quiet" = "$now" ] || fail "objects that did not change were rewritten: before $quiet, after $now"
say "$rounds rounds of a change, an addition and a deletion"
hub -n team-a delete monitoringobjects load-a "load-$((rounds - 1))" "load-$rounds" >/dev/null
object web-2 192.0.2.22 | hub apply -f - >/dev/null
until_true 90 "a change after the rollback" value edge web-2 192.0.2.22

step "a downtime survives an eviction of the edge's Pod"
curl -sS --insecure --user "e2e:$password" -H "Accept: application/json" -X POST \
  "https://$(pod_ip edge icinga app.kubernetes.io/instance=icinga-1):5665/v1/actions/schedule-downtime" \
  -d "{\"type\":\"Host\",\"filter\":\"host.name==\\\"web-1\\\"\",\"author\":\"e2e\",\"comment\":\"kept\",\"start_time\":$(date +%s),\"end_time\":$(($(date +%s) + 36000)),\"fixed\":true}" | grep -q '"code":200'
edge create --raw /api/v1/namespaces/icinga/pods/icinga-1-0/eviction -f - >/dev/null <<EOF
{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "icinga-1-0", "namespace": "icinga"}}
EOF
downtime() { edge_icinga "objects/downtimes?attrs=comment" | grep -qF '"comment":"kept"'; }
until_true 20 "the Pod is gone" not edge_icinga status
until_true 120 "web-1 after the eviction" has edge web-1
until_true 10 "the downtime after the eviction" downtime

step "the edge loses power; changes wait and are named"
cluster_kill edge
object web-3 192.0.2.33 | hub apply -f - >/dev/null
hub -n team-a delete monitoringobject web-4 >/dev/null
until_true 180 "web-3 says that edge lacks it" sh -c "kubectl --context hub -n team-a get mo web-3 -o jsonpath='{.status.conditions[?(@.type==\"Synced\")].message}' | grep -q edge"
cluster_start edge 1
until_true 240 "web-3 after the return" value edge web-3 192.0.2.33
until_true 30 "web-4 gone after the return" lacks edge web-4
until_true 10 "the downtime after the return" downtime
hub -n team-a wait monitoringobject --all --for=condition=Synced --timeout=2m >/dev/null

step "the hub's volume is lost: it is filled again, and the edge keeps everything"
edge_lost=no
hub -n groundlink scale deployment groundlink --replicas=0 >/dev/null
until_true 90 "the Pod of the hub has ended" sh -c "[ -z \"\$(kubectl --context hub -n groundlink get pods -l app.kubernetes.io/name=groundlink -o name)\" ]"
find "$work/hub/volumes/groundlink" -mindepth 1 -delete
hub -n groundlink scale deployment groundlink --replicas=1 >/dev/null
end=$((SECONDS + 90))
until hub -n groundlink wait deployment/groundlink --for=condition=Available --timeout=0 >/dev/null 2>&1; do
  for host in web-1 web-2 web-3 web-6; do has edge "$host" || edge_lost=$host; done
  [ "$SECONDS" -lt "$end" ] || fail "the hub does not come back"
done
for host in web-1 web-2 web-3 web-6; do
  until_true 60 "$host on the hub's new volume" has hub "$host"
  has edge "$host" || edge_lost=$host
done
[ "$edge_lost" = no ] || fail "$edge_lost was missing on the edge"

step "leave: the edge is cleaned, helm uninstall keeps the CRDs"
groundlink satellite remove edge --context edge --hub-context hub
helm --kube-context hub uninstall groundlink -n groundlink --wait >/dev/null
hub get crd monitoringobjects.groundlink.dev -o name
hub -n team-a get monitoringobjects -o name

step done
printf '%s\n' "${steps[@]}"
say "proved: installed by helm, joined, loaded on both, changed, deleted, refused, upgraded, evicted, cut from power, volume lost, left"
