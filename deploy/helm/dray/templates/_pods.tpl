{{- /* What Dray's own pods have in common. */ -}}

{{- /* What selects them, on one line. (dict "root" $ "component" "worker" "pool" "default"), the pool where there is one. */ -}}
{{- define "dray.matching" -}}
{{- $labels := include "dray.selector" . | fromYaml }}
{{- with .pool }}{{ $_ := set $labels "dray.dev/pool" . }}{{ end }}
{{- toJson (dict "matchLabels" $labels) }}
{{- end }}

{{- /* Of a pod: what Pod Security's `restricted` asks for, and a group that may read mounted Secrets. */ -}}
{{- define "dray.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "dray.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- /* Where a pod may and should run. (dict "root" $ "component" "api" "place" .Values.api "spread" true) */ -}}
{{- define "dray.place" -}}
{{- with .place.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .place.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .place.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .spread }}
# One node, or one zone, that dies should not take all of them; a cluster of one node has them nonetheless.
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    matchLabelKeys: [pod-template-hash]
    labelSelector: {{ include "dray.matching" $ }}
  {{- end }}
{{- end }}
{{- end }}

{{- /* A start may take five minutes, since servers may come later; from then on a process that hangs is started anew. */ -}}
{{- define "dray.probes" -}}
startupProbe:
  httpGet: { path: /healthz, port: {{ . }} }
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: 150
livenessProbe:
  httpGet: { path: /healthz, port: {{ . }} }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: { path: /readyz, port: {{ . }} }
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}

{{- define "dray.configChecksum" -}}
checksum/config: {{ include (print .Template.BasePath "/configmap.yaml") . | sha256sum }}
{{- end }}

{{- /* The servers are looked at before the process starts: what is missing is the last line of a container that ends, and
so in the pod's state, rather than among the complaints of one that waits. (dict "root" $ "component" "api") */ -}}
{{- define "dray.initCheck" -}}
initContainers:
  - name: check
    image: {{ include "dray.image" (dict "root" .root "name" (printf "dray-%s" .component)) }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    args: [doctor, --wait, 60s]
    envFrom: [{ configMapRef: { name: {{ include "dray.fullname" .root }} } }]
    env:
      {{- include "dray.serverEnv" .root | nindent 6 }}
      {{- with .root.Values.env }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    resources: { requests: { cpu: 10m, memory: 64Mi }, limits: { memory: 256Mi } }
    securityContext: {{- include "dray.containerSecurity" .root | nindent 6 }}
    terminationMessagePolicy: FallbackToLogsOnError
    volumeMounts: [{ name: tmp, mountPath: /tmp }]
{{- end }}

{{- /* The volume with models. (its source) */ -}}
{{- define "dray.modelVolume" -}}
{{- merge (dict "name" "models") . | toYaml }}
{{- end }}
