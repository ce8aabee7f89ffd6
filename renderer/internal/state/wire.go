package state

import (
	"encoding/base64"
	"strings"
	"time"
	"unicode/utf8"
)

// The wire types are the file's JSON: the only place where hidden texts are in
// plain sight.

type wireState struct {
	Binding    string            `json:"binding"`
	Generation uint64            `json:"generation,omitempty"`
	Token      *wireToken        `json:"token,omitempty"`
	Retired    []wireToken       `json:"retired,omitempty"`
	Secrets    []wireSecret      `json:"secrets,omitempty"`
	Superseded []wireLease       `json:"superseded,omitempty"`
	InFlight   []wireInFlight    `json:"in_flight,omitempty"`
	Files      []wireFile        `json:"files,omitempty"`
	Rollouts   []Rollout         `json:"rollouts,omitempty"`
	Sinks      []Sink            `json:"sinks,omitempty"`
	Memory     map[string]string `json:"memory,omitempty"`
}

type wireLife struct {
	ID        string        `json:"id,omitempty"`
	TTL       time.Duration `json:"ttl,omitempty"` // nanoseconds
	Renewable bool          `json:"renewable,omitempty"`
	IssuedAt  time.Time     `json:"issued_at,omitzero"`
}

type wireToken struct {
	ID       uint64        `json:"id"`
	Value    string        `json:"value"`
	Accessor string        `json:"accessor,omitempty"`
	Life     wireLife      `json:"life"`
	Full     time.Duration `json:"full,omitempty"`
	Last     bool          `json:"last,omitempty"`
	Ours     bool          `json:"ours,omitempty"`
}

type wireSecret struct {
	Method    string        `json:"method"`
	Path      string        `json:"path"`
	Params    string        `json:"params,omitempty"`
	RequestID string        `json:"request_id,omitempty"`
	Data      string        `json:"data,omitempty"`
	Auth      string        `json:"auth,omitempty"`
	WrapInfo  string        `json:"wrap_info,omitempty"`
	Keys      []string      `json:"keys,omitempty"`
	Warnings  []string      `json:"warnings,omitempty"`
	Life      wireLife      `json:"life"`
	Full      time.Duration `json:"full,omitempty"`
	Last      bool          `json:"last,omitempty"`
	TokenID   uint64        `json:"token_id,omitempty"`
	Own       string        `json:"own,omitempty"`
}

type wireLease struct {
	Life    wireLife  `json:"life"`
	TokenID uint64    `json:"token_id,omitempty"`
	Own     string    `json:"own,omitempty"`
	After   time.Time `json:"after,omitzero"`
	Why     string    `json:"why,omitempty"`
}

type wireInFlight struct {
	Method string    `json:"method"`
	Path   string    `json:"path"`
	Params string    `json:"params,omitempty"`
	Own    string    `json:"own,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

type wireFile struct {
	Destination string   `json:"destination"`
	Template    string   `json:"template,omitempty"`
	Digest      string   `json:"digest,omitempty"`
	Generation  uint64   `json:"generation,omitempty"`
	Told        bool     `json:"told,omitempty"`
	Acked       bool     `json:"acked,omitempty"`
	Leases      []string `json:"leases,omitempty"`
	AckedLeases []string `json:"acked_leases,omitempty"`
	Side        []string `json:"side,omitempty"`
}

// JSON holds text only. Other bytes, which a template may make, follow a mark
// that no text begins with.
const bytesMark = "\x00"

func pack(s string) string {
	if utf8.ValidString(s) && !strings.HasPrefix(s, bytesMark) {
		return s
	}
	return bytesMark + base64.StdEncoding.EncodeToString([]byte(s))
}

// unpack undoes pack.
func unpack(s string) (string, error) {
	enc, marked := strings.CutPrefix(s, bytesMark)
	if !marked {
		return s, nil
	}
	b, err := base64.StdEncoding.DecodeString(enc)
	return string(b), err
}
