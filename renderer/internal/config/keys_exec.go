package config

// envTemplateSection has the keys of a template that make sense for a variable,
// and refuses the others, as Vault Agent does.
func envTemplateSection() *Section {
	s := &Section{Name: "env_template", Label: "variable", Strict: true, Keys: []Key{
		{Name: "source", Kind: QuotedString, Doc: "File with the template; either this or contents."},
		{Name: "contents", Kind: QuotedString, Doc: "The template itself."},
		{Name: "error_on_missing_key", Kind: Bool, Default: "false", Doc: "A key that the secret lacks is an error (true when strict)."},
		{Name: "error_fatal", Kind: Bool, Default: "true", Doc: "As in template."},
		{Name: "left_delimiter", Kind: QuotedString, Default: `"{{"`, Doc: "What opens an action."},
		{Name: "right_delimiter", Kind: QuotedString, Default: `"}}"`, Doc: "What closes an action."},
		{Name: "function_denylist", Kind: Words, Doc: "Functions that the template may not use."},
		{Name: "function_blacklist", Kind: Words, Doc: "Older form of function_denylist."},
	}}
	for _, name := range []string{
		"backup", "command", "command_timeout", "create_dest_dirs", "destination", "exec", "perms",
		"user", "uid", "group", "gid", "wait", "sandbox_path",
	} {
		s.Keys = append(s.Keys, Key{Name: name, Kind: Any, Support: Refused, Doc: "A variable has no file; remove the key."})
	}
	return s
}

func superviseSection() *Section {
	return &Section{Name: "exec", Strict: true, Max: 1, Keys: []Key{
		{Name: "command", Kind: Strings, Doc: "The program and its arguments; required, unless they stand behind -- on the command line. One element with blanks runs through sh -c."},
		{Name: "restart_on_secret_changes", Kind: QuotedString, Default: `"always"`, Enum: restartValues(), Doc: `What becomes of the program when a variable changed: "always" starts it again, "never" leaves it as it is, "rolling" (ours) starts a new one and stops the old one when the new one is ready.`},
		{Name: "restart_stop_signal", Kind: SignalName, Default: `"SIGTERM"`, Doc: "The signal that stops it."},
		{Name: "child_process_stdout", Kind: QuotedString, Doc: "File that receives its output; inherited, if not set."},
		{Name: "child_process_stderr", Kind: QuotedString, Doc: "File that receives its errors; inherited, if not set."},
		{Name: "kill_signal", Kind: SignalName, Own: true, Doc: "Another name of restart_stop_signal."},
		{Name: "kill_timeout", Kind: Duration, Default: `"30s"`, Own: true, Doc: "How long it may take to stop; then it is killed, and all that it started."},
		{Name: "reload_signal", Kind: SignalName, Own: true, Doc: "The signal that tells it that files of templates changed, and no variable; without it the program is started again."},
		{Name: "splay", Kind: Duration, Default: `"0s"`, Own: true, Doc: "Before it is told or started again, wait up to this long, at random."},
		{Name: "start_timeout", Kind: Duration, Default: `"0s"`, Own: true, Doc: "How long to wait for the secrets of its first start; 0 waits for ever."},
		{Name: "max_restarts", Kind: Int, Default: "5", Own: true, Doc: "How often in a row a program is started again that does not stay after a restart of ours; then its exit code is ours."},
		{Name: "env", Kind: Block, Section: execEnvSection(), Own: true, Doc: "What of our environment it gets; all, if not set."},
		{Name: "vault_token", Kind: Bool, Default: "false", Own: true, Doc: "Whether it gets the variable VAULT_TOKEN."},
		{Name: "working_dir", Kind: QuotedString, Own: true, Doc: "Directory in which it starts; ours, if not set."},
		{Name: "user", Kind: String, Own: true, Doc: "User as whom it runs: name or number; ours, if not set."},
		{Name: "group", Kind: String, Own: true, Doc: "Group: name or number; that of user, if not set."},
		{Name: "stdin", Kind: Bool, Default: "true", Own: true, Doc: "Whether it reads our standard input; otherwise it has none."},
		{Name: "ready", Kind: Block, Section: readySection(), Own: true, Doc: "How it shows that it is ready; required for rolling."},
		{Name: "socket", Kind: Block, Section: socketSection(), Own: true, Doc: "A socket that stays open through restarts, passed to the program as systemd does (LISTEN_FDS); the label is its name."},
	}}
}

func execEnvSection() *Section {
	return &Section{Name: "env", Strict: true, Max: 1, Own: true, Keys: []Key{
		{Name: "pristine", Kind: Bool, Default: "false", Own: true, Doc: "Nothing of our environment; only custom and env_template."},
		{Name: "custom", Kind: Strings, Own: true, Secret: true, Doc: `Variables to add: ["NAME=value"]. They are no place for secrets.`},
		{Name: "allowlist", Kind: Strings, Own: true, Doc: `Names or patterns of the variables that it gets: ["PATH", "LC_*"]; all, if empty.`},
		{Name: "denylist", Kind: Strings, Own: true, Doc: "Names or patterns of those that it does not get, whatever allowlist says."},
	}}
}

func readySection() *Section {
	return &Section{Name: "ready", Strict: true, Max: 1, Own: true, Keys: []Key{
		{Name: "url", Kind: QuotedString, Own: true, Doc: "http or https address that answers with 2xx; either this or one of the next four. {pid} stands for the number of the process here, in command and in file."},
		{Name: "address", Kind: QuotedString, Own: true, Doc: "Host and port that take connections."},
		{Name: "command", Kind: ShellCommand, Own: true, Doc: "Command that ends with 0."},
		{Name: "file", Kind: QuotedString, Own: true, Doc: "File that the program writes."},
		{Name: "notify", Kind: Bool, Default: "false", Own: true, Doc: "The program says READY=1, as to systemd (NOTIFY_SOCKET)."},
		{Name: "timeout", Kind: Duration, Default: `"1m"`, Own: true, Doc: "How long it may take; then it is not ready."},
		{Name: "interval", Kind: Duration, Default: `"100ms"`, Own: true, Doc: "Time between two looks."},
	}}
}

func socketSection() *Section {
	return &Section{Name: "socket", Label: "name", Strict: true, Own: true, Keys: []Key{
		{Name: "network", Kind: QuotedString, Default: `"tcp"`, Enum: networks(), Own: true, Doc: "Kind of socket."},
		{Name: "address", Kind: QuotedString, Own: true, Doc: "Host and port; for unix and unixgram an absolute path, or @name; required."},
		{Name: "mode", Kind: Mode, Default: "0600", Own: true, Doc: "Permissions of a socket that has a path."},
	}}
}

func restartValues() []string {
	return []string{string(RestartAlways), string(RestartNever), string(RestartRolling)}
}

func networks() []string {
	return []string{"tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", "unix", "unixgram"}
}
