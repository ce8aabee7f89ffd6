"pid_file" = "./pidfile"
"auto_auth" = {
  "method" = {
    "config" = {
      "role_id_file_path"   = "/vault-agent/ids/role_id"
      "secret_id_file_path" = "/vault-agent/ids/secret_id"
    }
    "type" = "approle"
  }
  "sink" = {
    "config" = {
      "path" = "/vault-agent/vault-token-via-agent"
    }
    "type" = "file"
  }
}
"vault" = {
  "address" = "http://vault-server:8200"
}
"template" = {
  "source"      = "testdata/good/config.tmpl"
  "destination" = "/webapp/config.ini"
}
