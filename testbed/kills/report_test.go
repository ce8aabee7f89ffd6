package kills

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// report says what a campaign saw.
func report(t *testing.T, r *rig, k *killer, forgotten []string) {
	t.Helper()
	var by []string
	all := 0
	for _, m := range slices.Sorted(maps.Keys(k.by)) {
		by = append(by, fmt.Sprintf("%s: %d", m, k.by[m]))
		all += k.by[m]
	}
	t.Logf("kills: %d (%s); of runs that were not ready yet: %d; between renames: %d", all, strings.Join(by, ", "), k.unready, k.separated)
	a := r.audit.figures()
	t.Logf("rotations: %d; logins: %d; leases asked for: %d, of which Vault gave up %d; accounts made: %d, of which Vault forgot %d; samples by the number of the others: %s",
		len(r.reader.seen)-1, a.logins, a.leases, a.failed, len(r.census.seen), len(forgotten), r.census.bySize(forgotten))
	t.Logf("requests: %d, failed: %d", r.load.requests.Load(), r.load.failed.Load())
	t.Logf("looks at the files: %d; of two generations: %d times, within one run for at most %v; hidden files: at most %d",
		r.reader.looks+r.all.looks, r.reader.mixtures, r.reader.longest, k.mostHidden)
	took := slices.SortedFunc(slices.Values(r.renderer.took), func(a, b readiness) int { return cmp.Compare(a.took, b.took) })
	last := took[len(took)-1]
	t.Logf("ready after a start: half within %v, all within %v (%s)",
		took[len(took)/2].took.Round(time.Millisecond), last.took.Round(time.Millisecond), last.at.UTC().Format("15:04:05.000"))
}
