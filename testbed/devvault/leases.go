package devvault

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
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
}

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
// secret dies at once.
func (s *Server) addLease(l *lease) (time.Duration, []string) {
	l.issued = time.Now()
	def, longest := l.ttls()
	ttl, warnings := s.capTTL(l.issued, 0, def, longest)
	if s.tokens[l.tok.id] != l.tok {
		s.drops = append(s.drops, drop{l.id, l.revoke})
		return ttl, warnings
	}
	s.leases[l.id] = l
	l.tok.leases[l.id] = l
	s.armLease(l, ttl)
	return ttl, warnings
}

func (s *Server) armLease(l *lease, ttl time.Duration) {
	l.expire = time.Now().Add(ttl)
	s.startLeaseTimer(l)
}

func (s *Server) startLeaseTimer(l *lease) {
	if l.timer != nil {
		l.timer.Stop()
	}
	if s.closed {
		return
	}
	l.timer = time.AfterFunc(time.Until(l.expire), func() {
		s.mu.Lock()
		defer s.unlockAndDrop()
		// A sealed server revokes nothing; unsealing looks again.
		if s.leases[l.id] == l && !s.sealed && !time.Now().Before(l.expire) {
			s.endLease(l)
		}
	})
}

// endLease takes a lease off the books and queues its account for dropping.
func (s *Server) endLease(l *lease) {
	l.timer.Stop()
	delete(s.leases, l.id)
	delete(l.tok.leases, l.id)
	s.drops = append(s.drops, drop{l.id, l.revoke})
}

// drop is work that follows from the end of a lease.
type drop struct {
	leaseID string
	do      func(context.Context) error
}

// unlockAndDrop ends a locked section and then drops what it queued.
func (s *Server) unlockAndDrop() {
	drops := s.drops
	s.drops = nil
	s.mu.Unlock()
	for _, d := range drops {
		if err := d.do(s.base); err != nil {
			s.retryLater(d, time.Second)
		}
	}
}

type retry struct{ timer *time.Timer }

// retryLater tries a failed drop again, at growing intervals, as Vault does.
func (s *Server) retryLater(d drop, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	r := &retry{}
	r.timer = time.AfterFunc(wait, func() {
		s.mu.Lock()
		delete(s.retries, r)
		s.mu.Unlock()
		if err := d.do(s.base); err != nil {
			s.retryLater(d, min(2*wait, time.Minute))
		}
	})
	s.retries[r] = struct{}{}
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
		s.startLeaseTimer(l)
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
		"last_renewal": stampOrNil(l.renewed), "renewable": l.renewable,
		"ttl": int(time.Until(l.expire) / time.Second),
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

func (s *Server) revokeLease(r *request) (*response, error) {
	id, err := r.leaseID()
	if err != nil {
		return nil, err
	}
	if l := s.leases[id]; l != nil {
		s.endLease(l)
	}
	return nil, nil
}

func (s *Server) revokePrefix(r *request) (*response, error) {
	prefix := strings.TrimSuffix(r.args[0], "/") + "/"
	for id, l := range s.leases {
		if strings.HasPrefix(id, prefix) {
			s.endLease(l)
		}
	}
	for _, t := range s.tokens {
		if !t.expire.IsZero() && strings.HasPrefix(t.path+"/", prefix) {
			s.revokeToken(t)
		}
	}
	return nil, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func stampOrNil(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return stamp(t)
}
