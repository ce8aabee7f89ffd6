auto_auth {
  enable_reauth_on_new_credentials = true
  method "kubernetes" {
    wrap_ttl = "5m"
    config = { role = "x" }
  }
  sink "file" {
    wrap_ttl = 300
    dh_type  = "curve25519"
    dh_path  = "/x"
    config   = { path = "/t" }
  }
}
