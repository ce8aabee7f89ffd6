package status

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
)

// ServeOptions say where a program shows its status.
type ServeOptions struct {
	Address string // unix:///path, or host:port
	Mode    uint32 // of a socket; 0600 when not set
	User    string // of a socket: name or number; "" = the process's
	Group   string // likewise
	Log     *slog.Logger
}

// Source is what the status endpoints show and ask for.
type Source struct {
	// Report gives how the program is. It is given two seconds: a loop that does
	// not answer in them counts as stuck.
	Report func(context.Context) (Report, error)
	// Refresh asks for a look-up of all leases now, and must not block. The
	// reason is for the log: printable, and bounded. It is called at most once a
	// second; what is asked in between becomes one call.
	Refresh func(reason string)
	Metrics http.Handler // nil = no metrics
}

// Serve takes the address for the status endpoints:
//
//	GET  /-/healthy   200 while the loop answers
//	GET  /-/ready     200, or 503 with the reasons as text
//	GET  /-/status    the Report as JSON
//	POST /-/refresh   202: all leases are looked up now; the body may be {"reason": "..."}
//	GET  /-/metrics   what was counted
//
// Connections are answered once Run runs. A socket that a killed program left
// is replaced; one that is in use is not.
func Serve(o ServeOptions, s Source) (*Server, error) {
	return nil, errors.New("status: not yet")
}
