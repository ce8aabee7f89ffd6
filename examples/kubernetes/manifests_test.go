package kubernetes

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vault-renderer/testbed/pki"
)

// document is what testbed/manifests prints of each.
type document struct {
	File, Kind, Name string
	Data             map[string]string
}

// decode runs testbed/manifests, which has modules that nothing else here has.
func decode(t *testing.T, files ...string) (docs []document, problems string, err error) {
	t.Helper()
	for i := range files {
		if files[i], err = filepath.Abs(files[i]); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"run", "."}, files...)...)
	cmd.Dir = filepath.Join("..", "..", "testbed", "manifests")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	for dec := json.NewDecoder(&stdout); ; {
		var d document
		if derr := dec.Decode(&d); errors.Is(derr, io.EOF) {
			return docs, stderr.String(), err
		} else if derr != nil {
			t.Fatal(derr)
		}
		docs = append(docs, d)
	}
}

func manifests(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) < 4 {
		t.Fatalf("%q, %v", files, err)
	}
	return files
}

// TestManifests: known kinds and fields only, what is named is there, pods are
// hardened; and each configuration in them is one.
func TestManifests(t *testing.T) {
	docs, problems, err := decode(t, manifests(t)...)
	if err != nil {
		t.Fatalf("%v\n%s", err, problems)
	}
	var kinds []string
	program, configurations := renderer(t), 0
	for _, d := range docs {
		kinds = append(kinds, d.Kind)
		for name, text := range d.Data {
			if strings.HasSuffix(name, ".hcl") {
				configurations++
				validate(t, program, d.Name+"/"+name, text)
			}
		}
	}
	slices.Sort(kinds)
	want := "ClusterRoleBinding ConfigMap ConfigMap Deployment Job Namespace Service ServiceAccount"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("kinds %s, want %s", got, want)
	}
	if configurations != 2 {
		t.Errorf("%d configurations", configurations)
	}
}

// TestManifestsWithMistakes: each mistake is found, so that TestManifests says
// something.
func TestManifestsWithMistakes(t *testing.T) {
	raw, err := os.ReadFile("sidecar.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []struct{ name, old, new, want string }{
		{"unknown field", "startupProbe:", "startUpProbe:", `unknown field "spec.template.spec.initContainers[0].startUpProbe"`},
		{"unknown kind", "kind: Deployment", "kind: Deploymint", `no kind "Deploymint"`},
		{"a key twice", "  replicas: 2", "  replicas: 2\n  replicas: 3", `key "replicas" already set in map`},
		{"a volume on a disk", "emptyDir: {medium: Memory, sizeLimit: 8Mi}", "emptyDir: {}", "volume renderer is not in memory"},
		{"a ConfigMap that is not there", "configMap: {name: notes-renderer}", "configMap: {name: notes}", `there is no ConfigMap "notes"`},
		{"a root file system", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "root file system can be written to"},
		{"a token for everybody", ", audience: vault", "", "a token for everybody"},
		{"another type", "periodSeconds: 1\n", "periodSeconds: often\n", "periodSeconds"},
	} {
		broken := strings.Replace(string(raw), m.old, m.new, 1)
		if broken == string(raw) {
			t.Fatalf("%s: nothing to break", m.name)
		}
		file := filepath.Join(t.TempDir(), "broken.yaml")
		if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, problems, err := decode(t, file, "notes.yaml"); err == nil || !strings.Contains(problems, m.want) {
			t.Errorf("%s: %v, %s", m.name, err, problems)
		}
	}
}

// validate has vault-renderer read a configuration: no mistake, no warning. Its
// directories are moved below one of this test's, which is on a tmpfs as those
// in a pod are.
func validate(t *testing.T, program, name, text string) {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "manifests-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ca, err := pki.New("vault")
	if err != nil {
		t.Fatal(err)
	}
	text = strings.NewReplacer(`"/run/`, `"`+dir+`/`, "unix:///run/", "unix://"+dir+"/", "/etc/vault-ca/", dir+"/").Replace(text)
	file := filepath.Join(dir, "vault-renderer.hcl")
	for name, content := range map[string]string{file: text, filepath.Join(dir, "ca.crt"): ca.Cert} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), program, "validate", "-config="+file).CombinedOutput()
	if err != nil || strings.Contains(string(out), "Warning") {
		t.Errorf("%s: %v\n%s", name, err, out)
	}
}

// renderer builds the program.
func renderer(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vault-renderer")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "vault-renderer/renderer").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}
