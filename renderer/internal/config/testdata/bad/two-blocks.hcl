auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
vault {}
vault {
  retry {}
  retry {}
}
template_config {}
template_config {}
template {
  contents    = "x"
  destination = "/run/x"
}
