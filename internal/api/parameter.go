package api

import (
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"learninglog/internal/problem"
	"learninglog/internal/timerange"
	"learninglog/query"
	"learninglog/rollup"
)

// pathParameter returns a parameter of the path, which may be percent-encoded.
func pathParameter(r *http.Request, name string) string {
	encoded := chi.URLParam(r, name)
	if text, err := url.PathUnescape(encoded); err == nil {
		return text
	}
	return encoded
}

func pathUUID(name, text string) (uuid.UUID, error) {
	id, err := parseUUID([]byte(text))
	if err != nil {
		return uuid.Nil, problem.Invalid.New("", noUUID(name, text))
	}
	return id, nil
}

func noUUID(name, text string) problem.Field {
	return problem.Field{
		Location: "path." + name,
		Message:  "must be a UUID such as 0b6b3a9e-2f57-4f5a-9a55-0d4b7c6f1a22",
		Value:    short(text),
	}
}

// parameters are those of a request that huma doesn't read, and what is wrong with them.
type parameters struct {
	values url.Values
	wrong  []problem.Field
}

// readParameters returns the parameters of a request. There are no others than those known.
func readParameters(r *http.Request, known ...string) (p parameters) {
	if r.URL.RawQuery == "" {
		return p
	}
	p.values = r.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		if !slices.Contains(known, name) {
			p.wrong = append(p.wrong, problem.Field{Location: "query." + short(name), Message: unknownParameter})
		}
	}
	return p
}

// choice returns a parameter that is one of some values.
func (p *parameters) choice(name, otherwise string, values ...string) string {
	value := p.values.Get(name)
	if value == "" {
		return otherwise
	}
	if !slices.Contains(values, value) {
		p.wrong = append(p.wrong, problem.Field{
			Location: "query." + name, Message: "must be one of " + strings.Join(values, ", "), Value: short(value),
		})
	}
	return value
}

// user returns the user that the path names.
func (p *parameters) user(r *http.Request) (text string) {
	text = pathParameter(r, userInPath)
	if _, err := parseUUID([]byte(text)); err != nil {
		p.wrong = append(p.wrong, noUUID(userInPath, text))
	}
	return text
}

// flag returns a parameter that is true or false. Default: otherwise.
func (p *parameters) flag(name string, otherwise bool) bool {
	value := p.values.Get(name)
	if value == "" {
		return otherwise
	}
	is, err := strconv.ParseBool(value)
	if err != nil {
		p.wrong = append(p.wrong, problem.Field{Location: "query." + name, Message: "must be true or false", Value: short(value)})
	}
	return is
}

// problem returns what is wrong, or nil.
func (p *parameters) problem() error {
	if p.wrong == nil {
		return nil
	}
	return problem.Invalid.New("", p.wrong...)
}

// queryDate reads an end of a range from the query; it returns nil if it is absent.
func queryDate(name, text string) (*rollup.Date, error) {
	if text == "" {
		return nil, nil
	}
	date, err := timerange.ParseDate(text)
	if err != nil {
		return nil, wrongParameter(name, text, err)
	}
	return &date, nil
}

// clock returns the clock of a learner, by the query's time_zone if it has one.
func (s *server) clock(timeZone string) (query.Clock, error) {
	clock := query.Clock{Now: time.Now()}
	if timeZone == "" {
		return clock, nil
	}
	var err error
	if clock.Zone, err = s.zones.Load(timeZone); err != nil {
		return query.Clock{}, wrongParameter("time_zone", timeZone, err)
	}
	return clock, nil
}

// optionalInt is a parameter that may be absent, which is not the same as 0.
type optionalInt struct {
	Value int

	given bool
}

// Receiver implements [huma.ParamWrapper].
func (o *optionalInt) Receiver() reflect.Value { return reflect.ValueOf(&o.Value).Elem() }

// OnParamSet implements [huma.ParamReactor].
func (o *optionalInt) OnParamSet(given bool, _ any) { o.given = given }

// Schema implements [huma.SchemaProvider].
func (optionalInt) Schema(registry huma.Registry) *huma.Schema {
	return huma.SchemaFromType(registry, reflect.TypeFor[int]())
}

// pointer returns the value, or nil if the parameter is absent.
func (o *optionalInt) pointer() *int {
	if !o.given {
		return nil
	}
	return &o.Value
}

func wrongParameter(name, text string, err error) error {
	return problem.Invalid.New("", problem.Field{Location: "query." + name, Message: err.Error(), Value: short(text)})
}
