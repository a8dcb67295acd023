# shellcheck shell=bash
# Checks of what the chart has for Prometheus and Grafana. hack/check-chart.sh reads this file, and has the functions.

pods="--set http.address=0.0.0.0,monitoring.podMonitor.enabled=true"
services="--set http.address=0.0.0.0,service.enabled=true,monitoring.serviceMonitor.enabled=true"
knows="--api-versions monitoring.coreos.com/v1/PodMonitor --api-versions monitoring.coreos.com/v1/ServiceMonitor --api-versions monitoring.coreos.com/v1/PrometheusRule"
# fails WORDS ARGS...: the chart must refuse these values with these words.
fails() {
  local words=$1 out
  shift
  if out=$(template "$@" 2>&1 >/dev/null); then
    echo "accepted: $*"
    return 1
  fi
  has "$out" "$words"
}
no_monitoring() { lacks "$(template $knows)" 'monitoring.coreos.com|grafana'; }
check "by default nothing for Prometheus and Grafana" no_monitoring
skipped() { lacks "$(template $pods --set monitoring.prometheusRule.enabled=true)" 'monitoring.coreos.com'; }
check "kinds that the cluster does not know are left out" skipped
check "renderMode failIfMissing names the kind" fails 'does not know the kind PodMonitor' $pods --set monitoring.renderMode=failIfMissing
always() { has "$(template $pods --set monitoring.renderMode=alwaysRender)" '^kind: PodMonitor$'; }
check "renderMode alwaysRender does not look" always
check "both monitors are refused" fails 'twice' $pods $services $knows
check "a ServiceMonitor without the Service is refused" fails 'service.enabled' $knows --set monitoring.serviceMonitor.enabled=true
check "a PodMonitor of a loopback address is refused" fails 'http.address' $knows --set monitoring.podMonitor.enabled=true
monitor() {
  local out
  out=$(render "$1" $2 $knows --set "$3.interval=10s,$3.labels.release=p,$3.namespace=other,$3.relabelings[0].action=keep") || return 1
  has "$out" '^    - port: http$' && has "$out" '^      interval: 10s$' && has "$out" '^    release: p$' && has "$out" '^  namespace: other$' &&
    has "$out" '^    matchNames: \[monitoring\]$' && has "$out" '^        - action: keep$' && has "$out" '^  jobLabel: app.kubernetes.io/instance$'
}
check "the ServiceMonitor" monitor servicemonitor.yaml "$services" monitoring.serviceMonitor
check "the PodMonitor" monitor podmonitor.yaml "$pods" monitoring.podMonitor
rules_of() { render prometheusrule.yaml $knows --set monitoring.prometheusRule.enabled=true "$@"; }
all_alerts() {
  equal "$(rules_of | grep -c ' - alert: ')" "$(grep -c ' - alert: ' "$chart/files/alerts.yaml")" &&
    equal "$(rules_of --set monitoring.prometheusRule.objectives=true | grep -cE ' - (alert|record): |^ +record: ')" \
      "$(grep -cE ' - (alert|record): ' "$chart/files/alerts.yaml" "$chart/files/objectives.yaml" | awk -F: '{ n += $2 } END { print n }')"
}
check "the PrometheusRule has every rule of the files" all_alerts
runbooks() {
  equal "$(rules_of --set monitoring.prometheusRule.runbookBase=https://wiki/ | sed -nE 's|^ +runbook_url: https://wiki/||p' | sort)" \
    "$(sed -nE 's/^ *- alert: //p' "$chart/files/alerts.yaml" | sort)"
}
check "each alert has its runbook below runbookBase" runbooks
runbook_files() {
  local file files
  files=$(rules_of --set monitoring.prometheusRule.runbookBase=docs/runbooks/,monitoring.prometheusRule.runbookSuffix=.md | sed -nE 's/^ +runbook_url: //p')
  has "$files" '^docs/runbooks/.*\.md$' || return 1
  for file in $files; do [ -s "$root/$file" ] || { echo "no $file"; return 1; }; done
}
check "with runbookSuffix .md, each runbook_url is a page of docs/runbooks" runbook_files
tuned() {
  local out
  out=$(rules_of --set 'monitoring.prometheusRule.disabled={GroundlinkObjectsRefused},monitoring.prometheusRule.ruleLabels.severity=page')
  has "$out" 'alert: GroundlinkAbsent' && lacks "$out" 'GroundlinkObjectsRefused|severity: (critical|warning)'
}
check "alerts can be left out, and get labels" tuned
dashboard() {
  local out
  out=$(render dashboard.yaml --set monitoring.dashboard.enabled=true,monitoring.dashboard.namespace=grafana,monitoring.dashboard.annotations.folder=a)
  has "$out" '^    grafana_dashboard: "1"$' && has "$out" '^  namespace: grafana$' && has "$out" '^    folder: a$' &&
    equal "$(sed -n '/groundlink.json: /,$p' <<<"$out" | sed 1d | sed 's/^    //')" "$(cat "$chart/files/dashboard.json")"
}
check "the dashboard is the file, in a ConfigMap that Grafana's sidecar finds" dashboard
