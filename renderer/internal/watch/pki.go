package watch

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"vault-renderer/renderer/internal/lease"
	"vault-renderer/renderer/internal/vault"
)

// A certificate lives in the file that is made of it: a run that finds a good
// one there asks Vault for nothing. It does not end with the token that asked
// for it, unless Vault gave a lease with it.

// certState is what a Watcher of a certificate keeps.
type certState struct {
	wish    certWish
	expires time.Time     // of the one in use; zero = none yet
	due     time.Time     // when it is to be replaced
	soon    lease.Backoff // between certificates that are due as soon as they come
}

// certWish is what the template asks for.
type certWish struct {
	destination string
	format      string
	csr         bool // the key is elsewhere, and the names are the CSR's
	names       []string
	ips         []net.IP
}

func newCertState(o Options) certState {
	return certState{
		wish: wishOf(o.Request.Params),
		soon: lease.Backoff{Min: minCertPause, Max: max(o.StaticInterval, minCertPause)},
	}
}

// minCertPause is the least time between two certificates.
const minCertPause = time.Second

func wishOf(params string) certWish {
	var kv map[string]any
	_ = json.Unmarshal([]byte(params), &kv) // nothing is wished for then: Vault will say what is missing
	text := func(key string) string { s, _ := kv[key].(string); return strings.TrimSpace(s) }
	wish := certWish{destination: text(vault.DestinationParam), format: text("format"), csr: text("csr") != ""}
	for name := range strings.SplitSeq(text("common_name")+","+text("alt_names"), ",") {
		if name = strings.TrimSpace(name); name != "" && ascii(name) {
			wish.names = append(wish.names, name)
		}
	}
	for ip := range strings.SplitSeq(text("ip_sans"), ",") {
		if p := net.ParseIP(strings.TrimSpace(ip)); p != nil {
			wish.ips = append(wish.ips, p)
		}
	}
	return wish
}

// ascii says whether a name stands in a certificate as it was written.
func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

// fits says whether c is for the names that are asked for.
func (wish certWish) fits(c certificate) bool {
	if wish.csr {
		return true
	}
	has := append(append([]string{c.Subject.CommonName}, c.DNSNames...), c.EmailAddresses...)
	for _, name := range wish.names {
		if !slices.ContainsFunc(has, func(h string) bool { return strings.EqualFold(h, name) }) {
			return false
		}
	}
	for _, ip := range wish.ips {
		if !slices.ContainsFunc(c.IPAddresses, ip.Equal) {
			return false
		}
	}
	return true
}

// fromDestination gives the certificate that is in place already; nil and the
// reason when there is none that is good.
func (w *Watcher) fromDestination() (*vault.Secret, string) {
	path := w.cert.wish.destination
	if path == "" {
		return nil, "the template has no destination to keep it in"
	}
	content, _, err := readFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, "there is none yet"
	case err != nil:
		return nil, fileError(path, err).Error()
	}
	b := parseBundle(string(content))
	c, key, why := w.choose(b)
	if why != "" {
		return nil, why
	}
	w.cert.expires, w.cert.due = c.NotAfter, w.dueByLife(c)
	return certSecret(&vault.Secret{}, c, key, b.chainOf(c)), ""
}

// choose gives the certificate of b that lives longest of those that fit.
func (w *Watcher) choose(b *bundle) (best certificate, key, why string) {
	switch {
	case b.broken:
		return best, "", "the destination holds a certificate that can't be read"
	case len(b.certs) == 0:
		return best, "", "the destination holds none"
	}
	now := time.Now()
	for _, c := range b.certs {
		k := b.keyOf(c)
		switch {
		case !w.cert.wish.fits(c):
			why = "the one in the destination is for other names"
		case k == "" && !w.cert.wish.csr:
			why = "the destination holds no private key for it"
		case now.Before(c.NotBefore) || !now.Before(w.dueByLife(c)):
			why = "the one in the destination nears its end, or has ended"
		case !c.NotAfter.After(w.cert.expires):
			why = "the one in the destination is no newer than the last"
		case best.Certificate == nil || c.NotAfter.After(best.NotAfter):
			best, key = c, k
		}
	}
	if best.Certificate != nil {
		why = ""
	}
	return best, key, why
}

// dueByLife is when c is to be replaced by what it says itself: every start comes
// to the same moment.
func (w *Watcher) dueByLife(c certificate) time.Time {
	life := c.NotAfter.Sub(c.NotBefore)
	return w.policyFor(c).ReplaceAt(lease.Lease{TTL: life, IssuedAt: c.NotBefore}, life)
}

// policyFor is the policy with c's own randomness.
func (w *Watcher) policyFor(c certificate) lease.Policy {
	p := w.o.Policy
	if p.Rand != nil {
		sum := sha256.Sum256(c.Raw)
		f := float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
		p.Rand = func() float64 { return f }
	}
	return p
}

// resumeCertificate says whether the certificate of an earlier run is still good.
func (w *Watcher) resumeCertificate(s *vault.Secret) bool {
	cert, _ := s.Data.Unwrap()["cert"].(string)
	b := parseBundle(cert)
	if len(b.certs) == 0 || !time.Now().Before(w.dueByLife(b.certs[0])) {
		return false
	}
	w.cert.expires, w.cert.due = b.certs[0].NotAfter, w.dueByLife(b.certs[0])
	return true
}

// dueOfIssued is dueByLife for a certificate that has just come, whose own
// words can't be taken at face value: Vault dates it back by 30 s, which may be
// most of a short life, and the clocks may differ.
func (w *Watcher) dueOfIssued(c certificate, now time.Time) time.Time {
	usable := min(c.NotAfter.Sub(now), c.NotAfter.Sub(c.NotBefore))
	latest := w.policyFor(c).ReplaceAt(lease.Lease{TTL: usable, IssuedAt: now}, usable)
	at := w.dueByLife(c)
	if at.After(latest) || at.Before(now.Add(usable/3)) {
		at = latest
	}
	if at.Sub(now) < minCertPause {
		w.log.Warn("a new certificate is due for replacement already: is this host's clock right, is its TTL long enough?", "expires", c.NotAfter)
		return now.Add(w.cert.soon.Next())
	}
	w.cert.soon.Reset()
	return at
}

// issue asks Vault for a certificate.
func (w *Watcher) issue(ctx context.Context, s *vault.Session) (*vault.Secret, error) {
	if strings.EqualFold(w.cert.wish.format, "der") {
		return nil, w.noCertificate("format=der gives no PEM; leave format out, or say format=pem_bundle")
	}
	raw, err := s.Fetch(ctx, w.o.Request)
	if err != nil {
		return nil, err
	}
	b := parseBundle(textsOf(raw.Data.Unwrap())...)
	if len(b.certs) == 0 {
		return nil, w.noCertificate("the answer holds no certificate in PEM; is this the path of a PKI role, as in pki/issue/<role>?")
	}
	c, key := b.certs[0], ""
	if len(b.keys) > 0 {
		key = b.keys[0]
	}
	w.cert.expires, w.cert.due = c.NotAfter, w.dueOfIssued(c, time.Now().Round(0))
	return certSecret(raw, c, key, b.chainOf(c)), nil
}

func (w *Watcher) noCertificate(detail string) error {
	return &vault.Error{Op: "issue a certificate at", Path: w.o.Request.Path, Class: vault.Invalid, Detail: detail}
}

// textsOf gives the texts of an answer that may hold PEM: first those of Vault's
// own engine, in the order that decides which authority is the first, then
// what others may have sent.
func textsOf(data map[string]any) []string {
	first := []string{"certificate", "private_key", "issuing_ca", "ca_chain"}
	var out []string
	add := func(key string) {
		switch v := data[key].(type) {
		case string:
			out = append(out, v)
		case []any:
			for _, item := range v {
				if s, ok := item.(string); ok && key == "ca_chain" {
					out = append(out, s)
				}
			}
		}
	}
	for _, key := range first {
		add(key)
	}
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if !slices.Contains(first, key) {
			add(key)
		}
	}
	return out
}

// certSecret is raw with a certificate as its data.
func certSecret(raw *vault.Secret, c certificate, key string, chain []string) *vault.Secret {
	ca := ""
	if len(chain) > 0 {
		ca = chain[0]
	}
	out := *raw
	out.Data = vault.NewData(map[string]any{"cert": c.pem, "key": key, "ca": ca, "ca_chain": chain})
	return &out
}

// holdCertificate waits until the certificate is to be replaced. Its end is a
// time of the wall clock, which goes on while a host sleeps, and a timer's does
// not: it is looked at every minute.
func (w *Watcher) holdCertificate(ctx context.Context) error {
	for {
		left := time.Until(w.cert.due)
		if left <= 0 {
			return nil
		}
		t := time.NewTimer(min(left, time.Minute))
		select {
		case <-t.C:
		case <-w.poke:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}
