package web

import (
	"fmt"

	"vault-renderer/webapp/credfile"
	"vault-renderer/webapp/dbpool"
)

// state is what Run knows. Run alone replaces it, whole; handlers read it.
type state struct {
	digest     string // of the configuration whose credentials are in use
	generation uint64 // the pool's generation with them; 0: none yet
	fileErr    error  // why the file gives no credentials
	refused    string // why the file's credentials are not in use
	down       string // why the database in use does not answer
}

// notReady returns why requests cannot be served as the configuration wants,
// or "" when they can.
func (s *state) notReady() string {
	switch {
	case s.refused != "":
		return s.refused
	case s.generation == 0 && s.fileErr != nil:
		return "no credentials yet: " + s.fileErr.Error()
	case s.generation == 0:
		return "no credentials yet"
	default:
		return s.down
	}
}

// refusal says in one line why new credentials are not in use.
func refusal(c credfile.Creds, err error) string {
	if n := dbpool.ErrorNumber(err); n != 0 {
		return fmt.Sprintf("new credentials refused: error %d for user %q", n, c.User)
	}
	return "database unreachable: " + err.Error()
}

// outage says why the database in use does not answer.
func outage(user string, err error) string {
	if n := dbpool.ErrorNumber(err); n != 0 {
		return fmt.Sprintf("database refused the credentials in use: error %d for user %q", n, user)
	}
	return "database unreachable: " + err.Error()
}
