package azure_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vault-renderer/renderer/internal/auth/azure"
	"vault-renderer/renderer/internal/auth/cloud/cloudtest"
)

func TestManagedIdentity(t *testing.T) {
	const instance = "/metadata/instance?api-version=2018-02-01"
	const token = "/metadata/identity/oauth2/token?api-version=2018-02-01"
	q := "&resource=" + url.QueryEscape(resource)
	tests := map[string]struct {
		set  func(t *testing.T, m *azure.Method)
		want string
	}{
		"the only one": {func(*testing.T, *azure.Method) {}, token + q},
		"object_id":    {func(_ *testing.T, m *azure.Method) { m.ObjectID = "o1" }, token + "&object_id=o1" + q},
		"client_id":    {func(_ *testing.T, m *azure.Method) { m.ClientID = "c1" }, token + "&client_id=c1" + q},
		"from the environment": {func(t *testing.T, m *azure.Method) {
			m.AuthenticateFromEnvironment = true
			m.ObjectID, m.ClientID = "o1", "c1" // count for nothing
			t.Setenv("AZURE_CLIENT_ID", "c2")
		}, token + "&client_id=c2" + q},
		"with a scope": {func(_ *testing.T, m *azure.Method) {
			m.AuthenticateFromEnvironment, m.Scope = true, "api://x/.default"
		}, token + "&resource=api%3A%2F%2Fx"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			m, v, _ := method(t)
			imds := &machine{}
			t.Setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", cloudtest.Serve(t, imds))
			tc.set(t, m)
			for range 2 { // anew at every login
				a, err := m.Login(t.Context())
				if err != nil || a.ClientToken.Reveal() != "canary-token" || v.Path != "PUT /v1/auth/azure/login" {
					t.Fatalf("%v %s: %v", a, v.Path, err)
				}
			}
			if d := cmp.Diff([]string{instance, tc.want, instance, tc.want}, imds.asked); d != "" {
				t.Error(d)
			}
			jwt, _ := v.Bodies[1]["jwt"].(string)
			want := map[string]any{
				"role": "app", "jwt": jwt, "subscription_id": "sub", "resource_group_name": "group", "vm_name": "vm1", "vmss_name": "set",
			}
			if d := cmp.Diff(want, v.Bodies[1]); d != "" || !strings.HasPrefix(jwt, "canary-jwt-") {
				t.Error(d)
			}
		})
	}
}

// TestAppService: where there is no machine, the login goes without its name.
func TestAppService(t *testing.T) {
	m, v, log := method(t)
	m.AuthenticateFromEnvironment = true
	t.Setenv("IDENTITY_HEADER", "canary-header")
	t.Setenv("IDENTITY_ENDPOINT", cloudtest.Serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Identity-Header") != "canary-header" || r.FormValue("api-version") != "2019-08-01" || r.FormValue("resource") != resource {
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, `{"access_token":"canary-app","expires_on":"1"}`)
	}))+"/msi/token")
	if _, err := m.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]any{"role": "app", "jwt": "canary-app"}, v.Bodies[0]); d != "" {
		t.Error(d)
	}
	if !strings.Contains(log.String(), "without the machine's name") || strings.Contains(log.String(), "canary") {
		t.Errorf("log: %s", log)
	}
}

func TestFailures(t *testing.T) {
	env := func(kv ...string) func(*testing.T, *azure.Method) {
		return func(t *testing.T, m *azure.Method) {
			m.AuthenticateFromEnvironment = true
			t.Setenv("AZURE_TENANT_ID", "tenant1")
			t.Setenv("AZURE_CLIENT_ID", "app1")
			for i := 0; i < len(kv); i += 2 {
				t.Setenv(kv[i], kv[i+1])
			}
		}
	}
	imds := func(h http.Handler) func(*testing.T, *azure.Method) {
		return func(t *testing.T, _ *azure.Method) {
			t.Setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", cloudtest.Serve(t, h))
		}
	}
	tests := map[string]struct {
		set  func(t *testing.T, m *azure.Method)
		want string
	}{
		"both ids":      {func(_ *testing.T, m *azure.Method) { m.ObjectID, m.ClientID = "a", "b" }, `object_id and client_id are both set: only one may be`},
		"metadata down": {func(*testing.T, *azure.Method) {}, `instance metadata at http://127.0.0.1:1/metadata/instance: .*refused`},
		"no such identity": {
			imds(&machine{status: 400, tokens: `{"error":"invalid_request","error_description":"Identity not found\r\nTrace"}`}),
			`managed identity at http://127.0.0.1:\d+/metadata/identity/oauth2/token: invalid_request \(Identity not found\)$`,
		},
		"gone":             {imds(http.NotFoundHandler()), `instance metadata at .*: status 404`},
		"no JSON instance": {imds(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "canary") })), `not in the form of a machine's`},
		"no token":         {imds(&machine{tokens: `{"access_token":""}`}), `managed identity: the answer holds no token`},
		"no token at all":  {imds(&machine{tokens: `canary-garbage`}), `managed identity: the answer holds no token`},
		"nothing in the environment": {
			func(_ *testing.T, m *azure.Method) { m.AuthenticateFromEnvironment = true },
			`the environment names no application .* and the managed identity failed: managed identity at http://127.0.0.1:1/.*refused`,
		},
		"arc":                {env("IDENTITY_ENDPOINT", "http://127.0.0.1:1"), `Azure Arc's identities are not supported`},
		"service fabric":     {env("IDENTITY_ENDPOINT", "http://127.0.0.1:1", "IDENTITY_HEADER", "canary-h", "IDENTITY_SERVER_THUMBPRINT", "x"), `Service Fabric's identities are not supported`},
		"in the clear":       {env("AZURE_CLIENT_SECRET", "canary-s", "AZURE_AUTHORITY_HOST", "http://192.0.2.1"), `AZURE_AUTHORITY_HOST is not an https address`},
		"no federated token": {env("AZURE_FEDERATED_TOKEN_FILE", "/nowhere/token"), `AZURE_FEDERATED_TOKEN_FILE: open /nowhere/token: no such file`},
		"no certificate":     {env("AZURE_CLIENT_CERTIFICATE_PATH", "/nowhere/cert"), `AZURE_CLIENT_CERTIFICATE_PATH: open /nowhere/cert: no such file`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			m, v, log := method(t)
			tc.set(t, m)
			_, err := m.Login(t.Context())
			if err == nil || !regexp.MustCompile(`^azure: .*`+tc.want).MatchString(err.Error()) {
				t.Fatalf("%v", err)
			}
			if strings.Contains(err.Error()+log.String(), "canary") || len(v.Bodies) != 0 {
				t.Errorf("%v; Vault was sent %v; log %s", err, v.Bodies, log)
			}
		})
	}
}

// entra makes tokens for application app1 of tenant1, if check likes the form.
func entra(check func(url.Values) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			http.Error(w, "no form", http.StatusBadRequest)
			return
		}
		err := check(r.PostForm)
		if r.Method != http.MethodPost || r.URL.Path != "/tenant1/oauth2/v2.0/token" || r.PostForm.Get("grant_type") != "client_credentials" ||
			r.PostForm.Get("client_id") != "app1" || r.PostForm.Get("scope") != resource+"/.default" {
			err = fmt.Errorf("wrong request %s %v", r.URL.Path, r.PostForm)
		}
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"error":"invalid_client","error_description":%q,"error_codes":[1]}`, "AADSTS1: "+err.Error()+"\r\nTrace ID: 1")
			return
		}
		_, _ = io.WriteString(w, `{"token_type":"Bearer","expires_in":3599,"access_token":"canary-entra"}`)
	})
}
