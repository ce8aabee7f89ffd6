package e2e

import (
	"testing"
	"time"
)

// A lease of an hour is revoked by somebody, and nobody is told. The renderer
// finds out when it looks the lease up, every 10 s here, and within two seconds
// when the application tells it that the database refused the credentials.
func TestLeaseRevokedIsNoticed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		silent bool
		within time.Duration
	}{
		{"looked up", true, 11 * time.Second},
		{"reported by the application", false, 2 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			hour := limits{time.Hour, 10 * time.Hour, time.Hour, 10 * time.Hour}
			r := start(t, setup{limits: hour, managed: &managed{lease: hourly, silentApp: c.silent}})
			r.eventually("all is well", 15*time.Second, r.well)
			r.load()
			before := r.digest()
			for n := range 2 { // the lease that came in place of a revoked one is watched as well
				r.revokeLeases()
				revoked := time.Now()
				r.eventually("new credentials are in the file", c.within, func() bool { d := r.digest(); return d != "" && d != before })
				r.eventually("the webapp uses them", c.within, func() bool { return r.generation().Digest == r.digest() })
				t.Logf("revocation %d: new credentials in use after %s", n+1, time.Since(revoked).Round(time.Millisecond))
				r.eventually("all is well", 5*time.Second, r.well)
				before = r.digest()
				s, err := r.status()
				if err != nil || s.Secrets[0].Reason != "revoked" {
					t.Errorf("the reason: %+v, %v", s.Secrets, err)
				}
			}
			r.nothingLeft()
		})
	}
}
