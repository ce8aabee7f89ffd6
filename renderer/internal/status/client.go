package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// maxAnswer is far more than a Report of thousands of secrets takes.
const maxAnswer = 16 << 20

// Client asks what Serve answers. Make it with NewClient, close it at the end.
type Client struct {
	address string
	base    string
	http    *http.Client
}

// NewClient is for a status address: unix:///path, host:port, or http://host:port.
func NewClient(address string) (*Client, error) {
	tr := &http.Transport{} // no proxy: it is this host
	c := &Client{address: address, http: &http.Client{
		Transport:     tr,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if path, ok := strings.CutPrefix(address, unixScheme); ok {
		c.base = "http://status"
		tr.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}
		return c, nil
	}
	host, err := expand(strings.TrimSuffix(strings.TrimPrefix(address, "http://"), "/"))
	if err == nil {
		_, _, err = net.SplitHostPort(host)
	}
	if err != nil {
		return nil, fmt.Errorf("status address %q: give unix:///path or host:port", address)
	}
	c.base = "http://" + host
	return c, nil
}

// Close ends the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// NoAnswerError says that nobody answers at a status address.
type NoAnswerError struct {
	Address string
	Err     error
}

// Error names the address and the cause.
func (e *NoAnswerError) Error() string {
	return fmt.Sprintf("nobody answers at %s: %v", e.Address, e.Err)
}

// Unwrap gives the cause.
func (e *NoAnswerError) Unwrap() error { return e.Err }

// Report gives the program's report. A *NoAnswerError when there is no program.
func (c *Client) Report(ctx context.Context) (Report, error) {
	var r Report
	code, body, err := c.get(ctx, statusPath)
	switch {
	case err != nil:
		return r, err
	case code == http.StatusServiceUnavailable:
		return r, errors.New(firstError(body))
	case code != http.StatusOK:
		return r, &NoAnswerError{c.address, fmt.Errorf("another program is there: it answers %d to %s", code, statusPath)}
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return r, &NoAnswerError{c.address, errors.New("another program is there: its answer is no report")}
	}
	return r, nil
}

func (c *Client) get(ctx context.Context, path string) (code int, body []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := c.http.Do(r)
	if err == nil {
		defer func() { _ = resp.Body.Close() }()
		body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	}
	if err != nil {
		return 0, nil, &NoAnswerError{c.address, cause(err)}
	}
	return resp.StatusCode, body, nil
}

// cause leaves out the URL that was made up for a socket.
func cause(err error) error {
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

// firstError reads the form that refuse writes.
func firstError(body []byte) string {
	var e struct{ Errors []string }
	if json.Unmarshal(body, &e) != nil || len(e.Errors) == 0 {
		return "the program does not say how it is"
	}
	return printable(e.Errors[0])
}
