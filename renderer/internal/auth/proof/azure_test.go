package proof

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vault-renderer/renderer/internal/auth/azure"
	"vault-renderer/renderer/internal/auth/cloud/cloudtest"
	"vault-renderer/renderer/internal/vault"
)

const (
	tenant       = "11111111-2222-3333-4444-555555555555"
	audience     = "https://vault.example.com/"
	subscription = "99999999-2222-3333-4444-555555555555"
	vmss         = "/subscriptions/" + subscription + "/resourceGroups/group1/providers/Microsoft.Compute/virtualMachineScaleSets/set1"
)

// microsoft is Entra, the resource manager, and a machine's metadata service.
type microsoft struct {
	key   *rsa.PrivateKey
	group string // the resource group that the machine says it is in
}

// azure: Vault checks the token with Entra's keys, and asks the resource
// manager whether the machine has the token's identity.
func (s *suite) azure(t *testing.T, n *internet) {
	ms := &microsoft{key: cloudtest.RSAKey(t), group: "group1"}
	n.add(t, "login.microsoftonline.com", ms.entra)
	n.add(t, "management.azure.com", ms.manager)
	imds := httptest.NewServer(http.HandlerFunc(ms.imds))
	defer imds.Close()
	t.Setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", imds.URL)

	s.mount(t, "azure")
	s.put(t, "auth/azure/config", map[string]any{
		"tenant_id": tenant, "resource": audience, "client_id": "vault", "client_secret": "canary-vault",
	})
	for role, bounds := range map[string]map[string]any{
		"app":     {"bound_service_principal_ids": "object-machine"},
		"machine": {"bound_service_principal_ids": "object-machine", "bound_subscription_ids": subscription, "bound_resource_groups": "group1", "bound_scale_sets": "set1"},
		"other":   {"bound_service_principal_ids": "object-other"},
		"cloud":   {"bound_service_principal_ids": "object-app1"},
	} {
		bounds["token_policies"], bounds["token_ttl"] = "proof", "1h"
		s.put(t, "auth/azure/role/"+role, bounds)
	}
	log, _ := logger(t)
	method := func(role string) *azure.Method {
		return &azure.Method{Client: s.client(t, vault.Options{}), MountPath: "auth/azure", Role: role, Resource: audience, Log: log}
	}
	s.works(t, method("app"))
	a := s.works(t, method("machine"))
	if a.Metadata["resource_group_name"] != "group1" || a.Metadata["vmss_name"] != "set1" {
		t.Errorf("metadata %v", a.Metadata)
	}
	// Vault answers with status 500.
	s.fails(t, method("other"), "service principal not authorized")
	m := method("app")
	m.Resource = "https://another.example.com/"
	s.fails(t, m, "audience")
	ms.group = "group2"
	s.fails(t, method("machine"), "group2")

	m = method("cloud")
	m.AuthenticateFromEnvironment, m.Transport = true, throughOrLocal{n.transport()}
	t.Setenv("AZURE_TENANT_ID", tenant)
	t.Setenv("AZURE_CLIENT_ID", "app1")
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", write(t, t.TempDir(), "token", "canary-federated"))
	s.works(t, m)
	t.Setenv("AZURE_CLIENT_SECRET", "canary-wrong")
	s.fails(t, m, "application app1", "invalid_client")
}

// throughOrLocal reaches loopback itself and the rest through the internet.
type throughOrLocal struct{ internet http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (x throughOrLocal) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "http" {
		return http.DefaultTransport.RoundTrip(r)
	}
	return x.internet.RoundTrip(r)
}

func (ms *microsoft) entra(w http.ResponseWriter, r *http.Request) {
	issuer := "https://login.microsoftonline.com/" + tenant
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration"):
		answer(w, map[string]any{
			"issuer": issuer, "jwks_uri": issuer + "/discovery/keys", "authorization_endpoint": issuer + "/oauth2/v2.0/authorize",
			"token_endpoint": issuer + "/oauth2/v2.0/token", "tenant_discovery_endpoint": issuer + "/v2.0/.well-known/openid-configuration",
		})
	case strings.HasPrefix(r.URL.Path, "/common/discovery/instance"):
		answer(w, map[string]any{"tenant_discovery_endpoint": issuer + "/v2.0/.well-known/openid-configuration", "metadata": []any{
			map[string]any{"preferred_network": r.Host, "preferred_cache": r.Host, "aliases": []string{r.Host}},
		}})
	case strings.HasSuffix(r.URL.Path, "/discovery/keys"):
		answer(w, map[string]any{"keys": []any{jwk(&ms.key.PublicKey, "k1")}})
	case r.FormValue("grant_type") != "client_credentials":
		http.NotFound(w, r)
	case r.FormValue("client_secret") == "canary-vault" && r.FormValue("client_id") == "vault":
		answer(w, map[string]any{"access_token": "canary-manager", "token_type": "Bearer", "expires_in": 3599})
	case r.FormValue("client_assertion") == "canary-federated" && r.FormValue("scope") == audience+"/.default":
		answer(w, map[string]any{"access_token": ms.token("object-"+r.FormValue("client_id"), audience), "token_type": "Bearer", "expires_in": 3599})
	default:
		w.WriteHeader(http.StatusUnauthorized)
		answer(w, map[string]any{"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided.\r\nTrace"})
	}
}

// manager knows one scale set, and its identity.
func (ms *microsoft) manager(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if r.Header.Get("Authorization") != "Bearer canary-manager" || !strings.EqualFold(r.URL.Path, vmss) {
		w.WriteHeader(http.StatusNotFound)
		answer(w, map[string]any{"error": map[string]any{"code": "ResourceNotFound", "message": r.URL.Path}})
		return
	}
	answer(w, map[string]any{"id": vmss, "name": "set1", "location": "westeurope", "identity": map[string]any{
		"type": "SystemAssigned", "principalId": "object-machine", "tenantId": tenant,
	}})
}

func (ms *microsoft) imds(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Header.Get("Metadata") != "true" || r.FormValue("api-version") == "":
		http.Error(w, "{}", http.StatusBadRequest)
	case r.URL.Path == "/metadata/instance":
		answer(w, map[string]any{"compute": map[string]any{"name": "vm1", "resourceGroupName": ms.group, "subscriptionId": subscription, "vmScaleSetName": "set1"}})
	default:
		answer(w, map[string]any{"access_token": ms.token("object-machine", r.FormValue("resource")), "expires_in": "3599"})
	}
}

func (ms *microsoft) token(object, aud string) string {
	return rs256(ms.key, "k1", map[string]any{
		"iss": "https://login.microsoftonline.com/" + tenant, "aud": aud, "oid": object, "sub": object, "appid": "app", "xms_mirid": vmss, "xms_az_rid": vmss,
		"iat": time.Now().Unix(), "nbf": time.Now().Add(-time.Minute).Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	})
}

func answer(w io.Writer, v any) { _ = json.NewEncoder(w).Encode(v) }

func jwk(key *rsa.PublicKey, kid string) map[string]any {
	b64 := base64.RawURLEncoding.EncodeToString
	return map[string]any{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}
}
