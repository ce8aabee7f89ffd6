package reload

import (
	"errors"
	"net/url"
	"strings"
)

const unixScheme = "unix://"

var errURL = errors.New("it has to be http://, https:// or unix:///path/of/socket:/path")

// address is where an application is asked or told. It prints itself without
// what may be a secret: user, password, values of the query, fragment.
type address struct {
	url    *url.URL
	socket string // path of a Unix socket; "" = the URL's own host
}

// CheckURL says whether HTTP and AckHTTP can use a URL: http, https, or
// unix:///run/app.sock:/path. Its errors do not show the URL.
func CheckURL(raw string) error {
	_, err := parseAddress(raw)
	return err
}

func parseAddress(raw string) (address, error) {
	var a address
	if rest, ok := strings.CutPrefix(raw, unixScheme); ok {
		socket, path, _ := strings.Cut(rest, ":/")
		a.socket = strings.TrimSuffix(socket, ":")
		if !strings.HasPrefix(a.socket, "/") {
			return a, errURL
		}
		raw = "http://localhost/" + path
	}
	u, err := url.Parse(raw)
	if err != nil {
		return a, errors.New("it is not a URL") // the parser's error would show it
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return a, errURL
	}
	a.url = u
	return a, nil
}

// String is the address for people.
func (a address) String() string {
	var b strings.Builder
	if a.socket != "" {
		b.WriteString(unixScheme + a.socket + ":")
	} else {
		b.WriteString(a.url.Scheme + "://" + a.url.Host)
	}
	b.WriteString(a.url.EscapedPath())
	sign := "?"
	for pair := range strings.SplitSeq(a.url.RawQuery, "&") {
		if name, _, found := strings.Cut(pair, "="); found {
			b.WriteString(sign + name + "=...")
			sign = "&"
		}
	}
	return b.String()
}

// shownURL names a URL for people even when it is none.
func shownURL(raw string) string {
	a, err := parseAddress(raw)
	if err != nil {
		return "(unusable URL)"
	}
	return a.String()
}
