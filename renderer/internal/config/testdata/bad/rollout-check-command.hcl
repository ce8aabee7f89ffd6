auto_auth {
  method "cert" {}
}
rollout "a" {
  check {}
}
rollout "b" {
  check {
    command = []
  }
}
rollout "c" {
  check {
    command = ["", "x"]
  }
}
rollout "d" {
  check {
    command = "nginx -t -c {}"
  }
}
rollout "e" {
  check {
    command = 5
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
template {
  contents    = "x"
  destination = "/run/d"
  rollout     = "d"
}
template {
  contents    = "x"
  destination = "/run/e"
  rollout     = "e"
}
