package dbpool_test

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"vault-renderer/testbed/mariadb"
	"vault-renderer/webapp/dbpool"
)

// A request that survives the loss of its account: the statement runs again, on
// the credentials that somebody puts to use meanwhile.
func ExamplePool_Do() {
	var pool *dbpool.Pool                           // from Open
	askForNewOnes := func(error) { /* not here */ } // say to whom: it must not block

	addOrder := func(ctx context.Context, item string) error {
		return pool.Do(ctx, dbpool.Retry{Refused: askForNewOnes}, func(ctx context.Context, c *sql.Conn) error {
			_, err := c.ExecContext(ctx, "INSERT INTO orders (item) VALUES (?)", item)
			return err
		})
	}
	_ = addOrder
}

// The whole life of a credential: used, replaced, drained, revoked.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	// Any server will do; this one is private and gone after the example.
	server, err := mariadb.Start(ctx, mariadb.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer server.Stop()
	host, port, _ := net.SplitHostPort(server.Addr())
	newUser := func(name string) dbpool.Config {
		_, err := server.Admin().Exec("CREATE USER '" + name + "'@'%' IDENTIFIED BY 'canary-" + name + "'")
		if err != nil {
			panic(err)
		}
		n, _ := strconv.Atoi(port)
		return dbpool.Config{Host: host, Port: n, User: name, Password: "canary-" + name}
	}

	pool, err := dbpool.Open(dbpool.Options{MaxConns: 8})
	if err != nil {
		panic(err)
	}
	defer pool.Close()
	db := pool.DB() // hand it to the program once; it stays the same

	for _, name := range []string{"v-one", "v-two"} {
		if err := pool.Use(ctx, newUser(name)); err != nil {
			panic(err) // the previous credentials would go on working
		}
		if err := pool.Drained(ctx, pool.Stats().Generation); err != nil {
			panic(err)
		}
		// Now nothing uses the previous account: it can be dropped.
		var user string
		if err := db.QueryRowContext(ctx, "SELECT SUBSTRING_INDEX(USER(), '@', 1)").Scan(&user); err != nil {
			panic(err)
		}
		fmt.Println(pool.Stats().Generation, user)
	}
	// Output:
	// 1 v-one
	// 2 v-two
}
