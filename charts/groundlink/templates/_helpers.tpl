{{- define "groundlink.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "groundlink.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{/* Returns labels that no selector of the chart matches, for the Pod of helm test. */}}
{{- define "groundlink.selftestLabels" -}}
app.kubernetes.io/name: {{ include "groundlink.name" . | trunc 54 | trimSuffix "-" }}-selftest
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "groundlink.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{/* Returns the full name with a suffix, in at most 63 characters: include "groundlink.suffixed" (list . "edit") */}}
{{- define "groundlink.suffixed" -}}
{{- $suffix := printf "-%s" (index . 1) }}
{{- $room := sub 63 (len $suffix) | int }}
{{- printf "%s%s" (include "groundlink.fullname" (index . 0) | trunc $room | trimSuffix "-") $suffix }}
{{- end }}

{{- define "groundlink.selectorLabels" -}}
app.kubernetes.io/name: {{ include "groundlink.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "groundlink.ownLabels" -}}
{{ include "groundlink.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "groundlink.labels" -}}
{{ include "groundlink.ownLabels" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/*
Returns the block "annotations" of a resource: its own and commonAnnotations, of which its own win. Nothing if there is none.
include "groundlink.annotations" (list . .Values.service.annotations)
*/}}
{{- define "groundlink.annotations" -}}
{{- with merge (deepCopy (index . 1)) (index . 0).Values.commonAnnotations -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "groundlink.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "groundlink.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "groundlink.claimName" -}}
{{- default (include "groundlink.fullname" .) .Values.persistence.existingClaim }}
{{- end }}

{{- define "groundlink.image" -}}
{{- $name := .Values.image.repository }}
{{- with default .Values.image.registry .Values.global.imageRegistry }}
{{- $name = printf "%s/%s" . $name }}
{{- end }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $name .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $name (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* Returns the fields of the restricted Pod Security Standard, and user and groups. */}}
{{- define "groundlink.podSecurityContext" -}}
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- range $key := list "runAsUser" "runAsGroup" "fsGroup" }}
{{- $id := get $.Values.podSecurityContext $key }}
{{- if not (or (kindIs "invalid" $id) (kindIs "string" $id)) }}
{{ $key }}: {{ int64 $id }}
{{- end }}
{{- end }}
{{- end }}

{{- define "groundlink.containerSecurityContext" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
{{- end }}

{{/* Returns "true" if http.address is reached only from inside the Pod. */}}
{{- define "groundlink.isLoopback" -}}
{{- or (hasPrefix "127." .Values.http.address) (eq "[::1]" .Values.http.address) }}
{{- end }}

{{/* Returns "true" if the status page is reached only from inside the Pod. */}}
{{- define "groundlink.isPageLoopback" -}}
{{- or (hasPrefix "127." .Values.page.address) (eq "[::1]" .Values.page.address) }}
{{- end }}

{{/* Returns the block "imagePullSecrets": those of the chart and those of global. Nothing if there is none. */}}
{{- define "groundlink.imagePullSecrets" -}}
{{- with concat .Values.imagePullSecrets .Values.global.imagePullSecrets | uniq -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
Returns "true" if a resource of this kind of the Prometheus operator is to be rendered, and fails if renderMode says so.
include "groundlink.rendersMonitoring" (list . "PodMonitor")
*/}}
{{- define "groundlink.rendersMonitoring" -}}
{{- $root := index . 0 }}
{{- $kind := index . 1 }}
{{- $mode := $root.Values.monitoring.renderMode }}
{{- if or (eq $mode "alwaysRender") ($root.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" $kind)) -}}
true
{{- else if eq $mode "failIfMissing" }}
{{- fail (printf "the cluster does not know the kind %s (monitoring.coreos.com/v1); install the Prometheus operator's CRDs, or set monitoring.renderMode" $kind) }}
{{- end }}
{{- end }}

{{/* Fails if a value needs something outside of namespaces, and watchNamespaces says that the release makes nothing there. */}}
{{- define "groundlink.checkScope" -}}
{{- if .Values.watchNamespaces }}
{{- $wrong := list }}
{{- if .Values.crds.enabled }}
{{- $wrong = append $wrong "crds.enabled must be false: CRDs belong to the whole cluster; an administrator of the cluster applies crds/ once" }}
{{- end }}
{{- if .Values.rbac.aggregate }}
{{- $wrong = append $wrong "rbac.aggregate must be false: aggregated roles are ClusterRoles; an administrator of the cluster applies them once" }}
{{- end }}
{{- if .Values.rbac.readNamespaces }}
{{- $wrong = append $wrong "rbac.readNamespaces must be false: no Role can give the right to read all Namespaces; name them in the SatelliteCluster (spec.namespaces.from: List)" }}
{{- end }}
{{- if and .Values.page.enabled .Values.rbac.create }}
{{- $wrong = append $wrong "page.enabled must be false: no Role can give the right to ask who a person is; or set rbac.create=false, apply the roles yourself, and bind the ClusterRole system:auth-delegator to the ServiceAccount" }}
{{- end }}
{{- if $wrong }}
{{- fail (printf "watchNamespaces: this release makes nothing outside of namespaces (docs/install.md):\n- %s" (join "\n- " $wrong)) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Returns the namespace of the object of helm test: one that is watched, and the operator's own if that is. */}}
{{- define "groundlink.selftestNamespace" -}}
{{- $own := include "groundlink.namespace" . }}
{{- if or (not .Values.watchNamespaces) (has $own .Values.watchNamespaces) }}
{{- $own }}
{{- else }}
{{- first .Values.watchNamespaces }}
{{- end }}
{{- end }}
