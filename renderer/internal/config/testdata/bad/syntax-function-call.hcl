vault {
  address = env("ADDR")
}
