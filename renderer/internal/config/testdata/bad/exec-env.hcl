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
    pristine  = true
    custom    = ["A=x", "canary-secret", "1B=canary-y"]
    allowlist = ["PATH", "LC_[", "A=x"]
    denylist  = [""]
    whitelist = ["HOME"]
    pristin   = false
  }
}
