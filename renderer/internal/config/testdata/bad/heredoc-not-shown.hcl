auto_auth {
  method "approle" {
    config = { role_id_file_path = "/ids/role" }
  }
}
template {
  contents = <<EOT
line one
line two
EOT
  source = <<EOT
/etc/one
/etc/two
EOT
}
