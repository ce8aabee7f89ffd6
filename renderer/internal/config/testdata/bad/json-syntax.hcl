{
  "pid_file": "/x",
  "vault": {"address": "http://v:8200",}
}
