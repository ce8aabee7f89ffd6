// Command plainclient is what one would write by hand instead of using
// vault-renderer: it logs in with AppRole, reads N secrets of a KV v2 mount, 16
// at a time, writes N files and ends. It uses nothing but the standard library
// and is the yardstick of the benchmark; it has no other purpose.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

const atOnce = 16

type client struct {
	addr, token string
	http        *http.Client
}

func main() {
	addr := flag.String("addr", "", "`URL` of the server")
	dir := flag.String("ids", "", "`directory` with role_id and secret_id")
	prefix := flag.String("prefix", "", "`path` of the secrets, without their number")
	n := flag.Int("n", 1, "`number` of secrets")
	out := flag.String("out", "", "`directory` of the files")
	flag.Parse()
	c := &client{addr: *addr, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: atOnce}}}
	if err := c.run(*dir, *prefix, *n, *out); err != nil {
		fmt.Fprintln(os.Stderr, "plainclient: error:", err)
		os.Exit(1)
	}
}

func (c *client) run(ids, prefix string, n int, out string) error {
	if err := c.login(ids); err != nil {
		return err
	}
	numbers, errs := make(chan int), make(chan error, atOnce)
	var wg sync.WaitGroup
	for range min(atOnce, n) {
		wg.Go(func() {
			for i := range numbers {
				if err := c.render(fmt.Sprintf("%s%04d", prefix, i), filepath.Join(out, fmt.Sprintf("%04d", i))); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	var err error
	for i := 0; i < n && err == nil; i++ {
		select {
		case numbers <- i:
		case err = <-errs:
		}
	}
	close(numbers)
	wg.Wait()
	close(errs)
	if err == nil {
		err = <-errs
	}
	return err
}

func (c *client) login(ids string) error {
	body := map[string]string{}
	for _, name := range []string{"role_id", "secret_id"} {
		raw, err := os.ReadFile(filepath.Join(ids, name))
		if err != nil {
			return err
		}
		body[name] = strings.TrimSpace(string(raw))
	}
	var answer struct {
		Auth struct {
			Token string `json:"client_token"`
		} `json:"auth"`
	}
	if err := c.do(http.MethodPut, "auth/approle/login", body, &answer); err != nil {
		return err
	}
	c.token = answer.Auth.Token
	return nil
}

func (c *client) render(path, file string) error {
	var answer struct {
		Data struct {
			Data map[string]string `json:"data"`
		} `json:"data"`
	}
	if err := c.do(http.MethodGet, path, nil, &answer); err != nil {
		return err
	}
	d := answer.Data.Data
	text := "username = " + d["username"] + "\npassword = " + d["password"] + "\n"
	if err := os.WriteFile(file+".tmp", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".tmp", file)
}

func (c *client) do(method, path string, body, answer any) error {
	var b io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		b = bytes.NewReader(raw)
	}
	req, err := http.NewRequest(method, c.addr+"/v1/"+path, b)
	if err != nil {
		return err
	}
	req.Header.Set("X-Vault-Request", "true")
	if c.token != "" {
		req.Header.Set("X-Vault-Token", c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	return json.Unmarshal(raw, answer)
}
