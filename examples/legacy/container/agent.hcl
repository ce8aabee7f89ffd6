pid_file = "/run/notes/agent.pid"

auto_auth {
  method "kubernetes" {
    mount_path = "auth/kubernetes"
    config = {
      role       = "notes",
      token_path = "/var/run/secrets/tokens/vault",
    }
  }

  sink "file" {
    config = {
      path = "/run/notes/.vault-token",
    }
  }
}

template {
  source      = "/etc/vault-agent/notes.env.ctmpl"
  destination = "/run/notes/notes.env"
  perms       = "0400"
}

template {
  destination = "/run/notes/tls.pem"
  contents    = <<EOF
{{- with secret "secret/notes/tls" }}
{{- .Data.data.certificate }}{{ .Data.data.key }}
{{- end }}
EOF
}
