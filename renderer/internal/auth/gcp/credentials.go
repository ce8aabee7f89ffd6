package gcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"vault-renderer/renderer/internal/auth/cloud"
)

// scope is what access tokens are asked for.
const scope = "https://www.googleapis.com/auth/cloud-platform"

// credentials can get an access token.
type credentials struct {
	from    string // for people
	account string // the service account; "" = not known
	token   func() (string, error)
}

// find looks for credentials in the order of Vault Agent: the configuration's,
// two variables and a file of its own, then where Google's libraries look.
func (m *Method) find(ctx context.Context) (*credentials, error) {
	if c := strings.TrimSpace(m.Credentials); strings.HasPrefix(c, "{") {
		return m.fromJSON(ctx, "the configured credentials", []byte(c))
	} else if c != "" {
		return m.fromFile(ctx, c)
	}
	for _, name := range [...]string{"GOOGLE_CREDENTIALS", "GOOGLE_CLOUD_KEYFILE_JSON"} {
		if c := os.Getenv(name); c != "" {
			return m.fromJSON(ctx, "the credentials in "+name, []byte(c))
		}
	}
	if p := os.Getenv("GOOGLE_APPLICATION_CREDENTIALS"); p != "" {
		return m.fromFile(ctx, p)
	}
	for _, p := range wellKnown() {
		if c, err := m.fromFile(ctx, p); !errors.Is(err, fs.ErrNotExist) {
			return c, err
		}
	}
	c, err := m.machine(ctx)
	if err != nil {
		return nil, fmt.Errorf("no credentials found: credentials, GOOGLE_CREDENTIALS and GOOGLE_APPLICATION_CREDENTIALS are not set; none of %s exists; %w",
			strings.Join(wellKnown(), ", "), err)
	}
	return c, nil
}

// wellKnown are the files that are looked at unasked: Vault's and gcloud's.
func wellKnown() []string {
	home, _ := os.UserHomeDir()
	gcloud := os.Getenv("CLOUDSDK_CONFIG")
	if gcloud == "" {
		gcloud = filepath.Join(home, ".config", "gcloud")
	}
	return []string{filepath.Join(home, ".gcp", "credentials"), filepath.Join(gcloud, "application_default_credentials.json")}
}

func (m *Method) fromFile(ctx context.Context, path string) (*credentials, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("credentials file: %w", err)
	}
	return m.fromJSON(ctx, "the credentials in "+path, raw)
}

// fromJSON reads credentials of any of Google's kinds. What the parsers say of
// a mistake may hold what they parsed: it is left out.
func (m *Method) fromJSON(ctx context.Context, from string, raw []byte) (*credentials, error) {
	var head struct {
		Type          string `json:"type"`
		ClientEmail   string `json:"client_email"`
		Impersonation string `json:"service_account_impersonation_url"`
	}
	if err := json.Unmarshal(raw, &head); err != nil || head.Type == "" {
		return nil, fmt.Errorf("%s are not in the form of a Google credentials file (JSON with a type)", from)
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, cloud.Client(cloud.Public, m.Transport))
	g, err := google.CredentialsFromJSONWithType(ctx, raw, google.CredentialsType(head.Type), scope)
	if err != nil {
		return nil, fmt.Errorf("%s (type %s) can't be used: a field is missing or wrong", from, head.Type)
	}
	account := head.ClientEmail
	if account == "" && head.Impersonation != "" {
		account, _, _ = strings.Cut(path.Base(head.Impersonation), ":")
	}
	token := func() (string, error) {
		t, err := g.TokenSource.Token()
		if err != nil {
			return "", explain(err)
		}
		return t.AccessToken, nil
	}
	return &credentials{from: from, account: account, token: token}, nil
}

// explain makes one line of what the library says, without what it sent.
func explain(err error) error {
	var re *oauth2.RetrieveError
	if errors.As(err, &re) && re.Response != nil {
		return errors.New(withoutTokens(refusal(re.Response.StatusCode, re.Body)))
	}
	line, _, _ := strings.Cut(cloud.Cause(err).Error(), "\n")
	return errors.New(withoutTokens(line))
}
