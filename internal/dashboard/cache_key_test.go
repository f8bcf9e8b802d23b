package dashboard //nolint:testpackage // pages in which nothing differs yet are told apart, too

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"learninglog/internal/language"
)

// What the layout says must not be shown to whom it says something else.
func TestACachedPageIsKeptForEveryLayout(t *testing.T) {
	t.Parallel()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/users/x", nil)
	none := cacheKey(request, layout{})
	for field := range reflect.TypeFor[layout]().Fields() {
		var other layout
		switch value := reflect.ValueOf(&other).Elem().FieldByIndex(field.Index); field.Type.Kind() {
		case reflect.Bool:
			value.SetBool(true)
		case reflect.String:
			value.SetString("true")
		case reflect.Pointer:
			value.Set(reflect.ValueOf(language.Of("de")))
		default:
			require.Fail(t, "the test doesn't know this type", field.Name)
		}
		assert.NotEqual(t, none, cacheKey(request, other), field.Name)
	}
}
