package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"vault-renderer/renderer/internal/report"
)

const agentUsage = `Usage: vault-renderer agent -config=FILE [-config=FILE ...] [options] [-- COMMAND ...]

Logs in to Vault as the configuration says, renders its templates and keeps
them fresh until it is stopped. Configuration files, flags and environment
variables of Vault Agent work as they are; called by the name "vault" (a
symbolic link), so does the whole command line.

    $ vault-renderer validate -config=agent.hcl    what is wrong, before it runs
    $ vault-renderer agent -config=agent.hcl

With an exec block, or a COMMAND behind --, it is the supervisor of that program:
starts it when its secrets are there, gives it their variables, signals and
restarts it when they change, passes signals on, and ends with its exit code.

  SIGHUP            reads the configuration again; a bad one changes nothing
  SIGUSR1           looks everything up that is in use; metrics to standard error
  SIGUSR2           profiles to a directory
  SIGINT, SIGTERM   stop; the files stay as they are. A second one stops at once
  with a program    HUP, USR1 and USR2 go to it as well, all others to it only

Exit codes: 0 stopped, or everything rendered with exit_after_auth; the program's
own, 128+n for a signal, 126 and 127 when it can't be started; 1 otherwise.

`

// agentFlags are the options of the agent command: those of Vault Agent, and
// -strict. Flags win over environment variables, these over the file.
type agentFlags struct {
	config        paths
	exitAfterAuth optionalBool
	strict        bool

	logLevel, logFormat, logFile string
	logRotateBytes               optionalInt
	logRotateMaxFiles            optionalInt
	logRotateDuration            string
	combineLogs                  bool
	verifyOnly                   bool

	command []string // behind --: what is supervised, in place of exec.command

	// env holds what stands for an environment variable, by its name.
	env     map[string]*optionalString
	skip    optionalBool // -tls-skip-verify
	noRedir optionalBool // -disable-redirects
	headers headers
}

// group is a heading of the help text and the flags below it.
type group struct {
	title string
	names []string
}

func agentGroups() []group {
	return []group{
		{"Agent options", []string{"config", "exit-after-auth", "strict"}},
		{"Logging options", []string{"log-level", "log-format", "log-file", "log-rotate-bytes", "log-rotate-duration", "log-rotate-max-files", "combine-logs"}},
		{"Connection options", []string{"address", "ca-cert", "ca-path", "client-cert", "client-key", "tls-server-name", "tls-skip-verify", "namespace", "header", "disable-redirects"}},
	}
}

func parseAgentFlags(args []string, stdout, stderr io.Writer) (*agentFlags, error) {
	f := &agentFlags{}
	set := f.options("vault-renderer agent")
	args, f.command = cutCommand(args)
	err := f.parse(set, args, stdout, agentUsage, agentGroups())
	if err == nil && set.NArg() > 0 {
		// Vault Agent ignores them, so they may stand in a unit file.
		fmt.Fprintf(stderr, "vault-renderer: warning: what begins with %q is ignored: options begin with -, and end at the first word that is none\n", set.Arg(0))
	}
	return f, err
}

// cutCommand takes what stands behind -- from the arguments.
func cutCommand(args []string) (flags, command []string) {
	if i := slices.Index(args, "--"); i >= 0 {
		return args[:i], args[i+1:]
	}
	return args, nil
}

// options gives the set of all flags of the agent command.
func (f *agentFlags) options(command string) *flag.FlagSet {
	f.env = map[string]*optionalString{}
	set := flag.NewFlagSet(command, flag.ContinueOnError)
	f.agentOptions(set)
	f.logOptions(set)
	f.connectionOptions(set)
	f.withoutEffect(set)
	return set
}

func (f *agentFlags) parse(set *flag.FlagSet, args []string, stdout io.Writer, usage string, groups []group) error {
	if err := parse(set, args, stdout, usage, groups); err != nil {
		return err
	}
	if len(f.config) == 0 {
		return report.WithHint(errors.New("no configuration given"), "name it with -config=FILE")
	}
	return nil
}

func (f *agentFlags) agentOptions(set *flag.FlagSet) {
	set.Var(&f.config, "config", "configuration `file` or directory (its *.hcl and *.json); may be given several times")
	set.Var(&f.exitAfterAuth, "exit-after-auth", "render once and exit with 0; overrides the file's exit_after_auth")
	set.BoolVar(&f.strict, "strict", false, "as strict = true in the file: unknown keys are errors, every safe default is on")
	set.BoolVar(&f.verifyOnly, "test-verify-only", false, "load the configuration and exit")
}

func (f *agentFlags) logOptions(set *flag.FlagSet) {
	set.StringVar(&f.logLevel, "log-level", "", "trace, debug, info, warn or error; overrides VAULT_LOG_LEVEL and the file")
	set.StringVar(&f.logFormat, "log-format", "", "standard or json; overrides VAULT_LOG_FORMAT and the file")
	set.StringVar(&f.logFile, "log-file", "", "`file` for a copy of the log")
	set.Var(&f.logRotateBytes, "log-rotate-bytes", "start a new log file after this many `bytes`")
	set.StringVar(&f.logRotateDuration, "log-rotate-duration", "", "start a new log file after this `time`, such as 24h")
	set.Var(&f.logRotateMaxFiles, "log-rotate-max-files", "old log files to keep: 0 all, -1 none (a `number`)")
	set.BoolVar(&f.combineLogs, "combine-logs", false, "log to standard output")
	set.Bool("disable-gated-logs", false, "nothing is held back here")
}

func (f *agentFlags) connectionOptions(set *flag.FlagSet) {
	variable := func(flag, env, usage string) {
		if f.env[env] == nil {
			f.env[env] = &optionalString{}
		}
		set.Var(f.env[env], flag, usage+"; overrides "+env+" and the file")
	}
	variable("address", "VAULT_ADDR", "`URL` of the Vault server")
	variable("ca-cert", "VAULT_CACERT", "`file` of CA certificates")
	variable("ca-path", "VAULT_CAPATH", "`directory` of CA certificates")
	variable("client-cert", "VAULT_CLIENT_CERT", "`file` of the certificate to show")
	variable("client-key", "VAULT_CLIENT_KEY", "`file` of its private key")
	variable("tls-server-name", "VAULT_TLS_SERVER_NAME", "`name` that the server's certificate must bear")
	variable("namespace", "VAULT_NAMESPACE", "`namespace` of logins and templates")
	variable("ns", "VAULT_NAMESPACE", "short for -namespace (a `namespace`)")
	set.Var(&f.skip, "tls-skip-verify", "do not check the server's certificate; overrides VAULT_SKIP_VERIFY and the file")
	set.Var(&f.noRedir, "disable-redirects", "do not follow a redirect; overrides VAULT_DISABLE_REDIRECTS")
	set.Var(&f.headers, "header", "`key=value`: a header of every request; may be given several times")
}

// withoutEffect takes the flags that all of Vault's commands have and that mean
// nothing to an agent. It never goes through another agent.
func (f *agentFlags) withoutEffect(set *flag.FlagSet) {
	for _, name := range []string{"agent-address", "mfa", "unlock-key", "wrap-ttl"} {
		set.String(name, "", "no effect")
	}
	for _, name := range []string{"policy-override", "output-curl-string", "output-policy", "non-interactive"} {
		set.Bool(name, false, "no effect")
	}
}

// parse reads a command's flags; -h prints its help to stdout.
func parse(set *flag.FlagSet, args []string, stdout io.Writer, usage string, groups []group) error {
	set.SetOutput(io.Discard) // mistakes are reported as all others are
	set.Usage = func() {}
	switch err := set.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, usage)
		printGroups(stdout, set, groups)
		return err
	case err != nil:
		return report.WithHint(err, fmt.Sprintf("%q explains the options", set.Name()+" -h"))
	}
	return nil
}

// begin is parse for the commands that take no arguments behind their flags but
// the command that the agent would supervise; it puts the connection flags in
// force.
func (f *agentFlags) begin(set *flag.FlagSet, args []string, stdout io.Writer, usage string, groups []group) error {
	args, f.command = cutCommand(args)
	if err := f.parse(set, args, stdout, usage, groups); err != nil {
		return err
	}
	if err := noMore(set, 0); err != nil {
		return err
	}
	return f.export()
}

// noMore refuses arguments beyond those allowed behind the flags.
func noMore(set *flag.FlagSet, allowed int) error {
	if set.NArg() > allowed {
		return fmt.Errorf("unexpected argument %q", set.Arg(allowed))
	}
	return nil
}

// printGroups explains the flags in the order of groups; those in none are
// accepted, but nobody needs them.
func printGroups(w io.Writer, set *flag.FlagSet, groups []group) {
	for i, g := range groups {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s:\n", g.title)
		for _, name := range g.names {
			fl := set.Lookup(name)
			value, text := flag.UnquoteUsage(fl)
			if value != "" {
				name += "=" + strings.ToUpper(value)
			}
			fmt.Fprintf(w, "  -%s\n        %s\n", name, text)
		}
	}
}

// paths is a flag that may be given several times.
type paths []string

func (p *paths) String() string { return strings.Join(*p, ",") }

func (p *paths) Set(v string) error {
	if v == "" {
		return errors.New("the path is empty")
	}
	*p = append(*p, v)
	return nil
}

// optionalBool is a boolean flag that knows whether it was given.
type optionalBool struct{ set, value bool }

func (b *optionalBool) String() string   { return strconv.FormatBool(b.value) }
func (b *optionalBool) IsBoolFlag() bool { return true }

func (b *optionalBool) Set(v string) (err error) {
	b.set = true
	b.value, err = strconv.ParseBool(v)
	return err
}

// optionalInt is a number that knows whether it was given.
type optionalInt struct {
	set   bool
	value int64
}

func (i *optionalInt) String() string { return strconv.FormatInt(i.value, 10) }

func (i *optionalInt) Set(v string) (err error) {
	i.set = true
	i.value, err = strconv.ParseInt(v, 10, 64)
	return err
}

// optionalString is a text that knows whether it was given.
type optionalString struct {
	set   bool
	value string
}

func (s *optionalString) String() string { return s.value }

func (s *optionalString) Set(v string) error {
	s.set, s.value = true, v
	return nil
}

// headers are key=value pairs for every request.
type headers map[string]string

func (h *headers) String() string { return "" }

func (h *headers) Set(v string) error {
	key, value, ok := strings.Cut(v, "=")
	switch {
	case !ok || key == "":
		return errors.New("it must be key=value")
	case strings.HasPrefix(strings.ToLower(key), "x-vault-"):
		return errors.New("headers that begin with X-Vault- are Vault's own")
	case *h == nil:
		*h = headers{}
	}
	(*h)[key] = value
	return nil
}

// rotation reads -log-rotate-duration.
func rotation(v string) (time.Duration, error) {
	if n, err := strconv.Atoi(v); err == nil {
		v = strconv.Itoa(n) + "s"
	}
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("-log-rotate-duration: %q is not a duration such as 24h", v)
	}
	return d, nil
}
