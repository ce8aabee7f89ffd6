package dbpool

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	defaultPort        = 3306
	defaultMaxConns    = 16
	defaultMaxLifetime = 3 * time.Minute
	defaultMaxIdleTime = time.Minute
	defaultDialTimeout = 5 * time.Second
	defaultIOTimeout   = 30 * time.Second

	// Servers, proxies and firewalls drop connections that they think forgotten;
	// the driver's documentation asks for less than five minutes.
	longestLifetime = 5 * time.Minute

	redacted = "[redacted]"
)

// Config says which server to use and as whom. Printing it in any way shows
// everything but the password.
type Config struct {
	Host     string // a name or address, or the path of a unix socket
	Port     int    // 3306 when not set
	User     string
	Password string
	Database string
}

// String shows where the connection leads, without the password.
func (c Config) String() string {
	return fmt.Sprintf("%s@%s/%s password=%s", c.User, c.addr(), c.Database, redacted)
}

// Format makes every verb print String.
func (c Config) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, c.String()) }

// LogValue is what slog writes.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(slog.String("user", c.User), slog.String("addr", c.addr()), slog.String("database", c.Database))
}

// MarshalJSON keeps the password out of JSON.
func (c Config) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"user": c.User, "addr": c.addr(), "database": c.Database, "password": redacted})
}

func (c Config) socket() bool { return strings.HasPrefix(c.Host, "/") }

func (c Config) addr() string {
	if c.socket() {
		return c.Host
	}
	port := c.Port
	if port == 0 {
		port = defaultPort
	}
	return net.JoinHostPort(c.Host, strconv.Itoa(port))
}

// Options are the settings that all generations share; the zero value is
// usable.
type Options struct {
	MaxConns     int           // open, and the same number idle; 16 when not set
	MaxLifetime  time.Duration // of a connection; 3 min when not set, less than 5 min
	MaxIdleTime  time.Duration // 1 min when not set
	DialTimeout  time.Duration // to connect and log in; 5 s when not set
	ReadTimeout  time.Duration // of one network read: also the longest wait for a query's first row; 30 s when not set
	WriteTimeout time.Duration // of one network write; 30 s when not set
	TLS          *tls.Config   // nil: no TLS
	ParseTime    bool          // DATE and DATETIME as time.Time
	Params       map[string]string
}

func (o Options) withDefaults() (Options, error) {
	if o.MaxConns < 0 || o.MaxLifetime < 0 || o.MaxIdleTime < 0 || o.DialTimeout < 0 || o.ReadTimeout < 0 || o.WriteTimeout < 0 {
		return o, errors.New("dbpool: negative option")
	}
	if o.MaxLifetime >= longestLifetime {
		return o, fmt.Errorf("dbpool: MaxLifetime must be less than %v", longestLifetime)
	}
	if o.MaxConns == 0 {
		o.MaxConns = defaultMaxConns
	}
	for _, d := range []struct {
		to  *time.Duration
		def time.Duration
	}{
		{&o.MaxLifetime, defaultMaxLifetime},
		{&o.MaxIdleTime, defaultMaxIdleTime},
		{&o.DialTimeout, defaultDialTimeout},
		{&o.ReadTimeout, defaultIOTimeout},
		{&o.WriteTimeout, defaultIOTimeout},
	} {
		if *d.to == 0 {
			*d.to = d.def
		}
	}
	return o, nil
}

// driverConfig never goes through a DSN string: a password with "@", ":" or
// "/" does not survive a hand-made one.
func (o Options) driverConfig(c Config) *mysql.Config {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.DBName = c.User, c.Password, c.Database
	cfg.Net, cfg.Addr = "tcp", c.addr()
	if c.socket() {
		cfg.Net = "unix"
	}
	cfg.Timeout, cfg.ReadTimeout, cfg.WriteTimeout = o.DialTimeout, o.ReadTimeout, o.WriteTimeout
	cfg.TLS, cfg.ParseTime, cfg.Params = o.TLS, o.ParseTime, o.Params
	// The driver would write to standard error what it returns anyway.
	cfg.Logger = &mysql.NopLogger{}
	return cfg
}
