// Package method has the ways to log in that need nothing but Vault and files:
// approle, token_file, kubernetes, jwt, cert, ldap and userpass. Each is a type
// with a Login, which is one try: it reads its credentials again every time.
// Some have a Watch, which tells when their credentials were replaced. When to
// log in is the Keeper's business.
package method

import "vault-renderer/renderer/internal/vault"

// answered says whether Vault has judged the credentials: it took them, or
// refused them. While it is away or sealed it has not.
func answered(err error) bool {
	if err == nil {
		return true
	}
	switch vault.ClassOf(err) {
	case vault.Transient, vault.Sealed:
		return false
	}
	return true
}
