package config

func autoAuthSection() *Section {
	sinks := sinkSection()
	sinks.Name, sinks.Label = "sinks", "type"
	sinks.Keys = append(sinks.Keys, Key{Name: "sink", Kind: Block, Section: sinkSection(), Doc: "As auto_auth.sink."})
	return &Section{Name: "auto_auth", Max: 1, Keys: []Key{
		{Name: "method", Kind: Block, Section: methodSection(), Doc: "How to log in; exactly one."},
		{Name: "sink", Kind: Block, Section: sinkSection(), Doc: "A file that receives the token."},
		{Name: "sinks", Kind: Block, Section: sinks, Doc: "Holds sink blocks; the same as writing them without it."},
		{Name: "enable_reauth_on_new_credentials", Kind: Bool, Default: "false", Doc: "Log in again when the credentials in the method's files changed."},
	}}
}

func methodSection() *Section {
	return &Section{Name: "method", Label: "type", Keys: []Key{
		{Name: "type", Kind: String, Doc: "Which method; the label says the same. One of those below."},
		{Name: "mount_path", Kind: String, Default: `"auth/<type>"`, Doc: "Where the method is mounted."},
		{Name: "namespace", Kind: String, Doc: "Namespace to log in to."},
		{Name: "wrap_ttl", Kind: Duration, Doc: "Have the login's answer wrapped; the only sink receives the wrapping token."},
		{Name: "min_backoff", Kind: Duration, Default: `"1s"`, NegUnset: true, Doc: "Shortest wait after a failed login."},
		{Name: "max_backoff", Kind: Duration, Default: `"5m"`, NegUnset: true, Doc: "Longest wait after failed logins."},
		{Name: "exit_on_err", Kind: Bool, Default: "false", Doc: "End at the first failed login."},
		{Name: "config", Kind: Block, Section: &Section{Name: "config", Map: true, Variants: methodConfigs()}, Doc: "Settings of the method; the keys depend on its type."},
	}}
}

func sinkSection() *Section {
	config := &Section{Name: "config", Map: true, Keys: []Key{
		{Name: "path", Kind: QuotedString, Doc: "The file; required."},
		{Name: "mode", Kind: Mode, Default: "0640", Doc: "Its permissions (0600 when strict)."},
		{Name: "owner", Kind: StrictInt, Doc: "Numeric user id of its owner."},
		{Name: "group", Kind: StrictInt, Doc: "Numeric id of its group."},
	}}
	return &Section{Name: "sink", Label: "type", Keys: []Key{
		{Name: "type", Kind: String, Doc: `"file"; the label says the same.`},
		{Name: "config", Kind: Block, Section: config, Doc: "Settings of the sink."},
		{Name: "wrap_ttl", Kind: Duration, Doc: "Write the token response-wrapped, for this long."},
		{Name: "dh_type", Kind: String, Exact: true, Enum: []string{"curve25519"}, Doc: "Encrypt the token for one reader; with dh_path."},
		{Name: "dh_path", Kind: String, Doc: "File with the reader's public key."},
		{Name: "derive_key", Kind: Bool, Default: "false", Doc: "Derive the key from the shared secret instead of using it as it is."},
		{Name: "aad", Kind: String, Doc: "Additional data that the reader must know."},
		{Name: "aad_env_var", Kind: String, Doc: "The environment variable that holds it."},
	}}
}

const (
	podToken     = "/var/run/secrets/kubernetes.io/serviceaccount/token"
	pollSeconds  = "Seconds between two looks for new credentials."
	rolePlease   = "The role to log in with; required."
	removeSecret = "Delete that file once it is read."
	removeTarget = "Delete the target of a symbolic link instead of the link."
)

// methodConfigs are the config maps of all methods; Name is the method's type.
func methodConfigs() []*Section {
	role := Key{Name: "role", Kind: QuotedString, Doc: rolePlease}
	return []*Section{
		{Name: "approle", Keys: []Key{
			{Name: "role_id_file_path", Kind: QuotedString, Doc: "File that holds the RoleID; required."},
			{Name: "secret_id_file_path", Kind: QuotedString, Doc: "File that holds the SecretID; without it the RoleID alone logs in."},
			{Name: "remove_secret_id_file_after_reading", Kind: WeakBool, Default: "true", Doc: removeSecret},
			{Name: "secret_id_response_wrapping_path", Kind: QuotedString, Doc: "The file holds a wrapping token that was made at this path."},
			{Name: "secret_id_renew", Kind: Bool, Default: "false", Own: true, Doc: "Make the next SecretID, wrapped, before the present one ends, and keep it in that file."},
			{Name: "secret_id_renew_path", Kind: QuotedString, Own: true, Doc: "Where it is made, auth/approle/role/NAME/secret-id; the path of secret_id_response_wrapping_path, if not set."},
			{Name: "secret_id_renew_wrap_ttl", Kind: Duration, Own: true, Doc: "How long its wrapping token lives; as long as the SecretID, if not set."},
		}},
		{Name: "token_file", Keys: []Key{
			{Name: "token_file_path", Kind: QuotedString, Doc: "File that holds the token; required."},
		}},
		{Name: "kubernetes", Keys: []Key{
			role,
			{Name: "token_path", Kind: QuotedString, Default: `"` + podToken + `"`, Doc: "File with the service account's token."},
		}},
		{Name: "jwt", Keys: []Key{
			{Name: "path", Kind: QuotedString, Doc: "File that holds the JWT; required."},
			role,
			{Name: "remove_jwt_after_reading", Kind: WeakBool, Default: "true", Doc: removeSecret},
			{Name: "remove_jwt_follows_symlinks", Kind: WeakBool, Default: "false", Doc: removeTarget},
			{Name: "jwt_read_period", Kind: Duration, Default: `"500ms"`, Doc: "How often the file is looked at; 1m when it is not removed."},
		}},
		{Name: "cert", Keys: []Key{
			{Name: "name", Kind: QuotedString, Doc: "Role to log in with; Vault chooses, if not set."},
			{Name: "ca_cert", Kind: QuotedString, Doc: "CA certificates for the login; those of the vault block, if not set."},
			{Name: "client_cert", Kind: QuotedString, Doc: "Certificate for the login."},
			{Name: "client_key", Kind: QuotedString, Doc: "Its private key."},
			{Name: "reload", Kind: Bool, Default: "false", Doc: "Read the files again at every login."},
			{Name: "reload_period", Kind: Duration, Default: `"1m"`, Doc: "How often the files are looked at, with reload."},
		}},
		{Name: "ldap", Keys: []Key{
			{Name: "username", Kind: QuotedString, Doc: "Who logs in; required."},
			{Name: "password_file_path", Kind: QuotedString, Doc: "File that holds the password, where a line break at its end counts; required."},
			{Name: "remove_password_after_reading", Kind: WeakBool, Default: "true", Doc: removeSecret},
			{Name: "remove_password_follows_symlinks", Kind: WeakBool, Default: "false", Doc: removeTarget},
			{Name: "password_read_period", Kind: Duration, Default: `"500ms"`, Doc: "How often the file is looked at; 1m when it is not removed."},
		}},
		{Name: "userpass", Own: true, Keys: []Key{
			{Name: "username", Kind: QuotedString, Own: true, Doc: "Who logs in; required."},
			{Name: "password_file_path", Kind: QuotedString, Own: true, Doc: "File that holds the password, which stays; one line break at its end does not count; required."},
		}},
		{Name: "kerberos", Keys: []Key{
			{Name: "username", Kind: QuotedString, Doc: "Who logs in; required."},
			{Name: "service", Kind: QuotedString, Doc: "Vault's service principal; required."},
			{Name: "realm", Kind: QuotedString, Doc: "The realm; required."},
			{Name: "keytab_path", Kind: QuotedString, Doc: "File with the user's keys; required."},
			{Name: "krb5conf_path", Kind: QuotedString, Doc: "Configuration of Kerberos; required."},
			{Name: "disable_fast_negotiation", Kind: WeakBool, Default: "false", Doc: "For servers without FAST."},
		}},
		awsConfig(),
		{Name: "azure", Keys: []Key{
			role,
			{Name: "resource", Kind: QuotedString, Doc: "The application that Vault is registered as; required."},
			{Name: "object_id", Kind: QuotedString, Doc: "Which managed identity; either this or client_id."},
			{Name: "client_id", Kind: QuotedString, Doc: "Which managed identity."},
			{Name: "scope", Kind: QuotedString, Default: `"<resource>/.default"`, Doc: "Scope of the access token."},
			{Name: "authenticate_from_environment", Kind: WeakBool, Default: "false", Doc: "Take credentials from AZURE_* variables."},
		}},
		{Name: "gcp", Keys: []Key{
			{Name: "type", Kind: QuotedString, Exact: true, Enum: []string{"gce", "iam"}, Doc: "Kind of login; required."},
			role,
			{Name: "service_account", Kind: QuotedString, Default: `"default"`, Doc: "The service account to log in as."},
			{Name: "credentials", Kind: QuotedString, Doc: "File with a service account's key."},
			{Name: "project", Kind: QuotedString, Doc: "The service account's project."},
			{Name: "jwt_exp", Kind: Int, Default: "15", Doc: "Minutes that the signed JWT is good for (iam)."},
		}},
		aliCloudConfig(),
		{Name: "cf", Keys: []Key{role}},
		{Name: "oci", Keys: []Key{
			{Name: "type", Kind: QuotedString, Exact: true, Enum: []string{"apikey", "instance"}, Doc: "Kind of login; required."},
			role,
			{Name: "credential_poll_interval", Kind: Duration, Default: `"60s"`, Doc: "Time between two looks for new credentials."},
		}},
	}
}

func awsConfig() *Section {
	return &Section{Name: "aws", Keys: []Key{
		{Name: "type", Kind: QuotedString, Exact: true, Enum: []string{"ec2", "iam"}, Doc: "Kind of login; required."},
		{Name: "role", Kind: QuotedString, Doc: rolePlease},
		{Name: "access_key", Kind: QuotedString, Doc: "Access key id; AWS's own chain, if not set."},
		{Name: "secret_key", Kind: QuotedString, Secret: true, Doc: "Secret access key."},
		{Name: "session_token", Kind: QuotedString, Secret: true, Doc: "Session token."},
		{Name: "region", Kind: QuotedString, Default: `"us-east-1"`, Doc: "Region of the STS endpoint (iam)."},
		{Name: "header_value", Kind: QuotedString, Doc: "Value of the header X-Vault-AWS-IAM-Server-ID (iam)."},
		{Name: "nonce", Kind: QuotedString, Doc: "Nonce of the instance; made once, if not set (ec2)."},
		{Name: "credential_poll_interval", Kind: StrictInt, Default: "60", Doc: pollSeconds},
	}}
}

func aliCloudConfig() *Section {
	return &Section{Name: "alicloud", Keys: []Key{
		{Name: "role", Kind: QuotedString, Doc: rolePlease},
		{Name: "region", Kind: QuotedString, Doc: "The region; required."},
		{Name: "access_key", Kind: QuotedString, Doc: "Access key id; the environment or the instance's, if not set."},
		{Name: "access_secret", Kind: QuotedString, Secret: true, Doc: "Its secret."},
		{Name: "access_token", Kind: QuotedString, Secret: true, Doc: "Its security token."},
		{Name: "role_arn", Kind: QuotedString, Doc: "RAM role to assume."},
		{Name: "role_session_name", Kind: QuotedString, Doc: "Name of that session."},
		{Name: "private_key", Kind: QuotedString, Secret: true, Doc: "Private key of an RSA key pair."},
		{Name: "public_key_id", Kind: QuotedString, Doc: "Id of its public key."},
		{Name: "role_name", Kind: QuotedString, Doc: "Instance role."},
		{Name: "role_session_expiration", Kind: StrictInt, Doc: "Seconds that the role's session is good for."},
		{Name: "session_expiration", Kind: StrictInt, Doc: "Seconds that the session is good for."},
		{Name: "credential_poll_interval", Kind: StrictInt, Default: "60", Doc: pollSeconds},
	}}
}
