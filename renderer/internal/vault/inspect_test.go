package vault

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
)

func TestCapabilities(t *testing.T) {
	asked := 0
	s := session(t, answer(func(r *http.Request) (int, string) {
		var body struct{ Paths []string }
		raw, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(raw, &body); err != nil || r.URL.Path != "/v1/sys/capabilities-self" {
			t.Errorf("%s %s", r.URL, raw)
		}
		asked++
		data := map[string]any{"capabilities": []string{"sudo"}}
		for i, p := range body.Paths {
			data[p] = []string{"read", fmt.Sprint(i)}
		}
		out, _ := json.Marshal(map[string]any{"data": data})
		return 200, string(out)
	}), Options{})
	var paths []string
	for i := range 150 {
		paths = append(paths, fmt.Sprintf("kv/%d", i))
	}
	may, err := s.Capabilities(t.Context(), paths)
	if err != nil || asked != 2 || len(may) != 150 || fmt.Sprint(may["kv/0"], may["kv/149"]) != "[read 0] [read 49]" {
		t.Errorf("%v, asked %d times, %v", err, asked, may)
	}
}

func TestMountOf(t *testing.T) {
	s := session(t, answer(func(r *http.Request) (int, string) {
		switch r.URL.Path {
		case "/v1/sys/internal/ui/mounts/team/kv/app":
			return 200, `{"data": {"path": "team/kv/", "type": "kv", "options": {"version": "2"}}}`
		case "/v1/sys/internal/ui/mounts/db/creds/app":
			return 200, `{"data": {"path": "db/", "type": "database", "options": null}}`
		}
		return 403, errorsBody("preflight capability check returned 403")
	}), Options{})
	for path, want := range map[string]Mount{
		"team/kv/app":  {Path: "team/kv/", Type: "kv", V2: true},
		"db/creds/app": {Path: "db/", Type: "database"},
		"secret/app":   {},
	} {
		if m, err := s.MountOf(t.Context(), path); err != nil || m != want {
			t.Errorf("%s: %+v, %v", path, m, err)
		}
	}
	m := Mount{Path: "team/kv/", V2: true}
	if m.Data("team/kv/app") != "team/kv/data/app" || m.List("team/kv/app") != "team/kv/metadata/app" || (Mount{}).Data("a/b") != "a/b" {
		t.Errorf("%s %s", m.Data("team/kv/app"), m.List("team/kv/app"))
	}
}

func TestRevokeSelf(t *testing.T) {
	s := session(t, answer(func(r *http.Request) (int, string) {
		if r.URL.Path != "/v1/auth/token/revoke-self" || r.Header.Get("X-Vault-Token") != "canary-token" {
			return 400, errorsBody("no")
		}
		return 204, ""
	}), Options{})
	if err := s.RevokeSelf(t.Context()); err != nil {
		t.Error(err)
	}
}
