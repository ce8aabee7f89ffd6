auto_auth {
  method "approle" {
    config = { role_id_file_path = "/r" }
  }
  sink "file" {
    config = { path = "/a", mode = 04640 }
  }
  sink "file" {
    config = { path = "/b", mode = 020000000640 }
  }
  sink "file" {
    config = { path = "/c", mode = 0.5, owner = "0", group = -2 }
  }
}
