{{/* Names, labels, images and other parts that the templates share. */}}

{{- define "niche.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 47 characters: KubeRay appends to it. */}}
{{- define "niche.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 47 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "niche.serviceName" -}}
{{ include "niche.fullname" . }}-serve-svc
{{- end -}}

{{/* The labels by which pods are selected. They never change, and pods have no others of the chart: a new
     version of the chart must not change pods, which would create a new Ray cluster. */}}
{{- define "niche.selectorLabels" -}}
app.kubernetes.io/name: {{ include "niche.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "niche.labels" -}}
{{ include "niche.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: niche
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Metadata of an object. Takes root, name; optionally component, labels, annotations. */}}
{{- define "niche.metadata" -}}
name: {{ .name | quote }}
namespace: {{ .root.Release.Namespace | quote }}
labels:
  {{- include "niche.labels" .root | nindent 2 }}
  {{- with .component }}
  app.kubernetes.io/component: {{ . }}
  {{- end }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* An image reference. Takes root, image (which overrides parts of `.Values.image`). */}}
{{- define "niche.image" -}}
{{- $image := merge (dict) .image .root.Values.image -}}
{{- $name := trimPrefix "/" (printf "%s/%s" $image.registry $image.repository) -}}
{{- if $image.digest -}}
{{ $name }}@{{ $image.digest }}
{{- else -}}
{{ $name }}:{{ $image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "niche.serviceAccountName" -}}
{{- if .Values.serviceAccount.name -}}
{{ .Values.serviceAccount.name }}
{{- else -}}
{{ ternary (include "niche.fullname" .) "default" .Values.serviceAccount.create }}
{{- end -}}
{{- end -}}

{{- define "niche.apiKeysSecret" -}}
{{- if .Values.apiKeys.existingSecret -}}
{{ .Values.apiKeys.existingSecret }}
{{- else if .Values.apiKeys.values -}}
{{ include "niche.fullname" . }}-api-keys
{{- end -}}
{{- end -}}

{{/* A worker group merged over the defaults, as YAML, with `pods`, the maximum number of its pods. Takes
     root, group (its name). */}}
{{- define "niche.workerGroup" -}}
{{- $own := include "niche.withDefaults" (dict "own" (index .root.Values.workerGroups .group) "defaults" .root.Values.workerGroupDefaults) | fromYaml -}}
{{- set $own "pods" (ternary $own.maxReplicas $own.minReplicas .root.Values.autoscaler.enabled) | toYaml -}}
{{- end -}}

{{- define "niche.modelServer" -}}
{{- include "niche.withDefaults" (dict "own" (index .root.Values.modelServers .server) "defaults" .root.Values.modelServerDefaults) -}}
{{- end -}}

{{/* Key by key: `merge` would treat 0 and false as absent. */}}
{{- define "niche.withDefaults" -}}
{{- $all := dict -}}
{{- range $key, $value := .defaults -}}{{- $_ := set $all $key $value -}}{{- end -}}
{{- range $key, $value := .own -}}{{- $_ := set $all $key $value -}}{{- end -}}
{{- toYaml $all -}}
{{- end -}}

{{- define "niche.modelServerName" -}}
{{ include "niche.fullname" .root }}-{{ .server }}
{{- end -}}

{{/* Environment variables from a map. */}}
{{- define "niche.env" -}}
{{- range $name, $value := . }}
- name: {{ $name | quote }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* A container's resources; limits equal requests. Takes cpus, memory, gpus, gpuResource, ephemeralStorage. */}}
{{- define "niche.resources" -}}
{{- $amounts := dict "cpu" .cpus "memory" .memory -}}
{{- if .gpus }}{{- $_ := set $amounts .gpuResource .gpus -}}{{- end -}}
{{- if .ephemeralStorage }}{{- $_ := set $amounts "ephemeral-storage" .ephemeralStorage -}}{{- end -}}
limits:
  {{- toYaml $amounts | nindent 2 }}
requests:
  {{- toYaml $amounts | nindent 2 }}
{{- end -}}

{{/* Tolerations, with that of the GPU taint if there are GPUs. Takes gpus, gpuResource, tolerations. */}}
{{- define "niche.tolerations" -}}
{{- $all := .tolerations -}}
{{- if .gpus }}{{- $all = append $all (dict "key" .gpuResource "operator" "Exists" "effect" "NoSchedule") -}}{{- end -}}
{{- with $all }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "niche.incremental" -}}
{{- if eq .Values.upgrade.type "NewClusterWithIncrementalUpgrade" }}true{{ end -}}
{{- end -}}
