{
  "auto_auth": {
    "method": {
      "jwt": {
        "mount_path": "auth/jwt",
        "config": {"path": "/jwt", "rol": "app", "jwt_read_period": -1}
      }
    },
    "sink": [
      {"type": "file", "config": {"path": "/t", "mode": "0600"}}
    ]
  }
}
