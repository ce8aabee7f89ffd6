env_template "DB_PASSWORD" {
  contents = "y"
}
