package credfile

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func sample(password string) string {
	return "[DATABASE]\nMYSQL_HOST = database\nMYSQL_USER = u\nMYSQL_PASSWORD = " + password + "\nMYSQL_DB = notes_webapp\n"
}

func TestDecode(t *testing.T) {
	tests := map[string]struct{ in string }{
		"plain":            {"[DATABASE]\nMYSQL_HOST=h\nMYSQL_USER=u\nMYSQL_PASSWORD=p\nMYSQL_DB=d\n"},
		"blank lines":      {"\n\n  \n[DATABASE]\n\nMYSQL_HOST = h\n\nMYSQL_USER = u\nMYSQL_PASSWORD = p\n\nMYSQL_DB = d"},
		"colon, any case":  {"[DATABASE]\nmysql_host: h\nMysql_User : u\nMYSQL_password:p\nMYSQL_DB: d\n"},
		"windows lines":    {"[DATABASE]\r\nMYSQL_HOST = h\r\nMYSQL_USER = u\r\nMYSQL_PASSWORD = p\r\nMYSQL_DB = d\r\n"},
		"comments, others": {"# c = [x]\n[A]\nx = y\n[DATABASE]\n; c\nMYSQL_HOST = h\nMYSQL_USER = u\nMYSQL_PASSWORD = p\nMYSQL_DB = d\nOTHER = 1\n[Z]\n"},
		"explicit port":    {"[DATABASE]\nMYSQL_PORT = 3306\nMYSQL_HOST=h\nMYSQL_USER=u\nMYSQL_PASSWORD=p\nMYSQL_DB=d\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Decode([]byte(tt.in))
			want := Creds{Host: "h", Port: 3306, User: "u", Password: "p", Database: "d", Digest: fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(tt.in)))}
			if err != nil || got != want {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}

// TestPasswordsAreTakenAsTheyStand lists what INI readers like to eat.
func TestPasswordsAreTakenAsTheyStand(t *testing.T) {
	for _, password := range []string{
		"a#b", "a;b", "a #b", "a ;b", "#a", ";a", `"q"`, `'s'`, `'`, `"`, `"a`, `a"`, `"""t"""`, `"""t`, "`b`", "`b", "``", "b`",
		`ends\`, `\`, "%(MYSQL_USER)s", "%", "%%", "a=b", "=", "a:b", ":", "[x]", "a b", "${x}", "$x", "ä€", "A1a-x_y.z", "@/?&",
	} {
		got, err := Decode([]byte(sample(password)))
		if err != nil || got.Password != password || got.Database != "notes_webapp" {
			t.Errorf("%s: read as %q, database %q, %v", password, got.Password, got.Database, err)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"empty":       {"", "incomplete: no section [DATABASE]"},
		"blank":       {"\n\n", "incomplete: no section [DATABASE]"},
		"section":     {"[database]\nMYSQL_HOST = h\n", "incomplete: no section [DATABASE]"},
		"half":        {"[DATABASE]\nMYSQL_HOST = h\nMYSQL_USER = u\n", "incomplete: section [DATABASE] has no MYSQL_PASSWORD, MYSQL_DB"},
		"half a line": {"[DATABASE]\nMYSQL_HOST = h\nMYSQL_US", "incomplete: a line is neither [section], key = value nor a comment"},
		"not INI":     {"canary-secret", "incomplete: a line is neither [section], key = value nor a comment"},
		"empty value": {"[DATABASE]\nMYSQL_HOST = h\nMYSQL_USER = u\nMYSQL_PASSWORD =\nMYSQL_DB = d\n", "incomplete: section [DATABASE] has no MYSQL_PASSWORD"},
		"port":        {sample("canary-p") + "MYSQL_PORT = canary-port\n", "MYSQL_PORT is not a port number"},
		"port range":  {sample("canary-p") + "MYSQL_PORT = 70000\n", "MYSQL_PORT is not a port number"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			creds, err := Decode([]byte(tt.in))
			if err == nil || err.Error() != tt.want || creds != (Creds{}) {
				t.Errorf("got %v, %v\nwant %s", creds, err, tt.want)
			}
			if errors.Is(err, ErrIncomplete) != strings.HasPrefix(tt.want, "incomplete") {
				t.Errorf("errors.Is(ErrIncomplete) is wrong for %v", err)
			}
		})
	}
}

func TestCredsNeverShowThePassword(t *testing.T) {
	c, err := Decode([]byte(sample("canary-password")))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", c)
		fmt.Fprintf(&out, verb+"\n", &c)
		fmt.Fprintf(&out, verb+"\n", struct{ C Creds }{c})
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", "creds", c, "pointer", &c, "inside", struct{ C Creds }{c}, "list", []Creds{c})
	}
	if err := json.NewEncoder(&out).Encode([]any{c, &c}); err != nil {
		t.Error(err)
	}
	if strings.Contains(out.String(), "canary") || strings.Contains(out.String(), fmt.Sprintf("%x", "canary")) {
		t.Errorf("the password leaked:\n%s", out.String())
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(sample("p")), "p")
	f.Add([]byte("[DATABASE]\nMYSQL_HOST: `h\n"), "`a`")
	f.Add([]byte("\ufeff[DATABASE]\r\nMYSQL_PASSWORD = \"\"\"x\n"), `"""`)
	f.Fuzz(func(t *testing.T, content []byte, password string) {
		if c, err := Decode(content); err == nil {
			if c.Host == "" || c.User == "" || c.Password == "" || c.Database == "" || c.Port < 1 || c.Port > 65535 {
				t.Errorf("incomplete credentials accepted: %v", c)
			}
		}
		// Any password that fits in a line and has no blanks around it comes
		// back as it was.
		if password == "" || password != strings.TrimSpace(password) || strings.ContainsAny(password, "\n\x01") {
			return
		}
		if c, err := Decode([]byte(sample(password))); err != nil || c.Password != password {
			t.Errorf("password %q came back as %q, %v", password, c.Password, err)
		}
	})
}
