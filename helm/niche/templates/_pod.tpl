{{/* Ray's pods: the templates of the head and of a worker group, and their common parts. */}}

{{/* Takes root. */}}
{{- define "niche.rayEnv" -}}
{{- $drain := include "niche.drainSeconds" .root -}}
{{- $proxy := dict "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S" $drain "RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S" $drain "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S" (add $drain 90) "NICHE_EDGE_METRICS_HOST" "0.0.0.0" -}}
{{- /* KubeRay asks for Serve's health. A gateway's replica may have the HAProxy of another pod before it, which tells it the client. */ -}}
{{- $door := pick ((include "niche.given" .root | fromYaml).gateway | default dict) "head_timeout_seconds" "max_connections_per_client" "max_gets_per_client" "trusted_proxies" -}}
{{- $proxy = merge $proxy (dict "NICHE_EDGE" (set $door "probes" true | toJson) "FORWARDED_ALLOW_IPS" "*") -}}
{{- include "niche.env" (merge (deepCopy .root.Values.ray.env) $proxy) }}
{{- if not .root.Values.ray.auth.enabled }}
- name: RAY_AUTH_MODE  # Ray's commands have different defaults
  value: disabled
{{- end }}
- name: HOME
  value: /home/niche
- name: USER  # for images in which the user id has no name
  value: niche
- name: NICHE_CACHE
  value: {{ .root.Values.modelCache.mountPath }}
- name: HF_HOME
  value: {{ .root.Values.modelCache.mountPath }}/huggingface
{{- if .root.Values.huggingFace.offline }}
- name: HF_HUB_OFFLINE
  value: "1"
{{- end }}
{{- include "niche.huggingFaceToken" .root }}
{{- with .root.Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "niche.huggingFaceToken" -}}
{{- with .Values.huggingFace.existingSecret }}
- name: HF_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ . | quote }}
      key: {{ $.Values.huggingFace.key | quote }}
{{- end }}
{{- end -}}

{{/* The root file system is read-only, so these directories are volumes. */}}
{{- define "niche.writableMounts" -}}
- name: tmp
  mountPath: /tmp
- name: home
  mountPath: /home/niche
{{- end -}}

{{- define "niche.writableVolumes" -}}
- name: tmp
  emptyDir: {}
- name: home
  emptyDir: {}
{{- end -}}

{{- define "niche.sharedMemoryVolume" -}}
- name: shm
  emptyDir:
    medium: Memory
    sizeLimit: {{ . }}
{{- end -}}

{{/* How long Ray, told to end, lets Serve start replicas elsewhere and finish answers here, before it ends this node's
     processes. 0: it ends at once. */}}
{{- define "niche.drainEnv" -}}
- name: RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S
  value: {{ . | quote }}
{{- end -}}

{{/* The part of the spec that all pods have. Takes root, own (head, group or server), before (see `niche.graceSeconds`). */}}
{{- define "niche.podBasics" -}}
serviceAccountName: {{ include "niche.serviceAccountName" .root | quote }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
terminationGracePeriodSeconds: {{ include "niche.graceSeconds" . }}
{{- with .own.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .own.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- with .own.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .own.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- include "niche.tolerations" .own }}
{{- end -}}

{{/* Takes root, own, component, annotations (added to those of own). */}}
{{- define "niche.podMetadata" -}}
labels:
  {{- include "niche.selectorLabels" .root | nindent 2 }}
  app.kubernetes.io/component: {{ .component }}
  {{- with .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- with .own.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) .own.annotations .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "niche.headTemplate" -}}
{{- $own := .Values.head -}}
{{- $part := dict "root" . "own" $own "before" .Values.ray.replacementSeconds -}}
metadata:
  {{- include "niche.podMetadata" (dict "root" . "own" $own "component" "head" "annotations" dict) | nindent 2 }}
spec:
  {{- include "niche.podBasics" $part | nindent 2 }}
  containers:
    - name: ray-head
      image: {{ include "niche.image" (dict "root" . "image" dict) | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      securityContext:
        {{- toYaml .Values.containerSecurityContext | nindent 8 }}
      env:
        {{- include "niche.rayEnv" (dict "root" .) | trim | nindent 8 }}
        {{- include "niche.drainEnv" 0 | nindent 8 }}
        {{- with include "niche.env" $own.env | trim }}{{ . | nindent 8 }}{{ end }}
      ports:
        - {name: gcs-server, containerPort: 6379, protocol: TCP}
        - {name: dashboard, containerPort: 8265, protocol: TCP}
        - {name: client, containerPort: 10001, protocol: TCP}
        - {name: serve, containerPort: 8000, protocol: TCP}
        - {name: metrics, containerPort: 8080, protocol: TCP}
        - {name: edge-metrics, containerPort: 9101, protocol: TCP}
        - {name: as-metrics, containerPort: 44217, protocol: TCP}
        - {name: dash-metrics, containerPort: 44227, protocol: TCP}
      lifecycle:
        preStop:  # no node can drain without the head
          exec:
            command: [python, -m, gateway.draining_nodes, {{ include "niche.leaveSeconds" $part | quote }}]
      resources:
        {{- include "niche.resources" $own | nindent 8 }}
      volumeMounts:
        {{- include "niche.writableMounts" . | nindent 8 }}
        - name: shm
          mountPath: /dev/shm
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "niche.writableVolumes" . | nindent 4 }}
    {{- include "niche.sharedMemoryVolume" $own.shmSize | nindent 4 }}
    {{- if .Values.autoscaler.enabled }}
    # Mounted only by the autoscaler's container.
    - name: service-account-token
      projected:
        sources:
          - serviceAccountToken:
              path: token
              expirationSeconds: 3607
          - configMap:
              name: kube-root-ca.crt
              items:
                - {key: ca.crt, path: ca.crt}
          - downwardAPI:
              items:
                - {path: namespace, fieldRef: {fieldPath: metadata.namespace}}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* Whether a group runs the gateway or the classifier: "true" or empty. Takes root, group. */}}
{{- define "niche.isEdge" -}}
{{- $placement := .root.Values.placement -}}
{{- $given := include "niche.given" .root | fromYaml -}}
{{- $classifies := and (dig "router" "deployment" nil $given) (eq .group $placement.classifier) -}}
{{- if or (eq .group $placement.gateway) $classifies }}true{{ end -}}
{{- end -}}

{{/* Whether a group downloads model files first: "true" or empty. The gateway needs the encoder. */}}
{{- define "niche.pullsModels" -}}
{{- $loads := include "niche.isEdge" . -}}
{{- range (include "niche.models" .root | fromYaml).all -}}
{{- if has (dig "engine" "llama" .) (list "llama" "vllm") }}{{ $loads = "true" }}{{ end -}}
{{- end -}}
{{- if and .root.Values.modelCache.pull $loads }}true{{ end -}}
{{- end -}}

{{/* Annotations that create a new Ray cluster when something changed under the same name. */}}
{{- define "niche.revisions" -}}
{{- $values := .root.Values -}}
{{- if include "niche.pullsModels" . -}}
{{- $names := list (dig "router" "encoder" "all-minilm-l6-v2" (include "niche.given" .root | fromYaml)) -}}
{{- range (include "niche.models" .root | fromYaml).all -}}
{{- if not (contains "/" .model) }}{{ $names = append $names .model }}{{ end -}}
{{- end }}
niche/models: {{ $names | uniq | sortAlpha | join "," | quote }}
{{- end }}
{{- if include "niche.isEdge" . }}
{{- if include "niche.apiKeysSecret" .root }}
niche/api-keys: {{ printf "%s %s" $values.apiKeys.revision (join "," $values.apiKeys.values) | sha256sum | trunc 16 | quote }}
{{- end }}
{{- with $values.routerArtifact.revision }}
niche/router-artifact: {{ . | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "niche.workerTemplate" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $own := .own -}}
{{- $writes := eq .group $values.placement.gateway -}}
{{- if and $writes (include "niche.onOneNode" $root) -}}
{{- $own = set $own "affinity" (include "niche.besideItsGroup" . | fromYaml) -}}
{{- end -}}
{{- $basis := dict "root" $root "own" $own "before" $values.ray.replacementSeconds -}}
{{- $image := include "niche.image" (dict "root" $root "image" $own.image) -}}
{{- $pullPolicy := $own.image.pullPolicy | default $values.image.pullPolicy -}}
{{- $edge := include "niche.isEdge" . -}}
{{- $artifact := and $edge (ne $values.routerArtifact.source "included") -}}
{{- $copied := and $artifact (has $values.routerArtifact.source (list "image" "download")) -}}
metadata:
  {{- include "niche.podMetadata" (dict "root" $root "own" $own "component" "worker" "annotations" (include "niche.revisions" . | fromYaml)) | nindent 2 }}
spec:
  {{- include "niche.podBasics" $basis | nindent 2 }}
  topologySpreadConstraints:
    {{- if $own.topologySpreadConstraints }}
    {{- toYaml $own.topologySpreadConstraints | nindent 4 }}
    {{- else }}
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "niche.selectorLabels" $root | nindent 10 }}
          ray.io/group: {{ .group | quote }}
    {{- end }}
  {{- $part := dict "root" $root "image" $image "pullPolicy" $pullPolicy }}
  {{- $initial := list }}
  {{- if $copied }}{{ $initial = append $initial (include "niche.artifactContainer" $root | fromYaml) }}{{ end }}
  {{- if $edge }}{{ $initial = append $initial (include "niche.checkContainer" $part | fromYaml) }}{{ end }}
  {{- if include "niche.pullsModels" . }}{{ $initial = append $initial (include "niche.pullContainer" $part | fromYaml) }}{{ end }}
  {{- if and $edge $values.monitoring.gateway.enabled }}{{ $initial = append $initial (include "niche.exporterContainer" $part | fromYaml) }}{{ end }}
  {{- with concat $initial $values.extraInitContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: ray-worker
      image: {{ $image | quote }}
      imagePullPolicy: {{ $pullPolicy }}
      securityContext:
        {{- toYaml $values.containerSecurityContext | nindent 8 }}
      env:
        {{- include "niche.rayEnv" (dict "root" $root) | trim | nindent 8 }}
        {{- include "niche.drainEnv" (include "niche.leaveSeconds" $basis) | nindent 8 }}
        {{- if and $writes (include "niche.aDirectoryEach" $root) }}
        - name: POD_NAME
          valueFrom: {fieldRef: {fieldPath: metadata.name}}
        {{- end }}
        {{- with include "niche.env" $own.env | trim }}{{ . | nindent 8 }}{{ end }}
      ports:
        - {name: serve, containerPort: 8000, protocol: TCP}
        - {name: metrics, containerPort: 8080, protocol: TCP}
        - {name: edge-metrics, containerPort: 9101, protocol: TCP}
      resources:
        {{- include "niche.resources" $own | nindent 8 }}
      volumeMounts:
        {{- include "niche.writableMounts" $root | nindent 8 }}
        - name: shm
          mountPath: /dev/shm
        - name: models
          mountPath: {{ $values.modelCache.mountPath }}
        - name: config
          mountPath: /etc/niche/config
          readOnly: true
        {{- if $writes }}
        - name: state
          mountPath: {{ $values.state.mountPath }}
          {{- if include "niche.aDirectoryEach" $root }}
          subPathExpr: $(POD_NAME)
          {{- end }}
        {{- end }}
        {{- if $edge }}
        {{- if $values.monitoring.gateway.enabled }}
        - name: gateway-metrics
          mountPath: {{ include "niche.metricsDirectory" $root }}
        {{- end }}
        {{- if include "niche.apiKeysSecret" $root }}
        - name: api-keys
          mountPath: /etc/niche/api-keys
          readOnly: true
        {{- end }}
        {{- include "niche.artifactMount" $root | nindent 8 }}
        {{- end }}
        {{- with $values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with $values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "niche.writableVolumes" $root | nindent 4 }}
    {{- include "niche.sharedMemoryVolume" $own.shmSize | nindent 4 }}
    {{- include "niche.modelsVolume" $root | nindent 4 }}
    - name: config
      configMap:
        name: {{ include "niche.fullname" $root | quote }}
    {{- if $writes }}
    {{- include "niche.stateVolume" $root | nindent 4 }}
    {{- end }}
    {{- if $edge }}
    {{- if $values.monitoring.gateway.enabled }}
    - name: gateway-metrics
      emptyDir: {}
    {{- end }}
    {{- with include "niche.apiKeysSecret" $root }}
    - name: api-keys
      secret:
        secretName: {{ . | quote }}
        items:
          - key: {{ $values.apiKeys.key | quote }}
            path: keys
    {{- end }}
    {{- if $artifact }}
    {{- include "niche.artifactVolume" $root | nindent 4 }}
    {{- end }}
    {{- end }}
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "niche.modelsVolume" -}}
- name: models
  {{- if .Values.modelCache.persistence.enabled }}
  persistentVolumeClaim:
    claimName: {{ .Values.modelCache.persistence.existingClaim | default (printf "%s-models" (include "niche.fullname" .)) | quote }}
  {{- else }}
  emptyDir:
    sizeLimit: {{ .Values.modelCache.sizeLimit }}
  {{- end }}
{{- end -}}

{{- define "niche.stateVolume" -}}
- name: state
  {{- if .Values.state.persistence.enabled }}
  persistentVolumeClaim:
    claimName: {{ .Values.state.persistence.existingClaim | default (printf "%s-state" (include "niche.fullname" .)) | quote }}
  {{- else }}
  emptyDir:
    sizeLimit: {{ .Values.state.sizeLimit }}
  {{- end }}
{{- end -}}

{{/* How the gateway's pods share a persistent state: on one node, or with a directory each. */}}
{{- define "niche.onOneNode" -}}
{{- if and .Values.state.persistence.enabled .Values.state.persistence.oneNode }}true{{ end -}}
{{- end -}}

{{- define "niche.aDirectoryEach" -}}
{{- if and .Values.state.persistence.enabled (not .Values.state.persistence.oneNode) }}true{{ end -}}
{{- end -}}

{{/* A group's affinity, with a term that keeps its pods on one node, also those of the next Ray cluster.
     Takes root, group, own. */}}
{{- define "niche.besideItsGroup" -}}
{{- $labels := include "niche.selectorLabels" .root | fromYaml | merge (dict "ray.io/group" .group) -}}
{{- $term := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" $labels) -}}
{{- $pods := .own.affinity.podAffinity | default dict -}}
{{- $required := append ($pods.requiredDuringSchedulingIgnoredDuringExecution | default list) $term -}}
{{- $pods = merge (dict "requiredDuringSchedulingIgnoredDuringExecution" $required) $pods -}}
{{- merge (dict "podAffinity" $pods) .own.affinity | toYaml -}}
{{- end -}}

{{- define "niche.artifactVolume" -}}
- name: router-artifact
  {{- if eq .Values.routerArtifact.source "persistentVolumeClaim" }}
  persistentVolumeClaim:
    claimName: {{ .Values.routerArtifact.persistentVolumeClaim.claimName | quote }}
    readOnly: true
  {{- else if eq .Values.routerArtifact.source "configMap" }}
  configMap:
    name: {{ .Values.routerArtifact.configMap.name | quote }}
  {{- else }}
  emptyDir: {}
  {{- end }}
{{- end -}}

{{/* The mount of the router's artifact, unless the project's image contains it. */}}
{{- define "niche.artifactMount" -}}
{{- $source := .Values.routerArtifact -}}
{{- if ne $source.source "included" -}}
- name: router-artifact
  mountPath: {{ include "niche.artifactDirectory" . }}
  readOnly: true
  {{- if eq $source.source "persistentVolumeClaim" }}
  {{- with $source.persistentVolumeClaim.subPath }}
  subPath: {{ . | quote }}
  {{- end }}
  {{- end }}
{{- end -}}
{{- end -}}

{{/* Validates niche.yaml, the engines' options and the router's artifact before anything else starts.
     It waits before it fails: KubeRay deletes a failed pod at once, and its log with it. vLLM would look for
     a GPU only to read its options, and the gateway's pods have none. */}}
{{- define "niche.checkContainer" -}}
name: check-config
command:
  - /bin/sh
  - -c
  - VLLM_TARGET_DEVICE=cpu niche config check --elsewhere --config /etc/niche/config/niche.yaml || { code=$?; sleep 60; exit "$code"; }
terminationMessagePolicy: FallbackToLogsOnError
{{ include "niche.commandContainer" . }}
  {{- include "niche.artifactMount" .root | nindent 2 }}
  {{- with .root.Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Downloads the model files that are not in the cache; pods that share it take turns. */}}
{{- define "niche.pullContainer" -}}
name: pull-models
command: [niche, models, pull, --config, /etc/niche/config/niche.yaml]
{{ include "niche.commandContainer" . }}
  - name: models
    mountPath: {{ .root.Values.modelCache.mountPath }}
{{- end -}}

{{/* What an init container that runs `niche` has, its volume mounts last. Takes root, image, pullPolicy. */}}
{{- define "niche.commandContainer" -}}
image: {{ .image | quote }}
imagePullPolicy: {{ .pullPolicy }}
securityContext:
  {{- toYaml .root.Values.containerSecurityContext | nindent 2 }}
env:
  {{- include "niche.rayEnv" (dict "root" .root) | trim | nindent 2 }}
resources:
  limits: {memory: 2Gi}
  requests: {cpu: 500m, memory: 2Gi}
volumeMounts:
  {{- include "niche.writableMounts" .root | nindent 2 }}
  - name: config
    mountPath: /etc/niche/config
    readOnly: true
{{- end -}}

{{/* Copies the router's artifact to its volume. */}}
{{- define "niche.artifactContainer" -}}
{{- $source := .Values.routerArtifact -}}
name: router-artifact
{{- if eq $source.source "image" }}
image: {{ $source.image.reference | quote }}
command: [cp, -r, {{ $source.image.path }}/., {{ include "niche.copyTarget" . }}]
{{- else }}
image: {{ $source.download.image | quote }}
command:
  {{- toYaml $source.download.command | nindent 2 }}
{{- with $source.download.secretName }}
envFrom:
  - secretRef:
      name: {{ . | quote }}
{{- end }}
{{- end }}
securityContext:
  {{- toYaml .Values.containerSecurityContext | nindent 2 }}
resources:
  limits: {memory: 256Mi}
  requests: {cpu: 100m, memory: 256Mi}
volumeMounts:
  {{- include "niche.writableMounts" . | nindent 2 }}
  - name: router-artifact
    mountPath: {{ eq $source.source "image" | ternary (include "niche.copyTarget" .) "/artifact" }}
{{- end -}}

{{/* Where an init container has the volume that it copies to: a path that hides no directory of its image. */}}
{{- define "niche.copyTarget" -}}
/copied-by-the-chart
{{- end -}}

{{/* Exports the added-up metrics of the pod's gateway replicas; a native sidecar. */}}
{{- define "niche.exporterContainer" -}}
{{- $own := .root.Values.monitoring.gateway -}}
name: gateway-metrics
image: {{ .image | quote }}
imagePullPolicy: {{ .pullPolicy }}
restartPolicy: Always
command: [python, -m, gateway.exporter, {{ include "niche.metricsDirectory" .root }}, {{ $own.port | quote }}]
securityContext:
  {{- toYaml .root.Values.containerSecurityContext | nindent 2 }}
ports:
  - {name: niche-metrics, containerPort: {{ $own.port }}, protocol: TCP}
resources:
  {{- toYaml $own.resources | nindent 2 }}
volumeMounts:
  - name: gateway-metrics
    mountPath: {{ include "niche.metricsDirectory" .root }}
    readOnly: true
{{- end -}}
