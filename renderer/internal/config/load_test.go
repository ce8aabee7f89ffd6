package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/hcl/v2"
)

// ignoreRanges leaves out positions and source texts, which other tests check.
func ignoreRanges() cmp.Options {
	return cmp.Options{
		cmpopts.IgnoreTypes(hcl.Range{}, map[string]*hcl.File{}),
		cmpopts.EquateEmpty(),
	}
}

// seed is what testdata/good/seed.hcl, the plainest file of Vault Agent, says.
func seed() *Config {
	return &Config{
		PIDFile:     "./pidfile",
		TmpfsPolicy: TmpfsWarn,
		Vault:       Vault{Address: "http://vault-server:8200", NumRetries: 12},
		AutoAuth: &AutoAuth{
			Method: Method{
				Type: "approle", MountPath: "auth/approle", MinBackoff: time.Second, MaxBackoff: 5 * time.Minute,
				AppRole: &AppRole{
					RoleIDFilePath:              "/vault-agent/ids/role_id",
					SecretIDFilePath:            "/vault-agent/ids/secret_id",
					RemoveSecretIDFileAfterRead: true,
				},
			},
			Sinks: []Sink{{Path: "/vault-agent/vault-token-via-agent", Mode: 0o640, Owner: -1, Group: -1}},
		},
		TemplateConfig: TemplateConfig{
			StaticSecretRenderInterval: 5 * time.Minute, MaxConnectionsPerHost: 10, LeaseRenewalThreshold: 0.9,
		},
		Templates: []Template{{
			Name: "/webapp/config.ini", Source: "testdata/good/config.tmpl", Destination: "/webapp/config.ini",
			CreateDestDirs: true, ErrorFatal: true, Tmpfs: TmpfsWarn,
		}},
	}
}

func TestLoadSeed(t *testing.T) {
	got, diags := Load([]string{"testdata/good/seed.hcl"})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	if d := cmp.Diff(seed(), got, ignoreRanges()); d != "" {
		t.Error(d)
	}
}
