package config

// merge joins what the files say, in their order: blocks replace the whole
// block of an earlier file, templates are appended, exit_after_auth and strict
// stay true once they are, and of other values the last that is not empty wins.
func merge(parts []part, strict bool) *Config {
	c := &Config{
		Strict:         strict,
		Vault:          Vault{NumRetries: defaultRetries},
		TemplateConfig: defaultTemplateConfig(),
	}
	for _, p := range parts {
		c.PIDFile = later(c.PIDFile, p.PIDFile)
		c.LogLevel = later(c.LogLevel, p.LogLevel)
		c.LogFormat = later(c.LogFormat, p.LogFormat)
		c.TmpfsPolicy = later(c.TmpfsPolicy, p.TmpfsPolicy)
		c.ExitAfterAuth = c.ExitAfterAuth || p.ExitAfterAuth
		if p.vault != nil {
			c.Vault = *p.vault
		}
		if p.AutoAuth != nil {
			c.AutoAuth = p.AutoAuth
		}
		// A block that says nothing but defaults does not undo an earlier one.
		if p.templateConfig != nil && *p.templateConfig != defaultTemplateConfig() {
			c.TemplateConfig = *p.templateConfig
		}
		c.Templates = append(c.Templates, p.Templates...)
	}
	settleTmpfs(c)
	return c
}

func later[T ~string](a, b T) T {
	if b != "" {
		return b
	}
	return a
}

// settleTmpfs fills in the policy where nobody named one.
func settleTmpfs(c *Config) {
	if c.TmpfsPolicy == "" {
		c.TmpfsPolicy = TmpfsWarn
		if c.Strict {
			c.TmpfsPolicy = TmpfsRequire
		}
	}
	for i := range c.Templates {
		c.Templates[i].Tmpfs = later(c.TmpfsPolicy, c.Templates[i].Tmpfs)
	}
}
