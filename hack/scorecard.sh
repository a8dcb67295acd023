#!/usr/bin/env bash
# Forty conventions that reviewers of an operator and its chart look for. Each is a command that runs here, or names the test
# that holds it, or says why it is not met or cannot run here.
set -uo pipefail
cd "$(dirname "$0")/.."
helm=${HELM:-.cache/bin/helm}
chart=charts/groundlink
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

say() { printf '%-4s %2s  %s%s\n' "$1" "$2" "$3" "${4:+: $4}"; }
# runs NUMBER ITEM COMMAND...
runs() {
  local number=$1 item=$2
  shift 2
  if "$@" >"$work/why" 2>&1; then
    passed=$((passed + 1)) && say ok "$number" "$item"
  else
    failed=$((failed + 1)) && say FAIL "$number" "$item" "$(tail -n 3 "$work/why" | tr '\n' ' ')"
  fi
}
# held NUMBER ITEM TEST...: the tests exist. Their suites run them.
held() {
  local number=$1 item=$2 test missing=""
  shift 2
  for test in "$@"; do
    grep -rqE "fn ${test##*::}\(" src tests || missing+=" $test"
  done
  if [ -z "$missing" ]; then
    passed=$((passed + 1)) && say ok "$number" "$item" "$*"
  else
    failed=$((failed + 1)) && say FAIL "$number" "$item" "there is no test$missing"
  fi
}
open() { say "-" "$@"; }

refuses() { ! "$helm" template x $chart --set "$1"; }
renders() { local wanted=$1; shift; grep -qE -- "$wanted" <<<"$("$helm" template x $chart "$@")"; }
without_cluster_roles() {
  local all
  all=$("$helm" template x $chart --set 'watchNamespaces={a,b},crds.enabled=false,rbac.aggregate=false') || return 1
  [ "$(grep -c ClusterRole <<<"$all")" -eq 0 ]
}
never() { ! grep -rn -- "$1" $chart/templates; }
small() { local file; for file in crds/*.yaml; do [ "$(wc -c <"$file")" -lt 262144 ] || return 1; done; }
files() { local file; for file in "$@"; do [ -s "$file" ] || { echo "no $file"; return 1; }; done; }

if hack/check-chart.sh >"$work/chart"; then chart_is=true; else chart_is=false; fi
# checked WORDS: this check of hack/check-chart.sh passed.
checked() { $chart_is && grep -qF "ok - $1" "$work/chart"; }

runs 1 "helm lint, strict" "$helm" lint --strict $chart
runs 2 "the schema refuses a typo" refuses replicaCont=2
runs 3 "README and schema are those of the values" hack/chart-readme.sh --check
held 3 "at every level of the schema" suites::packaging::values::values_and_schema_have_the_same_keys_at_every_level
runs 4 "kubeVersion admits vendor suffixes" grep -qE '^kubeVersion: ">=1\.[0-9]+\.[0-9]+-0"$' $chart/Chart.yaml
runs 5 "CRDs can be switched off, and are kept" checked "every CRD carries helm.sh/resource-policy: keep"
held 6 "crds/ is what the program prints" suites::crd::files::the_stored_crds_are_what_the_program_prints
runs 7 "CRDs are below 256 KiB" small
held 7 "and an API server takes them" suites::crd::accepted::the_api_server_has_nothing_to_say_against_the_crds
held 8 "a restricted namespace takes the Pod" suites::packaging::values::every_set_of_values_is_installed_upgraded_and_removed
runs 9 "a mode without ClusterRole" without_cluster_roles
held 9 "whose Roles are enough" suites::hub::namespaced::the_roles_of_the_chart_are_enough_and_nothing_beyond_them_is_asked
runs 10 "no wildcard, no Secrets of the cluster" checked "no wildcard in any rule"
runs 11 "aggregated roles" checked "roles are aggregated to view"
runs 12 "NetworkPolicy in both directions" checked "networkPolicy.egress"
runs 13 "no PodDisruptionBudget for one replica" never PodDisruptionBudget
runs 14 "existing claim, emptyDir, more volumes" renders 'claimName: mine$' --set persistence.existingClaim=mine
runs 15 "monitors by mode" checked "renderMode failIfMissing names the kind"
runs 16 "alerts with runbooks, tested by promtool" hack/check-rules.sh
runs 17 "dashboard with the label as a value" renders 'grafana_dashboard' --set monitoring.dashboard.enabled=true
runs 18 "suites for the chart (hack/check-chart.sh in place of helm-unittest)" $chart_is
held 19 "each set of ci/ is installed" suites::packaging::values::every_set_of_values_is_installed_upgraded_and_removed
held 20 "helm test" suites::packaging::helm_test::helm_test_proves_that_the_operator_publishes_and_fails_without_it
open 21 "signatures, SBOM, provenance" "needs a forge: .github/workflows/release.yml"
held 22 "conditions have observedGeneration" suites::packaging::gitops::the_check_finds_a_script_that_is_wrong
held 23 "observedGeneration -1 by default" suites::crd::accepted::a_fresh_object_says_that_nobody_has_looked_at_it
held 24 "kstatus in every state" suites::packaging::gitops::argo_cd_and_kstatus_say_the_same_of_every_state
held 25 "Synced after an edit is that of the edit" lib::status::compose::a_waiter_never_sees_done_before_it_is
held 26 "columns" suites::crd::kubectl::columns_names_categories_and_selectors
held 27 "rules of the schema" suites::crd::refused::monitoring_objects_that_are_wrong suites::crd::refused::satellites_that_are_wrong
runs 28 "list-map keys" grep -q 'x-kubernetes-list-map-keys' crds/monitoringobjects.groundlink.dev.yaml
held 29 "the list of satellites in a status is bounded" lib::status::compose::forty_satellites_that_are_away_are_counted_and_five_are_named
held 30 "health for Argo CD" suites::packaging::gitops::the_patch_of_argo_cd_has_the_script_for_both_kinds
held 31 "no tracking metadata are copied" suites::packaging::gitops::argo_cd_and_kstatus_say_the_same_of_every_state
held 32 "a kubeconfig runs nothing" suites::satellites::refused::a_dangerous_kubeconfig_is_refused_by_field_runs_nothing_and_leaks_nothing
held 33 "a satellite grants ConfigMaps of one namespace" suites::commands::add::add_makes_the_least_account_and_a_second_run_writes_nothing
held 34 "tokens are renewed" suites::satellites::renewal::a_token_is_renewed_stored_used_and_revoked
held 35 "a join can be printed" suites::commands::add::add_reports_foreign_owners_and_join_manifest_has_the_same_objects
held 36 "metrics are documented and clean in promtool" suites::packaging::observed::prometheus_reads_the_metrics_evaluates_the_rules_and_answers_the_dashboard structure::documented::every_metric_has_its_meaning_and_its_remedy
held 37 "events on transitions" lib::satellite::core::actor::events_are_published_when_something_begins_or_ends
held 38 "no finalizer hangs for ever" suites::satellites::join::a_late_joiner_gets_everything_in_one_pass_and_leaves_by_its_cleanup_policy
runs 39 "ready binaries can be used" grep -q KUBEBUILDER_ASSETS tests/support/binaries.rs
runs 40 "security, faults, upgrade, quickstart" files SECURITY.md docs/faults.md docs/upgrade.md docs/quickstart.md README.md CHANGELOG.md

echo "scorecard: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
