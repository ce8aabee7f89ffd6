strict = true
pid_fil = "/x"
vault {
  adress = "http://v:8200"
}
auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}
