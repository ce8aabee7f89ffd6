auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
  backup = true
  wait { min = "2s" max = "10s" }
  sandbox_path = "/x"
  function_denylist = ["plugin"]
  exec {
    command       = ["x"]
    enabled       = false
    kill_timeout  = "1s"
    kill_signal   = "SIGTERM"
    reload_signal = "SIGHUP"
    env { pristine = true }
  }
}
