package agent

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"vault-renderer/renderer/internal/config"
	"vault-renderer/renderer/internal/tmpl"
	"vault-renderer/renderer/internal/vault"
)

// preview is one with everything in the configuration that leaves a trace.
func (w *world) preview(d time.Duration) (*Preview, error) {
	w.t.Helper()
	w.cfg.AutoAuth.Sinks = []config.Sink{{Path: w.path("token"), Mode: 0o640}}
	w.cfg.AutoAuth.Method.AppRole.RemoveSecretIDFileAfterRead = true
	for i := range w.cfg.Templates {
		w.cfg.Templates[i].Exec = &config.Exec{Command: []string{"touch", w.path("hooked")}}
		w.cfg.Templates[i].Wait = &config.Wait{Min: time.Hour, Max: 2 * time.Hour}
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	p, diags, err := NewPreview(ctx, w.options())
	if diags.HasErrors() {
		w.t.Fatal(diags)
	}
	return p, err
}

// A preview leaves nothing behind: neither here nor in Vault.
func TestPreview(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		w.put("kv/data/app/x", map[string]any{"data": map[string]any{"v": "canary-v"}})
		w.write("token.before", "")
		w.write(".db.0123456789ab.vault-renderer.tmp", "of a run under way")
		w.template("db", dbTemplate)
		w.template("side", `{{ with secret "kv/app/x" }}{{ .Data.data.v | writeToFile "`+w.path("more")+`" "" "" "0600" }}{{ end }}text`)
		before := names(t, w.dir)
		p, err := w.preview(time.Minute)
		if err != nil || p.Unrevoked != nil {
			t.Fatal(err, p.Unrevoked)
		}
		if got := names(t, w.dir); got != before {
			t.Errorf("the directory has changed: %s, was %s", got, before)
		}
		var paths []string
		for _, f := range p.Files {
			paths = append(paths, filepath.Base(f.File.Path))
		}
		if strings.Join(paths, " ") != "db side more" {
			t.Errorf("files %q", paths)
		}
		if _, password, _ := strings.Cut(string(p.Files[0].Content), " "); password == "" || string(p.Files[2].Content) != "canary-v" {
			t.Errorf("contents %v", p.Files)
		}
		if len(p.Secrets) != 2 {
			t.Errorf("%d secrets", len(p.Secrets))
		}
		time.Sleep(time.Second) // what hung on the token goes a little after it
		if n := len(w.db.Users()); n != 0 {
			t.Errorf("%d accounts live on", n)
		}
		if n := w.asked("revoke-self"); n != 1 {
			t.Errorf("%d revocations", n)
		}
		if w.cfg.AutoAuth.Sinks == nil || w.cfg.Templates[0].Exec == nil || !w.cfg.AutoAuth.Method.AppRole.RemoveSecretIDFileAfterRead {
			t.Error("the caller's configuration was changed")
		}
	})
}

// What a program would be given is seen, and no program runs.
func TestPreviewOfVariables(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		w.template("db", dbTemplate)
		w.cfg.EnvTemplates = []config.EnvTemplate{
			{Variable: "USER", Contents: `{{ with secret "database/creds/app" }}{{ .Data.username }}{{ end }}`},
			{Variable: "MODE", Contents: "x\n"},
		}
		w.cfg.Exec = &config.Supervise{Command: []string{"touch", w.path("ran")}}
		p, err := w.preview(time.Minute)
		if err != nil || len(p.Variables) != 2 || len(p.Files) != 1 || len(p.Secrets) != 1 {
			t.Fatalf("%v: %d variables, %d files, %d secrets", err, len(p.Variables), len(p.Files), len(p.Secrets))
		}
		user, _, _ := strings.Cut(string(p.Files[0].Content), " ")
		if p.Variables[0] != (Variable{"USER", user}) || p.Variables[1] != (Variable{"MODE", "x\n"}) {
			t.Errorf("%q, and the file has %q", p.Variables, user)
		}
		if _, there, _ := InPlace(w.path("ran")); there {
			t.Error("the program ran")
		}
	})
}

// The token is revoked too when the preview fails or is given up.
func TestPreviewThatFails(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		w.template("good", dbTemplate)
		w.template("bad", `{{ with secret "kv/forbidden" }}{{ end }}`)
		p, err := w.preview(time.Hour)
		if !errors.Is(err, ErrIncomplete) || len(p.Files) != 1 {
			t.Errorf("%v, %d files", err, len(p.Files))
		}
		w.vault.SetFault(func(r *http.Request) (int, bool) {
			if strings.Contains(r.URL.Path, "creds") {
				<-r.Context().Done() // no answer
				return 0, true
			}
			return 0, false
		})
		if _, err := w.preview(time.Minute); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Second)
		if n := w.asked("revoke-self"); n != 2 || len(w.db.Users()) != 0 {
			t.Errorf("%d revocations, accounts %v", n, w.db.Users())
		}
	})
}

func TestPreviewRefuses(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		w.template("x", "x")
		w.cfg.AutoAuth.Method.AppRole.SecretIDResponseWrappingPath = "auth/approle/role/app/secret-id"
		if _, err := w.preview(time.Minute); !errors.Is(err, ErrOneUse) {
			t.Errorf("wrapped SecretID: %v", err)
		}
		w.cfg.AutoAuth.Method.AppRole.SecretIDResponseWrappingPath = ""
		w.write("secret_id", "canary-wrong")
		if _, err := w.preview(time.Minute); err == nil || vault.ClassOf(err) != vault.Invalid {
			t.Errorf("wrong SecretID: %v", err)
		}
		if n := w.asked("auth/approle/login"); n != 1 {
			t.Errorf("%d logins", n)
		}
		cfg := *w.cfg
		cfg.AutoAuth = nil
		o := w.options()
		o.Config = &cfg
		if _, _, err := NewPreview(w.t.Context(), o); !errors.Is(err, ErrNoLogin) {
			t.Errorf("no auto_auth: %v", err)
		}
	})
}

// A token_file's token belongs to somebody else.
func TestPreviewLeavesTheTokenOfAFile(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		w.write("root", w.vault.RootToken())
		w.cfg.AutoAuth.Method = config.Method{Type: "token_file", TokenFile: &config.TokenFile{TokenFilePath: w.path("root")}}
		w.template("x", `{{ with secret "auth/token/lookup-self" }}{{ .Data.display_name }}{{ end }}`)
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
		defer cancel()
		p, _, err := NewPreview(ctx, w.options())
		if err != nil || string(p.Files[0].Content) != "root" || w.asked("revoke") != 0 {
			t.Errorf("%v, %d revocations", err, w.asked("revoke"))
		}
	})
}

func TestVisit(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		w.template("x", "{{ .broken")
		var may map[string][]string
		left, diags, err := Visit(w.t.Context(), w.options(), func(s *vault.Session) (err error) {
			may, err = s.Capabilities(w.t.Context(), []string{"kv1/app/x", "kv/data/app/x", "sys/seal"})
			return err
		})
		if left != nil || diags.HasErrors() || err != nil {
			t.Fatal(left, diags, err)
		}
		if strings.Join(may["kv1/app/x"], " ") != "read" || strings.Join(may["kv/data/app/x"], " ") != "create read update" || strings.Join(may["sys/seal"], " ") != "deny" {
			t.Errorf("%v", may)
		}
		if n := w.asked("revoke-self"); n != 1 {
			t.Errorf("%d revocations", n)
		}
	})
}

type oneSecret struct{}

func (oneSecret) Secret(r vault.Request) (*vault.Secret, bool, error) {
	return &vault.Secret{Data: vault.NewData(map[string]any{"k": "canary-k"})}, r.Path == "there", nil
}

// A Sheet finds all that is missing: what the execution asked for, wherever
// that is computed, and what it did not come to.
func TestSheetLacks(t *testing.T) {
	cfg := &config.Config{Templates: []config.Template{{
		Name: "x", Destination: "/no/such/directory/x", SandboxPath: "/no/such/sandbox",
		Contents:      "{{ with secret \"there\" }}{{ .Data.k }}{{ end }}\n{{ $p := print \"a/\" \"b\" }}\n{{ with secret $p }}\n{{ with secret \"inner\" }}{{ end }}{{ end }}",
		ContentsRange: hcl.Range{Filename: "x.hcl", Start: hcl.Pos{Line: 10, Column: 1}},
	}}}
	sheets, diags := Sheets(cfg, Surroundings{View: oneSecret{}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	r, lacks, err := sheets[0].Execute()
	if err != nil || r.Content != nil || len(lacks) != 2 || lacks[0].Request.Path != "a/b" || lacks[1].Request.Path != "inner" || !strings.HasPrefix(lacks[0].Place, "x.hcl:12") {
		t.Errorf("%v, %v, %v", r, lacks, err)
	}
	cfg.Templates[0].Contents = "{{ with secret \"a\" }}\n{{ with secret \"b\" }}{{ end }}{{ end }}{{ if false }}{{ secret \"c\" }}{{ end }}"
	sheets, _ = Sheets(cfg, Surroundings{View: oneSecret{}})
	_, lacks, err = sheets[0].Execute()
	if err != nil || len(lacks) != 2 || lacks[1].Request.Path != "b" || !strings.HasPrefix(lacks[1].Place, "x.hcl:11") {
		t.Errorf("%v, %v", lacks, err)
	}
}

// A variable is a Sheet without a destination, behind those of files.
func TestSheetsOfVariables(t *testing.T) {
	cfg := &config.Config{
		EnvTemplates: []config.EnvTemplate{
			{Variable: "A", Contents: `{{ with secret "there" }}{{ .Data.k }}{{ end }}`},
			{Variable: "NUL", Contents: `a{{ base64Decode "AA==" }}b`},
			{Variable: "EMPTY", Contents: "{{/* */}}"},
		},
		Templates: []config.Template{{Name: "x", Destination: "/no/such/directory/x", Contents: "x"}},
		Strict:    true,
	}
	sheets, diags := Sheets(cfg, Surroundings{View: oneSecret{}})
	if diags.HasErrors() || len(sheets) != 4 || sheets[0].Variable != "" {
		t.Fatal(diags, len(sheets))
	}
	a := sheets[1]
	if a.Variable != "A" || a.Config.Name != "env A" || a.Config.Destination != "" {
		t.Errorf("%q, %q at %q", a.Variable, a.Config.Name, a.Config.Destination)
	}
	if c := a.Certain(); len(c) != 1 || c[0].Path != "there" {
		t.Errorf("asks for %v", c)
	}
	if r, lacks, err := a.Execute(); err != nil || len(lacks) != 0 || string(r.Content) != "canary-k" {
		t.Errorf("%v, %v", lacks, err)
	}
	if _, _, err := sheets[2].Execute(); !errors.Is(err, errNUL) {
		t.Errorf("a NUL byte: %v", err)
	}
	if r, _, err := sheets[3].Execute(); err != nil || len(r.Content) != 0 {
		t.Errorf("an empty value, strict: %v", err)
	}
}

// Side files are what the writes come to.
func TestCollect(t *testing.T) {
	out := collect([]tmpl.WriteFile{
		{Path: "/a", Content: []byte("1"), Perms: 0o600},
		{Path: "/b/../a", Content: []byte("2"), Append: true},
		{Path: "/c", Content: []byte("3")},
		{Path: "/c", Content: []byte("4")},
	})
	if len(out) != 2 || string(out[0].Content) != "12" || out[0].File.Perms != 0o600 || string(out[1].Content) != "4" {
		t.Errorf("%+v", out)
	}
}

// names are the files in a directory with their sizes.
func names(t *testing.T, dir string) (all string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all += e.Name() + " "
	}
	return all
}
