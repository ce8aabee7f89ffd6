package dropin

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"vault-renderer/testbed/vaultserver"
)

// world is what all cases share: one Vault, the two programs, and keys.
type world struct {
	dir      string // on tmpfs where there is one
	server   *vaultserver.Server
	root     *api.Client
	vault    string // Vault's binary
	renderer string // ours
	uid, gid int    // somebody else, when we are root
	names    map[string]string

	jwtKey *ecdsa.PrivateKey
	dhKey  *ecdh.PrivateKey
}

// newWorld starts Vault and prepares it, and builds vault-renderer.
func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := os.MkdirTemp(tmpfsDir(), "vault-renderer-dropin-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	// Files of other owners are read by nobody but us.
	w := &world{dir: dir, renderer: filepath.Join(dir, "vault-renderer")}
	built := make(chan error, 1)
	go func() {
		out, err := exec.Command("go", "build", "-o", w.renderer, "vault-renderer/renderer").CombinedOutput()
		if err != nil {
			err = fmt.Errorf("build vault-renderer: %w\n%s", err, out)
		}
		built <- err
	}()
	if err := w.startVault(t); err != nil {
		t.Fatal(err)
	}
	if err := w.prepare(t); err != nil {
		t.Fatal(err)
	}
	if err := <-built; err != nil {
		t.Fatal(err)
	}
	return w
}

// tmpfsDir is where secrets may lie.
func tmpfsDir() string {
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		return "/dev/shm"
	}
	return ""
}

func (w *world) startVault(t *testing.T) error {
	t.Helper()
	var err error
	w.vault, err = vaultserver.Binary(t.Context(), vaultserver.BinaryOptions{Progress: os.Stderr})
	if err != nil {
		return err
	}
	out, err := exec.Command(w.vault, "version").Output()
	if err != nil || !strings.HasPrefix(string(out), "Vault v1.21.") {
		return fmt.Errorf("%s is not Vault 1.21, which vault-renderer is compared with (%q, %v); name one in $VAULT_BIN", w.vault, out, err)
	}
	if err := w.newKeys(); err != nil {
		return err
	}
	keys := filepath.Join(w.dir, "pki")
	if err := newPKI(keys); err != nil {
		return err
	}
	w.server, err = vaultserver.Start(t.Context(), vaultserver.Options{
		Binary: w.vault, Dir: filepath.Join(w.dir, "vault"),
		TLSCert: filepath.Join(keys, "server.pem"), TLSKey: filepath.Join(keys, "server.key"),
	})
	if err != nil {
		return err
	}
	t.Cleanup(func() {
		if err := w.server.Stop(); err != nil {
			t.Error(err)
		}
	})
	w.root = w.server.Client()
	ca, err := os.ReadFile(filepath.Join(keys, "ca.pem"))
	if err != nil {
		return err
	}
	w.setNames(string(ca))
	return nil
}

func (w *world) setNames(ca string) {
	w.uid, w.gid = os.Getuid(), os.Getgid()
	user, group := strconv.Itoa(w.uid), strconv.Itoa(w.gid)
	if w.uid == 0 {
		w.uid, w.gid = 1, 2 // daemon and bin on every Debian
		user, group = "daemon", "bin"
	}
	w.names = map[string]string{
		"VAULT_ADDR": w.server.Addr(),
		"VAULT_HOST": strings.TrimPrefix(w.server.Addr(), "http://"),
		"VAULT_TLS":  w.server.TLSAddr(),
		"DEAD_ADDR":  "http://127.0.0.1:1",
		"PKI":        filepath.Join(w.dir, "pki"),
		"CA_PEM":     ca,
		"UID":        strconv.Itoa(w.uid),
		"GID":        strconv.Itoa(w.gid),
		"USER_NAME":  user,
		"GROUP_NAME": group,
		"PUBLIC_KEY": base64.StdEncoding.EncodeToString(w.dhKey.PublicKey().Bytes()),
		"RENDERER":   w.renderer,
		"VAULT_BIN":  w.vault,
	}
}

// tokenReview answers as Kubernetes does for the service account "app".
func tokenReview(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var in struct {
			Spec struct {
				Token string `json:"token"`
			} `json:"spec"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(rw, err.Error(), http.StatusBadRequest)
			return
		}
		rw.Header().Set("Content-Type", "application/json")
		rw.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(rw).Encode(map[string]any{
			"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
			"status": map[string]any{
				"authenticated": true,
				"user":          map[string]any{"username": "system:serviceaccount:default:app", "uid": "0f3a"},
			},
		})
	}))
	t.Cleanup(s.Close)
	return s.URL
}

const policy = `
path "secret/*" { capabilities = ["create", "read", "update", "delete", "list"] }
path "kv1/*"    { capabilities = ["create", "read", "update", "delete", "list"] }
path "transit/random" { capabilities = ["create", "update"] }
path "transit/encrypt/key" { capabilities = ["create", "update"] }
path "transit/decrypt/key" { capabilities = ["create", "update"] }
path "pki/issue/web" { capabilities = ["create", "update"] }
path "secret/data/denied" { capabilities = ["deny"] }
path "nowhere/*" { capabilities = ["list"] }
path "ssh/creds/otp" { capabilities = ["create", "update"] }
`

// prepare mounts and writes what the cases use.
func (w *world) prepare(t *testing.T) error {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	steps := []func(context.Context) error{w.prepareSecrets, w.prepareAppRole, w.prepareJWT, w.prepareCert, w.prepareLDAP}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return w.prepareKubernetes(ctx, tokenReview(t))
}

func (w *world) prepareSecrets(ctx context.Context) error {
	mounts := map[string]*api.MountInput{
		"secret":  {Type: "kv", Options: map[string]string{"version": "2"}},
		"kv1":     {Type: "kv", Options: map[string]string{"version": "1"}},
		"transit": {Type: "transit"},
		"ssh":     {Type: "ssh"},
		"pki":     {Type: "pki", Config: api.MountConfigInput{MaxLeaseTTL: "8760h"}},
	}
	for path, m := range mounts {
		if err := w.root.Sys().MountWithContext(ctx, path, m); err != nil {
			return fmt.Errorf("mount %s: %w", path, err)
		}
	}
	if err := w.root.Sys().PutPolicyWithContext(ctx, "app", policy); err != nil {
		return err
	}
	data := map[string]any{"username": "canary-user", "password": "canary-p&ss<word>\"'", "port": json.Number("3306"), "tags": []string{"a", "b"}, "multi": "line 1\nline 2\n"}
	return w.writeAll(ctx, [][2]any{
		{"secret/data/app", map[string]any{"data": data}},
		{"secret/data/versions", map[string]any{"data": map[string]any{"v": "canary-one"}}},
		{"secret/data/versions", map[string]any{"data": map[string]any{"v": "canary-two"}}},
		{"secret/data/with space", map[string]any{"data": map[string]any{"v": "canary-space"}}},
		{"secret/data/dir/one", map[string]any{"data": map[string]any{"v": "canary-1"}}},
		{"secret/data/dir/two", map[string]any{"data": map[string]any{"v": "canary-2"}}},
		{"secret/data/denied", map[string]any{"data": map[string]any{"v": "canary-no"}}},
		{"secret/data/odd", map[string]any{"data": map[string]any{"zero": 0, "nil": nil, "empty": "", "big": json.Number("12345678901234567890"), "float": json.Number("1.0"), "dash-key": "canary-dash", "nested": map[string]any{"a": map[string]any{"b": "canary-deep"}}}}},
		{"kv1/app", data},
		{"kv1/odd", map[string]any{"big": json.Number("12345678901234567890"), "float": json.Number("1.0"), "zero": 0}},
		{"pki/" + "root/generate/internal", map[string]any{"common_name": "canary authority", "ttl": "8760h"}},
		{"pki/roles/web", map[string]any{"allowed_domains": "example.com", "allow_subdomains": true, "max_ttl": "24h"}},
		{"transit/keys/key", map[string]any{}},
		{"ssh/roles/otp", map[string]any{"key_type": "otp", "default_user": "canary", "cidr_list": "127.0.0.0/8"}},
	})
}

// writeAll waits at the first write: a new KV v2 mount upgrades itself first.
func (w *world) writeAll(ctx context.Context, all [][2]any) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for _, x := range all {
		path := x[0].(string)
		for {
			_, err := w.root.Logical().WriteWithContext(ctx, path, x[1].(map[string]any))
			if err == nil {
				break
			}
			if !strings.Contains(err.Error(), "Upgrading") {
				return fmt.Errorf("write %s: %w", path, err)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return err
			}
		}
	}
	return nil
}

func (w *world) enableAuth(ctx context.Context, path, kind string) error {
	err := w.root.Sys().EnableAuthWithOptionsWithContext(ctx, path, &api.EnableAuthOptions{Type: kind})
	if err != nil {
		return fmt.Errorf("enable %s: %w", path, err)
	}
	return nil
}

func (w *world) prepareAppRole(ctx context.Context) error {
	for _, path := range []string{"approle", "team/approle"} {
		if err := w.enableAuth(ctx, path, "approle"); err != nil {
			return err
		}
	}
	loopback := []string{"127.0.0.0/8"}
	return w.writeAll(ctx, [][2]any{
		{"auth/approle/role/app", map[string]any{"token_policies": "app", "token_ttl": "20m"}},
		{"auth/approle/role/short", map[string]any{"token_policies": "app", "token_ttl": "4s", "token_max_ttl": "6s"}},
		{"auth/approle/role/roleonly", map[string]any{"token_policies": "app", "bind_secret_id": false, "token_bound_cidrs": loopback, "token_ttl": "20m"}},
		{"auth/team/approle/role/roleonly", map[string]any{"token_policies": "app", "bind_secret_id": false, "token_bound_cidrs": loopback, "token_ttl": "21m"}},
		{"auth/approle/role/roleonly/role-id", map[string]any{"role_id": "canary-role-only"}},
		{"auth/team/approle/role/roleonly/role-id", map[string]any{"role_id": "canary-role-team"}},
	})
}

func (w *world) roleID(role string) (string, error) {
	s, err := w.root.Logical().Read("auth/approle/role/" + role + "/role-id")
	if err != nil || s == nil {
		return "", fmt.Errorf("role %s: %w", role, err)
	}
	return s.Data["role_id"].(string), nil
}

// secretID makes one; with a wrapTTL it is the wrapping token.
func (w *world) secretID(role, wrapTTL string) (string, error) {
	c := w.server.Client()
	if wrapTTL != "" {
		c.SetWrappingLookupFunc(func(string, string) string { return wrapTTL })
	}
	s, err := c.Logical().Write("auth/approle/role/"+role+"/secret-id", nil)
	if err != nil {
		return "", err
	}
	if wrapTTL != "" {
		return s.WrapInfo.Token, nil
	}
	return s.Data["secret_id"].(string), nil
}

// wrappedThing is a wrapping token of something that is no SecretID.
func (w *world) wrappedThing() (string, error) {
	c := w.server.Client()
	c.SetWrappingLookupFunc(func(string, string) string { return "5m" })
	s, err := c.Logical().Write("sys/wrapping/wrap", map[string]any{"secret_id": "canary-false"})
	if err != nil {
		return "", err
	}
	return s.WrapInfo.Token, nil
}

// token makes a token: policy, and its TTL if it is not 20 minutes.
func (w *world) token(words []string) (string, error) {
	req := &api.TokenCreateRequest{Policies: []string{words[0]}, TTL: "20m"}
	if len(words) > 1 {
		req.TTL = words[1]
	}
	if words[0] == "root" {
		req.TTL = ""
	}
	s, err := w.root.Auth().Token().Create(req)
	if err != nil {
		return "", err
	}
	return s.Auth.ClientToken, nil
}

// put writes a KV v2 secret: path "secret/name", words KEY=VALUE.
func (w *world) put(path string, words []string) error {
	mount, name, _ := strings.Cut(path, "/")
	data, err := pairs(words)
	if err != nil {
		return err
	}
	_, err = w.root.Logical().Write(mount+"/data/"+name, map[string]any{"data": data})
	return err
}

// put1 is the same for KV v1.
func (w *world) put1(path string, words []string) error {
	data, err := pairs(words)
	if err != nil {
		return err
	}
	_, err = w.root.Logical().Write(path, data)
	return err
}

func pairs(words []string) (map[string]any, error) {
	data := map[string]any{}
	for _, word := range words {
		k, v, ok := strings.Cut(word, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not KEY=VALUE", word)
		}
		data[k] = v
	}
	return data, nil
}
