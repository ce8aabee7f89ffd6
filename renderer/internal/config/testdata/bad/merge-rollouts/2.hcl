rollout "app" {}
template {
  contents    = "x"
  destination = "/run/x"
  rollout     = "app"
}
state_file      = "/run/state"
exit_after_auth = true
