auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  contents    = "x"
  destination = "/run/x"
}
cache {
  persist "redis" {
    paht = "/cache"
  }
  persist "kubernetes" {
    path = "/cache"
  }
}
