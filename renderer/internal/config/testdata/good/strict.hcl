auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
  sink "file" {
    config = { path = "/run/token" }
  }
}

template {
  contents    = "x"
  destination = "/run/x"
}

template {
  contents             = "y"
  destination          = "/run/y"
  perms                = "0640"
  error_on_missing_key = false
  tmpfs                = "off"
}

strict = true
