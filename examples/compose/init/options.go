package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// options come from the environment, so that the compose file has them all.
type options struct {
	mysqlAddr, mysqlPassword string
	leaseTTL, leaseMaxTTL    time.Duration
	tokenTTL, tokenMaxTTL    time.Duration
	secretIDTTL              time.Duration
}

func readOptions(getenv func(string) string) (*options, error) {
	password, err := os.ReadFile(passwordFile)
	if err != nil {
		return nil, fmt.Errorf("the database's root password: %w", err)
	}
	o := &options{mysqlAddr: getenv("MYSQL_ADDR"), mysqlPassword: strings.TrimSpace(string(password))}
	if o.mysqlAddr == "" {
		return nil, fmt.Errorf("MYSQL_ADDR is empty: it is the database's host:port")
	}
	for name, into := range map[string]*time.Duration{
		"LEASE_TTL": &o.leaseTTL, "LEASE_MAX_TTL": &o.leaseMaxTTL,
		"TOKEN_TTL": &o.tokenTTL, "TOKEN_MAX_TTL": &o.tokenMaxTTL,
		"SECRET_ID_TTL": &o.secretIDTTL,
	} {
		*into, err = time.ParseDuration(getenv(name))
		if err != nil || *into <= 0 {
			return nil, fmt.Errorf("%s=%q is not a duration such as 20m", name, getenv(name))
		}
	}
	return o, nil
}
