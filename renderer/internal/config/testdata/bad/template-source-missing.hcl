auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  source      = "testdata/good/none.tmpl"
  destination = "/run/x"
}
template {
  source      = "testdata/good"
  destination = "/run/y"
}
