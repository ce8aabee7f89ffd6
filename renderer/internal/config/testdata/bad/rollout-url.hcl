auto_auth {
  method "cert" {}
}
rollout "a" {
  reload {
    url = "localhost:8080/reload"
  }
}
template {
  contents    = "x"
  destination = "/run/a"
  rollout     = "a"
}
rollout "b" {
  reload {
    url = "ftp://127.0.0.1/"
  }
}
template {
  contents    = "x"
  destination = "/run/b"
  rollout     = "b"
}
rollout "c" {
  reload {
    url = "http:///reload"
  }
}
template {
  contents    = "x"
  destination = "/run/c"
  rollout     = "c"
}
rollout "d" {
  reload {
    url = "unix:///run/app.sock"
  }
}
template {
  contents    = "x"
  destination = "/run/d"
  rollout     = "d"
}
rollout "e" {
  reload {
    url = "unix://run/app.sock:/reload"
  }
}
template {
  contents    = "x"
  destination = "/run/e"
  rollout     = "e"
}
rollout "f" {
  reload {
    url = "/run/app.sock"
  }
}
template {
  contents    = "x"
  destination = "/run/f"
  rollout     = "f"
}
rollout "g" {
  reload {
    url = "http://a b/"
  }
}
template {
  contents    = "x"
  destination = "/run/g"
  rollout     = "g"
}
