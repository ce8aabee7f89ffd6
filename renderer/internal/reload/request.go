package reload

import (
	"bufio"
	"cmp"
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
	whole  bool   // that is all of the body
}

func (a answer) ok() bool { return a.status/100 == 2 }

// reason is why an answer is not a good one: the status, and the beginning of
// the body as far as mask lets it be shown. The server's own words for the
// status are not: they are not known to be harmless.
func (a answer) reason(mask func(string) string) string {
	out := fmt.Sprintf("answered %d %s", a.status, http.StatusText(a.status))
	if a.status/100 == 3 {
		out += " (redirects are not followed)"
	}
	if text := excerpt(masked(mask, a.body, false, !a.whole)); text != "" {
		out += ": " + text
	}
	return out
}

// request asks once, on a connection of its own. An answer whose body does not
// end within the limit is an answer, but not a whole one.
//
// It does without http.Transport, which logs what a server sends before it is
// asked, leaves goroutines for a while, and can't bound an answer as a whole.
func (a address) request(ctx context.Context, method string, limit time.Duration) (answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, a.url.String(), nil)
	if err != nil {
		return answer{}, errors.New("the method or the URL can't be used in a request") // the error would show them
	}
	r.Close = true
	r.Header.Set("User-Agent", "vault-renderer")
	if user := a.url.User; user != nil {
		password, _ := user.Password()
		r.SetBasicAuth(user.Username(), password)
	}
	conn, err := a.dial(ctx)
	if err != nil {
		return answer{}, failure(ctx, err, limit)
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	out, err := converse(conn, r)
	if err != nil {
		return answer{}, failure(ctx, err, limit)
	}
	return out, nil
}

// dial connects: to the socket, or to the host itself, never to a proxy.
func (a address) dial(ctx context.Context) (net.Conn, error) {
	var plain net.Dialer
	if a.socket != "" {
		return plain.DialContext(ctx, "unix", a.socket)
	}
	host, port := a.url.Hostname(), a.url.Port()
	if a.url.Scheme == "https" {
		return (&tls.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(host, cmp.Or(port, "443")))
	}
	return plain.DialContext(ctx, "tcp", net.JoinHostPort(host, cmp.Or(port, "80")))
}

// converse sends the request and reads the answer. What is informational comes
// before it. The body is not closed: that would read to its end, and it holds
// nothing but the connection.
func converse(conn net.Conn, r *http.Request) (answer, error) {
	sent := r.Write(conn) // a server may refuse and close before it has read all
	in := bufio.NewReader(http.MaxBytesReader(nil, conn, 3*maxKept))
	resp, err := http.ReadResponse(in, r)
	for err == nil && resp.StatusCode/100 == 1 && resp.StatusCode != http.StatusSwitchingProtocols {
		resp, err = http.ReadResponse(in, r)
	}
	if err != nil {
		return answer{}, cmp.Or(sent, err)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKept+1))
	return answer{
		status: resp.StatusCode,
		body:   string(body[:min(len(body), maxKept)]),
		whole:  err == nil && len(body) <= maxKept,
	}, nil
}

// failure says why there is no answer. net/http's errors hold what the server
// sent when that is no HTTP: only those of the network and of TLS are shown.
func failure(ctx context.Context, err error, limit time.Duration) error {
	var network *net.OpError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	if at, limited := ctx.Deadline(); limited && !time.Now().Before(at) {
		<-ctx.Done() // a dialer looks at the clock itself and may be a little earlier
	}
	switch {
	case context.Cause(ctx) == errTimeout:
		return fmt.Errorf("no answer within %s", limit)
	case ctx.Err() != nil:
		return fmt.Errorf("stopped: %w", context.Cause(ctx))
	case errors.As(err, &network):
		return network
	case errors.As(err, &cert):
		return cert
	case errors.As(err, &record):
		return errors.New("the server does not speak TLS: http:// instead of https://?")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection was closed without an answer")
	}
	return errors.New("the answer can't be understood as HTTP")
}
