package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"vault-renderer/renderer/internal/config"
)

// export puts the connection flags where they win over the file: into the
// environment, which hooks and templates see as well, as under Vault Agent.
func (f *agentFlags) export() error {
	set := map[string]string{}
	for name, v := range f.env {
		if v.set {
			set[name] = v.value
		}
	}
	if f.skip.set {
		set["VAULT_SKIP_VERIFY"] = strconv.FormatBool(f.skip.value)
	}
	if f.noRedir.set {
		set["VAULT_DISABLE_REDIRECTS"] = strconv.FormatBool(f.noRedir.value)
	}
	if len(f.headers) > 0 {
		all := map[string]string{}
		if v := os.Getenv("VAULT_HEADERS"); v != "" {
			if err := json.Unmarshal([]byte(v), &all); err != nil {
				return errors.New("VAULT_HEADERS is not a JSON object of texts")
			}
		}
		for k, v := range f.headers {
			all[k] = v
		}
		raw, err := json.Marshal(all)
		if err != nil {
			return err
		}
		set["VAULT_HEADERS"] = string(raw)
	}
	for name, v := range set {
		if err := os.Setenv(name, v); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// traffic applies VAULT_AGENT_DISABLE_IDLE_CONNECTIONS and
// VAULT_AGENT_DISABLE_KEEP_ALIVES, which replace the lists of the file.
func traffic(cfg *config.Config) error {
	for name, to := range map[string]*config.Traffic{
		"VAULT_AGENT_DISABLE_IDLE_CONNECTIONS": &cfg.DisableIdleConns,
		"VAULT_AGENT_DISABLE_KEEP_ALIVES":      &cfg.DisableKeepAlives,
	} {
		v, set := os.LookupEnv(name)
		if !set || v == "" {
			continue
		}
		*to = config.Traffic{}
		for word := range strings.SplitSeq(strings.ToLower(v), ",") {
			switch strings.TrimSpace(word) {
			case "auto-auth":
				to.AutoAuth = true
			case "caching", "proxying":
				to.Proxying = true
			case "templating":
				to.Templating = true
			case "":
			default:
				return fmt.Errorf("%s: %q is not one of auto-auth, caching, proxying, templating", name, word)
			}
		}
	}
	return nil
}
