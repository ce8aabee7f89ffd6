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
  command     = ["app"]
  stdout      = "/x"
  cwd         = "/"
  stop_signal = "SIGINT"
  environment = {}
  kill_timout = "5s"
  health {
    url = "http://127.0.0.1/"
  }
  ready {
    url  = "http://127.0.0.1/"
    path = "/run/ready"
  }
}
