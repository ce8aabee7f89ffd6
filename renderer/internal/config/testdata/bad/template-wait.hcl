auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  contents    = "x"
  destination = "/run/1"
  wait        = "2x"
}
template {
  contents    = "x"
  destination = "/run/2"
  wait        = "10s:2s"
}
template {
  contents    = "x"
  destination = "/run/3"
  wait        = 5
}
template {
  contents    = "x"
  destination = "/run/4"
  wait { min = "20s" max = "4s" enabled = true }
}
template {
  contents    = "x"
  destination = "/run/5"
  wait { min = "1s" }
  wait { min = 2 max = "4" bool = "false" }
}
template {
  contents    = "x"
  destination = "/run/6"
  wait        = "-1s"
}
