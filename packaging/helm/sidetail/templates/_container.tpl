{{- /* The parts that the agent on a node and the one beside a program have in common. */ -}}

{{- define "sidetail.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "sidetail.labels" -}}
app.kubernetes.io/name: sidetail
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sidetail.tokens" -}}
{{ .Values.tokens.secret | default (printf "%s-sidetail" .Release.Name) }}
{{- end }}

{{- define "sidetail.container" -}}
image: {{ include "sidetail.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
ports:
  - { name: sidetail, containerPort: 7878 }
startupProbe:
  httpGet: { path: {{ .Values.basePath }}/readyz, port: sidetail }
  periodSeconds: 1
  failureThreshold: 60
readinessProbe:
  httpGet: { path: {{ .Values.basePath }}/readyz, port: sidetail }
  periodSeconds: 5
livenessProbe:
  httpGet: { path: {{ .Values.basePath }}/livez, port: sidetail }
  periodSeconds: 10
  timeoutSeconds: 3
resources: {{- toYaml .Values.resources | nindent 2 }}
{{- end }}

{{- define "sidetail.env" -}}
- { name: SIDETAIL_LISTEN, value: "0.0.0.0:7878" }
- { name: SIDETAIL_LOG_FORMAT, value: json }
{{- with .Values.basePath }}
- { name: SIDETAIL_BASE_PATH, value: {{ . }} }
{{- end }}
{{- if .Values.config }}
- { name: SIDETAIL_CONFIG, value: /etc/sidetail/config/sidetail.toml }
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "sidetail.security" -}}
runAsNonRoot: true
runAsUser: 65532
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities: { drop: [ALL] }
seccompProfile: { type: RuntimeDefault }
{{- end }}
