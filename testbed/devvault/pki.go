package devvault

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"
)

// backdated is how long before its making a certificate begins.
const backdated = 30 * time.Second

// pkiEngine is one mount of type pki: one root, and roles that issue under it.
type pkiEngine struct {
	s     *Server
	root  *x509.Certificate
	key   crypto.Signer
	roles map[string]*pkiRole
}

// pkiRole is the part of a role that decides what a certificate looks like.
type pkiRole struct {
	domains                   []string
	subdomains, anyName       bool
	keyType                   string
	ttl, maxTTL               time.Duration
	generateLease, bareDomain bool
}

func (s *Server) newPKI() []route {
	e := &pkiEngine{s: s, roles: map[string]*pkiRole{}}
	return []route{
		{pattern: "root/generate/internal", write: e.generateRoot},
		{pattern: "roles", list: func(*request) (*response, error) { return listing("", keysOf(e.roles)) }},
		{
			pattern: "roles/+", read: e.readRole, write: e.writeRole, remove: e.removeRole,
			exists: func(r *request) bool { return e.roles[r.args[0]] != nil },
		},
		{pattern: "issue/+", write: e.issue},
	}
}

func (e *pkiEngine) generateRoot(r *request) (*response, error) {
	if r.str("common_name") == "" {
		return nil, badRequest("no common_name: the fake needs one")
	}
	ttl, err := r.duration("ttl")
	if err != nil {
		return nil, err
	}
	if ttl == 0 || ttl > e.s.o.MaxTTL {
		ttl = e.s.o.MaxTTL
	}
	key, _, err := newKey(r.str("key_type"))
	if err != nil {
		return nil, err
	}
	t := certTemplate(r.str("common_name"), ttl)
	t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
	root, err := sign(t, t, key.Public(), key)
	if err != nil {
		return nil, err
	}
	e.root, e.key = root, key
	return &response{
		data: map[string]any{
			"certificate": certPEM(root), "issuing_ca": certPEM(root), "expiration": root.NotAfter.Unix(),
			"serial_number": colons(root.SerialNumber.Bytes()),
			"issuer_id":     e.s.uuid(), "issuer_name": "", "key_id": e.s.uuid(), "key_name": "",
		},
		warnings: []string{"This mount hasn't configured any authority information access (AIA) fields; this may make it harder for systems to find missing certificates in the chain or to validate revocation status of certificates. Consider updating /config/urls or the newly generated issuer with this information."},
	}, nil
}

func (e *pkiEngine) writeRole(r *request) (*response, error) {
	role := &pkiRole{
		domains: r.list("allowed_domains"), subdomains: r.flag("allow_subdomains", false), anyName: r.flag("allow_any_name", false),
		bareDomain: r.flag("allow_bare_domains", false), keyType: r.str("key_type"), generateLease: r.flag("generate_lease", false),
	}
	var err error
	if role.ttl, err = r.duration("ttl"); err != nil {
		return nil, err
	}
	if role.maxTTL, err = r.duration("max_ttl"); err != nil {
		return nil, err
	}
	if role.keyType == "" {
		role.keyType = "rsa"
	}
	e.roles[r.args[0]] = role
	resp := &response{data: role.describe()}
	if role.generateLease {
		resp.warnings = []string{"it is encouraged to disable generate_lease and rely on PKI's native capabilities when possible; this option can cause Vault-wide issues with large numbers of issued certificates"}
	}
	return resp, nil
}

// describe is the role in an answer: with all the fields of the real server's,
// those that the fake does not know at their defaults.
func (p *pkiRole) describe() map[string]any {
	d := map[string]any{
		"allow_any_name": p.anyName, "allow_bare_domains": p.bareDomain, "allow_subdomains": p.subdomains,
		"generate_lease": p.generateLease, "key_type": p.keyType,
		"ttl": int(p.ttl / time.Second), "max_ttl": int(p.maxTTL / time.Second),
		"allow_glob_domains": false, "allow_ip_sans": true, "allow_localhost": true, "allow_token_displayname": false,
		"allow_wildcard_certificates": true, "allowed_domains_template": false, "allowed_uri_sans_template": false,
		"basic_constraints_valid_for_non_ca": false, "client_flag": true, "cn_validations": []string{"email", "hostname"},
		"code_signing_flag": false, "email_protection_flag": false, "enforce_hostnames": true, "issuer_ref": "default",
		"key_bits": map[string]int{"rsa": 2048, "ec": 256}[p.keyType], "key_usage": []string{"DigitalSignature", "KeyAgreement", "KeyEncipherment"},
		"no_store": false, "not_after": "", "not_before_duration": int(backdated / time.Second), "require_cn": true,
		"serial_number_source": "json-csr", "server_flag": true, "signature_bits": 0, "use_csr_common_name": true,
		"use_csr_sans": true, "use_pss": false,
	}
	for _, key := range []string{
		"allowed_other_sans", "allowed_serial_numbers", "allowed_uri_sans", "allowed_user_ids", "country", "ext_key_usage",
		"ext_key_usage_oids", "locality", "organization", "ou", "policy_identifiers", "postal_code", "province", "street_address",
	} {
		d[key] = []string{}
	}
	d["allowed_domains"] = append([]string{}, p.domains...)
	return d
}

func (e *pkiEngine) readRole(r *request) (*response, error) {
	role := e.roles[r.args[0]]
	if role == nil {
		return nil, errNotFound
	}
	return &response{data: role.describe()}, nil
}

func (e *pkiEngine) removeRole(r *request) (*response, error) {
	delete(e.roles, r.args[0])
	return nil, nil
}

// allows says whether a role's certificate may bear a name.
func (p *pkiRole) allows(name string) bool {
	if p.anyName || name == "localhost" {
		return true
	}
	for _, d := range p.domains {
		if (p.bareDomain && name == d) || (p.subdomains && strings.HasSuffix(name, "."+d)) {
			return true
		}
	}
	return false
}

func (e *pkiEngine) issue(r *request) (*response, error) {
	role := e.roles[r.args[0]]
	switch {
	case role == nil:
		return nil, badRequest("unknown role: %s", r.args[0])
	case e.root == nil:
		return nil, fail(500, listed("could not fetch the CA certificate (was one set?): no default issuer currently configured"))
	}
	t, warnings, err := e.asked(r, role)
	if err != nil {
		return nil, err
	}
	key, keyPEM, err := newKey(role.keyType)
	if err != nil {
		return nil, err
	}
	cert, err := sign(t, e.root, key.Public(), e.key)
	if err != nil {
		return nil, err
	}
	ca := certPEM(e.root)
	resp := &response{warnings: warnings, data: map[string]any{
		"authority_key_id": colons(e.root.SubjectKeyId), "ca_chain": []string{ca}, "certificate": certPEM(cert),
		"expiration": cert.NotAfter.Unix(), "issuing_ca": ca, "private_key": keyPEM, "private_key_type": role.keyType,
		"serial_number": colons(cert.SerialNumber.Bytes()),
	}}
	if r.str("format") == "pem_bundle" {
		resp.data["certificate"] = strings.Join([]string{keyPEM, certPEM(cert), ca}, "\n")
	}
	if role.generateLease {
		resp.lease, resp.leaseTTL = e.lease(r, time.Until(cert.NotAfter))
	}
	return resp, nil
}

// asked is the certificate that a request is for, not yet signed.
func (e *pkiEngine) asked(r *request, role *pkiRole) (*x509.Certificate, []string, error) {
	name := r.str("common_name")
	if name == "" {
		return nil, nil, badRequest(`the common_name field is required, or must be provided in a CSR with "use_csr_common_name" set to true, unless "require_cn" is set to false`)
	}
	if !role.allows(name) {
		return nil, nil, badRequest("common name %s not allowed by this role", name)
	}
	names := []string{name}
	for _, n := range r.list("alt_names") {
		if !role.allows(n) {
			return nil, nil, badRequest("subject alternate name %s not allowed by this role", n)
		}
		names = append(names, n)
	}
	ttl, warnings, err := role.life(r, e.s)
	if err != nil {
		return nil, nil, err
	}
	t := certTemplate(name, ttl)
	if t.NotAfter.After(e.root.NotAfter) {
		return nil, nil, badRequest("cannot satisfy request, as TTL would result in notAfter of %s that is beyond the expiration of the CA certificate at %s",
			t.NotAfter.UTC().Format(time.RFC3339Nano), e.root.NotAfter.UTC().Format(time.RFC3339Nano))
	}
	t.DNSNames = names
	for _, ip := range r.list("ip_sans") {
		t.IPAddresses = append(t.IPAddresses, net.ParseIP(ip))
	}
	t.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageKeyAgreement
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	return t, warnings, nil
}

// life is how long the certificate of a request lives.
func (p *pkiRole) life(r *request, s *Server) (time.Duration, []string, error) {
	ttl, err := r.duration("ttl")
	if err != nil {
		return 0, nil, err
	}
	for _, d := range []time.Duration{p.ttl, s.o.DefaultTTL} {
		if ttl == 0 {
			ttl = d
		}
	}
	longest := s.o.MaxTTL
	if p.maxTTL > 0 {
		longest = p.maxTTL
	}
	if ttl <= longest {
		return ttl, nil, nil
	}
	w := fmt.Sprintf("TTL %q is longer than permitted maxTTL %q, so maxTTL is being used", ttl, longest)
	return longest, []string{w, w}, nil // the real server says it twice
}

func (e *pkiEngine) lease(r *request, ttl time.Duration) (*lease, time.Duration) {
	l := &lease{
		id: r.path + "/" + e.s.randomString(24), path: r.path, tok: r.tok, data: map[string]any{},
		ttls:   func() (time.Duration, time.Duration) { return ttl.Round(time.Second), 0 },
		revoke: func(context.Context) error { return nil },
	}
	granted, _ := e.s.addLease(l)
	return l, granted
}

func certTemplate(name string, ttl time.Duration) *x509.Certificate {
	now := time.Now()
	serial := make([]byte, 20)
	_, _ = rand.Read(serial) // never fails
	serial[0] = serial[0]&0x7f | 1
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(ttl),
	}
}

func sign(t, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	raw, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, err
	}
	id := sha1.Sum(raw) // an identifier, no protection
	t.SubjectKeyId = id[:]
	der, err := x509.CreateCertificate(rand.Reader, t, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// newKey makes a key of a role's key_type, and its PEM as the real server
// writes it.
func newKey(kind string) (crypto.Signer, string, error) {
	switch kind {
	case "ec":
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, "", err
		}
		der, err := x509.MarshalECPrivateKey(k)
		return k, block("EC PRIVATE KEY", der), err
	case "ed25519":
		_, k, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, "", err
		}
		der, err := x509.MarshalPKCS8PrivateKey(k)
		return k, block("PRIVATE KEY", der), err
	case "rsa", "":
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, "", err
		}
		return k, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k)), nil
	}
	return nil, "", badRequest("unknown key type: %s", kind)
}

func certPEM(c *x509.Certificate) string { return block("CERTIFICATE", c.Raw) }

func block(kind string, der []byte) string {
	return string(bytes.TrimSpace(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
}

// colons is bytes as the real server writes serial numbers: "0a:ff".
func colons(b []byte) string {
	parts := make([]string, len(b))
	for i, x := range b {
		parts[i] = fmt.Sprintf("%02x", x)
	}
	return strings.Join(parts, ":")
}
