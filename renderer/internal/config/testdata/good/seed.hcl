# The plainest file of Vault Agent: one login, one sink, one template.
vault {
  address = "http://vault-server:8200"
}

template {
  source      = "testdata/good/config.tmpl"
  destination = "/webapp/config.ini"
}

auto_auth {
  method {
    type = "approle"
    config = { role_id_file_path = "/vault-agent/ids/role_id", secret_id_file_path = "/vault-agent/ids/secret_id" }
  }
  sink "file" {
    config = { path = "/vault-agent/vault-token-via-agent" }
  }
}

pid_file = "./pidfile"
