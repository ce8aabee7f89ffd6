auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
  sink "file" {
    config = { path = "/t" }
  }
}
