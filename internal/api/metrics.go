package api

import (
	"log/slog"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// routeMetrics serves the metrics, as text or OpenMetrics. They aren't in the
// OpenAPI document: Prometheus knows the format, and nobody writes a client.
func (s *server) routeMetrics(router chi.Router) {
	metrics := promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{
		EnableOpenMetrics: true,
		// What can't be had while the database is away is logged; the rest is needed
		// then most of all.
		ErrorHandling: promhttp.ContinueOnError,
		ErrorLog:      slog.NewLogLogger(s.Logger.Handler(), slog.LevelWarn),
	})
	router.Get("/metrics", metrics.ServeHTTP)
}
