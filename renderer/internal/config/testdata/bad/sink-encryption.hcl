auto_auth {
  method "approle" {
    config = { role_id_file_path = "/r" }
  }
  sink "file" {
    dh_type = "curve25519"
    config  = { path = "/a" }
  }
  sink "file" {
    dh_path = "/key.json"
    config  = { path = "/b" }
  }
  sink "file" {
    dh_type = "Curve25519"
    dh_path = "/key.json"
    config  = { path = "/c" }
  }
  sink "file" {
    aad    = "canary-aad"
    config = { path = "/d" }
  }
  sink "file" {
    derive_key = true
    config     = { path = "/e" }
  }
  sink "file" {
    dh_type     = "curve25519"
    dh_path     = "/key.json"
    derive_key  = "true"
    aad_env_var = "VAULT_RENDERER_TEST_NOT_SET"
    wrap_ttl    = "soon"
    config      = { path = "/f" }
  }
}
