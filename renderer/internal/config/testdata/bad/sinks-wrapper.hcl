auto_auth {
  method "approle" {
    config = { role_id_file_path = "/r" }
  }
  sinks {
    sink "file" {
      dh_type  = "rsa"
      dh_path  = "/key.json"
      wrap_ttl = -5
      config   = { path = "/a" }
    }
    sink "http" {
      config = { path = "/b" }
    }
  }
  sinks {
    type   = "file"
    config = { mode = 0600 }
  }
}
