package dropin

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// recorder is a way to Vault on which it is seen with what headers programs
// log in and read. Namespaces are taken out: this Vault has none.
type recorder struct {
	server *httptest.Server

	mu   sync.Mutex
	seen []string
}

// record starts a recorder; close ends it.
func (w *world) record() (r *recorder, addr string) {
	target, err := url.Parse(w.server.Addr())
	if err != nil {
		panic("dropin: the address of our own Vault: " + err.Error())
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	r = &recorder{}
	r.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		r.note(req)
		req.Header.Del("X-Vault-Namespace")
		proxy.ServeHTTP(rw, req)
	}))
	return r, r.server.URL
}

func (r *recorder) note(req *http.Request) {
	kind := ""
	switch {
	case strings.HasSuffix(req.URL.Path, "/login"):
		kind = "login"
	case strings.HasPrefix(req.URL.Path, "/v1/secret/"):
		kind = "read"
	default:
		return
	}
	line := kind + " " + req.Method
	for _, h := range []string{"X-Vault-Namespace", "X-Vault-Wrap-Ttl", "X-Vault-Policy-Override", "X-Vault-Mfa", "X-Test"} {
		if v := req.Header.Values(h); len(v) > 0 {
			line += fmt.Sprintf("\n  %s: %s", h, strings.TrimSuffix(strings.Join(v, " and "), "/"))
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.seen, line) {
		r.seen = append(r.seen, line)
	}
}

// close ends the recorder and tells what it saw.
func (r *recorder) close() string {
	r.server.CloseClientConnections()
	r.server.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.Sort(r.seen)
	return strings.Join(r.seen, "\n")
}
