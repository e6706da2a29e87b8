{{/* Refuses values that do not fit together, where the schema cannot tell: each error is one line that
     starts with the key and says what to do.

     Of niche.yaml itself only the seven commonest mistakes are found here: a placement that does not
     exist, a replica that fits no pod, a domain that the router's artifact does not know, an `openai`
     model without a URL or with settings of replicas that it does not have, a path that cannot be
     written, and a variable that no pod has. `niche config check` finds the others, in an init container of the gateway's pods. */}}

{{- define "niche.validate" -}}
{{- $errors := list -}}
{{- range list "name" "placement" "capacity" "domain" "upstream" "modelServer" "upgrade" "access" "state" -}}
{{- $errors = concat $errors (include (printf "niche.%sErrors" .) $ | splitList "\n" | compact) -}}
{{- end -}}
{{- with $errors -}}{{- fail (printf "\n\n%s\n" (join "\n" .)) -}}{{- end -}}
{{- end -}}

{{- define "niche.nameErrors" -}}
{{- $name := include "niche.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,45}[a-z0-9])?$" $name) }}
fullnameOverride: {{ $name | quote }} is not a valid name; use at most 47 lowercase letters, digits and hyphens, starting with a letter
{{- end }}
{{- end -}}

{{- define "niche.placementErrors" -}}
{{- $values := .Values -}}
{{- $groups := keys $values.workerGroups | sortAlpha -}}
{{- $wanted := dict "placement.gateway" $values.placement.gateway -}}
{{- with $values.placement.classifier }}{{ $_ := set $wanted "placement.classifier" . }}{{ end -}}
{{- $models := list -}}{{- $upstreams := list -}}{{- $pools := list -}}{{- $poolOf := dict -}}
{{- range (include "niche.models" . | fromYaml).all -}}
{{- $models = append $models .name -}}
{{- if include "niche.inGateway" . }}{{ $upstreams = append $upstreams .name }}{{ end -}}
{{- end -}}
{{- range $pool := (include "niche.pools" . | fromYaml).all -}}
{{- if $pool.shared -}}
{{- $pools = append $pools $pool.name -}}
{{- range $pool.models }}{{ $_ := set $poolOf . $pool.name }}{{ end -}}
{{- end -}}
{{- end -}}
{{- range $model, $group := $values.placement.models -}}
{{- $_ := set $wanted (printf "placement.models.%s" $model) $group -}}
{{- if not (has $model $models) }}
placement.models.{{ $model }}: no such model in niche; the models are {{ join ", " $models }}
{{- else if has $model $upstreams }}
placement.models.{{ $model }}: the gateway asks this model itself, so there are no replicas to place; remove it, or set deployment to own in niche
{{- else if hasKey $poolOf $model }}
placement.models.{{ $model }}: this model shares the pool {{ get $poolOf $model }}; place that in placement.pools, or set deployment to own in niche
{{- end -}}
{{- end -}}
{{- range $pool, $group := $values.placement.pools -}}
{{- $_ := set $wanted (printf "placement.pools.%s" $pool) $group -}}
{{- if not (has $pool $pools) }}
placement.pools.{{ $pool }}: no such pool; the pools are {{ join ", " $pools | default "none" }}
{{- end -}}
{{- end -}}
{{- range $key, $group := $wanted -}}
{{- if not (has $group $groups) }}
{{ $key }}: no worker group {{ $group | quote }}; the groups are {{ join ", " $groups }}
{{- end -}}
{{- end -}}
{{- range $name := $groups -}}
{{- $group := include "niche.workerGroup" (dict "root" $ "group" $name) | fromYaml -}}
{{- if gt (int $group.minReplicas) (int $group.maxReplicas) }}
workerGroups.{{ $name }}.minReplicas: {{ $group.minReplicas }} is above maxReplicas ({{ $group.maxReplicas }})
{{- end -}}
{{- if gt (int $group.minAvailable) (int $group.minReplicas) }}
workerGroups.{{ $name }}.minAvailable: {{ $group.minAvailable }} is above minReplicas ({{ $group.minReplicas }}), so no node could be drained
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Ray waits without end for a replica that fits no pod, or for pods that the groups may not add. */}}
{{- define "niche.capacityErrors" -}}
{{- $root := . -}}
{{- $groups := dict -}}{{- $cpus := 0.0 -}}{{- $gpus := 0.0 -}}
{{- range $name, $_ := .Values.workerGroups -}}
{{- $group := include "niche.workerGroup" (dict "root" $root "group" $name) | fromYaml -}}
{{- $_ := set $groups $name $group -}}
{{- $cpus = addf $cpus (mulf $group.pods $group.cpus) -}}
{{- $gpus = addf $gpus (mulf $group.pods $group.gpus) -}}
{{- end -}}
{{- $neededCpus := 0.0 -}}{{- $neededGpus := 0.0 -}}
{{- range (include "niche.replicas" . | fromYaml).all -}}
{{- $part := . -}}
{{- $neededCpus = addf $neededCpus (mulf .replicas .cpus) -}}
{{- $neededGpus = addf $neededGpus (mulf .replicas .gpus) -}}
{{- $fits := false -}}{{- $gpusOfPod := $part.gpusOfPod | default $part.gpus -}}
{{- range $name, $group := ternary (pick $groups .group) $groups (hasKey $groups .group) -}}
{{- if and (le (float64 $part.cpus) (float64 $group.cpus)) (le (float64 $gpusOfPod) (float64 $group.gpus)) }}{{ $fits = true }}{{ end -}}
{{- end -}}
{{- if not $fits }}
{{ .key }}: no pod of {{ with .group }}workerGroups.{{ . }}{{ else }}any worker group{{ end }} has {{ .cpus }} CPUs and {{ $gpusOfPod }} GPUs for one replica; add a larger group and place it there, or lower the resources
{{- end -}}
{{- end -}}
{{- if gt $neededGpus $gpus }}
workerGroups: the replicas need {{ $neededGpus }} GPUs together and the groups have at most {{ $gpus }}; raise maxReplicas or gpus
{{- end -}}
{{- if gt $neededCpus $cpus }}
workerGroups: the replicas need {{ $neededCpus }} CPUs together and the groups have at most {{ $cpus }}; raise maxReplicas or cpus
{{- end -}}
{{- $perPod := .Values.placement.gatewayReplicasPerPod -}}
{{- with index $groups .Values.placement.gateway -}}
{{- if and $perPod (gt (include "niche.gatewayReplicas" $root | int) (mul $perPod .pods | int)) }}
niche.gateway.replicas: {{ include "niche.gatewayReplicas" $root }} is above placement.gatewayReplicasPerPod ({{ $perPod }}) times the pods of workerGroups.{{ $root.Values.placement.gateway }} ({{ .pods }})
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What Ray has to place: key, group (empty: any), replicas, cpus, gpus of each part, under the key `all`; and gpusOfPod
     where one replica may use several pods, as the stages of a pipeline do. */}}
{{- define "niche.replicas" -}}
{{- $given := include "niche.given" . | fromYaml -}}
{{- $placement := .Values.placement -}}
{{- $edge := $given.gateway | default dict -}}
{{- $all := list (dict "key" "niche.gateway.num_cpus" "group" $placement.gateway "replicas" (include "niche.gatewayReplicas" . | int) "cpus" (dig "num_cpus" 0.1 $edge) "gpus" 0) -}}
{{- with dig "router" "deployment" nil $given -}}
{{- $all = append $all (dict "key" "niche.router.deployment" "group" ($placement.classifier | default $placement.gateway) "replicas" (dig "replicas" 1 .) "cpus" (dig "router" "encoder_threads" 1 $given) "gpus" (dig "num_gpus" 0 .)) -}}
{{- end -}}
{{- $models := (include "niche.models" . | fromYaml).all -}}
{{- range $pool := (include "niche.pools" . | fromYaml).all -}}
{{- range $index, $model := $models -}}
{{- if eq $model.name (first $pool.models) -}}
{{- $key := printf "niche.%s.resources" (include "niche.modelKey" (dict "root" $ "index" $index)) -}}
{{- $replicas := dig "replicas" 1 $model -}}
{{- with $model.autoscaling }}{{ $replicas = dig "min_replicas" 1 . }}{{ end -}}
{{- $group := dig $pool.name "" (ternary $placement.pools $placement.models $pool.shared) -}}
{{- $all = append $all (dict "key" $key "group" $group "replicas" $replicas "cpus" (dig "resources" "num_cpus" 0.5 $model) "gpus" (dig "resources" "num_gpus" 0 $model) "gpusOfPod" (include "niche.gpusOfPod" $model | float64)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- dict "all" $all | toYaml -}}
{{- end -}}

{{/* The GPUs that one pod must have for a replica of a model. */}}
{{- define "niche.gpusOfPod" -}}
{{- $stages := dig "engine_options" "pipeline_parallel_size" 1 . | int -}}
{{- if and (include "niche.inGroup" .) (gt $stages 1) }}1{{ else }}{{ dig "resources" "num_gpus" 0 . }}{{ end -}}
{{- end -}}

{{/* The key of a model in `niche`, by its place among all: `generalist`, `specialists[0]`, ..., `embeddings[0]`, ...,
     `rerankers[0]`, ... Takes the root and the place. */}}
{{- define "niche.modelKey" -}}
{{- $given := include "niche.given" .root | fromYaml -}}
{{- $specialists := len ($given.specialists | default list) -}}
{{- $embeddings := add $specialists (len ($given.embeddings | default list)) -}}
{{- if eq .index 0 -}}
generalist
{{- else if le .index $specialists -}}
{{ printf "specialists[%d]" (sub .index 1) }}
{{- else if le .index $embeddings -}}
{{ printf "embeddings[%d]" (sub (sub .index 1) $specialists) }}
{{- else -}}
{{ printf "rerankers[%d]" (sub (sub .index 1) $embeddings) }}
{{- end -}}
{{- end -}}

{{- define "niche.gatewayReplicas" -}}
{{- dig "gateway" "replicas" 2 (include "niche.given" . | fromYaml) -}}
{{- end -}}

{{- define "niche.domainErrors" -}}
{{- $domains := .Values.routerArtifact.domains -}}
{{- range $index, $model := (include "niche.given" . | fromYaml).specialists -}}
{{- if and $model.domain (not (has $model.domain $domains)) }}
niche.specialists[{{ $index }}].domain: the router's artifact does not know {{ $model.domain | quote }}; choose from {{ join ", " $domains }}, or name another artifact and its domains in routerArtifact
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "niche.upstreamErrors" -}}
{{- range $index, $model := (include "niche.models" . | fromYaml).all -}}
{{- if include "niche.inGateway" $model -}}
{{- range $setting := list "resources" "replicas" "autoscaling" -}}
{{- if hasKey $model $setting }}
niche.{{ include "niche.modelKey" (dict "root" $ "index" $index) }}.{{ $setting }}: no effect, since the gateway asks this model itself, without replicas; leave it out, or set deployment to own
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "niche.modelServerErrors" -}}
{{- $root := . -}}
{{- $models := dict -}}{{- $served := list -}}
{{- range (include "niche.models" . | fromYaml).all }}{{ $_ := set $models .name . }}{{ end -}}
{{- range $server, $_ := .Values.modelServers -}}
{{- $own := include "niche.modelServer" (dict "root" $root "server" $server) | fromYaml -}}
{{- if gt (include "niche.modelServerName" (dict "root" $root "server" $server) | len) 63 }}
modelServers.{{ $server }}: the name together with the release's is longer than 63 characters; shorten one of them
{{- end -}}
{{- $called := list -}}
{{- range $model := $own.models -}}
{{- $spec := dig $model dict $models -}}
{{- $called = append $called $spec.model -}}
{{- if not $spec }}
modelServers.{{ $server }}.models: no model {{ $model | quote }} in niche; the models are {{ keys $models | sortAlpha | join ", " }}
{{- else if ne (dig "engine" "llama" $spec) "openai" }}
modelServers.{{ $server }}.models: {{ $model | quote }} does not have engine openai; set it in niche
{{- else if dig "engine_options" "base_url" "" $spec }}
modelServers.{{ $server }}.models: {{ $model | quote }} has its own engine_options.base_url; remove that, or the model here
{{- else if has $model $served }}
modelServers.{{ $server }}.models: {{ $model | quote }} is served by another server already
{{- end -}}
{{- $served = append $served $model -}}
{{- end -}}
{{- range $adapter, $path := $own.adapters -}}
{{- if not (has $adapter $called) }}
modelServers.{{ $server }}.adapters.{{ $adapter }}: no model of this server has this name as its `model`; the names are {{ join ", " $called }}
{{- end -}}
{{- $cache := printf "%s/" $root.Values.modelCache.mountPath -}}
{{- $copied := and $own.adapterImage (hasPrefix (printf "%s/" (include "niche.adapterDirectory" $root)) $path) -}}
{{- $kept := and $root.Values.modelCache.persistence.enabled (hasPrefix $cache $path) -}}
{{- if not (or $copied $kept (not (hasPrefix "/" $path))) }}
modelServers.{{ $server }}.adapters.{{ $adapter }}: the pods have no {{ $path | quote }}; name a path below {{ include "niche.adapterDirectory" $root }} and the adapterImage that it is copied from, one below {{ $cache }} with modelCache.persistence, or a Hugging Face id
{{- end -}}
{{- end -}}
{{- if and $own.adapters (not $own.maxLoraRank) }}
modelServers.{{ $server }}.maxLoraRank: required with adapters; it is the largest `r` in their adapter_config.json
{{- end -}}
{{- end -}}
{{- range $index, $model := (include "niche.models" . | fromYaml).all -}}
{{- if and (eq (dig "engine" "llama" .) "openai") (not (has .name $served)) (not (dig "engine_options" "base_url" "" .)) }}
niche.{{ include "niche.modelKey" (dict "root" $ "index" $index) }}.engine_options.base_url: required for engine openai, unless modelServers has a server for {{ .name | quote }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Incremental upgrades: KubeRay makes a Gateway and its HTTPRoute, and only that Gateway answers. */}}
{{- define "niche.upgradeErrors" -}}
{{- if include "niche.incremental" . -}}
{{- $values := .Values -}}
{{- $own := $values.upgrade.incremental -}}
{{- if not $own.gatewayClassName }}
upgrade.incremental.gatewayClassName: required for incremental upgrades
{{- end -}}
{{- if gt (int $own.stepSizePercent) (int $own.maxSurgePercent) }}
upgrade.incremental.stepSizePercent: {{ $own.stepSizePercent }} is above maxSurgePercent ({{ $own.maxSurgePercent }})
{{- end -}}
{{- if not $values.autoscaler.enabled }}
autoscaler.enabled: required for incremental upgrades
{{- end -}}
{{- range $key := list "ingress" "httpRoute" -}}
{{- if (index $values $key).enabled }}
{{ $key }}.enabled: not with incremental upgrades, where KubeRay makes the Gateway and its HTTPRoute
{{- end -}}
{{- end -}}
{{- if and $values.tests.enabled (not $values.tests.url) }}
tests.url: with incremental upgrades, name the URL of the Gateway, or set tests.enabled to false
{{- end -}}
{{- if and $values.loadTest.enabled (not $values.loadTest.host) }}
loadTest.host: with incremental upgrades, name the URL of the Gateway
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "niche.accessErrors" -}}
{{- $values := .Values -}}
{{- if and $values.ingress.enabled $values.httpRoute.enabled }}
httpRoute.enabled: not together with ingress.enabled; choose one
{{- end -}}
{{- if and $values.networkPolicy.enabled (not $values.networkPolicy.scrapers) $values.monitoring.serviceMonitor.enabled $values.modelServers }}
networkPolicy.scrapers: required for monitoring.serviceMonitor, since model servers accept only Ray's pods and these
{{- end -}}
{{- end -}}

{{/* Everything else is read-only, and an SQLite file may be used on one node only. */}}
{{- define "niche.stateErrors" -}}
{{- $state := .Values.state -}}
{{- $config := include "niche.config" . | fromYaml -}}
{{- $writable := list $state.mountPath -}}
{{- range .Values.extraVolumeMounts -}}{{- if not .readOnly }}{{ $writable = append $writable .mountPath }}{{ end -}}{{- end -}}
{{- $shadow := dig "gateway" "shadow" nil $config -}}
{{- $responses := dig "gateway" "response_store" nil $config -}}
{{- $variable := dig "redis_url_env" "" ($responses | default dict) -}}
{{- $files := dict "gateway.shadow" $shadow "gateway.response_store" (ternary nil $responses (not (empty $variable))) -}}
{{- $paths := dict "observability.decision_log.path" (dig "observability" "decision_log" nil $config) -}}
{{- range $key, $section := $files }}{{ $_ := set $paths (printf "%s.path" $key) $section }}{{ end -}}
{{- range $key, $section := $paths -}}
{{- if $section -}}
{{- $inside := false -}}
{{- range $writable -}}{{- if hasPrefix (printf "%s/" (trimSuffix "/" .)) (clean $section.path) }}{{ $inside = true }}{{ end -}}{{- end -}}
{{- if not $inside }}
niche.{{ $key }}: the gateway's pods cannot write {{ $section.path | quote }}; name a file below state.mountPath ({{ $state.mountPath }}), or leave the path out
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $key, $section := $files -}}
{{- if and $section (not (include "niche.onOneNode" $)) (gt (include "niche.gatewayPods" $ | int) 1) }}
niche.{{ $key }}: it is one SQLite file, and the gateway's replicas may run in {{ include "niche.gatewayPods" $ }} pods; {{ if hasPrefix "gateway.response_store" $key }}name a Redis in redis_url_env, or {{ end }}set state.persistence.enabled and oneNode, or allow one pod: placement.gatewayReplicasPerPod 0 and maxReplicas 1 in workerGroups.{{ $.Values.placement.gateway }}
{{- end -}}
{{- end -}}
{{- $given := list -}}
{{- range .Values.extraEnv }}{{ $given = append $given .name }}{{ end -}}
{{- if and $variable (not (has $variable $given)) }}
niche.gateway.response_store.redis_url_env: no pod has the variable {{ $variable | quote }}; add it to extraEnv, from a Secret: {name: {{ $variable }}, valueFrom: {secretKeyRef: {name: ..., key: ...}}}
{{- end -}}
{{- if and (include "niche.aDirectoryEach" .) (not $state.persistence.existingClaim) (not (has "ReadWriteMany" $state.persistence.accessModes)) }}
state.persistence.accessModes: pods on several nodes need ReadWriteMany; or set oneNode
{{- end -}}
{{- end -}}

{{/* In how many pods the gateway's replicas may run at once. */}}
{{- define "niche.gatewayPods" -}}
{{- $group := .Values.placement.gateway -}}
{{- $pods := 1 -}}
{{- if hasKey .Values.workerGroups $group -}}
{{- $pods = (include "niche.workerGroup" (dict "root" . "group" $group) | fromYaml).pods -}}
{{- end -}}
{{- min $pods (include "niche.gatewayReplicas" . | int) -}}
{{- end -}}
