package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// A person adds a note, the credentials change, and the person reads the note:
// in a real browser, without seeing anything of it.
func TestBrowserAcrossRotation(t *testing.T) {
	t.Parallel()
	r := start(t, setup{limits: limits{time.Minute, 10 * time.Minute, 3 * time.Second, 6 * time.Second}})
	r.load()
	began := time.Now()
	ctx := browser(t)
	note := fmt.Sprintf("across rotations <b>%d</b> & more", time.Now().UnixNano())
	err := chromedp.Do(ctx,
		chromedp.Navigate(r.base+"/add"),
		chromedp.WaitVisible(`[name="note"]`),
		chromedp.SendKeys(`[name="note"]`, note),
		chromedp.Submit(`[name="note"]`),
		chromedp.WaitVisible(`a[href*="/read/"]`),
	)
	if err != nil {
		t.Fatalf("add a note: %v", err)
	}
	user := r.generation().User
	r.rotations(1, 30*time.Second)
	if r.generation().User == user {
		t.Error("the user did not change")
	}
	var id int
	if err := r.db.Admin().QueryRowContext(t.Context(), "SELECT id FROM notes_webapp.note WHERE content = ?", note).Scan(&id); err != nil {
		t.Fatalf("the note is not in the database: %v", err)
	}
	text, err := page(ctx, fmt.Sprintf("%s/read/%d", r.base, id))
	if err != nil || !strings.Contains(text, note) {
		t.Errorf("the page shows %q, %v", text, err)
	}
	config, err := page(ctx, r.base+"/config")
	if p := r.field("MYSQL_PASSWORD"); err != nil || strings.Contains(config, p) || !strings.Contains(config, "MYSQL_USER") {
		t.Errorf("the configuration page shows the password, or nothing: %v", err)
	}
	r.noFailures(began)
	r.noAccountsLeft(15 * time.Second)
}

// page opens a page and gives its main text.
func page(ctx context.Context, url string) (string, error) {
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		return "", err
	}
	return chromedp.Run(ctx, chromedp.Text("main"))
}

// browser starts a headless Chromium of its own.
func browser(t *testing.T) context.Context {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath(chromium(t)))
	alloc, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	t.Fatal("no Chromium on this machine: apt-get install chromium")
	return ""
}
