package aws

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"vault-renderer/renderer/internal/auth/cloud"
)

// container gives the credentials that Amazon's container services (ECS, and
// EKS's pod identity) serve at an address in the environment.
func (m *Method) container(ctx context.Context) (*found, error) {
	endpoint, err := containerEndpoint()
	if err != nil {
		return nil, err
	}
	from := "the container's endpoint " + endpoint
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: not an address", from)
	}
	token, err := containerToken()
	if err != nil {
		return nil, err
	}
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	r.Header.Set("Accept", "application/json")
	a, err := cloud.Send(r, cloud.Local, m.Transport)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	if a.Status != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d", from, a.Status)
	}
	return servedIn(from, a.Body)
}

func containerEndpoint() (string, error) {
	if path := os.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); path != "" {
		return "http://169.254.170.2/" + strings.TrimPrefix(path, "/"), nil
	}
	full := os.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
	if full == "" {
		return "", errNotThere{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI are not set"}
	}
	u, err := url.Parse(full)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("AWS_CONTAINER_CREDENTIALS_FULL_URI is not an address")
	}
	if u.Scheme != "https" && !isLocal(u.Hostname()) {
		return "", fmt.Errorf("AWS_CONTAINER_CREDENTIALS_FULL_URI names %s: without https only the machine itself and Amazon's link-local addresses are trusted", u.Host)
	}
	return full, nil
}

// isLocal says whether a host is one of those that Amazon's tools trust
// without TLS.
func isLocal(host string) bool {
	switch host {
	case "169.254.170.2", "169.254.170.23", "fd00:ec2::23":
		return true
	}
	return cloud.IsLoopback(host)
}

// containerToken is read at every login: EKS replaces the file.
func containerToken() (string, error) {
	token := os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN")
	if path := os.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); path != "" {
		raw, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("container authorization token file: %w", err)
		}
		token = strings.TrimSpace(string(raw))
	}
	if strings.ContainsAny(token, "\r\n") {
		return "", fmt.Errorf("the container authorization token holds a line break")
	}
	return token, nil
}
