package main_test

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// document is what the generator needs of the OpenAPI document.
type document struct {
	Paths map[string]map[string]struct {
		Tags       []string
		Parameters []struct {
			In, Name string
			Schema   schema
		}
		RequestBody struct {
			Content map[string]struct {
				Schema schema
				Line   *schema `json:"x-itemSchema"` // of NDJSON
			}
		}
	}
	Components struct{ Schemas map[string]schema }
}

type schema struct {
	Reference        string `json:"$ref"`
	Type             any
	Format           string
	Enum, Examples   []any
	Minimum, Maximum *float64
	Items            *schema
	Properties       map[string]schema
	Required         []string
}

// operation is a method of a path, with what a valid request may have.
type operation struct {
	method, path string
	parameters   []described
	// bodies are the schemas of the bodies, by their media types.
	bodies map[string]schema
}

// described is a parameter.
type described struct {
	in, name string
	schema   schema
}

// routeGroup is a tag of the document, or the pages.
type routeGroup struct {
	name       string
	operations []operation
}

// readGroups returns the groups of all routes that the service has.
func readGroups(s *service) (groups []routeGroup, schemas map[string]schema) {
	var read document
	s.mustCall(http.StatusOK, http.MethodGet, "/openapi.json", "").decode(s.t, &read)
	byTag := make(map[string][]operation)
	for _, path := range slices.Sorted(maps.Keys(read.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(read.Paths[path])) {
			documented := read.Paths[path][method]
			o := operation{method: strings.ToUpper(method), path: path, bodies: make(map[string]schema)}
			for _, p := range documented.Parameters {
				o.parameters = append(o.parameters, described{p.In, p.Name, p.Schema})
			}
			for mediaType, content := range documented.RequestBody.Content {
				o.bodies[mediaType] = content.Schema
				if content.Line != nil {
					o.bodies[mediaType] = *content.Line
				}
			}
			require.Len(s.t, documented.Tags, 1, "%s %s", o.method, path)
			byTag[documented.Tags[0]] = append(byTag[documented.Tags[0]], o)
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(byTag)) {
		groups = append(groups, routeGroup{tag, byTag[tag]})
	}
	return append(groups, routeGroup{pagesGroup, pageOperations()}), read.Components.Schemas
}

const pagesGroup = "pages"

// pageOperations are the routes that the OpenAPI document doesn't have, except those of
// the pages about jobs.
func pageOperations() []operation {
	var operations []operation
	for _, page := range []struct{ method, path, query, form string }{
		{http.MethodGet, "/", "", ""},
		{http.MethodGet, "/users", "id", ""},
		{http.MethodGet, "/users/{user_id}", "by from to year voided after", ""},
		{http.MethodPost, "/users/{user_id}/learning-logs/{request_id}/void", "by from to year voided after", ""},
		{http.MethodGet, "/static/{file}", "", ""},
		{http.MethodGet, "/admin", "", ""},
		{http.MethodGet, "/admin/", "", ""},
		{http.MethodGet, "/admin/audit", "after", ""},
		{http.MethodPost, "/admin/rebuilds", "", "action user from to"},
		{http.MethodPost, "/admin/rezones", "", "time_zone user from to"},
		{http.MethodPost, "/admin/purges", "", "days action"},
		{http.MethodPost, "/admin/rebuilds/cancel", "", ""},
		{http.MethodPost, "/admin/rebuilds/{rebuild_id}/cancel", "", ""},
		{http.MethodPost, "/admin/queues/{queue}/resume", "", ""},
		{http.MethodGet, "/admin/keys", "", ""},
		{http.MethodPost, "/admin/keys", "", "name user days rate scope"},
		{http.MethodPost, "/admin/keys/{key_id}/rotate", "", ""},
		{http.MethodPost, "/admin/keys/{key_id}/revoke", "", ""},
		{http.MethodGet, "/login", "next", ""},
		{http.MethodPost, "/login", "", "key"},
		{http.MethodPost, "/logout", "", ""},
		{http.MethodGet, "/docs", "", ""},
		{http.MethodGet, "/docs/{file}", "", ""},
		{http.MethodGet, "/problems/{problem}", "", ""},
		{http.MethodGet, "/metrics", "", ""},
		{http.MethodGet, "/openapi.json", "", ""},
		{http.MethodGet, "/openapi.yaml", "", ""},
		{http.MethodGet, "/{file}", "", ""},
	} {
		o := operation{method: page.method, path: page.path, bodies: make(map[string]schema)}
		for segment := range strings.SplitSeq(page.path, "/") {
			if name := strings.Trim(segment, "{}"); name != segment {
				o.parameters = append(o.parameters, described{in: inPath, name: name})
			}
		}
		for name := range strings.FieldsSeq(page.query) {
			o.parameters = append(o.parameters, described{in: inQuery, name: name})
		}
		for name := range strings.FieldsSeq(page.form) {
			o.parameters = append(o.parameters, described{in: inForm, name: name})
		}
		if page.form != "" {
			o.bodies[mediaForm] = schema{}
		}
		operations = append(operations, o)
	}
	return operations
}

// generator makes requests. Those of a seed are always the same, but for the time and
// the address.
type generator struct {
	seed    uint64
	host    string
	key     string
	begun   time.Time
	schemas map[string]schema
	kinds   [][]mutation
	// known are values that the service knows, by the names of parameters and fields;
	// a schema says nothing of them.
	known map[string][]string
}

func newGenerator(seed uint64, host, key string, schemas map[string]schema) *generator {
	dice := rand.New(rand.NewPCG(seed, 0))
	g := &generator{seed: seed, host: host, key: key, begun: time.Now().UTC(), schemas: schemas, kinds: mutations(key)}
	var users, requests []string
	for range 3 {
		users = append(users, newUUID(dice))
	}
	for range 50 {
		requests = append(requests, newUUID(dice))
	}
	zones := []string{"Asia/Tokyo", "UTC", "America/St_Johns", "Pacific/Apia"}
	dates := []string{g.begun.Format(time.DateOnly), "2026-11-01", "2026-01-31", "2025-12-01"}
	g.known = map[string][]string{
		"user_id": users, "user_ids": users, "user": users, "id": append([]string{"1", "2", "3"}, users...),
		"request_id": requests, "replaces": requests,
		"time_zone": zones, "from": dates, "to": dates, "by": {"day", "week", "month"}, "year": {"2025", "2026"},
		"voided": {"include"}, "action": {"verify", "rebuild"}, "rebuild_id": {"1", "2"},
		"key": {key}, "key_id": {"1", "2", "3"}, "scope": {"logs:read"}, "scopes": {"logs:read", "logs:write"}, "days": {"90"}, "rate": {"5"}, "next": {"/admin"}, "queue": {"routine"},
		"file": {"style.css", "swagger-ui.css", ""}, "problem": {"not-found", "invalid-request"},
		"If-None-Match": {`"x"`}, "Last-Event-ID": {"end", "1"},
	}
	return g
}

func newUUID(dice *rand.Rand) string {
	var id uuid.UUID
	for i := range id {
		id[i] = byte(dice.Uint32())
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id.String()
}

// request returns a request of a group by its number: a valid one, mutated once or a few
// times.
func (g *generator) request(group routeGroup, number int) *draft {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(group.name)) // can't fail
	dice := rand.New(rand.NewPCG(g.seed, uint64(hash.Sum32())<<32|uint64(number)))
	d := g.valid(dice, group.operations[number%len(group.operations)])
	d.setHeader("X-Request-Id", requestName(group, number))

	chosen := [][2]int{choose(dice, g.kinds)}
	for dice.IntN(3) == 0 {
		chosen = append(chosen, choose(dice, g.kinds))
	}
	slices.SortFunc(chosen, func(a, b [2]int) int { return slices.Compare(a[:], b[:]) })
	for _, c := range slices.Compact(chosen) {
		d.mutate(g.kinds[c[0]][c[1]])
	}
	for len(d.mutations) == 0 {
		c := choose(dice, g.kinds)
		d.mutate(g.kinds[c[0]][c[1]])
	}
	return d
}

// requestName is the X-Request-Id of a request, by which it is found in the log.
func requestName(group routeGroup, number int) string {
	return fmt.Sprintf("%s-%d", strings.ReplaceAll(group.name, " ", "-"), number)
}

// valid returns a valid request. Every other one has the optional parameters.
func (g *generator) valid(dice *rand.Rand, o operation) *draft {
	d := &draft{
		dice: dice, method: o.method, path: o.path, version: "HTTP/1.1", frame: withLength,
		headers: []string{"Host: " + g.host, "Authorization: Bearer " + g.key, "X-Forwarded-For: " + g.address(dice)}, described: o.parameters,
	}
	for _, p := range o.parameters {
		if p.in == inPath || dice.IntN(2) == 0 {
			value := g.scalar(dice, p.name, p.schema)
			if p.in != inHeader {
				value = url.QueryEscape(value)
			}
			d.parameters = append(d.parameters, parameter{p.in, p.name, value})
		}
	}
	if len(o.bodies) == 0 {
		return d
	}
	d.mediaType = pick(dice, slices.Sorted(maps.Keys(o.bodies)))
	d.setHeader("Content-Type", d.mediaType)
	body := o.bodies[d.mediaType]
	if d.mediaType == mediaNDJSON {
		line := body
		body = schema{Items: &line}
	}
	d.value = g.value(dice, "", body)
	return d
}

// address returns an address that a request may be from. One from which too many guess would
// be told to wait, and nothing would be found out.
func (*generator) address(dice *rand.Rand) string {
	return fmt.Sprintf("10.%d.%d.%d", dice.IntN(256), dice.IntN(256), dice.IntN(256))
}

// value returns a valid JSON value.
func (g *generator) value(dice *rand.Rand, name string, s schema) *jsonValue {
	if s.Reference != "" {
		s = g.schemas[s.Reference[strings.LastIndex(s.Reference, "/")+1:]]
	}
	switch {
	case s.Properties != nil:
		object := &jsonValue{opening: '{'}
		for _, property := range slices.Sorted(maps.Keys(s.Properties)) {
			if slices.Contains(s.Required, property) || dice.IntN(3) == 0 {
				object.set(strconv.Quote(property), g.value(dice, property, s.Properties[property]))
			}
		}
		return object
	case s.Items != nil:
		array := &jsonValue{opening: '['}
		for range 1 + dice.IntN(4) {
			array.children = append(array.children, g.value(dice, name, *s.Items))
		}
		return array
	case s.is("string"):
		text, _ := json.Marshal(g.scalar(dice, name, s)) // can't fail
		return &jsonValue{text: string(text)}
	default:
		return &jsonValue{text: g.scalar(dice, name, s)}
	}
}

// is reports whether a value may have a type.
func (s schema) is(name string) bool {
	types, _ := s.Type.([]any)
	return s.Type == name || slices.Contains(types, any(name))
}

// scalar returns the text of a valid string, number or boolean.
func (g *generator) scalar(dice *rand.Rand, name string, s schema) string {
	known := g.known[name]
	if s.is("integer") && name == "id" {
		known = g.known["rebuild_id"]
	}
	switch {
	case known != nil && (name != "request_id" || dice.IntN(3) == 0):
		return pick(dice, known)
	case s.Enum != nil:
		return fmt.Sprint(pick(dice, s.Enum))
	case s.Format == "uuid":
		return newUUID(dice)
	case s.Format == "date-time":
		const aWeek = 7 * 24 * 60
		return g.begun.Add(-time.Duration(dice.IntN(aWeek)) * time.Minute).Format(time.RFC3339)
	case s.is("boolean"):
		return strconv.FormatBool(dice.IntN(2) == 0)
	case s.is("integer"):
		least, most := 0.0, 1000.0
		if s.Minimum != nil {
			least = *s.Minimum
		}
		if s.Maximum != nil {
			most = min(most, *s.Maximum)
		}
		return strconv.Itoa(int(least) + dice.IntN(int(most-least)+1))
	case len(s.Examples) > 0:
		return fmt.Sprint(s.Examples[0])
	default:
		return newUUID(dice)
	}
}
