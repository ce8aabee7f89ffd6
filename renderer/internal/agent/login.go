package agent

import (
	"vault-renderer/renderer/internal/auth"
	"vault-renderer/renderer/internal/auth/alicloud"
	"vault-renderer/renderer/internal/auth/aws"
	"vault-renderer/renderer/internal/auth/azure"
	"vault-renderer/renderer/internal/auth/cf"
	"vault-renderer/renderer/internal/auth/gcp"
	"vault-renderer/renderer/internal/auth/kerberos"
	"vault-renderer/renderer/internal/auth/method"
	"vault-renderer/renderer/internal/auth/oci"
	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/report"
	"vault-renderer/renderer/internal/vault"
)

// login is the method that the configuration names; nil when that could not be
// read.
func (a *Agent) login(c *vault.Client, m config.Method) auth.Method {
	if out := a.plainLogin(c, m); out != nil {
		return out
	}
	return a.cloudLogin(c, m)
}

// plainLogin gives the methods that need Vault and files only.
func (a *Agent) plainLogin(c *vault.Client, m config.Method) auth.Method {
	log, mount := report.Named(a.o.Log, "auth."+m.Type), m.MountPath
	switch {
	case m.AppRole != nil:
		x := m.AppRole
		return &method.AppRole{
			Client: c, MountPath: mount, RoleIDFilePath: x.RoleIDFilePath, SecretIDFilePath: x.SecretIDFilePath,
			RemoveSecretIDFileAfterRead:  x.RemoveSecretIDFileAfterRead,
			SecretIDResponseWrappingPath: x.SecretIDResponseWrappingPath, Log: log,
			SecretIDRenew: x.SecretIDRenew, SecretIDRenewPath: x.SecretIDRenewPath, SecretIDRenewWrapTTL: x.SecretIDRenewWrapTTL,
			Lookup: a.o.Config.Leases.LookupInterval, Memory: remembered{a, "approle"}, Rand: a.o.Rand,
		}
	case m.TokenFile != nil:
		return &method.TokenFile{Client: c, TokenFilePath: m.TokenFile.TokenFilePath, Log: log}
	case m.Kubernetes != nil:
		return &method.Kubernetes{Client: c, MountPath: mount, Role: m.Kubernetes.Role, TokenPath: m.Kubernetes.TokenPath, Log: log}
	case m.JWT != nil:
		x := m.JWT
		return &method.JWT{
			Client: c, MountPath: mount, Path: x.Path, Role: x.Role, RemoveAfterReading: x.RemoveAfterReading,
			RemoveFollowsSymlinks: x.RemoveFollowsSymlinks, ReadPeriod: x.ReadPeriod, Log: log,
		}
	case m.Cert != nil:
		x := m.Cert
		return &method.Cert{
			Client: c, MountPath: mount, Name: x.Name, CACert: x.CACert, ClientCert: x.ClientCert, ClientKey: x.ClientKey,
			Reload: x.Reload, ReloadPeriod: x.ReloadPeriod, Log: log,
		}
	case m.LDAP != nil:
		x := m.LDAP
		return &method.LDAP{
			Client: c, MountPath: mount, Username: x.Username, PasswordFilePath: x.PasswordFilePath,
			RemoveAfterReading: x.RemoveAfterReading, RemoveFollowsSymlinks: x.RemoveFollowsSymlinks,
			ReadPeriod: x.ReadPeriod, Log: log,
		}
	case m.Userpass != nil:
		return &method.Userpass{Client: c, MountPath: mount, Username: m.Userpass.Username, PasswordFilePath: m.Userpass.PasswordFilePath, Log: log}
	case m.Kerberos != nil:
		x := m.Kerberos
		return &kerberos.Method{
			Client: c, MountPath: mount, Username: x.Username, Service: x.Service, Realm: x.Realm,
			KeytabPath: x.KeytabPath, Krb5ConfPath: x.Krb5ConfPath, DisableFastNegotiation: x.DisableFastNegotiation, Log: log,
		}
	}
	return nil
}

// cloudLogin gives the methods whose credentials come from a cloud.
func (a *Agent) cloudLogin(c *vault.Client, m config.Method) auth.Method {
	log, mount := report.Named(a.o.Log, "auth."+m.Type), m.MountPath
	switch {
	case m.AWS != nil:
		x := m.AWS
		return &aws.Method{
			Client: c, MountPath: mount, Type: x.Type, Role: x.Role, AccessKey: x.AccessKey, SecretKey: x.SecretKey,
			SessionToken: x.SessionToken, Region: x.Region, HeaderValue: x.HeaderValue, Nonce: x.Nonce,
			CredentialPollInterval: x.CredentialPollInterval, Log: log,
		}
	case m.Azure != nil:
		x := m.Azure
		return &azure.Method{
			Client: c, MountPath: mount, Role: x.Role, Resource: x.Resource, ObjectID: x.ObjectID, ClientID: x.ClientID,
			AuthenticateFromEnvironment: x.AuthenticateFromEnvironment, Scope: x.Scope, Log: log,
		}
	case m.GCP != nil:
		x := m.GCP
		return &gcp.Method{
			Client: c, MountPath: mount, Type: x.Type, Role: x.Role, ServiceAccount: x.ServiceAccount,
			Credentials: x.Credentials, Project: x.Project, JWTExp: x.JWTExp, Log: log,
		}
	case m.AliCloud != nil:
		x := m.AliCloud
		return &alicloud.Method{
			Client: c, MountPath: mount, Role: x.Role, Region: x.Region,
			AccessKey: x.AccessKey, AccessSecret: x.AccessSecret, AccessToken: x.AccessToken,
			RoleARN: x.RoleARN, RoleSessionName: x.RoleSessionName, RoleSessionExpiration: x.RoleSessionExpiration,
			RoleName: x.RoleName, PrivateKey: x.PrivateKey, PublicKeyID: x.PublicKeyID, SessionExpiration: x.SessionExpiration,
			CredentialPollInterval: x.CredentialPollInterval, Log: log,
		}
	case m.OCI != nil:
		x := m.OCI
		return &oci.Method{Client: c, MountPath: mount, Type: x.Type, Role: x.Role, CredentialPollInterval: x.CredentialPollInterval, Log: log}
	case m.CF != nil:
		return &cf.Method{Client: c, MountPath: mount, Role: m.CF.Role, Log: log}
	}
	return nil
}
