{{/* What the schema cannot see: values that do not fit each other. Every message names the key and
     says what to do. */}}

{{- define "niche.validate" -}}
{{- $complaints := compact (splitList "\n" (include "niche.complaints" .)) -}}
{{- if $complaints -}}
{{- fail (printf "\n\n%s\n" (join "\n" $complaints)) -}}
{{- end -}}
{{- end -}}

{{/* A line per complaint. */}}
{{- define "niche.complaints" -}}
{{ include "niche.complaintsOfName" . }}
{{ include "niche.complaintsOfModels" . }}
{{ include "niche.complaintsOfPlacement" . }}
{{ include "niche.complaintsOfCapacity" . }}
{{ include "niche.complaintsOfModelServers" . }}
{{ include "niche.complaintsOfAccess" . }}
{{ include "niche.complaintsOfSources" . }}
{{ include "niche.complaintsOfState" . }}
{{- end -}}

{{- define "niche.complaintsOfName" -}}
{{- $name := include "niche.fullname" . -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,45}[a-z0-9])?$" $name) }}
fullnameOverride: {{ $name | quote }} is no name of a RayService; at most 47 small letters, digits and hyphens, a letter first
{{- end }}
{{- end -}}

{{- define "niche.complaintsOfModels" -}}
{{- $given := include "niche.given" . | fromYaml -}}
{{- $names := list "auto" $given.generalist.name -}}
{{- $domains := .Values.routerArtifact.domains -}}
{{- range $index, $model := $given.specialists -}}
{{- if has $model.name $names }}
niche.specialists[{{ $index }}].name: {{ $model.name | quote }} is taken; names must differ
{{- end -}}
{{- $names = append $names $model.name -}}
{{- if not $model.domain }}
niche.specialists[{{ $index }}].domain: a specialist ({{ $model.name | quote }}) needs a domain
{{- else if not (has $model.domain $domains) }}
niche.specialists[{{ $index }}].domain: {{ $model.domain | quote }} is no domain of the router's artifact, which knows {{ join ", " $domains }}; name one of these, or an artifact in routerArtifact with its domains
{{- end -}}
{{- end -}}
{{- if dig "router" "guarantee" nil $given -}}
{{- $served := list -}}
{{- range $given.specialists -}}{{- $served = append $served .domain -}}{{- end -}}
{{- $unserved := list -}}
{{- range $domains -}}{{- if not (has . $served) }}{{ $unserved = append $unserved . }}{{ end -}}{{- end -}}
{{- with $unserved }}
niche.router.guarantee: it is about all domains of the router's artifact, and {{ join ", " . }} have no specialist, so the gateway would not start; declare them, name an artifact without them in routerArtifact, or remove the guarantee
{{- end -}}
{{- end -}}
{{- with $given.generalist.domain }}
niche.generalist.domain: the generalist has no domain; remove the key
{{- end -}}
{{- if eq $given.generalist.name "auto" }}
niche.generalist.name: "auto" asks for a routed answer; choose another
{{- end -}}
{{- range $model := (include "niche.models" . | fromYaml).all -}}
{{- if gt (int (dig "autoscaling" "min_replicas" 1 $model)) (int (dig "autoscaling" "max_replicas" 1 $model)) }}
niche: {{ $model.name }}: autoscaling.min_replicas is above autoscaling.max_replicas
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "niche.complaintsOfPlacement" -}}
{{- $values := .Values -}}
{{- $groups := keys $values.workerGroups | sortAlpha -}}
{{- if not $groups }}
workerGroups: there is none; name at least one
{{- end -}}
{{- range $key := list "gateway" "classifier" -}}
{{- $group := index $values.placement $key -}}
{{- if and (or $group (eq $key "gateway")) (not (has $group $groups)) }}
placement.{{ $key }}: no worker group {{ $group | quote }}; there are {{ join ", " $groups }}
{{- end -}}
{{- end -}}
{{- $models := list -}}
{{- range (include "niche.models" . | fromYaml).all -}}{{- $models = append $models .name -}}{{- end -}}
{{- range $model, $group := $values.placement.models -}}
{{- if not (has $model $models) }}
placement.models: no model {{ $model | quote }} in niche; there are {{ join ", " $models }}
{{- end -}}
{{- if not (has $group $groups) }}
placement.models.{{ $model }}: no worker group {{ $group | quote }}; there are {{ join ", " $groups }}
{{- end -}}
{{- end -}}
{{- range $name := $groups -}}
{{- $group := include "niche.workerGroup" (dict "root" $ "group" $name) | fromYaml -}}
{{- if gt (int $group.minReplicas) (int $group.maxReplicas) }}
workerGroups.{{ $name }}: minReplicas ({{ $group.minReplicas }}) is above maxReplicas ({{ $group.maxReplicas }})
{{- end -}}
{{- if and $group.minAvailable (gt (int $group.minAvailable) (int $group.minReplicas)) }}
workerGroups.{{ $name }}.minAvailable: more than minReplicas ({{ $group.minReplicas }}); no node could ever be drained
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Ray would wait without end for what no group will ever have. */}}
{{- define "niche.complaintsOfCapacity" -}}
{{- $root := . -}}
{{- $cpus := 0.0 -}}{{- $gpus := 0.0 -}}{{- $sizes := dict -}}
{{- range $name, $_ := .Values.workerGroups -}}
{{- $group := include "niche.workerGroup" (dict "root" $root "group" $name) | fromYaml -}}
{{- $pods := ternary $group.maxReplicas $group.minReplicas $root.Values.autoscaler.enabled -}}
{{- $cpus = addf $cpus (mulf $pods $group.cpus) -}}
{{- $gpus = addf $gpus (mulf $pods $group.gpus) -}}
{{- $_ := set $sizes $name $group -}}
{{- end -}}
{{- $given := include "niche.given" . | fromYaml -}}
{{- $edge := $given.gateway | default dict -}}
{{- $wantedCpus := mulf (dig "replicas" 2 $edge) (dig "num_cpus" 0.1 $edge) -}}
{{- $wantedGpus := 0.0 -}}
{{- $parts := (include "niche.models" . | fromYaml).all -}}
{{- range $parts -}}
{{- $name := .name -}}
{{- $replicas := dig "replicas" 1 . -}}
{{- if .autoscaling }}{{ $replicas = dig "min_replicas" 1 .autoscaling }}{{ end -}}
{{- $cpu := dig "resources" "num_cpus" 0.5 . -}}{{- $gpu := dig "resources" "num_gpus" 0 . -}}
{{- $wantedCpus = addf $wantedCpus (mulf $replicas $cpu) -}}
{{- $wantedGpus = addf $wantedGpus (mulf $replicas $gpu) -}}
{{- $fits := false -}}
{{- $where := index $root.Values.placement.models $name -}}
{{- range $group, $size := $sizes -}}
{{- if and (or (not $where) (eq $where $group)) (le (float64 $cpu) (float64 $size.cpus)) (le (float64 $gpu) (float64 $size.gpus)) }}{{ $fits = true }}{{ end -}}
{{- end -}}
{{- if not $fits }}
niche: {{ $name }}: no pod of {{ with $where }}workerGroups.{{ . }}{{ else }}any of workerGroups{{ end }} has {{ $cpu }} CPUs and {{ $gpu }} GPUs for a replica; add such a group, or lower resources
{{- end -}}
{{- end -}}
{{- with dig "router" "deployment" nil $given -}}
{{- $gpu := dig "num_gpus" 0 . -}}
{{- $where := $root.Values.placement.classifier | default $root.Values.placement.gateway -}}
{{- $wantedGpus = addf $wantedGpus (mulf (dig "replicas" 1 .) $gpu) -}}
{{- $wantedCpus = addf $wantedCpus (mulf (dig "replicas" 1 .) (dig "router" "encoder_threads" 1 $given)) -}}
{{- if gt (float64 $gpu) (float64 (dig $where "gpus" 0 $sizes)) }}
niche.router.deployment.num_gpus: workerGroups.{{ $where }} has no {{ $gpu }} GPUs; name a group with GPUs in placement.classifier
{{- end -}}
{{- end -}}
{{- if gt $wantedGpus $gpus }}
niche: models ask for {{ $wantedGpus }} GPUs (num_gpus x replicas) and workerGroups have at most {{ $gpus }}; raise maxReplicas or gpus
{{- end -}}
{{- if gt $wantedCpus $cpus }}
niche: models and gateway ask for {{ $wantedCpus }} CPUs (num_cpus x replicas) and workerGroups have at most {{ $cpus }}; raise maxReplicas or cpus
{{- end -}}
{{- $perPod := .Values.placement.gatewayReplicasPerPod -}}
{{- $group := dig .Values.placement.gateway dict $sizes -}}
{{- $pods := ternary (dig "maxReplicas" 0 $group) (dig "minReplicas" 0 $group) .Values.autoscaler.enabled -}}
{{- if and $perPod $group (gt (int (dig "replicas" 2 $edge)) (mul $perPod $pods | int)) }}
niche.gateway.replicas: more than placement.gatewayReplicasPerPod ({{ $perPod }}) times the pods of workerGroups.{{ .Values.placement.gateway }} ({{ $pods }})
{{- end -}}
{{- end -}}

{{- define "niche.complaintsOfModelServers" -}}
{{- $root := . -}}
{{- $known := dict -}}{{- $served := list -}}
{{- range (include "niche.models" . | fromYaml).all -}}{{- $_ := set $known .name . -}}{{- end -}}
{{- range $server, $_ := .Values.modelServers -}}
{{- $own := include "niche.modelServer" (dict "root" $root "server" $server) | fromYaml -}}
{{- if not $own.models }}
modelServers.{{ $server }}.models: name the models of niche that it serves
{{- end -}}
{{- if not $own.model }}
modelServers.{{ $server }}.model: name the weights that it loads
{{- end -}}
{{- range $adapter, $_ := $own.adapters -}}
{{- $called := list -}}
{{- range $own.models -}}{{- $called = append $called (dig . "model" "" $known) -}}{{- end -}}
{{- if not (has $adapter $called) }}
modelServers.{{ $server }}.adapters: no model that it serves has the model {{ $adapter | quote }}; these have {{ join ", " $called }}
{{- end -}}
{{- end -}}
{{- if and $own.hpa $own.keda }}
modelServers.{{ $server }}: hpa and keda would both scale it; remove one
{{- end -}}
{{- if gt (printf "%s-%s" (include "niche.fullname" $root) $server | len) 63 }}
modelServers.{{ $server }}: its name with the release's is longer than 63 characters; shorten one
{{- end -}}
{{- range $model := $own.models -}}
{{- $spec := index $known $model -}}
{{- if not $spec }}
modelServers.{{ $server }}.models: no model {{ $model | quote }} in niche; there are {{ keys $known | sortAlpha | join ", " }}
{{- else if ne (dig "engine" "transformers" $spec) "openai" }}
modelServers.{{ $server }}.models: {{ $model | quote }} has another engine; set its engine to openai in niche
{{- else if dig "engine_options" "base_url" "" $spec }}
modelServers.{{ $server }}.models: {{ $model | quote }} has an engine_options.base_url of its own; remove it, or the model here
{{- end -}}
{{- if has $model $served }}
modelServers.{{ $server }}.models: {{ $model | quote }} has another server already
{{- end -}}
{{- $served = append $served $model -}}
{{- end -}}
{{- end -}}
{{- range $name, $spec := $known -}}
{{- if and (eq (dig "engine" "transformers" $spec) "openai") (not (has $name $served)) (not (dig "engine_options" "base_url" "" $spec)) }}
niche: {{ $name }}: engine openai needs engine_options.base_url, or a server in modelServers
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "niche.complaintsOfAccess" -}}
{{- $values := .Values -}}
{{- if and $values.ingress.enabled $values.httpRoute.enabled }}
ingress.enabled, httpRoute.enabled: choose one
{{- end -}}
{{- if and $values.ingress.enabled (not $values.ingress.hosts) }}
ingress.hosts: name at least one
{{- end -}}
{{- if and $values.httpRoute.enabled (not $values.httpRoute.parentRefs) }}
httpRoute.parentRefs: name the Gateway
{{- end -}}
{{- if include "niche.incremental" . -}}
{{- $own := $values.upgrade.incremental -}}
{{- if not $own.gatewayClassName }}
upgrade.incremental.gatewayClassName: incremental upgrades need the class of the Gateway that KubeRay makes
{{- end -}}
{{- if not $values.autoscaler.enabled }}
upgrade.type: incremental upgrades need autoscaler.enabled
{{- end -}}
{{- if gt (int $own.stepSizePercent) (int $own.maxSurgePercent) }}
upgrade.incremental.stepSizePercent: above maxSurgePercent ({{ $own.maxSurgePercent }})
{{- end -}}
{{- if or $values.ingress.enabled $values.httpRoute.enabled }}
upgrade.type: with incremental upgrades KubeRay makes the Gateway and its HTTPRoute; disable ingress and httpRoute
{{- end -}}
{{- if and $values.tests.enabled (not $values.tests.url) }}
tests.url: with incremental upgrades the Gateway answers; name its URL, or disable tests
{{- end -}}
{{- if and $values.loadTest.enabled (not $values.loadTest.host) }}
loadTest.host: with incremental upgrades the Gateway answers; name its URL, or disable loadTest
{{- end -}}
{{- end -}}
{{- if and $values.networkPolicy.enabled (not $values.networkPolicy.scrapers) $values.monitoring.serviceMonitor.enabled $values.modelServers }}
networkPolicy.scrapers: model servers answer Ray's pods and these alone; name Prometheus, or disable monitoring.serviceMonitor
{{- end -}}
{{- if and $values.apiKeys.existingSecret $values.apiKeys.values }}
apiKeys: existingSecret and values are both set; choose one
{{- end -}}
{{- end -}}

{{- define "niche.complaintsOfSources" -}}
{{- $artifact := .Values.routerArtifact -}}
{{- $required := dict
  "image" (dict "key" "image.reference" "value" $artifact.image.reference)
  "persistentVolumeClaim" (dict "key" "persistentVolumeClaim.claimName" "value" $artifact.persistentVolumeClaim.claimName)
  "configMap" (dict "key" "configMap.name" "value" $artifact.configMap.name)
  "download" (dict "key" "download.image" "value" $artifact.download.image) -}}
{{- with index $required $artifact.source -}}
{{- if not .value }}
routerArtifact.{{ .key }}: required for the source {{ $artifact.source }}
{{- end -}}
{{- end -}}
{{- if and (eq $artifact.source "download") (not $artifact.download.command) }}
routerArtifact.download.command: required for the source download
{{- end -}}
{{- if and .Values.gcsFaultTolerance.enabled (not .Values.gcsFaultTolerance.redisAddress) }}
gcsFaultTolerance.redisAddress: required where it is enabled
{{- end -}}
{{- if and .Values.gcsFaultTolerance.usernameKey (not .Values.gcsFaultTolerance.passwordSecret) }}
gcsFaultTolerance.passwordSecret: required for usernameKey
{{- end -}}
{{- end -}}

{{/* Everything else is read-only, and what SQLite keeps is of one node. */}}
{{- define "niche.complaintsOfState" -}}
{{- $state := .Values.state -}}
{{- $config := include "niche.config" . | fromYaml -}}
{{- $places := list $state.mountPath -}}
{{- range .Values.extraVolumeMounts -}}{{- if not .readOnly }}{{ $places = append $places .mountPath }}{{ end -}}{{- end -}}
{{- $paths := dict "gateway.shadow.path" (dig "shadow" "path" "" ($config.gateway | default dict)) "observability.decision_log.path" (dig "decision_log" "path" "" ($config.observability | default dict)) -}}
{{- range $key, $path := $paths -}}
{{- $inside := not $path -}}
{{- range $places -}}{{- if hasPrefix (printf "%s/" (trimSuffix "/" .)) (clean $path) }}{{ $inside = true }}{{ end -}}{{- end -}}
{{- if not $inside }}
niche.{{ $key }}: {{ $path | quote }} cannot be written in the gateway's pods; name a file below state.mountPath ({{ $state.mountPath }}), or leave the path out
{{- end -}}
{{- end -}}
{{- $kept := $state.persistence -}}
{{- if and (dig "shadow" "path" "" ($config.gateway | default dict)) (not (include "niche.onOneNode" .)) (gt (include "niche.gatewayPods" . | int) 1) }}
niche.gateway.shadow: its evidence is one SQLite file, and the gateway's replicas may be in {{ include "niche.gatewayPods" . }} pods; set state.persistence.enabled with oneNode, or keep them in one pod: placement.gatewayReplicasPerPod 0 and maxReplicas 1 in workerGroups.{{ .Values.placement.gateway }}
{{- end -}}
{{- if and (include "niche.aDirectoryEach" .) (not $kept.existingClaim) (not (has "ReadWriteMany" $kept.accessModes)) }}
state.persistence.accessModes: pods on several nodes need ReadWriteMany; or set oneNode
{{- end -}}
{{- end -}}

{{/* In how many pods the gateway's replicas may be at once. */}}
{{- define "niche.gatewayPods" -}}
{{- $group := .Values.placement.gateway -}}
{{- $pods := 1 -}}
{{- if hasKey .Values.workerGroups $group -}}
{{- $own := include "niche.workerGroup" (dict "root" . "group" $group) | fromYaml -}}
{{- $pods = ternary $own.maxReplicas $own.minReplicas .Values.autoscaler.enabled -}}
{{- end -}}
{{- min $pods (dig "replicas" 2 ((include "niche.given" . | fromYaml).gateway | default dict)) -}}
{{- end -}}
