{{- /* What a Secret of the release holds under a key, so that what was made at the first install stays. Empty where there
       is none, and in `helm template`, which asks no cluster. (dict "root" $ "name" Secret "key" key) */ -}}
{{- define "dray.known" -}}
{{- $secret := lookup "v1" "Secret" .root.Release.Namespace .name | default dict -}}
{{- index ($secret.data | default dict) .key | default "" | b64dec -}}
{{- end }}

{{- /* The Secret of one of the three servers: that of the release, or the user's. (dict "root" $ "server" "redis") */ -}}
{{- define "dray.serverSecret" -}}
{{- $server := index .root.Values .server -}}
{{- if $server.enabled }}{{ include "dray.fullname" .root }}-{{ .server }}{{ else }}{{ $server.external.existingSecret }}{{ end -}}
{{- end }}

{{- /* The variables by which every process of Dray reaches the three servers. (the root) */ -}}
{{- define "dray.serverEnv" -}}
- name: DRAY_QUEUE
  valueFrom:
    secretKeyRef:
      name: {{ include "dray.serverSecret" (dict "root" . "server" "rabbitmq") }}
      key: {{ .Values.rabbitmq.enabled | ternary "address" .Values.rabbitmq.external.key }}
- name: DRAY_STATE
  valueFrom:
    secretKeyRef:
      name: {{ include "dray.serverSecret" (dict "root" . "server" "redis") }}
      key: {{ .Values.redis.enabled | ternary "address" .Values.redis.external.key }}
{{ include "dray.blobEnv" . }}
{{- end }}

{{- /* Of these what it takes to reach the bucket. (the root) */ -}}
{{- define "dray.blobEnv" -}}
{{- $s3 := include "dray.serverSecret" (dict "root" . "server" "s3") -}}
- name: DRAY_BLOBS
  value: {{ include "dray.blobs" . | quote }}
{{- if $s3 }}
- name: AWS_ACCESS_KEY_ID
  valueFrom: { secretKeyRef: { name: {{ $s3 }}, key: AWS_ACCESS_KEY_ID } }
- name: AWS_SECRET_ACCESS_KEY
  valueFrom: { secretKeyRef: { name: {{ $s3 }}, key: AWS_SECRET_ACCESS_KEY } }
{{- end }}
{{- end }}

{{- /* Where blobs are; nothing of it is secret. (the root) */ -}}
{{- define "dray.blobs" -}}
{{- if .Values.s3.enabled }}s3://{{ .Values.s3.bucket }}?endpoint=http://{{ include "dray.fullname" . }}-s3:9000
{{- else }}{{ .Values.s3.external.address }}{{ end -}}
{{- end }}

{{- /* The Secret with the API keys. (the root) */ -}}
{{- define "dray.keySecret" -}}
{{- .Values.apiKeys.existingSecret | default (printf "%s-api-key" (include "dray.fullname" .)) -}}
{{- end }}

{{- /* Where containers may have their buckets. (the root) */ -}}
{{- define "dray.bucketHosts" -}}
{{- $own := .Values.containers.ownS3 | ternary (list (printf "%s-s3:9000" (include "dray.fullname" .))) list -}}
{{- concat $own .Values.containers.bucketHosts | uniq | join "," -}}
{{- end }}

{{- /* The Secret of their variables, where there is one. (the root) */ -}}
{{- define "dray.containerSecret" -}}
{{- if .Values.containers.ownS3 }}{{ include "dray.fullname" . }}-s3{{ else }}{{ .Values.containers.existingSecret }}{{ end -}}
{{- end }}

{{- /* The Secret with what it takes to list their buckets, where there is one. (the root) */ -}}
{{- define "dray.bucketSecret" -}}
{{- if and .Values.containers.enabled .Values.containers.ownS3 }}{{ include "dray.fullname" . }}-buckets{{ else }}{{ .Values.containers.bucketCredentialsSecret }}{{ end -}}
{{- end }}

{{- /* Servers that are neither ours nor wholly somebody else's: no pod could start, and only its events would say why. */ -}}
{{- define "dray.validateServers" -}}
{{- range list "redis" "rabbitmq" }}
{{- $server := index $.Values . }}
{{- if and $server.enabled $server.external.existingSecret }}
{{- fail (printf "%[1]s.external.existingSecret is given, and %[1]s.enabled is true: set %[1]s.enabled to false, or leave the Secret out." .) }}
{{- else if not (or $server.enabled $server.external.existingSecret) }}
{{- fail (printf "%[1]s.enabled is false: name the Secret that has its address in %[1]s.external.existingSecret." .) }}
{{- else if not (or $server.enabled $server.external.key) }}
{{- fail (printf "%[1]s.external.key is empty: name the key of the Secret %[2]s that has the address." . $server.external.existingSecret) }}
{{- end }}
{{- end }}
{{- with .Values.s3 }}
{{- if and .enabled (or .external.address .external.existingSecret) }}
{{- fail "s3.external is given, and s3.enabled is true: set s3.enabled to false, or leave s3.external out." }}
{{- else if not (or .enabled .external.address) }}
{{- fail "s3.enabled is false: give s3.external.address, such as s3://bucket?endpoint=https://host." }}
{{- else if not (or .enabled .external.existingSecret $.Values.serviceAccount.annotations) }}
{{- fail "s3.external.existingSecret is empty: name the Secret that has AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or give serviceAccount.annotations the role that may use the bucket)." }}
{{- end }}
{{- end }}
{{- with .Values.containers }}
{{- if .ownS3 }}
{{- if not $.Values.s3.enabled }}
{{- fail "containers.ownS3 is true, and s3.enabled is false: name your own Secrets in containers.existingSecret and containers.bucketCredentialsSecret instead." }}
{{- else if or .existingSecret .bucketCredentialsSecret }}
{{- fail "containers.ownS3 is true, and gives containers their Secrets: leave out containers.existingSecret and containers.bucketCredentialsSecret." }}
{{- else if and .namespace (ne .namespace $.Release.Namespace) }}
{{- fail (printf "containers.ownS3 is true, and its Secret cannot be read in the namespace %s: leave out containers.namespace, or name Secrets that are there." .namespace) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Bytes of a quantity such as 1Gi, 1.5Gi, 500M or 1073741824. */ -}}
{{- define "dray.bytes" -}}
{{- $text := kindIs "string" . | ternary . (printf "%.0f" (float64 .)) -}}
{{- $units := dict "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- $unit := regexFind "[A-Za-z]+$" $text -}}
{{- if and $unit (not (hasKey $units $unit)) }}{{ fail (printf "%s is no size of memory that is known here: write it as 512Mi or 2Gi." $text) }}{{ end -}}
{{- mulf (regexFind "^[0-9.]+" $text | float64) (get $units $unit | default 1 | float64) | int64 -}}
{{- end }}

{{- /* What their pods have in common. (dict "root" $ "user" 999) */ -}}
{{- define "dray.serverPod" -}}
{{- $user := dict "runAsUser" .user "runAsGroup" .user "fsGroup" .user -}}
# Nothing in it speaks to Kubernetes.
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
securityContext: {{- merge $user (include "dray.podSecurity" .root | fromYaml) | toYaml | nindent 2 }}
{{- end }}

{{- /* The volume `data` where nothing is kept: the pod's own. (the server's values) */ -}}
{{- define "dray.serverEphemeral" -}}
{{- if not .persistence.enabled -}}
- name: data
  emptyDir: {}
{{- end }}
{{- end }}

{{- /* Otherwise the claim, which outlives the release. It cannot be changed any more, so that no label in it may change
       with a version. (dict "root" $ "server" "redis") */ -}}
{{- define "dray.serverClaims" -}}
{{- $persistence := (index .root.Values .server).persistence -}}
{{- if $persistence.enabled -}}
volumeClaimTemplates:
  - apiVersion: v1
    kind: PersistentVolumeClaim
    metadata:
      name: data
      labels: {{- include "dray.selector" (dict "root" .root "component" .server) | nindent 8 }}
    spec:
      accessModes: [ReadWriteOnce]
      {{- with $persistence.storageClass }}
      storageClassName: {{ . }}
      {{- end }}
      resources: { requests: { storage: {{ $persistence.size }} } }
{{- end }}
{{- end }}

{{- /* A volume that outlives the release needs its password: RabbitMQ keeps it among its data. The next install under the
       same name takes both up again. (the server's values) */ -}}
{{- define "dray.keptSecret" -}}
{{- if .persistence.enabled -}}
annotations: { helm.sh/resource-policy: keep }
{{- end }}
{{- end }}

{{- /* One of Dray's own images. (dict "root" $ "name" "dray-api") */ -}}
{{- define "dray.image" -}}
{{- $image := .root.Values.image -}}
{{- with $image.registry }}{{ trimSuffix "/" . }}/{{ end }}{{ .name }}:{{ $image.tag | default .root.Chart.AppVersion }}
{{- end }}
