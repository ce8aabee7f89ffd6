package agent

import (
	"vault-renderer/renderer/internal/auth"
	"vault-renderer/renderer/internal/auth/cf"
	"vault-renderer/renderer/internal/auth/kerberos"
	"vault-renderer/renderer/internal/auth/method"
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
	case m.CF != nil:
		return &cf.Method{Client: c, MountPath: mount, Role: m.CF.Role, Log: log}
	}
	return nil
}
