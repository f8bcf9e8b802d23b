package dashboard

// Operations tells operators how the service is.
type Operations interface{}
