package method_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"vault-renderer/renderer/internal/auth/method"
	"vault-renderer/renderer/internal/vault"
)

// delivered is a method whose credential somebody puts into the file "cred".
type delivered struct {
	name, what, path string
	make             func(f *fake, remove, follow bool) loginer
	body             func(v string) map[string]any
	keeps            bool // has no removal, and no memory of what was there
	remembers        bool
	raw              bool
}

func all() []delivered {
	return []delivered{
		{
			name: "approle", what: "secret_id", path: "auth/approle/login", remembers: true,
			make: func(f *fake, remove, _ bool) loginer {
				return &method.AppRole{
					Client: f.client, MountPath: "auth/approle", RoleIDFilePath: f.write("role_id", " role \n"),
					SecretIDFilePath: f.path("cred"), RemoveSecretIDFileAfterRead: remove, Log: f.logger(),
				}
			},
			body: func(v string) map[string]any { return map[string]any{"role_id": "role", "secret_id": v} },
		},
		{
			name: "token_file", what: "token", path: "auth/token/lookup-self", keeps: true, remembers: true,
			make: func(f *fake, _, _ bool) loginer {
				return &method.TokenFile{Client: f.client, TokenFilePath: f.path("cred"), Log: f.logger()}
			},
		},
		{
			name: "kubernetes", what: "service account token", path: "auth/k/login", keeps: true,
			make: func(f *fake, _, _ bool) loginer {
				return &method.Kubernetes{Client: f.client, MountPath: "auth/k", Role: "r", TokenPath: f.path("cred"), Log: f.logger()}
			},
			body: func(v string) map[string]any { return map[string]any{"role": "r", "jwt": v} },
		},
		{
			name: "jwt", what: "jwt", path: "auth/j/login", remembers: true, raw: true,
			make: func(f *fake, remove, follow bool) loginer {
				return &method.JWT{
					Client: f.client, MountPath: "auth/j", Role: "r", Path: f.path("cred"),
					RemoveAfterReading: remove, RemoveFollowsSymlinks: follow, Log: f.logger(),
				}
			},
			body: func(v string) map[string]any { return map[string]any{"role": "r", "jwt": v} },
		},
		{
			name: "ldap", what: "password", path: "auth/l/login/ann", remembers: true, raw: true,
			make: func(f *fake, remove, follow bool) loginer {
				return &method.LDAP{
					Client: f.client, MountPath: "auth/l", Username: "ann", PasswordFilePath: f.path("cred"),
					RemoveAfterReading: remove, RemoveFollowsSymlinks: follow, Log: f.logger(),
				}
			},
			body: func(v string) map[string]any { return map[string]any{"password": v} },
		},
		{
			name: "userpass", what: "password", path: "auth/u/login/ann", keeps: true, raw: true,
			make: func(f *fake, _, _ bool) loginer {
				return &method.Userpass{Client: f.client, MountPath: "auth/u", Username: "ann", PasswordFilePath: f.path("cred"), Log: f.logger()}
			},
			body: func(v string) map[string]any { return map[string]any{"password": v} },
		},
	}
}

func each(t *testing.T, f func(t *testing.T, d delivered, v *fake)) {
	for _, d := range all() {
		t.Run(d.name, func(t *testing.T) { f(t, d, newFake(t)) })
	}
}

// eachRemoving is each, for methods with a file that is removed.
func eachRemoving(t *testing.T, f func(t *testing.T, d delivered, v *fake)) {
	each(t, func(t *testing.T, d delivered, v *fake) {
		if !d.keeps {
			f(t, d, v)
		}
	})
}

const refusal = `{"errors":["invalid credentials"]}`

// Every login reads the file again. Where the bytes are not the credential
// itself, blanks around it are dropped.
func TestCredentialIsReadAgain(t *testing.T) {
	each(t, func(t *testing.T, d delivered, f *fake) {
		if d.body == nil { // token_file: its own test
			return
		}
		m := d.make(f, false, false)
		f.write("cred", "canary-1")
		f.sends(m, d.path, d.body("canary-1"))
		f.write("cred", " canary-2 \t")
		want := " canary-2 \t"
		if !d.raw {
			want = "canary-2"
		}
		f.sends(m, d.path, d.body(want))
		if !f.exists("cred") {
			t.Error("the file is gone")
		}
	})
}

// A newline at the end is part of what is sent for jwt and ldap only.
func TestNewlineAtTheEnd(t *testing.T) {
	each(t, func(t *testing.T, d delivered, f *fake) {
		if d.body == nil {
			return
		}
		for _, end := range []string{"\n", "\r\n"} {
			f.write("cred", "canary-1"+end)
			want := "canary-1"
			if d.name == "jwt" || d.name == "ldap" {
				want += end
			}
			f.sends(d.make(f, false, false), d.path, d.body(want))
		}
	})
}

func TestNoCredential(t *testing.T) {
	each(t, func(_ *testing.T, d delivered, f *fake) {
		m := d.make(f, true, true)
		f.fails(m, false, d.what+" file "+f.path("cred")+" does not exist")
		f.write("cred", "")
		f.fails(m, false, d.what+" file "+f.path("cred")+" is empty")
		if err := os.Remove(f.path("cred")); err != nil {
			f.t.Fatal(err)
		}
		if err := os.Mkdir(f.path("cred"), 0o700); err != nil {
			f.t.Fatal(err)
		}
		f.fails(m, false, d.what+" file: ", f.path("cred"), "is a directory")
	})
}

// A file that is gone or empty gives what was read before, for methods whose
// files are removed.
func TestCredentialOfBefore(t *testing.T) {
	each(t, func(t *testing.T, d delivered, f *fake) {
		if d.body == nil {
			return
		}
		m := d.make(f, false, false)
		f.write("cred", "canary-1")
		f.sends(m, d.path, d.body("canary-1"))
		f.write("cred", "")
		if !d.remembers {
			f.fails(m, false, "is empty")
			return
		}
		f.sends(m, d.path, d.body("canary-1"))
		if !strings.Contains(f.log.String(), "is empty") {
			t.Errorf("nothing was said about the empty file: %q", f.log.String())
		}
		if err := os.Remove(f.path("cred")); err != nil {
			t.Fatal(err)
		}
		f.sends(m, d.path, d.body("canary-1"))
	})
}

// The file goes when Vault has judged, whatever it said; not while it is away.
func TestRemoval(t *testing.T) {
	eachRemoving(t, func(t *testing.T, d delivered, f *fake) {
		for _, c := range []struct {
			status int
			body   string
			gone   bool
		}{
			{200, granted, true},
			{400, refusal, true},
			{403, refusal, true},
			{0, "", false},
			{500, `{"errors":["storage"]}`, false},
			{503, `{"errors":["Vault is sealed"]}`, false},
			{429, `{"errors":["slow down"]}`, false},
		} {
			t.Run(fmt.Sprint(c.status), func(t *testing.T) {
				f.t = t
				m := d.make(f, true, false)
				f.write("cred", "canary-1")
				f.answers(c.status, c.body)
				if _, err := m.Login(t.Context()); (err == nil) != (c.status == 200) {
					t.Error(err)
				}
				if f.exists("cred") == c.gone {
					t.Errorf("file there: %v", !c.gone)
				}
				// Vault is back: the credential is used, and gone.
				f.got()
				f.answers(200, granted)
				f.sends(m, d.path, d.body("canary-1"))
				if f.exists("cred") {
					t.Error("the file is still there")
				}
			})
		}
	})
}

// A refused credential whose file is gone: the next step is named.
func TestRefused(t *testing.T) {
	each(t, func(t *testing.T, d delivered, f *fake) {
		m := d.make(f, true, false)
		f.write("cred", "canary-1")
		f.answers(400, refusal)
		if d.keeps {
			f.fails(m, true, d.path, "invalid credentials")
			return
		}
		f.fails(m, true, d.path, "invalid credentials", "if the "+d.what+" is wrong, put a new one into "+f.path("cred"))
		_, err := m.Login(t.Context())
		if vault.ClassOf(err) != vault.Invalid {
			t.Errorf("class %v", vault.ClassOf(err))
		}
	})
}

// A symlink loses the link only, unless its target is to go.
func TestRemovalOfASymlink(t *testing.T) {
	eachRemoving(t, func(t *testing.T, d delivered, f *fake) {
		for _, follow := range []bool{false, true} {
			if follow && d.name == "approle" {
				continue // has no such setting
			}
			target := f.write("target", "canary-1")
			f.link("cred", target)
			f.sends(d.make(f, true, follow), d.path, d.body("canary-1"))
			if f.exists("cred") != follow || f.exists("target") == follow {
				t.Errorf("follow %v: link there %v, target there %v", follow, f.exists("cred"), f.exists("target"))
			}
			_ = os.Remove(f.path("cred")) // what dangles
		}
	})
}

// A new credential that came while the old one was used stays.
func TestRemovalSparesANewOne(t *testing.T) {
	eachRemoving(t, func(t *testing.T, d delivered, f *fake) {
		f.write("cred", "canary-1")
		m := d.make(f, true, false)
		f.before(func() { f.write("cred", "canary-2") })
		if _, err := m.Login(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.before(nil)
		f.got()
		if !f.exists("cred") {
			t.Fatal("the new one is gone")
		}
		f.sends(m, d.path, d.body("canary-2"))
	})
}

// A removal that is refused is a warning; the login counts.
func TestRemovalRefused(t *testing.T) {
	eachRemoving(t, func(t *testing.T, d delivered, f *fake) {
		open, err := os.Open(f.write("target", "canary-1"))
		if err != nil {
			t.Fatal(err)
		}
		defer open.Close()
		// Not even root removes what lies there.
		f.link("proc", "/proc/self/fd")
		m := d.make(f, true, false)
		refused := fmt.Sprintf("%s/%d", f.path("proc"), open.Fd())
		switch m := m.(type) {
		case *method.AppRole:
			m.SecretIDFilePath = refused
		case *method.JWT:
			m.Path = refused
		case *method.LDAP:
			m.PasswordFilePath = refused
		}
		for range 2 {
			f.sends(m, d.path, d.body("canary-1"))
		}
		if log := f.log.String(); !strings.Contains(log, d.what+" file could not be removed") || !strings.Contains(log, refused) {
			t.Errorf("log %q", log)
		}
	})
}
