auto_auth {
  method "approle" {
    max_backoff = 9223372036854775808
    config = { role_id_file_path = "/ids/role" }
  }
}
