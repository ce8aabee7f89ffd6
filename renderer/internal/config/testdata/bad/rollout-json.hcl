{"auto_auth": {"method": [{"type": "cert"}]},
 "rollout": {"app": {"splay": "x", "ack": {"interval": 1}}, "b": {}},
 "template": [{"contents": "x", "destination": "/run/x", "rollout": 5}],
 "lease": {"own_token": "yes"},
 "status": {"address": "/run/s"}}
