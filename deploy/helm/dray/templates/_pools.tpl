{{- /* Pools of workers. A template can give text alone, so each of these gives JSON. */ -}}

{{- /* All pools by name, each with what it has from workers.defaults. */ -}}
{{- define "dray.pools" -}}
{{- $pools := dict }}
{{- range $name, $own := .Values.workers.pools }}
{{- $pool := deepCopy $.Values.workers.defaults }}
{{- range $key, $value := $own | default dict }}
{{- if and (eq $key "options") (kindIs "map" $value) }}{{ $value = merge (deepCopy $value) $pool.options }}{{ end }}
{{- if eq $key "env" }}{{ $value = concat $pool.env $value }}{{ end }}
{{- $_ := set $pool $key $value }}
{{- end }}
{{- $_ := set $pools $name $pool }}
{{- end }}
{{- toJson $pools }}
{{- end }}

{{- /* The name of the pool that runs jobs of type container; empty where there are none. */ -}}
{{- define "dray.containerPool" -}}
{{- if .Values.containers.enabled }}
{{- $pool := "default" }}
{{- range $name, $one := include "dray.pools" . | fromJson }}
{{- if has "container" $one.types }}{{ $pool = $name }}{{ end }}
{{- end }}
{{- $pool }}
{{- end }}
{{- end }}

{{- /* What a worker must know to find its types: the names and types of all pools but the default one. */ -}}
{{- define "dray.poolTypes" -}}
{{- $pools := list }}
{{- range $name, $pool := include "dray.pools" . | fromJson }}
{{- if ne $name "default" }}{{ $pools = append $pools (dict "name" $name "types" $pool.types) }}{{ end }}
{{- end }}
{{- toJson $pools }}
{{- end }}

{{- /* What the controller must know: their bounds and numbers too. */ -}}
{{- define "dray.poolRules" -}}
{{- $pools := list }}
{{- range $name, $pool := include "dray.pools" . | fromJson }}
{{- if ne $name "default" }}
{{- /* Containers take no executor: a worker has as many as its option says. */}}
{{- $slots := $pool.slots }}
{{- if eq (join "," $pool.types) "container" }}{{ $slots = $pool.options.containerSlots | default $.Values.options.containerSlots | default 50 }}{{ end }}
{{- $pools = append $pools (dict "name" $name "types" $pool.types "minWorkers" $pool.min "maxWorkers" $pool.max "slotsPerWorker" $slots "drainTarget" (toString $pool.drainTarget) "slo" (toString $pool.slo) "utilisation" $pool.utilisation) }}
{{- end }}
{{- end }}
{{- toJson $pools }}
{{- end }}
