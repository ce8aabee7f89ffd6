package config

import (
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Rollout is a rollout block: how the files of the templates that name it
// change together, and how the application is told and answers.
type Rollout struct {
	Name   string
	Splay  time.Duration // before the application is told: up to this, at random; 0 when not set
	Check  *Check        // nil = none
	Reload *Reload       // nil = none beside the templates' own exec and reload
	Ack    *Ack          // nil = the application is not asked
	Revoke RevokeWhen    // that of the lease block when not set
	Grace  time.Duration // likewise
	Range  hcl.Range     // the block's header
}

// Check is the check block of a rollout: a command that looks at the staged
// files before anything is swapped.
type Check struct {
	Command []string      // one element with blanks runs through sh -c; {} stands for the staged paths
	Timeout time.Duration // 30s when not set
	Range   hcl.Range
}

// Reload is the reload block of a rollout. One of PIDFile, Process, Child,
// Command and URL is set.
type Reload struct {
	PIDFile string
	Process string // name of the program, as ps shows it
	Child   bool   // the supervised child
	Signal  string // for PIDFile, Process and Child; SIGHUP when not set, for Child exec's reload_signal
	Command []string
	URL     string        // http, https, or unix:///path/of/socket:/path
	Method  string        // of the request; POST when not set
	Timeout time.Duration // of one try; 30s when not set
	Retries int           // tries after the first; 3 when not set
	Range   hcl.Range
}

// Ack is the ack block of a rollout. One of URL, File and Command is set.
type Ack struct {
	URL         string // its answer holds the digest
	File        string // it holds the digest
	Command     []string
	Destination string        // whose digest the application reports; "" = the rollout's only file, else the digest over all
	Timeout     time.Duration // 1m when not set
	Interval    time.Duration // between looks; 250ms when not set
	Range       hcl.Range
}

// RevokeWhen says when credentials that are not used any more are revoked.
type RevokeWhen string

// The values of revoke.
const (
	RevokeAcked  RevokeWhen = "acked"  // after the application's ack and the grace; without an ack block they lapse
	RevokeAlways RevokeWhen = "always" // likewise, and without an ack block after the hooks and the grace
	RevokeNever  RevokeWhen = "never"  // they lapse
)

// Leases is the lease block: how long credentials overlap, and how closely
// they are watched.
type Leases struct {
	ReplaceBefore  time.Duration // the overlap; 0 = by the life: see lease.Policy
	LookupInterval time.Duration // 0 = a tenth of the lease, 10s to 5m; negative = no look-ups
	OwnToken       bool          // a token below the agent's for each leased secret
	Revoke         RevokeWhen    // RevokeAcked when not set
	Grace          time.Duration // 10s when not set
	Range          hcl.Range
}

// OnExit is what becomes of files and credentials when the program stops.
type OnExit struct {
	Revoke  bool          // on_exit = "revoke": leases and token end, files are removed
	Timeout time.Duration // on_exit_timeout; 10s when not set
	Range   hcl.Range     // where the value of on_exit stands
}

// Status is the status block: where the program says how it is, and is told to
// look again.
type Status struct {
	Address string // unix:///path, or host:port of this host
	Mode    uint32 // of the socket; 0600 when not set
	User    string // of the socket; name or number, "" = the process's
	Group   string
	Range   hcl.Range
}
