package credfile_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"vault-renderer/webapp/credfile"
)

func Example() {
	dir, err := os.MkdirTemp("", "credfile-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "config.ini")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	render := func(user string) {
		content := fmt.Sprintf("[DATABASE]\nMYSQL_HOST = db\nMYSQL_USER = %s\nMYSQL_PASSWORD = a#b;c\nMYSQL_DB = notes\n", user)
		if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
			panic(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			panic(err)
		}
	}
	render("first")
	err = credfile.New(path, credfile.Options{}).Run(ctx, func(c credfile.Creds, err error) {
		if err != nil {
			fmt.Println("no credentials:", err)
			return
		}
		fmt.Printf("%s at %s:%d/%s\n", c.User, c.Host, c.Port, c.Database)
		if c.User == "first" {
			render("second")
			return
		}
		cancel()
	})
	if err != nil {
		panic(err)
	}
	// Output:
	// first at db:3306/notes
	// second at db:3306/notes
}
