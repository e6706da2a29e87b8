{{/* `niche.yaml` and the Serve configuration, both from `.Values.niche`. */}}

{{/* The configuration: either the values' or the project's own, never a mixture. */}}
{{- define "niche.given" -}}
{{- if .Values.niche }}{{ toYaml .Values.niche }}{{ else }}{{ .Files.Get "files/niche.yaml" }}{{ end -}}
{{- end -}}

{{/* The models, the generalist first, under the key `all`. */}}
{{- define "niche.models" -}}
{{- $given := include "niche.given" . | fromYaml -}}
{{- dict "all" (concat (list $given.generalist) ($given.specialists | default list)) | toYaml -}}
{{- end -}}

{{/* Whether the gateway asks a model itself, so that it has no application: "true" or empty. Takes the model. */}}
{{- define "niche.inGateway" -}}
{{- if and (eq (dig "engine" "transformers" .) "openai") (not .deployment) }}true{{ end -}}
{{- end -}}

{{- define "niche.modelServerOf" -}}
{{- $model := .model -}}
{{- range $server, $_ := .root.Values.modelServers -}}
{{- $own := include "niche.modelServer" (dict "root" $.root "server" $server) | fromYaml -}}
{{- if has $model $own.models }}{{ include "niche.modelServerName" (dict "root" $.root "server" $server) }}{{ end -}}
{{- end -}}
{{- end -}}

{{- define "niche.artifactDirectory" -}}
/etc/niche/router
{{- end -}}

{{/* The content of `niche.yaml`: the values, and what the chart itself sets. */}}
{{- define "niche.config" -}}
{{- $root := . -}}
{{- $config := include "niche.given" . | fromYaml -}}
{{- $edge := merge (dict "host" "0.0.0.0" "port" 8000) ($config.gateway | default dict) -}}
{{- if include "niche.apiKeysSecret" . }}{{- $_ := set $edge "api_keys_file" "/etc/niche/api-keys/keys" -}}{{- end -}}
{{- if kindIs "map" $edge.shadow -}}
{{- $_ := set $edge "shadow" (merge (dict) $edge.shadow (dict "path" (printf "%s/evidence.db" .Values.state.mountPath))) -}}
{{- end -}}
{{- $_ := set $config "gateway" $edge -}}
{{- $observed := $config.observability | default dict -}}
{{- if kindIs "map" $observed.decision_log -}}
{{- $_ := set $observed "decision_log" (merge (dict) $observed.decision_log (dict "path" (printf "%s/decisions.jsonl" .Values.state.mountPath))) -}}
{{- end -}}
{{- if ne .Values.routerArtifact.source "included" -}}
{{- $_ := set $config "router" (merge (dict "artifact" (include "niche.artifactDirectory" .)) ($config.router | default dict)) -}}
{{- end -}}
{{- range $model := concat (list $config.generalist) ($config.specialists | default list) -}}
{{- with include "niche.modelServerOf" (dict "root" $root "model" $model.name) -}}
{{- $_ := set $model "engine_options" (merge (dict "base_url" (printf "http://%s:8000/v1" .)) ($model.engine_options | default dict)) -}}
{{- end -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* The label by which Ray places a replica in a worker group. */}}
{{- define "niche.labelSelector" -}}
{{- with . }}
label_selector: {niche-group: {{ . }}}
{{- end }}
{{- end -}}

{{/* One application per model that the gateway does not ask itself, one for the gateway, one for a separate
     classifier: as `niche serve` starts on one machine. What can change without a restart (replicas, limits) is under `deployments` and not
     in a model's `args`. */}}
{{- define "niche.serveConfig" -}}
{{- $config := include "niche.config" . | fromYaml -}}
{{- $placement := .Values.placement -}}
{{- $cache := .Values.modelCache.mountPath -}}
proxy_location: EveryNode
http_options:
  host: 0.0.0.0
  port: 8000
logging_config:
  encoding: JSON
  enable_access_log: false
applications:
  {{- range concat (list $config.generalist) ($config.specialists | default list) }}
  {{- if not (include "niche.inGateway" .) }}
  - name: model-{{ .name }}
    route_prefix: null
    import_path: gateway.serve_app:model
    args:
      cache_dir: {{ $cache }}
      spec:
        {{- omit . "replicas" "autoscaling" "limits" "price" "domain" | toYaml | nindent 8 }}
    deployments:
      - name: {{ .name }}
        {{- if .autoscaling }}
        autoscaling_config:
          min_replicas: {{ dig "min_replicas" 1 .autoscaling | int }}
          max_replicas: {{ dig "max_replicas" 1 .autoscaling | int }}
          target_ongoing_requests: {{ dig "target_ongoing_requests" 8 .autoscaling }}
          upscale_delay_s: {{ dig "upscale_delay_seconds" 10 .autoscaling }}
          downscale_delay_s: {{ dig "downscale_delay_seconds" 600 .autoscaling }}
        {{- else }}
        num_replicas: {{ dig "replicas" 1 . | int }}
        {{- end }}
        max_ongoing_requests: {{ dig "limits" "max_ongoing_requests" 64 . | int }}
        max_queued_requests: {{ dig "limits" "max_queued_requests" 128 . | int }}
        ray_actor_options:
          num_cpus: {{ dig "resources" "num_cpus" 0.5 . }}
          num_gpus: {{ dig "resources" "num_gpus" 0 . }}
          {{- with dig "resources" "memory_bytes" nil . }}
          memory: {{ int64 . }}
          {{- end }}
          {{- with include "niche.labelSelector" (index $placement.models .name) | trim }}{{ . | nindent 10 }}{{ end }}
  {{- end }}
  {{- end }}
  {{- $metrics := ternary (include "niche.metricsDirectory" .) "" .Values.monitoring.gateway.enabled }}
  {{- with dig "router" "deployment" nil $config }}
  {{- /* Only its own settings, so that a change of others does not restart it; `shadow` names specialists. */}}
  {{- $edge := dict "gateway" (omit $config.gateway "shadow" "api_keys_file") }}
  - name: router
    route_prefix: null
    import_path: gateway.serve_app:classifier
    args:
      cache_dir: {{ $cache }}
      {{- with $metrics }}
      metrics_dir: {{ . }}
      {{- end }}
      config:
        {{- merge $edge (omit $config "specialists" "observability" "gateway") | toYaml | nindent 8 }}
    deployments:
      - name: classifier
        ray_actor_options:
          num_cpus: {{ dig "router" "encoder_threads" 1 $config }}
          num_gpus: {{ dig "num_gpus" 0 . }}
          {{- with include "niche.labelSelector" ($placement.classifier | default $placement.gateway) | trim }}{{ . | nindent 10 }}{{ end }}
          {{- with include "niche.sharedMetrics" $metrics | trim }}{{ . | nindent 10 }}{{ end }}
  {{- end }}
  - name: gateway
    route_prefix: /
    import_path: gateway.serve_app:gateway
    args:
      cache_dir: {{ $cache }}
      {{- with $metrics }}
      metrics_dir: {{ . }}
      {{- end }}
      config:
        {{- toYaml $config | nindent 8 }}
    deployments:
      - name: gateway
        num_replicas: {{ dig "replicas" 2 $config.gateway | int }}
        {{- with $placement.gatewayReplicasPerPod }}
        max_replicas_per_node: {{ . }}
        {{- end }}
        ray_actor_options:
          num_cpus: {{ dig "num_cpus" 0.1 $config.gateway }}
          {{- with include "niche.labelSelector" $placement.gateway | trim }}{{ . | nindent 10 }}{{ end }}
          {{- with include "niche.sharedMetrics" $metrics | trim }}{{ . | nindent 10 }}{{ end }}
{{- end -}}

{{/* The environment of a replica whose metrics are added to those of the other replicas in its pod. */}}
{{- define "niche.sharedMetrics" -}}
{{- with . }}
runtime_env:
  env_vars:
    PROMETHEUS_MULTIPROC_DIR: {{ . }}
{{- end }}
{{- end -}}

{{- define "niche.metricsDirectory" -}}
/run/niche/metrics
{{- end -}}
