#!/usr/bin/env bash
# Process 1 of a node: a whole Kubernetes cluster in one set of namespaces. hack/e2e/cluster.sh starts it; it ends with
# all that it started when this process is killed.
# node.sh NAME DIRECTORY ADDRESS GATEWAY SERVICES PODS
set -euo pipefail
name=$1 directory=$2 address=$3 gateway=$4 services=$5 pods=$6
here=$(cd "$(dirname "$0")" && pwd)
export PATH=$here/../../.cache/bin:$PATH
log=$directory/log

mount --make-rprivate /
hostname "$name"

# The node sees its own cgroups as the root of each hierarchy, and the network devices of its own namespace.
hierarchies=()
for hierarchy in cpu cpuacct cpuset memory devices freezer blkio pids systemd; do
  ! mountpoint -q "/sys/fs/cgroup/$hierarchy" || hierarchies+=("$hierarchy")
done
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
for hierarchy in "${hierarchies[@]}"; do
  mkdir "/sys/fs/cgroup/$hierarchy"
  options=$hierarchy
  [ "$hierarchy" != systemd ] || options=none,name=systemd
  mount -t cgroup -o "$options" cgroup "/sys/fs/cgroup/$hierarchy"
done
mkdir /sys/fs/cgroup/unified
mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified

# Nothing is written outside the node's directory.
for path in var etc opt usr/libexec; do
  [ -d "/$path" ] || continue
  mkdir -p "$directory/upper/$path" "$directory/overlay/$path"
  mount -t overlay overlay -o "lowerdir=/$path,upperdir=$directory/upper/$path,workdir=$directory/overlay/$path" "/$path"
done
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/netns
# The kubelet sets these for the whole machine. It sets files instead.
mkdir -p "$directory/sysctl"
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
  kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
  file=$directory/sysctl/${setting%%=*}
  mkdir -p "${file%/*}"
  echo "${setting#*=}" >"$file"
  mount --bind "$file" "/proc/sys/${setting%=*}"
done
mount --make-rshared /

ip link set lo up
until ip link show eth0 >/dev/null 2>&1; do sleep 0.05; done
ip address add "$address/24" dev eth0
ip link set eth0 up
ip route add default via "$gateway"
echo 1 >/proc/sys/net/ipv4/ip_forward
ulimit -n "$(ulimit -Hn)"

start() {
  local program=$1
  shift
  "$program" "$@" >>"$log/$program.log" 2>&1 &
}
# until_true SECONDS WHAT COMMAND...
until_true() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || { echo "node $name: no $what" >&2; exit 1; }
    sleep 0.1
  done
}

start containerd -c "$directory/containerd.toml"
start etcd --data-dir="$directory/etcd" --listen-client-urls=http://127.0.0.1:2379 --advertise-client-urls=http://127.0.0.1:2379 \
  --listen-peer-urls=http://127.0.0.1:2380 --initial-advertise-peer-urls=http://127.0.0.1:2380 \
  --initial-cluster=default=http://127.0.0.1:2380 --log-level=warn
pki=$directory/pki
start kube-apiserver --etcd-servers=http://127.0.0.1:2379 --bind-address=0.0.0.0 --advertise-address="$address" --secure-port=6443 \
  --service-cluster-ip-range="$services" --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
  --allow-privileged=true --client-ca-file="$pki/ca.crt" --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
  --token-auth-file="$pki/tokens.csv" --service-account-issuer=https://kubernetes.default.svc.cluster.local \
  --service-account-key-file="$pki/accounts.key" --service-account-signing-key-file="$pki/accounts.key" \
  --kubelet-client-certificate="$pki/kubelet-client.crt" --kubelet-client-key="$pki/kubelet-client.key" \
  --kubelet-certificate-authority="$pki/ca.crt" --kubelet-preferred-address-types=InternalIP
start kube-controller-manager --kubeconfig="$directory/controllers.kubeconfig" --leader-elect=false --bind-address=127.0.0.1 \
  --service-account-private-key-file="$pki/accounts.key" --root-ca-file="$pki/ca.crt" --cluster-signing-cert-file="$pki/ca.crt" \
  --cluster-signing-key-file="$pki/ca.key" --use-service-account-credentials=true
start kube-scheduler --kubeconfig="$directory/scheduler.kubeconfig" --leader-elect=false --bind-address=127.0.0.1

containerd_ctl() { ctr -a /run/containerd/containerd.sock "$@"; }
until_true 60 containerd containerd_ctl version
for image in "$directory"/../images/*.tar; do
  containerd_ctl -n k8s.io images import --local --snapshotter overlayfs "$image" >>"$log/images.log" 2>&1
done
until_true 60 "API server" kubectl --kubeconfig "$directory/admin.kubeconfig" get --raw /readyz
start kubelet --config="$directory/kubelet.yaml" --kubeconfig="$directory/kubelet.kubeconfig" --hostname-override="$name" \
  --node-ip="$address" --root-dir="$directory/kubelet" --cert-dir="$directory/kubelet-pki"
start kube-proxy --config="$directory/proxy.yaml"
wait -n
echo "node $name: a part of it ended; see $log" >&2
exit 1
