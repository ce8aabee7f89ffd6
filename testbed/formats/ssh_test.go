package formats

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// hostCA is Vault's ssh engine, as far as the templates ask it.
type hostCA struct{ signer ssh.Signer }

func newSigner(t *testing.T) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func newHostCA(t *testing.T) hostCA { return hostCA{newSigner(t)} }

func (c hostCA) sign(w http.ResponseWriter, r *http.Request) {
	var body struct {
		PublicKey string `json:"public_key"`
		CertType  string `json:"cert_type"`
	}
	err := json.NewDecoder(r.Body).Decode(&body)
	key, _, _, _, err2 := ssh.ParseAuthorizedKey([]byte(body.PublicKey))
	if err != nil || err2 != nil || body.CertType != "host" {
		http.Error(w, `{"errors":["bad request"]}`, http.StatusBadRequest)
		return
	}
	cert := &ssh.Certificate{
		Key: key, CertType: ssh.HostCert, ValidPrincipals: []string{"www.example.com"},
		ValidAfter: uint64(time.Now().Add(-time.Minute).Unix()), ValidBefore: uint64(time.Now().Add(time.Hour).Unix()),
	}
	if err := cert.SignCert(rand.Reader, c.signer); err != nil {
		http.Error(w, `{"errors":["no"]}`, http.StatusInternalServerError)
		return
	}
	answer(w, map[string]any{"data": map[string]any{"serial_number": "1", "signed_key": string(ssh.MarshalAuthorizedKey(cert))}})
}

func (c hostCA) publicKey(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]any{"data": map[string]any{"public_key": string(ssh.MarshalAuthorizedKey(c.signer.PublicKey()))}})
}

// TestSSH: a client that has only the rendered known_hosts trusts a host that
// has the rendered certificate.
func TestSSH(t *testing.T) {
	w := newWorld(t)
	host := newSigner(t)
	pub := filepath.Join(w.dir, "host.pub")
	if err := os.WriteFile(pub, ssh.MarshalAuthorizedKey(host.PublicKey()), 0o644); err != nil {
		t.Fatal(err)
	}
	signed := w.file(t, "ssh-host-cert.pub.tmpl", "SSH_PUBLIC_KEY="+pub)
	w.file(t, "ssh-known-hosts.tmpl")

	key, _, _, rest, err := ssh.ParseAuthorizedKey(signed)
	if err != nil || len(strings.TrimSpace(string(rest))) > 0 {
		t.Fatalf("%v; %q", err, rest)
	}
	trust, err := knownhosts.New(filepath.Join(w.dir, "ssh-known-hosts"))
	if err != nil {
		t.Fatal(err)
	}
	if err := trust("www.example.com:22", &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 22}, key); err != nil {
		t.Error(err)
	}
	if err := trust("www.example.com:22", &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 22}, host.PublicKey()); err == nil {
		t.Error("a key without a certificate is trusted")
	}
}
