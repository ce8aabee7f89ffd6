auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  contents    = "x"
  destination = "/run/0"
  perms       = "0o600"
}
template {
  contents    = "x"
  destination = "/run/1"
  perms       = "rw"
}
template {
  contents    = "x"
  destination = "/run/2"
  perms       = 600
}
template {
  contents    = "x"
  destination = "/run/3"
  perms       = "4755"
}
template {
  contents    = "x"
  destination = "/run/4"
  perms       = "0000"
}
template {
  contents    = "x"
  destination = "/run/5"
  perms       = 010000
}
template {
  contents    = "x"
  destination = "/run/6"
  perms       = -1
}
template {
  contents    = "x"
  destination = "/run/7"
  perms       = true
}
