{{/* The pod of a worker, of a Deployment or of a ScaledJob. Takes root, name and pool. */}}
{{- define "kinomill.workerPod" -}}
{{- $part := dict "root" .root "component" "worker" "pool" .name -}}
{{- $pool := .pool -}}
{{- $job := eq $pool.scaling.kind "job" -}}
metadata:
  labels:
    {{- include "kinomill.podLabels" $part | nindent 4 }}
    {{- with $pool.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    {{- include "kinomill.annotations" (dict "root" .root "more" $pool.podAnnotations) | nindent 4 }}
    {{- if not $pool.evictable }}
    cluster-autoscaler.kubernetes.io/safe-to-evict: "false"
    karpenter.sh/do-not-disrupt: "true"
    {{- end }}
spec:
  {{- if $job }}
  restartPolicy: Never
  {{- end }}
  serviceAccountName: {{ include "kinomill.workerServiceAccount" .root | quote }}
  automountServiceAccountToken: {{ include "kinomill.marksItsPod" $pool | eq "yes" }}
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ $pool.grace }}
  {{- with $pool.runtimeClassName }}
  runtimeClassName: {{ . | quote }}
  {{- end }}
  securityContext: {{- include "kinomill.podSecurity" . | nindent 4 }}
  {{- with include "kinomill.pullSecrets" .root | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- with include "kinomill.placement" (include "kinomill.workerPlacement" $pool | fromJson) | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  containers:
    - name: worker
      image: {{ include "kinomill.workerImage" . | quote }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      {{- if $job }}
      args: [kinomill, worker, --exit-when-idle, {{ $pool.scaling.idle | quote }}]
      {{- else }}
      args: [kinomill, worker]
      {{- end }}
      ports: [{name: health, containerPort: 8080}]
      securityContext: {{- include "kinomill.containerSecurity" . | nindent 8 }}
      envFrom: {{- include "kinomill.envFrom" .root | nindent 8 }}
      env:
        {{- include "kinomill.programSecrets" .root | trim | nindent 8 }}
        {{- include "kinomill.secret" (dict "root" .root "name" "HF_TOKEN" "optional" true) | nindent 8 }}
        {{- include "kinomill.workerEnv" . | trim | nindent 8 }}
        {{- if include "kinomill.marksItsPod" $pool | eq "yes" }}
        - name: KINOMILL_POD_NAME
          valueFrom: {fieldRef: {fieldPath: metadata.name}}
        {{- end }}
        {{- with $pool.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- if $job }}
      # Until all models are loaded. A worker that cannot load one would stay for ever: it is not idle.
      startupProbe:
        {{- include "kinomill.httpProbe" (dict "path" "/startupz" "port" "health") | nindent 8 }}
        periodSeconds: 30
        failureThreshold: {{ div (add (int $pool.scaling.startLimit) 29) 30 }}
      {{- else }}
      # /livez answers as soon as the parent runs. A pull of weights takes as long as it takes: it
      # holds back readiness, and with it a rollout, but kills nothing.
      startupProbe:
        {{- include "kinomill.httpProbe" (dict "path" "/livez" "port" "health") | nindent 8 }}
        periodSeconds: {{ $pool.startup.periodSeconds }}
        failureThreshold: {{ $pool.startup.failureThreshold }}
      {{- end }}
      livenessProbe:
        {{- include "kinomill.httpProbe" (dict "path" "/livez" "port" "health") | nindent 8 }}
        periodSeconds: 30
        failureThreshold: 4
      readinessProbe:
        {{- include "kinomill.httpProbe" (dict "path" "/readyz" "port" "health") | nindent 8 }}
        periodSeconds: 10
        failureThreshold: 3
      resources: {{- include "kinomill.workerResources" $pool | nindent 8 }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        - {name: shm, mountPath: /dev/shm}
        {{- if ne (include "kinomill.weightsOf" . | fromJson).kind "image" }}
        - {name: weights, mountPath: /weights}
        {{- end }}
        {{- with include "kinomill.storageMount" .root | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $pool.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: {{ $pool.scratch.sizeLimit | quote }}}
    - name: shm
      emptyDir: {medium: Memory, sizeLimit: {{ $pool.shm.sizeLimit | quote }}}
    {{- with include "kinomill.weightsVolume" . | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with include "kinomill.storageVolume" .root | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with $pool.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{/* Only a ReplicaSet that KEDA makes smaller asks which pod to end first. */}}
{{- define "kinomill.marksItsPod" -}}
{{- and .deletionCost (eq .scaling.kind "keda") (gt (int .scaling.max) 1) | ternary "yes" "no" -}}
{{- end }}

{{- define "kinomill.workerImage" -}}
{{- $images := .root.Values.image -}}
{{- $image := gt (int .pool.gpu.count) 0 | ternary $images.worker $images.workerCpu -}}
{{- if .pool.image.repository -}}
{{- $image = .pool.image -}}
{{- end -}}
{{- include "kinomill.image" (dict "root" .root "image" $image) -}}
{{- end }}

{{/* Resources with the GPUs, whose request equals the limit by rule. */}}
{{- define "kinomill.workerResources" -}}
{{- $resources := deepCopy .resources -}}
{{- if gt (int .gpu.count) 0 -}}
{{- $_ := set $resources "limits" (merge (dict .gpu.resource (int .gpu.count)) (get $resources "limits" | default dict)) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end }}

{{/*
Refuses a pool whose worker would not start, or would leave GPUs idle: without KINOMILL_GPUS a worker
uses as many GPUs as KINOMILL_GPUS_PER_WORKER says, with it there is a worker for each so many.
*/}}
{{- define "kinomill.checkGpus" -}}
{{- $settings := merge (deepCopy .pool.settings) .root.Values.settings -}}
{{- $count := int .pool.gpu.count -}}
{{- $each := int (get $settings "KINOMILL_GPUS_PER_WORKER" | default 1) -}}
{{- if and (gt $count 0) (gt $each 0) -}}
{{- if get $settings "KINOMILL_GPUS" -}}
{{- if mod $count $each -}}
{{- fail (printf "workers.%s.gpu.count: %d GPUs cannot be divided among workers of %d each (KINOMILL_GPUS_PER_WORKER)" .name $count $each) -}}
{{- end -}}
{{- else if ne $count $each -}}
{{- fail (printf "workers.%s.gpu.count: %d, but a worker uses %d (KINOMILL_GPUS_PER_WORKER): make them equal, or set KINOMILL_GPUS to all for several workers in a pod" .name $count $each) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The placement of a pool: with a GPU also its node label and the usual toleration. JSON. */}}
{{- define "kinomill.workerPlacement" -}}
{{- $nodes := deepCopy .nodeSelector -}}
{{- $tolerations := .tolerations -}}
{{- if gt (int .gpu.count) 0 -}}
{{- if .gpu.type -}}
{{- $_ := set $nodes .gpu.typeLabel .gpu.type -}}
{{- end -}}
{{- $tolerations = append $tolerations (dict "key" .gpu.resource "operator" "Exists" "effect" "NoSchedule") -}}
{{- end -}}
{{- dict "nodeSelector" $nodes "tolerations" $tolerations "affinity" .affinity "topologySpreadConstraints" .topologySpreadConstraints "priorityClassName" .priorityClassName | toJson -}}
{{- end }}

{{/* The pool's own volume, or the shared one. JSON. */}}
{{- define "kinomill.weightsOf" -}}
{{- .pool.weights | default .root.Values.weights | toJson -}}
{{- end }}

{{- define "kinomill.weightsVolume" -}}
{{- $weights := include "kinomill.weightsOf" . | fromJson -}}
{{- $fullname := include "kinomill.fullname" .root -}}
{{- if ne $weights.kind "image" }}
- name: weights
  {{- if eq $weights.kind "claim" }}
  persistentVolumeClaim: {claimName: {{ empty .pool.weights | ternary (printf "%s-weights" $fullname) (printf "%s-weights-%s" $fullname .name) }}}
  {{- else if eq $weights.kind "existingClaim" }}
  persistentVolumeClaim: {claimName: {{ $weights.existingClaim | quote }}}
  {{- else if eq $weights.kind "hostPath" }}
  hostPath: {path: {{ $weights.hostPath | quote }}, type: Directory}
  {{- else }}
  emptyDir: {sizeLimit: {{ $weights.size | quote }}}
  {{- end }}
{{- end }}
{{- end }}
