package alicloud

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// credential signs requests.
type credential struct {
	id, secret string
	token      string // "" = a key that lasts
}

// source is where credentials come from, with those that were found there. It
// is comparable.
type source struct {
	credential
	roleARN, sessionName string // a role to assume with the credential
	roleFor              time.Duration
	roleName             string // an instance's role
	privateKey, keyID    string // in place of the credential
	keyFor               time.Duration
}

// find looks for credentials in the environment, the configuration and the
// instance's metadata, in this order.
func (m *Method) find(ctx context.Context) (source, error) {
	env, envErr := fromEnv()
	for _, s := range []source{env, m.configured()} {
		switch {
		case s.id != "" && s.secret != "":
			return source{credential: s.credential, roleARN: s.roleARN, sessionName: s.sessionName, roleFor: s.roleFor}, nil
		case s.roleName != "":
			cred, err := m.ofInstance(ctx, s.roleName)
			return source{credential: cred}, err
		case s.privateKey != "" && s.keyID != "":
			return source{privateKey: s.privateKey, keyID: s.keyID, keyFor: s.keyFor}, nil
		}
	}
	cred, err := m.ofInstance(ctx, "")
	if err != nil {
		if envErr == nil {
			envErr = errors.New("it has neither ALICLOUD_ACCESS_KEY and ALICLOUD_SECRET_KEY nor a role or key pair")
		}
		return source{}, fmt.Errorf("no credentials: environment: %w; configuration: it has neither access_key and access_secret nor a role or key pair; %w", envErr, err)
	}
	return source{credential: cred}, nil
}

func (m *Method) configured() source {
	return source{
		credential: credential{m.AccessKey, m.AccessSecret, m.AccessToken},
		roleARN:    m.RoleARN, sessionName: m.RoleSessionName, roleFor: m.RoleSessionExpiration,
		roleName:   m.RoleName,
		privateKey: m.PrivateKey, keyID: m.PublicKeyID, keyFor: m.SessionExpiration,
	}
}

// fromEnv reads the environment. When a number there is none, nothing of it
// counts.
func fromEnv() (source, error) {
	roleFor, err := envSeconds("ALICLOUD_ROLE_SESSION_EXPIRATION")
	if err != nil {
		return source{}, err
	}
	keyFor, err := envSeconds("ALICLOUD_SESSION_EXPIRATION")
	if err != nil {
		return source{}, err
	}
	return source{
		credential: credential{
			os.Getenv("ALICLOUD_ACCESS_KEY"), os.Getenv("ALICLOUD_SECRET_KEY"), os.Getenv("ALICLOUD_ACCESS_KEY_STS_TOKEN"),
		},
		roleARN: os.Getenv("ALICLOUD_ROLE_ARN"), sessionName: os.Getenv("ALICLOUD_ROLE_SESSION_NAME"), roleFor: roleFor,
		roleName:   os.Getenv("ALICLOUD_ROLE_NAME"),
		privateKey: os.Getenv("ALICLOUD_PRIVATE_KEY"), keyID: os.Getenv("ALICLOUD_PUBLIC_KEY_ID"), keyFor: keyFor,
	}, nil
}

func envSeconds(name string) (time.Duration, error) {
	v := os.Getenv(name)
	if v == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		return 0, fmt.Errorf("the environment variable %s is not a number of seconds", name)
	}
	return time.Duration(n) * time.Second, nil
}

// session gives what signs the login: the source's credential, or a session
// that is made with it now.
func (m *Method) session(ctx context.Context, s source) (credential, error) {
	switch {
	case s.privateKey != "":
		return m.sessionKey(ctx, s)
	case s.roleARN != "":
		return m.assumeRole(ctx, s)
	}
	return s.credential, nil
}
