package oci

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"vault-renderer/renderer/internal/auth/cloud"
)

// instance is what an instance's metadata say of its identity.
type instance struct {
	auth         string // the host, or URL, that gives security tokens
	leaf         *x509.Certificate
	key          *rsa.PrivateKey
	intermediate []byte // DER
	tenancy      string
}

// id tells identities apart: the certificate is replaced several times a day.
func (i instance) id() string {
	if i.leaf == nil {
		return ""
	}
	return fingerprint(i.leaf)
}

func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return strings.ReplaceAll(fmt.Sprintf("% x", sum), " ", ":")
}

// instance asks the metadata.
func (m *Method) instance(ctx context.Context) (instance, error) {
	base, i, err := m.region(ctx)
	if err != nil {
		return instance{}, err
	}
	certPEM, err := m.metadata(ctx, base, "/identity/cert.pem")
	if err != nil {
		return instance{}, err
	}
	keyPEM, err := m.metadata(ctx, base, "/identity/key.pem")
	if err != nil {
		return instance{}, err
	}
	interPEM, err := m.metadata(ctx, base, "/identity/intermediate.pem")
	if err != nil {
		return instance{}, err
	}
	leaf, _ := pem.Decode(certPEM)
	inter, _ := pem.Decode(interPEM)
	if leaf == nil || inter == nil {
		return instance{}, errors.New("instance metadata: a certificate is not PEM")
	}
	if i.leaf, err = x509.ParseCertificate(leaf.Bytes); err != nil {
		return instance{}, fmt.Errorf("instance metadata: certificate: %w", err)
	}
	if i.key, err = parseKey(keyPEM, ""); err != nil {
		return instance{}, fmt.Errorf("instance metadata: the key %w", err)
	}
	i.intermediate = inter.Bytes
	if i.tenancy = tenancyOf(i.leaf); i.tenancy == "" {
		return instance{}, errors.New("instance metadata: the certificate names no tenancy (opc-tenant)")
	}
	return i, nil
}

func tenancyOf(c *x509.Certificate) string {
	for _, n := range c.Subject.Names {
		if v, ok := n.Value.(string); ok {
			if t, found := strings.CutPrefix(v, "opc-tenant:"); found {
				return t
			}
		}
	}
	return ""
}

// region finds the metadata, in their second version or the first, and with
// them the host that gives security tokens.
func (m *Method) region(ctx context.Context) (base string, i instance, err error) {
	bases := []string{"http://169.254.169.254/opc/v2", "http://169.254.169.254/opc/v1"}
	if own := os.Getenv("OCI_METADATA_BASE_URL"); own != "" {
		bases = []string{strings.TrimSuffix(own, "/")}
	}
	for _, base = range bases {
		if i.auth, err = m.authHost(ctx, base); err == nil {
			return base, i, nil
		}
		var missing *statusError
		if !errors.As(err, &missing) {
			break
		}
	}
	return "", instance{}, err
}

// authHost gives the host for the region in which the metadata say that the
// instance is.
func (m *Method) authHost(ctx context.Context, base string) (string, error) {
	var info struct{ RegionIdentifier, RealmDomainComponent string }
	raw, err := m.metadata(ctx, base, "/instance/regionInfo")
	if err == nil && json.Unmarshal(raw, &info) == nil && info.RegionIdentifier != "" && info.RealmDomainComponent != "" {
		return "auth." + info.RegionIdentifier + "." + info.RealmDomainComponent, nil
	}
	if raw, err = m.metadata(ctx, base, "/instance/region"); err != nil {
		return "", err
	}
	region := strings.ToLower(strings.TrimSpace(string(raw)))
	switch region { // the four first regions go by a code
	case "":
		return "", errors.New("instance metadata: no region")
	case "phx":
		region = "us-phoenix-1"
	case "iad":
		region = "us-ashburn-1"
	case "fra":
		region = "eu-frankfurt-1"
	case "lhr":
		region = "uk-london-1"
	}
	return "auth." + region + ".oraclecloud.com", nil
}

// federate gives a signer with a new key, and a security token for it that the
// instance's certificate gets.
func (m *Method) federate(ctx context.Context, i instance) (signer, error) {
	session, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return signer{}, fmt.Errorf("make a session key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&session.PublicKey)
	if err != nil {
		return signer{}, fmt.Errorf("make a session key: %w", err)
	}
	body, err := json.Marshal(map[string]any{
		"certificate":              base64.StdEncoding.EncodeToString(i.leaf.Raw),
		"publicKey":                base64.StdEncoding.EncodeToString(public),
		"intermediateCertificates": []string{base64.StdEncoding.EncodeToString(i.intermediate)},
		"fingerprintAlgorithm":     "SHA256",
	})
	if err != nil {
		return signer{}, fmt.Errorf("ask for a security token: %w", err)
	}
	r, err := i.request(ctx, body, time.Now())
	if err != nil {
		return signer{}, fmt.Errorf("ask for a security token: %w", err)
	}
	raw, err := m.send(r, cloud.Public)
	if err != nil {
		return signer{}, fmt.Errorf("ask %s for a security token: %w", r.URL.Host, err)
	}
	var out struct{ Token string }
	if json.Unmarshal(raw, &out) != nil || out.Token == "" {
		return signer{}, fmt.Errorf("ask %s for a security token: the answer holds none", r.URL.Host)
	}
	return signer{"ST$" + out.Token, session}, nil
}

// request is the signed request for a security token.
func (i instance) request(ctx context.Context, body []byte, now time.Time) (*http.Request, error) {
	u, err := authURL(i.auth)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	fields := []field{
		{"date", now.UTC().Format(http.TimeFormat)},
		{"(request-target)", "post " + r.URL.RequestURI()},
		{"content-length", strconv.Itoa(len(body))},
		{"content-type", "application/json"},
		{"x-content-sha256", base64.StdEncoding.EncodeToString(sum[:])},
	}
	for _, f := range fields {
		if f.name != "(request-target)" && f.name != "content-length" { // net/http sets the length itself
			r.Header.Set(f.name, f.value)
		}
	}
	s := signer{i.tenancy + "/fed-x509-sha256/" + fingerprint(i.leaf), i.key}
	auth, err := s.authorization(fields)
	r.Header.Set("Authorization", auth)
	return r, err
}

// authURL gives the URL for security tokens; OCI_SDK_AUTH_CLIENT_REGION_URL
// moves it, as in the cloud's own library.
func authURL(host string) (string, error) {
	if own := os.Getenv("OCI_SDK_AUTH_CLIENT_REGION_URL"); own != "" {
		host = own
	}
	if !strings.Contains(host, "://") {
		host = "https://" + host
	}
	u, err := url.Parse(host)
	if err != nil {
		return "", errors.New("OCI_SDK_AUTH_CLIENT_REGION_URL is no URL")
	}
	return u.Scheme + "://" + u.Host + "/v1/x509", nil
}
