package conformance

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"
)

var issued = []string{
	"authority_key_id:string", "ca_chain:list", "certificate:string", "expiration:number", "issuing_ca:string",
	"private_key:string", "private_key_type:string", "serial_number:string",
}

func (s *suite) pki(t *testing.T) {
	root := s.RootToken
	s.ok(t, root, "POST", "sys/mounts/pki", map[string]any{"type": "pki"})
	s.fails(t, root, "GET", "pki/roles/web", nil, 404)
	s.fails(t, root, "PUT", "pki/issue/web", map[string]any{"common_name": "a.example.com"}, 400, "unknown role: web")
	role := map[string]any{
		"allowed_domains": "example.com", "allow_subdomains": true, "key_type": "ec", "ttl": "1h", "max_ttl": "72h",
	}
	s.ok(t, root, "PUT", "pki/roles/web", role).envelope(t)
	s.fails(t, root, "PUT", "pki/issue/web", map[string]any{"common_name": "a.example.com"}, 500,
		"1 error occurred:\n\t* could not fetch the CA certificate (was one set?): no default issuer currently configured\n\n")
	// Written in two parts: it is no path of a home directory.
	r := s.ok(t, root, "PUT", "pki/"+"root/generate/internal", map[string]any{"common_name": "canary root", "ttl": "200h", "key_type": "ec"})
	r.envelope(t)
	r.shape(t, []string{"data"}, "certificate:string", "expiration:number", "issuer_id:string", "issuer_name:string",
		"issuing_ca:string", "key_id:string", "key_name:string", "serial_number:string")
	ca := r.str("data", "certificate")
	s.pkiRole(t)
	s.pkiIssue(t, ca)
	s.pkiLease(t)

	s.fails(t, root, "GET", "pki/issue/web", nil, 405, "1 error occurred:\n\t* unsupported operation\n\n")
	s.fails(t, root, "PUT", "pki/issue/web", map[string]any{"common_name": "a.other.com"}, 400, "common name a.other.com not allowed by this role")
	s.fails(t, root, "PUT", "pki/issue/web", map[string]any{}, 400,
		`the common_name field is required, or must be provided in a CSR with "use_csr_common_name" set to true, unless "require_cn" is set to false`)
	tok := s.newToken(t, map[string]any{"policies": []string{"some"}, "ttl": "10m"})
	s.fails(t, tok, "PUT", "pki/issue/web", map[string]any{"common_name": "a.example.com"}, 403, denied)
	s.ok(t, root, "LIST", "pki/roles", nil).want(t, []any{"leased", "web"}, "data", "keys")
	s.ok(t, root, "DELETE", "pki/roles/web", nil)
	s.fails(t, root, "GET", "pki/roles/web", nil, 404)
}

func (s *suite) pkiRole(t *testing.T) {
	t.Helper()
	r := s.ok(t, s.RootToken, "GET", "pki/roles/web", nil)
	r.shape(t, []string{"data"}, "allow_any_name:bool", "allow_bare_domains:bool", "allow_glob_domains:bool", "allow_ip_sans:bool",
		"allow_localhost:bool", "allow_subdomains:bool", "allow_token_displayname:bool", "allow_wildcard_certificates:bool",
		"allowed_domains:list", "allowed_domains_template:bool", "allowed_other_sans:list", "allowed_serial_numbers:list",
		"allowed_uri_sans:list", "allowed_uri_sans_template:bool", "allowed_user_ids:list", "basic_constraints_valid_for_non_ca:bool",
		"client_flag:bool", "cn_validations:list", "code_signing_flag:bool", "country:list", "email_protection_flag:bool",
		"enforce_hostnames:bool", "ext_key_usage:list", "ext_key_usage_oids:list", "generate_lease:bool", "issuer_ref:string",
		"key_bits:number", "key_type:string", "key_usage:list", "locality:list", "max_ttl:number", "no_store:bool", "not_after:string",
		"not_before_duration:number", "organization:list", "ou:list", "policy_identifiers:list", "postal_code:list", "province:list",
		"require_cn:bool", "serial_number_source:string", "server_flag:bool", "signature_bits:number", "street_address:list",
		"ttl:number", "use_csr_common_name:bool", "use_csr_sans:bool", "use_pss:bool")
	r.want(t, 3600, "data", "ttl")
	r.want(t, 256, "data", "key_bits")
}

func (s *suite) pkiIssue(t *testing.T, ca string) {
	t.Helper()
	asked := time.Now()
	body := map[string]any{"common_name": "a.example.com", "alt_names": "b.example.com,c.example.com", "ip_sans": "10.1.2.3", "ttl": "2h"}
	r := s.ok(t, s.RootToken, "PUT", "pki/issue/web", body)
	r.envelope(t)
	r.want(t, "pki", "mount_type")
	r.want(t, "", "lease_id")
	r.want(t, 0, "lease_duration")
	r.want(t, nil, "warnings")
	r.shape(t, []string{"data"}, issued...)
	r.want(t, ca, "data", "issuing_ca")
	r.want(t, []any{ca}, "data", "ca_chain")
	r.want(t, "ec", "data", "private_key_type")
	key := r.str("data", "private_key")
	if !strings.HasPrefix(key, "-----BEGIN EC PRIVATE KEY-----\n") || !strings.HasSuffix(key, "\n-----END EC PRIVATE KEY-----") {
		t.Errorf("a key that begins %.40q", key)
	}
	c := checkPair(t, r.str("data", "certificate"), key, ca)
	for _, name := range []string{"a.example.com", "b.example.com", "c.example.com", "10.1.2.3"} {
		if err := c.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if c.Subject.CommonName != "a.example.com" || c.IsCA || int64(r.num("data", "expiration")) != c.NotAfter.Unix() {
		t.Errorf("for %s, until %v", c.Subject.CommonName, c.NotAfter)
	}
	near := func(what string, got, want time.Time) {
		if d := got.Sub(want).Abs(); d > 10*time.Second {
			t.Errorf("%s: %v, want about %v", what, got, want)
		}
	}
	near("begins", c.NotBefore, asked.Add(-30*time.Second))
	near("ends", c.NotAfter, asked.Add(2*time.Hour))

	body["format"] = "pem_bundle"
	r = s.ok(t, s.RootToken, "PUT", "pki/issue/web", body)
	r.shape(t, []string{"data"}, issued...)
	bundle := r.str("data", "certificate")
	checkPair(t, bundle, bundle, ca)
	if !strings.HasPrefix(bundle, r.str("data", "private_key")+"\n-----BEGIN CERTIFICATE") || !strings.HasSuffix(bundle, "\n"+ca) {
		t.Errorf("not a key, a certificate and its authority: %s", blockNames(bundle))
	}
	delete(body, "format")
	body["ttl"] = "100h"
	const capped = `TTL "100h0m0s" is longer than permitted maxTTL "72h0m0s", so maxTTL is being used`
	s.ok(t, s.RootToken, "PUT", "pki/issue/web", body).want(t, []any{capped, capped}, "warnings")
}

// pkiLease: with generate_lease a certificate has a lease, which can't be
// renewed, and ends with its token.
func (s *suite) pkiLease(t *testing.T) {
	t.Helper()
	root := s.RootToken
	s.ok(t, root, "PUT", "pki/roles/leased", map[string]any{"allow_any_name": true, "key_type": "ec", "ttl": "100s", "generate_lease": true})
	s.ok(t, root, "PUT", "sys/policies/acl/pki", map[string]any{"policy": `path "pki/issue/*" { capabilities = ["create", "update"] }`})
	tok := s.newToken(t, map[string]any{"policies": []string{"pki"}, "ttl": "10m"})
	r := s.ok(t, tok, "PUT", "pki/issue/leased", map[string]any{"common_name": "d.example.com"})
	r.shape(t, []string{"data"}, issued...)
	if d := r.num("lease_duration"); d < 98 || d > 100 {
		t.Errorf("a lease of %d s", d)
	}
	r.want(t, false, "renewable")
	id := r.str("lease_id")
	if !strings.HasPrefix(id, "pki/issue/leased/") {
		t.Fatalf("lease_id %q", id)
	}
	s.fails(t, root, "PUT", "sys/leases/renew", map[string]any{"lease_id": id}, 400, "lease is not renewable")
	s.ok(t, root, "PUT", "auth/token/revoke", map[string]any{"token": tok})
	eventually(t, "the lease goes with its token", func() bool {
		return s.call(t, root, "PUT", "sys/leases/lookup", map[string]any{"lease_id": id}).status == 400
	})
}

// checkPair wants a certificate and a key that belong together, signed by ca.
func checkPair(t *testing.T, cert, key, ca string) *x509.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(ca)) {
		t.Fatal("the authority is no certificate")
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}); err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

func blockNames(text string) (names []string) {
	for b, rest := pem.Decode([]byte(text)); b != nil; b, rest = pem.Decode(rest) {
		names = append(names, b.Type)
	}
	return names
}
