// Package azure logs in with a token that Microsoft Entra made for the machine
// or the workload, together with the machine's name. It speaks Azure's
// documented protocols over net/http; it does not retry or sleep.
package azure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"

	"vault-renderer/renderer/internal/vault"
)

// Method is the azure method. Its token is asked for anew at every login.
type Method struct {
	Client    *vault.Client
	MountPath string // "auth/azure"
	Role      string
	Resource  string // whose token it is to be: the audience
	ObjectID  string // of the machine's identity; at most one of
	ClientID  string // the two; neither: the only identity, or the system's

	// AuthenticateFromEnvironment: the environment says which identity it is;
	// ObjectID and ClientID then count for nothing.
	AuthenticateFromEnvironment bool
	Scope                       string // with the above; "" = <resource>/.default
	Log                         *slog.Logger

	// Transport replaces the network (not Vault's) in tests.
	Transport http.RoundTripper
}

// Login implements auth.Method.
func (m *Method) Login(ctx context.Context) (*vault.Auth, error) {
	body, err := m.body(ctx)
	if err != nil {
		return nil, fmt.Errorf("azure: %w", err)
	}
	return m.Client.Login(ctx, m.MountPath+"/login", body)
}

func (m *Method) body(ctx context.Context) (map[string]any, error) {
	if m.ObjectID != "" && m.ClientID != "" && !m.AuthenticateFromEnvironment {
		return nil, errors.New("object_id and client_id are both set: only one may be")
	}
	body := map[string]any{"role": m.Role}
	i, err := m.instance(ctx)
	switch {
	case err == nil:
		body["subscription_id"], body["resource_group_name"] = i.Compute.SubscriptionID, i.Compute.ResourceGroupName
		body["vm_name"], body["vmss_name"] = i.Compute.Name, i.Compute.VMScaleSetName
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case !m.AuthenticateFromEnvironment:
		return nil, err
	default:
		// Not everything that has an identity is a machine; roles without
		// bounds on machines do not need their names.
		m.Log.Warn("logging in without the machine's name: the instance metadata can't be had", "error", err)
	}
	var token string
	if m.AuthenticateFromEnvironment {
		token, err = m.fromEnvironment(ctx)
	} else {
		token, err = m.fromInstance(ctx, m.Resource, map[string]string{"object_id": m.ObjectID, "client_id": m.ClientID})
	}
	if err != nil {
		return nil, err
	}
	body["jwt"] = token
	return body, nil
}

func (m *Method) scope() string {
	if m.Scope != "" {
		return m.Scope
	}
	return m.Resource + "/.default"
}

// fromEnvironment looks for an identity in the order of Azure's own libraries.
// A place that is set up but fails ends the search: another one would be
// another identity.
func (m *Method) fromEnvironment(ctx context.Context) (string, error) {
	tenant, client := os.Getenv("AZURE_TENANT_ID"), os.Getenv("AZURE_CLIENT_ID")
	application := tenant != "" && client != ""
	switch {
	case application && os.Getenv("AZURE_CLIENT_SECRET") != "":
		return m.withSecret(ctx, tenant, client)
	case application && os.Getenv("AZURE_CLIENT_CERTIFICATE_PATH") != "":
		return m.withCertificate(ctx, tenant, client)
	case application && os.Getenv("AZURE_FEDERATED_TOKEN_FILE") != "":
		return m.withFederatedToken(ctx, tenant, client)
	}
	token, err := m.managedIdentity(ctx, client)
	if err != nil {
		return "", fmt.Errorf("the environment names no application (AZURE_TENANT_ID and AZURE_CLIENT_ID with AZURE_CLIENT_SECRET, AZURE_CLIENT_CERTIFICATE_PATH or AZURE_FEDERATED_TOKEN_FILE), and the managed identity failed: %w", err)
	}
	return token, nil
}

// managedIdentity asks the service that stands for Azure's where this runs.
func (m *Method) managedIdentity(ctx context.Context, client string) (string, error) {
	resource := strings.TrimSuffix(m.scope(), "/.default")
	switch {
	case os.Getenv("IDENTITY_ENDPOINT") == "":
		return m.fromInstance(ctx, resource, map[string]string{"client_id": client})
	case os.Getenv("IDENTITY_HEADER") == "":
		return "", errors.New("IDENTITY_ENDPOINT is set without IDENTITY_HEADER: Azure Arc's identities are not supported")
	case os.Getenv("IDENTITY_SERVER_THUMBPRINT") != "":
		return "", errors.New("IDENTITY_SERVER_THUMBPRINT is set: Service Fabric's identities are not supported")
	}
	return m.fromAppService(ctx, resource, client)
}
