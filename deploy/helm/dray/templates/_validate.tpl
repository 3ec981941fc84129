{{- /* What the schema cannot say, each with what to do. What only the cluster knows is asked for where it answers:
`helm template` and --dry-run=client do not ask it. */ -}}
{{- define "dray.validate" -}}
{{- include "dray.validatePools" . }}
{{- include "dray.validateServers" . }}
{{- include "dray.validateApi" . }}
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

{{- define "dray.validateApi" -}}
{{- with .Values.api }}
{{- if and .autoscaling.enabled (gt (int .autoscaling.min) (int .autoscaling.max)) }}
{{- fail (printf "api.autoscaling: min (%d) is above max (%d)." (int .autoscaling.min) (int .autoscaling.max)) }}
{{- end }}
{{- if and .autoscaling.enabled (not (dig "requests" "cpu" "" .resources)) }}
{{- fail "api.resources.requests.cpu is missing: api.autoscaling measures what is used against it. Or set api.autoscaling.enabled=false." }}
{{- end }}
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
