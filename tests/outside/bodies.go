package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// body reads the fields of a signed body; the first thing that is not as its type requires stays in err.
type body struct {
	data map[string]any
	err  error
}

var (
	hex64    = regexp.MustCompile(`^[0-9a-f]{64}$`)
	hex32    = regexp.MustCompile(`^[0-9a-f]{32}$`)
	issuers  = regexp.MustCompile(`^(?:https://[a-zA-Z0-9.-]+|http://(?:127\.0\.0\.1|localhost|\[::1\]))(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~/-]*)?$`)
	numbers  = regexp.MustCompile(`^[0-9]{1,20}$`)
	spkiHead = []byte{0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00}
)

// provider is a kind of identity token: the claim that numbers the repository, the one that says what started the job, and which of its values come from outside.
type provider struct {
	identity, event string
	outside         []string
}

var providers = map[string]provider{
	"github": {"repository_id", "event_name", []string{"pull_request", "pull_request_target", "pull_request_review", "pull_request_review_comment",
		"issue_comment", "issues", "discussion", "discussion_comment", "fork", "watch"}},
	"gitlab": {"project_id", "pipeline_source", []string{"merge_request_event", "external_pull_request_event"}},
}

func (b *body) fail(format string, arguments ...any) {
	if b.err == nil {
		b.err = fmt.Errorf(format, arguments...)
	}
}

// has says whether an optional field is there.
func (b *body) has(name string) bool { return b.data[name] != nil }

func (b *body) text(name string) string {
	text, ok := b.data[name].(string)
	if !ok {
		b.fail("%s is not a string", name)
	}
	return text
}

func (b *body) name(name string) string {
	text := b.text(name)
	if count := utf8.RuneCountInString(text); count < 1 || count > 1024 {
		b.fail("%s is not 1 to 1024 characters", name)
	}
	return text
}

func (b *body) matching(name string, pattern *regexp.Regexp) string {
	text := b.text(name)
	if !pattern.MatchString(text) {
		b.fail("%s does not match %s", name, pattern)
	}
	return text
}

func (b *body) oneOf(name, otherwise string, allowed ...string) string {
	if _, there := b.data[name]; !there && otherwise != "" {
		return otherwise
	}
	text := b.text(name)
	if !slices.Contains(allowed, text) {
		b.fail("%s is not one of %v", name, allowed)
	}
	return text
}

func (b *body) whole(name string, least, most int64) int64 {
	number, ok := b.data[name].(json.Number)
	value, err := strconv.ParseInt(number.String(), 10, 64)
	if !ok || err != nil || value < least || value > most {
		b.fail("%s is not a number of %d to %d", name, least, most)
	}
	return value
}

func (b *body) texts(name string, otherwise []string) []string {
	if _, there := b.data[name]; !there {
		return otherwise
	}
	return b.strings(name, b.data[name])
}

func (b *body) strings(name string, value any) []string {
	items, ok := value.([]any)
	found := []string{}
	for _, item := range items {
		text, isText := item.(string)
		ok = ok && isText
		found = append(found, text)
	}
	if !ok {
		b.fail("%s is not a list of strings", name)
	}
	return found
}

func (b *body) bytes(name string, length int) []byte {
	text := b.text(name)
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || base64.StdEncoding.EncodeToString(raw) != text || len(raw) != length {
		b.fail("%s is not the base64 of %d bytes", name, length)
	}
	return raw
}

func (b *body) key(name string) []byte {
	spki := b.bytes(name, 44)
	if !bytes.HasPrefix(spki, spkiHead) {
		b.fail("%s is no Ed25519 key", name)
	}
	return spki
}

// instant reads a time as microseconds since the epoch.
func (b *body) instant(name string) int64 {
	when, err := time.Parse(time.RFC3339Nano, strings.Replace(b.text(name), " ", "T", 1))
	if err != nil || when.Nanosecond()%1000 != 0 {
		b.fail("%s is not a time", name)
	}
	return when.UnixMicro()
}

// under reads an object in a field; all its readings count for b.
func (b *body) under(name string, read func(*body)) {
	inner, ok := b.data[name].(map[string]any)
	if !ok {
		b.fail("%s is not an object", name)
		return
	}
	b.inside(name, inner, read)
}

// each reads a list of objects.
func (b *body) each(name string, required bool, read func(*body)) {
	value, there := b.data[name]
	items, ok := value.([]any)
	if !ok && (there || required) {
		b.fail("%s is not a list", name)
	}
	for _, item := range items {
		inner, ok := item.(map[string]any)
		if !ok {
			b.fail("%s holds something else than objects", name)
			continue
		}
		b.inside(name, inner, read)
	}
}

func (b *body) inside(name string, data map[string]any, read func(*body)) {
	inner := &body{data: data}
	read(inner)
	if inner.err != nil {
		b.fail("%s: %w", name, inner.err)
	}
}

// scope is a scope as one text: it is only ever compared.
func (b *body) scope(name string) string {
	found := ""
	b.under(name, func(s *body) {
		text, _ := json.Marshal([][]string{s.texts("namespaces", []string{}), s.texts("eventTypes", []string{"*"}), s.texts("sources", []string{"*"})})
		found = string(text)
	})
	return found
}

// erasure reads what an erasure says: the entry it names.
func (b *body) erasure() int64 {
	entry := b.whole("entry", 0, 1<<53-1)
	b.name("reason")
	if b.has("replacement") {
		b.whole("replacement", 0, 1<<53-1)
	}
	if b.has("legalBasis") {
		b.text("legalBasis")
	}
	if b.has("artifacts") {
		for _, artifact := range b.strings("artifacts", b.data["artifacts"]) {
			if !hex64.MatchString(artifact) {
				b.fail("artifacts holds no digest")
			}
		}
	}
	return entry
}

// binding is what a policy lets CI jobs enrol.
type binding struct {
	id, provider, issuer, tenant, scope string
	claims                              map[string][]string
	seconds                             int64
}

func (b *body) binding() binding {
	found := binding{id: b.name("id"), provider: b.oneOf("provider", "", "github", "gitlab"), issuer: b.matching("issuer", issuers), tenant: b.matching("tenant", hex32),
		scope: b.scope("scope"), claims: map[string][]string{}, seconds: 3600}
	b.name("issuer")
	b.under("claims", func(c *body) {
		for claim, values := range c.data {
			found.claims[claim] = c.strings(claim, values)
		}
	})
	if _, there := b.data["seconds"]; there {
		found.seconds = b.whole("seconds", 60, 86_400)
	}
	repositories := found.claims[providers[found.provider].identity]
	if len(repositories) == 0 || slices.ContainsFunc(repositories, func(number string) bool { return !numbers.MatchString(number) }) {
		b.fail("a binding lists repositories by number")
	}
	return found
}

// allows says whether a job with these claims gets a key.
func (b binding) allows(claims map[string]string) bool {
	kind := providers[b.provider]
	if !slices.Contains(b.claims[kind.identity], claims[kind.identity]) {
		return false
	}
	event, there := claims[kind.event]
	if !there || (slices.Contains(kind.outside, event) && !slices.Contains(b.claims[kind.event], event)) {
		return false
	}
	for claim, allowed := range b.claims {
		value, there := claims[claim]
		if !there || !slices.ContainsFunc(allowed, func(pattern string) bool {
			prefix, open := strings.CutSuffix(pattern, "*")
			return value == pattern || (open && strings.HasPrefix(value, prefix))
		}) {
			return false
		}
	}
	return true
}

// policy reads a policy: the one it replaces (-1: none) and its bindings.
func (b *body) policy() (int64, []binding) {
	tenants, prefixes, bindings := []string{}, []string{}, []binding{}
	b.each("tenants", true, func(t *body) {
		tenants = append(tenants, t.matching("id", hex32))
		t.name("name")
		prefixes = append(prefixes, t.texts("prefixes", nil)...)
	})
	b.each("grants", false, func(g *body) {
		g.text("viewer")
		g.oneOf("role", "", "admin", "ingest", "reader", "auditor", "operator")
		g.texts("prefixes", nil)
		if g.has("ceiling") {
			g.text("ceiling")
		}
	})
	b.oneOf("logRead", "public", "public", "restricted")
	b.texts("protectedAliases", nil)
	b.each("bindings", false, func(inner *body) { bindings = append(bindings, inner.binding()) })
	previous := int64(-1)
	if b.has("previous") {
		previous = b.whole("previous", 0, 1<<53-1)
	}
	ids := []string{}
	for _, each := range bindings {
		ids = append(ids, each.id)
	}
	if repeats(ids) || repeats(tenants) || repeats(prefixes) || slices.Contains(tenants, strings.Repeat("0", 32)) {
		b.fail("a policy that makes no sense")
	}
	return previous, bindings
}

func repeats(items []string) bool {
	sorted := slices.Clone(items)
	slices.Sort(sorted)
	return len(slices.Compact(sorted)) != len(items)
}
