auto_auth {
  method "approle" {
    wrap_ttl = "5m"
    config   = { role_id_file_path = "/ids/role" }
  }
  sink "file" {
    config = { path = "/t" }
  }
}
cache {
  use_auto_auth_token = false
  enforce_consistency = "always"
  when_inconsistent   = "retry"
}
api_proxy {
  use_auto_auth_token = true
  enforce_consistency = "always"
  when_inconsistent   = "forward"
}
listener "unix" {
  address     = "/run/vault.sock"
  tls_disable = true
}
