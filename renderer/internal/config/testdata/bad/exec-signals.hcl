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
  command             = ["app"]
  restart_stop_signal = "SIGINT"
  kill_signal         = "SIGQUIT"
  reload_signal       = "SIGRELOAD"
}
template {
  contents             = "x"
  destination          = "/run/x"
  error_on_missing_key = true
}
