{{- /*
For a chart of your own that has this one as a dependency:

  initContainers:
    {{- include "sidetail.sidecar" .Subcharts.sidetail | nindent 4 }}
  volumes:
    {{- include "sidetail.volumes" .Subcharts.sidetail | nindent 4 }}
*/ -}}

{{- define "sidetail.sidecar" -}}
- name: sidetail
  restartPolicy: Always
  args: ["$(POD_NAME)=/logs/{{ .Values.sidecar.logs }}"]
  {{- include "sidetail.container" . | nindent 2 }}
  env:
    - { name: POD_NAME, valueFrom: { fieldRef: { fieldPath: metadata.name } } }
    {{- include "sidetail.env" . | nindent 4 }}
    {{- if .Values.tokens.secret }}
    - { name: SIDETAIL_TOKEN_FILE, value: /etc/sidetail/tokens/tokens }
    {{- else }}
    - { name: SIDETAIL_INSECURE, value: "true" }
    - { name: SIDETAIL_ALLOW_HOST, value: "{{ with .Values.ingress.host }}{{ . }},{{ end }}{{ .Release.Name }}-sidetail,*.svc,*.cluster.local" }
    {{- end }}
  securityContext: {{- include "sidetail.security" . | nindent 4 }}
  volumeMounts:
    - { name: {{ .Values.sidecar.volume }}, mountPath: /logs, readOnly: true }
    {{- if .Values.config }}
    - { name: sidetail-config, mountPath: /etc/sidetail/config, readOnly: true }
    {{- end }}
    {{- if .Values.tokens.secret }}
    - { name: sidetail-tokens, mountPath: /etc/sidetail/tokens, readOnly: true }
    {{- end }}
{{- end }}

{{- define "sidetail.volumes" -}}
{{- if .Values.config }}
- name: sidetail-config
  configMap: { name: {{ .Release.Name }}-sidetail }
{{- end }}
{{- if .Values.tokens.secret }}
- name: sidetail-tokens
  secret: { secretName: {{ .Values.tokens.secret }} }
{{- end }}
{{- end }}
