auto_auth {
  method "approle" {
    min_backoff = "10m"
    max_backoff = "1m"
    config = { role_id_file_path = "/r" }
  }
  sink "file" { config { path = "/t" } }
}
