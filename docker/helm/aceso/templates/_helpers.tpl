{{- define "aceso.labels" -}}
app.kubernetes.io/name: aceso
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}
{{- define "aceso.selector" -}}
app.kubernetes.io/name: aceso
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}
