{{/* Names and labels. Every object is called FULLNAME-COMPONENT. */}}

{{- define "kinomill.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* At most 40 characters: the longest suffix has 22, and the name of a Service may have 63. */}}
{{- define "kinomill.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "kinomill.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Labels by which a component's pods are selected; they never change. Takes root and component. */}}
{{- define "kinomill.selector" -}}
app.kubernetes.io/name: {{ include "kinomill.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- with .pool }}
kinomill/pool: {{ . | quote }}
{{- end }}
{{- end }}

{{/* Labels of a pod. A new chart alone changes none of them, so that it replaces no worker. */}}
{{- define "kinomill.podLabels" -}}
{{ include "kinomill.selector" . }}
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: kinomill
{{- end }}

{{/* All labels of an object. Takes root, component and, of a worker, pool. */}}
{{- define "kinomill.labels" -}}
{{ include "kinomill.podLabels" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "kinomill.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "kinomill.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "kinomill.workerServiceAccount" -}}
{{- if .Values.workerServiceAccount.create -}}
{{- default (printf "%s-worker" (include "kinomill.fullname" .)) .Values.workerServiceAccount.name -}}
{{- else -}}
{{- default "default" .Values.workerServiceAccount.name -}}
{{- end -}}
{{- end }}

{{/* An image by tag or, if given, by digest. Takes root and image. */}}
{{- define "kinomill.image" -}}
{{- $registry := .root.Values.image.registry -}}
{{- $name := ternary .image.repository (printf "%s/%s" (trimSuffix "/" $registry) .image.repository) (empty $registry) -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (.root.Values.image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end }}

{{/* The pools with the defaults filled in, as JSON: range over `fromJson`. Pools of false are left out. */}}
{{- define "kinomill.pools" -}}
{{- $pools := dict -}}
{{- range $name, $pool := .Values.workers -}}
{{- if $pool -}}
{{- $_ := set $pools $name (mergeOverwrite (deepCopy $.Values.workerDefaults) (deepCopy $pool)) -}}
{{- end -}}
{{- end -}}
{{- toJson $pools -}}
{{- end }}

{{/* The models of the API: as given, or those that some pool serves. A JSON list. */}}
{{- define "kinomill.apiModels" -}}
{{- $models := .Values.api.models -}}
{{- if not $models -}}
{{- range $name, $pool := include "kinomill.pools" . | fromJson -}}
{{- $models = concat $models $pool.models -}}
{{- end -}}
{{- end -}}
{{- $models | uniq | toJson -}}
{{- end }}

{{- define "kinomill.publicUrl" -}}
{{- if .Values.publicUrl -}}
{{- .Values.publicUrl -}}
{{- else if .Values.ingress.enabled -}}
{{- $host := (first .Values.ingress.hosts).host -}}
{{- printf "%s://%s" (ternary "https" "http" (not (empty .Values.ingress.tls))) $host -}}
{{- end -}}
{{- end }}

{{/* Connections to PostgreSQL that the programs may have together, at their most (docs/connections.md). */}}
{{- define "kinomill.connections" -}}
{{- $api := .Values.api.autoscaling.enabled | ternary .Values.api.autoscaling.maxReplicas .Values.api.replicas -}}
{{- $workers := 0 -}}
{{- range $name, $pool := include "kinomill.pools" . | fromJson -}}
{{- $most := eq $pool.scaling.kind "fixed" | ternary $pool.scaling.replicas $pool.scaling.max -}}
{{- $workers = add $workers (int $most) -}}
{{- end -}}
{{- add (mul 16 (int $api)) (mul 8 (int .Values.maintenance.replicas)) (mul 3 $workers) 2 -}}
{{- end }}
