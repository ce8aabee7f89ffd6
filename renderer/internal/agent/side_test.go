package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// writeToFile's files come with the template's own, with their permissions, and
// stay inside the sandbox.
func TestWriteToFile(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		w.put("kv/data/app/x", map[string]any{"data": map[string]any{"v": "canary-side"}})
		main := w.template("main", fmt.Sprintf(`{{ with secret "kv/app/x" }}main {{ .Data.data.v }}
{{- .Data.data.v | writeToFile %q "" "" "0640" -}}
{{- "more" | writeToFile %q "" "" "0640" "append,newline" -}}
{{ end }}`, w.path("in/side"), w.path("in/side")))
		main.SandboxPath = w.path("in")
		outside := w.template("outside", fmt.Sprintf(`{{ "x" | writeToFile %q "" "" "0600" }}`, w.path("in/../stolen")))
		outside.SandboxPath = w.path("in")
		if err := os.Mkdir(w.path("in"), 0o700); err != nil {
			t.Fatal(err)
		}
		w.start()
		synctest.Wait()
		if got := w.file("in/side"); got != "canary-sidemore\n" || w.file("main") != "main canary-side" {
			t.Errorf("side %q, main %q", got, w.file("main"))
		}
		if st, err := os.Stat(w.path("in/side")); err != nil || st.Mode().Perm() != 0o640 {
			t.Errorf("%v, %v", st, err)
		}
		if w.file("stolen")+w.file("outside") != "" || w.logged("outside of sandbox_path") == 0 {
			t.Error("the sandbox has a hole")
		}
	})
}

// A template that reads a file is rendered again when the file changes; a
// symbolic link out of the sandbox is not followed.
func TestFileFunction(t *testing.T) {
	bubble(t, setup{}, func(w *world) {
		w.write("motd", "one")
		w.template("out", fmt.Sprintf(`{{ file %q }}`, w.path("motd")))
		w.start()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		w.write("motd", "second")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if w.file("out") != "second" {
			t.Errorf("%q\n%s", w.file("out"), w.log.String())
		}
	})
}

// A certificate survives a restart without a word to Vault, and is replaced in
// time while its template's file always holds one that is good.
func TestCertificate(t *testing.T) {
	dir := t.TempDir()
	bubble(t, setup{}, func(w *world) {
		issuer(w)
		contents := `{{ with pkiCert "pki/issue/web" "common_name=web.example.com" "ttl=1h" }}{{ .Cert }}{{ .CA }}{{ .Key }}{{ end }}`
		c := w.template("cert", contents)
		c.Destination = filepath.Join(dir, "cert.pem")
		w.start()
		synctest.Wait()
		first := read(t, c.Destination)
		if strings.Count(first, "-----BEGIN CERTIFICATE-----") != 2 || !strings.Contains(first, "PRIVATE KEY") {
			t.Fatalf("%d bytes\n%s", len(first), w.log.String())
		}
		w.stop()
		w.vault.ResetRequests()
		w.start()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := w.asked("pki/issue"); n != 0 || read(t, c.Destination) != first {
			t.Errorf("%d certificates after a restart", n)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := w.asked("pki/issue"); n != 1 || read(t, c.Destination) == first {
			t.Errorf("%d certificates after an hour\n%s", n, w.log.String())
		}
	})
}

func issuer(w *world) {
	w.put("sys/mounts/pki", map[string]any{"type": "pki"})
	w.put("pki/"+"root/generate/internal", map[string]any{"common_name": "canary authority", "ttl": "87600h"})
	w.put("pki/roles/web", map[string]any{"allowed_domains": "example.com", "allow_subdomains": true, "max_ttl": "24h"})
	w.put("sys/policies/acl/app", map[string]any{"policy": `path "pki/issue/web" { capabilities = ["create", "update"] }`})
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
