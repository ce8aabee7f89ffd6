auto_auth {
  method "cert" {}
}
rollout "app" {
  reload {
    process  = "nginx"
    url      = "http://127.0.0.1/"
    pid_file = "/p"
    command  = "true"
  }
}
template {
  contents    = "x"
  destination = "/run/x"
  rollout     = "app"
}
