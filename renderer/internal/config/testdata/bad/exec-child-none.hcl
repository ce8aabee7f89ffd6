auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
rollout "app" {
  reload { child = true }
}
template {
  contents    = "x"
  destination = "/run/x"
  rollout     = "app"
}
