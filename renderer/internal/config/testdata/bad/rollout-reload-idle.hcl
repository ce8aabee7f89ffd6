auto_auth {
  method "cert" {}
}
rollout "a" {
  reload {
    process = "/usr/sbin/nginx"
    method  = "GET"
    timeout = "5s"
  }
}
rollout "b" {
  reload {
    command = "true"
    signal  = "HUP"
    method  = "get"
  }
}
rollout "c" {
  reload {
    url    = "http://127.0.0.1/"
    method = "BREW"
    signal = "HUP"
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
