template {
  contents    = "x"
  destination = "/run/x"
}
exec {
  command = ["/usr/bin/app"]
}
