package tmpl

import (
	"net/url"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"
)

// text is what may stand in a data source name.
func text() *rapid.Generator[string] {
	return nasty().Filter(func(s string) bool { return !nul(s) && !noText(s) })
}

func nonEmpty() *rapid.Generator[string] {
	return text().Filter(func(s string) bool { return s != "" })
}

func TestMySQLDSN(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		user := nonEmpty().Filter(func(s string) bool { return !strings.Contains(s, ":") }).Draw(t, "user")
		password, db, mode := text().Draw(t, "password"), text().Draw(t, "db"), text().Draw(t, "mode")
		addr := rapid.SampledFrom([]string{"db.example:3307", "127.0.0.1:3306", "[::1]:3306", "/run/mysqld/my.sock"}).Draw(t, "addr")
		dsn, err := mysqlDSN(user, password, addr, db, "parseTime=true", "loc=Europe/Berlin", "charset=utf8mb4,utf8", "sql_mode="+mode)
		if err != nil {
			t.Fatal(err)
		}
		c, err := mysql.ParseDSN(dsn)
		if err != nil {
			t.Fatalf("%q: %v", dsn, err)
		}
		want := []string{user, password, addr, db, mode, "Europe/Berlin"}
		if diff := cmp.Diff(want, []string{c.User, c.Passwd, c.Addr, c.DBName, c.Params["sql_mode"], c.Loc.String()}); diff != "" || !c.ParseTime {
			t.Errorf("%q (-want +got)\n%s", dsn, diff)
		}
	})
}

func TestMySQLURI(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		user, password, db, v := text().Draw(t, "user"), nonEmpty().Draw(t, "password"), text().Draw(t, "db"), text().Draw(t, "v")
		uri, err := mysqlURI(user, password, "db:3306", db, "k="+v)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(uri)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := u.User.Password()
		if diff := cmp.Diff([]string{"mysql", user, password, "db:3306", "/" + db, v},
			[]string{u.Scheme, u.User.Username(), got, u.Host, u.Path, u.Query().Get("k")}); diff != "" {
			t.Errorf("%q (-want +got)\n%s", uri, diff)
		}
		if strings.ContainsAny(strings.TrimPrefix(uri, "mysql://"), "+ \"'<>\\^`{|}\n") {
			t.Errorf("%q has what some readers of URIs do not take", uri)
		}
	})
}

// cleanEnv hides what libpq's readers take from the environment.
func cleanEnv(t *testing.T) {
	t.Helper()
	for _, name := range []string{"PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", "PGSERVICE", "PGSSLMODE", "PGAPPNAME"} {
		t.Setenv(name, "")
	}
}

func TestPostgres(t *testing.T) {
	cleanEnv(t)
	for name, f := range map[string]func(user, password, address, database any, params ...string) (string, error){
		"postgresURI": postgresURI, "postgresDSN": postgresDSN,
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				user, password, db, app := nonEmpty().Draw(t, "user"), nonEmpty().Draw(t, "password"), nonEmpty().Draw(t, "db"), nonEmpty().Draw(t, "app")
				at := rapid.SampledFrom([]struct {
					addr, host string
					port       uint16
				}{
					{"db.example:5433", "db.example", 5433},
					{"db-1", "db-1", 5432},
					{"[::1]:5433", "::1", 5433},
					{"::1", "::1", 5432},
					{"a:5433,b:5434", "a", 5433},
					{"/run/postgresql", "/run/postgresql", 5432},
				}).Draw(t, "at")
				dsn, err := f(user, password, at.addr, db, "sslmode=disable", "application_name="+app)
				if err != nil {
					t.Fatal(err)
				}
				c, err := pgconn.ParseConfig(dsn)
				if err != nil {
					t.Fatalf("%q: %v", dsn, err)
				}
				if diff := cmp.Diff([]string{user, password, at.host, db, app},
					[]string{c.User, c.Password, c.Host, c.Database, c.RuntimeParams["application_name"]}); diff != "" || c.Port != at.port {
					t.Errorf("%q: port %d (-want +got)\n%s", dsn, c.Port, diff)
				}
				if strings.Contains(at.addr, ",") && (len(c.Fallbacks) != 1 || c.Fallbacks[0].Host != "b" || c.Fallbacks[0].Port != 5434) {
					t.Errorf("%q: %+v", dsn, c.Fallbacks)
				}
			})
		})
	}
}

func TestRedisURI(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		user, password := text().Draw(t, "user"), nonEmpty().Draw(t, "password")
		db := rapid.IntRange(0, 15).Draw(t, "db")
		addr := rapid.SampledFrom([]string{"cache.example:6380", "rediss://cache.example:6380", "[::1]:6380", "/run/redis.sock"}).Draw(t, "addr")
		uri, err := redisURI(user, password, addr, db, "client_name=a b")
		if err != nil {
			t.Fatal(err)
		}
		o, err := redis.ParseURL(uri)
		if err != nil {
			t.Fatalf("%q: %v", uri, err)
		}
		want := strings.TrimPrefix(addr, "rediss://")
		if o.Username != user || o.Password != password || o.DB != db || o.Addr != want || (o.TLSConfig != nil) != (want != addr) || o.ClientName != "a b" {
			t.Errorf("%q: %q %q %q %d %q", uri, o.Username, o.Password, o.Addr, o.DB, o.ClientName)
		}
	})
}

// TestNamesGolden shows the forms, and what has no place in them.
func TestNamesGolden(t *testing.T) {
	type args struct {
		user, password, addr, db any
		params                   []string
	}
	type fn = func(user, password, address, database any, params ...string) (string, error)
	for _, c := range []struct {
		name string
		f    fn
		args args
		want string // the error when it begins with "!"
	}{
		{"mysqlDSN", mysqlDSN, args{"app", "p@ss/w:rd", "db", "notes", nil}, "app:p@ss/w:rd@tcp(db)/notes"},
		{"mysqlDSN", mysqlDSN, args{"", "", "/run/my.sock", "", nil}, "unix(/run/my.sock)/"},
		{"mysqlDSN", mysqlDSN, args{"a:b", "canary", "db", "", nil}, "!" + errUserColon.Error()},
		{"mysqlDSN", mysqlDSN, args{"", "canary", "db", "", nil}, "!" + errNoUser.Error()},
		{"mysqlDSN", mysqlDSN, args{"u", "canary", "db@evil", "", nil}, "!" + errAddress.Error()},
		{"mysqlDSN", mysqlDSN, args{"u", "canary", "db:0", "", nil}, "!" + errAddress.Error()},
		{"mysqlDSN", mysqlDSN, args{"u", "canary", "", "", nil}, "!" + errAddress.Error()},
		{"mysqlDSN", mysqlDSN, args{"u", "canary", "a,b", "", nil}, "!" + errOneHost.Error()},
		{"mysqlDSN", mysqlDSN, args{"u", "canary", "mysql://a", "", nil}, "!" + errAddress.Error()},
		{"mysqlDSN", mysqlDSN, args{"u", nil, "a", "", nil}, "!the password: " + errNoValue.Error()},
		{"mysqlDSN", mysqlDSN, args{"u", "canary\x00", "a", "", nil}, "!the password: " + errNUL.Error()},
		{"mysqlDSN", mysqlDSN, args{"u", "canary", "a", "", []string{"tls"}}, "!" + errParam.Error()},
		{"mysqlURI", mysqlURI, args{"u", "p w", "::1", "d", []string{"ssl-mode=REQUIRED"}}, "mysql://u:p%20w@[::1]/d?ssl-mode=REQUIRED"},
		{"mysqlURI", mysqlURI, args{"u", "canary", "/run/my.sock", "", nil}, "!" + errNoSocket.Error()},
		{"postgresURI", postgresURI, args{"u", "p", "a:1,b", "d", nil}, "postgresql://u:p@a:1,b/d"},
		{"postgresURI", postgresURI, args{"u", "p", "/run/pg", "d", nil}, "postgresql://u:p@/d?host=/run/pg"},
		{"postgresDSN", postgresDSN, args{"u", `it's \`, "a:1,b", "d", []string{"sslmode=require"}}, `host=a,b port=1, user=u password='it\'s \\' dbname=d sslmode=require`},
		{"redisURI", redisURI, args{"", "p", "r", 0, nil}, "redis://:p@r/0"},
		{"redisURI", redisURI, args{"", "", "rediss://r:1", "", nil}, "rediss://r:1"},
		{"redisURI", redisURI, args{"", "canary", "http://r", "", nil}, "!" + errAddress.Error()},
		{"redisURI", redisURI, args{"", "canary", "r", "x", nil}, "!" + errDatabase.Error()},
	} {
		got, err := c.f(c.args.user, c.args.password, c.args.addr, c.args.db, c.args.params...)
		if err != nil {
			got = "!" + err.Error()
		}
		if got != c.want {
			t.Errorf("%s%v\n got %s\nwant %s", c.name, c.args, got, c.want)
		}
	}
}
