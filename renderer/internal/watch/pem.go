package watch

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"regexp"
	"slices"
	"strings"
)

// bundle is what texts hold in PEM, in their order.
type bundle struct {
	certs  []certificate // but for those of authorities
	keys   []string      // PEM
	cas    []certificate // each once
	broken bool          // there was a certificate that is no X.509
}

// certificate is one certificate in both forms. The PEM is always written the
// same way, whoever wrote it before.
type certificate struct {
	*x509.Certificate
	pem string
}

var pemBlock = regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]+-----.*?-----END [A-Z0-9 ]+-----`)

// parseBundle finds all PEM blocks, also those that a template has indented or
// written into a quoted string.
func parseBundle(texts ...string) *bundle {
	b := &bundle{}
	for _, text := range texts {
		for _, found := range pemBlock.FindAllString(text, -1) {
			b.add(straighten(found))
		}
	}
	return b
}

// straighten puts every line of a block at the line's begin.
func straighten(block string) []byte {
	var out bytes.Buffer
	for line := range strings.Lines(strings.ReplaceAll(block, `\n`, "\n")) {
		out.WriteString(strings.TrimSpace(line))
		out.WriteByte('\n')
	}
	return out.Bytes()
}

func (b *bundle) add(raw []byte) {
	block, _ := pem.Decode(raw)
	switch {
	case block == nil:
		b.broken = b.broken || bytes.HasPrefix(raw, []byte("-----BEGIN CERTIFICATE-----"))
		return
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		b.keys = append(b.keys, string(pem.EncodeToMemory(block)))
		return
	case block.Type != "CERTIFICATE":
		return // DH parameters and the like, which stand beside certificates
	}
	x, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		b.broken = true
		return
	}
	c := certificate{x, string(pem.EncodeToMemory(block))}
	switch {
	case !x.IsCA:
		b.certs = append(b.certs, c)
	case !slices.ContainsFunc(b.cas, func(o certificate) bool { return o.pem == c.pem }):
		b.cas = append(b.cas, c)
	}
}

// keyOf gives the private key of c, "" when it is not there.
func (b *bundle) keyOf(c certificate) string {
	for _, k := range b.keys {
		if _, err := tls.X509KeyPair([]byte(c.pem), []byte(k)); err == nil {
			return k
		}
	}
	return ""
}

// chainOf gives the authorities that belong to c: all of them, unless there are
// certificates of others too.
func (b *bundle) chainOf(c certificate) []string {
	chain := []string{}
	if len(b.certs) <= 1 {
		for _, ca := range b.cas {
			chain = append(chain, ca.pem)
		}
		return chain
	}
	of := c.Certificate
	for range b.cas {
		i := slices.IndexFunc(b.cas, func(ca certificate) bool {
			return bytes.Equal(ca.RawSubject, of.RawIssuer) && of.CheckSignatureFrom(ca.Certificate) == nil
		})
		if i < 0 || slices.Contains(chain, b.cas[i].pem) {
			break
		}
		chain = append(chain, b.cas[i].pem)
		of = b.cas[i].Certificate
	}
	return chain
}
