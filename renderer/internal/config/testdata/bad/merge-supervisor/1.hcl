auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
env_template "DB_PASSWORD" {
  contents = "x"
}
