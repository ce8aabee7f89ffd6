// Package state keeps on tmpfs what a restart goes on from: the token, the
// leased secrets, the files that were written and what is still to be revoked.
// It writes a checksummed file of mode 0600 in one rename, lets one process at
// a time have it, and sets aside whatever it can't trust. It knows nothing of
// Vault, and what it gives back may have ended long ago: that is for others to
// find out.
package state

import (
	"encoding/json"
	"time"

	"vault-renderer/renderer/internal/lease"
)

// State is what a restart goes on from. Times are wall clock.
type State struct {
	Token      *Token   // nil: none
	Retired    []Token  // older tokens: alive for old leases, or still to be revoked
	Secrets    []Secret // what the templates are rendered from
	Superseded []Lease  // leases to be revoked later
	InFlight   []InFlight
	Files      []File
	Rollouts   []Rollout
	Sinks      []Sink
	Memory     map[string]Hidden // what an auth method keeps, by its name; any bytes
	Generation uint64            // the last number that was given to a generation
}

// Token is a token and its life.
type Token struct {
	ID       uint64 // of its session: what a Secret or Lease has as TokenID
	Value    Hidden
	Accessor string
	Life     Life          // its ID is empty
	Full     time.Duration // what Vault grants when nothing cuts it short
	Last     bool          // no renewal prolongs it
	Ours     bool          // we logged in for it, so we may revoke it
}

// Secret is the answer to one request, with its lease.
type Secret struct {
	Method, Path string
	Params       Hidden // may hold what a template took from another secret
	RequestID    string
	Data         Hidden // JSON, with numbers as Vault wrote them; "" = no data
	Auth         Hidden // JSON; "" = none
	WrapInfo     Hidden // JSON; "" = none
	Keys         []string
	Warnings     []string
	Life         Life
	Full         time.Duration
	Last         bool
	TokenID      uint64
	Own          Hidden // the token of its own that it hangs on; "" = the session's
}

// Lease is a lease that nothing uses any more.
type Lease struct {
	Life    Life
	TokenID uint64
	Own     Hidden
	After   time.Time // it is not to be revoked before
	Why     string
}

// InFlight is a request that was sent and not yet answered when the state was
// saved: what it leased hangs on Own, and ends with it.
type InFlight struct {
	Method, Path string
	Params       Hidden
	Own          Hidden
	At           time.Time
}

// File is a destination as it was written.
type File struct {
	Destination string
	Template    string // digest of the template's text and settings
	Digest      string // of the content, "sha256:<hex>"
	Generation  uint64
	Told, Acked bool     // the application: its hooks ran; it has confirmed
	Leases      []Hidden // ids of those that its content uses
	AckedLeases []Hidden // ids of those that the application is known to use
	Side        []string // paths of other files that its template wrote
}

// Rollout is how far a rollout has come. Its Journal is another package's JSON
// and holds no secret.
type Rollout struct {
	Name      string          `json:"name"`
	Acked     uint64          `json:"acked,omitempty"` // number of the generation that was acknowledged last
	Journal   json.RawMessage `json:"journal,omitempty"`
	RefusedAt time.Time       `json:"refused_at,omitzero"` // zero = its last generation was not refused
	Tries     int             `json:"tries,omitempty"`
}

// Sink is a token sink as it was written. Its Stamp is another package's JSON
// and holds no secret.
type Sink struct {
	Path  string          `json:"path"`
	Stamp json.RawMessage `json:"stamp,omitempty"`
}

// Life is a lease.Lease whose id is hidden.
type Life struct {
	ID        Hidden
	TTL       time.Duration
	Renewable bool
	IssuedAt  time.Time
}

// LifeOf hides the id of l.
func LifeOf(l lease.Lease) Life {
	return Life{ID: Hide(l.ID), TTL: l.TTL, Renewable: l.Renewable, IssuedAt: l.IssuedAt}
}

// Lease is l with its id in plain sight.
func (l Life) Lease() lease.Lease {
	return lease.Lease{ID: l.ID.Reveal(), TTL: l.TTL, Renewable: l.Renewable, IssuedAt: l.IssuedAt}
}
