{{/* Parts of pods. */}}

{{- define "kinomill.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "kinomill.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* What the placement of any pod can be given. */}}
{{- define "kinomill.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .topologySpreadConstraints }}
topologySpreadConstraints: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end }}

{{- define "kinomill.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A variable from the Secret, or from the one that `secrets.from` names for it. Takes root, name and optional. */}}
{{- define "kinomill.secret" -}}
{{- $own := get .root.Values.secrets.from .name -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ $own | empty | ternary .root.Values.secrets.existingSecret (get (default dict $own) "name") | quote }}
      key: {{ $own | empty | ternary .name (get (default dict $own) "key") | quote }}
      {{- if and .optional (empty $own) }}
      optional: true
      {{- end }}
{{- end }}

{{/* The secrets of API, maintenance and workers. */}}
{{- define "kinomill.programSecrets" -}}
{{- range list "DATABASE_URL" "REDIS_URL" "KINOMILL_SECRET_KEY" }}
{{ include "kinomill.secret" (dict "root" $ "name" .) }}
{{- end }}
{{- range list "DATABASE_PASSWORD" "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
{{ include "kinomill.secret" (dict "root" $ "name" . "optional" true) }}
{{- end }}
{{- end }}

{{/* Settings as variables: lists and tables as JSON. */}}
{{- define "kinomill.env" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ include "kinomill.settingText" $value | quote }}
{{- end }}
{{- end }}

{{- define "kinomill.settingText" -}}
{{- if or (kindIs "slice" .) (kindIs "map" .) -}}
{{- toJson . -}}
{{- else if kindIs "float64" . -}}
{{- if eq . (floor .) }}{{ int64 . }}{{ else }}{{ . }}{{ end -}}
{{- else -}}
{{- toString . -}}
{{- end -}}
{{- end }}

{{/* The shared settings, and a checksum so that a change of them replaces the pods. */}}
{{- define "kinomill.envFrom" -}}
- configMapRef: {name: {{ include "kinomill.fullname" . }}-settings}
{{- end }}

{{- define "kinomill.annotations" -}}
checksum/settings: {{ include (print .root.Template.BasePath "/settings.yaml") .root | sha256sum }}
{{- with .more }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The folder of `storage.existingClaim`. */}}
{{- define "kinomill.storageMount" -}}
{{- if .Values.storage.existingClaim }}
- {name: objects, mountPath: /var/lib/kinomill/objects}
{{- end }}
{{- end }}

{{- define "kinomill.storageVolume" -}}
{{- if .Values.storage.existingClaim }}
- name: objects
  persistentVolumeClaim: {claimName: {{ .Values.storage.existingClaim | quote }}}
{{- end }}
{{- end }}

{{/* `kinomill` by its own words: an HTTP probe. Takes port, path, and fields of the probe. */}}
{{- define "kinomill.httpProbe" -}}
httpGet: {path: {{ .path }}, port: {{ .port }}}
timeoutSeconds: 5
{{- end }}
