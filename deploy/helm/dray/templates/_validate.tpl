{{- /* What the schema cannot say, each with what to do. What only the cluster knows is asked for where it answers:
`helm template` and --dry-run=client do not ask it. */ -}}
{{- define "dray.validate" -}}
{{- include "dray.validatePools" . }}
{{- include "dray.validateServers" . }}
{{- include "dray.validateApi" . }}
{{- include "dray.validateReplicas" (dict "at" "api" "of" .Values.api) }}
{{- include "dray.validateModels" . }}
{{- include "dray.validateLoadtest" . }}
{{- include "dray.validateNetwork" . }}
{{- include "dray.validateCluster" . }}
{{- end }}

{{- define "dray.validatePools" -}}
{{- $mode := .Values.autoscaling.mode }}
{{- $owner := dict }}
{{- $pools := include "dray.pools" . | fromJson }}
{{- if not (hasKey $pools "default") }}
{{- fail "workers.pools.default is missing: it serves the types that no other pool names. Give it `min: 0` where it is to have no workers by itself." }}
{{- end }}
{{- range $name, $pool := $pools }}
{{- $at := printf "workers.pools.%s" $name }}
{{- if gt (int $pool.min) (int $pool.max) }}
{{- fail (printf "%s: min (%d) is above max (%d)." $at (int $pool.min) (int $pool.max)) }}
{{- end }}
{{- if and (eq $name "default") $pool.types }}
{{- fail (printf "%s.types: this pool serves the types that no other names, and names none. Give `%s` a pool of its own." $at (first $pool.types)) }}
{{- end }}
{{- if and (ne $name "default") (not $pool.types) }}
{{- fail (printf "%s.types is missing: it names the job types that only this pool serves." $at) }}
{{- end }}
{{- range $type := $pool.types }}
{{- with get $owner $type }}
{{- fail (printf "%s.types: `%s` is of the pool `%s` already; a type belongs to one pool." $at $type .) }}
{{- end }}
{{- $_ := set $owner $type $name }}
{{- end }}
{{- if eq $mode "cpu" }}
{{- if eq (int $pool.min) 0 }}
{{- fail (printf "%s.min is 0, and autoscaling.mode cpu cannot start the first worker, since there is none whose CPU it could see: take min 1, or another mode." $at) }}
{{- end }}
{{- $cpu := $.Values.autoscaling.cpu }}
{{- range $resource, $target := dict "cpu" $cpu.averageUtilization "memory" $cpu.memoryUtilization }}
{{- if and $target (not (dig "requests" $resource "" $pool.resources)) }}
{{- fail (printf "%s.resources.requests.%s is missing: autoscaling.mode cpu measures what is used against it." $at $resource) }}
{{- end }}
{{- end }}
{{- if not (or $cpu.averageUtilization $cpu.memoryUtilization) }}
{{- fail "autoscaling.mode is cpu, and neither autoscaling.cpu.averageUtilization nor autoscaling.cpu.memoryUtilization is given." }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Of those that are scaled by CPU. (dict "at" "api" "of" .Values.api) */ -}}
{{- define "dray.validateReplicas" -}}
{{- $at := .at }}
{{- with .of }}
{{- if and .autoscaling.enabled (gt (int .autoscaling.min) (int .autoscaling.max)) }}
{{- fail (printf "%s.autoscaling: min (%d) is above max (%d)." $at (int .autoscaling.min) (int .autoscaling.max)) }}
{{- end }}
{{- if and .autoscaling.enabled (not (dig "requests" "cpu" "" .resources)) }}
{{- fail (printf "%[1]s.resources.requests.cpu is missing: %[1]s.autoscaling measures what is used against it. Or set %[1]s.autoscaling.enabled=false." $at) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "dray.validateModels" -}}
{{- with .Values.models }}
{{- if .enabled }}{{ include "dray.validateReplicas" (dict "at" "models" "of" .) }}{{ end }}
{{- if and (or .enabled .inApi) (not .volume) }}
{{- fail (printf "models.%s is true, and models.volume is empty: say where the models are, such as { persistentVolumeClaim: { claimName: models } }." (.enabled | ternary "enabled" "inApi")) }}
{{- end }}
{{- end }}
{{- with .Values.tensorflowServing }}
{{- if .enabled }}{{ include "dray.validateReplicas" (dict "at" "tensorflowServing" "of" .) }}{{ end }}
{{- end }}
{{- end }}

{{- /* Its clients have no key, and an answer of 401 counts as a failure, which says nothing about the load. */ -}}
{{- define "dray.validateLoadtest" -}}
{{- if .Values.loadtest.enabled }}
{{- $fullname := include "dray.fullname" . }}
{{- $host := include "dray.loadtestHost" . }}
{{- $open := or .Values.options.openDoors (eq (toString .Values.options.auth) "insecure-open") }}
{{- if hasPrefix (printf "http://%s-api:" $fullname) $host }}
{{- if not $open }}
{{- fail "loadtest asks the API as clients without a key do, and its doors are closed to them: set options.openDoors=true." }}
{{- end }}
{{- if and (has "PredictUser" .Values.loadtest.classes) (not .Values.models.inApi) }}
{{- fail (printf "loadtest.classes has PredictUser, and the API serves no models: set models.inApi=true, or loadtest.host to who does (http://%[1]s-models:%[2]v or http://%[1]s-tf-serving:%[3]v)." $fullname .Values.models.service.port .Values.tensorflowServing.service.port) }}
{{- end }}
{{- end }}
{{- if and (hasPrefix (printf "http://%s-models:" $fullname) $host) (not (or $open .Values.models.options.openDoors (eq (toString .Values.models.options.auth) "insecure-open"))) }}
{{- fail "loadtest asks the models as clients without a key do, and they answer nobody without one: set models.options.openDoors=true." }}
{{- end }}
{{- end }}
{{- end }}

{{- define "dray.validateApi" -}}
{{- with .Values.api }}
{{- if and .ingress.enabled (not .ingress.host) }}
{{- fail "api.ingress.host is missing: with api.ingress.enabled=true it is the name by which clients know the API." }}
{{- end }}
{{- if le (int .terminationGracePeriodSeconds) (int .preStopSeconds) }}
{{- fail (printf "api.terminationGracePeriodSeconds (%d) leaves no time after api.preStopSeconds (%d)." (int .terminationGracePeriodSeconds) (int .preStopSeconds)) }}
{{- end }}
{{- $names := list }}
{{- range .extraServices }}
{{- if or (has .name $names) (hasPrefix (printf "%s-" (include "dray.fullname" $)) .name) }}
{{- fail (printf "api.extraServices: there is a Service `%s` already." .name) }}
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- end }}
{{- end }}

{{- /* No selector finds the API server: it is no pod of the cluster's network. */ -}}
{{- define "dray.validateNetwork" -}}
{{- with .Values.networkPolicy }}
{{- if and .enabled .workerTo $.Values.containers.enabled }}
{{- $blocks := list }}
{{- range .workerTo }}{{ with .ipBlock }}{{ $blocks = append $blocks . }}{{ end }}{{ end }}
{{- if not $blocks }}
{{- fail "networkPolicy.workerTo has no ipBlock, and containers.enabled is true: workers start containers by the Kubernetes API. Add its addresses (kubectl get endpoints kubernetes), such as { ipBlock: { cidr: 192.0.2.1/32 } }." }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "dray.validateCluster" -}}
{{- $space := .Release.Namespace }}
{{- $account := lookup "v1" "ConfigMap" $space "kube-root-ca.crt" }}
{{- if not $account }}
{{- $account = lookup "v1" "ConfigMap" "default" "kube-root-ca.crt" }}
{{- end }}
{{- if $account }}
{{- include "dray.validateSecrets" . }}
{{- $mode := .Values.autoscaling.mode }}
{{- if and (eq $mode "keda") (not (.Capabilities.APIVersions.Has "keda.sh/v1alpha1")) }}
{{- fail "autoscaling.mode is keda, and this cluster has no KEDA (keda.sh/v1alpha1): install it first, or take the mode metrics-api, which needs nothing." }}
{{- end }}
{{- if and .Values.metrics.serviceMonitor.enabled (not (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) }}
{{- fail "metrics.serviceMonitor.enabled is true, and this cluster has no ServiceMonitor (monitoring.coreos.com/v1): install Prometheus's operator first, or set it to false." }}
{{- end }}
{{- if eq $mode "metrics-api" }}
{{- $service := dig "spec" "service" dict (lookup "apiregistration.k8s.io/v1" "APIService" "" "v1beta1.external.metrics.k8s.io") | default dict }}
{{- if and $service.name (ne (printf "%s/%s" $service.namespace $service.name) (printf "%s/%s-controller" $space (include "dray.fullname" .))) }}
{{- fail (printf "autoscaling.mode is metrics-api, and the cluster's external metrics (APIService v1beta1.external.metrics.k8s.io) belong to %s/%s already; a cluster has one owner of them. If that is prometheus-adapter, take the mode prometheus; if it is KEDA, the mode keda; the modes cpu and off need none." $service.namespace $service.name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Those that the values name. A pod that lacks one would wait for it, and say so only in its events. */ -}}
{{- define "dray.validateSecrets" -}}
{{- $needed := list }}
{{- with .Values.apiKeys.existingSecret }}
{{- $keys := list "keys.json" }}
{{- if or (eq $.Values.autoscaling.mode "keda") $.Values.metrics.serviceMonitor.enabled }}{{ $keys = append $keys "read-key" }}{{ end }}
{{- $needed = append $needed (dict "at" "apiKeys.existingSecret" "name" . "keys" $keys) }}
{{- end }}
{{- range $name := list "redis" "rabbitmq" }}
{{- with (get $.Values $name).external }}
{{- if .existingSecret }}{{ $needed = append $needed (dict "at" (printf "%s.external.existingSecret" $name) "name" .existingSecret "keys" (list .key)) }}{{ end }}
{{- end }}
{{- end }}
{{- with .Values.s3.external.existingSecret }}
{{- $needed = append $needed (dict "at" "s3.external.existingSecret" "name" . "keys" (list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY")) }}
{{- end }}
{{- if .Values.containers.enabled }}
{{- with .Values.containers.existingSecret }}
{{- $needed = append $needed (dict "at" "containers.existingSecret" "name" . "keys" list "namespace" $.Values.containers.namespace) }}
{{- end }}
{{- with .Values.containers.bucketCredentialsSecret }}
{{- $needed = append $needed (dict "at" "containers.bucketCredentialsSecret" "name" . "keys" (list "credentials.json")) }}
{{- end }}
{{- end }}
{{- with .Values.api.ingress }}
{{- if and .enabled .tlsSecret }}{{ $needed = append $needed (dict "at" "api.ingress.tlsSecret" "name" .tlsSecret "keys" list) }}{{ end }}
{{- end }}
{{- range $needed }}
{{- $space := .namespace | default $.Release.Namespace }}
{{- $secret := lookup "v1" "Secret" $space .name }}
{{- if not $secret }}
{{- fail (printf "%s: there is no Secret `%s` in the namespace %s. Make it first." .at .name $space) }}
{{- end }}
{{- $at := .at }}
{{- $name := .name }}
{{- range .keys }}
{{- if not (hasKey ($secret.data | default dict) .) }}
{{- fail (printf "%s: the Secret `%s` in the namespace %s has no key `%s`." $at $name $space .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
