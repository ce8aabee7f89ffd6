{
  "auto_auth": [
    {"method": [{"type": "approle", "config": {"role_id_file_path": "/r"}}]},
    {"sink": [{"type": "file", "config": {"path": "/t"}}]}
  ],
  "template": [
    {"contents": "x", "destination": "/run/x", "wait": {"min": "5"}, "perms": "rw"},
    {"contents": "x", "destination": "/run/x", "exec": {"command": {}}},
    5
  ],
  "listener": {"tcp": {"address": "127.0.0.1:8200", "tls_disable": true}, "udp": {"role": "metrics_only", "tls_disable": true}},
  "exec": {"command": "x"},
  "vault": {"adress": "https://vault:8200"}
}
