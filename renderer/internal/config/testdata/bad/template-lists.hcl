auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  contents           = "x"
  destination        = "/run/1"
  function_denylist  = [1]
  function_blacklist = 5
  sandbox_path       = 7
  backup             = "true"
}
