package kills

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// atMost is how many accounts of a role there may be: the one in use, and the
// one that takes its place.
const atMost = 2

// census counts the accounts that Vault has made for the role, again and again.
type census struct {
	problem func(format string, args ...any)

	mu      sync.Mutex
	seen    map[string]bool
	samples map[string]int // by the accounts, joined with blanks
	beyond  []crowd        // samples of more accounts than there may be; judged when it is known whose they are
}

// crowd is one sample, as long as the next ones are the same.
type crowd struct {
	since, until time.Time
	users        []string
}

func (c *census) watch(ctx context.Context) {
	tick := time.NewTicker(15 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		users, err := servers.db.Users(context.Background())
		if err != nil {
			c.problem("%v", err)
			return
		}
		c.enter(users, time.Now())
		<-tick.C
	}
}

func (c *census) enter(users []string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, u := range users {
		c.seen[u] = true
	}
	c.samples[strings.Join(users, " ")]++
	if len(users) <= atMost {
		return
	}
	if n := len(c.beyond); n > 0 && slices.Equal(users, c.beyond[n-1].users) {
		c.beyond[n-1].until = at
		return
	}
	c.beyond = append(c.beyond, crowd{at, at, users})
}

// crowds are the samples with too many accounts, not counting those that Vault
// itself has forgotten.
func (c *census) crowds(forgotten []string) (out []string) {
	for _, b := range c.beyond {
		users := without(b.users, forgotten)
		if len(users) > atMost {
			out = append(out, fmt.Sprintf("%d accounts from %s for %v: %v", len(users), b.since.Format("15:04:05.000"), b.until.Sub(b.since), users))
		}
	}
	return out
}

// forgotten are the accounts that are there after Vault has ended all leases.
// Vault gives up a request whose client is gone. MySQL has no transactions
// around CREATE USER and GRANT; what was made so far stays, without a lease,
// with a password that nobody was told, and in most cases without a grant. No
// client can prevent that, and none can see it. Vault's audit log shows each as
// an answer that failed, so there can't be more than those.
func forgotten(t *testing.T, failedAnswers int) []string {
	t.Helper()
	users, err := servers.db.Users(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(users) > failedAnswers {
		t.Errorf("%d accounts are left, of which Vault has forgotten %d at most: %v", len(users), failedAnswers, users)
	}
	for _, u := range users {
		t.Logf("forgotten by Vault: %s, with %v", u, grants(t, u))
		if _, err := servers.db.Admin().ExecContext(t.Context(), "DROP USER '"+u+"'@'%'"); err != nil {
			t.Error(err)
		}
	}
	return users
}

// grants are the rights of an account on tables.
func grants(t *testing.T, user string) (out []string) {
	t.Helper()
	rows, err := servers.db.Admin().QueryContext(t.Context(), "SELECT Table_name, Table_priv FROM mysql.tables_priv WHERE User = ?", user)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var table, rights sql.NullString
		if err := rows.Scan(&table, &rights); err != nil {
			t.Fatal(err)
		}
		out = append(out, table.String+": "+rights.String)
	}
	return out
}

// bySize shows how often there were how many accounts, not counting those that
// Vault itself has forgotten.
func (c *census) bySize(forgotten []string) string {
	counts := map[int]int{}
	for users, n := range c.samples {
		counts[len(without(strings.Fields(users), forgotten))] += n
	}
	var out []string
	for _, size := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, fmt.Sprintf("%d in %d", size, counts[size]))
	}
	return strings.Join(out, ", ")
}

func without(users, forgotten []string) []string {
	return slices.DeleteFunc(slices.Clone(users), func(u string) bool { return slices.Contains(forgotten, u) })
}
