package login

import "context"

// RenewKeys does what Run does every hour.
func (p *Provider) RenewKeys(ctx context.Context) { p.renewKeys(ctx) }
