# Clusters of one node each, for hack/e2e.sh, which sources this. All of it must run in a network namespace and a process
# namespace of its own: nothing outside can be reached, and all of it ends with process 1 of that namespace.
#
#   cluster_create NAME NUMBER   certificates and configuration in $work/NAME
#   cluster_start NAME NUMBER    starts the node, also again after cluster_kill; its data is kept
#   cluster_kill NAME            kills every process of the node at once, as a loss of power does
# The administrator's kubeconfig is $work/NAME/admin.kubeconfig. Node: 10.77.0.(10+NUMBER), Services 10.78.NUMBER.0/24,
# Pods 10.79.NUMBER.0/24. Names of Services are not resolved: nothing here asks for one.

bridge=groundlink0
gateway=10.77.0.1
hierarchies=(cpu cpuacct cpuset memory devices freezer blkio pids systemd unified)

# Directory of this process in a hierarchy of cgroups.
own_cgroup() {
  case $1 in
  unified) sed -n 's/^0:://p' /proc/self/cgroup ;;
  *) sed -nE "s/^[0-9]+:([^:]*,)?(name=)?$1(,[^:]*)?:(.*)/\4/p" /proc/self/cgroup ;;
  esac
}

network_create() {
  ip link set lo up
  ip link add "$bridge" type bridge
  ip address add "$gateway/24" dev "$bridge"
  ip link set "$bridge" up
  echo 1 >/proc/sys/net/ipv4/ip_forward
}

cluster_create() {
  local name=$1 number=$2 directory=$work/$1 address=10.77.0.$((10 + $2))
  mkdir -p "$directory"/{pki,log,cni}
  local pki=$directory/pki
  (
    cd "$pki"
    new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
    new_key ca
    openssl req -x509 -new -key ca.key -days 30 -subj "/CN=$name" -out ca.crt \
      -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,digitalSignature
    # certificate FILE SUBJECT USAGE [NAMES]
    certificate() {
      new_key "$1"
      openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
      printf 'extendedKeyUsage=%s\n%s\n' "$3" "${4:+subjectAltName=$4}" >"$1.ext"
      openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -extfile "$1.ext" -out "$1.crt"
    }
    certificate apiserver /CN=kube-apiserver serverAuth \
      "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,IP:10.78.$number.1,IP:$address,IP:127.0.0.1"
    certificate kubelet "/O=system:nodes/CN=system:node:$name" serverAuth "DNS:$name,IP:$address"
    certificate kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client clientAuth
    openssl genrsa -out accounts.key 2048
  ) >"$directory/log/pki.log" 2>&1
  # kubeconfig FILE USER GROUP
  kubeconfig() {
    local token
    token=$(openssl rand -hex 16)
    echo "$token,$2,$2,\"$3\"" >>"$pki/tokens.csv"
    cat >"$directory/$1.kubeconfig" <<EOF
apiVersion: v1
kind: Config
current-context: $name
clusters:
  - {name: $name, cluster: {server: "https://$address:6443", certificate-authority-data: $(base64 -w0 "$pki/ca.crt")}}
users:
  - {name: $name, user: {token: $token}}
contexts:
  - {name: $name, context: {cluster: $name, user: $name}}
EOF
  }
  kubeconfig admin admin system:masters
  kubeconfig controllers system:kube-controller-manager ""
  kubeconfig scheduler system:kube-scheduler ""
  kubeconfig kubelet "system:node:$name" system:nodes
  kubeconfig proxy system:kube-proxy system:node-proxier

  # Without CAP_SYS_RESOURCE, runc may not lower the score by which the kernel chooses whom to kill.
  cat >"$directory/containerd.toml" <<EOF
version = 3
root = '$directory/containerd'
state = '/run/containerd'
[grpc]
  address = '/run/containerd/containerd.sock'
[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = 'localhost/pause:1'
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = 'io.containerd.runc.v2'
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['$root/.cache/bin']
    conf_dir = '$directory/cni'
[plugins.'io.containerd.internal.v1.opt']
  path = '$directory/opt'
EOF
  cat >"$directory/cni/10-pods.conflist" <<EOF
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "ptp", "ipMasq": true, "ipam": {"type": "host-local", "dataDir": "/run/cni-ipam",
    "ranges": [[{"subnet": "10.79.$number.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
EOF
  echo "nameserver 127.0.0.1" >"$directory/resolv.conf"
  cat >"$directory/kubelet.yaml" <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $address
healthzBindAddress: 127.0.0.1
failCgroupV1: false
cgroupDriver: cgroupfs
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
authentication: {anonymous: {enabled: false}, webhook: {enabled: false}, x509: {clientCAFile: $pki/ca.crt}}
authorization: {mode: AlwaysAllow}
tlsCertFile: $pki/kubelet.crt
tlsPrivateKeyFile: $pki/kubelet.key
resolvConf: $directory/resolv.conf
failSwapOn: false
evictionHard: {memory.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%"}
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
EOF
  cat >"$directory/proxy.yaml" <<EOF
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $directory/proxy.kubeconfig}
mode: nftables
clusterCIDR: 10.79.$number.0/24
hostnameOverride: $name
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
EOF
}

cluster_start() {
  local name=$1 number=$2 directory=$work/$1 address=10.77.0.$((10 + $2)) hierarchy parent cgroup
  local -a cgroups=()
  for hierarchy in "${hierarchies[@]}"; do
    mountpoint -q "/sys/fs/cgroup/$hierarchy" || continue
    parent=/sys/fs/cgroup/$hierarchy$(own_cgroup "$hierarchy")
    cgroup=${parent%/}/groundlink-e2e-${work##*.}-$name
    [ -d "$cgroup" ] || mkdir "$cgroup"
    if [ "$hierarchy" = cpuset ]; then
      cat "$parent/cpuset.cpus" >"$cgroup/cpuset.cpus"
      cat "$parent/cpuset.mems" >"$cgroup/cpuset.mems"
    fi
    cgroups+=("$cgroup")
  done
  printf '%s\n' "${cgroups[@]}" >>"$work/cgroups"
  (
    for cgroup in "${cgroups[@]}"; do echo "$BASHPID" >"$cgroup/cgroup.procs"; done
    exec unshare --mount --net --pid --uts --ipc --cgroup --fork --mount-proc --kill-child \
      "$root/hack/e2e/node.sh" "$name" "$directory" "$address" "$gateway" "10.78.$number.0/24" "10.79.$number.0/24"
  ) >>"$directory/log/node.log" 2>&1 </dev/null &
  local parent_of_node=$! node
  echo "$parent_of_node" >"$directory/pid"
  until_true 10 "process 1 of $name" pgrep -P "$parent_of_node"
  node=$(pgrep -P "$parent_of_node")
  ip link add "$name" type veth peer name eth0 netns "$node"
  ip link set "$name" master "$bridge" up
  ip route replace "10.78.$number.0/24" via "$address" dev "$bridge"
  ip route replace "10.79.$number.0/24" via "$address" dev "$bridge"
  local kubectl=(kubectl --kubeconfig "$directory/admin.kubeconfig")
  until_true 90 "API server of $name" "${kubectl[@]}" get --raw /readyz
  "${kubectl[@]}" create clusterrolebinding proxy --clusterrole=system:node-proxier --user=system:kube-proxy \
    --dry-run=client -o yaml | "${kubectl[@]}" apply -f - >/dev/null
  until_true 90 "Node $name" "${kubectl[@]}" wait "node/$name" --for=condition=Ready --timeout=0
  # Until then, Pods are refused.
  until_true 90 "ServiceAccounts in $name" "${kubectl[@]}" get serviceaccount default
}

cluster_kill() {
  pkill -KILL -P "$(cat "$work/$1/pid")"
  until_true 10 "end of $1" not kill -0 "$(cat "$work/$1/pid")"
  ip link delete "$1" 2>/dev/null || true
}

# Removes the cgroups of all clusters. Their processes must have ended.
cgroups_remove() {
  [ -e "$work/cgroups" ] || return 0
  local cgroup
  while read -r cgroup; do
    for _ in $(seq 50); do
      [ -d "$cgroup" ] || break
      find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
    done
  done <"$work/cgroups"
}
