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
