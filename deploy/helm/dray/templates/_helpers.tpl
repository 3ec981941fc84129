{{- /* Names. <fullname>-api, -controller, -worker-<pool>, -models, -tf-serving, -loadtest, -redis, -rabbitmq, -s3 are both Services (where there is one) and what they lead to. */ -}}
{{- define "dray.fullname" -}}
{{- if contains "dray" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-dray" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- /* What selects. (dict "root" $ "component" "api") */ -}}
{{- define "dray.selector" -}}
app.kubernetes.io/name: dray
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- /* All labels of an object. The same dict. */ -}}
{{- define "dray.labels" -}}
{{ include "dray.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- /* What the load test asks. (the root) */ -}}
{{- define "dray.loadtestHost" -}}
{{- .Values.loadtest.host | default (printf "http://%s-api:%v" (include "dray.fullname" .) .Values.api.service.port) }}
{{- end }}
