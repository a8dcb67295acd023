#!/usr/bin/env bash
# Checks charts/groundlink: lint, the variants that people install, and the rules for each rendered manifest.
# HELM is the helm binary (default .cache/bin/helm), CHART the chart to check. Needs only helm, grep, awk and sed.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
helm=${HELM:-$root/.cache/bin/helm}
chart=${CHART:-$root/charts/groundlink}
# shellcheck source=hack/checks.sh
source "$root/hack/checks.sh"

# Without the resources of helm test, which have checks of their own.
template() { "$helm" template groundlink "$chart" --namespace monitoring --skip-tests "$@"; }
# render FILE ARGS...: prints one file without its comments.
render() {
  local file=$1
  shift
  template --show-only "templates/$file" "$@" | sed -E '/^[[:space:]]*#/d'
}
has() { grep -qE -- "$2" <<<"$1" || { printf 'no line matches %s in:\n%s\n' "$2" "$1"; return 1; }; }
lacks() { [ -n "$1" ] || { echo "nothing was rendered"; return 1; }; if grep -nE -- "$2" <<<"$1"; then return 1; fi; }
equal() { [ "$1" = "$2" ] || { diff <(echo "$2") <(echo "$1"); return 1; }; }
# documents KIND: prints the documents of that kind from standard input.
documents() { awk -v kind="$1" 'BEGIN { RS = "\n?---\n" } ("\n" $0 "\n") ~ ("\nkind: " kind "\n") { print $0 "\n---" }'; }

# ---- helm's own checks

lint() { "$helm" lint --strict "$chart"; }
check "helm lint --strict" lint

variants=(
  ""
  "--set persistence.existingClaim=icinga"
  "--set persistence.enabled=false"
  "--set crds.enabled=false"
  "--set image.registry=registry.invalid,image.repository=a/b,image.digest=sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  "--set fullnameOverride=a-very-long-name-that-is-much-longer-than-the-limit-of-sixty-three-characters"
  "--set persistence.storageClass=-,persistence.subPath=hub/a,persistence.annotations.a=b"
  "--set rbac.create=false,rbac.aggregate=false,serviceAccount.create=false"
  "--set http.address=0.0.0.0,service.enabled=true,networkPolicy.enabled=true"
  "--set rbac.readNamespaces=true"
  "--values $chart/ci/page-values.yaml"
  "--values $chart/ci/namespaced-values.yaml"
  "--set settings.externalObjects={Zone!master,CheckCommand!my-check},settings.privilegedNamespaces={a,b}"
  "--set extraEnv[0].name=A,extraEnv[0].value=b,extraVolumes[0].name=v,extraVolumeMounts[0].name=v,extraVolumeMounts[0].mountPath=/v"
  "--set extraContainers[0].name=icinga,extraContainers[0].image=icinga,imagePullSecrets[0].name=s,priorityClassName=p"
  "--set extraInitContainers[0].name=install,extraInitContainers[0].image=groundlink"
  "--values $root/examples/agent/hub-values.yaml"
  "--set commonLabels.team=a,podLabels.team=b,podAnnotations.a=b,nodeSelector.a=b,tolerations[0].operator=Exists"
)
renders() { template $1 >/dev/null; }
for variant in "${variants[@]}"; do
  check "renders: ${variant:-defaults}" renders "$variant"
done
everything=$(for variant in "${variants[@]}"; do template $variant 2>/dev/null; echo ---; done | sed -E '/^[[:space:]]*#/d')

as_dependency() {
  mkdir -p "$work/parent/templates"
  printf 'apiVersion: v2\nname: parent\nversion: 0.1.0\ndependencies:\n- {name: groundlink, version: "*"}\n' >"$work/parent/Chart.yaml"
  printf 'global: {a: b}\n' >"$work/parent/values.yaml"
  mkdir -p "$work/parent/charts" && cp -r "$chart" "$work/parent/charts/groundlink"
  has "$("$helm" template x "$work/parent")" '^  name: x-groundlink$'
}
check "renders as a dependency of another chart, with global values" as_dependency

package() {
  "$helm" package "$chart" --destination "$work" >/dev/null || return 1
  local archive
  archive=$(echo "$work"/groundlink-*.tgz)
  equal "$("$helm" template groundlink "$archive" --namespace monitoring --skip-tests)" "$(template)"
}
check "the packaged chart renders the same" package
# Flux and git archive drop links, or keep what they point to outside.
no_links() { equal "$(find "$chart" -type l)" ""; }
check "the chart has no link" no_links

# ---- CRDs

crd_count() {
  local files=0 file
  for file in "$chart"/files/crds/*.yaml; do [ -s "$file" ] && files=$((files + 1)); done
  [ "$files" -ge 2 ] && equal "$(render crds.yaml "$@" | grep -c '^kind: CustomResourceDefinition$')" "$files"
}
check "every CRD of files/crds is rendered, at least two" crd_count
crds_keep() {
  has "$(render crds.yaml)" '^kind: CustomResourceDefinition$' && equal "$(render crds.yaml | grep -c '^    helm.sh/resource-policy: keep$')" "$(render crds.yaml | grep -c '^kind: CustomResourceDefinition$')"
}
check "every CRD carries helm.sh/resource-policy: keep" crds_keep
crds_own_annotations() {
  local out
  out=$(render crds.yaml --set-string 'crds.annotations.example\.org/a=$1 b')
  equal "$(grep -cF '    example.org/a: $1 b' <<<"$out")" "$(grep -c '^kind: Custom' <<<"$out")" &&
    has "$out" '^    helm.sh/resource-policy: keep$'
}
check "crds.annotations are added to every CRD, besides keep" crds_own_annotations
crds_not_kept() { lacks "$(render crds.yaml --set crds.keep=false)" 'resource-policy'; }
check "crds.keep=false omits the annotation" crds_not_kept
crds_disabled() { lacks "$(template --set crds.enabled=false)" 'kind: CustomResourceDefinition'; }
check "crds.enabled=false renders no CRD" crds_disabled
crds_verbatim() {
  equal "$(template --show-only templates/crds.yaml | sed -E '/^(---|# Source: .*|  annotations:|    helm\.sh\/resource-policy: keep|)$/d')" \
    "$(for file in "$chart"/files/crds/*.yaml; do cat "$file"; echo; done | sed -E '/^(---|)$/d')"
}
check "apart from the annotation, the CRDs are the generated text" crds_verbatim

crds_equal() { diff -r "$root/crds" "$chart/files/crds"; }
check "the chart's CRDs are those of crds/ (make crds)" crds_equal

# ---- rights

# One line per rule: groups resources resourceNames verbs.
rules() {
  awk '/^  - apiGroups:/ { if (r) print r; r = "" } /^rules:/ { on = 1; next } /^[^ ]/ { if (r) print r; r = ""; on = 0 }
    on && NF { gsub(/^ +(- )?/, ""); r = r (r ? " " : "") $0 } END { if (r) print r }'
}
no_wildcard() {
  local roles
  roles=$(documents '(Cluster)?Role' <<<"$everything")
  has "$roles" '^kind: ClusterRole$' && has "$roles" '^kind: Role$' && lacks "$roles" '\*'
}
check "no wildcard in any rule" no_wildcard
no_cluster_secrets() { lacks "$(documents ClusterRole <<<"$everything")" 'secrets|impersonate|escalate|bind\b'; }
check "no ClusterRole reaches Secrets" no_cluster_secrets
cluster_rules() {
  equal "$(render rbac.yaml | documents ClusterRole | rules)" \
"apiGroups: [groundlink.dev] resources: [monitoringobjects] verbs: [list, watch]
apiGroups: [groundlink.dev] resources: [monitoringobjects/status] verbs: [patch]
apiGroups: [events.k8s.io] resources: [events] verbs: [create, patch]
apiGroups: [apiextensions.k8s.io] resources: [customresourcedefinitions] resourceNames: [monitoringobjects.groundlink.dev] verbs: [get]
apiGroups: [\"\"] resources: [namespaces] resourceNames: [kube-system] verbs: [get]"
}
check "the operator's ClusterRole is exactly: read MonitoringObjects, patch their status, write their events, check for their CRD, and identify the hub" cluster_rules
read_namespaces() {
  equal "$(render rbac.yaml --set rbac.readNamespaces=true | documents ClusterRole | rules | sed 1,5d)" 'apiGroups: [""] resources: [namespaces] verbs: [get, list, watch]'
}
check "rbac.readNamespaces adds reading Namespaces and nothing else" read_namespaces
page_rules() {
  equal "$(render rbac.yaml --set page.enabled=true | documents ClusterRole | rules | sed 1,5d)" 'apiGroups: [authentication.k8s.io] resources: [tokenreviews] verbs: [create]
apiGroups: [authorization.k8s.io] resources: [subjectaccessreviews] verbs: [create]'
}
check "page.enabled adds asking who a person is and what they may do, and nothing else" page_rules
namespace_rules() {
  equal "$(render rbac.yaml | documents Role | rules)" \
"apiGroups: [groundlink.dev] resources: [satelliteclusters] verbs: [get, list, watch, patch]
apiGroups: [groundlink.dev] resources: [satelliteclusters/status] verbs: [patch]
apiGroups: [\"\"] resources: [secrets] verbs: [get, list, watch]
apiGroups: [coordination.k8s.io] resources: [leases] verbs: [create]
apiGroups: [coordination.k8s.io] resources: [leases] resourceNames: [\"groundlink\"] verbs: [get, update]"
}
check "the operator's Role is exactly what it needs in its own namespace" namespace_rules
renew_tokens() {
  equal "$(diff <(render rbac.yaml) <(render rbac.yaml --set rbac.renewTokens=true) | sed -n 's/^> *//p')" \
"- apiGroups: [\"\"]
resources: [secrets]
verbs: [patch]" && has "$(render rbac.yaml --set rbac.renewTokens=true | documents Role | rules)" 'resources: \[secrets\] verbs: \[patch\]$'
}
check "rbac.renewTokens adds patching Secrets in that Role and nothing else" renew_tokens
namespaced_role() { has "$(render rbac.yaml | documents Role)" '^  namespace: monitoring$'; }
check "the Role is in the release namespace" namespaced_role
own_roles_bound() {
  equal "$(documents '(Cluster)?RoleBinding' <<<"$everything" | awk '/^roleRef:/ { on = 1 } on && /^  name:/ { print $2; on = 0 }' | grep -cvE '^(groundlink(-objects)?|a-very-long-.*)$')" 0 &&
    equal "$(render rbac.yaml | documents ClusterRoleBinding | grep -A3 '^subjects:' | sed 's/^ *//')" \
"subjects:
- kind: ServiceAccount
name: groundlink
namespace: monitoring"
}
check "only the chart's own roles are bound, to the chart's own ServiceAccount" own_roles_bound
lease_name() { has "$(render rbac.yaml --set settings.leaseName=other)" 'resourceNames: \["other"\]'; }
check "the Lease in the Role is the one of settings.leaseName" lease_name
takes_over() {
  lacks "$(render deployment.yaml)" TAKE_OVER && has "$(render deployment.yaml --set settings.takeOverFrom=old/groundlink)" 'value: "old/groundlink"'
}
check "settings.takeOverFrom names the other operator" takes_over
aggregate() {
  local out label
  out=$(render rbac-aggregate.yaml) || return 1
  for label in view edit admin; do has "$out" "aggregate-to-$label: \"true\"" || return 1; done
  lacks "$(documents ClusterRole <<<"$out" | awk 'BEGIN { RS = "---\n" } /aggregate-to-view/')" 'create|update|patch|delete' &&
    lacks "$(template --set rbac.aggregate=false)" 'aggregate-to-'
}
check "roles are aggregated to view (reading only), edit and admin, and can be switched off" aggregate
rbac_off() { lacks "$(template --set rbac.create=false,rbac.aggregate=false)" '^kind: (Cluster)?Role'; }
check "rbac.create=false and rbac.aggregate=false render no role" rbac_off

# ---- named namespaces

named=(--values "$chart/ci/namespaced-values.yaml")
no_cluster() {
  local out
  out=$("$helm" template groundlink "$chart" --namespace monitoring "${named[@]}" --set rbac.renewTokens=true,rbac.satelliteReaders={a})
  has "$out" '^kind: Role$' && lacks "$out" 'ClusterRole|CustomResourceDefinition'
}
check "watchNamespaces: no ClusterRole, and nothing else outside of namespaces" no_cluster
objects_rules() {
  local role='apiGroups: [groundlink.dev] resources: [monitoringobjects] verbs: [list, watch]
apiGroups: [groundlink.dev] resources: [monitoringobjects/status] verbs: [patch]
apiGroups: [events.k8s.io] resources: [events] verbs: [create, patch]
apiGroups: [""] resources: [namespaces] resourceNames: ["NAME"] verbs: [get]' out
  out=$(render rbac.yaml "${named[@]}")
  equal "$(documents Role <<<"$out" | rules | head -n 8)" "${role/NAME/team-a}
${role/NAME/team-b}" && equal "$(documents Role <<<"$out" | awk '/^  namespace:/ { print $2 }' | xargs)" "team-a team-b monitoring" &&
    equal "$(documents RoleBinding <<<"$out" | awk '/^  namespace:/ { print $2 }' | xargs)" "team-a team-b monitoring" &&
    equal "$(documents RoleBinding <<<"$out" | awk '/^    namespace:/ { print $2 }' | xargs)" "monitoring monitoring monitoring"
}
check "watchNamespaces: each has a Role for its MonitoringObjects, bound to the operator" objects_rules
own_rules() {
  equal "$(diff <(render rbac.yaml | documents Role | rules) <(render rbac.yaml "${named[@]}" | documents Role | rules | sed 1,8d) | sed -n 's/^[<>] *//p')" \
'apiGroups: [events.k8s.io] resources: [events] verbs: [create, patch]
apiGroups: [""] resources: [namespaces] resourceNames: ["monitoring"] verbs: [get]'
}
check "watchNamespaces: the Role of the operator's own namespace adds its events and its UID" own_rules
named_environment() {
  lacks "$(render deployment.yaml)" WATCH_NAMESPACES && has "$(render deployment.yaml "${named[@]}")" 'value: "team-a,team-b"$'
}
check "watchNamespaces names the namespaces to the operator" named_environment
named_selftest() {
  local out
  selftest_in() { "$helm" template groundlink "$chart" --namespace monitoring --show-only templates/tests/selftest.yaml "$@" | sed -E '/^[[:space:]]*#/d'; }
  out=$(selftest_in "${named[@]}")
  has "$out" '- --namespace=team-a$' && equal "$(documents '(Role|RoleBinding)' <<<"$out" | awk '/^  namespace:/ { print $2 }' | xargs)" "team-a team-a" &&
    has "$(documents RoleBinding <<<"$out")" '^    namespace: monitoring$' || return 1
  has "$(selftest_in "${named[@]}" --set 'watchNamespaces={team-a,monitoring}')" '- --namespace=monitoring$'
}
check "watchNamespaces: helm test uses a namespace that is watched" named_selftest
# beyond VALUES WORDS: refused together with watchNamespaces, with these words.
beyond() {
  ! template --set "watchNamespaces={a},crds.enabled=false,rbac.aggregate=false" --set "$1" >"$work/out" 2>&1 && has "$(cat "$work/out")" "$2"
}
check "watchNamespaces refuses crds.enabled" beyond crds.enabled=true 'crds.enabled must be false: .*applies crds/ once'
check "watchNamespaces refuses rbac.aggregate" beyond rbac.aggregate=true 'rbac.aggregate must be false'
check "watchNamespaces refuses rbac.readNamespaces" beyond rbac.readNamespaces=true 'rbac.readNamespaces must be false: .*from: List'
check "watchNamespaces refuses page.enabled" beyond page.enabled=true 'page.enabled must be false: .*rbac.create=false'
own_page_roles() { template "${named[@]}" --set page.enabled=true,rbac.create=false >/dev/null; }
check "watchNamespaces with the page, if the roles are somebody else's" own_page_roles
readers() {
  equal "$(render rbac-aggregate.yaml --set 'rbac.satelliteReaders={a},namespaceOverride=elsewhere' | awk '/^  namespace:/ { print $2 }' | xargs)" "elsewhere elsewhere"
}
check "rbac.satelliteReaders: the Role is where the SatelliteClusters are" readers

satellite_rules() {
  equal "$(grep -v '^ *#' "$root/examples/satellite-rbac.yaml" | documents Role | rules)" \
'apiGroups: [""] resources: [configmaps] verbs: [get, list, watch, create, update, patch, delete]
apiGroups: [coordination.k8s.io] resources: [leases] verbs: [get, list, watch]' &&
    equal "$(grep -c '^kind: ' "$root/examples/satellite-rbac.yaml")" 5 && lacks "$(cat "$root/examples/satellite-rbac.yaml")" '^kind: Cluster'
}
check "examples/satellite-rbac.yaml grants ConfigMaps and reading Leases in one namespace, nothing else" satellite_rules
token_rules() {
  local file=$root/examples/satellite-token-renewal.yaml
  equal "$(documents Role <"$file" | rules)" 'apiGroups: [""] resources: [serviceaccounts/token] resourceNames: [groundlink] verbs: [create]' &&
    equal "$(grep -c '^kind: ' "$file")" 2 && lacks "$(cat "$file")" '^kind: Cluster'
}
check "examples/satellite-token-renewal.yaml grants tokens of the one account, nothing else" token_rules

# ---- the Pod

deployment=$(render deployment.yaml 2>/dev/null)
for line in '^      securityContext:$' '^        runAsNonRoot: true$' '^          type: RuntimeDefault$' '^            allowPrivilegeEscalation: false$' \
  '^              drop: \[ALL\]$' '^            readOnlyRootFilesystem: true$' '^        fsGroup: 65532$'; do
  check "restricted Pod: $(sed -E 's/[\^$\\]//g; s/^ +//' <<<"$line")" has "$deployment" "$line"
done
not_loosened() { has "$everything" '^kind: Deployment$' && lacks "$everything" 'privileged: true|hostNetwork|hostPID|hostIPC|hostPath|runAsUser: 0$|add:'; }
check "nothing loosens the Pod's security" not_loosened
big_id() {
  local out
  # --set-json, because helm reads numbers in a values file as floats, but those of --set as integers.
  out=$(render deployment.yaml --set-json 'podSecurityContext={"runAsUser":1000650000,"fsGroup":1000650000,"runAsGroup":null}')
  has "$out" '^        runAsUser: 1000650000$' && has "$out" '^        fsGroup: 1000650000$' && lacks "$out" 'runAsGroup'
}
check "large ids stay integers, null omits one" big_id
check "strategy Recreate" has "$deployment" '^    type: Recreate$'
check "one replica" has "$deployment" '^  replicas: 1$'
check "30 seconds to terminate" has "$deployment" '^      terminationGracePeriodSeconds: 30$'
token() {
  local out
  out=$(template --set 'extraContainers[0].name=icinga,extraContainers[0].image=icinga,extraInitContainers[0].name=i,extraInitContainers[0].image=i')
  equal "$(grep -E '^ *automountServiceAccountToken: ' <<<"$out")" "automountServiceAccountToken: false
      automountServiceAccountToken: false" && equal "$(grep -c 'serviceAccountToken:$' <<<"$out")" 1 &&
    equal "$(awk '/^        - name: / { container = $3 } /mountPath:.*serviceaccount$/ { print container }' <<<"$out")" groundlink
}
check "only the operator's container has the token" token
init_containers() {
  local out
  out=$(render deployment.yaml --set 'extraInitContainers[0].name=i,extraInitContainers[0].image=i')
  equal "$(awk '/^      [a-zA-Z]*ontainers:$/ { place = $1 } /^        - image: i$/ { print place $3 }' <<<"$out")" "initContainers:i"
}
check "extraInitContainers are init containers" init_containers
check "no variables from Services, only the settings" has "$deployment" '^      enableServiceLinks: false$'
probes() { equal "$(awk '/path: \/(livez|readyz)$/ { p = $2; getline; print p, $2 }' <<<"$deployment")" "/livez probes
/readyz probes"; }
check "probes /livez and /readyz on the port probes" probes
environment() {
  equal "$(awk '/- name: GROUNDLINK_/ { n = $3; getline; if (/valueFrom/) { getline; getline } sub(/^ *(value|fieldPath): /, ""); print n "=" $0 }' <<<"$1")" "$2"
}
base='GROUNDLINK_POD_NAME=metadata.name
GROUNDLINK_NAMESPACE=metadata.namespace
GROUNDLINK_LEASE_NAME="groundlink"
GROUNDLINK_REMOVALS_SHARE="30"
GROUNDLINK_REMOVALS_LEAST="20"
GROUNDLINK_VOLUME=/var/lib/groundlink
GROUNDLINK_REQUIRE_MOUNT="true"
GROUNDLINK_LISTEN="127.0.0.1:8080"
GROUNDLINK_PROBES="0.0.0.0:8081"
GROUNDLINK_LOG="info"
GROUNDLINK_LOG_FORMAT="json"
GROUNDLINK_ICINGA_VERSION="2.13"'
check "the settings in the environment, defaults" environment "$deployment" "$base"
environment_lists() {
  environment "$(render deployment.yaml --set 'settings.externalObjects={Zone!master,CheckCommand!my-check},settings.privilegedNamespaces={a,b},settings.constants={MyDir,A_1}')" \
    "$base
GROUNDLINK_PRIVILEGED_NAMESPACES=\"a,b\"
GROUNDLINK_EXTERNAL_OBJECTS=\"Zone!master,CheckCommand!my-check\"
GROUNDLINK_CONSTANTS=\"MyDir,A_1\""
}
check "the settings in the environment, lists" environment_lists
removals_off() { has "$(render deployment.yaml --set settings.removals.share=100)" 'value: "100"$'; }
check "settings.removals.share=100 turns the guard off" removals_off
removals_bad() { ! template --set settings.removals.share=0 >/dev/null 2>&1; }
check "refused: a share of 0" removals_bad
no_loopback() { has "$everything" GROUNDLINK_VOLUME && lacks "$everything" LOOPBACK; }
check "the chart never allows loopback satellites" no_loopback
check "image: the chart's appVersion by default" has "$deployment" "^          image: \"groundlink:$(sed -nE 's/^appVersion: "(.*)"/\1/p' "$chart/Chart.yaml")\"\$"
digest=sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
image_digest() { has "$(render deployment.yaml --set image.registry=registry.invalid,image.tag=x,image.digest=$digest)" "image: \"registry.invalid/groundlink@$digest\"\$"; }
check "image: a digest wins over the tag" image_digest
same_port() {
  local out
  out=$(template --set http.port=9000,probes.port=9001,http.address=0.0.0.0,service.enabled=true)
  has "$out" 'containerPort: 9000$' && has "$out" '"0.0.0.0:9000"' && has "$out" '^      targetPort: http$' &&
    has "$out" 'containerPort: 9001$' && has "$out" '"0.0.0.0:9001"'
}
check "http.port is the port that the process, the container and the Service use" same_port
closed() { lacks "$(template)" '^kind: (Service|Ingress|NetworkPolicy)$' && has "$(template)" 'GROUNDLINK_LISTEN' && equal "$(grep -A1 GROUNDLINK_LISTEN <<<"$deployment" | grep -c '127.0.0.1')" 1; }
check "by default nothing outside the Pod reaches /metrics" closed
loopback_service() { ! template --set service.enabled=true >"$work/out" 2>&1 && has "$(cat "$work/out")" 'service.enabled needs an http.address'; }
check "service.enabled with http.address 127.0.0.1 is refused" loopback_service
network_policy() {
  local out
  out=$(render networkpolicy.yaml --set networkPolicy.enabled=true) || return 1
  equal "$(grep -c 'port: ' <<<"$out")" 1 && has "$out" '- port: probes$' && has "$out" '^  policyTypes: \[Ingress\]$' || return 1
  out=$(render networkpolicy.yaml --set 'networkPolicy.enabled=true,networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.a=b,networkPolicy.extraIngress[0].ports[0].port=5665')
  equal "$(sed -n '/^  ingress:/,$p' <<<"$out")" '  ingress:
    - ports:
        - port: probes
          protocol: TCP
    - from:
        - namespaceSelector:
            matchLabels:
              a: b
      ports:
        - port: http
          protocol: TCP
    - ports:
      - port: 5665'
}
check "networkPolicy: the kubelet, who is named for /metrics, what is added, and nobody else" network_policy

page_off() { has "$deployment" GROUNDLINK_LISTEN && lacks "$(template)" 'GROUNDLINK_PAGE|tokenreviews|port: page|name: page'; }
check "page: off by default" page_off
page_on() {
  local out
  out=$(template --set page.enabled=true)
  has "$out" '"127.0.0.1:8082"' && has "$out" 'containerPort: 8082$' && lacks "$out" '^kind: Service$' || return 1
  out=$(template --values "$chart/ci/page-values.yaml")
  has "$out" '"0.0.0.0:8082"' && has "$(documents Service <<<"$out")" '^  name: groundlink-page$' &&
    equal "$(documents NetworkPolicy <<<"$out" | grep -c 'port: page$')" 1
}
check "page: 127.0.0.1 alone, or a Service and a peer of its own" page_on
page_refused() {
  ! template --set page.enabled=true,page.service.enabled=true >"$work/out" 2>&1 && has "$(cat "$work/out")" 'page.service.enabled needs a page.address' &&
    ! template --set page.address=0.0.0.0,page.service.enabled=true >"$work/out" 2>&1 && has "$(cat "$work/out")" 'page.service.enabled needs page.enabled'
}
check "refused: a Service for a page that is off, or at 127.0.0.1" page_refused

# ---- the volume

mounted() { has "$1" 'mountPath: /var/lib/groundlink$' && has "$1" "$2"; }
check "default: a claim of the release's name" mounted "$deployment" 'claimName: groundlink$'
claim_kept() { has "$(render pvc.yaml --set 'persistence.annotations.helm\.sh/resource-policy=x')" '^    helm.sh/resource-policy: keep$' &&
  equal "$(render pvc.yaml --set 'persistence.annotations.helm\.sh/resource-policy=x' | grep -c resource-policy)" 1; }
check "the claim is kept on uninstall, with any annotations" claim_kept
existing_claim() {
  local out
  out=$(template --set persistence.existingClaim=mine)
  mounted "$out" 'claimName: mine$' && lacks "$out" '^kind: PersistentVolumeClaim$'
}
check "an existing claim is used, and none is created" existing_claim
empty_dir() {
  local out
  out=$(template --set persistence.enabled=false)
  mounted "$out" '^          emptyDir:$' && lacks "$out" 'PersistentVolumeClaim|persistentVolumeClaim'
}
check "persistence.enabled=false uses an emptyDir, and no claim is created" empty_dir
storage_class() {
  lacks "$(render pvc.yaml)" storageClassName && has "$(render pvc.yaml --set persistence.storageClass=-)" '^  storageClassName: ""$' &&
    has "$(render pvc.yaml --set persistence.storageClass=fast)" '^  storageClassName: "fast"$'
}
check "storageClass: default, none, named" storage_class

# ---- Prometheus and Grafana

. "$root/hack/check-chart-monitoring.sh"

# ---- the parent chart, and what a platform adds

registry() {
  has "$(render deployment.yaml --set global.imageRegistry=r.example,image.registry=x)" '"r.example/groundlink:' &&
    has "$(render deployment.yaml --set image.registry=x)" '"x/groundlink:' &&
    equal "$(render deployment.yaml --set 'global.imagePullSecrets[0].name=a,imagePullSecrets[0].name=b' | sed -n '/imagePullSecrets:/,/^      [a-z]*:$/p' | sed -nE 's/^ *- name: //p' | sort | xargs)" "a b"
}
check "global.imageRegistry wins, and global.imagePullSecrets are added" registry
elsewhere() {
  local out
  out=$(template --set namespaceOverride=elsewhere,service.enabled=true,http.address=0.0.0.0,networkPolicy.enabled=true)
  lacks "$out" 'namespace: monitoring$' && has "$out" '^  namespace: elsewhere$' &&
    lacks "$("$helm" template groundlink "$chart" --namespace monitoring --set namespaceOverride=elsewhere --show-only templates/tests/selftest.yaml)" 'monitoring$'
}
check "namespaceOverride moves everything" elsewhere
annotated() {
  local out
  out=$(template --set commonAnnotations.owner=a,service.enabled=true,http.address=0.0.0.0,networkPolicy.enabled=true,monitoring.dashboard.enabled=true,crds.enabled=false | sed -E '/^[[:space:]]*#/d')
  # Each resource, and the Pod.
  equal "$(grep -cE '^ +owner: a$' <<<"$out")" "$(($(grep -c '^kind: ' <<<"$out") + 1))"
}
check "commonAnnotations are on every resource and on the Pod" annotated
extra() {
  local out
  out=$(template --set-json 'extraObjects=[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"{{ .Release.Name }}-a"}},"kind: Secret\nmetadata: {name: {{ .Release.Name }}-b}"]')
  has "$out" '^  name: .?groundlink-a.?$' && has "$out" '^metadata: \{name: groundlink-b\}$'
}
check "extraObjects are objects or texts with templates" extra
placed() {
  local out
  out=$(render deployment.yaml --values "$chart/ci/scheduling-values.yaml")
  for line in 'hostAliases:' 'dnsPolicy: None' 'dnsConfig:' 'topologySpreadConstraints:' 'priorityClassName: system-cluster-critical'; do
    has "$out" "^      $line\$" || return 1
  done
  has "$out" '^  revisionHistoryLimit: 0$' && has "$(render deployment.yaml)" '^  revisionHistoryLimit: 3$'
}
check "where and how the Pod runs" placed
egress() {
  local out
  lacks "$(render networkpolicy.yaml --set networkPolicy.enabled=true)" '[eE]gress' || return 1
  out=$(render networkpolicy.yaml --set 'networkPolicy.enabled=true,networkPolicy.egress.enabled=true,networkPolicy.egress.ports={6443},networkPolicy.egress.apiServers[0].ipBlock.cidr=192.0.2.0/24')
  has "$out" '^  policyTypes: \[Ingress, Egress\]$' && equal "$(sed -n '/^  egress:/,$p' <<<"$out" | grep -cE 'port: (53|6443)$')" 3 && has "$out" 'cidr: 192.0.2.0/24'
}
check "networkPolicy.egress: names, and the ports of API servers" egress

# ---- helm test

selftest() {
  local out
  out=$("$helm" template groundlink "$chart" --namespace monitoring --show-only templates/tests/selftest.yaml | sed -E '/^[[:space:]]*#/d')
  equal "$(grep -c '^    helm.sh/hook: test$' <<<"$out")" 4 && equal "$(documents Role <<<"$out" | rules)" \
"apiGroups: [groundlink.dev] resources: [monitoringobjects] verbs: [create]
apiGroups: [groundlink.dev] resources: [monitoringobjects] resourceNames: [groundlink-selftest] verbs: [get, delete]" &&
    lacks "$out" 'app.kubernetes.io/name: groundlink$' && has "$out" 'runAsNonRoot: true' && lacks "$out" 'kind: Cluster'
}
check "helm test: four hooks, rights to one object, no label that the Service selects" selftest
no_selftest() { lacks "$("$helm" template groundlink "$chart" --set tests.enabled=false)" 'helm.sh/hook'; }
check "tests.enabled=false renders no hook" no_selftest

# ---- names

long_names() {
  local release=a123456789-b123456789-c123456789-d123456789-e12345678 out
  out=$("$helm" template $release "$chart" --namespace monitoring --set nameOverride=f123456789-g123456789-h123456789-i123456789-j123456789-k123456789-l12 |
    awk '/^kind: CustomResourceDefinition/ { crd = 1 } /^---/ { crd = 0 } !crd') || return 1
  has "$out" "$release" || return 1
  awk '/^ *(- )?(name|claimName|serviceAccountName|app\.kubernetes\.io\/[a-z-]+|helm\.sh\/chart): / { gsub(/"/, "", $NF); if (length($NF) > 63 || $NF ~ /-$/) { print; bad = 1 } } END { exit bad }' <<<"$out" || return 1
  equal "$(documents ClusterRole <<<"$out" | awk '/^  name:/ { print $2 }' | sort | uniq -d)" ""
}
check "long release names: names and labels within 63 characters, and distinct" long_names
label_override() { equal "$(template --set commonLabels.team=a,podLabels.team=b | awk '/^    metadata:/ { on = 1 } /^    spec:/ { on = 0 } on && /team:/')" "        team: b"; }
check "a Pod label wins over a common label, and occurs once" label_override
selector() { lacks "$(awk '/^  selector:/ { on = 1 } /^  template:/ { on = 0 } on' <<<"$(render deployment.yaml --set commonLabels.team=a)")" 'team|version|chart'; }
check "the selector has no label that changes" selector

# ---- the schema

# refused ARGS...: the schema must refuse these values.
refused() {
  local out
  if out=$(template "$@" 2>&1 >/dev/null); then
    echo "accepted: $*"
    return 1
  fi
  has "$out" "don't meet the specifications of the schema"
}
for typo in replicaCont=1 monitoring.podMonitr.enabled=true monitoring.prometheusRule.enable=true tests.waitfor=ready networkPolicy.egress.port=1 \
  image.tagg=x settings.icingaVersoin=2.13 persistence.sise=1Gi crds.kep=true serviceAccount.nam=x rbac.aggregat=true http.prt=8080 probes.prt=1 page.enable=true page.service.prt=1 networkPolicy.enable=true \
  service.enable=true livenessProbe.period=1 readinessProbe.timeout=1 podSecurityContext.fsGrop=1 resources.limit.cpu=1 affinity.nodeAfinity.a=b \
  'tolerations[0].efect=NoSchedule' 'extraEnv[0].name=A,extraEnv[0].valu=b' 'imagePullSecrets[0].nam=x'; do
  check "refused: a typo, $typo" refused --set "$typo"
done
for wrong in replicaCount=2 monitoring.renderMode=maybe 'monitoring.prometheusRule.disabled={Groundlink}' monitoring.podMonitor.interval=10 tests.waitFor=loaded \
  tests.timeout=soon 'global.imageRegistry=a/' namespaceOverride=A 'extraObjects={1}' dnsPolicy=Any image.digest=sha256:abc image.pullPolicy=always image.repository=Groundlink settings.logFormat=xml settings.icingaVersion=3 \
  settings.takeOverFrom=groundlink 'watchNamespaces={A_b}' 'watchNamespaces={a,a}' 'settings.externalObjects={master}' 'settings.constants={my-dir}' 'settings.privilegedNamespaces={A_b}' 'persistence.accessModes={RWO}' 'persistence.accessModes={ReadWriteOnce,ReadWriteOncePod}' persistence.subPath=../x persistence.subPath=/x persistence.size=big \
  'extraVolumes[0].name=published' http.port=80 page.port=80 page.address=any probes.port=80 probes.address=any podSecurityContext.runAsUser=0 terminationGracePeriodSeconds=5 crds.annotations.a=1 'podLabels.app\.kubernetes\.io/name=x' livenessProbe=null; do
  check "refused: a wrong value, $wrong" refused --set "$wrong"
done
check "refused: an Icinga version that YAML reads as a number" refused --set-json settings.icingaVersion=2.20

# ---- values.yaml, the schema and the README have the same values

# Prints the paths of values.yaml. A documented key ("# --") is one value, with everything below it.
value_paths() {
  awk '/^ *# -- / { wanted = 1; next } /^ *#/ { next } /^ *[A-Za-z]+:/ {
    match($0, /^ */); depth = RLENGTH / 2; key = $1; sub(/:.*/, "", key); path[depth] = key
    if (wanted) { p = path[0]; for (i = 1; i <= depth; i++) p = p "." path[i]; print p; wanted = 0 } }' "$chart/values.yaml" | sort
}
uncommented() {
  equal "$(awk '/^ *# -- / { wanted = 1; next } /^ *#/ { next } /^ *[A-Za-z]+:/ { match($0, /^ */); d = RLENGTH
    if (below && d > level) next; below = 0; if (wanted) { below = 1; level = d; wanted = 0; next } if ($0 !~ /:$/) print }' "$chart/values.yaml")" ""
}
check "every value has a comment" uncommented
readme() {
  [ "$(value_paths | wc -l)" -ge 100 ] || { echo "only $(value_paths | wc -l) values found"; return 1; }
  CHART=$chart "$root/hack/chart-readme.sh" --check
}
check "README.md has the values of values.yaml, with defaults and meanings" readme
schema_knows() {
  local path key missing=0
  for path in $(value_paths); do
    key=${path##*.}
    grep -q "\"$key\":" "$chart/values.schema.json" || { echo "not in the schema: $path"; missing=1; }
  done
  return $missing
}
check "the schema has every value" schema_knows

finish chart
