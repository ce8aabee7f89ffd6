auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}
api_proxy {
  use_auto_auth_token = "Force"
  enforce_consistency = "sometimes"
  when_inconsistent   = "forwrad"
}
