auto_auth {
  method "approle" {
    wrap_ttl = "5m"
    config   = { role_id_file_path = "/r" }
  }
  sink "file" {
    config = { path = "/a" }
  }
  sinks {
    sink "file" {
      wrap_ttl = "1m"
      config   = { path = "/b" }
    }
  }
}
