auto_auth {
