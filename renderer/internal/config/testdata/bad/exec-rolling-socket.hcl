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
  command                   = ["app"]
  restart_on_secret_changes = "rolling"
  socket "http" { address = "127.0.0.1:8080" }
  ready { url = "http://127.0.0.1:8080/health" }
}
