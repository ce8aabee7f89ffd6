{
  "auto_auth": {"method": [{"type": "approle", "config": {"role_id_file_path": "/ids/role"}}]},
  "env_template": [{"A": {"contents": "x", "error_on_missing_key": true}}, {"B-C": {"contents": "y", "error_on_missing_key": true}}, {"contents": "z"}],
  "exec": {
    "command": ["app"],
    "env": [{"custom": ["canary-1"]}],
    "socket": {"http": {"address": "127.0.0.1"}, "admin": {"network": "unix", "address": "x"}},
    "ready": {"url": "http://127.0.0.1/", "timeout": "1ms"},
    "restart_on_secret_changes": "rolling"
  }
}
