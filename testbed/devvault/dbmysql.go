package devvault

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

// MySQL is a Database that really creates and drops accounts. It opens a
// connection per call, which is slower than the plugin's pool and always right.
type MySQL struct{}

func (MySQL) open(c Connection) (*sql.DB, error) {
	// The driver splits a DSN from the right, but a password may hold anything:
	// fill it in after parsing.
	conf, err := mysql.ParseDSN(strings.NewReplacer("{{username}}", "u", "{{password}}", "p").Replace(c.URL))
	if err != nil {
		return nil, err
	}
	if strings.Contains(c.URL, "{{username}}") {
		conf.User, conf.Passwd = c.Username, c.Password
	}
	conf.Timeout, conf.Logger = 10*time.Second, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(conf)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// Ping logs in.
func (m MySQL) Ping(ctx context.Context, c Connection) error {
	db, err := m.open(c)
	if err != nil {
		return err
	}
	return errors.Join(db.PingContext(ctx), db.Close())
}

// Create runs the creation statements.
func (m MySQL) Create(ctx context.Context, c Connection, _, _ string, statements []string) error {
	return m.exec(ctx, c, statements)
}

// Drop runs the revocation statements.
func (m MySQL) Drop(ctx context.Context, c Connection, _ string, statements []string) error {
	return m.exec(ctx, c, statements)
}

// SetPassword runs the rotation statements.
func (m MySQL) SetPassword(ctx context.Context, c Connection, _ string, statements []string) error {
	return m.exec(ctx, c, statements)
}

// ChangePassword runs the rotation statements.
func (m MySQL) ChangePassword(ctx context.Context, c Connection, _, _ string, statements []string) error {
	return m.exec(ctx, c, statements)
}

func (m MySQL) exec(ctx context.Context, c Connection, statements []string) (err error) {
	db, err := m.open(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// Memory is a Database that only remembers accounts: for tests in fake time.
// The zero value is ready.
type Memory struct {
	mu    sync.Mutex
	users map[string]string
	fail  error
}

// Users lists the accounts that live, sorted.
func (m *Memory) Users() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(func(yield func(string) bool) {
		for u := range m.users {
			if !yield(u) {
				return
			}
		}
	})
}

// Login says whether an account lives and has that password.
func (m *Memory) Login(user, password string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	have, ok := m.users[user]
	return ok && have == password
}

// SetError makes every call fail with err until it is set to nil.
func (m *Memory) SetError(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

// Ping does nothing.
func (m *Memory) Ping(context.Context, Connection) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fail
}

// Add makes an account that Vault did not make: a static role needs one.
func (m *Memory) Add(user, password string) error {
	return m.Create(context.Background(), Connection{}, user, password, nil)
}

// Create remembers the account.
func (m *Memory) Create(_ context.Context, _ Connection, user, password string, _ []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	if _, exists := m.users[user]; exists {
		return fmt.Errorf("user %s exists", user)
	}
	if m.users == nil {
		m.users = map[string]string{}
	}
	m.users[user] = password
	return nil
}

// Drop forgets the account.
func (m *Memory) Drop(_ context.Context, _ Connection, user string, _ []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail == nil {
		delete(m.users, user)
	}
	return m.fail
}

// SetPassword does nothing.
func (m *Memory) SetPassword(context.Context, Connection, string, []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fail
}

// ChangePassword changes what Login wants.
func (m *Memory) ChangePassword(_ context.Context, _ Connection, user, password string, _ []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	if _, exists := m.users[user]; !exists {
		return fmt.Errorf("there is no user %s", user)
	}
	m.users[user] = password
	return nil
}
