// Package cloud has what the logins by clouds share: requests to metadata and
// identity services, looking for new credentials, and reading RSA keys. What
// is asked, and what an answer means, is each cloud's own.
package cloud

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// Reach says what is being talked to.
type Reach int

// The two kinds of services.
const (
	Local  Reach = iota // on this machine or link: never through a proxy
	Public              // on the internet, or behind the proxy that leads there
)

// Answer is what a service gave.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Client makes one for a single exchange; transport replaces the network
// unless it is nil. It follows no redirect: the headers carry secrets.
func Client(to Reach, transport http.RoundTripper) *http.Client {
	c := &http.Client{
		Transport: transport, Timeout: 5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	dial := 2 * time.Second
	if to == Public {
		c.Timeout, dial = 30*time.Second, 10*time.Second
	}
	if transport != nil {
		return c
	}
	t := &http.Transport{
		DisableKeepAlives: true, TLSHandshakeTimeout: 10 * time.Second,
		DialContext: (&net.Dialer{Timeout: dial}).DialContext,
	}
	if to == Public {
		t.Proxy = http.ProxyFromEnvironment
	}
	c.Transport = t
	return c
}

// Send sends a request on a connection of its own. Its error holds no URL.
func Send(r *http.Request, to Reach, transport http.RoundTripper) (Answer, error) {
	resp, err := Client(to, transport).Do(r)
	if err != nil {
		return Answer{}, Cause(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return Answer{}, fmt.Errorf("the answer broke off: %w", Cause(err))
	}
	return Answer{resp.StatusCode, resp.Header, body}, nil
}

// Cause drops the URL around a network's error: the caller names the place,
// and a signed URL is a secret.
func Cause(err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return errors.New("no answer in time")
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// IsLoopback says whether what is sent to a host stays on the machine.
func IsLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}
