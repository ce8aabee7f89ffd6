package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"vault-renderer/renderer/internal/report"
	"vault-renderer/renderer/internal/vault"
)

const generateUsage = `Usage: vault-renderer agent generate-config -type=env-template -path=PATH [-path=PATH ...] [options] [FILE]

Writes a configuration (agent.hcl, or FILE) with one env_template for each key
of the key/value secrets at the paths. A path that ends in /* stands for all
below it. The keys are read with VAULT_TOKEN or ~/.vault-token; no value is
written.

Exit codes: 0 written, 1 wrong options, 2 Vault refused or does not answer,
3 the file can't be written.

`

// generateFlags are the options of generate-config.
type generateFlags struct {
	agentFlags
	kind, exec string
	paths      paths
	file       string
}

func runGenerate(args []string, stdout, stderr io.Writer) int {
	f, err := parseGenerateFlags(args, stdout)
	if err != nil {
		return refused(stderr, err)
	}
	g, err := newGenerator()
	if err == nil {
		err = g.collect(f.paths)
	}
	if err != nil {
		report.Error(stderr, err)
		return 2
	}
	var out strings.Builder
	if err = generated.Execute(&out, g.values(f.exec)); err == nil {
		err = os.WriteFile(f.file, []byte(out.String()), 0o644)
	}
	if err != nil {
		report.Error(stderr, err)
		return 3
	}
	fmt.Fprintf(stdout, "Wrote %s with %d variables.\n", f.file, len(g.vars))
	fmt.Fprintln(stderr, `vault-renderer: warning: the file logs in with "token_file", which is for trying; choose another method for servers`)
	return 0
}

func parseGenerateFlags(args []string, stdout io.Writer) (*generateFlags, error) {
	f := &generateFlags{agentFlags: agentFlags{env: map[string]*optionalString{}}, file: "agent.hcl"}
	set := flag.NewFlagSet("vault-renderer agent generate-config", flag.ContinueOnError)
	set.StringVar(&f.kind, "type", "", "what to write; the only `kind` is env-template")
	set.Var(&f.paths, "path", "`path` of a key/value secret, or of a folder with /* at its end; may be given several times")
	set.StringVar(&f.exec, "exec", "env", "the `command` that gets the variables, split at blanks")
	f.connectionOptions(set)
	f.withoutEffect(set)
	groups := []group{{"Options", []string{"type", "path", "exec"}}, agentGroups()[2]}
	err := parse(set, args, stdout, generateUsage, groups)
	if err == nil {
		err = noMore(set, 1)
	}
	if set.NArg() > 0 {
		f.file = set.Arg(0)
	}
	switch {
	case err != nil:
		return nil, err
	case f.kind != "env-template":
		return nil, report.WithHint(errors.New("no -type given that is known"), "say -type=env-template")
	case len(f.paths) == 0:
		return nil, report.WithHint(errors.New("no -path given"), "name a secret, such as -path=secret/app")
	}
	return f, f.export()
}

// generator reads secrets and notes the variables that they give.
type generator struct {
	session *vault.Session
	vars    []variable
}

// variable is one env_template.
type variable struct{ Name, Contents, from string }

func newGenerator() (*generator, error) {
	c, err := vault.New(vault.Options{UserAgent: "vault-renderer/" + version})
	if err != nil {
		return nil, err
	}
	token := os.Getenv("VAULT_TOKEN")
	if token == "" {
		raw, err := os.ReadFile(tokenPath())
		if err != nil {
			return nil, report.WithHint(errors.New("there is no token to read the secrets with"), "set VAULT_TOKEN, or log in so that ~/.vault-token is there")
		}
		token = strings.TrimSpace(string(raw))
	}
	return &generator{session: c.With(vault.NewToken(token), 1)}, nil
}

func tokenPath() string {
	home, _ := os.UserHomeDir()
	return filepath.Join(home, ".vault-token")
}

// collect reads the secrets at paths.
func (g *generator) collect(paths []string) error {
	for _, p := range paths {
		folder, all := strings.CutSuffix(p, "/*")
		var err error
		if all {
			err = g.folder(folder)
		} else {
			err = g.secret(strings.Trim(p, "/"))
		}
		if err != nil {
			return err
		}
	}
	if len(g.vars) == 0 {
		return fmt.Errorf("there is no secret at %s", strings.Join(paths, ", "))
	}
	return nil
}

func (g *generator) folder(p string) error {
	list, err := g.session.Fetch(context.Background(), vault.Request{Method: vault.MethodList, Path: p})
	if err != nil {
		return err
	}
	for _, key := range list.Keys {
		below := path.Join(p, key)
		if strings.HasSuffix(key, "/") {
			err = g.folder(below)
		} else {
			err = g.secret(below)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// secret notes the keys of one secret.
func (g *generator) secret(p string) error {
	s, err := g.session.Fetch(context.Background(), vault.Request{Method: vault.MethodRead, Path: p})
	if err != nil {
		return err
	}
	data, where := s.Data.Unwrap(), ".Data"
	_, meta := data["metadata"].(map[string]any)
	if inner, ok := data["data"].(map[string]any); ok && meta {
		data, where = inner, ".Data.data"
	}
	var keys []string
	for k := range data {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		if err := g.add(variableName(path.Base(p), k), p, where, k); err != nil {
			return err
		}
	}
	return nil
}

func (g *generator) add(name, p, where, key string) error {
	for _, v := range g.vars {
		if v.Name == name {
			return fmt.Errorf("%s and %s both give the variable %s: take one of them out of -path", v.from, p, name)
		}
	}
	value := where + "." + key
	if !isField(key) {
		value = "index " + where + " " + strconv.Quote(key)
	}
	text := fmt.Sprintf("{{ with secret %q }}{{ %s }}{{ end }}", p, value)
	g.vars = append(g.vars, variable{Name: name, Contents: text, from: p})
	return nil
}

// variableName is the last part of the path and the key, in capitals.
func variableName(base, key string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(base+"_"+key))
}

// isField says whether a template can name the key after a dot.
func isField(key string) bool {
	for i, r := range key {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return key != ""
}

func (g *generator) values(command string) map[string]any {
	address := os.Getenv("VAULT_ADDR")
	if address == "" {
		address = "https://127.0.0.1:8200"
	}
	return map[string]any{"Token": tokenPath(), "Address": address, "Vars": g.vars, "Command": strings.Fields(command)}
}

var generated = template.Must(template.New("agent.hcl").Parse(`auto_auth {
  method {
    type = "token_file"

    config {
      token_file_path = {{ printf "%q" .Token }}
    }
  }
}

template_config {
  static_secret_render_interval = "5m"
  exit_on_retry_failure         = true
  max_connections_per_host      = 10
}

vault {
  address = {{ printf "%q" .Address }}
}
{{ range .Vars }}
env_template {{ printf "%q" .Name }} {
  contents             = {{ printf "%q" .Contents }}
  error_on_missing_key = true
}
{{ end }}
exec {
  command                   = [{{ range $i, $w := .Command }}{{ if $i }}, {{ end }}{{ printf "%q" $w }}{{ end }}]
  restart_on_secret_changes = "always"
  restart_stop_signal       = "SIGTERM"
}
`))
