package api

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// schemaOf documents a type, once, and returns a reference to it.
func schemaOf[T any](s *server) *huma.Schema {
	return s.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
}
