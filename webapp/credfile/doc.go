// Package credfile turns a configuration file that somebody else keeps
// rewriting into validated database credentials, as they change.
//
// The file is an INI file:
//
//	[DATABASE]
//	MYSQL_HOST = database
//	MYSQL_PORT = 3306        (optional)
//	MYSQL_USER = app
//	MYSQL_PASSWORD = secret
//	MYSQL_DB = notes
//
// A Watcher reports every distinct content once, whichever way it was written:
// renamed into place, written in place, swapped through a symbolic link as
// Kubernetes does, in a folder that comes and goes. Half-written and invalid
// files are reported as errors, never as credentials.
//
// It does not connect to any database, does not know whether credentials work,
// and does not write files.
package credfile
