package vault

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"reflect"

	"vault-renderer/renderer/internal/lease"
)

const redacted = "[redacted]"

// Request is one distinct thing to ask Vault for. It is comparable: a map key.
type Request struct {
	Method string // one of the constants below
	Path   string // as the template wrote it, less outer blanks and slashes; with its ?query
	Params string // MethodWrite, MethodPKI: the body's key=value pairs as sorted JSON
}

// The methods of a Request.
const (
	MethodRead  = "read"
	MethodWrite = "write"
	MethodList  = "list"
	// MethodPKI writes to Path for a certificate. Params holds DestinationParam
	// too. Its Secret's data are "cert", "key" and "ca" (strings, PEM) and
	// "ca_chain" ([]string).
	MethodPKI = "pki"
	// MethodFile is a file of this host: Path is its name. Its Secret's data
	// are "content" (a string). Vault is not asked.
	MethodFile = "file"
)

// DestinationParam is the key in the Params of a MethodPKI that is not sent:
// the file that holds the certificate of earlier runs, "" = none.
const DestinationParam = "_destination"

// String names the request for people: the method only where it is not a read.
func (r Request) String() string {
	if r.Method == MethodRead {
		return r.Path
	}
	return r.Method + " " + r.Path
}

// Data is a secret's data. Printing, logging and marshalling it give
// "[redacted]"; Unwrap gives the values. They are behind a pointer because fmt
// goes past Formatter in its own error texts, but never follows a pointer there.
type Data struct{ values *map[string]any }

// NewData wraps a secret's values.
func NewData(m map[string]any) Data { return Data{&m} }

// Unwrap gives the values themselves, nil when there are none: for template
// functions and login methods only.
func (d Data) Unwrap() map[string]any {
	if d.values == nil {
		return nil
	}
	return *d.values
}

// Format implements fmt.Formatter: it never prints a value.
func (d Data) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer: it never logs a value.
func (d Data) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON implements json.Marshaler: it never writes a value.
func (d Data) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// Equal says whether two secrets carry the same values.
func (d Data) Equal(o Data) bool {
	return reflect.DeepEqual(d.Unwrap(), o.Unwrap())
}

// Secret is what a Request gave.
type Secret struct {
	RequestID string
	Lease     lease.Lease // Lease.TTL also holds the lease_duration of a secret without a lease
	Data      Data
	Warnings  []string
	Auth      *Auth
	WrapInfo  *WrapInfo
	Keys      []string // MethodList: sorted
}

// Auth is the auth part of a secret.
type Auth struct {
	ClientToken Token
	Accessor    string
	Policies    []string
	Metadata    map[string]string
	TTL         lease.Lease
	Wrapped     *WrapInfo // set in place of all the others when the login was wrapped
}

// WrapInfo is the wrap_info part of a secret.
type WrapInfo struct {
	Token           Token
	Accessor        string
	TTL             int // seconds
	CreationTime    string
	CreationPath    string
	WrappedAccessor string
}

// Token is a client token. Printing, logging and marshalling it give
// "[redacted]"; Reveal gives the value.
type Token struct{ value *string }

// NewToken wraps a token's value.
func NewToken(v string) Token { return Token{&v} }

// Reveal gives the value: for the client and the sinks only.
func (t Token) Reveal() string {
	if t.value == nil {
		return ""
	}
	return *t.value
}

// Empty says whether there is no token.
func (t Token) Empty() bool { return t.Reveal() == "" }

// Equal compares two tokens in constant time.
func (t Token) Equal(o Token) bool {
	return subtle.ConstantTimeCompare([]byte(t.Reveal()), []byte(o.Reveal())) == 1
}

// Format implements fmt.Formatter: it never prints the token.
func (t Token) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer: it never logs the token.
func (t Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON implements json.Marshaler: it never writes the token.
func (t Token) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }
