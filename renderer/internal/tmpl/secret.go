package tmpl

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"vault-renderer/renderer/internal/vault"
)

// Secret is what a template sees of a vault.Secret: consul-template's fields.
type Secret struct {
	RequestID     string
	LeaseID       string
	LeaseDuration int // seconds
	Renewable     bool
	Data          map[string]any
	Warnings      []string
	Auth          *SecretAuth
	WrapInfo      *SecretWrapInfo
}

// SecretAuth is .Auth of a secret.
type SecretAuth struct {
	ClientToken   string
	Accessor      string
	Policies      []string
	Metadata      map[string]string
	LeaseDuration int
	Renewable     bool
}

// SecretWrapInfo is .WrapInfo of a secret.
type SecretWrapInfo struct {
	Token           string
	TTL             int
	CreationTime    time.Time
	WrappedAccessor string
}

func secretFor(s *vault.Secret) *Secret {
	out := &Secret{
		RequestID: s.RequestID, LeaseID: s.Lease.ID, LeaseDuration: int(s.Lease.TTL / time.Second),
		Renewable: s.Lease.Renewable, Data: s.Data.Unwrap(), Warnings: s.Warnings,
	}
	if a := s.Auth; a != nil {
		out.Auth = &SecretAuth{
			ClientToken: a.ClientToken.Reveal(), Accessor: a.Accessor, Policies: a.Policies, Metadata: a.Metadata,
			LeaseDuration: int(a.TTL.TTL / time.Second), Renewable: a.TTL.Renewable,
		}
	}
	if w := s.WrapInfo; w != nil {
		out.WrapInfo = &SecretWrapInfo{Token: w.Token.Reveal(), TTL: w.TTL, WrappedAccessor: w.WrappedAccessor}
		out.WrapInfo.CreationTime, _ = time.Parse(time.RFC3339Nano, w.CreationTime)
	}
	return out
}

// PemEncoded is what pkiCert gives.
type PemEncoded struct {
	Cert, Key, CA string
	CAChain       []string
}

// Data is the certificate itself, for templates that write .Data.Cert as they
// would with a secret.
func (p PemEncoded) Data() PemEncoded { return p }

// CaChainContains says whether the chain holds a certificate.
func (p PemEncoded) CaChainContains(pem string) bool { return slices.Contains(p.CAChain, pem) }

// Equals compares two.
func (p PemEncoded) Equals(o PemEncoded) bool {
	return p.Cert == o.Cert && p.Key == o.Key && p.CA == o.CA && slices.Equal(p.CAChain, o.CAChain)
}

var (
	errEmptyPath = errors.New("the path is empty")
	errNoPair    = errors.New(`an argument after the path has no "="; write it as "key=value"`)
)

// request builds what secret, secrets or pkiCert asks for; ok is false when
// there is nothing to ask.
func request(name string, args []string) (r vault.Request, ok bool, err error) {
	if len(args) == 0 || name == "secrets" && args[0] == "" {
		return r, false, nil
	}
	r.Path = strings.Trim(strings.TrimSpace(args[0]), "/")
	if r.Path == "" {
		return r, false, errEmptyPath
	}
	var u *url.URL
	switch {
	case name == "secrets":
		r.Method = vault.MethodList
		return r, true, nil
	case name == "pkiCert":
		r.Method = vault.MethodPKI
		if u, err = parsePath(r.Path); err == nil {
			r.Path = u.Path
		}
	case len(args) == 1:
		r.Method = vault.MethodRead
		if plain(r.Path) {
			return r, true, nil
		}
		if u, err = parsePath(r.Path); err == nil {
			r.Path = u.Path
			if q := u.Query().Encode(); q != "" {
				r.Path += "?" + q
			}
		}
		return r, err == nil, err
	default:
		r.Method = vault.MethodWrite // its path may hold anything
	}
	if err != nil {
		return r, false, err
	}
	r.Params, err = params(args[1:])
	return r, err == nil, err
}

// plain says whether a path means the same as a URL: nearly every one does.
func plain(p string) bool {
	for i := range len(p) {
		switch c := p[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '/', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}

// parsePath reads the path of a secret as the URL that it becomes: %20 is a
// blank, # ends it, and what follows ? are its parameters.
func parsePath(p string) (*url.URL, error) {
	u, err := url.Parse(p)
	if err != nil {
		return nil, errors.New("the path can't be part of a URL")
	}
	return u, nil
}

// params makes key=value arguments a body: sorted JSON, so that the same
// arguments in another order are the same request.
func params(pairs []string) (string, error) {
	body := map[string]string{}
	for _, kv := range pairs {
		if kv == "" {
			continue
		}
		k, v, found := strings.Cut(kv, "=")
		if !found {
			return "", errNoPair
		}
		body[strings.TrimSpace(k)] = strings.TrimSpace(v)
	}
	sorted, err := json.Marshal(body) // encoding/json sorts the keys
	if err != nil {
		return "", errors.New("the arguments can't be encoded")
	}
	return string(sorted), nil
}

func (t *Template) secret(args ...string) (any, error) {
	r, ok, err := request("secret", args)
	if err != nil || !ok {
		return nil, err
	}
	return t.run.once(r, func(s *vault.Secret) any {
		if r.Method == vault.MethodWrite && s.RequestID == "" && s.Lease.ID == "" && s.Data.Unwrap() == nil && s.Auth == nil && s.WrapInfo == nil {
			return (*Secret)(nil) // the write was answered without a body
		}
		out := secretFor(s)
		if t.changes {
			out.Data, _ = clone(out.Data).(map[string]any)
		}
		return out
	})
}

func (t *Template) secrets(path string) ([]string, error) {
	r, ok, err := request("secrets", []string{path})
	if err != nil || !ok {
		return nil, err
	}
	v, err := t.run.once(r, func(s *vault.Secret) any { return slices.Clone(s.Keys) })
	keys, _ := v.([]string)
	return keys, err
}

func (t *Template) pkiCert(args ...string) (any, error) {
	r, ok, err := request("pkiCert", args)
	if err != nil || !ok {
		return nil, err
	}
	if r.Params, err = withDestination(r.Params, t.spec.Destination); err != nil {
		return nil, err
	}
	return t.run.once(r, func(s *vault.Secret) any {
		d := s.Data.Unwrap()
		var p PemEncoded
		p.Cert, _ = d["cert"].(string)
		p.Key, _ = d["key"].(string)
		p.CA, _ = d["ca"].(string)
		chain, _ := d["ca_chain"].([]string)
		p.CAChain = slices.Clone(chain)
		return p
	})
}

// withDestination puts the template's destination among the parameters of a
// certificate: it is taken from there as long as it is good.
func withDestination(params, destination string) (string, error) {
	body := map[string]string{}
	if err := json.Unmarshal([]byte(params), &body); err != nil {
		return "", err
	}
	if _, taken := body[vault.DestinationParam]; taken {
		return "", fmt.Errorf("the key %s is reserved", vault.DestinationParam)
	}
	body[vault.DestinationParam] = destination
	sorted, err := json.Marshal(body)
	return string(sorted), err
}

// clone copies a value of a secret, for templates that may change it: the
// original is shared with others.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		if v == nil {
			return v
		}
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = clone(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = clone(e)
		}
		return out
	}
	return v
}

// changing says whether a function may change the value it is given.
func changesItsArgument(name string) bool {
	switch strings.TrimPrefix(name, sprigPrefix) {
	case "set", "unset", "merge", "mustMerge", "mergeOverwrite", "mustMergeOverwrite", "mergeMap", "mergeMapWithOverride", "explodeMap", "scratch":
		return true
	}
	return false
}
