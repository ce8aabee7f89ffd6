package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// events turns the programs' logs into the timeline.
type events struct {
	*timeline
	logins    atomic.Int64
	rotations atomic.Int64 // switches of the application, but for the first
}

// record is one line of a JSON log.
type record map[string]any

func parseRecord(line string) (record, bool) {
	var r record
	return r, json.Unmarshal([]byte(line), &r) == nil && r != nil
}

func (r record) str(key string) string {
	if r[key] == nil {
		return "?"
	}
	return fmt.Sprint(r[key])
}

// rest prints what a message that has no line of its own carries along.
func (r record) rest(not ...string) string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(r)) {
		if !slices.Contains(not, key) {
			out = append(out, fmt.Sprintf("%s=%v", key, r[key]))
		}
	}
	if len(out) == 0 {
		return ""
	}
	return " (" + strings.Join(out, ", ") + ")"
}

// renderer takes a line of the renderer's log.
func (e *events) renderer(line string) {
	r, ok := parseRecord(line)
	if !ok {
		e.warn(fromRenderer, "%s", line)
		return
	}
	switch level := r.str("@level"); {
	case level == "warn" || level == "error":
		e.warn(fromRenderer, "%s%s", r.str("@message"), r.rest("@message", "@level", "@timestamp"))
	default:
		if text := e.rendererText(r); text != "" {
			e.say(fromRenderer, "%s", text)
		}
	}
}

// rendererText is "" for what only its developers want to know.
func (e *events) rendererText(r record) string {
	switch r.str("@message") {
	case "started":
		return "started with config.hcl, unchanged"
	case "logging in again":
		return "logging in again: " + r.str("reason")
	case "logged in":
		if e.logins.Add(1) > 1 {
			return "logged in again, has a new token"
		}
		return "logged in with " + r.str("method") + ", wrote the token to run/vault-token"
	case "token renewed":
		return fmt.Sprintf("renewed its token (ttl %s)%s", r.str("ttl"), final(r))
	case "secret leased":
		return fmt.Sprintf("leased %s (ttl %s)", r.str("secret"), r.str("ttl"))
	case "lease renewed":
		return fmt.Sprintf("renewed the lease (ttl %s)%s", r.str("ttl"), final(r))
	case "rendered":
		return fmt.Sprintf("wrote %s (generation %s)", r.str("destination"), r.str("generation"))
	case "the application uses the new generation":
		return fmt.Sprintf("the application has acknowledged generation %s", r.str("generation"))
	case "old credentials revoked":
		return "revoked the old credentials of " + r.str("secret")
	case "old token revoked":
		return "revoked the old token, with all that hung on it"
	case "application told":
		return "ran the hook of run/current-user"
	}
	if r.str("@level") != "info" {
		return ""
	}
	return r.str("@message") + r.rest("@message", "@level", "@timestamp")
}

func final(r record) string {
	if last, _ := r["last"].(bool); last {
		return ", for the last time: its maximum is near"
	}
	return ""
}

// webapp takes a line of the application's log.
func (e *events) webapp(line string) {
	r, ok := parseRecord(line)
	if !ok {
		e.warn(fromWebapp, "%s", line)
		return
	}
	switch msg := r.str("msg"); msg {
	case "listening":
		e.say(fromWebapp, "listens on %s", r.str("address"))
	case "no credentials in the configuration":
		if e.rotations.Load() == 0 && strings.Contains(r.str("error"), "no such file") {
			e.say(fromWebapp, "no credentials yet, waits for run/config.ini")
			return
		}
		e.warn(fromWebapp, "%s: %s", msg, r.str("error"))
	case "new credentials in use":
		if r.str("generation") != "1" {
			e.rotations.Add(1)
		}
		e.say(fromWebapp, "new pool: user %s (generation %s)", r.str("user"), r.str("generation"))
	case "old pool drained":
		e.say(fromWebapp, "old pool closed%s: nobody uses the old account any more", after(r["took"]))
	case "stopping":
		e.say(fromWebapp, "finishes running requests")
	default:
		text := msg + r.rest("msg", "level", "time")
		if r.str("level") != "INFO" {
			e.warn(fromWebapp, "%s", text)
			return
		}
		e.say(fromWebapp, "%s", text)
	}
}

// after says how long something took, if long enough to matter. slog's JSON
// gives nanoseconds.
func after(v any) string {
	n, _ := v.(float64)
	if took := time.Duration(n).Round(time.Millisecond); took > 0 {
		return " after " + took.String()
	}
	return ""
}
