strict = true
auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
env_template "A" {
  contents             = "x"
  error_on_missing_key = true
}
env_template "db-password" { contents = "x" }
env_template "" { contents = "x" }
env_template "A=B" { contents = "x" }
exec { command = ["app"] }
