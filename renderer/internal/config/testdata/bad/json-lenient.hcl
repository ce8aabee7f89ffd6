{
  "auto_auth": {
    "method": [{"type": "approle", "config": {"role_id_file_path": "/r"}},],
    "sink": [{"type": "file", "config": {"path": "/t",}}]
  },
}
}
