package devvault

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// lease is a dynamic secret's life.
type lease struct {
	id, path  string
	tok       *token
	renewable bool
	data      map[string]any
	ttls      func() (def, longest time.Duration) // 0 = the server's
	revoke    func(context.Context) error         // called without the lock

	issued, renewed, expire time.Time
	timer                   *time.Timer
	// ending says that it is over, and that only revoke has not succeeded yet.
	ending   bool
	wait     time.Duration // before revoke is tried again
	dropping sync.Mutex    // one revoke at a time; taken before the server's lock
}

// revokeDelay is how long after the end of a token its leases are revoked: the
// real server has a queue for that, and answers before it is empty.
const revokeDelay = 5 * time.Millisecond

// capTTL applies the rules of Vault: what was asked for, else the default, but
// never past longest after start.
func (s *Server) capTTL(start time.Time, asked, def, longest time.Duration) (time.Duration, []string) {
	ttl := s.o.DefaultTTL
	if def > 0 {
		ttl = def
	}
	if asked > 0 {
		ttl = asked
	}
	limit := s.o.MaxTTL
	if longest > 0 && longest < limit {
		limit = longest
	}
	// The real server counts in whole seconds here, so a life may end up to a
	// second after its maximum.
	left := max(0, limit-time.Now().Truncate(time.Second).Sub(start.Truncate(time.Second)))
	if ttl <= left {
		return ttl, nil
	}
	return left, []string{fmt.Sprintf("TTL of %q exceeded the effective max_ttl of %q; TTL value is capped accordingly",
		shortDuration(ttl), shortDuration(left))}
}

// shortDuration prints 720h0m0s as 720h.
func shortDuration(d time.Duration) string {
	str := d.String()
	if strings.HasSuffix(str, "m0s") {
		str = strings.TrimSuffix(str, "0s")
	}
	if strings.HasSuffix(str, "h0m") {
		str = strings.TrimSuffix(str, "0m")
	}
	return str
}

// addLease starts a lease. If its token died while the secret was made, the
// secret dies at once. A batch token can't be revoked, so what it leases never
// outlives it.
func (s *Server) addLease(l *lease) (time.Duration, []string) {
	l.issued = time.Now()
	def, longest := l.ttls()
	ttl, warnings := s.capTTL(l.issued, 0, def, longest)
	if l.tok.kind == batchToken {
		ttl = min(ttl, time.Until(l.tok.expire).Round(time.Second))
	}
	s.leases[l.id] = l
	if s.tokens[l.tok.id] != l.tok {
		s.endSoon(l)
		return ttl, warnings
	}
	l.tok.leases[l.id] = l
	s.armLease(l, ttl)
	return ttl, warnings
}

func (s *Server) armLease(l *lease, ttl time.Duration) {
	l.expire = time.Now().Add(ttl)
	s.startLeaseTimer(l, ttl)
}

func (s *Server) startLeaseTimer(l *lease, wait time.Duration) {
	if l.timer != nil {
		l.timer.Stop()
	}
	if !s.closed {
		l.timer = time.AfterFunc(wait, func() { s.leaseIsDue(l) })
	}
}

// leaseIsDue drops what was leased; when that fails, it tries again at growing
// intervals, as Vault does.
func (s *Server) leaseIsDue(l *lease) {
	s.mu.Lock()
	// A sealed server revokes nothing; unsealing looks again.
	due := s.leases[l.id] == l && !s.sealed && !s.closed && !time.Now().Before(l.expire)
	l.ending = l.ending || due
	s.mu.Unlock()
	if !due || s.drop(l) == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l.wait = min(max(time.Second, 2*l.wait), time.Minute)
	s.startLeaseTimer(l, l.wait)
}

// drop revokes a lease now, unless somebody else just did. When it fails, the
// lease is what it was before. It runs without the lock.
func (s *Server) drop(l *lease) error {
	l.dropping.Lock()
	defer l.dropping.Unlock()
	s.mu.Lock()
	gone := s.leases[l.id] != l
	s.mu.Unlock()
	if gone {
		return nil
	}
	if err := l.revoke(s.base); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget(l)
	return nil
}

func (s *Server) forget(l *lease) {
	l.timer.Stop()
	delete(s.leases, l.id)
	delete(l.tok.leases, l.id)
}

// endSoon ends a lease; what was leased is dropped a little later.
func (s *Server) endSoon(l *lease) {
	if l.ending {
		return
	}
	l.ending, l.expire = true, time.Now()
	delete(l.tok.leases, l.id)
	s.startLeaseTimer(l, revokeDelay)
}

func (s *Server) stopTimers() {
	for _, l := range s.leases {
		l.timer.Stop()
	}
	for _, t := range s.tokens {
		if t.timer != nil {
			t.timer.Stop()
		}
	}
}

func (s *Server) restartTimers() {
	for _, l := range s.leases {
		s.startLeaseTimer(l, time.Until(l.expire))
	}
	for _, t := range s.tokens {
		s.startTokenTimer(t)
	}
}

func (s *Server) leaseRoutes() []route {
	return []route{
		{pattern: "leases/renew", write: s.renewLease},
		{pattern: "leases/renew/*", write: s.renewLease},
		{pattern: "renew", write: s.renewLease},
		{pattern: "renew/*", write: s.renewLease},
		{pattern: "leases/lookup", write: s.lookupLease, list: s.listLeases},
		{pattern: "leases/lookup/*", list: s.listLeases, sudo: true},
		{pattern: "leases/revoke", write: s.revokeLease},
		{pattern: "leases/revoke/*", write: s.revokeLease},
		{pattern: "revoke", write: s.revokeLease},
		{pattern: "revoke/*", write: s.revokeLease},
		{pattern: "leases/revoke-prefix/*", write: s.revokePrefix, sudo: true},
		{pattern: "leases/revoke-force/*", write: s.revokePrefix, sudo: true},
		{pattern: "revoke-prefix/*", write: s.revokePrefix, sudo: true},
		{pattern: "revoke-force/*", write: s.revokePrefix, sudo: true},
	}
}

func (r *request) leaseID() (string, error) {
	id := r.str("lease_id")
	if id == "" && len(r.args) > 0 {
		id = r.args[0]
	}
	if id == "" {
		return "", badRequest("lease_id must be specified")
	}
	return id, nil
}

func (s *Server) renewLease(r *request) (*response, error) {
	id, err := r.leaseID()
	if err != nil {
		return nil, err
	}
	asked, err := r.duration("increment")
	if err != nil {
		return nil, err
	}
	l := s.leases[id]
	if l == nil {
		return nil, badRequest("lease not found")
	}
	if l.ending {
		return nil, badRequest("lease expired")
	}
	if !l.renewable {
		return nil, badRequest("lease is not renewable")
	}
	def, longest := l.ttls()
	ttl, warnings := s.capTTL(l.issued, asked, def, longest)
	s.armLease(l, ttl)
	l.renewed = time.Now()
	return &response{lease: l, leaseTTL: ttl, warnings: warnings}, nil
}

func (s *Server) lookupLease(r *request) (*response, error) {
	id, err := r.leaseID()
	if err != nil {
		return nil, err
	}
	l := s.leases[id]
	if l == nil {
		return nil, badRequest("invalid lease")
	}
	return &response{data: map[string]any{
		"expire_time": stamp(l.expire), "id": l.id, "issue_time": stamp(l.issued),
		"last_renewal": stampOrNil(l.renewed), "renewable": l.renewable && !l.ending,
		"ttl": secondsLeft(l.expire),
	}}, nil
}

func (s *Server) listLeases(r *request) (*response, error) {
	prefix := ""
	if len(r.args) > 0 {
		prefix = r.args[0]
	}
	ids := slices.Collect(maps.Keys(s.leases))
	for _, t := range s.tokens {
		if !t.expire.IsZero() {
			ids = append(ids, t.path+"/h"+t.accessor)
		}
	}
	return listing(prefix, ids)
}

// secondsLeft is what look-ups tell: the real server rounds the present moment,
// not what is left.
func secondsLeft(end time.Time) int {
	return int(end.Sub(time.Now().Round(time.Second)) / time.Second)
}

// accepted answers what is done later.
func accepted() *response { return &response{status: http.StatusAccepted, empty: true} }

func (s *Server) revokeLease(r *request) (*response, error) {
	id, err := r.leaseID()
	if err != nil {
		return nil, err
	}
	l := s.leases[id]
	if !r.flag("sync", true) {
		if l != nil {
			s.endSoon(l)
		}
		return accepted(), nil
	}
	if l == nil {
		return nil, nil
	}
	if s.unlocked(func() { err = s.drop(l) }); err != nil {
		return nil, badRequest("%s", notRevoked(err))
	}
	return nil, nil
}

func notRevoked(err error) string {
	return "failed to revoke entry: resp: (*logical.Response)(nil) err: " + err.Error()
}

func (s *Server) revokePrefix(r *request) (*response, error) {
	prefix := strings.TrimSuffix(r.args[0], "/") + "/"
	for _, t := range s.tokens {
		if !t.expire.IsZero() && strings.HasPrefix(t.path+"/", prefix) {
			s.revokeToken(t)
		}
	}
	var due []*lease
	for _, id := range keysOf(s.leases) {
		if strings.HasPrefix(id, prefix) {
			due = append(due, s.leases[id])
		}
	}
	if !r.flag("sync", true) {
		for _, l := range due {
			s.endSoon(l)
		}
		return accepted(), nil
	}
	return nil, s.dropAll(due, strings.Contains(r.rel, "revoke-force"))
}

// dropAll revokes leases until one fails; with force none does.
func (s *Server) dropAll(due []*lease, force bool) error {
	for i, l := range due {
		var err error
		s.unlocked(func() { err = s.drop(l) })
		switch {
		case err == nil:
		case force:
			s.forget(l)
		default:
			return badRequest("failed to revoke %q (%d / %d): %s", l.id, i+1, len(due), notRevoked(err))
		}
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func stampOrNil(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return stamp(t)
}
