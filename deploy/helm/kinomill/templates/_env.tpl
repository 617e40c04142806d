{{/* The variables that the chart itself sets for a program. What `settings` says stands for it. */}}

{{- define "kinomill.apiEnv" -}}
{{- $own := dict "KINOMILL_MODELS" (include "kinomill.apiModels" . | fromJsonArray) -}}
{{- if .Values.ingress.enabled -}}
{{/* Behind a proxy all callers have its address. */}}
{{- $most := get .Values.api.settings "KINOMILL_MAX_CONNECTIONS" | default (get .Values.settings "KINOMILL_MAX_CONNECTIONS") | default 1000 -}}
{{- $_ := set $own "KINOMILL_MAX_CONNECTIONS_PER_ADDRESS" $most -}}
{{- end -}}
{{- include "kinomill.env" (merge (deepCopy .Values.api.settings) $own) -}}
{{- end }}

{{- define "kinomill.maintenanceEnv" -}}
{{- $own := dict "KINOMILL_HEARTBEAT_FILE" "/tmp/maintenance.alive" -}}
{{- include "kinomill.env" (merge (deepCopy .Values.maintenance.settings) $own) -}}
{{- end }}

{{/* Takes root and pool. The models of a pool are its `models`, whatever its settings say. */}}
{{- define "kinomill.workerEnv" -}}
{{- $own := dict "KINOMILL_MODELS" .pool.models -}}
{{- with .pool.onDemand -}}
{{- $_ := set $own "KINOMILL_ON_DEMAND" . -}}
{{- end -}}
{{- $_ := set $own "KINOMILL_WEIGHTS" "/weights" -}}
{{- $_ := set $own "KINOMILL_SCRATCH" "/tmp" -}}
{{- $_ := set $own "KINOMILL_HEALTH_PORT" 8080 -}}
{{- $_ := set $own "KINOMILL_HEALTH_HOST" "0.0.0.0" -}}
{{- $grace := int .pool.grace -}}
{{- $_ := set $own "KINOMILL_STOP_GRACE" $grace -}}
{{- $_ := set $own "KINOMILL_DRAIN_WINDOW" (lt $grace 30 | ternary (div $grace 2) (sub $grace 15)) -}}
{{- include "kinomill.env" (merge $own (deepCopy .pool.settings)) -}}
{{- end }}
