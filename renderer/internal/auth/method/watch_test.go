package method_test

import (
	"context"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vault-renderer/renderer/internal/auth"
	"vault-renderer/renderer/internal/auth/method"
)

// watched is a method with a Watch over the file "cred".
func watched(f *fake, remove bool, period time.Duration) map[string]loginer {
	return map[string]loginer{
		"jwt": &method.JWT{
			Client: f.client, MountPath: "auth/j", Path: f.path("cred"), RemoveAfterReading: remove, ReadPeriod: period, Log: f.logger(),
		},
		"ldap": &method.LDAP{
			Client: f.client, MountPath: "auth/l", PasswordFilePath: f.path("cred"), RemoveAfterReading: remove, ReadPeriod: period, Log: f.logger(),
		},
	}
}

// watching logs m in and runs its Watch in fake time; after gives the number
// of changes that were told in d.
func watching(t *testing.T, m loginer, f func(after func(d time.Duration) int)) {
	t.Helper()
	if _, err := m.Login(t.Context()); err != nil {
		t.Fatal(err)
	}
	watchingOnly(t, m, f)
}

// watchingOnly is watching without a login, as after a restart with a token that
// still lives.
func watchingOnly(t *testing.T, m loginer, f func(after func(d time.Duration) int)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var told atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.(auth.Watcher).Watch(ctx, func() { told.Add(1) })
	}()
	f(func(d time.Duration) int {
		before := told.Load()
		time.Sleep(d)
		synctest.Wait()
		return int(told.Load() - before)
	})
	cancel()
	<-done
}

func eachWatched(t *testing.T, remove bool, period time.Duration, run func(t *testing.T, f *fake, m loginer)) {
	for _, name := range []string{"jwt", "ldap"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				f.write("cred", "canary-1")
				run(t, f, watched(f, remove, period)[name])
			})
		})
	}
}

func TestWatch(t *testing.T) {
	eachWatched(t, false, time.Minute, func(t *testing.T, f *fake, m loginer) {
		watching(t, m, func(after func(time.Duration) int) {
			want := func(what string, d time.Duration, n int) {
				t.Helper()
				if got := after(d); got != n {
					t.Errorf("%s: told %d times, want %d", what, got, n)
				}
			}
			want("nothing happened", 10*time.Minute, 0)
			f.write("cred", "canary-2")
			want("before the period ends", 59*time.Second, 0)
			want("at its end", time.Second, 1)
			want("nobody logged in", 10*time.Minute, 0)
			f.write("cred", "canary-3")
			want("another one", time.Minute, 1)
			f.write("cred", "canary-1")
			want("the one in use is back", time.Minute, 0)
			f.write("cred", "canary-3")
			want("and away again", time.Minute, 1)
			if _, err := m.Login(t.Context()); err != nil {
				t.Fatal(err)
			}
			want("used now", time.Minute, 0)
			f.write("cred", "")
			want("empty", time.Minute, 0)
			if err := os.Remove(f.path("cred")); err != nil {
				t.Fatal(err)
			}
			want("gone", time.Minute, 0)
			f.write("cred", "canary-4")
			want("a new file", time.Minute, 1)
		})
	})
}

// With removal the file is gone after each login; a new one is news, even with
// the content of before the last.
func TestWatchWithRemoval(t *testing.T) {
	eachWatched(t, true, 500*time.Millisecond, func(t *testing.T, f *fake, m loginer) {
		watching(t, m, func(after func(time.Duration) int) {
			for _, v := range []string{"canary-2", "canary-1", "canary-2"} {
				f.write("cred", v)
				if n := after(500 * time.Millisecond); n != 1 {
					t.Errorf("%s: told %d times", v, n)
				}
				if _, err := m.Login(t.Context()); err != nil {
					t.Fatal(err)
				}
				if n := after(time.Minute); n != 0 || f.exists("cred") {
					t.Errorf("%s: told %d times after the login; file there: %v", v, n, f.exists("cred"))
				}
			}
		})
	})
}

// A period that was not set is a minute.
func TestWatchWithoutPeriod(t *testing.T) {
	eachWatched(t, false, 0, func(t *testing.T, f *fake, m loginer) {
		watching(t, m, func(after func(time.Duration) int) {
			f.write("cred", "canary-2")
			if a, b := after(59*time.Second), after(time.Second); a != 0 || b != 1 {
				t.Errorf("told %d, then %d times", a, b)
			}
		})
	})
}

// With a token of an earlier run the credential that is there is taken for the
// one that it came from, unless credentials are removed after their use.
func TestWatchBeforeALogin(t *testing.T) {
	for _, removes := range []bool{false, true} {
		eachWatched(t, removes, time.Minute, func(t *testing.T, f *fake, m loginer) {
			watchingOnly(t, m, func(after func(time.Duration) int) {
				want := 0
				if removes {
					want = 1
				}
				if n := after(10 * time.Minute); n != want {
					t.Errorf("removes %v: told %d times", removes, n)
				}
				f.write("cred", "canary-2")
				if n := after(time.Minute); n != 1 {
					t.Errorf("a new one: told %d times", n)
				}
			})
		})
	}
}
