package vault

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
)

// Class says what kind of answer an error is, and so what to do about it.
type Class int

// The classes of errors.
const (
	Transient    Class = iota // network, 5xx, 429, standby: try again
	Sealed                    // 503 with "sealed": try again, somebody must unseal
	Denied                    // 403: the policy says no
	InvalidToken              // 403 and the token itself is unknown or ended: log in again
	NotFound                  // 404, or an answer without data
	LeaseGone                 // a lease or token that Vault no longer knows
	Invalid                   // any other 4xx
)

// String names the class as messages do.
func (c Class) String() string {
	return [...]string{"unreachable", "sealed", "permission denied", "invalid token", "not found", "lease gone", "refused"}[c]
}

// Error is a failed exchange with Vault. Its text names the operation and the
// path and holds no secret.
type Error struct {
	Op         string // "read", "log in", "renew" ...
	Path       string
	Class      Class
	Status     int           // HTTP status; 0 when there was no answer
	RetryAfter time.Duration // from the answer's header; 0 = none
	Detail     string        // the server's own words, or the network's
}

// Error implements error.
func (e *Error) Error() string {
	s := e.Op
	if e.Path != "" {
		s += " " + e.Path
	}
	if e.Detail == "" || e.Detail == e.Class.String() {
		return s + ": " + e.Class.String()
	}
	if e.Class == Invalid || e.Class == Transient {
		return s + ": " + e.Detail
	}
	return s + ": " + e.Class.String() + " (" + e.Detail + ")"
}

// Temporary says whether trying the same again can help by itself.
func (e *Error) Temporary() bool { return e.Class == Transient || e.Class == Sealed }

// ClassOf gives the class of err; Transient for an error that is not Vault's.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return Transient
}

// RetryAfter is what Vault asked for with its Retry-After header; 0 = nothing.
func RetryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// wrap classifies err, which came from the client library for op on path.
func wrap(op, path string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s %s: %w", op, path, context.Canceled)
	}
	out := &Error{Op: op, Path: path}
	var re *api.ResponseError
	if !errors.As(err, &re) {
		out.Class, out.Detail = Transient, networkDetail(err)
		return out
	}
	out.Status = re.StatusCode
	out.Detail = strings.Join(flatten(re.Errors), "; ")
	out.Class = classify(re.StatusCode, out.Detail)
	return out
}

func classify(status int, detail string) Class {
	lower := strings.ToLower(detail)
	switch {
	case status == http.StatusServiceUnavailable && strings.Contains(lower, "sealed"):
		return Sealed
	case status == http.StatusForbidden && (strings.Contains(lower, "invalid token") || strings.Contains(lower, "bad token") || strings.Contains(lower, "missing client token")):
		return InvalidToken
	case status == http.StatusForbidden:
		return Denied
	case status == http.StatusNotFound:
		return NotFound
	case strings.Contains(lower, "lease not found") || strings.Contains(lower, "invalid lease") || strings.Contains(lower, "lease expired") || strings.Contains(lower, "lease is not renewable"):
		return LeaseGone
	case status == http.StatusTooManyRequests, status == http.StatusPreconditionFailed, status == 472, status == 473, status >= 500:
		return Transient
	case status >= 400:
		return Invalid
	}
	return Transient
}

// flatten takes apart the multi-error texts that the server sends
// ("2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n").
func flatten(errs []string) []string {
	var out []string
	for _, e := range errs {
		for line := range strings.SplitSeq(e, "\n") {
			line = strings.TrimPrefix(strings.TrimSpace(line), "* ")
			if line == "" || strings.HasSuffix(line, "occurred:") {
				continue
			}
			out = append(out, line)
		}
	}
	return out
}

// networkDetail keeps the cause and drops the URL around it: a URL may carry
// parameters, the cause never does.
func networkDetail(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	}
	var ne *net.OpError
	if errors.As(err, &ne) {
		if ne.Addr != nil {
			return fmt.Sprintf("%s %s: %v", ne.Op, ne.Addr, ne.Err)
		}
		return fmt.Sprintf("%s: %v", ne.Op, ne.Err)
	}
	for {
		u := errors.Unwrap(err)
		if u == nil {
			return err.Error()
		}
		err = u
	}
}
