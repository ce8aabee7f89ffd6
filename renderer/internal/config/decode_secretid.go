package config

import (
	"regexp"
	"strings"
	"time"
)

// secretIDRenewal reads how the next SecretID is made.
func (d *decoder) secretIDRenewal(c *scope, mount string, r *AppRole) {
	if !valid(c, "secret_id_renew") {
		return
	}
	if r.SecretIDRenew = get(c, "secret_id_renew", false); !r.SecretIDRenew {
		d.idle(c, "without secret_id_renew = true", "secret_id_renew_path", "secret_id_renew_wrap_ttl")
		return
	}
	r.SecretIDRenewPath = orElse(get(c, "secret_id_renew_path", ""), r.SecretIDResponseWrappingPath)
	r.SecretIDRenewWrapTTL = get(c, "secret_id_renew_wrap_ttl", time.Duration(0))
	at := c.at("secret_id_renew")
	if r.SecretIDFilePath == "" && valid(c, "secret_id_file_path") {
		d.errorf(at, "Missing secret_id_file_path", "\"secret_id_renew\" needs \"secret_id_file_path\": the file that holds the SecretID, and then the next one.")
	}
	if c.vals["remove_secret_id_file_after_reading"] == true {
		d.idle(c, "with secret_id_renew = true: the file holds the next SecretID, which a restart needs", "remove_secret_id_file_after_reading")
	}
	d.renewalPath(c, mount, r.SecretIDRenewPath)
}

// renewalPath wants the path of the SecretIDs of a role that this login knows.
func (d *decoder) renewalPath(c *scope, mount, path string) {
	key := "secret_id_renew_path"
	if get(c, key, "") == "" && get(c, "secret_id_response_wrapping_path", "") != "" {
		key = "secret_id_response_wrapping_path"
	}
	m := regexp.MustCompile(`^((?:[^/]+/)*auth/[^/]+(?:/[^/]+)*)/role/[^/]+/secret-id$`).FindStringSubmatch(path)
	switch {
	case path == "" && (!valid(c, key) || !valid(c, "secret_id_response_wrapping_path")):
	case path == "":
		d.errorf(c.at("secret_id_renew"), "Missing secret_id_renew_path", "\"secret_id_renew\" needs \"secret_id_renew_path\", the path at which the role's SecretIDs are made: auth/approle/role/NAME/secret-id.")
	case m == nil && key == "secret_id_renew_path":
		d.errorf(c.at(key), "Invalid value", "%q must be the path at which the role's SecretIDs are made: auth/approle/role/NAME/secret-id.", key)
	case m == nil:
		d.errorf(c.at(key), "Missing secret_id_renew_path", "No SecretID is made at this path. \"secret_id_renew\" needs \"secret_id_renew_path\" beside it: auth/approle/role/NAME/secret-id.")
	case m[1] != strings.Trim(mount, "/") && !strings.HasSuffix(m[1], "/"+strings.Trim(mount, "/")):
		d.errorf(c.at(key), "Another mount", "A SecretID that is made here is of no use for the login, which goes to another mount; the path must begin with the method's \"mount_path\", \"auth/approle\" if that is not set.")
	}
}
