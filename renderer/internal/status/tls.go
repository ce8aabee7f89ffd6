package status

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
)

// TLS is the TLS part of a listener block.
type TLS struct {
	Disable                    bool
	CertFile, KeyFile          string
	MinVersion, MaxVersion     string // tls10 ... tls13; tls12 and tls13 when empty
	CipherSuites               []string
	RequireAndVerifyClientCert bool
	ClientCAFile               string
	DisableClientCerts         bool
}

// config makes a configuration that takes its certificate from current.
func (t TLS) config(current *atomic.Pointer[tls.Certificate]) (*tls.Config, error) {
	first, err := t.load()
	if err != nil {
		return nil, err
	}
	current.Store(first)
	c := &tls.Config{
		// Not HTTP/2: it refuses TLS below 1.2 and many choices of tls_cipher_suites.
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return current.Load(), nil },
	}
	if c.MinVersion, err = version("tls_min_version", t.MinVersion, tls.VersionTLS12); err != nil {
		return nil, err
	}
	if c.MaxVersion, err = version("tls_max_version", t.MaxVersion, tls.VersionTLS13); err != nil {
		return nil, err
	}
	if c.MinVersion > c.MaxVersion {
		return nil, errors.New("tls_max_version is below tls_min_version")
	}
	if c.CipherSuites, err = suites(t.CipherSuites); err != nil {
		return nil, err
	}
	return c, t.clients(c)
}

// load reads the certificate and its key.
func (t TLS) load() (*tls.Certificate, error) {
	if t.CertFile == "" || t.KeyFile == "" {
		return nil, errors.New("tls_cert_file and tls_key_file are needed; give both, or tls_disable = true")
	}
	c, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("load tls_cert_file %s and tls_key_file %s: %w", t.CertFile, t.KeyFile, err)
	}
	return &c, nil
}

func version(key, name string, unset uint16) (uint16, error) {
	switch name {
	case "":
		return unset, nil
	case "tls10":
		return tls.VersionTLS10, nil
	case "tls11":
		return tls.VersionTLS11, nil
	case "tls12":
		return tls.VersionTLS12, nil
	case "tls13":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf("%s %q: there are tls10, tls11, tls12 and tls13", key, name)
}

func suites(names []string) ([]uint16, error) {
	known := map[string]uint16{}
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		known[s.Name] = s.ID
	}
	var ids []uint16
	for _, name := range names {
		id, ok := known[name]
		if !ok {
			return nil, fmt.Errorf("tls_cipher_suites: there is no %q; the names are like TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", name)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// clients says what is asked of those who connect.
func (t TLS) clients(c *tls.Config) error {
	switch {
	case t.RequireAndVerifyClientCert && t.DisableClientCerts:
		return errors.New("tls_require_and_verify_client_cert and tls_disable_client_certs exclude each other; set one of them")
	case t.RequireAndVerifyClientCert:
		c.ClientAuth = tls.RequireAndVerifyClientCert
	case t.DisableClientCerts:
		return nil
	default:
		c.ClientAuth = tls.RequestClientCert
	}
	if t.ClientCAFile == "" {
		return nil
	}
	pem, err := os.ReadFile(t.ClientCAFile)
	if err != nil {
		return fmt.Errorf("tls_client_ca_file: %w", err)
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("tls_client_ca_file %s has no certificate", t.ClientCAFile)
	}
	return nil
}
