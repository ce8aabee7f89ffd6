pid_fil = "/x"
auto_auht {}
vault {
  adress = "http://v:8200"
}
template_config {
  exit_on_retry_failur = true
}
auto_auth {
  metod = 1
  method "approle" {
    mount_pth = "x"
    config = {
      role_id_file_path = "/r"
      secret_id_path = "/s"
    }
  }
  sink "file" {
    confg {}
    config { path = "/t" mod = 0600 }
  }
}
