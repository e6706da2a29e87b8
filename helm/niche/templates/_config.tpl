{{/* `niche.yaml` and the Serve configuration, both from `.Values.niche`. */}}

{{/* The configuration: either the values' or the project's own, never a mixture. */}}
{{- define "niche.given" -}}
{{- if .Values.niche }}{{ toYaml .Values.niche }}{{ else }}{{ .Files.Get "files/niche.yaml" }}{{ end -}}
{{- end -}}

{{/* How long what stops waits for its answers: `GatewaySection.drain_seconds` of gateway/config.py. */}}
{{- define "niche.drainSeconds" -}}
{{- $config := include "niche.given" . | fromYaml -}}
{{- dig "gateway" "request_timeout_seconds" 600 $config | ceil | int | add 5 -}}
{{- end -}}

{{/* Seconds of a pod's grace period that are for its processes to end, after the answers. */}}
{{- define "niche.teardownSeconds" -}}
15
{{- end -}}

{{/* A pod's termination grace period: as long as an answer may take, what comes before the pod stops taking requests, and what
     comes after the last. Takes root, own (head, group or server), before (in seconds). */}}
{{- define "niche.graceSeconds" -}}
{{- $needed := add (include "niche.drainSeconds" .root | int) .before (include "niche.teardownSeconds" . | int) -}}
{{- .own.terminationGracePeriodSeconds | default $needed | int -}}
{{- end -}}

{{/* What is left of a pod's grace period before its processes end. Takes the same. */}}
{{- define "niche.leaveSeconds" -}}
{{- sub (include "niche.graceSeconds" . | int) (include "niche.teardownSeconds" . | int) | max 1 -}}
{{- end -}}

{{/* The models, the generalist first, under the key `all`. */}}
{{- define "niche.models" -}}
{{- include "niche.given" . | fromYaml | include "niche.modelsOf" -}}
{{- end -}}

{{/* The same of a configuration. Those that embed or rank are marked, as in gateway/config.py. Takes the configuration. */}}
{{- define "niche.modelsOf" -}}
{{- $all := concat (list .generalist) (.specialists | default list) -}}
{{- range .embeddings }}{{ $all = append $all (merge (dict "kind" "embedding") .) }}{{ end -}}
{{- range .rerankers }}{{ $all = append $all (merge (dict "kind" "reranking") .) }}{{ end -}}
{{- dict "all" $all | toYaml -}}
{{- end -}}

{{/* Whether the gateway asks a model itself, so that it has no application: "true" or empty. Takes the model. */}}
{{- define "niche.inGateway" -}}
{{- if and (eq (dig "engine" "llama" .) "openai") (not .deployment) }}true{{ end -}}
{{- end -}}

{{/* What the models of a pool have in common, as text: `_settings` of deployments/pool.py. Takes the model, and the
     engines of which one process serves several, each with the options that belong to one model. */}}
{{- define "niche.poolSettings" -}}
{{- $engine := .model.engine | default "llama" -}}
{{- $options := .model.engine_options | default dict -}}
{{- range index .engines $engine }}{{ $options = omit $options . }}{{ end -}}
{{- $resources := list (dig "resources" "num_cpus" 0.5 .model) (dig "resources" "num_gpus" 0 .model) (dig "resources" "memory_bytes" nil .model) -}}
{{- $scaling := list -}}
{{- with .model.autoscaling -}}
{{- $scaling = list (dig "min_replicas" 1 .) (dig "max_replicas" 1 .) (dig "target_ongoing_requests" 8 .) (dig "upscale_delay_seconds" 10 .) (dig "downscale_delay_seconds" 600 .) -}}
{{- end -}}
{{- list .model.model (.model.kind | default "generation") $engine $options $resources (dig "replicas" 1 .model) $scaling (dig "price" "machine_per_hour" 0 .model) | toJson -}}
{{- end -}}

{{/* The deployments of models, as deployments/pool.py groups them, under the key `all`: name, app, shared, and the names of
     their models. */}}
{{- define "niche.pools" -}}
{{- $engines := .Files.Get "files/engines.yaml" | fromYaml -}}
{{- $models := (include "niche.models" . | fromYaml).all -}}
{{- $first := dict -}}{{- $apps := dict -}}
{{- range $model := $models -}}
{{- if and $model.pool (not (hasKey $first $model.pool)) -}}
{{- $_ := set $first $model.pool (include "niche.poolSettings" (dict "model" $model "engines" $engines)) -}}
{{- end -}}
{{- end -}}
{{- range $index, $model := $models -}}
{{- if include "niche.inGateway" $model -}}
{{- else if $model.pool -}}
{{- $_ := set $apps $model.name (printf "pool-%s" $model.pool) -}}
{{- else if or (eq $index 0) $model.deployment (has $model.kind (list "embedding" "reranking")) (not (hasKey $engines ($model.engine | default "llama"))) -}}
{{- $_ := set $apps $model.name (printf "model-%s" $model.name) -}}
{{- else -}}
{{- $own := include "niche.poolSettings" (dict "model" $model "engines" $engines) -}}
{{- $base := regexReplaceAll "[^a-z0-9._-]+" (lower $model.model) "-" | trimAll "-._" | trunc 50 | default "pool" -}}
{{- $place := "" -}}
{{- range $number := untilStep 1 (add 2 (len $models) | int) 1 -}}
{{- $name := ternary $base (printf "%s-%d" $base $number) (eq $number 1) -}}
{{- if and (not $place) (eq (get $first $name | default $own) $own) }}{{ $place = $name }}{{ end -}}
{{- end -}}
{{- $_ := set $first $place $own -}}
{{- $_ := set $apps $model.name (printf "pool-%s" $place) -}}
{{- end -}}
{{- end -}}
{{- $all := list -}}
{{- $order := list -}}
{{- range $models }}{{ with get $apps .name }}{{ $order = append $order . }}{{ end }}{{ end -}}
{{- range $app := uniq $order -}}
{{- $members := list -}}
{{- range $models }}{{ if eq (get $apps .name) $app }}{{ $members = append $members .name }}{{ end }}{{ end -}}
{{- $shared := hasPrefix "pool-" $app -}}
{{- $all = append $all (dict "app" $app "name" (trimPrefix (ternary "pool-" "model-" $shared) $app) "shared" $shared "models" $members) -}}
{{- end -}}
{{- dict "all" $all | toYaml -}}
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
{{- if and (kindIs "map" $edge.response_store) (not (dig "redis_url_env" "" $edge.response_store)) -}}
{{- $_ := set $edge "response_store" (merge (dict) $edge.response_store (dict "path" (printf "%s/responses.db" .Values.state.mountPath))) -}}
{{- end -}}
{{- $_ := set $config "gateway" $edge -}}
{{- $observed := $config.observability | default dict -}}
{{- if kindIs "map" $observed.decision_log -}}
{{- $_ := set $observed "decision_log" (merge (dict) $observed.decision_log (dict "path" (printf "%s/decisions.jsonl" .Values.state.mountPath))) -}}
{{- end -}}
{{- if ne .Values.routerArtifact.source "included" -}}
{{- $_ := set $config "router" (merge (dict "artifact" (include "niche.artifactDirectory" .)) ($config.router | default dict)) -}}
{{- end -}}
{{- range $model := concat (list $config.generalist) ($config.specialists | default list) ($config.embeddings | default list) ($config.rerankers | default list) -}}
{{- with include "niche.modelServerOf" (dict "root" $root "model" $model.name) -}}
{{- /* A kept connection would lead to a pod that ends, and past one that is new. */ -}}
{{- $_ := set $model "engine_options" (merge (dict "base_url" (printf "http://%s:8000/v1" .)) ($model.engine_options | default dict) (dict "keep_connections" false)) -}}
{{- end -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* The label by which Ray places a replica in a worker group. */}}
{{- define "niche.labelSelector" -}}
{{- with . }}
label_selector: {niche-group: {{ . | quote }}}
{{- end }}
{{- end -}}

{{/* Whether a replica has a worker of Ray for each of several GPUs: "true" or empty. Takes the model. */}}
{{- define "niche.inGroup" -}}
{{- if and (eq (dig "engine" "llama" .) "vllm") (gt (dig "resources" "num_gpus" 0 . | float64) 1.0) }}true{{ end -}}
{{- end -}}

{{/* Whether the replicas of a pool come to other models while they run: "true" or empty. Takes a model. */}}
{{- define "niche.isLive" -}}
{{- if eq (dig "engine" "llama" .) "vllm" }}true{{ end -}}
{{- end -}}

{{/* What the process of such a pool is started as, whichever models come and go: a model that stands for all, and whether
     there is room for adapters. Takes name, models, and the options of one model. */}}
{{- define "niche.process" -}}
{{- $first := first .models -}}
{{- $options := $first.engine_options | default dict -}}
{{- range .own }}{{ $options = omit $options . }}{{ end -}}
{{- range .models }}{{ if .adapter }}{{ $options = set (deepCopy $options) "enable_lora" true }}{{ end }}{{ end -}}
{{- merge (dict "name" .name "engine_options" $options) (pick $first "model" "engine" "kind" "resources") | toYaml -}}
{{- end -}}

{{/* What Ray reserves for a replica with several GPUs: `_placement_group` of deployments/builder.py. Takes model, group. */}}
{{- define "niche.placementGroup" -}}
{{- $cpus := dig "resources" "num_cpus" 0.5 .model -}}
{{- $stages := dig "engine_options" "pipeline_parallel_size" 1 .model | int -}}
placement_group_bundles:
  - {CPU: {{ $cpus }}, GPU: 1{{ with dig "resources" "memory_bytes" nil .model }}, memory: {{ int64 . }}{{ end }}}
  {{- range until (sub (int .model.resources.num_gpus) 1 | int) }}
  - {GPU: 1}
  {{- end }}
placement_group_strategy: {{ ternary "STRICT_PACK" "PACK" (eq $stages 1) }}
{{- with .group }}
placement_group_bundle_label_selector: [{niche-group: {{ . | quote }}}]
{{- end }}
{{- end -}}

{{/* One application per pool of models, one for the gateway, one for a separate classifier: as `niche serve` starts on
     one machine. What can change without a restart (replicas, limits, the models of a vLLM) is under `deployments` and not in
     `args`. */}}
{{- define "niche.serveConfig" -}}
{{- $config := include "niche.config" . | fromYaml -}}
{{- $placement := .Values.placement -}}
{{- $drain := include "niche.drainSeconds" . -}}
{{- $cache := .Values.modelCache.mountPath -}}
{{- $models := dict -}}
{{- range (include "niche.modelsOf" $config | fromYaml).all }}{{ $_ := set $models .name . }}{{ end -}}
{{- $engines := .Files.Get "files/engines.yaml" | fromYaml -}}
proxy_location: EveryNode
http_options:
  host: 0.0.0.0
  port: 8000
  request_timeout_s: {{ $drain }}
logging_config:
  encoding: JSON
  enable_access_log: false
applications:
  {{- range $pool := (include "niche.pools" . | fromYaml).all }}
  {{- $specs := list -}}
  {{- range $pool.models }}{{ $specs = append $specs (omit (get $models .) "replicas" "autoscaling" "limits" "price" "domain") }}{{ end }}
  {{- $group := index (ternary $placement.pools $placement.models $pool.shared) $pool.name }}
  {{- $live := include "niche.isLive" (first $specs) }}
  {{- with get $models (first $pool.models) }}
  - name: {{ $pool.app }}
    route_prefix: null
    import_path: gateway.serve_app:pool
    args:
      cache_dir: {{ $cache }}
      name: {{ $pool.name | quote }}
      models:
        {{- if $live }}
        - {{ include "niche.process" (dict "name" $pool.name "models" $specs "own" (index $engines .engine)) | nindent 10 | trim }}
        {{- else }}
        {{- toYaml $specs | nindent 8 }}
        {{- end }}
    deployments:
      - name: {{ $pool.name | quote }}
        {{- if $live }}
        # A change of these reaches running replicas; one of `args` replaces them.
        user_config:
          models:
            {{- toYaml $specs | nindent 12 }}
        {{- end }}
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
        {{- if $pool.shared }}
        # The gateway keeps the limits of each model.
        max_ongoing_requests: 10000
        max_queued_requests: -1
        {{- else }}
        max_ongoing_requests: {{ dig "limits" "max_ongoing_requests" nil . | default 64 | int }}
        max_queued_requests: {{ dig "limits" "max_queued_requests" nil . | default -1 | int }}
        {{- end }}
        graceful_shutdown_timeout_s: {{ $drain }}
        {{- $grouped := include "niche.inGroup" . }}
        {{- if $grouped }}
        {{- include "niche.placementGroup" (dict "model" . "group" $group) | nindent 8 }}
        {{- end }}
        ray_actor_options:
          num_cpus: {{ dig "resources" "num_cpus" 0.5 . }}
          num_gpus: {{ ternary 0 (dig "resources" "num_gpus" 0 .) (not (empty $grouped)) }}
          {{- with dig "resources" "memory_bytes" nil . }}
          memory: {{ int64 . }}
          {{- end }}
          {{- with include "niche.labelSelector" (ternary "" $group (not (empty $grouped))) | trim }}{{ . | nindent 10 }}{{ end }}
  {{- end }}
  {{- end }}
  {{- $metrics := ternary (include "niche.metricsDirectory" .) "" .Values.monitoring.gateway.enabled }}
  {{- with dig "router" "deployment" nil $config }}
  {{- /* Only its own settings, so that a change of others does not restart it; `shadow` names specialists. */}}
  {{- $edge := dict "gateway" (omit $config.gateway "shadow" "response_store" "api_keys_file") }}
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
        graceful_shutdown_timeout_s: {{ $drain }}
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
        graceful_shutdown_timeout_s: {{ $drain }}
        num_replicas: {{ dig "replicas" 2 $config.gateway | int }}
        {{- with $placement.gatewayReplicasPerPod }}
        max_replicas_per_node: {{ . }}
        {{- end }}
        ray_actor_options:
          num_cpus: {{ dig "num_cpus" 0.1 $config.gateway }}
          {{- with include "niche.labelSelector" $placement.gateway | trim }}{{ . | nindent 10 }}{{ end }}
          runtime_env:
            env_vars:
              RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD: "0"  # as gateway/ingress.py has it
              MALLOC_MMAP_THRESHOLD_: "1048576"  # likewise
              {{- with $metrics }}
              PROMETHEUS_MULTIPROC_DIR: {{ . }}
              {{- end }}
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
