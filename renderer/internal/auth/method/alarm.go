package method

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// OnAlarm implements Alarmer.
func (m *AppRole) OnAlarm(tell func(what string)) { m.alarm = tell }

// tell hands an alarm over to whoever counts them.
func (r *renewal) tell(what string) {
	if r.m.alarm != nil {
		r.m.alarm(what)
	}
}

// stolen says that somebody else has used a wrapping token: Vault knew it, its
// time has not passed, and it was not used here.
func (r *renewal) stolen(accessor string, ends time.Time) {
	const what = "security: somebody else has used the wrapping token of the SecretID, and so has the SecretID"
	todo := "find out who can read the file"
	if accessor != "" {
		todo = fmt.Sprintf("destroy it: vault write %s-accessor/destroy secret_id_accessor=%s; then %s", r.m.SecretIDRenewPath, accessor, todo)
	} else {
		todo = fmt.Sprintf("destroy it by its accessor (vault list %s), put a new one into the file, and %s", r.m.SecretIDRenewPath, todo)
	}
	r.m.Log.Error(what, "file", r.m.SecretIDFilePath, "it_would_have_ended", ends.UTC().Format(time.RFC3339), "what_to_do", todo)
	r.tell(what)
}

// suspect says that somebody else may have used a wrapping token that was
// delivered.
func (r *renewal) suspect() {
	const what = "security: Vault does not know the wrapping token that was delivered: it has expired, or somebody else has used it and has the SecretID"
	age := "unknown"
	if info, err := os.Stat(r.m.SecretIDFilePath); err == nil {
		age = time.Since(info.ModTime()).Round(time.Second).String()
	}
	r.m.Log.Error(what, "file", r.m.SecretIDFilePath, "age_of_the_file", age,
		"what_to_do", "if that is less than the wrapping token's life, it was used: destroy the SecretID by its accessor; in any case put a new one into the file")
	r.tell(what)
}

// policy is the rule that allows what is minted here.
func (r *renewal) policy() string {
	return fmt.Sprintf(`path "%s" { capabilities = ["update"] }`, strings.Trim(r.m.SecretIDRenewPath, "/"))
}

// nearEnd warns, once, when the next SecretID can't be had and the one at hand
// is about to end. That there is none at all counts only when Vault refuses: a
// moment without an answer is nothing to wake somebody for.
func (r *renewal) nearEnd(refused bool) {
	created, ends, limited := r.present()
	life := ends.Sub(created)
	ahead := min(max(life/10, time.Hour), life/3)
	if !limited || r.warned || time.Now().Before(ends.Add(-ahead)) || life == 0 && !refused {
		return
	}
	r.warned = true
	what := "the SecretID is about to end and the next one can't be minted: after that no login is possible"
	if life == 0 {
		what = "there is no SecretID for the next login and none can be minted: no login is possible"
	}
	r.m.Log.Error(what, "file", r.m.SecretIDFilePath, "ends", ends.UTC().Format(time.RFC3339), "error", r.failing.last,
		"what_to_do", fmt.Sprintf("let the token's policy have %s, or put a new SecretID into the file", r.policy()))
	r.tell(what)
}

// present says how long there will be a SecretID to log in with; it is not
// limited when one has no end that is known.
func (r *renewal) present() (created, ends time.Time, limited bool) {
	created, ends = time.Now(), time.Now() // there is none
	add := func(c, e time.Time) {
		if e.After(ends) {
			created, ends = c, e
		}
	}
	for _, id := range []*secretID{r.st.InHand, r.st.Spare} {
		switch {
		case id == nil:
		case id.Ends.IsZero():
			return created, ends, false
		default:
			add(id.Created, id.Ends)
		}
	}
	if m := r.st.Minted; m != nil && !r.st.isSpent(m.Hash) {
		add(m.Created, m.Ends)
	}
	return created, ends, true
}
