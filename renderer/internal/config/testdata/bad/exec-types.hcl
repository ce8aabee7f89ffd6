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
  command       = "app"
  vault_token   = "hvs.canary-token"
  stdin         = "yes"
  working_dir   = "testdata/good/config.tmpl"
  user          = ["app"]
  max_restarts  = "many"
  env           = "A=canary-b"
  socket        = ["127.0.0.1:80"]
}
