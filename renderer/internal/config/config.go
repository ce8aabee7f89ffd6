package config

import (
	"log/slog"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Config is one complete, validated configuration: what all the files given
// with -config say together. It is not changed after Load returned it.
type Config struct {
	PIDFile        string // "" = none
	ExitAfterAuth  bool   // stop with success once sinks and templates are written
	LogLevel       string // trace, debug, info, warn, error; "" = not set
	LogFormat      string // standard, json; "" = not set
	Strict         bool   // strict = true: every safe default on
	TmpfsPolicy    Tmpfs  // tmpfs = "warn" | "require" | "off"
	Vault          Vault
	AutoAuth       *AutoAuth // nil when the block is missing
	TemplateConfig TemplateConfig
	Templates      []Template

	// Files holds every file that was read, by name: what a diagnostic writer
	// needs to print source lines.
	Files map[string]*hcl.File
}

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
	Method Method
	Sinks  []Sink
	Range  hcl.Range
}

// Method is auto_auth.method. Exactly one of the pointers below is set, by Type.
type Method struct {
	Type       string
	MountPath  string // without the trailing slash; "auth/<type>" when not set
	Namespace  string
	MinBackoff time.Duration // 1s when not set
	MaxBackoff time.Duration // 5m when not set
	ExitOnErr  bool
	AppRole    *AppRole
	Range      hcl.Range
}

// AppRole is the config map of method "approle".
type AppRole struct {
	RoleIDFilePath               string
	SecretIDFilePath             string // "" = log in with the role id only
	RemoveSecretIDFileAfterRead  bool   // true when not set
	SecretIDResponseWrappingPath string // "" = the file holds the SecretID itself
}

// Sink is one file sink: where the token is written.
type Sink struct {
	Path  string
	Mode  int // 0640 when not set; 0600 with strict
	Owner int // -1 = not set
	Group int // -1 = not set
	Range hcl.Range
}

// TemplateConfig is the template_config block.
type TemplateConfig struct {
	ExitOnRetryFailure         bool
	StaticSecretRenderInterval time.Duration // 5m when not set
	MaxConnectionsPerHost      int           // 10 when not set
	LeaseRenewalThreshold      float64       // 0.90 when not set
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
	Tmpfs             Tmpfs
	AllowEmpty        bool      // an empty render is no error even with strict
	Exec              *Exec     // nil = no command
	Signal            *Signal   // nil = none
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
