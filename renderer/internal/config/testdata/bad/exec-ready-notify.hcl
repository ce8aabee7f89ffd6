auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
env_template "A" {
  contents             = "x"
  error_on_missing_key = true
}
exec {
  command = ["app"]
  ready {
    notify   = true
    interval = "1s"
  }
}
