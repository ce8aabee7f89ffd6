package tmpl

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// Every snippet below testdata/oracle gives what consul-template gave, which
// is recorded there, but for those of differences.txt. That the records are
// right is checked in the package oracletest.
func TestOracle(t *testing.T) {
	dir, err := filepath.Abs(filepath.Join("testdata", "oracle"))
	if err != nil {
		t.Fatal(err)
	}
	w := loadWorld(t, filepath.Join(dir, "world.json"))
	differs := loadDifferences(t, filepath.Join(dir, "differences.txt"))
	t.Chdir(t.TempDir())
	w.set(t)
	names, err := filepath.Glob(filepath.Join(dir, "*.snip"))
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, name := range names {
		for _, s := range loadSnippets(t, name) {
			count++
			id := filepath.Base(name) + "/" + s.name
			got := w.render(t, s)
			_, listed := differs[id]
			delete(differs, id)
			switch same := got.equal(s.want); {
			case same && listed:
				t.Errorf("%s: is on the list of differences, but there is none", id)
			case !same && !listed:
				t.Errorf("%s: %s\ngot  %s\nwant %s", id, s.text, got, s.want)
			}
		}
	}
	for id := range differs {
		t.Errorf("differences.txt: there is no %s", id)
	}
	if count < 300 {
		t.Errorf("only %d snippets", count)
	}
}

// Each function has its cases.
func TestOracleKnowsEveryFunction(t *testing.T) {
	cases := map[string]int{}
	names, err := filepath.Glob(filepath.Join("testdata", "oracle", "*.snip"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		for _, s := range loadSnippets(t, name) {
			used := map[string]bool{}
			if trees, err := trees(Spec{Text: s.text, Left: s.opts["left"], Right: s.opts["right"]}); err == nil {
				for _, tree := range trees {
					for _, id := range idents(tree.Root) {
						used[id.name] = true
					}
				}
			}
			for n := range used {
				cases[n]++
			}
		}
	}
	for _, n := range allNames() {
		own := slices.ContainsFunc(quoting[:], func(q quoter) bool { return q.name == n })
		if !own && cases[n] < 3 && !slices.Contains([]string{"call", "ge", "gt", "html", "js", "le", "lt", "ne", "urlquery"}, n) {
			t.Errorf("%s: %d cases", n, cases[n])
		}
	}
	for _, n := range sprigNames() {
		if cases[sprigPrefix+n] == 0 {
			t.Errorf("sprig_%s: no case", n)
		}
	}
}

type oracleAnswer struct {
	output  string
	err     error
	missing bool
	files   []string
}

func (a oracleAnswer) equal(b oracleAnswer) bool {
	return a.output == b.output && (a.err == nil) == (b.err == nil) && a.missing == b.missing && slices.Equal(a.files, b.files)
}

func (a oracleAnswer) String() string {
	return fmt.Sprintf("%q error %v missing %v files %q", a.output, a.err, a.missing, a.files)
}

// snippet is one case; testbed/oracle tells how they are written.
type snippet struct {
	name string
	opts map[string]string
	text string
	want oracleAnswer
}

func loadSnippets(t *testing.T, name string) (out []snippet) {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut("\n"+strings.TrimSuffix(string(raw), "\n"), "\n=== ")
	for part := range strings.SplitSeq(rest, "\n=== ") {
		sections := strings.Split(part, "\n--- ")
		title, text, _ := strings.Cut(sections[0], "\n")
		words := strings.Fields(title)
		s := snippet{name: words[0], text: text, opts: map[string]string{}}
		for _, w := range words[1:] {
			k, v, _ := strings.Cut(w, "=")
			s.opts[k] = v
		}
		for _, sec := range sections[1:] {
			kind, body, _ := strings.Cut(sec, "\n")
			switch file, is := strings.CutPrefix(kind, "file "); {
			case is:
				s.want.files = append(s.want.files, file+"\n"+body)
			case kind == "want":
				s.want.output = body
			case kind == "error":
				s.want.err = errors.New("some error")
			case kind == "missing":
				s.want.missing = true
			default:
				t.Fatalf("%s: %s: a section %q", name, s.name, kind)
			}
		}
		out = append(out, s)
	}
	return out
}

func loadDifferences(t *testing.T, name string) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		id, reason, found := strings.Cut(strings.TrimSpace(line), ": ")
		if !found || len(reason) < 10 {
			t.Errorf("%s: no reason: %s", name, line)
		}
		out[id] = reason
	}
	return out
}

// world is what all snippets find.
type world struct {
	Env    map[string]string
	Files  map[string]string
	Links  map[string]string
	Reads  map[string]*worldSecret
	Writes []struct {
		Path   string
		Data   map[string]string
		Secret *worldSecret
	}
	Lists map[string][]string
	PKI   []struct {
		Path          string
		Data          map[string]string
		Cert, Key, CA string
		CAChain       []string `json:"ca_chain"`
	}
}

type worldSecret struct {
	RequestID     string `json:"request_id"`
	LeaseID       string `json:"lease_id"`
	LeaseDuration int    `json:"lease_duration"`
	Renewable     bool
	Data          map[string]any
	Warnings      []string
	Auth          *struct {
		ClientToken   string `json:"client_token"`
		Accessor      string
		Policies      []string
		Metadata      map[string]string
		LeaseDuration int `json:"lease_duration"`
		Renewable     bool
	}
	WrapInfo *struct {
		Token, Accessor string
		TTL             int
		CreationTime    string `json:"creation_time"`
		WrappedAccessor string `json:"wrapped_accessor"`
	} `json:"wrap_info"`
}

func loadWorld(t *testing.T, name string) *world {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(w); err != nil {
		t.Fatal(err)
	}
	return w
}

// set puts the files into the working directory.
func (w *world) set(t *testing.T) {
	t.Helper()
	for name, content := range w.Files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range w.Links {
		if err := os.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
}

// Secret implements View.
func (w *world) Secret(r vault.Request) (*vault.Secret, bool, error) {
	switch r.Method {
	case vault.MethodRead:
		s, ok := w.Reads[r.Path]
		return s.secret(), ok, nil
	case vault.MethodList:
		keys, ok := w.Lists[r.Path]
		return &vault.Secret{Keys: keys}, ok, nil
	case vault.MethodFile:
		raw, err := os.ReadFile(r.Path)
		return &vault.Secret{Data: vault.NewData(map[string]any{"content": string(raw)})}, err == nil, nil
	case vault.MethodPKI:
		for _, p := range w.PKI {
			data := map[string]string{vault.DestinationParam: "out.pem"}
			for k, v := range p.Data {
				data[k] = v
			}
			if r.Path == p.Path && r.Params == paramsOf(data) {
				return &vault.Secret{Data: vault.NewData(map[string]any{"cert": p.Cert, "key": p.Key, "ca": p.CA, "ca_chain": p.CAChain})}, true, nil
			}
		}
	case vault.MethodWrite:
		for _, x := range w.Writes {
			if r.Path == x.Path && r.Params == paramsOf(x.Data) {
				return x.Secret.secret(), true, nil
			}
		}
	}
	return nil, false, nil
}

func paramsOf(m map[string]string) string {
	out, err := json.Marshal(m)
	if err != nil {
		return err.Error()
	}
	return string(out)
}

func (s *worldSecret) secret() *vault.Secret {
	if s == nil {
		return &vault.Secret{}
	}
	out := &vault.Secret{
		RequestID: s.RequestID, Data: vault.NewData(s.Data), Warnings: s.Warnings,
		Lease: lease.Lease{ID: s.LeaseID, TTL: time.Duration(s.LeaseDuration) * time.Second, Renewable: s.Renewable},
	}
	if a := s.Auth; a != nil {
		out.Auth = &vault.Auth{
			ClientToken: vault.NewToken(a.ClientToken), Accessor: a.Accessor, Policies: a.Policies, Metadata: a.Metadata,
			TTL: lease.Lease{TTL: time.Duration(a.LeaseDuration) * time.Second, Renewable: a.Renewable},
		}
	}
	if i := s.WrapInfo; i != nil {
		out.WrapInfo = &vault.WrapInfo{Token: vault.NewToken(i.Token), TTL: i.TTL, CreationTime: i.CreationTime, WrappedAccessor: i.WrappedAccessor}
	}
	return out
}

func (w *world) env(name string) (string, bool) {
	if v, ok := w.Env[name]; ok {
		return v, true
	}
	return os.LookupEnv(name)
}

func (w *world) spec(s snippet) Spec {
	spec := Spec{
		Name: s.name, Text: s.text, Left: s.opts["left"], Right: s.opts["right"], Sandbox: s.opts["sandbox"],
		Destination: "out.pem", Env: w.env, Plugin: runPlugin,
	}
	_, spec.ErrorOnMissingKey = s.opts["strict"]
	if d := s.opts["deny"]; d != "" {
		spec.Denylist = strings.Split(d, ",")
	}
	return spec
}

func (w *world) render(t *testing.T, s snippet) oracleAnswer {
	t.Helper()
	tm, err := Parse(w.spec(s))
	if err != nil {
		return oracleAnswer{err: err}
	}
	res, err := tm.Execute(w)
	if err != nil {
		if strings.Contains(err.Error(), "canary-") {
			t.Errorf("%s: a secret in an error: %v", s.name, err)
		}
		return oracleAnswer{err: err}
	}
	if len(res.Missing) > 0 {
		return oracleAnswer{missing: true}
	}
	return oracleAnswer{output: string(res.Content), files: written(t, res.Writes)}
}

func runPlugin(name string, args []string) (string, error) {
	out, err := exec.Command(name, args...).Output()
	return string(out), err
}

// written does what a Result asks for, and takes it away again.
func written(t *testing.T, writes []WriteFile) (out []string) {
	t.Helper()
	for _, w := range writes {
		flags := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
		if w.Append {
			flags = os.O_WRONLY | os.O_CREATE | os.O_APPEND
		} else if err := os.MkdirAll(filepath.Dir(w.Path), 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(w.Path, flags, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Write(w.Content)
		if err := errors.Join(err, f.Chmod(w.Perms), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir("out", func(name string, d fs.DirEntry, err error) error {
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
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	slices.Sort(out)
	if err := os.RemoveAll("out"); err != nil {
		t.Fatal(err)
	}
	return out
}
