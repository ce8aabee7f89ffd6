package credfile

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Creds is what a program needs to reach its database. Printing it in any way
// (fmt, slog, JSON) shows everything but the password.
type Creds struct {
	Host     string
	Port     int
	User     string
	Password string
	Database string
	// Digest names the file's exact content: "sha256:" and the hex sum of all
	// of its bytes, the same that sha256sum prints.
	Digest string
}

// String shows where the credentials lead, without the password.
func (c Creds) String() string {
	return fmt.Sprintf("%s@%s:%d/%s password=%s %s", c.User, c.Host, c.Port, c.Database, redacted, c.Digest)
}

// Format makes every verb, %#v and %+v among them, print String.
func (c Creds) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, c.String()) }

// LogValue is what slog writes.
func (c Creds) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("host", c.Host), slog.Int("port", c.Port), slog.String("user", c.User),
		slog.String("database", c.Database), slog.String("digest", c.Digest),
	)
}

// MarshalJSON keeps the password out of JSON, also when Creds is a field of
// something that slog's JSON handler writes.
func (c Creds) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]any{
		"host": c.Host, "port": c.Port, "user": c.User, "password": redacted,
		"database": c.Database, "digest": c.Digest,
	})
}
