package config

func templateSection() *Section {
	return &Section{Name: "template", Label: "name", Strict: true, Keys: []Key{
		{Name: "source", Kind: QuotedString, Doc: "File with the template; either this or contents."},
		{Name: "contents", Kind: QuotedString, Doc: "The template itself."},
		{Name: "destination", Kind: QuotedString, Doc: "The file to write; required."},
		{Name: "create_dest_dirs", Kind: Bool, Default: "true", Doc: "Make missing directories above it."},
		{Name: "error_on_missing_key", Kind: Bool, Default: "false", Doc: "A key that the secret lacks is an error (true when strict)."},
		{Name: "error_fatal", Kind: Bool, Default: "true", Doc: "Accepted; a template that fails never ends the program or stops the others."},
		{Name: "perms", Kind: Perms, Default: `"0644"`, Doc: "Permissions of the file; those of the file that is there, if not set (0600 when strict)."},
		{Name: "user", Kind: QuotedString, Doc: "Owner of the file: name or number, in quotes."},
		{Name: "group", Kind: QuotedString, Doc: "Group of the file: name or number, in quotes."},
		{Name: "uid", Kind: StrictInt, Doc: "Older form of user."},
		{Name: "gid", Kind: StrictInt, Doc: "Older form of group."},
		{Name: "left_delimiter", Kind: QuotedString, Default: `"{{"`, Doc: "What opens an action."},
		{Name: "right_delimiter", Kind: QuotedString, Default: `"}}"`, Doc: "What closes an action."},
		{Name: "backup", Kind: Bool, Default: "false", Doc: "Keep the file that was there, with .bak behind its name."},
		{Name: "wait", Kind: Block, Alt: WaitString, Section: waitSection(), Doc: `Hold back later renders until the secrets are quiet; or a string "min:max".`},
		{Name: "sandbox_path", Kind: QuotedString, Doc: "The function file reads below this directory only."},
		{Name: "function_denylist", Kind: Words, Doc: "Functions, by name or pattern, that the template may not use."},
		{Name: "function_blacklist", Kind: Words, Doc: "Older form of function_denylist."},
		{Name: "command", Kind: Command, Doc: "Older form of exec.command."},
		{Name: "command_timeout", Kind: GoDuration, Default: `"30s"`, Doc: "Older form of exec.timeout."},
		{Name: "exec", Kind: Block, Section: templateExecSection(), Doc: "Command to run after the file changed."},
		{Name: "reload", Kind: Block, Section: reloadSection(), Own: true, Doc: "Signal to send after the file changed."},
		{Name: "rollout", Kind: QuotedString, Own: true, Doc: "The rollout block that says how this file changes."},
		{Name: "tmpfs", Kind: QuotedString, Enum: tmpfsValues(), Own: true, Doc: "As tmpfs at top level, for this file."},
		{Name: "allow_empty", Kind: Bool, Default: "false", Own: true, Doc: "An empty result is no error."},
	}}
}

func waitSection() *Section {
	return &Section{Name: "wait", Strict: true, LastOne: true, Keys: []Key{
		{Name: "min", Kind: GoDuration, Doc: "How long the secrets must be quiet."},
		{Name: "max", Kind: GoDuration, Doc: "Longest time to hold a render back; four times min, if not set."},
		{Name: "bool", Kind: Bool, Doc: "false turns the waiting off."},
	}}
}

func templateExecSection() *Section {
	oneShot := "It does nothing for a command that runs once, in Vault Agent as well; remove the key."
	return &Section{Name: "exec", Strict: true, LastOne: true, Keys: []Key{
		{Name: "command", Kind: Command, Doc: "The command: a list; one string is split at commas."},
		{Name: "timeout", Kind: GoDuration, Default: `"30s"`, Doc: "Longest run time; 0s does not wait for the end."},
		{Name: "enabled", Kind: Bool, Support: NoEffect, Doc: oneShot},
		{Name: "kill_timeout", Kind: GoDuration, Support: NoEffect, Doc: oneShot},
		{Name: "splay", Kind: GoDuration, Support: NoEffect, Doc: oneShot},
		{Name: "kill_signal", Kind: Any, Support: Missing, Doc: "Remove the key; a command that exceeds its timeout is killed."},
		{Name: "reload_signal", Kind: Any, Support: Missing, Doc: "A reload block sends a signal after the file changed."},
		{Name: "env", Kind: Any, Support: Missing, Doc: "Set variables in the command itself, for example with env(1)."},
	}}
}

func reloadSection() *Section {
	return &Section{Name: "reload", Strict: true, Max: 1, Keys: []Key{
		{Name: "pid_file", Kind: QuotedString, Own: true, Doc: "File that holds the id of the process; required."},
		{Name: "signal", Kind: SignalName, Default: `"SIGHUP"`, Own: true, Doc: "The signal to send."},
	}}
}
