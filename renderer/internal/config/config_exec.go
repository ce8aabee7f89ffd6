package config

import (
	"time"

	"github.com/hashicorp/hcl/v2"
)

// EnvTemplate is one env_template block: a variable for the child process.
type EnvTemplate struct {
	Variable          string
	Source            string    // path of the template; "" when Contents is set
	SourceRange       hcl.Range // where that path stands
	Contents          string
	ContentsRange     hcl.Range // where the text of Contents stands; see EnvTemplate.At
	ErrorOnMissingKey bool      // false when not set; true with strict
	ErrorFatal        bool      // true when not set
	LeftDelimiter     string    // "" = "{{"
	RightDelimiter    string
	FunctionDenylist  []string // function names or globs; with function_blacklist's
	Range             hcl.Range
}

// Supervise is the top-level exec block: the child process, what it is given,
// and how it gets to know of changes.
type Supervise struct {
	Command                []string      // one element with blanks runs through sh -c; never empty
	RestartOnSecretChanges Restart       // RestartAlways when not set
	StopSignal             string        // restart_stop_signal or kill_signal; SIGTERM when not set
	KillTimeout            time.Duration // after the signal; then its group is killed; 30s when not set
	ReloadSignal           string        // when only files changed; "" = it is restarted as for a variable
	Splay                  time.Duration // before a restart or reload: up to this, at random; 0 when not set
	StartTimeout           time.Duration // for all secrets of the first start; 0 = wait for ever
	Env                    ExecEnv
	VaultToken             bool   // the child gets VAULT_TOKEN
	WorkingDir             string // "" = ours
	User, Group            string // name or number; "" = ours, and the user's own
	Stdin                  bool   // inherited; true when not set
	Stdout, Stderr         string // paths; "" = inherited
	Ready                  *Ready // nil = ready when it runs; never nil with RestartRolling
	Sockets                []Socket
	MaxRestarts            int       // in a row, of a child that does not stay; 5 when not set, 0 = none
	Range                  hcl.Range // the block's header; without a block: where something asks for a child
}

// Restart says what becomes of the child when its variables change.
type Restart string

// The values of restart_on_secret_changes.
const (
	RestartAlways  Restart = "always"  // it is stopped and started again
	RestartNever   Restart = "never"   // it keeps running with what it has
	RestartRolling Restart = "rolling" // a new one is started; when that is ready, the old one is stopped
)

// ExecEnv is exec's env block: what of our environment the child gets. Variables
// of env_template come on top.
type ExecEnv struct {
	Pristine  bool     // nothing
	Custom    []string // NAME=value, in any case
	Allowlist []string // patterns of path.Match; empty = all
	Denylist  []string // likewise, and stronger; empty = none
	Range     hcl.Range
}

// Ready is exec's ready block: how the child shows that it is ready. One of
// URL, Address, Command, File and Notify is set. In the first four {pid} is the
// number of the child's process.
type Ready struct {
	URL      string // http or https; answers with 2xx
	Address  string // host:port that accepts connections
	Command  []string
	File     string        // it is written
	Notify   bool          // the child says so, as to systemd
	Timeout  time.Duration // 1m when not set
	Interval time.Duration // between looks; 100ms when not set
	Range    hcl.Range
}

// Socket is a socket block of exec: one that is listened on for the child, and
// passed to it by systemd's protocol for socket activation.
type Socket struct {
	Name    string
	Network string // tcp, tcp4, tcp6, udp, udp4, udp6, unix, unixgram; tcp when not set
	Address string // host:port; for unix and unixgram a path, or @name
	Mode    uint32 // of a path; 0600 when not set
	Range   hcl.Range
}

// At is Template.At for a variable.
func (t *EnvTemplate) At(line, col int) (filename string, fileLine, fileCol int) {
	return textAt(t.ContentsRange, line, col)
}
