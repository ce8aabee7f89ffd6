auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
env_template "A" { source = "/none" }
env_template "B" { contents = "" }
env_template "C" {
  contents = "x"
  source   = "testdata/good/config.tmpl"
}
env_template "D" { contents = 5 }
exec { command = ["app"] }
