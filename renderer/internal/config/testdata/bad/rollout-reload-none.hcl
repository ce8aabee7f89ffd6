auto_auth {
  method "cert" {}
}
rollout "a" {
  reload {}
}
rollout "b" {
  reload {
    pid_file = ""
    command  = []
  }
}
rollout "c" {
  reload {
    url = 5
  }
}
template {
  contents    = "x"
  destination = "/run/a"
  rollout     = "a"
}
template {
  contents    = "x"
  destination = "/run/b"
  rollout     = "b"
}
template {
  contents    = "x"
  destination = "/run/c"
  rollout     = "c"
}
