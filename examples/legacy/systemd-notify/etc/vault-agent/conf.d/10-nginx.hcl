"template_config" {
  "static_secret_render_interval" = "1m"
  "max_connections_per_host" = 4
}

# nginx's own braces are many: other delimiters.
"template" {
  "source" = "/etc/vault-agent/templates/upstream.conf.tpl"
  "destination" = "/run/nginx-secrets/upstream.conf"
  "left_delimiter" = "[["
  "right_delimiter" = "]]"
  "perms" = "0640"
  "wait" { "min" = "2s", "max" = "10s" }
  "exec" = { "command" = ["systemctl", "reload", "nginx.service"], "timeout" = "15s" }
}

template { contents = "{{ with secret \"secret/data/notes/tls\" }}{{ .Data.data.certificate }}{{ .Data.data.key }}{{ end }}", destination = "/run/nginx-secrets/tls/site.pem", perms = 0400, command = ["systemctl", "reload", "nginx.service"] }
