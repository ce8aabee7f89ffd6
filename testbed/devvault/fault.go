package devvault

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Fault is what goes wrong with one request. The zero value: nothing.
type Fault struct {
	Delay time.Duration // before anything else; the request is dropped when its context ends meanwhile
	// Status is answered in place of doing the work; RetryAfter, in whole
	// seconds, goes with it.
	Status     int
	RetryAfter time.Duration

	Break bool // the connection breaks before the work
	Lose  bool // the work is done, and the connection breaks before the answer
	Cut   bool // the work is done, and the connection breaks in the middle of the answer
}

// SetFaults makes f decide what goes wrong with every request. f may block
// (until the request's context ends, for example). Nil ends it.
func (s *Server) SetFaults(f func(*http.Request) Fault) {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	s.fault = f
}

// SetFault is SetFaults for the usual ones: with ok the request fails with that
// HTTP status, or, if status is 0, the connection breaks without an answer.
func (s *Server) SetFault(f func(*http.Request) (status int, ok bool)) {
	if f == nil {
		s.SetFaults(nil)
		return
	}
	s.SetFaults(func(r *http.Request) Fault {
		status, ok := f(r)
		if !ok {
			return Fault{}
		}
		return Fault{Status: status, Break: status == 0}
	})
}

// before says whether the fault was the answer.
func (f Fault) before(w http.ResponseWriter, r *http.Request) (done bool) {
	if f.Delay > 0 {
		wait := time.NewTimer(f.Delay)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	switch {
	case f.Break:
		panic(http.ErrAbortHandler)
	case f.Status == 0:
		return false
	case f.RetryAfter > 0:
		w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter/time.Second)))
	}
	status, body := errorAnswer(refusal(f.Status, r.URL.Path))
	writeJSON(w, status, body)
	return true
}

// refusal has the words of the real server where it has words for a status.
func refusal(status int, path string) error {
	switch status {
	case http.StatusForbidden:
		return errDenied
	case http.StatusTooManyRequests:
		return fail(status, "request path "+strconv.Quote(strings.TrimPrefix(path, "/v1/"))+": rate limit quota exceeded")
	}
	return fail(status, "injected fault")
}

// write sends an answer as far as the fault lets it come.
func (f Fault) write(w http.ResponseWriter, status int, body []byte) {
	switch {
	case f.Lose, f.Cut && len(body) == 0:
		panic(http.ErrAbortHandler)
	case f.Cut:
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		writeJSON(w, status, body[:len(body)/2])
		if fl, ok := w.(http.Flusher); ok {
			fl.Flush() // or the server drops what it has, with the headers
		}
		panic(http.ErrAbortHandler)
	}
	writeJSON(w, status, body)
}
