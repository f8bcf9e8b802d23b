package login

import "context"

// RenewKeys does what Run does every hour.
func (p *Provider) RenewKeys(ctx context.Context) { renew(ctx, p.known.Load().keys) }
