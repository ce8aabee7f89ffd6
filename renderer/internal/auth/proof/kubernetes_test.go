package proof

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"vault-renderer/renderer/internal/auth/method"
	"vault-renderer/renderer/internal/vault"
)

// cluster is the part of a Kubernetes API that Vault asks: TokenReview.
type cluster struct {
	reviewer string // the bearer token that may ask

	mu      sync.Mutex
	known   string // the token that the cluster made
	reviews int
}

const reviewPath = "/apis/authentication.k8s.io/v1/tokenreviews"

// ServeHTTP implements http.Handler.
func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != reviewPath {
		http.NotFound(w, r)
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+c.reviewer {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var review struct {
		Spec struct {
			Token     string   `json:"token"`
			Audiences []string `json:"audiences"`
		} `json:"spec"`
	}
	if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	c.reviews++
	good := review.Spec.Token == c.known && slices.Equal(review.Spec.Audiences, []string{"vault"})
	c.mu.Unlock()
	status := map[string]any{"authenticated": false, "error": "token is not known"}
	if good {
		status = map[string]any{
			"authenticated": true, "audiences": []string{"vault"},
			"user": map[string]any{
				"username": "system:serviceaccount:shop:web", "uid": "uid-1",
				"groups": []string{"system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"},
			},
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status,
	})
}

// projected are the claims of a pod's token.
func projected(account, uid, audience string) map[string]any {
	return map[string]any{
		"iss": "https://kubernetes.default.svc", "aud": []string{audience}, "sub": "system:serviceaccount:shop:" + account,
		"kubernetes.io": map[string]any{
			"namespace": "shop", "serviceaccount": map[string]any{"name": account, "uid": uid}, "pod": map[string]any{"name": "p", "uid": "u"},
		},
	}
}

func startCluster(t *testing.T) (c *cluster, host, caCert string) {
	t.Helper()
	ca := authority(t)
	cert, key := issue(t, ca, "kubernetes")
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	c = &cluster{}
	srv := httptest.NewUnstartedServer(c)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return c, srv.URL, ca.Cert
}

func (s *suite) kubernetes(t *testing.T) {
	c, host, caCert := startCluster(t)
	keys := newSigner(t)
	c.reviewer = keys.jwt(t, projected("vault", "uid-0", "https://kubernetes.default.svc"))
	s.mount(t, "kubernetes")
	s.put(t, "auth/kubernetes/config", map[string]any{
		"kubernetes_host": host, "kubernetes_ca_cert": caCert, "disable_local_ca_jwt": true, "token_reviewer_jwt": c.reviewer,
	})
	for role, account := range map[string]string{"web": "web", "db": "db"} {
		s.put(t, "auth/kubernetes/role/"+role, map[string]any{
			"bound_service_account_names": account, "bound_service_account_namespaces": "shop", "audience": "vault",
			"token_policies": "proof", "token_ttl": "1h",
		})
	}
	c.known = keys.jwt(t, projected("web", "uid-1", "vault"))
	dir := t.TempDir()
	log, _ := logger(t)
	m := &method.Kubernetes{
		Client: s.client(t, vault.Options{}), MountPath: "auth/kubernetes", Role: "web",
		TokenPath: write(t, dir, "token", c.known+"\n"), Log: log,
	}
	s.works(t, m)
	wantFile(t, m.TokenPath, true)

	// The kubelet puts another one there.
	c.mu.Lock()
	c.known = keys.jwt(t, projected("web", "uid-1", "vault"))
	write(t, dir, "token", c.known)
	c.mu.Unlock()
	s.works(t, m)
	c.mu.Lock()
	if c.reviews != 2 {
		t.Errorf("%d reviews", c.reviews)
	}
	c.mu.Unlock()

	m.Role = "db"
	s.refused(t, m, "auth/kubernetes/login", "service account name not authorized")
	m.Role = "web"
	write(t, dir, "token", keys.jwt(t, projected("web", "uid-1", "other")))
	s.refused(t, m, "auth/kubernetes/login", "audience")
	write(t, dir, "token", newSigner(t).jwt(t, projected("web", "uid-1", "vault")))
	s.refused(t, m, "auth/kubernetes/login", `role "web"`, "Vault's own log has the reason")
	write(t, dir, "token", "canary-wrong")
	s.refused(t, m, "auth/kubernetes/login")
}
