auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
env_template "A" {
  contents             = "x"
  error_on_missing_key = true
}
state_file = "run/../run/out"
exec {
  command              = ["app"]
  child_process_stdout = "run/out"
}
