package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"vault-renderer/renderer/internal/auth/cloud"
)

// tokenTTL is how long a metadata token may be used, in seconds. A login takes
// less.
const tokenTTL = "300"

// metadata is the way to a machine's metadata service, opened with a token
// (IMDSv2).
type metadata struct {
	m     *Method
	base  string
	token string // "" = the service is of the kind without tokens
}

func metadataBase() string {
	if e := os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT"); e != "" {
		return strings.TrimRight(e, "/")
	}
	if strings.EqualFold(os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"), "IPv6") {
		return "http://[fd00:ec2::254]"
	}
	return "http://169.254.169.254"
}

// metadata gets a token.
func (m *Method) metadata(ctx context.Context) (*metadata, error) {
	md := &metadata{m: m, base: metadataBase()}
	if strings.EqualFold(os.Getenv("AWS_EC2_METADATA_DISABLED"), "true") {
		return nil, errors.New("the instance metadata service is needed, but AWS_EC2_METADATA_DISABLED is set")
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, md.base+"/latest/api/token", nil)
	if err != nil {
		return nil, fmt.Errorf("AWS_EC2_METADATA_SERVICE_ENDPOINT is not an address")
	}
	r.Header.Set("X-aws-ec2-metadata-token-ttl-seconds", tokenTTL)
	a, err := cloud.Send(r, cloud.Local, m.Transport)
	switch {
	case err != nil:
		return nil, fmt.Errorf("instance metadata at %s: %w (in a container the instance's metadata hop limit must be 2 or more)", md.base, err)
	case a.Status == http.StatusOK:
		md.token = strings.TrimSpace(string(a.Body))
	case noTokens(a.Status) && !strings.EqualFold(os.Getenv("AWS_EC2_METADATA_V1_DISABLED"), "true"):
	default:
		return nil, fmt.Errorf("instance metadata at %s: status %d in place of a token", md.base, a.Status)
	}
	return md, nil
}

// noTokens says whether the service is of the kind before tokens, or stands in
// for it.
func noTokens(status int) bool {
	return status == http.StatusNotFound || status == http.StatusMethodNotAllowed || status == http.StatusForbidden
}

// errStatus is an answer that is none.
type errStatus struct {
	path   string
	status int
}

// Error implements error.
func (e errStatus) Error() string {
	return fmt.Sprintf("instance metadata %s: status %d", e.path, e.status)
}

func (md *metadata) get(ctx context.Context, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, md.base+"/latest/"+path, nil)
	if err != nil {
		return nil, fmt.Errorf("instance metadata %s: not a path", path)
	}
	if md.token != "" {
		r.Header.Set("X-aws-ec2-metadata-token", md.token)
	}
	a, err := cloud.Send(r, cloud.Local, md.m.Transport)
	if err != nil {
		return nil, fmt.Errorf("instance metadata %s: %w", path, err)
	}
	if a.Status != http.StatusOK {
		return nil, errStatus{path, a.Status}
	}
	return a.Body, nil
}

// instance gives the credentials of the role that the machine runs under.
func (m *Method) instance(ctx context.Context) (*found, error) {
	if strings.EqualFold(os.Getenv("AWS_EC2_METADATA_DISABLED"), "true") {
		return nil, errNotThere{"AWS_EC2_METADATA_DISABLED is set"}
	}
	md, err := m.metadata(ctx)
	if err != nil {
		return nil, errNotThere{err.Error()}
	}
	const dir = "meta-data/iam/security-credentials/"
	raw, err := md.get(ctx, dir)
	var es errStatus
	if errors.As(err, &es) && es.status == http.StatusNotFound {
		return nil, errNotThere{"the instance has no role"}
	}
	if err != nil {
		return nil, errNotThere{err.Error()}
	}
	role, _, _ := strings.Cut(strings.TrimSpace(string(raw)), "\n")
	raw, err = md.get(ctx, dir+role)
	if err != nil {
		return nil, err
	}
	return servedIn("the instance's role "+role, raw)
}
