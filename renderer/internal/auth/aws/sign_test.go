package aws

import (
	"strings"
	"testing"
	"time"
)

// TestSign: signatures that Vault Agent 1.21, and so Amazon's own library, made
// of the same request.
func TestSign(t *testing.T) {
	for _, tc := range []struct {
		region, serverID, session, at, want string
	}{
		{"us-east-1", "", "", "20261122T034341Z", "1e0e4a70526952421ee226380ba295d15ac804c7b6b1be369d5a5b7e482844ce"},
		{"eu-west-1", "vault.example", "sess", "20261122T034134Z", "a11f4027557f3820d658fad9cfbae6e4ca1c9d9e5a2a48e13657bc9843bea907"},
	} {
		at, err := time.Parse("20060102T150405Z", tc.at)
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv("AWS_STS_REGIONAL_ENDPOINTS", "")
		r := callerIdentity(tc.region, tc.serverID)
		r.sign(credentials{"AKX", "canary", tc.session}, at)
		if got := r.header.Get("Authorization"); !strings.HasSuffix(got, "Signature="+tc.want) {
			t.Errorf("%s: %s", tc.region, got)
		}
	}
}
