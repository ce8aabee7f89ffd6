package config

import (
	"log/slog"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Config is one complete, validated configuration: what all the files given
// with -config say together. It is not changed after Load returned it.
type Config struct {
	PIDFile           string // "" = none
	ExitAfterAuth     bool   // stop with success once sinks and templates are written
	LogLevel          string // trace, debug, info, warn, error; "" = not set
	LogFormat         string // standard, json; "" = not set
	Log               LogFile
	DisableIdleConns  Traffic // for whom connections are not kept
	DisableKeepAlives Traffic // for whom each request has a connection of its own
	ClusterName       string  // a label of metrics
	Strict            bool    // strict = true: every safe default on
	TmpfsPolicy       Tmpfs   // tmpfs = "warn" | "require" | "off"
	Vault             Vault
	AutoAuth          *AutoAuth // nil when the block is missing
	TemplateConfig    TemplateConfig
	Templates         []Template
	EnvTemplates      []EnvTemplate
	Exec              *Supervise // nil when the block is missing
	Cache             *Cache     // nil when the block is missing
	APIProxy          *APIProxy  // nil when the block is missing
	Listeners         []Listener
	Telemetry         *Telemetry // nil when the block is missing
	Rollouts          []Rollout
	Leases            Leases
	StateFile         string    // state_file: what a restart goes on from; "" = none
	StateFileRange    hcl.Range // where that path stands
	OnExit            OnExit
	Status            *Status // nil when the block is missing

	// Files holds every file that was read, by name: what a diagnostic writer
	// needs to print source lines.
	Files map[string]*hcl.File
}

// LogFile is where a copy of the log goes: log_file and log_rotate_*.
type LogFile struct {
	Path           string        // "" = none; ending in "/": vault.log in that directory
	RotateDuration time.Duration // 24h when not set
	RotateBytes    int64         // 0 = no limit
	RotateMaxFiles int           // archives to keep: 0 = all, negative = none
}

// Traffic is a set of the kinds of requests that disable_idle_connections and
// disable_keep_alives name.
type Traffic struct{ AutoAuth, Proxying, Templating bool }

// Level is LogLevel as slog knows it; info when not set. Trace is slog.LevelDebug-4.
func (c *Config) Level() slog.Level { return level(c.LogLevel) }

// Tmpfs says what happens when a destination is not on tmpfs or ramfs.
type Tmpfs string

// The values of tmpfs.
const (
	TmpfsWarn    Tmpfs = "warn"
	TmpfsRequire Tmpfs = "require"
	TmpfsOff     Tmpfs = "off"
)

// Vault is the vault block: how the server is reached. Environment variables
// (VAULT_ADDR ...) are not applied here.
type Vault struct {
	Address       string // "" = not set
	CACert        string
	CAPath        string
	ClientCert    string
	ClientKey     string
	TLSSkipVerify bool
	TLSServerName string
	Namespace     string
	NumRetries    int // tries after the first: 12 when not set or 0; -1 in the file is 0 here
	Range         hcl.Range
}

// AutoAuth is the auto_auth block.
type AutoAuth struct {
	Method                Method
	Sinks                 []Sink
	ReauthOnNewCredential bool // enable_reauth_on_new_credentials
	Range                 hcl.Range
}

// TemplateConfig is the template_config block.
type TemplateConfig struct {
	ExitOnRetryFailure         bool
	StaticSecretRenderInterval time.Duration // 5m when not set
	MaxConnectionsPerHost      int           // 10 when not set
	LeaseRenewalThreshold      float64       // 0.90 when not set

	// The limits of one execution of a template.
	MaxOutput   int64         // bytes; 64 MiB when not set
	MaxDuration time.Duration // 30s when not set
	MaxDepth    int           // 10,000 when not set
}

// Template is one template block.
type Template struct {
	Name              string    // for people: the label if there is one, else the destination
	Source            string    // path of the template; "" when Contents is set
	SourceRange       hcl.Range // where that path stands
	Contents          string
	ContentsRange     hcl.Range // where the text of Contents stands; see Template.At
	Destination       string
	CreateDestDirs    bool   // true when not set
	ErrorOnMissingKey bool   // false when not set; true with strict
	ErrorFatal        bool   // true when not set
	Perms             uint32 // 0 = not set
	User, Group       string // name or number; "" = not set
	LeftDelimiter     string // "" = "{{"
	RightDelimiter    string
	Backup            bool     // keep the file that was there as DESTINATION.bak
	SandboxPath       string   // "file" reads below it only; "" = anywhere
	FunctionDenylist  []string // function names or globs; with function_blacklist's
	Wait              *Wait    // nil = write as soon as all secrets are there
	Tmpfs             Tmpfs
	AllowEmpty        bool      // an empty render is no error even with strict
	Exec              *Exec     // nil = no command
	Signal            *Signal   // nil = none
	Rollout           string    // name of a rollout block; "" = by the leased secrets alone
	RolloutRange      hcl.Range // where that name stands
	Range             hcl.Range // the block's header
}

// Exec is the command that a template runs after its file changed (exec or command).
type Exec struct {
	Command []string      // one element with blanks runs through sh -c
	Timeout time.Duration // 30s when not set; 0 = started, not awaited
	Range   hcl.Range
}

// Signal is the reload block of a template: a signal to the process that a pid file names.
type Signal struct {
	PIDFile string
	Signal  string // SIGHUP when not set
	Range   hcl.Range
}

// Wait holds back later renders (never the first) until a template's secrets
// have been quiet.
type Wait struct {
	Min time.Duration
	Max time.Duration // 4 times Min when not set
}
