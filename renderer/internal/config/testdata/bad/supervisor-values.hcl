auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
env_template "A" {
  contents = "x"
  source   = "/none"
}
env_template "A" {
}
env_template {
  contents = "x"
}
env_template "B" "C" {
  contents = "x"
  comtents = "y"
}
env_template "D" {
  contents             = "x"
  destination          = "/run/d"
  perms                = "0600"
  backup               = false
  wait { min = "1s" }
  error_on_missing_key = "true"
  function_denylist    = [1]
}
exec {
  command                   = "app --verbose"
  restart_on_secret_changes = "sometimes"
  restart_stop_signal       = "SIGFOO"
  child_process_stdout      = 5
  stdout                    = "/x"
}
exec {
  command = []
}
