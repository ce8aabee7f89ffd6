package dbpool

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

func TestNoCredentialsYet(t *testing.T) {
	p, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.DB().Ping(); !errors.Is(err, ErrNoCredentials) {
		t.Error(err)
	}
	if s := p.Stats(); s.Generation != 0 || len(s.Open) != 0 {
		t.Errorf("%+v", s)
	}
	if err := p.Drained(t.Context(), 0); err != nil {
		t.Error(err)
	}
}

func TestRefusedCredentialsChangeNothing(t *testing.T) {
	p := newPool(t, Options{DialTimeout: time.Second})
	good := newUser(t, "app.*")
	use(t, p, good)
	wrong := good
	wrong.Password = "canary-wrong"
	foreign := newUser(t, "app.*")
	foreign.Database = "mysql"
	nowhere := good
	nowhere.Port = 1
	for name, tt := range map[string]struct {
		c      Config
		number uint16
	}{
		"password": {wrong, 1045}, "no such user": {config("v-nobody", "canary-x"), 1045},
		"database": {foreign, 1044}, "port": {nowhere, 0},
	} {
		err := p.Use(t.Context(), tt.c)
		if err == nil || ErrorNumber(err) != tt.number || IsCredentialError(err) != (tt.number != 0) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		t.Log(err)
		if strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), tt.c.User) {
			t.Errorf("%s: %v", name, err)
		}
		if s := p.Stats(); s.Generation != 1 || s.User != good.User {
			t.Errorf("%s: %+v", name, s)
		}
		if err := query(p.DB()); err != nil {
			t.Errorf("after %s: %v", name, err)
		}
	}
}

func TestServerRestart(t *testing.T) {
	p := newPool(t, Options{})
	use(t, p, newUser(t, "app.*"))
	if err := query(p.DB()); err != nil {
		t.Fatal(err)
	}
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := query(p.DB()); err == nil || IsCredentialError(err) {
		t.Errorf("with the server down: %v", err)
	}
	if err := p.Use(t.Context(), config("v-x", "canary-x")); err == nil {
		t.Error("Use with the server down worked")
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a query works again", func() bool { return query(p.DB()) == nil })
	if s := p.Stats(); s.Generation != 1 || s.Open[1] == 0 {
		t.Errorf("%+v", s)
	}
}

// TestSwitchWhileDialling holds a connection with old credentials just before
// its login, switches and drops the old account: the caller must not see it.
func TestSwitchWhileDialling(t *testing.T) {
	p := newPool(t, Options{})
	old, next := newUser(t, "app.t"), newUser(t, "app.t")
	use(t, p, old)
	p.closeIdle()
	g := p.current.Load()
	gate := &gatedConnector{Connector: g.connector, at: make(chan struct{}), open: make(chan struct{})}
	g.connector = gate

	result := make(chan error)
	go func() { result <- query(p.DB()) }()
	<-gate.at
	use(t, p, next)
	if n := p.Stats().Draining(); n != 1 {
		t.Errorf("%d draining, want the one that is dialling", n)
	}
	dropUser(t, old)
	close(gate.open)
	if err := <-result; err != nil {
		t.Error(err)
	}
	drained(t, p)
}

type gatedConnector struct {
	driver.Connector
	at, open chan struct{}
}

func (g *gatedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	g.at <- struct{}{}
	<-g.open
	return g.Connector.Connect(ctx)
}

// TestDriverFeaturesPassThrough would fail if the wrapper hid one of the
// driver's optional interfaces.
func TestDriverFeaturesPassThrough(t *testing.T) {
	p := newPool(t, Options{ParseTime: true, Params: map[string]string{"sql_mode": "'ANSI_QUOTES'"}})
	c := newUser(t, "app.*")
	c.Host = server.Socket()
	use(t, p, c)
	db := p.DB()
	if err := db.Ping(); err != nil {
		t.Error(err)
	}
	tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelSerializable, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("INSERT INTO t (b) VALUES ('x')"); ErrorNumber(err) != 1792 {
		t.Errorf("write in a read-only transaction: %v", err)
	}
	_ = tx.Rollback()
	var big uint64
	if err := db.QueryRow("SELECT ?", uint64(1<<63)).Scan(&big); err != nil || big != 1<<63 {
		t.Errorf("the driver's own argument types: %d, %v", big, err)
	}
	var mode string
	var now time.Time
	if err := db.QueryRow("SELECT @@sql_mode, NOW()").Scan(&mode, &now); err != nil || !strings.Contains(mode, "ANSI_QUOTES") {
		t.Errorf("%q, %v, %v", mode, now, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := db.ExecContext(ctx, "DO SLEEP(5)"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("context: %v", err)
	}
	checkRaw(t, db)
}

func checkRaw(t *testing.T, db *sql.DB) {
	t.Helper()
	sc, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer sc.Close()
	err = sc.Raw(func(raw any) error {
		inner, ok := Unwrap(raw)
		if !ok {
			return fmt.Errorf("%T is not ours", raw)
		}
		res, err := inner.(driver.ExecerContext).ExecContext(t.Context(), "INSERT INTO t (b) VALUES ('raw')", nil)
		if err != nil {
			return err
		}
		if rows := res.(mysql.Result).AllRowsAffected(); len(rows) != 1 {
			return fmt.Errorf("rows: %v", rows)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if _, ok := Unwrap(sc); ok {
		t.Error("unwrapped what is not ours")
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{MaxConns: -1}, {MaxLifetime: 5 * time.Minute}, {DialTimeout: -1}} {
		if _, err := Open(o); err == nil {
			t.Errorf("accepted %+v", o)
		}
	}
	if _, err := (noDSN{}).Open("u:p@/"); err == nil {
		t.Error("opened by DSN")
	}
}

func TestIsCredentialError(t *testing.T) {
	for number, want := range map[uint16]bool{1044: true, 1045: true, 1142: true, 1143: true, 1698: true, 3118: true, 4151: true, 1146: false, 2006: false} {
		err := fmt.Errorf("list notes: %w", &mysql.MySQLError{Number: number})
		if IsCredentialError(err) != want || ErrorNumber(err) != number {
			t.Errorf("%d: %v", number, !want)
		}
	}
	if IsCredentialError(nil) || IsCredentialError(driver.ErrBadConn) {
		t.Error("not the server's error")
	}
}

func TestConfigNeverShowsThePassword(t *testing.T) {
	c := Config{Host: "h", User: "u", Password: "canary-password", Database: "d"}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&out, verb+"\n", c)
		fmt.Fprintf(&out, verb+"\n", struct{ C *Config }{&c})
		fmt.Fprintf(&out, verb+"\n", struct{ C Config }{c})
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", "config", c, "pointer", &c, "inside", struct{ C Config }{c})
	}
	if err := json.NewEncoder(&out).Encode(c); err != nil {
		t.Error(err)
	}
	if strings.Contains(out.String(), "canary") {
		t.Errorf("the password leaked:\n%s", out.String())
	}
	if !strings.Contains(c.String(), "u@h:3306/d") {
		t.Error(c.String())
	}
}
