auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  source      = "testdata/good/config.tmpl"
  contents    = "x"
  destination = "/run/x"
}
