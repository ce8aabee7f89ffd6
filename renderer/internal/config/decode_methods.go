package config

import "time"

// appRole checks against mount that the next SecretID is one for this login.
func (d *decoder) appRole(c *scope, mount string) *AppRole {
	d.required(c, "role_id_file_path")
	r := &AppRole{
		RoleIDFilePath:               get(c, "role_id_file_path", ""),
		SecretIDFilePath:             get(c, "secret_id_file_path", ""),
		RemoveSecretIDFileAfterRead:  get(c, "remove_secret_id_file_after_reading", true),
		SecretIDResponseWrappingPath: get(c, "secret_id_response_wrapping_path", ""),
	}
	if r.SecretIDFilePath == "" && valid(c, "secret_id_file_path") {
		d.idle(c, "without secret_id_file_path", "remove_secret_id_file_after_reading", "secret_id_response_wrapping_path")
	} else if c.vals["secret_id_response_wrapping_path"] == "" {
		d.errorf(c.at("secret_id_response_wrapping_path"), "Invalid value", "\"secret_id_response_wrapping_path\" must not be empty; leave it out if the SecretID is not wrapped.")
	}
	d.secretIDRenewal(c, mount, r)
	return r
}

func (d *decoder) jwt(c *scope) *JWT {
	d.required(c, "path", "role")
	remove := get(c, "remove_jwt_after_reading", true)
	return &JWT{
		Path:                  get(c, "path", ""),
		Role:                  get(c, "role", ""),
		RemoveAfterReading:    remove,
		RemoveFollowsSymlinks: get(c, "remove_jwt_follows_symlinks", false),
		ReadPeriod:            d.positive(c, "jwt_read_period", readPeriod(remove), false),
	}
}

func (d *decoder) cert(c *scope) *Cert {
	out := &Cert{
		Name:         get(c, "name", ""),
		CACert:       get(c, "ca_cert", ""),
		ClientCert:   get(c, "client_cert", ""),
		ClientKey:    get(c, "client_key", ""),
		Reload:       get(c, "reload", false),
		ReloadPeriod: time.Minute,
	}
	if out.Reload {
		out.ReloadPeriod = d.positive(c, "reload_period", time.Minute, true)
	} else if valid(c, "reload") {
		d.idle(c, "without reload = true", "reload_period")
	}
	if (out.ClientCert == "") != (out.ClientKey == "") && valid(c, "client_cert") && valid(c, "client_key") {
		have, lacks := "client_cert", "client_key"
		if out.ClientCert == "" {
			have, lacks = lacks, have
		}
		d.warnf(c.at(have), "Incomplete client certificate", "%q has no effect without %q: the login uses the certificate of the vault block.", have, lacks)
	}
	return out
}

func (d *decoder) ldap(c *scope) *LDAP {
	d.required(c, "username", "password_file_path")
	remove := get(c, "remove_password_after_reading", true)
	return &LDAP{
		Username:              get(c, "username", ""),
		PasswordFilePath:      get(c, "password_file_path", ""),
		RemoveAfterReading:    remove,
		RemoveFollowsSymlinks: get(c, "remove_password_follows_symlinks", false),
		ReadPeriod:            d.positive(c, "password_read_period", readPeriod(remove), false),
	}
}

func (d *decoder) kerberos(c *scope) *Kerberos {
	d.required(c, requiredKeys("kerberos")...)
	return &Kerberos{
		Username:               get(c, "username", ""),
		Service:                get(c, "service", ""),
		Realm:                  get(c, "realm", ""),
		KeytabPath:             get(c, "keytab_path", ""),
		Krb5ConfPath:           get(c, "krb5conf_path", ""),
		DisableFastNegotiation: get(c, "disable_fast_negotiation", false),
	}
}

func (d *decoder) aws(c *scope) *AWS {
	d.required(c, "type", "role")
	out := &AWS{
		Type:         get(c, "type", ""),
		Role:         get(c, "role", ""),
		AccessKey:    get(c, "access_key", ""),
		SecretKey:    get(c, "secret_key", ""),
		SessionToken: get(c, "session_token", ""),
		Region:       orElse(get(c, "region", ""), "us-east-1"),
		HeaderValue:  get(c, "header_value", ""),
		Nonce:        get(c, "nonce", ""),

		CredentialPollInterval: time.Minute,
	}
	switch out.Type {
	case "ec2":
		d.idle(c, "for type \"ec2\"", "credential_poll_interval")
	case "iam":
		d.idle(c, "for type \"iam\"", "nonce")
		out.CredentialPollInterval = d.seconds(c, "credential_poll_interval", 60)
	}
	return out
}

func (d *decoder) azure(c *scope) *Azure {
	d.required(c, "role", "resource")
	out := &Azure{
		Role:                        get(c, "role", ""),
		Resource:                    get(c, "resource", ""),
		ObjectID:                    get(c, "object_id", ""),
		ClientID:                    get(c, "client_id", ""),
		AuthenticateFromEnvironment: get(c, "authenticate_from_environment", false),
	}
	if out.Scope = get(c, "scope", ""); out.Scope == "" && out.Resource != "" {
		out.Scope = out.Resource + "/.default"
	}
	if out.ObjectID != "" && out.ClientID != "" {
		d.errorf(c.at("client_id"), "Both object_id and client_id", "Name the managed identity by \"object_id\" or by \"client_id\", not by both; \"object_id\" is on line %d.", c.at("object_id").Start.Line)
	}
	return out
}

func (d *decoder) gcp(c *scope) *GCP {
	d.required(c, "type", "role")
	return &GCP{
		Type:           get(c, "type", ""),
		Role:           get(c, "role", ""),
		ServiceAccount: orElse(get(c, "service_account", ""), "default"),
		Credentials:    get(c, "credentials", ""),
		Project:        get(c, "project", ""),
		JWTExp:         d.jwtExp(c),
	}
}

func (d *decoder) jwtExp(c *scope) time.Duration {
	n := get(c, "jwt_exp", 15)
	if n <= 0 && get(c, "type", "") != "gce" {
		d.errorf(c.at("jwt_exp"), "Invalid value", "\"jwt_exp\" must be a positive number of minutes.")
	}
	return time.Duration(n) * time.Minute
}

func (d *decoder) aliCloud(c *scope) *AliCloud {
	d.required(c, "role", "region")
	return &AliCloud{
		Role:            get(c, "role", ""),
		Region:          get(c, "region", ""),
		AccessKey:       get(c, "access_key", ""),
		AccessSecret:    get(c, "access_secret", ""),
		AccessToken:     get(c, "access_token", ""),
		RoleARN:         get(c, "role_arn", ""),
		RoleSessionName: get(c, "role_session_name", ""),
		PrivateKey:      get(c, "private_key", ""),
		PublicKeyID:     get(c, "public_key_id", ""),
		RoleName:        get(c, "role_name", ""),

		RoleSessionExpiration:  d.seconds(c, "role_session_expiration", 0),
		SessionExpiration:      d.seconds(c, "session_expiration", 0),
		CredentialPollInterval: d.seconds(c, "credential_poll_interval", 60),
	}
}
