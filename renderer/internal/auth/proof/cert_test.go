package proof

import (
	"testing"

	"vault-renderer/renderer/internal/auth/method"
	"vault-renderer/renderer/internal/vault"
)

func (s *suite) cert(t *testing.T) {
	s.mount(t, "cert")
	clients := authority(t)
	s.put(t, "auth/cert/certs/web", map[string]any{
		"certificate": clients.Cert, "allowed_common_names": "web", "token_policies": "proof", "token_ttl": "1h",
	})
	s.put(t, "auth/cert/certs/db", map[string]any{
		"certificate": clients.Cert, "allowed_common_names": "db", "token_policies": "proof", "token_ttl": "1h",
	})
	dir := t.TempDir()
	pair := func(name string) (cert, key string) {
		c, k := issue(t, clients, name)
		return write(t, dir, "cert.pem", c), write(t, dir, "key.pem", k)
	}
	log, _ := logger(t)
	cert, key := pair("web")

	// The certificate of the vault stanza.
	stanza := s.client(t, vault.Options{Address: s.server.TLSAddr(), CACert: s.caPath, ClientCert: cert, ClientKey: key})
	s.works(t, &method.Cert{Client: stanza, MountPath: "auth/cert", Log: log})
	s.works(t, &method.Cert{Client: stanza, MountPath: "auth/cert", Name: "web", Log: log})
	s.refused(t, &method.Cert{Client: stanza, MountPath: "auth/cert", Name: "db", Log: log}, "auth/cert/login", "certificate")

	// The method's own.
	bare := s.client(t, vault.Options{Address: s.server.TLSAddr()})
	own := func(reload bool) *method.Cert {
		return &method.Cert{Client: bare, MountPath: "auth/cert", CACert: s.caPath, ClientCert: cert, ClientKey: key, Reload: reload, Log: log}
	}
	once, again := own(false), own(true)
	for _, m := range []*method.Cert{once, again} {
		if a := s.works(t, m); a.Metadata["common_name"] != "web" {
			t.Errorf("metadata %v", a.Metadata)
		}
	}
	pair("db")
	if a := s.works(t, once); a.Metadata["common_name"] != "web" {
		t.Errorf("read again: %v", a.Metadata)
	}
	if a := s.works(t, again); a.Metadata["common_name"] != "db" {
		t.Errorf("not read again: %v", a.Metadata)
	}

	pair("stranger")
	s.refused(t, again, "auth/cert/login", "certificate")
	c, k := issue(t, authority(t), "web")
	write(t, dir, "cert.pem", c)
	write(t, dir, "key.pem", k)
	s.refused(t, again, "auth/cert/login", "certificate")
	s.refused(t, &method.Cert{Client: bare, MountPath: "auth/cert", CACert: s.caPath, Log: log}, "auth/cert/login", "certificate")

	// An authority that did not sign the server's certificate.
	m := own(true)
	m.CACert = write(t, dir, "other-ca.pem", clients.Cert)
	if _, err := m.Login(t.Context()); err == nil {
		t.Error("talked to a server that it does not know")
	} else {
		s.says(t, err, "auth/cert/login", "certificate signed by unknown authority")
	}
}
