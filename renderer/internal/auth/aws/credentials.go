package aws

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// credentials sign requests. They are secret: found, the type around them,
// says where they came from.
type credentials struct {
	accessKey, secretKey, sessionToken string
}

// fingerprint tells credentials apart without keeping them.
type fingerprint [sha256.Size]byte

// found is what one place gave.
type found struct {
	credentials
	print   fingerprint
	from    string    // for people
	expires time.Time // zero = not known
}

func foundIn(from string, c credentials, expires time.Time) *found {
	return &found{credentials: c, print: printOf(c.accessKey, c.secretKey, c.sessionToken), from: from, expires: expires}
}

func printOf(parts ...string) fingerprint {
	return sha256.Sum256([]byte(strings.Join(parts, "\x00")))
}

// exchanger turns a web identity into credentials.
type exchanger func(ctx context.Context, w webIdentity) (*found, error)

// tokenOnly is the exchanger of Watch: every exchange gives other credentials,
// so it is the token whose change counts.
func tokenOnly(_ context.Context, w webIdentity) (*found, error) {
	return &found{print: w.print()}, nil
}

// errNotThere says that a place is not set up. Any other error ends the
// search: somebody meant that place, and another one would be another identity.
type errNotThere struct{ why string }

// Error implements error.
func (e errNotThere) Error() string { return e.why }

// find looks for credentials in the order of AWS's own tools.
func (m *Method) find(ctx context.Context, exchange exchanger) (*found, error) {
	places := [...]func() (*found, error){
		m.configured,
		environment,
		func() (*found, error) { return webIdentityOfEnvironment(ctx, exchange) },
		func() (*found, error) { return profile(ctx, exchange) },
		func() (*found, error) { return m.container(ctx) },
		func() (*found, error) { return m.instance(ctx) },
	}
	var why []string
	for _, look := range places {
		f, err := look()
		var none errNotThere
		switch {
		case errors.As(err, &none):
			why = append(why, none.why)
			continue
		case err != nil:
			return nil, err
		case !f.expires.IsZero() && !time.Now().Before(f.expires):
			return nil, fmt.Errorf("the credentials from %s ended at %s; what should have replaced them has not", f.from, f.expires.UTC().Format(time.RFC3339))
		}
		return f, nil
	}
	return nil, errors.New("no credentials found: " + strings.Join(why, "; "))
}

// configured gives the keys in the configuration.
func (m *Method) configured() (*found, error) {
	switch {
	case m.AccessKey == "" && m.SecretKey == "":
		return nil, errNotThere{"access_key and secret_key are not set"}
	case m.AccessKey == "" || m.SecretKey == "":
		return nil, errHalf
	}
	return foundIn("the configuration", credentials{m.AccessKey, m.SecretKey, m.SessionToken}, time.Time{}), nil
}

// environment gives the keys in the environment, under the names that AWS's
// tools know.
func environment() (*found, error) {
	id := firstEnv("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY")
	secret := firstEnv("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY")
	if id == "" || secret == "" {
		return nil, errNotThere{"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"}
	}
	return foundIn("the environment", credentials{id, secret, os.Getenv("AWS_SESSION_TOKEN")}, time.Time{}), nil
}

func firstEnv(names ...string) string {
	for _, n := range names {
		if v := os.Getenv(n); v != "" {
			return v
		}
	}
	return ""
}

// served is the form in which containers' and machines' endpoints give
// credentials.
type served struct {
	Code, Message          string
	AccessKeyID            string `json:"AccessKeyId"`
	SecretAccessKey, Token string
	Expiration             time.Time
}

// servedIn reads credentials that an endpoint gave. The answer's text stays
// out of the errors: it holds the keys.
func servedIn(from string, raw []byte) (*found, error) {
	var s served
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, fmt.Errorf("%s: the answer is not in the form of credentials", from)
	}
	if s.Code != "" && s.Code != "Success" {
		return nil, fmt.Errorf("%s: %s %s", from, s.Code, s.Message)
	}
	if s.AccessKeyID == "" || s.SecretAccessKey == "" {
		return nil, fmt.Errorf("%s: the answer holds no keys", from)
	}
	return foundIn(from, credentials{s.AccessKeyID, s.SecretAccessKey, s.Token}, s.Expiration), nil
}
