package credfile

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/fsnotify/fsnotify"
)

// dirs turns the operating system's events into hints: "something happened
// near the file, look at it". It watches folders, never the file: a rename
// replaces the file's inode, and a swapped symbolic link gives no event under
// the file's own name at all.
type dirs struct {
	path    string
	log     *slog.Logger
	hints   chan struct{} // holds one
	watcher *fsnotify.Watcher
	watched map[string]os.FileInfo // folder -> its identity when it was added
	done    chan struct{}
	warned  bool
}

func newDirs(path string, log *slog.Logger) *dirs {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return &dirs{path: path, log: log, hints: make(chan struct{}, 1), watched: map[string]os.FileInfo{}}
}

// refresh (re-)adds every folder that is new or was replaced since. Without
// events, for example because the user's inotify instances are used up, Run's
// poll alone has to do, and each poll tries again here.
func (d *dirs) refresh() {
	if d.watcher == nil {
		watcher, err := fsnotify.NewWatcher()
		if err != nil {
			d.warn(err)
			return
		}
		d.watcher, d.done = watcher, make(chan struct{})
		go d.forward(watcher, d.done)
	}
	for _, dir := range d.targets() {
		d.add(dir)
	}
}

// targets are the file's folder, the folder above it (the file's folder can be
// removed and made again), and the folder in which a linked file really lies.
func (d *dirs) targets() []string {
	dir := filepath.Dir(d.path)
	targets := []string{dir}
	if parent := filepath.Dir(dir); parent != dir {
		targets = append(targets, parent)
	}
	if real, err := filepath.EvalSymlinks(d.path); err == nil && filepath.Dir(real) != dir {
		targets = append(targets, filepath.Dir(real))
	}
	return targets
}

func (d *dirs) add(dir string) {
	info, err := os.Stat(dir)
	if err != nil {
		delete(d.watched, dir)
		return // not there (yet): the folder above tells when it comes
	}
	// Both are needed: a new folder can get its predecessor's inode, and a link
	// to a folder can change while the old target goes on being watched.
	old, ok := d.watched[dir]
	if ok && os.SameFile(old, info) && slices.Contains(d.watcher.WatchList(), dir) {
		return
	}
	_ = d.watcher.Remove(dir) // the one that had this name before
	if err := d.watcher.Add(dir); err != nil {
		d.warn(err)
		return
	}
	d.watched[dir] = info
}

// forward ends when the watcher is closed.
func (d *dirs) forward(w *fsnotify.Watcher, done chan<- struct{}) {
	defer close(done)
	dir := filepath.Dir(d.path)
	for {
		select {
		case event, ok := <-w.Events:
			if !ok {
				return
			}
			// The folder above may be as busy as /run: only our folder's name
			// matters there. In our own folder any name can be the link that
			// leads to the file.
			if event.Name != dir && filepath.Dir(event.Name) == filepath.Dir(dir) {
				continue
			}
		case _, ok := <-w.Errors: // for example: too many events, some are lost
			if !ok {
				return
			}
		}
		select {
		case d.hints <- struct{}{}:
		default:
		}
	}
}

func (d *dirs) warn(err error) {
	if !d.warned {
		d.warned = true
		d.log.Warn("no file events, the file is polled", "error", err)
	}
}

func (d *dirs) close() {
	if d.watcher == nil {
		return
	}
	_ = d.watcher.Close()
	<-d.done
}
