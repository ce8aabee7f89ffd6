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
  env {
    custom    = [
      "A=x",
      "=canary-z",
    ]
    allowlist = ["PATH", "LC_["]
    denylist  = ["A=x"]
  }
}
