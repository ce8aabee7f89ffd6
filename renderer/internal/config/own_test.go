package config

import "testing"

// The project's own configuration loads without a word, from where it lies.
func TestOwnConfiguration(t *testing.T) {
	t.Chdir("../../..")
	cfg, diags := Load([]string{"config.hcl"})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	if !cfg.Strict || len(cfg.Templates) != 1 || cfg.Templates[0].Tmpfs != TmpfsRequire {
		t.Errorf("not what it says: %+v", cfg)
	}
}
