package status

import "time"

// Report is how the program is at one moment. It holds no secret and no whole
// lease id: whoever may read it learns nothing to log in with. The JSON names
// are for programs and stay.
type Report struct {
	Version  string          `json:"version"`
	PID      int             `json:"pid"`
	Started  time.Time       `json:"started"`
	Time     time.Time       `json:"time"` // of this report
	Ready    bool            `json:"ready"`
	Reasons  []string        `json:"reasons,omitempty"` // why not; empty when ready
	Vault    string          `json:"vault"`             // VaultAnswers, or "away since <RFC 3339>"
	Token    *TokenReport    `json:"token"`             // nil: no login yet, or none is made
	Secrets  []SecretReport  `json:"secrets"`
	Rollouts []RolloutReport `json:"rollouts"`
	Revoking int             `json:"revoking"` // leases that are not used any more and wait for their end
}

// VaultAnswers is Report.Vault while the last request was answered.
const VaultAnswers = "answers"

// Limit is what ends a credential first. A credential lives no longer than the
// least of the four.
type Limit string

// The limits. What a renewal prolongs is bound by the lease or the token; what
// a renewal prolongs no more, by a maximum.
const (
	LimitNone     Limit = ""          // nothing ends it
	LimitLease    Limit = "lease"     // the lease as granted
	LimitLeaseMax Limit = "lease_max" // the most that the lease may live
	LimitToken    Limit = "token"     // the token as granted
	LimitTokenMax Limit = "token_max" // the most that the token may live
)

// String is the limit in words.
func (l Limit) String() string {
	switch l {
	case LimitNone:
		return "nothing"
	case LimitLease:
		return "the lease"
	case LimitLeaseMax:
		return "the lease's maximum"
	case LimitToken:
		return "the token"
	case LimitTokenMax:
		return "the token's maximum"
	}
	return string(l)
}

// TokenReport is the token in use, without the token.
type TokenReport struct {
	Session   uint64     `json:"session"` // counts the logins
	IssuedAt  time.Time  `json:"issued_at"`
	ExpiresAt *time.Time `json:"expires_at"` // nil: never
	Renewable bool       `json:"renewable"`
	Renews    *time.Time `json:"renews,omitempty"`   // when it is renewed next
	Replaced  *time.Time `json:"replaced,omitempty"` // when the next login is due, if no renewal can put it off
	Limit     Limit      `json:"limit"`              // LimitToken, LimitTokenMax, or none
}

// Action is what comes next for a secret.
type Action string

// The actions.
const (
	ActionRenew   Action = "renew"   // prolong the lease
	ActionReplace Action = "replace" // fetch new credentials while the old ones live
	ActionRead    Action = "read"    // read again what has no lease
	ActionRetry   Action = "retry"   // the last try failed
	ActionNone    Action = ""        // nothing: it is not read again
)

// SecretReport is one secret that templates use.
type SecretReport struct {
	Secret     string     `json:"secret"`          // method and path, as vault.Request.String gives them
	Lease      string     `json:"lease,omitempty"` // its id without the last part: "database/creds/app"
	ExpiresAt  *time.Time `json:"expires_at"`      // nil: nothing ends it
	Renewable  bool       `json:"renewable"`
	NextAction Action     `json:"next_action"`
	NextAt     *time.Time `json:"next_at"` // nil with ActionNone
	Limit      Limit      `json:"limit"`
	Since      *time.Time `json:"since"`           // when the value in use was fetched; nil: there is none yet
	Reason     string     `json:"reason"`          // why it was fetched: "first", "max_ttl", "revoked", ...
	Error      string     `json:"error,omitempty"` // of the last try; the value before it stays in use
}

// Placed says whether every file is in place, whether or not the application
// has acknowledged it: what an application that is yet to start waits for.
func (r Report) Placed() bool {
	for _, x := range r.Rollouts {
		switch {
		case x.Generation > 0:
		case x.Stage == StagePlaced, x.Stage == StageTelling, x.Stage == StageWaiting, x.Stage == StageAcked, x.Stage == StageKept:
		default:
			return false
		}
	}
	return true
}

// Stage is where a rollout stands.
type Stage string

// The stages of a rollout, in order; refused and kept are ends as acked is one.
const (
	StageNone     Stage = "none"            // nothing was rendered yet
	StageRendered Stage = "rendered"        // contents are there, nothing is staged
	StageChecking Stage = "checking"        // the check runs on the staged files
	StagePlaced   Stage = "placed"          // the files are in place
	StageTelling  Stage = "telling"         // hooks run
	StageWaiting  Stage = "waiting for ack" // the application is asked
	StageAcked    Stage = "acked"           // the application uses it, or nobody has to be asked
	StageRefused  Stage = "refused"         // the files of the generation before are back
	StageKept     Stage = "kept"            // refused, but the credentials before are dead or never were: it stays
)

// RolloutReport is one rollout.
type RolloutReport struct {
	Name       string     `json:"name"`
	Generation uint64     `json:"generation"` // that Stage is about
	Digest     string     `json:"digest"`     // "sha256:<hex>" over paths and contents
	Stage      Stage      `json:"stage"`
	Since      *time.Time `json:"since"` // of the stage
	Files      []string   `json:"files"`
	Error      string     `json:"error,omitempty"`    // of the last try
	NextTry    *time.Time `json:"next_try,omitempty"` // when it is tried again, if nothing changes before
	Previous   uint64     `json:"previous,omitempty"` // the generation that the application falls back to; 0 = none
}
