{{- /* Options as variables, in YAML: keepFor is DRAY_KEEP_FOR. Numbers of YAML are floating, and large ones would be written as 1e+06. */ -}}
{{- define "dray.options" -}}
{{- range $name, $value := . }}
{{- $text := toString $value }}
{{- if kindIs "slice" $value }}{{ $text = join "," $value }}{{ end }}
{{- if and (kindIs "float64" $value) (eq $value (floor $value)) }}{{ $text = toString (int64 $value) }}{{ end }}
{{ eq $name "simulate" | ternary "SIMULATE_WORKLOAD_DURATION_IN_SEC" (printf "DRAY_%s" (snakecase $name | upper)) }}: {{ $text | quote }}
{{- end }}
{{- end }}
