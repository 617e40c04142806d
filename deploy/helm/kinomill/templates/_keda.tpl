{{/*
Triggers: what a pool's demand is read from. Demand are the running jobs and the waiting ones that may
begin. A worker runs one job, so there are at least as many workers as running jobs: none of them is
too many, also if several waiting jobs are left to one worker (`jobsPerWorker`).
*/}}

{{/* Takes root and pool. */}}
{{- define "kinomill.triggers" -}}
{{- $auth := printf "%s-autoscaler" (include "kinomill.fullname" .root) -}}
{{- if eq .root.Values.keda.source "postgresql" -}}
- type: postgresql
  metricType: AverageValue
  metadata:
    {{- with .root.Values.keda.database }}
    host: {{ required "keda.database.host is required by a pool whose scaling.kind is keda or job" .host | quote }}
    port: {{ .port | quote }}
    dbName: {{ .name | quote }}
    userName: {{ .user | quote }}
    sslmode: {{ .sslmode | quote }}
    {{- end }}
    query: {{ include "kinomill.demandQuery" .pool | quote }}
    targetQueryValue: "1"
    activationTargetQueryValue: "0"
  authenticationRef: {name: {{ $auth }}}
{{- else -}}
{{- $root := .root -}}
{{- $share := int .pool.scaling.jobsPerWorker -}}
{{- $job := eq .pool.scaling.kind "job" -}}
{{/* A ScaledJob ends no worker, so it need not know how many are busy. */}}
{{- $values := or $job (eq $share 1) | ternary (list "demand") (list "demand" "running") -}}
{{- range $index, $model := .pool.models }}
{{- range $value := $values }}
- type: metrics-api
  name: {{ $value }}_{{ $index }}
  metricType: AverageValue
  metadata:
    url: {{ $root.Values.keda.url | default (printf "http://%s-api.%s.svc.cluster.local:%v/v1/queues" (include "kinomill.fullname" $root) $root.Release.Namespace $root.Values.api.service.port) | quote }}
    valueLocation: {{ printf "items.#(model==%q).%s" $model $value | quote }}
    targetValue: {{ $job | ternary $share 1 | quote }}
    activationTargetValue: "0"
    authMode: bearer
  authenticationRef: {name: {{ $auth }}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* One number, also while no job of these models is there. */}}
{{- define "kinomill.demandQuery" -}}
{{- $models := list -}}
{{- range .models -}}
{{- $models = append $models (. | replace "'" "''" | squote) -}}
{{- end -}}
{{- $demand := "sum(demand)" -}}
{{- if gt (int .scaling.jobsPerWorker) 1 -}}
{{- $demand = printf "greatest(sum(running), ceil(sum(demand) / %d.0))" (int .scaling.jobsPerWorker) -}}
{{- end -}}
{{- printf "SELECT coalesce(%s, 0) FROM queue_depth WHERE model IN (%s)" $demand (join ", " $models) -}}
{{- end }}

{{/* Over HTTP: the sum over the models of a pool. Empty if a single trigger says it all. */}}
{{- define "kinomill.demandFormula" -}}
{{- if eq .root.Values.keda.source "http" -}}
{{- $each := dict "demand" list "running" list -}}
{{- range $index, $model := .pool.models -}}
{{- range $value := list "demand" "running" -}}
{{- $_ := set $each $value (append (get $each $value) (printf "%s_%d" $value $index)) -}}
{{- end -}}
{{- end -}}
{{- $share := int .pool.scaling.jobsPerWorker -}}
{{- if gt $share 1 -}}
{{- printf "max(%s, ceil((%s) / %d))" (join " + " $each.running) (join " + " $each.demand) $share -}}
{{- else if gt (len .pool.models) 1 -}}
{{- join " + " $each.demand -}}
{{- end -}}
{{- end -}}
{{- end }}
