package main_test

import (
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
)

// authorizationMutations are those after which nothing in a request says truly whom it is
// from, though much of it may look like the key.
func authorizationMutations(key string) []mutation {
	middle := len(key) / 2
	swapped := strings.Map(func(r rune) rune {
		if upper := strings.ToUpper(string(r)); upper != string(r) {
			return rune(upper[0])
		}
		return rune(strings.ToLower(string(r))[0])
	}, key)
	good := "Bearer " + key
	wrong := []string{
		"", " ", "Bearer", "Bearer ", "Bearer llk_", key, "Bearer" + key, "Bearer\t" + key, "Bearer: " + key, "Bearer=" + key, "Bearer,", "Bearers " + key, "Bear " + key,
		"Basic " + key, "Basic " + base64.StdEncoding.EncodeToString([]byte("key:"+key)), "Basic x", "Digest username=" + key, "Token " + key, "Négotiate " + key, "llk_ " + key,
		good[:len(good)-1], good + "0", good + "_", good + "=", good + ".", good + " " + key, good + "," + key, good + ", " + good, good + ";q=1", good + "%00", good + "\xff", good + "\u202e", good + "é",
		"Bearer Bearer " + key, "Bearer " + key[1:], "Bearer " + key[4:], "Bearer 0" + key, `Bearer "` + key + `"`, "Bearer <" + key + ">", "Bearer token=" + key, "Bearer %6c" + key[1:], "Bearer \ufeff" + key, "Bearer ｌ" + key[1:],
		"Bearer " + key[:8], "Bearer " + key[:middle], "Bearer " + key[middle:], "Bearer " + key[:middle] + " " + key[middle:], "Bearer " + key[:middle] + "\t" + key[middle:], "Bearer " + key[middle:] + key[:middle],
		"Bearer " + strings.ToLower(key), "Bearer " + strings.ToUpper(key), "Bearer " + swapped, "Bearer " + strings.ReplaceAll(key, "_", "-"), "Bearer llk_" + strings.Repeat("0", 43) + "_000000",
		"Bearer null", "Bearer eyJhbGciOiJub25lIn0.e30.", "Bearer " + strings.Repeat("t", 5_000), good + strings.Repeat("0", 5_000), good + strings.Repeat("0", 50_000), strings.Repeat("Bearer ", 700) + key, "Bearer " + strings.Repeat(key, 100),
	}
	var table []mutation
	// strange returns a mutation after which a request is a stranger's.
	strange := func(name string, change func(d *draft)) mutation {
		return always(name, func(d *draft) { d.isStrangers = true; change(d) })
	}
	add := func(name string, lines ...string) {
		table = append(table, strange(name, func(d *draft) {
			d.removeHeader("Authorization")
			d.headers = append(d.headers, lines...)
		}))
	}
	for _, value := range wrong {
		add("the Authorization is "+abridged(strings.ReplaceAll(value, key, "KEY")), "Authorization: "+value)
	}
	add("there is no Authorization")
	add("the Authorization is there twice", "Authorization: "+good, "Authorization: "+good)
	add("a good Authorization is before another", "Authorization: "+good, "Authorization: Basic x")
	add("a good Authorization is after another", "Authorization: Basic x", "Authorization: "+good)
	add("a good Authorization is after an empty one", "Authorization: ", "authorization: "+good)
	add("a good Authorization is before a hundred", append([]string{"Authorization: " + good}, strings.Split(strings.Repeat("Authorization: x\n", 100), "\n")[:100]...)...)
	for _, name := range []string{"Proxy-Authorization", "X-Authorization", "X-Api-Key", "Authorization-", "WWW-Authenticate", "X-Forwarded-Authorization"} {
		add("the Authorization is "+name, name+": "+good)
	}
	add("the key is in a cookie", "Cookie: learninglog="+key)
	add("half of the key is in a cookie", "Cookie: learninglog="+key[4:47])
	add("there is a cookie beside an Authorization that is wrong", "Authorization: Basic x", "Cookie: learninglog="+key[4:47])
	for _, line := range []string{
		"Authorization : " + good, "Authorization\x00: " + good, " Authorization: " + good, "Authorization: Bearer " + key[:middle] + "\r\n " + key[middle:],
		"Authorization: Bearer \x00" + key, "Authorization: " + good + "\x00", "Authorization: Bearer \x1b[31m" + key, "Authorization: " + good + "\a", "Authorization: " + good + "\x7f", "Authorization: Bearer\v" + key,
		"Authorization: Bearer " + key[:middle] + "\r" + key[middle:], "Authorization: Bearer\n" + key, "Authorization: Bearer " + key[:middle] + "\n" + key[middle:], "Auth\norization: " + good,
	} {
		table = append(table, strange("a line is "+abridged(strings.ReplaceAll(line, key, "KEY")), func(d *draft) {
			d.removeHeader("Authorization")
			d.headers = append(d.headers, line)
			d.isAmbiguous = true
		}))
	}
	return table
}

// openPaths are those where nobody is asked.
var openPaths = regexp.MustCompile(`^/(healthz|readyz|openapi\.json|openapi\.yaml|docs|problems|static|login|logout)`)

// judgeIdentity returns what is wrong with the answer of a service that asks everybody for
// their key, or nothing.
func judgeIdentity(d *draft, got received) string {
	switch {
	case openPaths.MatchString(d.path):
		return ""
	case !d.isStrangers && !d.isAmbiguous && got.status == http.StatusUnauthorized:
		return "a key that is good was refused"
	case !d.isStrangers, got.status >= http.StatusBadRequest && got.status < http.StatusInternalServerError:
		return ""
	case got.status == http.StatusSeeOther && strings.HasPrefix(got.header.Get("Location"), "/login?"):
		return ""
	case d.isAmbiguous && (got.status == http.StatusNotImplemented || got.status == http.StatusHTTPVersionNotSupported):
		return ""
	}
	return "a stranger was let in"
}

// tellsOf returns what a text tells of a key that nobody may know, in whatever case, or
// nothing. The first eight characters are shown.
func tellsOf(text, key string) string {
	const more = 9
	text = strings.ToLower(text)
	for at := 0; at+more <= len(key); at += more {
		if part := key[at : at+more]; strings.Contains(text, strings.ToLower(part)) {
			return part
		}
	}
	return ""
}
