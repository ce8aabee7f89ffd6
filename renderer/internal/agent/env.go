package agent

import (
	"net/url"
	"os"
	"strconv"

	"vault-renderer/renderer/internal/config"
)

// connectionEnv is what commands and templates see of the connection, as under
// Vault Agent: never a token.
func connectionEnv(cfg *config.Config, address string) map[string]string {
	env := map[string]string{
		"VAULT_ADDR":             address,
		"CONSUL_HTTP_SSL":        "false",
		"CONSUL_HTTP_SSL_VERIFY": "true",
	}
	pick := func(name, file string) {
		if v, set := os.LookupEnv(name); set {
			file = v
		}
		if file != "" {
			env[name] = file
		}
	}
	pick("VAULT_CACERT", cfg.Vault.CACert)
	pick("VAULT_CAPATH", cfg.Vault.CAPath)
	pick("VAULT_CLIENT_CERT", cfg.Vault.ClientCert)
	pick("VAULT_CLIENT_KEY", cfg.Vault.ClientKey)
	pick("VAULT_TLS_SERVER_NAME", cfg.Vault.TLSServerName)
	pick("VAULT_CACERT_BYTES", "")
	skip := cfg.Vault.TLSSkipVerify
	if v, err := strconv.ParseBool(os.Getenv("VAULT_SKIP_VERIFY")); err == nil {
		skip = v
	}
	if u, err := url.Parse(address); skip || (err == nil && u.Scheme == "http") {
		env["VAULT_SKIP_VERIFY"] = "true"
	}
	return env
}

// lookupEnv is the environment as templates see it.
func lookupEnv(cfg *config.Config, address string) func(string) (string, bool) {
	set := connectionEnv(cfg, address)
	return func(name string) (string, bool) {
		if v, ok := set[name]; ok {
			return v, true
		}
		if name == "VAULT_TOKEN" {
			return "", false
		}
		return os.LookupEnv(name)
	}
}
