package config

import (
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Cache is the cache block.
type Cache struct {
	Persist *Persist // nil = in memory
	Range   hcl.Range
}

// Persist is cache.persist.
type Persist struct {
	Type                    string // kubernetes
	Path                    string
	KeepAfterImport         bool
	ExitOnErr               bool
	ServiceAccountTokenFile string
	Range                   hcl.Range
}

// APIProxy is the api_proxy block, or what cache says in its place.
type APIProxy struct {
	UseAutoAuthToken   bool
	ForceAutoAuthToken bool
	EnforceConsistency string // never, always
	WhenInconsistent   string // fail, retry, forward
	Range              hcl.Range
}

// Listener is one listener block.
type Listener struct {
	Type                 string // tcp, unix
	Address              string // 127.0.0.1:8200 when not set; for unix a path
	Role                 string // default, metrics_only
	RequireRequestHeader bool
	EnableQuit           bool // agent_api.enable_quit
	TLS                  ListenerTLS
	SocketMode           string // applied when all three are set
	SocketUser           string
	SocketGroup          string
	Range                hcl.Range
}

// ListenerTLS is the TLS part of a listener.
type ListenerTLS struct {
	Disable                    bool
	CertFile, KeyFile          string
	MinVersion, MaxVersion     string // tls10 ... tls13; tls12 and tls13 when not set
	CipherSuites               []string
	RequireAndVerifyClientCert bool
	ClientCAFile               string
	DisableClientCerts         bool
}

// Telemetry is the telemetry block.
type Telemetry struct {
	MetricsPrefix           string // vault when not set
	DisableHostname         bool
	EnableHostnameLabel     bool
	StatsiteAddress         string
	StatsdAddress           string
	DogStatsDAddress        string
	DogStatsDTags           []string
	PrometheusRetentionTime time.Duration // 24h when not set; 0 = off
	FilterDefault           bool          // true when not set
	AllowedPrefixes         []string
	BlockedPrefixes         []string
	Range                   hcl.Range
}
