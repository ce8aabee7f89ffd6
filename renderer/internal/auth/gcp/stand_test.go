package gcp_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vault-renderer/renderer/internal/auth/cloud/cloudtest"
	"vault-renderer/renderer/internal/auth/gcp"
)

// method gives one that logs in to a fake Vault, in an environment where
// Google is nowhere.
func method(t *testing.T, kind string) (*gcp.Method, *cloudtest.Vault) {
	t.Helper()
	cloudtest.Without(t, "GOOGLE_", "GCE_", "CLOUDSDK_")
	t.Setenv("HOME", t.TempDir())
	t.Setenv("GCE_METADATA_HOST", "127.0.0.1:1") // nobody listens
	v := &cloudtest.Vault{}
	log := &bytes.Buffer{}
	t.Cleanup(func() {
		if log.Len() != 0 {
			t.Errorf("log: %s", log)
		}
	})
	return &gcp.Method{
		Client: cloudtest.Client(t, "https://vault.test:8200/", v), MountPath: "auth/gcp", Type: kind, Role: "app",
		Log: slog.New(slog.NewTextHandler(log, nil)),
	}, v
}

// google is Google: it has a machine with an identity, makes access tokens for
// a service account's signature, and signs JWTs for whoever has one.
type google struct {
	key     *rsa.PrivateKey // of the service account
	googles *rsa.PrivateKey
	url     string
	strange bool // the metadata service does not say that it is Google's
	asked   []string
}

const (
	account = "app@project1.iam.gserviceaccount.com"
	access  = "canary-access"
)

func newGoogle(t *testing.T) *google {
	t.Helper()
	g := &google{key: cloudtest.RSAKey(t), googles: cloudtest.RSAKey(t)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /computeMetadata/v1/instance/service-accounts/{account}/{of}", g.metadata)
	mux.HandleFunc("POST /token", g.token)
	mux.HandleFunc("POST /v1/projects/-/serviceAccounts/{call}", g.signJWT)
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	g.url = s.URL
	return g
}

func (g *google) host() string { return strings.TrimPrefix(g.url, "http://") }

func (g *google) metadata(w http.ResponseWriter, r *http.Request) {
	g.asked = append(g.asked, r.PathValue("account")+"/"+r.PathValue("of"))
	if r.Header.Get("Metadata-Flavor") != "Google" {
		http.Error(w, "Missing Metadata-Flavor:Google header.", http.StatusForbidden)
		return
	}
	if !g.strange {
		w.Header().Set("Metadata-Flavor", "Google")
	}
	if r.PathValue("account") == "gone" {
		http.NotFound(w, r)
		return
	}
	switch r.PathValue("of") {
	case "identity":
		if r.FormValue("format") != "full" {
			http.Error(w, "format", http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, sign(g.googles, map[string]any{"aud": r.FormValue("audience"), "sub": "1", "exp": time.Now().Add(time.Hour).Unix()}))
	case "email":
		_, _ = io.WriteString(w, account)
	case "token":
		_, _ = io.WriteString(w, `{"access_token":"`+access+`","expires_in":3599,"token_type":"Bearer"}`)
	default:
		http.NotFound(w, r)
	}
}

func (g *google) token(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	refuse := func(why string) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":"invalid_grant","error_description":"%s %s"}`, why, r.FormValue("assertion"))
	}
	switch r.FormValue("grant_type") {
	case "refresh_token":
		if r.FormValue("refresh_token") != "canary-refresh" {
			refuse("Bad Request")
			return
		}
	case "urn:ietf:params:oauth:grant-type:jwt-bearer":
		claims, err := verify(&g.key.PublicKey, r.FormValue("assertion"))
		if err != nil {
			refuse("Invalid JWT Signature.")
			return
		}
		if claims["iss"] != account || claims["aud"] != g.url+"/token" || claims["scope"] != "https://www.googleapis.com/auth/cloud-platform" {
			refuse("wrong claims")
			return
		}
	default:
		refuse("unsupported grant")
		return
	}
	_, _ = io.WriteString(w, `{"access_token":"`+access+`","expires_in":3599,"token_type":"Bearer"}`)
}

func (g *google) signJWT(w http.ResponseWriter, r *http.Request) {
	g.asked = append(g.asked, r.PathValue("call"))
	var body struct{ Payload string }
	var claims map[string]any
	switch name, isSign := strings.CutSuffix(r.PathValue("call"), ":signJwt"); {
	case r.Header.Get("Authorization") != "Bearer "+access:
		http.Error(w, `{"error":{"code":401,"status":"UNAUTHENTICATED","message":"no"}}`, http.StatusUnauthorized)
	case !isSign || json.NewDecoder(r.Body).Decode(&body) != nil || json.Unmarshal([]byte(body.Payload), &claims) != nil:
		http.Error(w, `{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"no"}}`, http.StatusBadRequest)
	case name != account:
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `{"error":{"code":403,"status":"PERMISSION_DENIED","message":"iam.serviceAccounts.signJwt denied on %s to %s"}}`, name, r.Header.Get("Authorization"))
	default:
		_ = json.NewEncoder(w).Encode(map[string]string{"keyId": "k1", "signedJwt": sign(g.key, claims)})
	}
}

// keyFile is a service account's key, as Google's console gives it out.
func (g *google) keyFile(t *testing.T, key *rsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "project1", "private_key_id": "canary-key-id", "client_email": account,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": g.url + "/token",
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func sign(key *rsa.PrivateKey, claims map[string]any) string {
	body, _ := json.Marshal(claims)
	b64 := base64.RawURLEncoding.EncodeToString
	text := b64([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + b64(body)
	sum := sha256.Sum256([]byte(text))
	sig, _ := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	return text + "." + b64(sig)
}

// verify checks an RS256 JWT's signature and life, and gives its claims.
func verify(key *rsa.PublicKey, jwt string) (map[string]any, error) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("%d parts", len(parts))
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig); err != nil {
		return nil, err
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	if err := json.Unmarshal(raw, &claims); err != nil {
		return nil, err
	}
	if exp, _ := claims["exp"].(float64); int64(exp) <= time.Now().Unix() {
		return nil, fmt.Errorf("ended")
	}
	return claims, nil
}

// alone gives a network in which there is nobody but this Google.
func (g *google) alone() http.RoundTripper { return redirect{g.host()} }

type redirect struct{ host string }

// RoundTrip implements http.RoundTripper.
func (r redirect) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.URL.Scheme, req.URL.Host = "http", r.host
	return http.DefaultTransport.RoundTrip(req)
}
