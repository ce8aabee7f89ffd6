package config

func rolloutSection() *Section {
	return &Section{Name: "rollout", Label: "name", Strict: true, Own: true, Keys: []Key{
		{Name: "splay", Kind: Duration, Default: `"0s"`, Own: true, Doc: "Before the application is told, wait up to this long, at random."},
		{Name: "check", Kind: Block, Section: checkSection(), Own: true, Doc: "A command that looks at the new files before any of them is in place."},
		{Name: "reload", Kind: Block, Section: tellSection(), Own: true, Doc: "How the application is told once all files are in place."},
		{Name: "ack", Kind: Block, Section: ackSection(), Own: true, Doc: "How the application says that it uses the new files."},
		{Name: "revoke", Kind: QuotedString, Enum: revokeValues(), Own: true, Doc: "When what is not used any more is revoked; as in the lease block, if not set."},
		{Name: "grace", Kind: Duration, Own: true, Doc: "Time between the application's ack and the revocation; as in the lease block, if not set."},
	}}
}

func checkSection() *Section {
	return &Section{Name: "check", Strict: true, Max: 1, Own: true, Keys: []Key{
		{Name: "command", Kind: ShellCommand, Own: true, Doc: "The command; required. {} stands for the new files, {DESTINATION} for one of them; one string with blanks runs through sh -c and has them as $1, $2 ..."},
		{Name: "timeout", Kind: Duration, Default: `"30s"`, Own: true, Doc: "Longest run time; then the files are refused."},
	}}
}

func tellSection() *Section {
	return &Section{Name: "reload", Strict: true, Max: 1, Own: true, Keys: []Key{
		{Name: "pid_file", Kind: QuotedString, Own: true, Doc: "File that holds the id of the process to signal; either this or one of the next four."},
		{Name: "process", Kind: QuotedString, Own: true, Doc: "Name of the program to signal, as ps shows it."},
		{Name: "child", Kind: Bool, Default: "false", Own: true, Doc: "The program of the exec block at top level gets the signal."},
		{Name: "command", Kind: ShellCommand, Own: true, Doc: "Command to run: a list; one string with blanks runs through sh -c."},
		{Name: "url", Kind: QuotedString, Own: true, Doc: "Address to call: http, https, or unix:///path/of/socket:/path."},
		{Name: "signal", Kind: SignalName, Default: `"SIGHUP"`, Own: true, Doc: "The signal, with pid_file, process or child; for child exec's reload_signal, if that is set."},
		{Name: "method", Kind: QuotedString, Default: `"POST"`, Enum: httpMethods(), Own: true, Doc: "Method of the request, with url."},
		{Name: "timeout", Kind: Duration, Default: `"30s"`, Own: true, Doc: "Longest time of one try, with command or url."},
		{Name: "retries", Kind: Int, Default: "3", Own: true, Doc: "Tries after the first one; if all fail, the files go back."},
	}}
}

func ackSection() *Section {
	return &Section{Name: "ack", Strict: true, Max: 1, Own: true, Keys: []Key{
		{Name: "url", Kind: QuotedString, Own: true, Doc: "Address whose answer holds the digest in use: http, https, or unix:///path/of/socket:/path; either this or one of the next two."},
		{Name: "file", Kind: QuotedString, Own: true, Doc: "File in which the application writes the digest in use."},
		{Name: "command", Kind: ShellCommand, Own: true, Doc: "Command that ends with 0 once the new files are in use."},
		{Name: "destination", Kind: QuotedString, Own: true, Doc: "The file whose digest the application reports; if not set: the rollout's only file, or all of them together."},
		{Name: "timeout", Kind: Duration, Default: `"1m"`, Own: true, Doc: "How long to wait for the ack; then the files go back."},
		{Name: "interval", Kind: Duration, Default: `"250ms"`, Own: true, Doc: "Time between two looks."},
	}}
}

func leaseSection() *Section {
	return &Section{Name: "lease", Strict: true, Max: 1, Own: true, Keys: []Key{
		{Name: "replace_before", Kind: Duration, Own: true, Doc: "How long before their end credentials are replaced; if not set, a tenth of their life and 30s at least; never more than a third."},
		{Name: "lookup_interval", Kind: DurationOff, Own: true, Doc: `How often Vault is asked whether a lease is still there; if not set, a tenth of the lease, from 10s to 5m. "off" never asks.`},
		{Name: "own_token", Kind: Bool, Default: "false", Own: true, Doc: "Lease every secret under a token of its own, so that ending that token revokes it without a right to revoke leases."},
		{Name: "revoke", Kind: QuotedString, Default: `"acked"`, Enum: revokeValues(), Own: true, Doc: `When what is not used any more is revoked: "acked" after the application's ack, "always" also where none is asked for, "never" lets it lapse.`},
		{Name: "grace", Kind: Duration, Default: `"10s"`, Own: true, Doc: "Time between the ack and the revocation."},
	}}
}

func statusSection() *Section {
	return &Section{Name: "status", Strict: true, Max: 1, Own: true, Keys: []Key{
		{Name: "address", Kind: QuotedString, Own: true, Doc: "unix:///path/of/socket, or host and port; required."},
		{Name: "mode", Kind: Mode, Default: "0600", Own: true, Doc: "Permissions of the socket."},
		{Name: "user", Kind: String, Own: true, Doc: "Owner of the socket: name or number."},
		{Name: "group", Kind: String, Own: true, Doc: "Group of the socket: name or number."},
	}}
}

func revokeValues() []string {
	return []string{string(RevokeAcked), string(RevokeAlways), string(RevokeNever)}
}

func httpMethods() []string { return []string{"POST", "PUT", "PATCH", "GET", "DELETE"} }
