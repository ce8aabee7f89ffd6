vault {
  address = "http://v:8200"
