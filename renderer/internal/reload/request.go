package reload

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// answer is what an application said to a request.
type answer struct {
	status int
	body   string // at most maxKept bytes
	whole  bool   // all of the body
}

func (a answer) ok() bool { return a.status/100 == 2 }

// reason is why an answer is not a good one: the status, and the first line of
// the body as far as mask lets it be shown. The server's own words for the
// status are not: they are not known to be harmless.
func (a answer) reason(mask func(string) string) string {
	out := fmt.Sprintf("answered %d %s", a.status, http.StatusText(a.status))
	if a.status/100 == 3 {
		out += " (redirects are not followed)"
	}
	if line := oneLine(masked(mask, a.body, false, !a.whole), false); line != "" {
		out += ": " + line
	}
	return out
}

// request asks once. Nothing of the connection is left when it returns.
func (a address) request(ctx context.Context, method string, limit time.Duration) (answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, a.url.String(), nil)
	if err != nil {
		return answer{}, errors.New("the method or the URL can't be used in a request") // the error would show them
	}
	r.Header.Set("User-Agent", "vault-renderer")
	transport := a.transport()
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(r)
	if err != nil {
		return answer{}, failure(ctx, err, limit)
	}
	defer func() { _ = resp.Body.Close() }()
	out := answer{status: resp.StatusCode}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKept+1))
	if err != nil && context.Cause(ctx) != nil {
		return out, failure(ctx, err, limit)
	}
	out.whole = err == nil && len(body) <= maxKept
	out.body = string(body[:min(len(body), maxKept)])
	return out, nil
}

// transport is for one request: no proxy, no connection kept, no compression.
func (a address) transport() *http.Transport {
	t := &http.Transport{
		DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxKept,
	}
	if a.socket != "" {
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", a.socket)
		}
	}
	return t
}

// failure says why there is no answer. net/http's errors hold the URL, and what
// the server sent when it is no HTTP: only those of the network and of TLS are
// shown.
func failure(ctx context.Context, err error, limit time.Duration) error {
	var network *net.OpError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case context.Cause(ctx) == errTimeout:
		return fmt.Errorf("no answer within %s", limit)
	case ctx.Err() != nil:
		return fmt.Errorf("stopped: %w", context.Cause(ctx))
	case errors.As(err, &network):
		return network
	case errors.As(err, &cert):
		return cert
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return errors.New("the server does not speak TLS: http:// instead of https://?")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection was closed without an answer")
	}
	return errors.New("the answer is not HTTP")
}
