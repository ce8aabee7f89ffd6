auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
env_template "DB_PASSWORD" {
  contents = "x"
}
exec {
  command = ["/usr/bin/app"]
}
template {
  contents    = "x"
  destination = "/run/x"
}
