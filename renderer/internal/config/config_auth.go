package config

import (
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Method is auto_auth.method. Exactly one of the pointers below is set, by Type.
type Method struct {
	Type       string
	MountPath  string // without the trailing slash; "auth/<type>" when not set
	Namespace  string
	WrapTTL    time.Duration // > 0: the login's answer is wrapped
	MinBackoff time.Duration // 1s when not set
	MaxBackoff time.Duration // 5m when not set
	ExitOnErr  bool
	Range      hcl.Range

	AppRole    *AppRole
	TokenFile  *TokenFile
	Kubernetes *Kubernetes
	JWT        *JWT
	Cert       *Cert
	LDAP       *LDAP
	Userpass   *Userpass
	Kerberos   *Kerberos
	AWS        *AWS
	Azure      *Azure
	GCP        *GCP
	AliCloud   *AliCloud
	CF         *CF
	OCI        *OCI
}

// AppRole is the config map of method "approle".
type AppRole struct {
	RoleIDFilePath               string
	SecretIDFilePath             string // "" = log in with the role id only
	RemoveSecretIDFileAfterRead  bool   // true when not set
	SecretIDResponseWrappingPath string // "" = the file holds the SecretID itself

	// SecretIDRenew has the agent mint its next SecretID, wrapped, at
	// SecretIDRenewPath (auth/approle/role/NAME/secret-id; that of
	// SecretIDResponseWrappingPath when not set), for SecretIDRenewWrapTTL (as
	// long as the SecretID lives when 0).
	SecretIDRenew        bool
	SecretIDRenewPath    string
	SecretIDRenewWrapTTL time.Duration
}

// TokenFile is the config map of method "token_file".
type TokenFile struct{ TokenFilePath string }

// Kubernetes is the config map of method "kubernetes".
type Kubernetes struct {
	Role      string
	TokenPath string // the pod's own token when not set
}

// JWT is the config map of method "jwt".
type JWT struct {
	Path                  string
	Role                  string
	RemoveAfterReading    bool          // true when not set
	RemoveFollowsSymlinks bool          // the link's target is removed, not the link
	ReadPeriod            time.Duration // 500ms when removing, else 1m
}

// Cert is the config map of method "cert"; it may be absent.
type Cert struct {
	Name         string // of the role; "" = Vault chooses
	CACert       string
	ClientCert   string
	ClientKey    string
	Reload       bool
	ReloadPeriod time.Duration // 1m when not set
}

// LDAP is the config map of method "ldap".
type LDAP struct {
	Username              string
	PasswordFilePath      string
	RemoveAfterReading    bool // true when not set
	RemoveFollowsSymlinks bool
	ReadPeriod            time.Duration // 500ms when removing, else 1m
}

// Userpass is the config map of method "userpass", which Vault Agent lacks.
type Userpass struct {
	Username         string
	PasswordFilePath string // stays; one newline at its end is not part of the password
}

// Kerberos is the config map of method "kerberos".
type Kerberos struct {
	Username, Service, Realm string
	KeytabPath, Krb5ConfPath string
	DisableFastNegotiation   bool
}

// AWS is the config map of method "aws".
type AWS struct {
	Type                               string // ec2, iam
	Role                               string
	AccessKey, SecretKey, SessionToken string // "" = AWS's own chain
	Region                             string // us-east-1 when not set
	HeaderValue                        string
	Nonce                              string        // ec2; "" = made once
	CredentialPollInterval             time.Duration // 60s when not set
}

// Azure is the config map of method "azure".
type Azure struct {
	Role, Resource              string
	ObjectID, ClientID          string // at most one
	Scope                       string // <resource>/.default when not set
	AuthenticateFromEnvironment bool
}

// GCP is the config map of method "gcp".
type GCP struct {
	Type           string // gce, iam
	Role           string
	ServiceAccount string // "default" when not set
	Credentials    string // path of a key file; "" = Google's own chain
	Project        string
	JWTExp         time.Duration // 15m when not set; minutes in the file
}

// AliCloud is the config map of method "alicloud".
type AliCloud struct {
	Role, Region                                                string
	AccessKey, AccessSecret, AccessToken                        string
	RoleARN, RoleSessionName, PrivateKey, PublicKeyID, RoleName string
	RoleSessionExpiration, SessionExpiration                    time.Duration // seconds in the file; 0 = not set
	CredentialPollInterval                                      time.Duration // 60s when not set
}

// CF is the config map of method "cf".
type CF struct{ Role string }

// OCI is the config map of method "oci".
type OCI struct {
	Type                   string // apikey, instance
	Role                   string
	CredentialPollInterval time.Duration // 60s when not set
}

// Sink is one file sink: where the token is written.
type Sink struct {
	Path  string
	Mode  int // 0640 when not set; 0600 with strict
	Owner int // -1 = not set
	Group int // -1 = not set

	WrapTTL   time.Duration // > 0: the token is written response-wrapped
	DHType    string        // "" = not encrypted, or curve25519
	DHPath    string        // file with the reader's public key
	DeriveKey bool
	AAD       string // aad, or what aad_env_var names in the environment
	Range     hcl.Range
}
