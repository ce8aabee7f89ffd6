package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	dep "github.com/hashicorp/consul-template/dependency"
	"github.com/hashicorp/consul-template/template"
	"github.com/hashicorp/vault/api"
)

// world is what all snippets find: an environment, files, and what Vault says.
type world struct {
	Env    map[string]string          `json:"env"`
	Files  map[string]string          `json:"files"`
	Links  map[string]string          `json:"links"`
	Reads  map[string]json.RawMessage `json:"reads"` // Vault's answers
	Writes []write                    `json:"writes"`
	Lists  map[string][]string        `json:"lists"`
	PKI    []pki                      `json:"pki"`
}

type write struct {
	Path   string            `json:"path"`
	Data   map[string]string `json:"data"`
	Secret json.RawMessage   `json:"secret"` // null = answered without a body
}

type pki struct {
	Path    string            `json:"path"`
	Data    map[string]string `json:"data"`
	Cert    string            `json:"cert"`
	Key     string            `json:"key"`
	CA      string            `json:"ca"`
	CAChain []string          `json:"ca_chain"`
}

func loadWorld(name string) (*world, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	w := &world{}
	return w, json.Unmarshal(raw, w)
}

// set makes dir the working directory and puts the files there.
func (w *world) set(dir string) error {
	if err := os.Chdir(dir); err != nil {
		return err
	}
	for name, content := range w.Files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			return err
		}
	}
	for name, target := range w.Links {
		if err := os.Symlink(target, name); err != nil {
			return err
		}
	}
	return nil
}

// remember tells everything to a new brain: templates can change what it holds.
func (w *world) remember() (*template.Brain, error) {
	b := template.NewBrain()
	for path, raw := range w.Reads {
		d, err := dep.NewVaultReadQuery(path)
		if err != nil {
			return nil, err
		}
		s, err := secret(raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		b.Remember(d, s)
	}
	for _, x := range w.Writes {
		d, err := dep.NewVaultWriteQuery(x.Path, anys(x.Data))
		if err != nil {
			return nil, err
		}
		s, err := secret(x.Secret)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", x.Path, err)
		}
		b.Remember(d, s)
	}
	for path, keys := range w.Lists {
		d, err := dep.NewVaultListQuery(path)
		if err != nil {
			return nil, err
		}
		b.Remember(d, keys)
	}
	for _, x := range w.PKI {
		d, err := dep.NewVaultPKIQuery(x.Path, "out.pem", anys(x.Data))
		if err != nil {
			return nil, err
		}
		b.Remember(d, dep.PemEncoded{Cert: x.Cert, Key: x.Key, CA: x.CA, CAChain: x.CAChain})
	}
	return b, w.rememberFiles(b)
}

func (w *world) rememberFiles(b *template.Brain) error {
	for name := range w.Files {
		d, err := dep.NewFileQuery(name)
		if err != nil {
			return err
		}
		b.Remember(d, w.Files[name])
	}
	for name := range w.Links {
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		d, err := dep.NewFileQuery(name)
		if err != nil {
			return err
		}
		b.Remember(d, string(content))
	}
	return nil
}

func anys(m map[string]string) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

// secret is Vault's answer as consul-template keeps it.
func secret(raw json.RawMessage) (*dep.Secret, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	s, err := api.ParseSecret(strings.NewReader(string(raw)))
	if err != nil {
		return nil, err
	}
	out := &dep.Secret{
		RequestID: s.RequestID, LeaseID: s.LeaseID, LeaseDuration: s.LeaseDuration, Renewable: s.Renewable,
		Data: s.Data, Warnings: s.Warnings,
	}
	if a := s.Auth; a != nil {
		out.Auth = &dep.SecretAuth{
			ClientToken: a.ClientToken, Accessor: a.Accessor, Policies: a.Policies, Metadata: a.Metadata,
			LeaseDuration: a.LeaseDuration, Renewable: a.Renewable,
		}
	}
	if i := s.WrapInfo; i != nil {
		out.WrapInfo = &dep.SecretWrapInfo{Token: i.Token, TTL: i.TTL, CreationTime: i.CreationTime, WrappedAccessor: i.WrappedAccessor}
	}
	return out, nil
}

// render gives consul-template's answer.
func (w *world) render(s *snippet) answer {
	brain, err := w.remember()
	if err != nil {
		return answer{Error: "world: " + err.Error()}
	}
	in := &template.NewTemplateInput{
		Contents: s.text, Destination: "out.pem", LeftDelim: s.opts["left"], RightDelim: s.opts["right"],
		SandboxPath: s.opts["sandbox"],
	}
	_, in.ErrMissingKey = s.opts["strict"]
	if d := s.opts["deny"]; d != "" {
		in.FunctionDenylist = strings.Split(d, ",")
	}
	t, err := template.NewTemplate(in)
	if err != nil {
		return answer{Error: err.Error()}
	}
	var env []string
	for k, v := range w.Env {
		env = append(env, k+"="+v)
	}
	res, err := execute(t, &template.ExecuteInput{Brain: brain, Env: env})
	files := written()
	switch {
	case err != nil:
		return answer{Error: err.Error()}
	case res.Missing.Len() > 0:
		return answer{Missing: true}
	}
	return answer{Output: string(res.Output), Files: files}
}

// execute counts a panic as an error: consul-template falls over its own
// masking of secrets when a template fails after a write without an answer.
func execute(t *template.Template, in *template.ExecuteInput) (res *template.ExecuteResult, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return t.Execute(in)
}

// written takes away what a snippet wrote, and names it.
func written() (out []string) {
	_ = filepath.WalkDir("out", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		content, err := os.ReadFile(name)
		out = append(out, fmt.Sprintf("%s %#o\n%s", name, info.Mode().Perm(), content))
		return err
	})
	slices.Sort(out)
	_ = os.RemoveAll("out")
	return out
}
