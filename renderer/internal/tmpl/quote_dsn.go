package tmpl

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// access is what every data source name is made of.
type access struct {
	user, password string
	hosts          []hostPort // one; libpq takes several
	socket         string     // instead of hosts
	scheme         string     // when the address begins with one
	database       string
	params         []param
}

type hostPort struct{ host, port string }

type param struct{ key, value string }

var (
	errAddress   = errors.New("the address is not host, host:port, [IPv6]:port or the path of a socket")
	errOneHost   = errors.New("only PostgreSQL's forms know several hosts")
	errParam     = errors.New("a parameter must be \"key=value\"; the key has letters, digits, \"_\", \"-\" and \".\"")
	errUserColon = errors.New("the user name holds a colon: go-sql-driver/mysql would take what follows for the password")
	errNoUser    = errors.New("there is a password, but no user")
	errNoSocket  = errors.New("this form has no place for a socket: give it host:port")
	errDatabase  = errors.New("the database of Redis is a number")
)

// newAccess reads the arguments of the functions below.
func newAccess(user, password, address, database any, params []string) (access, error) {
	var a access
	var addr string
	for _, f := range []struct {
		name string
		from any
		to   *string
	}{
		{"the user", user, &a.user},
		{"the password", password, &a.password},
		{"the address", address, &addr},
		{"the database", database, &a.database},
	} {
		s, err := quotableText(f.from)
		if err == nil && strings.ContainsRune(s, 0) {
			err = errNUL
		}
		if err != nil {
			return a, fmt.Errorf("%s: %w", f.name, err)
		}
		*f.to = s
	}
	for _, p := range params {
		k, v, found := strings.Cut(p, "=")
		if !found || !harmless(k, "_-.") || strings.ContainsRune(v, 0) {
			return a, errParam
		}
		a.params = append(a.params, param{k, v})
	}
	return a, a.place(addr)
}

// place takes the address to pieces.
func (a *access) place(addr string) error {
	if scheme, rest, found := strings.Cut(addr, "://"); found {
		a.scheme, addr = scheme, rest
	}
	if strings.HasPrefix(addr, "/") {
		a.socket = addr
		if !harmless(addr, "_-./+,:=~") {
			return errAddress
		}
		return nil
	}
	for one := range strings.SplitSeq(addr, ",") {
		h, err := newHostPort(one)
		if err != nil {
			return err
		}
		a.hosts = append(a.hosts, h)
	}
	return nil
}

func newHostPort(addr string) (hostPort, error) {
	if ip, err := netip.ParseAddr(strings.Trim(addr, "[]")); err == nil && ip.Zone() == "" {
		return hostPort{host: ip.String()}, nil
	}
	h := hostPort{host: addr}
	if strings.Contains(addr, ":") {
		var err error
		if h.host, h.port, err = net.SplitHostPort(addr); err != nil {
			return h, errAddress
		}
		if n, err := strconv.ParseUint(h.port, 10, 16); err != nil || n == 0 {
			return h, errAddress
		}
	}
	if ip, err := netip.ParseAddr(h.host); err == nil && ip.Zone() == "" {
		return h, nil
	}
	if !harmless(h.host, "_-.") {
		return h, errAddress
	}
	return h, nil
}

// String is the form with brackets around an IPv6 address.
func (h hostPort) String() string {
	host := h.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if h.port != "" {
		host += ":" + h.port
	}
	return host
}

// one is the only host.
func (a *access) one() (hostPort, error) {
	if a.scheme != "" {
		return hostPort{}, errAddress
	}
	if len(a.hosts) > 1 {
		return hostPort{}, errOneHost
	}
	return a.hosts[0], nil
}

// mysqlDSN leaves user and password as they are: the driver looks for the last
// "@" before the last "/", and unescapes only what stands behind that one.
func mysqlDSN(user, password, address, database any, params ...string) (string, error) {
	a, err := newAccess(user, password, address, database, params)
	if err != nil {
		return "", err
	}
	if strings.Contains(a.user, ":") {
		return "", errUserColon
	}
	if a.user == "" && a.password != "" {
		return "", errNoUser
	}
	var b strings.Builder
	b.WriteString(a.user)
	if a.password != "" {
		b.WriteString(":" + a.password)
	}
	if b.Len() > 0 {
		b.WriteByte('@')
	}
	if a.socket != "" {
		b.WriteString("unix(" + a.socket + ")")
	} else {
		h, err := a.one()
		if err != nil {
			return "", err
		}
		b.WriteString("tcp(" + h.String() + ")")
	}
	b.WriteString("/" + percent(a.database))
	b.WriteString(query(a.params, ","))
	return b.String(), nil
}

func mysqlURI(user, password, address, database any, params ...string) (string, error) {
	a, err := newAccess(user, password, address, database, params)
	if err != nil {
		return "", err
	}
	if a.socket != "" {
		return "", errNoSocket
	}
	h, err := a.one()
	if err != nil {
		return "", err
	}
	return "mysql://" + a.userinfo() + h.String() + "/" + percent(a.database) + query(a.params, ""), nil
}

// postgresURI gives a socket as a parameter, and a database that begins with
// "/": not every parser takes them for that elsewhere.
func postgresURI(user, password, address, database any, params ...string) (string, error) {
	a, err := newAccess(user, password, address, database, params)
	if err != nil {
		return "", err
	}
	if a.scheme != "" {
		return "", errAddress
	}
	hosts := make([]string, len(a.hosts))
	for i, h := range a.hosts {
		hosts[i] = h.String()
	}
	if a.socket != "" {
		a.params = append([]param{{"host", a.socket}}, a.params...)
	}
	if strings.HasPrefix(a.database, "/") {
		a.params = append([]param{{"dbname", a.database}}, a.params...)
		a.database = ""
	}
	return "postgresql://" + a.userinfo() + strings.Join(hosts, ",") + "/" + percent(a.database) + query(a.params, "/"), nil
}

// libpqQuoted escapes what libpq unescapes between single quotes.
var libpqQuoted = strings.NewReplacer(`\`, `\\`, "'", `\'`)

func postgresDSN(user, password, address, database any, params ...string) (string, error) {
	a, err := newAccess(user, password, address, database, params)
	if err != nil {
		return "", err
	}
	if a.scheme != "" {
		return "", errAddress
	}
	var hosts, ports []string
	for _, h := range a.hosts {
		hosts = append(hosts, h.host)
		ports = append(ports, h.port)
	}
	port := strings.Join(ports, ",")
	if strings.Trim(port, ",") == "" {
		port = ""
	}
	all := append([]param{
		{"host", a.socket + strings.Join(hosts, ",")},
		{"port", port},
		{"user", a.user},
		{"password", a.password},
		{"dbname", a.database},
	}, a.params...)
	var out []string
	for _, p := range all {
		if p.value == "" {
			continue
		}
		if !harmless(p.value, "_-./:,") {
			p.value = "'" + libpqQuoted.Replace(p.value) + "'"
		}
		out = append(out, p.key+"="+p.value)
	}
	return strings.Join(out, " "), nil
}

func redisURI(user, password, address, database any, params ...string) (string, error) {
	a, err := newAccess(user, password, address, database, params)
	if err != nil {
		return "", err
	}
	if strings.Trim(a.database, "0123456789") != "" {
		return "", errDatabase
	}
	scheme := a.scheme
	switch {
	case a.socket != "" && scheme == "":
		if a.database != "" {
			a.params = append([]param{{"db", a.database}}, a.params...)
		}
		return "unix://" + a.userinfo() + a.socket + query(a.params, ""), nil
	case scheme == "":
		scheme = "redis"
	case scheme != "redis" && scheme != "rediss" || a.socket != "":
		return "", errAddress
	}
	a.scheme = ""
	h, err := a.one()
	if err != nil {
		return "", err
	}
	path := ""
	if a.database != "" {
		path = "/" + a.database
	}
	return scheme + "://" + a.userinfo() + h.String() + path + query(a.params, ""), nil
}

// userinfo is user:password@, or nothing.
func (a *access) userinfo() string {
	switch {
	case a.password != "":
		return percent(a.user) + ":" + percent(a.password) + "@"
	case a.user != "":
		return percent(a.user) + "@"
	}
	return ""
}

// query is ?key=value&..., or nothing; the signs in plain stand as they are.
func query(params []param, plain string) string {
	var b strings.Builder
	for i, p := range params {
		b.WriteByte("?&"[min(i, 1)])
		b.WriteString(p.key + "=")
		for _, c := range []byte(p.value) {
			if strings.IndexByte(plain, c) >= 0 {
				b.WriteByte(c)
			} else {
				b.WriteString(percent(string([]byte{c})))
			}
		}
	}
	return b.String()
}

// percent escapes all but letters, digits and -_.~ so that every parser of
// URIs gets the text back; none takes + for a blank everywhere.
func percent(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
