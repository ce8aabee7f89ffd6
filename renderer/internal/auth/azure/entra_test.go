package azure_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"vault-renderer/renderer/internal/auth/cloud/cloudtest"
)

const bearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// wantEntra logs in twice: as it should be, and refused.
func wantEntra(t *testing.T, check func(url.Values) error, spoil func(t *testing.T)) {
	t.Helper()
	m, v, _ := method(t)
	m.AuthenticateFromEnvironment = true
	t.Setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", cloudtest.Serve(t, &machine{}))
	t.Setenv("AZURE_TENANT_ID", "tenant1")
	t.Setenv("AZURE_CLIENT_ID", "app1")
	spoil(nil)
	t.Setenv("AZURE_AUTHORITY_HOST", cloudtest.Serve(t, entra(check))+"/")
	if _, err := m.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v.Bodies[0]["jwt"] != "canary-entra" || v.Bodies[0]["vm_name"] != "vm1" {
		t.Errorf("body %v", v.Bodies[0])
	}
	spoil(t)
	_, err := m.Login(t.Context())
	if err == nil || !strings.Contains(err.Error(), "azure: application app1 with ") || !strings.Contains(err.Error(), "invalid_client (AADSTS1: ") {
		t.Fatalf("%v", err)
	}
	if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "Trace") {
		t.Error(err)
	}
}

func TestClientSecret(t *testing.T) {
	wantEntra(t, func(f url.Values) error {
		if s := f.Get("client_secret"); s != "canary-secret&=" {
			return fmt.Errorf("invalid secret %s", s)
		}
		return nil
	}, func(bad *testing.T) {
		if bad == nil {
			t.Setenv("AZURE_CLIENT_SECRET", "canary-secret&=")
		} else {
			t.Setenv("AZURE_CLIENT_SECRET", "canary-wrong")
		}
	})
}

// TestFederatedToken: the file is read at every login.
func TestFederatedToken(t *testing.T) {
	path := cloudtest.Write(t, "token", "canary-kubernetes\n")
	wantEntra(t, func(f url.Values) error {
		if a := f.Get("client_assertion"); f.Get("client_assertion_type") != bearer || a != "canary-kubernetes" {
			return fmt.Errorf("invalid assertion %s", a)
		}
		return nil
	}, func(bad *testing.T) {
		t.Setenv("AZURE_FEDERATED_TOKEN_FILE", path)
		if bad != nil {
			if err := os.WriteFile(path, []byte("canary-other"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestClientCertificate(t *testing.T) {
	key, cert, text := certificate(t)
	_, _, other := certificate(t)
	path := cloudtest.Write(t, "app.pem", text)
	wantEntra(t, func(f url.Values) error {
		if f.Get("client_assertion_type") != bearer {
			return fmt.Errorf("wrong type")
		}
		return verifyAssertion(f.Get("client_assertion"), key, cert)
	}, func(bad *testing.T) {
		t.Setenv("AZURE_CLIENT_CERTIFICATE_PATH", path)
		if bad != nil {
			if err := os.WriteFile(path, []byte(other), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	})
	m, _, _ := method(t)
	m.AuthenticateFromEnvironment = true
	t.Setenv("AZURE_TENANT_ID", "tenant1")
	t.Setenv("AZURE_CLIENT_ID", "app1")
	for content, want := range map[string]string{
		"canary":                               "holds no RSA key in PEM",
		text[:strings.Index(text, "-----END")]: "holds no RSA key in PEM",
		strings.SplitAfter(text, "-----END PRIVATE KEY-----\n")[0]: "holds no certificate of its key",
	} {
		t.Setenv("AZURE_CLIENT_CERTIFICATE_PATH", cloudtest.Write(t, "x.pem", content))
		if _, err := m.Login(t.Context()); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%v", err)
		}
	}
}

// verifyAssertion is what Entra does with a certificate's assertion.
func verifyAssertion(jwt string, key *rsa.PrivateKey, cert []byte) error {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return fmt.Errorf("no JWT")
	}
	var head struct{ Alg, Typ, X5T string }
	var thumb map[string]string
	var claims struct {
		Aud, Iss, Sub, Jti string
		Nbf, Exp           int64
	}
	decode := func(s string, into any) error {
		raw, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			return err
		}
		return json.Unmarshal(raw, into)
	}
	if err := decode(parts[0], &head); err != nil {
		return err
	}
	if err := decode(parts[0], &thumb); err != nil {
		return err
	}
	if err := decode(parts[1], &claims); err != nil {
		return err
	}
	sum := sha256.Sum256(cert)
	now := time.Now().Unix()
	switch {
	case head.Alg != "PS256" || thumb["x5t#S256"] != base64.RawURLEncoding.EncodeToString(sum[:]):
		return fmt.Errorf("the certificate is not registered")
	case claims.Iss != "app1" || claims.Sub != "app1" || claims.Jti == "" || !strings.HasSuffix(claims.Aud, "/tenant1/oauth2/v2.0/token"):
		return fmt.Errorf("wrong claims")
	case claims.Nbf > now || claims.Exp <= now || claims.Exp > now+24*3600:
		return fmt.Errorf("wrong times")
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	return rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, digest[:], sig, nil)
}

func certificate(t *testing.T) (*rsa.PrivateKey, []byte, string) {
	t.Helper()
	cert, key := cloudtest.RSACertificate(t, &x509.Certificate{Subject: pkix.Name{CommonName: "app"}}, nil, nil)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return key, cert.Raw, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
}
