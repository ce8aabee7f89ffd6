template {
  contents    = "x"
  destination = "/run/y"
}
