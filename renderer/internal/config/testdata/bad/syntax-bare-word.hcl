auto_auth {
  method "approle" {
    type = approle
    config = { role_id_file_path = "/ids/role" }
  }
}
