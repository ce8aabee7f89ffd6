auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
exec {
  command = ["/usr/bin/app"]
}
