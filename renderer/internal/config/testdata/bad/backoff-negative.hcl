auto_auth {
  method "approle" {
    min_backoff = "-1s"
    max_backoff = -5
    config = { role_id_file_path = "/r" }
  }
  sink "file" { config { path = "/t" } }
}
