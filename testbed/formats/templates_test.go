package formats

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/BurntSushi/toml"
	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/magiconair/properties"
	"github.com/redis/go-redis/v9"
	"gopkg.in/ini.v1"
	"gopkg.in/yaml.v3"

	"vault-renderer/webapp/credfile"
)

func equal(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// ok is for parsers.
func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestAllRead: no file of the folder is without a test that reads its result.
func TestAllRead(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(templates, "*.tmpl"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%v, %v", files, err)
	}
	tests, err := filepath.Glob("*_test.go")
	ok(t, err)
	var source []byte
	for _, f := range tests {
		raw, err := os.ReadFile(f)
		ok(t, err)
		source = append(source, raw...)
	}
	readme, err := os.ReadFile(filepath.Join(templates, "README.md"))
	ok(t, err)
	for _, f := range files {
		name := filepath.Base(f)
		if !bytes.Contains(source, []byte(`"`+name+`"`)) {
			t.Errorf("no test reads what %s makes", name)
		}
		if !bytes.Contains(readme, []byte("["+name+"]("+name+")")) {
			t.Errorf("README.md has no line about %s", name)
		}
		raw, err := os.ReadFile(f)
		ok(t, err)
		if name != "config.ini.tmpl" && (!bytes.Contains(raw, []byte("Vault: ")) || !bytes.Contains(raw, []byte("Block: "))) {
			t.Errorf("%s does not say what it needs", name)
		}
	}
}

func TestConfigINI(t *testing.T) {
	c, err := credfile.Decode(newWorld(t).file(t, "config.ini.tmpl"))
	ok(t, err)
	equal(t, []string{user, oneLine}, []string{c.User, c.Password})
}

func TestAppINI(t *testing.T) {
	raw := newWorld(t).file(t, "app.ini.tmpl")
	f, err := ini.Load(raw)
	ok(t, err)
	equal(t, map[string]string{"host": "db.example.com:3306", "user": user, "password": password}, f.Section("database").KeysHash())
	equal(t, texts(application()), f.Section("app").KeysHash())
}

func texts(m map[string]any) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		out[k], _ = v.(string)
	}
	return out
}

// structure is what the JSON, YAML and TOML templates make.
type structure struct {
	Database struct {
		User     string `json:"user"`
		Password string `json:"password"`
	} `json:"database"`
	App map[string]string `json:"app"`
}

func TestStructures(t *testing.T) {
	w := newWorld(t)
	for name, unmarshal := range map[string]func([]byte, any) error{
		"config.json.tmpl": json.Unmarshal, "config.yaml.tmpl": yaml.Unmarshal, "config.toml.tmpl": toml.Unmarshal,
	} {
		t.Run(name, func(t *testing.T) {
			var want, got structure
			want.Database.User, want.Database.Password, want.App = user, password, texts(application())
			ok(t, unmarshal(w.file(t, name), &got))
			equal(t, want, got)
		})
	}
}

func TestProperties(t *testing.T) {
	l := properties.Loader{Encoding: properties.ISO_8859_1, DisableExpansion: true}
	raw := newWorld(t).file(t, "application.properties.tmpl")
	p, err := l.LoadBytes(withoutSurrogates(raw))
	ok(t, err)
	want := texts(application())
	want["spring.datasource.username"], want["spring.datasource.password"] = user, password
	got := p.Map()
	for k := range got {
		got[k] = strings.ReplaceAll(got[k], "(smile)", "😀")
	}
	equal(t, want, got)
}

// withoutSurrogates puts a word for the one character that Java wants in two
// halves, and that the library can't put together.
func withoutSurrogates(raw []byte) []byte {
	high, low := utf16.EncodeRune('😀')
	return bytes.ReplaceAll(raw, fmt.Appendf(nil, `\u%04X\u%04X`, high, low), []byte("(smile)"))
}

func TestDSNs(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSERVICE", "PGSSLMODE", "PGSSLROOTCERT"} {
		t.Setenv(name, "")
	}
	pg := sourced(t, w.file(t, "postgres.env.tmpl"), "DATABASE_URL", "DATABASE_DSN")
	for _, dsn := range pg {
		c, err := pgconn.ParseConfig(dsn)
		ok(t, err)
		equal(t, []string{user, password, "db.example.com", "app", "db.example.com"}, []string{c.User, c.Password, c.Host, c.Database, c.TLSConfig.ServerName})
	}

	my := sourced(t, w.file(t, "mysql.env.tmpl"), "MYSQL_DSN", "MYSQL_URL")
	c, err := mysql.ParseDSN(my[0])
	ok(t, err)
	equal(t, []string{user, password, "db.example.com:3306", "app", "true"}, []string{c.User, c.Passwd, c.Addr, c.DBName, c.TLSConfig})
	u, err := url.Parse(my[1])
	ok(t, err)
	pass, _ := u.User.Password()
	equal(t, []string{user, password, "db.example.com:3306", "/app"}, []string{u.User.Username(), pass, u.Host, u.Path})

	o, err := redis.ParseURL(sourced(t, w.file(t, "redis.env.tmpl"), "REDIS_URL")[0])
	ok(t, err)
	equal(t, []string{user, password, "cache.example.com:6379", "cache.example.com"}, []string{o.Username, o.Password, o.Addr, o.TLSConfig.ServerName})
}

// TestTLSBundle: what nginx and HAProxy load.
func TestTLSBundle(t *testing.T) {
	w := newWorld(t)
	raw := w.file(t, "tls-bundle.pem.tmpl")
	pair, err := tls.X509KeyPair(raw, raw)
	ok(t, err)
	roots := x509.NewCertPool()
	for rest := raw; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if c, err := x509.ParseCertificate(b.Bytes); err == nil && c.IsCA {
			roots.AddCert(c)
		}
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: "www.example.com", Roots: roots}); err != nil {
		t.Errorf("%v\n%s", err, raw)
	}
	if again := w.file(t, "tls-bundle.pem.tmpl"); !bytes.Equal(raw, again) {
		t.Error("the second run made another certificate")
	}
}

func TestAWS(t *testing.T) {
	f, err := ini.LoadSources(ini.LoadOptions{IgnoreInlineComment: true, IgnoreContinuation: true}, newWorld(t).file(t, "aws-credentials.tmpl"))
	ok(t, err)
	equal(t, map[string]string{
		"aws_access_key_id": "AKIAIOSFODNN7EXAMPLE", "aws_secret_access_key": "canary+wJalrXUtnFEMI/K7MDENG==", "aws_session_token": "canary+FwoG/XIv==",
	}, f.Section("default").KeysHash())
}
