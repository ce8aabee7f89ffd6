{
  "exit_after_auth": "yes",
  "pid_file": ["a"],
  "auto_auth": {
    "method": [{"type": "approle", "config": {"role_id_file_path": 5}}],
    "sink": [{"type": "file", "config": {"path": "/t", "mode": "0640"}}]
  }
}
