package agent

import (
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/hashicorp/hcl/v2"

	"vault-renderer/renderer/internal/auth"
	"vault-renderer/renderer/internal/auth/sink"
	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/destination"
	"vault-renderer/renderer/internal/reload"
	"vault-renderer/renderer/internal/report"
	"vault-renderer/renderer/internal/tmpl"
	"vault-renderer/renderer/internal/vault"
)

// plan is a configuration made ready to run: parsed, checked, nothing changed.
type plan struct {
	cfg    *config.Config
	client *vault.Client
	method auth.Method
	sinks  []sink.File
	units  []*unit
	named  map[string][]*unit // by the rollout block that they name
}

// build makes a plan. All mistakes are found before anything runs.
func (a *Agent) build(cfg *config.Config) (*plan, hcl.Diagnostics) {
	p := &plan{cfg: cfg}
	var diags hcl.Diagnostics
	client, err := vault.New(clientOptions(cfg, a.o))
	if err != nil {
		diags = diags.Append(problem("Vault client", err, cfg.Vault.Range))
	}
	p.client = client
	check := &destination.Checker{}
	if cfg.AutoAuth != nil {
		diags = diags.Extend(a.buildAuth(p, check))
	}
	env := lookupEnv(cfg, a.clientAddress(cfg))
	p.units = make([]*unit, 0, len(cfg.Templates))
	for _, t := range cfg.Templates {
		u, d := a.buildUnit(cfg, t, env, check)
		diags = diags.Extend(d)
		p.units = append(p.units, u)
	}
	for _, t := range cfg.EnvTemplates {
		u, d := a.buildVariable(cfg, t, env)
		diags = diags.Extend(d)
		p.units = append(p.units, u)
	}
	diags = diags.Extend(a.buildState(cfg, check))
	if diags.HasErrors() {
		return nil, diags
	}
	p.name()
	return p, diags
}

// name notes which templates name which rollout.
func (p *plan) name() {
	p.named = map[string][]*unit{}
	for _, u := range p.units {
		if r := u.cfg.Rollout; r != "" {
			p.named[r] = append(p.named[r], u)
		}
	}
}

// buildState looks whether the state file can be written where it should be.
func (a *Agent) buildState(cfg *config.Config, check *destination.Checker) (diags hcl.Diagnostics) {
	if cfg.StateFile == "" {
		return nil
	}
	return tmpfs(check, cfg.StateFile, cfg.TmpfsPolicy, cfg.StateFileRange)
}

// buildAuth prepares the login and the sinks.
func (a *Agent) buildAuth(p *plan, check *destination.Checker) (diags hcl.Diagnostics) {
	cfg := p.cfg
	m := cfg.AutoAuth.Method
	p.method = a.login(p.client, m)
	if m.WrapTTL > 0 && len(cfg.Templates) > 0 {
		diags = diags.Append(&hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Wrapped login with templates", Subject: m.Range.Ptr(),
			Detail: "With \"wrap_ttl\" in the method nobody but the reader of the sink gets the token, so that no template could be rendered. Take \"wrap_ttl\" out of the method (a sink can have one of its own).",
		})
	}
	for _, s := range cfg.AutoAuth.Sinks {
		f := sinkFile(s, cfg.Strict)
		if err := f.Check(check); err != nil {
			diags = diags.Append(problem("Sink can't be written", err, s.Range))
		}
		diags = diags.Extend(tmpfs(check, s.Path, cfg.TmpfsPolicy, s.Range))
		p.sinks = append(p.sinks, f)
	}
	return diags
}

// sinkFile is a sink as it is written. Without strict the umask takes its part
// of the mode, as under Vault Agent.
func sinkFile(s config.Sink, strict bool) sink.File {
	mode := fs.FileMode(s.Mode)
	if !strict {
		mode &^= destination.Umask()
	}
	return sink.File{
		Path: s.Path, Mode: mode, Owner: s.Owner, Group: s.Group, WrapTTL: s.WrapTTL,
		DH: sink.DH{Path: s.DHPath, DeriveKey: s.DeriveKey, AAD: s.AAD},
	}
}

func clientOptions(cfg *config.Config, o Options) vault.Options {
	v, m := cfg.Vault, methodOf(cfg)
	return vault.Options{
		Address: v.Address, CACert: v.CACert, CAPath: v.CAPath, ClientCert: v.ClientCert, ClientKey: v.ClientKey,
		TLSSkipVerify: v.TLSSkipVerify, TLSServerName: v.TLSServerName,
		Namespace: v.Namespace, AuthNamespace: m.Namespace,
		LoginWrapTTL:      m.WrapTTL,
		DisableIdle:       vault.Traffic{Auth: cfg.DisableIdleConns.AutoAuth, Templating: cfg.DisableIdleConns.Templating},
		DisableKeepAlives: vault.Traffic{Auth: cfg.DisableKeepAlives.AutoAuth, Templating: cfg.DisableKeepAlives.Templating},
		MaxConnections:    cfg.TemplateConfig.MaxConnectionsPerHost,
		UserAgent:         "vault-renderer/" + o.Version, Transport: o.Transport,
	}
}

// methodOf is how to log in; the zero Method without auto_auth.
func methodOf(cfg *config.Config) config.Method {
	if cfg.AutoAuth == nil {
		return config.Method{}
	}
	return cfg.AutoAuth.Method
}

func (a *Agent) buildUnit(cfg *config.Config, t config.Template, env func(string) (string, bool), check *destination.Checker) (*unit, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	u := newUnit(t, a.o.Rand)
	u.file = destination.File{
		Path: t.Destination, Perms: fs.FileMode(t.Perms), User: t.User, Group: t.Group,
		CreateDirs: t.CreateDestDirs, PrivateDirs: cfg.Strict, Backup: t.Backup,
	}
	if err := check.Check(u.file); err != nil {
		diags = diags.Append(problem("Destination can't be written", err, t.Range))
	}
	diags = diags.Extend(tmpfs(check, t.Destination, t.Tmpfs, t.Range))
	u.hooks = a.hooks(cfg, t)
	return u, diags.Extend(a.parse(cfg, u, surroundings{env: env, plugin: a.plugin(cfg), debug: a.debug(cfg)}))
}

// surroundings are what a template sees beside Vault.
type surroundings struct {
	env    func(string) (string, bool)
	plugin func(string, []string) (string, error)
	debug  io.Writer
}

// parse reads the unit's template.
func (a *Agent) parse(cfg *config.Config, u *unit, s surroundings) (diags hcl.Diagnostics) {
	t := u.cfg
	u.text = t.Contents
	if t.Source != "" {
		raw, err := os.ReadFile(t.Source)
		if err != nil {
			return diags.Append(problem("Template can't be read", err, t.SourceRange))
		}
		u.text = string(raw)
	}
	parsed, err := tmpl.Parse(tmpl.Spec{
		Name: t.Name, Text: u.text, Left: t.LeftDelimiter, Right: t.RightDelimiter,
		ErrorOnMissingKey: t.ErrorOnMissingKey, Denylist: t.FunctionDenylist, Env: s.env,
		MaxOutput: int(cfg.TemplateConfig.MaxOutput), MaxDuration: cfg.TemplateConfig.MaxDuration, MaxDepth: cfg.TemplateConfig.MaxDepth,
		Destination: t.Destination, Sandbox: t.SandboxPath, Debug: s.debug, Plugin: s.plugin,
	})
	if err != nil {
		return diags.Append(u.diagnostic(cfg, err))
	}
	u.t = parsed
	return nil
}

// debug is where spew_dump and spew_printf print: what they print may be a
// secret, so strict has none of it.
func (a *Agent) debug(cfg *config.Config) io.Writer {
	if cfg.Strict || a.o.Stdout == nil {
		return nil
	}
	return a.o.Stdout
}

// plugin runs the programs that templates call for what they print. Their
// environment is made when one is called: hardly any template does.
func (a *Agent) plugin(cfg *config.Config) func(string, []string) (string, error) {
	return func(name string, args []string) (string, error) {
		env := reload.Environ(connectionEnv(cfg, a.clientAddress(cfg)))
		return reload.Output(a.ctx, name, args, env)
	}
}

// hooks builds what a template does after its file changed.
func (a *Agent) hooks(cfg *config.Config, t config.Template) []reload.Hook {
	var out []reload.Hook
	if e := t.Exec; e != nil {
		out = append(out, &reload.Command{
			Argv: e.Command, Timeout: e.Timeout, Env: reload.Environ(connectionEnv(cfg, a.clientAddress(cfg))),
			Stdout: a.o.Stdout, Stderr: a.o.Stderr,
		})
	}
	if s := t.Signal; s != nil {
		// The configuration has been checked: the name is known.
		sig, _ := reload.ParseSignal(s.Signal)
		out = append(out, &reload.Signal{PIDFile: s.PIDFile, Signal: sig, Log: a.o.Log})
	}
	return out
}

// clientAddress is the server's address as commands and templates see it.
func (a *Agent) clientAddress(cfg *config.Config) string {
	if v, set := os.LookupEnv("VAULT_ADDR"); set {
		return v
	}
	if cfg.Vault.Address != "" {
		return cfg.Vault.Address
	}
	return "https://127.0.0.1:8200"
}

// tmpfs says when a path is on a disk.
func tmpfs(check *destination.Checker, path string, policy config.Tmpfs, at hcl.Range) hcl.Diagnostics {
	if policy == config.TmpfsOff || check.OnTmpfs(path) {
		return nil
	}
	d := &hcl.Diagnostic{
		Severity: hcl.DiagWarning, Summary: "Secrets on a disk", Subject: at.Ptr(),
		Detail: fmt.Sprintf("%s is not on tmpfs or ramfs: what is written there may outlive the secret. Choose a path below /run or /dev/shm, or say tmpfs = \"off\".", path),
	}
	if policy == config.TmpfsRequire {
		d.Severity = hcl.DiagError
		d.Detail = fmt.Sprintf("%s is not on tmpfs or ramfs, and tmpfs = \"require\" (the default with strict) refuses that. Choose a path below /run or /dev/shm, or say tmpfs = \"warn\".", path)
	}
	return hcl.Diagnostics{d}
}

func problem(summary string, err error, at hcl.Range) *hcl.Diagnostic {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: err.Error()}
	if at.Filename != "" {
		d.Subject = at.Ptr()
	}
	return d
}

// diagnostic shows a template's error at its source line: in the template's
// own file, or in the configuration for contents.
func (u *unit) diagnostic(cfg *config.Config, err error) *hcl.Diagnostic {
	te := templateError(err)
	if te == nil || te.Line == 0 {
		return problem("Invalid template", err, u.cfg.Range)
	}
	summary := fmt.Sprintf("Invalid template %q", u.cfg.Name)
	if u.cfg.Source != "" {
		cfg.Files[u.cfg.Source] = report.File([]byte(u.text))
		return report.At(u.cfg.Source, []byte(u.text), te.Line, te.Col, summary, te.Detail)
	}
	file, line, col := u.position(te)
	var src []byte
	if f := cfg.Files[file]; f != nil {
		src = f.Bytes
	}
	return report.At(file, src, line, col, summary, te.Detail)
}
