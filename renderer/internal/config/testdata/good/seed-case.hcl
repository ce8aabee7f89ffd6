Pid_File = "./pidfile"
Auto_Auth
{
  METHOD "approle" { Config { Role_ID_File_Path = "/vault-agent/ids/role_id", secret_id_file_path = "/vault-agent/ids/secret_id" } }
  SINKS { sink "file" { config = { path = "/vault-agent/vault-token-via-agent" } } }
}
VAULT { Address = "http://vault-server:8200" }
Template { Source = "testdata/good/config.tmpl" DESTINATION = "/webapp/config.ini" }
