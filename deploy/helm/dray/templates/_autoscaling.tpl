{{- /* Up at once, by the whole of what is wanted within a few steps; down only when it has been wanted for a while. */ -}}
{{- define "dray.scalingBehavior" -}}
scaleUp:
  stabilizationWindowSeconds: 0
  selectPolicy: Max
  policies:
    - { type: Percent, value: 100, periodSeconds: 5 }
    - { type: Pods, value: 4, periodSeconds: 5 }
  {{- if not (kindIs "invalid" .tolerance) }}
  tolerance: {{ .tolerance | quote }}
  {{- end }}
scaleDown:
  stabilizationWindowSeconds: {{ .scaleDownStabilizationSeconds }}
  selectPolicy: Max
  policies: [{ type: Percent, value: 100, periodSeconds: 15 }]
  {{- if not (kindIs "invalid" .tolerance) }}
  tolerance: {{ .tolerance | quote }}
  {{- end }}
{{- end }}

{{- /* What scales those that answer requests, and what keeps one of them on its feet.
       (dict "root" $ "component" "api" "of" .Values.api) */ -}}
{{- define "dray.byCpu" -}}
{{- $name := printf "%s-%s" (include "dray.fullname" .root) .component }}
{{- with .of }}
{{- $least := .autoscaling.enabled | ternary .autoscaling.min .replicas }}
{{- if .autoscaling.enabled }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $name }}
  labels: {{- include "dray.labels" $ | nindent 4 }}
spec:
  scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: {{ $name }} }
  minReplicas: {{ .autoscaling.min }}
  maxReplicas: {{ .autoscaling.max }}
  metrics:
    - type: Resource
      resource: { name: cpu, target: { type: Utilization, averageUtilization: {{ .autoscaling.cpu }} } }
{{- end }}
{{- /* With fewer it would keep a node from being drained for ever. */}}
{{- if and .podDisruptionBudget.enabled (gt (int $least) (int .podDisruptionBudget.minAvailable)) }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  labels: {{- include "dray.labels" $ | nindent 4 }}
spec:
  minAvailable: {{ .podDisruptionBudget.minAvailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector: {{ include "dray.matching" $ }}
{{- end }}
{{- end }}
{{- end }}
